//! The conversion of a borrowed value into an owned one.

use super::document::parse;
use super::mismatch::Mismatch;
use super::{Value, ValueRef};
use crate::error::Result;

impl Value {
    /// Returns the borrowed value as an owned one, for a backend that keeps it as a part of another value.
    pub(crate) fn of_member(value: ValueRef<'_>) -> Result<Self> {
        Self::try_from(value).map_err(Into::into)
    }
}

impl TryFrom<ValueRef<'_>> for Value {
    type Error = Mismatch;

    fn try_from(value: ValueRef<'_>) -> std::result::Result<Self, Mismatch> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Bool(value) => Self::Bool(value),
            ValueRef::I64(value) => Self::I64(value),
            ValueRef::U64(value) => Self::U64(value),
            ValueRef::F32(value) => Self::F32(value),
            ValueRef::F64(value) => Self::F64(value),
            ValueRef::Decimal(value) => Self::Decimal(value),
            ValueRef::Text(value) => Self::Text(value.to_owned()),
            ValueRef::Json(value) => Self::Json(parse(value)?),
            ValueRef::Bytes(value) => Self::Bytes(value.to_vec()),
            ValueRef::Date(value) => Self::Date(value),
            ValueRef::Time(value) => Self::Time(value),
            ValueRef::DateTime(value) => Self::DateTime(value),
            ValueRef::Timestamp(value) => Self::Timestamp(value),
            ValueRef::Uuid(value) => Self::Uuid(value),
            ValueRef::Owned(value) => value,
        })
    }
}
