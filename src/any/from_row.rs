//! Rows of every backend as types with `#[derive(sqlx::FromRow)]`.

use super::AnyRow;

/// A type that can be read from a row of every backend. It is implemented for every type with
/// `#[derive(sqlx::FromRow)]` whose fields can be read from any backend, and for tuples of such types.
///
/// The fields are read by the conversions of [`FromValue`](crate::FromValue): integers that fit, decimals, arrays, and
/// `Json<T>` of sqlx, whichever backends are compiled in. An enum or newtype of your own has `#[derive(ebbtide::Type)]`
/// beside `#[derive(sqlx::Type)]`. A type that only a driver of sqlx reads, such as a composite type of PostgreSQL, is
/// read with [`decode_on`](crate::Query::decode_on).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// #[derive(sqlx::FromRow)]
/// struct Note {
///     id: i32,
///     text: String,
///     price: rust_decimal::Decimal,
/// }
/// let note: Note = database.fetch_one("SELECT 1 AS id, 'hello' AS text, 2.5 AS price", ()).decode().await?;
/// assert_eq!((note.id, note.text.as_str(), note.price.to_string()), (1, "hello", "2.5".to_owned()));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the rows of every backend",
    note = "derive `sqlx::FromRow` for it; an enum or a newtype in a field needs `#[derive(ebbtide::Type)]` beside `#[derive(sqlx::Type)]`",
    note = "for a type that only a driver of sqlx reads, name it: `.decode_on::<sqlx::Postgres, _>()`; or read the row with `.deserialize()`"
)]
pub trait FromRow: Sized {
    #[doc(hidden)]
    fn from_any(row: &AnyRow) -> Result<Self, sqlx::Error>;
}

impl<T: for<'r> sqlx::FromRow<'r, AnyRow>> FromRow for T {
    fn from_any(row: &AnyRow) -> Result<Self, sqlx::Error> {
        T::from_row(row)
    }
}
