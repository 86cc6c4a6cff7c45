//! Rows as a stream.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use serde::de::DeserializeOwned;

use crate::backend::FromRow;
use crate::error::{Error, Result};
use crate::pool::Asker;
use crate::query::{undecodable, work};
use crate::session::{StreamCore, Target};
use crate::sql::IntoSql;
use crate::value::{IntoParams, Row, deserialize_row};

/// A stream of rows, in constant memory however many there are.
///
/// It takes its connection when it is first polled and keeps it until its end, or until it is dropped. Outside of a
/// transaction it has a connection of its own, so other statements run beside it. On a connection it shares with others
/// (a transaction, a [`Connection`](crate::Connection), the sandbox of force rollback) a statement that comes while it
/// is open makes it put the rest of its rows aside in memory, up to `stream_buffer_rows` of them; if there are more,
/// that statement fails with [`ErrorKind::ConcurrentUse`](crate::ErrorKind::ConcurrentUse), naming where the stream was
/// opened.
///
/// # Cancel safety
///
/// `next` can be dropped and called again without losing a row. Dropping the stream half-way leaves the connection
/// usable: the next statement on it first reads what is left of the answer.
#[must_use = "a stream does nothing until it is polled"]
pub struct RowStream<T = Row> {
    state: State,
    decode: fn(Row) -> Result<T>,
}

enum State {
    Open(Reader),
    /// The statement could not even be prepared.
    Failed(Option<Error>),
}

/// The one who reads a stream; when it is dropped, nobody wants the rest.
struct Reader(Arc<StreamCore>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl RowStream {
    pub(crate) fn new(
        target: Result<Target>,
        sql: impl IntoSql,
        params: impl IntoParams,
        place: &'static Location<'static>,
    ) -> Self {
        let opened = target.and_then(|target| {
            let work = work(&target, sql, params, Asker::at(place))?;
            Ok(StreamCore::new(target, work))
        });
        let state = match opened {
            Ok(core) => State::Open(Reader(core)),
            Err(error) => State::Failed(Some(error)),
        };
        Self { state, decode: Ok }
    }

    /// Reads rows into a type with `#[derive(sqlx::FromRow)]`, or into a tuple of sqlx's types.
    pub fn decode<T: FromRow>(self) -> RowStream<T> {
        RowStream {
            state: self.state,
            decode: |row| T::from_native(row.raw().native()).map_err(undecodable::<T>),
        }
    }

    /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
    pub fn deserialize<T: DeserializeOwned>(self) -> RowStream<T> {
        RowStream {
            state: self.state,
            decode: |row| deserialize_row(row.raw()),
        }
    }

    pub(crate) fn batches(self, size: usize) -> Batches {
        Batches {
            rows: self,
            size: size.max(1),
            batch: Vec::new(),
            failed: None,
        }
    }
}

impl<T> Stream for RowStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.state {
            State::Open(reader) => reader
                .0
                .poll_next(context)
                .map(|row| row.map(|row| row.and_then(self.decode))),
            State::Failed(error) => Poll::Ready(error.take().map(Err)),
        }
    }
}

impl<T> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").finish_non_exhaustive()
    }
}

/// A stream of batches of rows; see [`Database::batched_iterate`](crate::Database::batched_iterate).
#[must_use = "a stream does nothing until it is polled"]
#[derive(Debug)]
pub struct Batches {
    rows: RowStream,
    size: usize,
    batch: Vec<Row>,
    /// Comes after the rows before it.
    failed: Option<Error>,
}

impl Stream for Batches {
    type Item = Result<Vec<Row>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.rows).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(row))) => {
                    self.batch.push(row);
                    if self.batch.len() == self.size {
                        return Poll::Ready(Some(Ok(std::mem::take(&mut self.batch))));
                    }
                }
                Poll::Ready(Some(Err(error))) => self.failed = Some(error),
                Poll::Ready(None) if self.batch.is_empty() => return Poll::Ready(self.failed.take().map(Err)),
                Poll::Ready(None) => return Poll::Ready(Some(Ok(std::mem::take(&mut self.batch)))),
            }
        }
    }
}
