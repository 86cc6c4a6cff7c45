//! Values: what goes into a statement, and what comes out of a row. Nothing here does I/O.

mod cell;
mod convert;
mod deserialize;
mod document;
mod fault;
mod from_value;
mod json;
mod names;
mod number;
mod parameter;
mod params;
mod raw_row;
mod row;
mod serialize;
mod text;
#[allow(
    clippy::module_inception,
    reason = "it holds the `Value` that the whole folder is about"
)]
mod value;
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

pub(crate) use deserialize::deserialize_row;
pub use from_value::FromValue;
pub(crate) use names::Names;
pub(crate) use params::Bindings;
pub use params::{IntoParams, Params};
pub(crate) use raw_row::RawRow;
pub use row::{ColumnIndex, Row};
pub use serialize::{Bind, bind};
pub(crate) use value::ValueRef;
pub use value::{Interval, Value};
pub use wrappers::{Array, Json};
