//! The values of a statement, by position.

use std::fmt;

use sqlx::error::BoxDynError;
use sqlx::{Encode, Type};
use sqlx_core::encode::IsNull;

use super::Any;
use crate::value::Value;

/// The values of a statement for [`Any`], by position.
#[derive(Clone, Debug, Default)]
pub struct AnyArguments(AnyArgumentBuffer);

/// The buffer into which `Encode` writes the [`Value`] of a parameter.
///
/// ```
/// use ebbtide::any::{Any, AnyArgumentBuffer};
/// use sqlx::encode::{Encode, IsNull};
/// use sqlx::error::BoxDynError;
///
/// struct UserId(i64);
///
/// impl Encode<'_, Any> for UserId {
///     fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Result<IsNull, BoxDynError> {
///         buffer.push(self.0);
///         Ok(IsNull::No)
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct AnyArgumentBuffer(Vec<Value>);

impl AnyArgumentBuffer {
    /// Adds a value. A parameter is one value.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.0.push(value.into());
    }

    /// Adds one parameter, and makes sure that it is one.
    pub(super) fn encode<'t, T: Encode<'t, Any>>(&mut self, value: T) -> Result<(), BoxDynError> {
        let before = self.0.len();
        let null = value.encode(self)?;
        match (self.0.len() - before, null) {
            (1, _) => Ok(()),
            (0, IsNull::Yes) => {
                self.0.push(Value::Null);
                Ok(())
            }
            (count, _) => {
                self.0.truncate(before);
                let name = std::any::type_name::<T>();
                Err(format!("{name} was encoded as {count} values; it must push one value").into())
            }
        }
    }

    pub(super) fn into_values(self) -> Vec<Value> {
        self.0
    }
}

impl AnyArguments {
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.0.into_values()
    }
}

impl sqlx::Arguments for AnyArguments {
    type Database = Any;

    fn reserve(&mut self, additional: usize, _size: usize) {
        self.0.0.reserve(additional);
    }

    fn add<'t, T>(&mut self, value: T) -> Result<(), BoxDynError>
    where
        T: Encode<'t, Any> + Type<Any>,
    {
        self.0.encode(value)
    }

    fn len(&self) -> usize {
        self.0.0.len()
    }

    /// Writes `$1`, which is no operator on any server.
    fn format_placeholder<W: fmt::Write>(&self, writer: &mut W) -> fmt::Result {
        write!(writer, "${}", self.0.0.len())
    }
}

sqlx_core::impl_into_arguments_for_arguments!(AnyArguments);

/// Shows the number of values, never the values.
impl fmt::Debug for AnyArgumentBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyArgumentBuffer").field(&self.0.len()).finish()
    }
}
