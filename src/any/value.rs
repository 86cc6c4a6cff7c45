//! Values of rows, borrowed and owned.

use std::borrow::Cow;
use std::fmt;

use sqlx::ValueRef as _;

use super::{Any, AnyTypeInfo};
use crate::value::{RawRow, Value, ValueRef};

/// The value of a column, or a member of an array.
///
/// `Decode` of a type of your own passes it on to another type, as with every database of sqlx:
///
/// ```
/// use ebbtide::any::{Any, AnyTypeInfo, AnyValueRef};
/// use sqlx::error::BoxDynError;
/// use sqlx::{Decode, Type};
///
/// struct Percent(u8);
///
/// impl Type<Any> for Percent {
///     fn type_info() -> AnyTypeInfo {
///         <u8 as Type<Any>>::type_info()
///     }
/// }
///
/// impl<'r> Decode<'r, Any> for Percent {
///     fn decode(value: AnyValueRef<'r>) -> Result<Self, BoxDynError> {
///         match <u8 as Decode<Any>>::decode(value)? {
///             share @ 0..=100 => Ok(Self(share)),
///             _ => Err("it is more than 100".into()),
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct AnyValueRef<'r> {
    pub(super) value: ValueRef<'r>,
    column: Option<(&'r dyn RawRow, usize)>,
}

impl<'r> AnyValueRef<'r> {
    pub(super) fn of_column(value: ValueRef<'r>, row: &'r dyn RawRow, index: usize) -> Self {
        Self {
            value,
            column: Some((row, index)),
        }
    }

    /// Returns a value that is in no column: a member of an array.
    pub(super) fn of(value: ValueRef<'r>) -> Self {
        Self { value, column: None }
    }

    /// Returns the server's name of the column's type.
    pub(super) fn type_name(&self) -> Option<&'r str> {
        self.column.map(|(row, index)| row.type_name(index))
    }

    /// Returns whether it comes from a column of integers that is declared as one of booleans.
    pub(super) fn is_boolean(&self) -> bool {
        self.column.is_some_and(|(row, index)| row.is_boolean(index))
    }
}

impl<'r> sqlx::ValueRef<'r> for AnyValueRef<'r> {
    type Database = Any;

    fn to_owned(&self) -> AnyValue {
        let kept = match &self.value {
            ValueRef::Json(text) => Kept::Json((*text).into()),
            // Only a document can fail to become a value, and that stays a text.
            value => Kept::Value(Value::try_from(value.clone()).unwrap_or(Value::Null)),
        };
        AnyValue {
            kept,
            type_info: self.type_info().into_owned(),
        }
    }

    fn type_info(&self) -> Cow<'_, AnyTypeInfo> {
        Cow::Owned(match self.type_name() {
            Some(name) if !self.is_null() => AnyTypeInfo::named(name.to_owned().into()),
            _ => AnyTypeInfo::of_value(&self.value),
        })
    }

    fn is_null(&self) -> bool {
        matches!(
            self.value,
            ValueRef::Null | ValueRef::Owned(Value::Null | Value::NullOf(_))
        )
    }
}

/// Shows the type, never the value.
impl fmt::Debug for AnyValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyValueRef").field(&self.type_info().as_ref()).finish()
    }
}

/// An [`AnyValueRef`] that owns its value.
#[derive(Clone)]
pub struct AnyValue {
    kept: Kept,
    type_info: AnyTypeInfo,
}

#[derive(Clone)]
enum Kept {
    Value(Value),
    /// The text of a document, which is parsed when the requested type is known.
    Json(Box<str>),
}

impl sqlx::Value for AnyValue {
    type Database = Any;

    fn as_ref(&self) -> AnyValueRef<'_> {
        AnyValueRef::of(match &self.kept {
            Kept::Value(value) => value.into(),
            Kept::Json(text) => ValueRef::Json(text),
        })
    }

    fn type_info(&self) -> Cow<'_, AnyTypeInfo> {
        Cow::Borrowed(&self.type_info)
    }

    fn is_null(&self) -> bool {
        matches!(&self.kept, Kept::Value(value) if value.is_null())
    }
}

/// Shows the type, never the value.
impl fmt::Debug for AnyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyValue").field(&self.type_info).finish()
    }
}
