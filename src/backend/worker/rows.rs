//! The transport of rows from the isolated side to the caller: in batches, since each message may wake a thread.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::actor::{ConnectionEnd, Job, Shared};
use crate::backend::{OfferedRow, QueryResult, RawConnection, Request, RowSink};
use crate::error::Result;
use crate::sql::Statement;
use crate::value::{RawRow, Value};

/// Largest number of rows in a batch.
pub(super) const BATCH: usize = 64;
/// Largest number of batches that wait for the reader, in addition to the one that does not fit.
pub(super) const AHEAD: usize = 2;

pub(super) type RowBatch = Vec<Box<dyn RawRow>>;

/// The first part of the answer of a statement; usually it is all of it.
pub(super) enum FirstPart {
    Whole(RowBatch, Result<QueryResult>),
    More(RowBatch, mpsc::Receiver<AnswerPart>),
}

/// A part of a longer answer.
pub(super) enum AnswerPart {
    Rows(RowBatch),
    End(RowBatch, Result<QueryResult>),
}

/// An owned [`Request`], which can be sent to another thread.
pub(super) struct OwnedRequest {
    statement: Arc<Statement>,
    values: Vec<Value>,
}

impl OwnedRequest {
    pub(super) fn new(request: Request<'_>) -> Self {
        Self {
            statement: Arc::clone(request.statement),
            values: request.values.to_vec(),
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            statement: &self.statement,
            values: &self.values,
        }
    }
}

/// A row that is offered to the caller's sink.
pub(super) struct ReceivedRow(pub(super) Option<Box<dyn RawRow>>);

impl OfferedRow for ReceivedRow {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_deref()
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take()
    }
}

/// Full batches that are to be sent as soon as the driver pauses; `None` when the rows are not needed.
type Full = Mutex<Option<VecDeque<RowBatch>>>;

/// The sink on the isolated side.
struct BatchBuilder<'a> {
    batch: RowBatch,
    full: &'a Full,
    wants_one: bool,
    unwanted: bool,
}

impl RowSink for BatchBuilder<'_> {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        if self.unwanted {
            return Ok(());
        }
        self.batch.extend(row.take());
        if self.batch.len() >= BATCH {
            let batch = std::mem::take(&mut self.batch);
            match &mut *self.full.lock() {
                Some(full) => full.push_back(batch),
                None => self.unwanted = true,
            }
        }
        Ok(())
    }

    fn wants_one(&self) -> bool {
        self.wants_one
    }
}

/// The channel back to the caller.
enum Way {
    First(oneshot::Sender<FirstPart>),
    More(mpsc::Sender<AnswerPart>),
    /// The caller has dropped the call; the statement still runs to its end.
    Closed,
}

impl Way {
    /// Waits until the caller has dropped the call.
    async fn closed(&mut self) {
        match self {
            Self::First(first) => first.closed().await,
            Self::More(parts) => parts.closed().await,
            Self::Closed => {}
        }
    }

    /// Sends a batch as soon as there is room for it.
    async fn send(self, rows: RowBatch) -> Self {
        match self {
            Self::First(first) => {
                let (sender, parts) = mpsc::channel(AHEAD);
                match first.send(FirstPart::More(rows, parts)) {
                    Ok(()) => Self::More(sender),
                    Err(_) => Self::Closed,
                }
            }
            Self::More(parts) => match parts.send(AnswerPart::Rows(rows)).await {
                Ok(()) => Self::More(parts),
                Err(_) => Self::Closed,
            },
            Self::Closed => Self::Closed,
        }
    }

    async fn end(self, rows: RowBatch, result: Result<QueryResult>) {
        match self {
            Self::First(first) => drop(first.send(FirstPart::Whole(rows, result))),
            Self::More(parts) => drop(parts.send(AnswerPart::End(rows, result)).await),
            Self::Closed => {}
        }
    }

    /// Sends the full batches.
    async fn send_full(mut self, full: &Full) -> Self {
        loop {
            let batch = full.lock().as_mut().and_then(VecDeque::pop_front);
            let Some(batch) = batch else { return self };
            self = self.send(batch).await;
            if let Self::Closed = self {
                *full.lock() = None;
            }
        }
    }
}

