//! Types of SQL by their names.

use std::borrow::Cow;
use std::fmt;

use crate::value::{NullType, Value, ValueRef};

/// The name of `NULL`, which has no type.
const NULL: &str = "NULL";

/// A type of SQL: that of a column by the server's name, that of a value or of a Rust type by its kind.
///
/// It is for messages. Which values can be read as a Rust type is decided by the values themselves.
///
/// ```
/// use ebbtide::any::{Any, AnyTypeInfo};
/// use sqlx::{Type, TypeInfo};
///
/// let info: AnyTypeInfo = <i64 as Type<Any>>::type_info();
/// assert_eq!(info.name(), "BIGINT");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyTypeInfo {
    name: Cow<'static, str>,
    /// The type of a `NULL` in place of a value.
    null: Option<NullType>,
}

impl AnyTypeInfo {
    /// Creates the type of which a Rust type is bound.
    pub(super) const fn of_type(null: NullType) -> Self {
        let name = match null {
            NullType::Bool => "BOOLEAN",
            NullType::I16 => "SMALLINT",
            NullType::I32 => "INTEGER",
            NullType::I64 => "BIGINT",
            NullType::U64 => "BIGINT UNSIGNED",
            NullType::F32 => "REAL",
            NullType::F64 => "DOUBLE PRECISION",
            NullType::Decimal => "DECIMAL",
            NullType::Text => "TEXT",
            NullType::Bytes => "BYTES",
            NullType::Date => "DATE",
            NullType::Time => "TIME",
            NullType::DateTime => "TIMESTAMP",
            NullType::Timestamp => "TIMESTAMP WITH TIME ZONE",
            NullType::Uuid => "UUID",
            NullType::Json => "JSON",
            NullType::Interval => "INTERVAL",
            NullType::Inet => "INET",
        };
        Self {
            name: Cow::Borrowed(name),
            null: Some(null),
        }
    }

    /// Creates a type that is known by its name only.
    pub(super) const fn named(name: Cow<'static, str>) -> Self {
        Self { name, null: None }
    }

    /// Creates the type of a value that comes from no column.
    pub(super) fn of_value(value: &ValueRef<'_>) -> Self {
        Self::of_type(match value {
            ValueRef::Null => return Self::named(NULL.into()),
            ValueRef::Bool(_) => NullType::Bool,
            ValueRef::I64(_) => NullType::I64,
            ValueRef::U64(_) => NullType::U64,
            ValueRef::F32(_) => NullType::F32,
            ValueRef::F64(_) => NullType::F64,
            ValueRef::Decimal(_) => NullType::Decimal,
            ValueRef::Text(_) => NullType::Text,
            ValueRef::Json(_) | ValueRef::Owned(Value::Json(_)) => NullType::Json,
            ValueRef::Bytes(_) => NullType::Bytes,
            ValueRef::Date(_) => NullType::Date,
            ValueRef::Time(_) => NullType::Time,
            ValueRef::DateTime(_) => NullType::DateTime,
            ValueRef::Timestamp(_) => NullType::Timestamp,
            ValueRef::Uuid(_) => NullType::Uuid,
            ValueRef::Owned(Value::Interval(_)) => NullType::Interval,
            ValueRef::Owned(Value::Inet(_)) => NullType::Inet,
            ValueRef::Owned(Value::Array(_) | Value::List(_)) => return Self::named("ARRAY".into()),
            ValueRef::Owned(other) => return Self::of_value(&other.into()),
        })
    }

    /// Returns the `NULL` of this type.
    pub(super) fn null(&self) -> Value {
        self.null.map_or(Value::Null, Value::NullOf)
    }
}

impl fmt::Display for AnyTypeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl sqlx::TypeInfo for AnyTypeInfo {
    fn is_null(&self) -> bool {
        self.name == NULL
    }

    fn name(&self) -> &str {
        &self.name
    }
}
