//! COPY: many rows to PostgreSQL, or from it, as a stream of bytes.

use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::backend::{CopyData, CopyPiece, CopyRequest};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::query::Addressee;
use crate::session::{BoundStatement, RunningCopy};
use crate::sql::{Bound, CopyDirection, IntoSql};

/// The code of a COPY that was ended by its client.
const CANCELED: &str = "57014";

/// A `COPY … FROM STDIN` under way: the rows are sent as bytes, in the format that its text names. Returned by
/// [`Database::copy_in`].
///
/// Nothing is written before [`finish`](Self::finish) has returned. If this is dropped before, the server discards what
/// was sent, and the connection is usable again; inside a transaction, that has failed then, as after every error on
/// PostgreSQL, and its last savepoint is the way back.
///
/// It has a connection to itself. In a transaction and in a sandbox that is the connection of the other statements,
/// which until its end fail with [`ErrorKind::ConcurrentUse`], naming where the COPY was begun.
///
/// The setting `statement_timeout` limits each wait for the server.
#[derive(Debug)]
#[must_use = "nothing is written without `finish`"]
pub struct CopyIn {
    // Dropped first, so that the job learns of the end while it is still driven.
    pieces: mpsc::Sender<CopyPiece>,
    running: RunningCopy,
}

impl CopyIn {
    /// Sends bytes, as many at a time as is convenient: rows may begin and end anywhere in them. Waits until the connection
    /// has taken those before, so memory holds two pieces at most.
    ///
    /// # Errors
    ///
    /// [`ConnectionLost`](ErrorKind::ConnectionLost) and [`Timeout`](ErrorKind::Timeout). The server reports what is
    /// wrong with the rows at the end: see [`finish`](Self::finish).
    ///
    /// # Cancel safety
    ///
    /// If dropped early, its bytes were not sent.
    pub async fn send(&mut self, data: impl Into<Bytes>) -> Result<()> {
        let data = data.into();
        if data.is_empty() {
            return Ok(());
        }
        self.put(CopyPiece::Data(data)).await
    }

    async fn put(&mut self, piece: CopyPiece) -> Result<()> {
        match self.running.until(self.pieces.reserve()).await? {
            Some(Ok(permit)) => {
                if let CopyPiece::Finish = piece {
                    self.running.will_stay();
                }
                permit.send(piece);
                Ok(())
            }
            Some(Err(_)) => Err(self.running.end().await.err().unwrap_or_else(ended)),
            None => Err(ended()),
        }
    }

    /// Ends the data, and returns the number of rows that were written.
    ///
    /// # Errors
    ///
    /// Those of the rows: [`Constraint`](ErrorKind::Constraint), and [`Database`](ErrorKind::Database) for values that
    /// are wrong, whose message names the line and the column. Nothing was written then. Outside of a transaction,
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) if the connection is lost before the answer.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, it is unknown whether the rows are written.
    pub async fn finish(mut self) -> Result<u64> {
        self.put(CopyPiece::Finish).await?;
        self.running.end().await.map(|done| done.rows_affected)
    }

    /// Discards what was sent. The server's log shows the reason.
    ///
    /// # Errors
    ///
    /// Those of the rows, if the server had refused them already, and those of the connection.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, it is aborted all the same.
    pub async fn abort(mut self, reason: impl Into<String>) -> Result<()> {
        // The end of the server's message.
        let reason = reason.into().replace('\0', "");
        self.put(CopyPiece::Abort(reason)).await?;
        match self.running.end().await {
            Err(error) if error.sqlstate() != Some(CANCELED) => Err(error),
            _ => Ok(()),
        }
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Driver, "the COPY ended before its data")
}

/// A `COPY … TO STDOUT` under way: a stream of bytes, in the format that its text names. Returned by
/// [`Database::copy_out`].
///
/// The server sends no faster than this is read. A piece is a row in PostgreSQL's formats, but need not be.
///
/// It has a connection to itself. In a transaction and in a sandbox that is the connection of the other statements,
/// which until its end fail with [`ErrorKind::ConcurrentUse`], naming where the COPY was begun. If this is dropped early,
/// the rest is read and thrown away in the background, for 10 seconds at most; then the connection is closed. In a
/// transaction and in a sandbox all of it is read, unless no more comes for 10 seconds.
///
/// The setting `statement_timeout` limits each wait for a piece.
///
/// # Cancel safety
///
/// `next` can be dropped and called again without losing a piece.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct CopyOut {
    chunks: mpsc::Receiver<Bytes>,
    running: RunningCopy,
    failed: Option<Error>,
}

