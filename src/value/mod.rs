//! Values that go into statements and come out of rows. No I/O.

mod columns;
mod convert;
mod decode_error;
mod deserialize;
mod document;
mod from_value;
mod json;
mod mismatch;
mod names;
mod null_of;
mod null_type;
mod number;
mod owned;
mod parameter;
mod params;
mod raw_row;
mod row;
mod same_type;
mod serialize;
mod text;
#[allow(
    clippy::module_inception,
    reason = "it holds the `Value` that the whole folder is about"
)]
mod value;
mod value_deserializer;
mod wrappers;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
#[allow(
    clippy::float_cmp,
    clippy::items_after_statements,
    reason = "exactness is the point; a type stands where it is used"
)]
mod tests;

pub(crate) use columns::unreadable;
pub(crate) use deserialize::deserialize_row;
pub(crate) use document::typed;
pub use from_value::FromValue;
pub use mismatch::Mismatch;
pub(crate) use names::Names;
pub use null_type::NullType;
pub(crate) use params::ParamValues;
pub use params::{IntoParams, Params};
pub(crate) use raw_row::RawRow;
pub use row::{ColumnIndex, Row};
pub use serialize::{Bind, bind};
pub(crate) use text::usual_moment;
pub use value::{Interval, Value, ValueRef};
pub use wrappers::{Array, Json};
