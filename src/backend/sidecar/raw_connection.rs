//! The implementation of [`RawConnection`].

use std::borrow::Cow;

use async_stream::try_stream;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use sqlx::SqlStr;

use super::casts::with_casts;
use super::channel::Cancelling;
use super::connection::{Heard, SidecarConnection};
use super::frame::flag;
use super::requests::{AHEAD, AHEAD_OF_STREAM, Outbox, Run};
use super::row::BatchRow;
use super::text::DriverText;
use crate::backend::sqlx::Ignore;
use crate::backend::{
    Begin, CloseFn, NativeJob, OuterTransaction, QueryResult, RawConnection, Request, RowSink, SandboxedConnection,
};
use crate::error::{Error, ErrorKind, Result};
use crate::value::RawRow;

impl RawConnection for SidecarConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            let Some(last) = self.start(request, AHEAD).await? else {
                return Ok(QueryResult::default());
            };
            self.finish(last, sink).await
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            let last = self.start(request, AHEAD_OF_STREAM).await?;
            let mut left = last.is_some();
            let mut failed = None;
            while left {
                match self.hear().await? {
                    Heard::Rows(batch) => {
                        for row in 0..batch.rows() {
                            yield Box::new(BatchRow::new(&batch, row)) as Box<dyn RawRow>;
                        }
                        self.channel.more(1);
                    }
                    Heard::Final(request, result) => {
                        failed = failed.or(result.err());
                        left = last.is_some_and(|last| request < last);
                    }
                }
            }
            if let Some(failure) = failed {
                Err(self.error(&failure).await)?;
            }
        })
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move {
            self.ready().await?;
            let mut outbox = self.channel.outbox();
            if !self.add_texts(&mut outbox, sql.as_str(), 0, false)? {
                return Ok(QueryResult::default());
            }
            self.runs_to_end = true;
            let last = self.send(outbox);
            self.finish(last, &mut Ignore).await
        })
    }

    fn send_ahead(&mut self, text: &'static str) -> bool {
        self.ahead.text = Some(text);
        true
    }

    fn ahead_failed(&self) -> bool {
        self.ahead.has_failed()
    }

    fn with_native(&mut self, _job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        let message = "the connection is not one of sqlx: its driver runs in a process of its own, so code written for sqlx's \
                       databases cannot use it";
        let error = Error::new(ErrorKind::Unsupported, message)
            .help("use the methods of this library, which are the same for every driver");
        Box::pin(ready(Err(error)))
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.ready().await?;
            if self.depth > 0 {
                return self.savepoint().await;
            }
            self.begin_outermost(begin.unwrap_or_default()).await
        })
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.ready().await?;
            let first = first.as_ref().map_or("", SqlStr::as_str);
            match self.depth {
                0 => Ok(()),
                1 => self.commit_outermost(first).await,
                _ => self.release(first).await,
            }
        })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.ready().await?;
            if depth >= self.depth {
                return Ok(());
            }
            self.undo(depth).await
        })
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.ready().await?;
            if self.depth == 0 && !self.unknown {
                return Ok(());
            }
            match self.undo(0).await {
                Err(error) if error.is_fatal() => Err(error),
                // There may have been nothing to roll back.
                _ => {
                    (self.depth, self.unknown) = (0, false);
                    Ok(())
                }
            }
        })
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(ready(Ok(false)))
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.ready().await?;
            self.is_open().await
        })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if let Some(ending) = self.channel.ending() {
                self.lost = true;
                return Err(self.target.lost_before(&ending));
            }
            if self.channel.is_idle() {
                return Ok(());
            }
            self.pass_ahead().await?;
            let cancels = !self.runs_to_end && !self.channel.is_idle();
            if cancels {
                self.channel.cancel();
            }
            // What is not cancelled goes on: its rows are thrown away as they come.
            self.channel.more(u32::MAX / 2);
            self.drain().await?;
            // Some drivers end a statement only with its connection, also if it had just ended by itself.
            self.lost |= cancels && self.channel.cancelling == Cancelling::Connection;
            if self.lost {
                Err(SidecarConnection::gone())
            } else {
                Ok(())
            }
        })
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.ready().await?;
            let alive = self.pinged().await;
            self.lost |= alive.is_err();
            alive
        })
    }

    fn interrupted(&self, _between_rows: bool) -> bool {
        !self.lost && self.channel.ending().is_none()
    }

    fn close_handle(&self) -> Option<CloseFn> {
        Some(self.channel.close_handle())
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let Self { channel, target, .. } = *self;
            channel.close().await.map_err(|ending| target.lost(&ending))
        })
    }
}

impl SidecarConnection {
    /// Sends a statement. Returns the number of its last request; none for an empty text.
    async fn start(&mut self, request: Request<'_>, credits: u32) -> Result<Option<u32>> {
        Self::check(request.statement)?;
        self.usable().await?;
        let mut outbox = self.channel.outbox();
        let behind = self.add_ahead(&mut outbox)?;
        if request.statement.is_script() {
            if !self.add_texts(&mut outbox, request.statement.text(), credits, behind)? {
                return Ok(None);
            }
        } else {
            self.add(&mut outbox, request, credits, behind)?;
        }
        self.runs_to_end = !self.may_end(request.statement);
        let last = self.send_behind(outbox).await?;
        if self.channel.is_idle() {
            return Ok(None);
        }
        self.returned = (!request.statement.is_script() && !request.statement.asks()).then_some(0);
        Ok(Some(last))
    }

    /// Adds a statement, which is skipped if it stands behind one that fails.
    fn add(&self, outbox: &mut Outbox, request: Request<'_>, credits: u32, behind: bool) -> Result<()> {
        let dialect = self.target.dialect;
        let text = DriverText::of(request.statement, dialect, self.driver.style)?;
        let sql = if self.driver.casts {
            with_casts(&text.foreign, request.values)
        } else {
            Cow::Borrowed(&*text.foreign.text)
        };
        let run = Run {
            flags: if text.has_key { flag::KEY } else { 0 } | if behind { flag::SKIP } else { 0 },
            credits,
            sql: &sql,
        };
        if text.foreign.order.len() == request.values.len() && is_in_order(&text.foreign.order) {
            return outbox.run(run, dialect, request.values.iter());
        }
        let values = text
            .foreign
            .order
            .iter()
            .map(|index| request.values.get(*index as usize));
        let values: Option<Vec<_>> = values.collect();
        let Some(values) = values else {
            let message = "a statement has more placeholders than values";
            return Err(Error::new(ErrorKind::Parameter, message));
        };
        outbox.run(run, dialect, values.into_iter())
    }
}

fn is_in_order(order: &[u32]) -> bool {
    order.iter().zip(0..).all(|(index, place)| *index == place)
}