impl Stream for CopyOut {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if !self.running.has_ended()
            && let Poll::Ready(result) = self.running.drive(context)
        {
            self.fail(result.err());
        }
        loop {
            match self.chunks.poll_recv(context) {
                Poll::Ready(Some(chunk)) => {
                    self.running.stop_clock();
                    return Poll::Ready(Some(Ok(chunk)));
                }
                // The last pieces come before the error, and the end of the job after its last piece.
                Poll::Ready(None) if self.running.has_ended() => return Poll::Ready(self.failed.take().map(Err)),
                _ if self.running.has_ended() => return Poll::Pending,
                _ => {
                    let late = ready!(self.running.poll_limit(context));
                    self.fail(Some(late));
                }
            }
        }
    }
}

impl CopyOut {
    /// Notes how it has ended. What ends in the background still has its end of the channel.
    fn fail(&mut self, failed: Option<Error>) {
        self.failed = failed;
        self.chunks.close();
    }
}

/// Begins a COPY, and returns it when the server has begun.
async fn begin(
    addressee: Addressee,
    sql: impl IntoSql,
    direction: CopyDirection,
    data: CopyData,
    place: &'static Location<'static>,
) -> Result<RunningCopy> {
    let caller = Caller::at(place);
    let target = addressee.into_target()?;
    let engine = target.engine();
    let (sql, params) = sql.into_sql(engine.dialect())?;
    if !params.is_empty() {
        return Err(Error::new(
            ErrorKind::Parameter,
            "COPY takes no parameters, but the statement has values",
        ));
    }
    let (begun, mut begins) = oneshot::channel();
    let request = CopyRequest {
        sql: sql.clone(),
        begun,
        data,
    };
    let job = engine.pool.connector().copy(request)?;
    let template = engine.templates.copying(sql.as_str(), direction)?;
    let bound = Bound {
        statement: Arc::clone(template.statement()),
        values: Vec::new(),
    };
    let work = BoundStatement::new(template, bound, caller);
    let mut running = RunningCopy::new(target, work, job, direction == CopyDirection::Out);
    match running.until(&mut begins).await? {
        Some(Err(_)) => Err(running.end().await.err().unwrap_or_else(ended)),
        Some(Ok(())) | None => Ok(running),
    }
}

macro_rules! copy {
    ($type:ty) => {
        impl $type {
            /// Begins a `COPY … FROM STDIN` of PostgreSQL, where a statement would run: in the open transaction, in the
            /// sandbox. It is the fastest way to write many rows.
            ///
            /// # Errors
            ///
            /// [`Unsupported`](ErrorKind::Unsupported) on every database but PostgreSQL, through its own driver:
            /// [`execute_many`](Self::execute_many) is the way there; [`Syntax`](ErrorKind::Syntax) for another statement;
            /// errors of the server.
            ///
            /// # Cancel safety
            ///
            /// If dropped early, nothing is written.
            ///
            /// ```no_run
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("postgres://localhost/shop").await?;
            /// let mut copy = database.copy_in("COPY item (id, name) FROM STDIN (FORMAT csv)").await?;
            /// for id in 1..=1_000_000 {
            ///     copy.send(format!("{id},\"item {id}\"\n")).await?;
            /// }
            /// assert_eq!(copy.finish().await?, 1_000_000);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn copy_in<S: IntoSql + Send>(&self, sql: S) -> impl Future<Output = Result<CopyIn>> + Send + use<S> {
                let (addressee, place) = (self.addressee(), Location::caller());
                let (pieces, receiver) = mpsc::channel(1);
                async move {
                    let data = CopyData::In(receiver);
                    let running = begin(addressee, sql, CopyDirection::In, data, place).await?;
                    Ok(CopyIn { pieces, running })
                }
            }

            /// Begins a `COPY … TO STDOUT` of PostgreSQL, where a statement would run: in the open transaction, in the
            /// sandbox. Returns a stream of bytes.
            ///
            /// # Errors
            ///
            /// [`Unsupported`](ErrorKind::Unsupported) on every database but PostgreSQL, through its own driver:
            /// [`iterate`](Self::iterate) is the way there; [`Syntax`](ErrorKind::Syntax) for another statement; errors
            /// of the server.
            ///
            /// # Cancel safety
            ///
            /// If dropped early, the connection stays usable.
            ///
            /// ```no_run
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("postgres://localhost/shop").await?;
            /// use futures::TryStreamExt;
            ///
            /// let mut copy = database.copy_out("COPY item TO STDOUT (FORMAT csv, HEADER)").await?;
            /// while let Some(bytes) = copy.try_next().await? {
            ///     print!("{}", String::from_utf8_lossy(&bytes));
            /// }
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn copy_out<S: IntoSql + Send>(&self, sql: S) -> impl Future<Output = Result<CopyOut>> + Send + use<S> {
                let (addressee, place) = (self.addressee(), Location::caller());
                let (sender, chunks) = mpsc::channel(1);
                async move {
                    let data = CopyData::Out(sender);
                    let running = begin(addressee, sql, CopyDirection::Out, data, place).await?;
                    Ok(CopyOut {
                        chunks,
                        running,
                        failed: None,
                    })
                }
            }
        }
    };
}

copy!(Database);
copy!(Connection);
