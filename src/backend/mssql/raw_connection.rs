//! The implementation of [`RawConnection`].

use std::sync::Arc;

use async_stream::try_stream;
use futures::future::{BoxFuture, ready};
use futures::stream::{BoxStream, TryStreamExt};
use sqlx::SqlStr;

use super::connection::{AnswerItem, OutgoingText, Phase, SqlServerConnection, send};
use super::errors;
use super::options::RESET;
use super::row::SqlServerRow;
use crate::backend::sqlx::Ignore;
use crate::backend::{
    Begin, CloseFn, NativeJob, OuterTransaction, QueryResult, RawConnection, Request, RowSink, SandboxedConnection,
};
use crate::error::{Error, ErrorKind, Result};
use crate::value::RawRow;

impl RawConnection for SqlServerConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            let counts_rows = !request.statement.is_script() && !request.statement.asks();
            self.run_sent(OutgoingText::of(request)?, counts_rows, sink).await
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            let sent = OutgoingText::of(request)?;
            self.ready().await?;
            self.phase = Phase::Waiting(self.wire.received());
            let Self { client, phase, .. } = self;
            let mut failed = None;
            match send(client, sent).await {
                Err(error) => failed = Some(error),
                Ok(mut answer) => loop {
                    match answer.try_next().await {
                        Ok(Some(AnswerItem::Row(row))) => {
                            *phase = Phase::BetweenRows;
                            yield Box::new(SqlServerRow(row)) as Box<dyn RawRow>;
                            *phase = Phase::Reading;
                        }
                        Ok(Some(_)) => *phase = Phase::Reading,
                        Ok(None) => break,
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                },
            }
            let failed = failed.map(errors::on_connection);
            *phase = match &failed {
                Some(error) if error.is_fatal() => Phase::Broken,
                _ => Phase::Idle,
            };
            if let Some(error) = failed {
                Err(error)?;
            }
        })
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move {
            let sent = OutgoingText::Batch(sql.as_str().to_owned().into());
            self.run_sent(sent, false, &mut Ignore).await
        })
    }

    fn with_native(&mut self, _job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        let message = "the connection is one to SQL Server, for which sqlx has no driver, so code written for sqlx's databases \
                       cannot use it";
        let error = Error::new(ErrorKind::Unsupported, message)
            .help("use the methods of this library, which are the same for every driver");
        Box::pin(ready(Err(error)))
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.depth > 0 {
                return self.savepoint().await;
            }
            self.begin_outermost(begin.unwrap_or_default()).await
        })
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.commit_level(first))
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
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
            self.own_batch(format!("{RESET}; {}", self.usual_level)).await?;
            (self.depth, self.level_changed) = (0, false);
            Ok(())
        })
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        // The driver cannot set the mark with which a session is reset.
        Box::pin(ready(Ok(false)))
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.is_open())
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.settle_down())
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.own_batch("SELECT 1").await.map(drop) })
    }

    fn interrupted(&self, _between_rows: bool) -> bool {
        self.phase != Phase::Broken
    }

    fn close_handle(&self) -> Option<CloseFn> {
        let wire = Arc::clone(&self.wire);
        Some(Box::new(move || wire.close()))
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.client.close().await.map_err(errors::on_connection) })
    }
}
