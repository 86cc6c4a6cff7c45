//! Types that a `Vec` may hold.

use sqlx::error::BoxDynError;
use sqlx::{Decode, Encode, Type};

use super::{Any, AnyArgumentBuffer, AnyTypeInfo, AnyValueRef};
use crate::value::{Mismatch, Value, ValueRef};

/// A type whose `Vec` is an array: every scalar, its `Option`, and every type with `#[derive(ebbtide::Type)]`. The
/// `Vec` of `u8` is bytes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// #[derive(Clone, Copy, Debug, PartialEq, sqlx::Type, ebbtide::Type)]
/// #[sqlx(transparent)]
/// struct UserId(i64);
///
/// // The array of a column of PostgreSQL, and no other: elsewhere there are none.
/// #[derive(sqlx::FromRow)]
/// struct Team {
///     members: Vec<UserId>,
/// }
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Vec` of `{Self}` is no array of any backend",
    note = "derive `ebbtide::Type` for it, or read the column as a document: `#[sqlx(json)]`"
)]
pub trait AnyMember: Sized + Type<Any> {
    /// Reads the members of an array.
    #[doc(hidden)]
    fn read(value: AnyValueRef<'_>) -> Result<Vec<Self>, BoxDynError>
    where
        Self: for<'a> Decode<'a, Any>,
    {
        let ValueRef::Owned(Value::Array(members) | Value::List(members)) = &value.value else {
            return super::decode::mismatched(&value);
        };
        let read = |(index, member): (usize, &Value)| {
            Self::decode(AnyValueRef::of(member.into())).map_err(|why| -> BoxDynError {
                Mismatch::new(format!("in member {} of the array, {why}", index + 1)).into()
            })
        };
        members.iter().enumerate().map(read).collect()
    }

    /// Writes the members as one value.
    #[doc(hidden)]
    fn write(members: &[Self], buffer: &mut AnyArgumentBuffer) -> Result<(), BoxDynError>
    where
        Self: for<'a> Encode<'a, Any>,
    {
        let mut values = AnyArgumentBuffer::default();
        for member in members {
            values.encode(member)?;
        }
        buffer.push(Value::Array(values.into_values()));
        Ok(())
    }

    /// Returns the type of the whole.
    #[doc(hidden)]
    fn array_info() -> AnyTypeInfo {
        AnyTypeInfo::named(format!("{}[]", Self::type_info()).into())
    }
}

/// A type that sqlx's own derive has made a type of every database of sqlx, as far as that goes.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` needs `#[derive(sqlx::Type)]` beside `#[derive(ebbtide::Type)]`",
    label = "add `sqlx::Type` to its derives",
    note = "`ebbtide::Type` adds only what sqlx's derive leaves out for `ebbtide::any::Any`"
)]
pub trait DerivedBySqlx {}

impl<T: Type<Any> + for<'r> Decode<'r, Any> + for<'q> Encode<'q, Any>> DerivedBySqlx for T {}

#[doc(hidden)]
pub fn is_derived_by_sqlx<T: DerivedBySqlx>() {}
