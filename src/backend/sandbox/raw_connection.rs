//! The implementation of [`RawConnection`].

use async_stream::try_stream;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::SqlStr;

use super::at_commit::AtCommit;
use super::{OUTSIDE, OuterTransaction, SandboxedConnection};
use crate::backend::{Begin, CloseFn, Interrupt, NativeJob, QueryResult, RawConnection, Request, RowSink};
use crate::error::Result;
use crate::value::RawRow;

impl RawConnection for SandboxedConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        if !self.attends(request.statement) {
            return self.inner.run(request, sink);
        }
        Box::pin(async move {
            let guarded = self.before(request.statement, request.values).await?;
            let result = self.inner.run(request, sink).await;
            self.after(request.statement, guarded, result).await
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        if !self.attends(request.statement) {
            return self.inner.stream(request);
        }
        Box::pin(try_stream! {
            let guarded = self.before(request.statement, request.values).await?;
            let mut read = Ok(());
            {
                let mut rows = self.inner.stream(request);
                while let Some(row) = rows.next().await {
                    match row {
                        Ok(row) => yield row,
                        Err(error) => {
                            read = Err(error);
                            break;
                        }
                    }
                }
            }
            self.after(request.statement, guarded, read).await?;
        })
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        self.inner.run_script(sql)
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        if self.inner.depth() < OUTSIDE {
            return self.inner.with_native(job);
        }
        Box::pin(async move {
            let Some(statement) = job.text().cloned() else {
                return self.lend(job).await;
            };
            let guarded = self.before(&statement, &[]).await?;
            let result = self.inner.with_native(job).await;
            self.after(&statement, guarded, result).await
        })
    }

    fn is_apart(&self) -> bool {
        self.inner.is_apart()
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        match self.inner.depth() {
            0 => Box::pin(self.begin_outer(begin)),
            OUTSIDE => Box::pin(self.begin_virtual()),
            _ => self.inner.begin(None),
        }
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        if self.inner.depth() == OUTSIDE + 1 {
            Box::pin(self.commit_virtual())
        } else {
            self.inner.commit(first)
        }
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        if depth <= OUTSIDE {
            self.at_commit = AtCommit::default();
        }
        self.inner.rollback_to(depth)
    }

    fn depth(&self) -> usize {
        self.inner.depth()
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        self.inner.reset()
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        self.inner.reset_session()
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        self.inner.transaction_open()
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        self.inner.settle()
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.inner.renew().await?;
            self.look_at_definitions().await
        })
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        self.inner.ping()
    }

    fn interrupted(&self, between_rows: bool) -> bool {
        self.inner.interrupted(between_rows)
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        self.inner.interrupt()
    }

    fn close_handle(&self) -> Option<CloseFn> {
        self.inner.close_handle()
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        Self::new(self.inner, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self.inner
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.inner.close()
    }
}
