//! Rows as a stream.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::{TryChunks, TryChunksError};
use futures::{Stream, TryStreamExt};
use serde::de::DeserializeOwned;

use crate::backend::FromRow;
use crate::error::{Error, Result};
use crate::pool::Caller;
use crate::query::{Addressee, undecodable, work};
use crate::session::{StreamCore, Target};
use crate::sql::IntoSql;
use crate::value::{IntoParams, Row, deserialize_row};

/// A stream of rows, in constant memory however many there are.
///
/// It acquires its connection when it is first polled and keeps it until its end, or until it is dropped. Outside of a
/// transaction it has its own connection, so other statements run concurrently. It may share a connection (a
/// transaction, a [`Connection`](crate::Connection), the sandbox of force rollback). Then another statement on it makes
/// the stream buffer the rest of its rows in memory, up to `stream_buffer_rows` of them. If there are more, that
/// statement fails with [`ErrorKind::ConcurrentUse`](crate::ErrorKind::ConcurrentUse), naming where the stream was
/// opened.
///
/// On SQLite, outside of a transaction, a stream of rows that its own statement writes (`INSERT … RETURNING`) reads all of
/// them into memory before it returns the first, whatever their number. So it keeps no lock and no connection while it is
/// read.
///
/// # Cancel safety
///
/// `next` can be dropped and called again without losing a row. Dropping the stream early leaves the connection usable:
/// the next statement on it first reads the rest of the answer.
#[must_use = "a stream does nothing until it is polled"]
pub struct RowStream<T = Row> {
    state: State,
    decode: fn(Row) -> Result<T>,
}

enum State {
    Open(Reader),
    /// The database was not connected when the stream was created, so the statement is prepared at the first poll.
    Late(Option<Box<LateStream>>),
    /// The statement could not be prepared.
    Failed(Option<Error>),
}

struct LateStream {
    open: Box<dyn FnOnce() -> Result<Arc<StreamCore>> + Send + Sync>,
}

impl State {
    fn of(opened: Result<Arc<StreamCore>>) -> Self {
        match opened {
            Ok(core) => Self::Open(Reader(core)),
            Err(error) => Self::Failed(Some(error)),
        }
    }
}

/// The reader of a stream. Dropping it abandons the rest.
struct Reader(Arc<StreamCore>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl RowStream {
    pub(crate) fn new(
        addressee: Addressee,
        sql: impl IntoSql,
        params: impl IntoParams,
        place: &'static Location<'static>,
    ) -> Self {
        let caller = Caller::at(place);
        let state = match addressee {
            Addressee::Known(target) => State::of(open(target, sql, params, caller)),
            Addressee::Late(late) => {
                let (sql, params) = (late.keep(sql), params.into_params());
                let open = Box::new(move || open(late.target()?, sql, params, caller));
                State::Late(Some(Box::new(LateStream { open })))
            }
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
        Batches::new(self, size.max(1))
    }
}

impl<T> RowStream<T> {
    /// Limits each wait for a row to `limit`: the first, in which the stream gets its connection, and those for the
    /// following rows. A wait that takes longer ends the stream with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout),
    /// or with [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the statement was sent, may write, and
    /// is not in a transaction. A wait begins when a row is first asked for
    /// and ends when it comes; what the reader does between two waits does not count. The default is the
    /// setting `statement_timeout`, which is unset; `Duration::ZERO` means no limit.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let mut rows = database.iterate("SELECT 1", ()).timeout(Duration::from_secs(5));
    /// while let Some(row) = rows.try_next().await? {
    ///     assert_eq!(row.get::<i64>(0)?, 1);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn timeout(self, limit: Duration) -> Self {
        self.set_time_limit(limit);
        self
    }

    fn set_time_limit(&self, limit: Duration) {
        if let State::Open(reader) = &self.state {
            reader.0.set_time_limit(limit);
        }
    }
}

fn open(target: Target, sql: impl IntoSql, params: impl IntoParams, caller: Caller) -> Result<Arc<StreamCore>> {
    let work = work(&target, sql, params, caller)?;
    Ok(StreamCore::new(target, work))
}

impl<T> Stream for RowStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let State::Late(late) = &mut self.state
            && let Some(late) = late.take()
        {
            self.state = State::of((late.open)());
        }
        match &mut self.state {
            State::Open(reader) => reader
                .0
                .poll_next(context)
                .map(|row| row.map(|row| row.and_then(self.decode))),
            State::Failed(error) => Poll::Ready(error.take().map(Err)),
            State::Late(_) => Poll::Ready(None),
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
pub struct Batches<T = Row> {
    chunks: TryChunks<RowStream<T>>,
    size: usize,
    /// An error to return after the rows before it.
    failed: Option<Error>,
}

impl Batches {
    /// Reads rows into a type with `#[derive(sqlx::FromRow)]`, or into a tuple of sqlx's types.
    ///
    /// ```
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let sql = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";
    /// let mut batches = database.batched_iterate(sql, (), 2).decode::<(i64,)>();
    /// assert_eq!(batches.try_next().await?, Some(vec![(1,), (2,)]));
    /// assert_eq!(batches.try_next().await?, Some(vec![(3,)]));
    /// # Ok(()) }
    /// ```
    pub fn decode<T: FromRow>(self) -> Batches<T> {
        Batches::new(self.chunks.into_inner().decode(), self.size)
    }

    /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
    pub fn deserialize<T: DeserializeOwned>(self) -> Batches<T> {
        Batches::new(self.chunks.into_inner().deserialize(), self.size)
    }
}

impl<T> Batches<T> {
    fn new(rows: RowStream<T>, size: usize) -> Self {
        Self {
            chunks: rows.try_chunks(size),
            size,
            failed: None,
        }
    }

    /// Limits each wait for a row to `limit`; see [`RowStream::timeout`].
    pub fn timeout(self, limit: Duration) -> Self {
        self.chunks.get_ref().set_time_limit(limit);
        self
    }
}

impl<T> Stream for Batches<T> {
    type Item = Result<Vec<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
            Some(Err(TryChunksError(rows, error))) if rows.is_empty() => Some(Err(error)),
            Some(Err(TryChunksError(rows, error))) => {
                self.failed = Some(error);
                Some(Ok(rows))
            }
            Some(Ok(rows)) => Some(Ok(rows)),
            None => None,
        })
    }
}
