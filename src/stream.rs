//! Rows as a stream.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use serde::de::DeserializeOwned;

use crate::any::{AnyRow, FromRow};
use crate::error::{Error, Result};
use crate::pool::Caller;
use crate::query::{Addressee, decode, decode_on, work};
use crate::session::{StreamCore, StreamReader, Target};
use crate::sql::IntoSql;
use crate::value::{FromValue, IntoParams, Row, deserialize_row};

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
    Open(StreamReader),
    /// The database was not connected when the stream was created, so the statement is prepared at the first poll.
    Late(Option<Box<LateStream>>),
    /// The statement could not be prepared.
    Failed(Option<Error>),
}

struct LateStream {
    open: Box<dyn FnOnce() -> Result<Arc<StreamCore>> + Send + Sync>,
    limit: Option<Duration>,
}

impl LateStream {
    fn open(self) -> State {
        let opened = (self.open)();
        if let (Ok(core), Some(limit)) = (&opened, self.limit) {
            core.set_time_limit(limit);
        }
        State::of(opened)
    }
}

impl State {
    fn of(opened: Result<Arc<StreamCore>>) -> Self {
        match opened {
            Ok(core) => Self::Open(StreamReader(core)),
            Err(error) => Self::Failed(Some(error)),
        }
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
                State::Late(Some(Box::new(LateStream { open, limit: None })))
            }
        };
        Self { state, decode: Ok }
    }

    /// Reads rows into a type with `#[derive(sqlx::FromRow)]`, or into a tuple of sqlx's types.
    pub fn decode<T: FromRow>(self) -> RowStream<T> {
        self.read_by(|row| decode(&AnyRow::new(row.into_raw())))
    }

    /// Reads rows of the backend `DB`; see [`Query::decode_on`](crate::Query::decode_on).
    ///
    /// ```
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let mut rows = database.iterate("SELECT 1", ()).decode_on::<sqlx::Sqlite, (i64,)>();
    /// assert_eq!(rows.try_next().await?, Some((1,)));
    /// # Ok(()) }
    /// ```
    pub fn decode_on<DB, T>(self) -> RowStream<T>
    where
        DB: sqlx::Database,
        T: for<'r> sqlx::FromRow<'r, DB::Row>,
    {
        self.read_by(|row| decode_on::<DB, T>(row.raw()))
    }

    /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
    pub fn deserialize<T: DeserializeOwned>(self) -> RowStream<T> {
        self.read_by(|row| deserialize_row(row.raw()))
    }

    /// Reads the first column only.
    ///
    /// ```
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let ids: Vec<_> = database.iterate("SELECT 1 UNION SELECT 2", ()).value::<i64>().try_collect().await?;
    /// assert_eq!(ids, [1, 2]);
    /// # Ok(()) }
    /// ```
    pub fn value<T: FromValue>(self) -> RowStream<T> {
        self.read_by(|row| row.get(0))
    }

    fn read_by<T>(self, decode: fn(Row) -> Result<T>) -> RowStream<T> {
        RowStream {
            state: self.state,
            decode,
        }
    }

    pub(crate) fn batches(self, size: usize) -> Batches {
        Batches {
            rows: self,
            kept: VecDeque::new(),
            size: size.max(1),
        }
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
    pub fn timeout(mut self, limit: Duration) -> Self {
        match &mut self.state {
            State::Open(reader) => reader.0.set_time_limit(limit),
            State::Late(Some(late)) => late.limit = Some(limit),
            State::Late(None) | State::Failed(_) => {}
        }
        self
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
            self.state = late.open();
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
    rows: RowStream<T>,
    /// The rows of the next batch, and an error that follows them.
    kept: VecDeque<Result<T>>,
    size: usize,
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
        self.read_by(RowStream::decode)
    }

    /// Reads rows of the backend `DB`; see [`Query::decode_on`](crate::Query::decode_on).
    pub fn decode_on<DB, T>(self) -> Batches<T>
    where
        DB: sqlx::Database,
        T: for<'r> sqlx::FromRow<'r, DB::Row>,
    {
        self.read_by(RowStream::decode_on::<DB, T>)
    }

    /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
    pub fn deserialize<T: DeserializeOwned>(self) -> Batches<T> {
        self.read_by(RowStream::deserialize)
    }

    /// Reads the first column only.
    ///
    /// ```
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let sql = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3";
    /// let batches: Vec<_> = database.batched_iterate(sql, (), 2).value::<i64>().try_collect().await?;
    /// assert_eq!(batches, [vec![1, 2], vec![3]]);
    /// # Ok(()) }
    /// ```
    pub fn value<T: FromValue>(self) -> Batches<T> {
        self.read_by(RowStream::value)
    }

    fn read_by<T>(self, read: fn(RowStream) -> RowStream<T>) -> Batches<T> {
        let rows = read(self.rows);
        // A batch may have been begun: its rows are read here.
        let kept = self.kept.into_iter().map(|row| row.and_then(rows.decode)).collect();
        Batches {
            rows,
            kept,
            size: self.size,
        }
    }
}

impl<T> Batches<T> {
    /// Limits each wait for a row to `limit`; see [`RowStream::timeout`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.rows = self.rows.timeout(limit);
        self
    }

    /// Returns whether the next item has to wait for more rows.
    fn wants_more(&self) -> bool {
        let ends = [self.kept.front(), self.kept.back()];
        self.kept.len() < self.size && ends.into_iter().flatten().all(Result::is_ok)
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Batches<T> {}

impl<T> Stream for Batches<T> {
    type Item = Result<Vec<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.wants_more()
            && let Some(row) = ready!(Pin::new(&mut self.rows).poll_next(context))
        {
            self.kept.push_back(row);
        }
        if let Some(Err(error)) = self.kept.pop_front_if(|row| row.is_err()) {
            return Poll::Ready(Some(Err(error)));
        }
        let batch: Vec<_> = std::iter::from_fn(|| self.kept.pop_front_if(|row| row.is_ok())?.ok()).collect();
        Poll::Ready(Some(batch).filter(|batch| !batch.is_empty()).map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;
    use crate::error::ErrorKind;
    use crate::value::Value;
    use crate::value::fake::Fake;

    #[test]
    fn q6_a_batch_that_was_begun_is_read_by_another_decoder_without_a_loss() {
        let row = |value: Value| Ok(Fake::row([("n", value)]));
        let lost = Error::new(ErrorKind::ConnectionLost, "the connection was lost");
        let batches = Batches {
            rows: RowStream {
                state: State::Failed(Some(lost)),
                decode: Ok,
            },
            kept: [row(1.into()), row("one".into()), row(2.into())].into(),
            size: 9,
        };
        let mut batches = batches.value::<i64>();
        let mut next = || batches.next().now_or_never().flatten();
        assert_eq!(next().unwrap().unwrap(), [1]);
        assert_eq!(next().unwrap().unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(next().unwrap().unwrap(), [2]);
        assert_eq!(next().unwrap().unwrap_err().kind(), ErrorKind::ConnectionLost);
        assert!(next().is_none());
    }
}
