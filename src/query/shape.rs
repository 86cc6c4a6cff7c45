//! The number of expected rows, and their storage.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::Query;
use super::decode::{AsRow, Decoded, DecodedOn, Decoder, Deserialized, FirstColumn, Offered};
use crate::any::FromRow;
use crate::backend::{OfferedRow, RowSink};
use crate::error::Result;
use crate::value::{FromValue, Row};

/// No rows, only the server's summary of the statement: [`QueryResult`](crate::QueryResult).
#[derive(Debug)]
pub struct Execute;

/// One statement for many rows of parameters: [`BatchResult`].
#[derive(Debug)]
pub struct ExecuteMany;

/// Every row.
#[derive(Debug)]
pub struct All<D>(PhantomData<fn() -> D>);

/// The first row, which must exist.
#[derive(Debug)]
pub struct One<D>(PhantomData<fn() -> D>);

/// The first row, if there is one.
#[derive(Debug)]
pub struct Optional<D>(PhantomData<fn() -> D>);

/// Every row, and the server's summary of the statement.
#[derive(Debug)]
pub(crate) struct Whole;

/// The result of `execute_many`.
#[doc(alias = "DoneMany")]
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BatchResult {
    /// Number of rows inserted, updated or deleted, over all parameters.
    pub rows_affected: u64,
    /// Rows of a `RETURNING` clause.
    pub rows: Vec<Row>,
}

macro_rules! decoders {
    ($shape:ident) => {
        impl Query<$shape<AsRow>> {
            /// Reads rows into a type with `#[derive(sqlx::FromRow)]`, or into a tuple of sqlx's types.
            pub fn decode<T: FromRow + Send + 'static>(self) -> Query<$shape<Decoded<T>>> {
                self.reshape()
            }

            /// Reads rows of the backend `DB` into a type with `#[derive(sqlx::FromRow)]`, or into a tuple, whose fields
            /// need not be known to the other backends.
            ///
            /// # Errors
            ///
            /// [`Unsupported`](crate::ErrorKind::Unsupported) if the rows come from another backend.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// #[derive(sqlx::FromRow)]
            /// struct Note {
            ///     text: String,
            /// }
            /// let sql = "SELECT 'hello' AS text";
            /// let note = database.fetch_one(sql, ()).decode_on::<sqlx::Sqlite, Note>().await?;
            /// assert_eq!(note.text, "hello");
            /// # Ok(()) }
            /// ```
            pub fn decode_on<DB, T>(self) -> Query<$shape<DecodedOn<DB, T>>>
            where
                DB: sqlx::Database,
                T: for<'r> sqlx::FromRow<'r, DB::Row> + Send + 'static,
            {
                self.reshape()
            }

            /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
            pub fn deserialize<T: DeserializeOwned + Send + 'static>(self) -> Query<$shape<Deserialized<T>>> {
                self.reshape()
            }

            /// Reads the first column only.
            pub fn value<T: FromValue + Send + 'static>(self) -> Query<$shape<FirstColumn<T>>> {
                self.reshape()
            }
        }
    };
}

decoders!(All);
decoders!(One);
decoders!(Optional);

/// A sink that keeps every row.
pub(super) struct Keep<D: Decoder>(pub(super) Vec<D::Output>);

impl<D: Decoder> RowSink for Keep<D> {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        self.0.push(D::decode(Offered(row))?);
        Ok(())
    }

    fn restart(&mut self) -> bool {
        self.0.clear();
        true
    }
}

/// A sink that keeps the first row.
pub(super) struct FirstRow<D: Decoder>(pub(super) Option<D::Output>);

impl<D: Decoder> RowSink for FirstRow<D> {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        if self.0.is_none() {
            self.0 = Some(D::decode(Offered(row))?);
        }
        Ok(())
    }

    fn wants_one(&self) -> bool {
        true
    }

    fn restart(&mut self) -> bool {
        self.0 = None;
        true
    }
}
