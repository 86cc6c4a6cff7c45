//! The implementation of [`RawConnection`].

use async_stream::try_stream;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use sqlx::SqlStr;

use super::connection::PostgresConnection;
use super::link::{Received, Riding, TransactionStatus};
use crate::backend::postgres::RESET_SESSION;
use crate::backend::{
    Begin, NativeJob, OuterTransaction, QueryResult, RawConnection, Request, RowSink, SandboxedConnection,
};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Defines;
use crate::value::RawRow;

impl RawConnection for PostgresConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            self.note_sent(request);
            let result = if request.statement.is_script() {
                self.run_text(request.statement.text(), sink).await
            } else {
                self.run_prepared(request, sink).await
            };
            self.note_end(request.statement, result.is_err());
            let done = result?;
            self.unlisten().await?;
            Ok(done)
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            self.note_sent(request);
            self.follow_definitions();
            let (mut repeated, mut yielded) = (false, false);
            loop {
                let sent = if request.statement.is_script() {
                    self.send_text(request.statement.text()).await
                } else {
                    self.send(request).await
                };
                let mut failed = None;
                match sent {
                    Err(error) => failed = Some(error),
                    Ok(mut columns) => loop {
                        match self.link.receive().await? {
                            Received::Row(body) => {
                                yielded = true;
                                yield Box::new(self.row(&columns, body)?) as Box<dyn RawRow>;
                            }
                            Received::Columns(body) => columns = self.columns(&body)?.into(),
                            Received::Failed(error) => failed = failed.or(Some(error)),
                            Received::Ready => break,
                            Received::Done(_) | Received::Other => {}
                        }
                    },
                }
                let Some(error) = failed else { break };
                self.note_refusal(&error, request);
                if self.is_outdated(&error) && !request.statement.is_script() {
                    self.forget_prepared();
                    if !(yielded || repeated || self.is_inside()) {
                        repeated = true;
                        continue;
                    }
                }
                self.note_end(request.statement, true);
                Err(error)?;
            }
            self.note_end(request.statement, false);
            self.unlisten().await?;
        })
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move { Ok(self.run_own(sql.as_str()).await?.result) })
    }

    fn send_ahead(&mut self, text: &'static str) -> bool {
        self.preamble.add(text);
        true
    }

    fn ahead_failed(&self) -> bool {
        self.link.ahead_failed()
    }

    fn with_native(&mut self, _job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        let message = "the connection is one of the driver `tokio-postgres`, and code written for sqlx needs one of sqlx's \
                       own driver";
        let error = Error::new(ErrorKind::Unsupported, message).help(
            "write the URL with sqlx's driver, `postgresql+sqlx://…` or `postgresql://…`, or use the methods of this \
             library, which are the same for every driver",
        );
        Box::pin(ready(Err(error)))
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.begin_level(begin))
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.commit_level(first))
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.undo_levels(depth))
    }

    fn depth(&self) -> usize {
        self.levels
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.link.ready().await?;
            self.preamble.clear();
            let first = self.rollback_first();
            self.run_own(&format!("{first}UNLISTEN *")).await?;
            self.levels = 0;
            self.level_ended(0);
            Ok(())
        })
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.link.ready().await?;
            self.preamble.clear();
            let first = self.rollback_first();
            match self.run_own(&format!("{first}{RESET_SESSION}")).await {
                Err(error) if error.is_fatal() => return Err(error),
                Err(_) => return Ok(false),
                Ok(_) => {}
            }
            self.levels = 0;
            self.level_ended(0);
            // What is prepared may be for tables that are no longer seen.
            self.note_definitions(Defines::Own);
            Ok(true)
        })
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            self.link.ready().await?;
            Ok(!self.preamble.is_empty() || self.link.status() != TransactionStatus::Idle)
        })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.link.ready())
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.link.ready().await?;
            self.link.end_group(Riding::default());
            self.link.ready().await
        })
    }

    fn interrupted(&self, _between_rows: bool) -> bool {
        !self.link.is_broken()
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.link.close())
    }
}
