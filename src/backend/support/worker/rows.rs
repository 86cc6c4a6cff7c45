//! Rows on their way from the isolated side to the caller: in batches, since each message may wake a thread.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::actor::{Ending, Job, Shared};
use crate::backend::{Done, Offer, RawConnection, Request, Sink};
use crate::error::Result;
use crate::sql::Statement;
use crate::value::{RawRow, Value};

/// How many rows travel together at most.
pub(super) const BATCH: usize = 64;
/// How many batches wait for the reader at most, beside the one that does not fit.
pub(super) const AHEAD: usize = 2;

pub(super) type Batch = Vec<Box<dyn RawRow>>;

/// The first that is heard of a statement; mostly it is all.
pub(super) enum First {
    Whole(Batch, Result<Done>),
    More(Batch, mpsc::Receiver<Part>),
}

/// A part of a longer answer.
pub(super) enum Part {
    Rows(Batch),
    End(Batch, Result<Done>),
}

/// A [`Request`] that can be sent away.
pub(super) struct Parcel {
    statement: Arc<Statement>,
    values: Vec<Value>,
}

impl Parcel {
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

/// A row on offer to the caller's sink.
pub(super) struct Arrived(pub(super) Option<Box<dyn RawRow>>);

impl Offer for Arrived {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_deref()
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take()
    }
}

/// Full batches that are to be sent as soon as the driver pauses; `None` when nobody wants them.
type Full = Mutex<Option<VecDeque<Batch>>>;

/// The sink on the isolated side.
struct Packer<'a> {
    batch: Batch,
    full: &'a Full,
    wants_one: bool,
    unwanted: bool,
}

impl Sink for Packer<'_> {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
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

/// The way back to the caller.
enum Way {
    First(oneshot::Sender<First>),
    More(mpsc::Sender<Part>),
    /// The caller has dropped the call; the statement runs to its end all the same.
    Nobody,
}

impl Way {
    /// Sends a batch, when there is room for it.
    async fn send(self, rows: Batch) -> Self {
        match self {
            Self::First(first) => {
                let (sender, parts) = mpsc::channel(AHEAD);
                match first.send(First::More(rows, parts)) {
                    Ok(()) => Self::More(sender),
                    Err(_) => Self::Nobody,
                }
            }
            Self::More(parts) => match parts.send(Part::Rows(rows)).await {
                Ok(()) => Self::More(parts),
                Err(_) => Self::Nobody,
            },
            Self::Nobody => Self::Nobody,
        }
    }

    async fn end(self, rows: Batch, result: Result<Done>) {
        match self {
            Self::First(first) => drop(first.send(First::Whole(rows, result))),
            Self::More(parts) => drop(parts.send(Part::End(rows, result)).await),
            Self::Nobody => {}
        }
    }

    /// Sends what has been packed.
    async fn send_full(mut self, full: &Full) -> Self {
        loop {
            let batch = full.lock().as_mut().and_then(VecDeque::pop_front);
            let Some(batch) = batch else { return self };
            self = self.send(batch).await;
            if let Self::Nobody = self {
                *full.lock() = None;
            }
        }
    }
}

/// Runs a statement.
pub(super) fn run(parcel: Parcel, wants_one: bool, first: oneshot::Sender<First>) -> Job {
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let full = Mutex::new(Some(VecDeque::new()));
            let mut packer = Packer {
                batch: Vec::new(),
                full: &full,
                wants_one,
                unwanted: false,
            };
            let mut way = Way::First(first);
            let mut running = raw.run(parcel.request(), &mut packer);
            let result = loop {
                // A sink cannot wait. So while the reader is slow, the driver is not asked to go on.
                let step = std::future::poll_fn(|context| match running.as_mut().poll(context) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending if full.lock().as_ref().is_some_and(|full| !full.is_empty()) => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                });
                match shared.limited(step).await {
                    ControlFlow::Break(ending) => return ControlFlow::Break(ending),
                    ControlFlow::Continue(Some(result)) => break result,
                    ControlFlow::Continue(None) => way = way.send_full(&full).await,
                }
            };
            drop(running);
            shared.note(raw);
            way.send_full(&full).await.end(packer.batch, result).await;
            ControlFlow::Continue(())
        })
    })
}

/// Streams the rows of a statement.
pub(super) fn stream(parcel: Parcel, reader: mpsc::Sender<Part>) -> Job {
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let anywhere = raw.interrupted(false);
            let left = forward(raw.stream(parcel.request()), &reader, shared, anywhere).await?;
            shared.note(raw);
            let between_rows = match left {
                Left::AtEnd(rows, result) => {
                    let _ = reader.send(Part::End(rows, result)).await;
                    return ControlFlow::Continue(());
                }
                Left::BetweenRows => true,
                Left::Anywhere => false,
            };
            settle(raw, shared, between_rows).await
        })
    })
}

/// Leaves the connection at rest after a stream that was not read to its end.
async fn settle(raw: &mut dyn RawConnection, shared: &Shared, between_rows: bool) -> ControlFlow<Ending> {
    if !raw.interrupted(between_rows) {
        return ControlFlow::Break(Ending::Cut);
    }
    let settled = shared.limited(raw.settle()).await?;
    shared.note(raw);
    match settled {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(Ending::Cut),
    }
}

/// How far a stream was read.
enum Left {
    AtEnd(Batch, Result<Done>),
    BetweenRows,
    Anywhere,
}

/// Sends the rows on until they end or nobody wants them. `anywhere`: the driver lets itself be interrupted while it reads.
async fn forward(
    mut rows: BoxStream<'_, Result<Box<dyn RawRow>>>,
    reader: &mpsc::Sender<Part>,
    shared: &Shared,
    anywhere: bool,
) -> ControlFlow<Ending, Left> {
    let mut batch = Batch::new();
    loop {
        let full = batch.len() >= BATCH;
        let at_hand = if full { None } else { rows.next().now_or_never() };
        let next = match at_hand {
            Some(next) => next,
            // Nothing more at the moment: what is there goes off first.
            None if !batch.is_empty() => {
                if reader.send(Part::Rows(std::mem::take(&mut batch))).await.is_ok() {
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
            None => Ok(Done::default()),
        };
        return ControlFlow::Continue(Left::AtEnd(batch, result));
    }
}

/// Nobody wants the rest. A driver that must not be interrupted while it reads comes to the end of a row first.
async fn give_up(
    mut rows: BoxStream<'_, Result<Box<dyn RawRow>>>,
    shared: &Shared,
    anywhere: bool,
) -> ControlFlow<Ending, Left> {
    if anywhere {
        return ControlFlow::Continue(Left::Anywhere);
    }
    ControlFlow::Continue(match shared.limited(rows.next()).await? {
        Some(Ok(_)) => Left::BetweenRows,
        Some(Err(error)) => Left::AtEnd(Batch::new(), Err(error)),
        None => Left::AtEnd(Batch::new(), Ok(Done::default())),
    })
}