/// Returns a job that runs a statement.
pub(super) fn run(owned: OwnedRequest, wants_one: bool, first: oneshot::Sender<FirstPart>) -> Job {
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let full = Mutex::new(Some(VecDeque::new()));
            let mut builder = BatchBuilder {
                batch: Vec::new(),
                full: &full,
                wants_one,
                unwanted: false,
            };
            let mut way = Way::First(first);
            let mut running = raw.run(owned.request(), &mut builder);
            let result = loop {
                // A sink cannot wait. So while the reader is slow, the driver is not polled.
                let step = std::future::poll_fn(|context| match running.as_mut().poll(context) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending if full.lock().as_ref().is_some_and(|full| !full.is_empty()) => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                });
                let step = tokio::select! {
                    biased;
                    step = shared.limited(step) => step,
                    never = shared.interrupt_without(way.closed(), Some(&owned.statement)) => match never {},
                };
                match step {
                    ControlFlow::Break(ending) => return ControlFlow::Break(ending),
                    ControlFlow::Continue(Some(result)) => break result,
                    ControlFlow::Continue(None) => way = way.send_full(&full).await,
                }
            };
            drop(running);
            shared.note(raw);
            way.send_full(&full).await.end(builder.batch, result).await;
            ControlFlow::Continue(())
        })
    })
}

/// Returns a job that streams the rows of a statement.
pub(super) fn stream(owned: OwnedRequest, reader: mpsc::Sender<AnswerPart>) -> Job {
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let anywhere = raw.interrupted(false);
            let left = forward(raw.stream(owned.request()), &reader, shared, anywhere).await?;
            shared.note(raw);
            let between_rows = match left {
                Left::AtEnd(rows, result) => {
                    let _ = reader.send(AnswerPart::End(rows, result)).await;
                    return ControlFlow::Continue(());
                }
                Left::BetweenRows => true,
                Left::Anywhere => false,
            };
            settle(raw, shared, between_rows).await
        })
    })
}

/// Leaves the connection idle after a stream that was not read to its end.
async fn settle(raw: &mut dyn RawConnection, shared: &Shared, between_rows: bool) -> ControlFlow<ConnectionEnd> {
    if !raw.interrupted(between_rows) {
        return ControlFlow::Break(ConnectionEnd::Cut);
    }
    let settled = shared.limited(raw.settle()).await?;
    shared.note(raw);
    match settled {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(ConnectionEnd::Cut),
    }
}

/// The point up to which a stream was read.
enum Left {
    AtEnd(RowBatch, Result<QueryResult>),
    BetweenRows,
    Anywhere,
}

/// Forwards the rows until they end or are not needed. `anywhere` is `true` if the driver can be interrupted while it
/// reads.
async fn forward(
    mut rows: BoxStream<'_, Result<Box<dyn RawRow>>>,
    reader: &mpsc::Sender<AnswerPart>,
    shared: &Shared,
    anywhere: bool,
) -> ControlFlow<ConnectionEnd, Left> {
    let mut batch = RowBatch::new();
    loop {
        let full = batch.len() >= BATCH;
        let at_hand = if full { None } else { rows.next().now_or_never() };
        let next = match at_hand {
            Some(next) => next,
            // Nothing more at the moment: what is there is sent first.
            None if !batch.is_empty() => {
                if reader.send(AnswerPart::Rows(std::mem::take(&mut batch))).await.is_ok() {
                    continue;
                }
                if full {
                    return ControlFlow::Continue(Left::BetweenRows);
                }
                return give_up(rows, shared, anywhere).await;
            }
            None => {
                let next = tokio::select! {
                    biased;
                    next = shared.limited(rows.next()) => Some(next?),
                    () = reader.closed() => None,
                };
                match next {
                    Some(next) => next,
                    None => return give_up(rows, shared, anywhere).await,
                }
            }
        };
        let result = match next {
            Some(Ok(row)) => {
                batch.push(row);
                continue;
            }
            Some(Err(error)) => Err(error),
            None => Ok(QueryResult::default()),
        };
        return ControlFlow::Continue(Left::AtEnd(batch, result));
    }
}

/// Ends a stream whose rest is not needed. A driver that must not be interrupted while it reads finishes a row first.
async fn give_up(
    mut rows: BoxStream<'_, Result<Box<dyn RawRow>>>,
    shared: &Shared,
    anywhere: bool,
) -> ControlFlow<ConnectionEnd, Left> {
    if anywhere {
        return ControlFlow::Continue(Left::Anywhere);
    }
    ControlFlow::Continue(match shared.limited(rows.next()).await? {
        Some(Ok(_)) => Left::BetweenRows,
        Some(Err(error)) => Left::AtEnd(RowBatch::new(), Err(error)),
        None => Left::AtEnd(RowBatch::new(), Ok(QueryResult::default())),
    })
}
