//! The tags of values.

pub(crate) const NULL: u8 = 0;
pub(crate) const BOOL: u8 = 1;
pub(crate) const I64: u8 = 2;
pub(crate) const U64: u8 = 3;
pub(crate) const F32: u8 = 4;
pub(crate) const F64: u8 = 5;
pub(crate) const DECIMAL: u8 = 6;
pub(crate) const TEXT: u8 = 7;
pub(crate) const BYTES: u8 = 8;
pub(crate) const DATE: u8 = 9;
pub(crate) const TIME: u8 = 10;
pub(crate) const DATETIME: u8 = 11;
pub(crate) const TIMESTAMP: u8 = 12;
pub(crate) const UUID: u8 = 13;
/// Text whose type the server decides; in a row the server's own text.
pub(crate) const UNTYPED: u8 = 15;
pub(crate) const INTERVAL: u8 = 16;
pub(crate) const INET: u8 = 17;
pub(crate) const ARRAY: u8 = 18;
/// A cell that cannot be read, with the reason.
pub(crate) const UNREADABLE: u8 = 19;
pub(crate) const I16: u8 = 20;
pub(crate) const I32: u8 = 21;
