//! The implementation of [`RawConnection`].

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use async_stream::try_stream;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use sqlx::SqlStr;
use tokio::sync::mpsc;

use super::connection::RusqliteConnection;
use super::fairness;
use super::inline::{InlineAnswer, InlineAttempt};
use super::row::{offer, rows};
use super::row_arena::RowArena;
use super::run::Outlet;
use super::session::SqliteSession;
use crate::backend::{
    Begin, CloseFn, Interrupt, Interruptible, NativeJob, OuterTransaction, QueryResult, RawConnection, Request,
    RowSink, SandboxedConnection,
};
use crate::error::{Error, ErrorKind, Result};
use crate::value::RawRow;

/// Largest number of arenas that wait for the reader.
const AHEAD: usize = 2;

/// Largest number of rows of a stream that wait for the reader.
const ROWS_AHEAD: usize = 256;

/// An outlet that keeps the last arena, so that a short answer is one message.
struct LastArena {
    full: mpsc::Sender<RowArena>,
    last: Option<RowArena>,
}

impl Outlet for LastArena {
    fn receive(&mut self, arena: RowArena) -> ControlFlow<()> {
        let before = self.last.replace(arena);
        match before.map_or(Ok(()), |before| self.full.blocking_send(before)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// An outlet that passes on each row as soon as there is one.
struct EachRow(mpsc::Sender<RowArena>);

impl Outlet for EachRow {
    fn receive(&mut self, arena: RowArena) -> ControlFlow<()> {
        match self.0.blocking_send(arena) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn takes(&self, _arena: &RowArena) -> bool {
        true
    }
}

/// An outlet for rows that nobody wants.
struct NoRows;

impl Outlet for NoRows {
    fn receive(&mut self, _arena: RowArena) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl RusqliteConnection {
    async fn run_on_thread(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        let (statement, values) = (Arc::clone(request.statement), request.values.to_vec());
        let (full, mut arenas) = mpsc::channel(AHEAD);
        let work = move |session: &mut SqliteSession| {
            let mut outlet = LastArena { full, last: None };
            let result = session.run(&statement, &values, &mut outlet);
            Ok((outlet.last, result))
        };
        let answer = self.start(work).await?;
        let mut refused = None;
        while let Some(arena) = arenas.recv().await {
            let started = Instant::now();
            offer(arena, sink, &mut refused);
            fairness::after(started.elapsed()).await;
        }
        let (last, result) = self.finish(answer).await?;
        if let Some(last) = last {
            offer(last, sink, &mut refused);
        }
        let done = result?;
        refused.map_or(Ok(done), Err)
    }

    fn stream_of<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            let (statement, values) = (Arc::clone(request.statement), request.values.to_vec());
            let (sender, mut arenas) = mpsc::channel(ROWS_AHEAD);
            let answer = self
                .start(move |session| session.run(&statement, &values, &mut EachRow(sender)).map(drop))
                .await?;
            while let Some(arena) = arenas.recv().await {
                for row in rows(arena) {
                    yield Box::new(row) as Box<dyn RawRow>;
                }
            }
            self.finish(answer).await?;
            self.lower();
        })
    }

    /// Lowers the flag that ends a statement, when nothing runs any more that it was meant for.
    fn lower(&self) {
        if self.interrupter().is_raised() {
            self.interrupter().lower();
        }
    }
}

/// Gives the rows of a statement that was run here to the sink.
async fn answered(answer: InlineAnswer, sink: &mut dyn RowSink) -> Result<QueryResult> {
    let mut refused = None;
    if let Some(rows) = answer.rows {
        offer(rows, sink, &mut refused);
    }
    fairness::after(answer.taken).await;
    refused.map_or(Ok(answer.result), Err)
}

impl RawConnection for RusqliteConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            let attempt = self
                .here()
                .map(|session| session.run_inline(request.statement, request.values));
            if let Some(InlineAttempt::Done(answer)) = attempt {
                return answered(answer?, sink).await;
            }
            let armed = self.armed(request.statement);
            let result = self.run_on_thread(request, sink).await;
            if let Some(armed) = armed {
                armed.disarm();
                self.lower();
            }
            result
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        let armed = self.armed(request.statement);
        let rows = self.stream_of(request);
        match armed {
            Some(armed) => Box::pin(Interruptible::new(rows, armed)),
            None => rows,
        }
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move {
            self.on_thread(move |session| session.run_script(sql.as_str(), None, &mut NoRows))
                .await
        })
    }

    fn with_native(&mut self, _job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        let message = "the connection uses the driver rusqlite, so code written for sqlx's connection cannot use it";
        let error = Error::new(ErrorKind::Unsupported, message)
            .help("leave the driver out of the URL, as in `sqlite://…`, which uses sqlx");
        Box::pin(ready(Err(error)))
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let sql = begin.and_then(|begin| begin.into_text("BEGIN"));
            let text = sql.as_ref().map_or("BEGIN", SqlStr::as_str);
            if let Some(InlineAttempt::Done(begun)) = self.here().map(|session| session.begin_inline(text)) {
                return begun;
            }
            self.on_thread(move |session| session.begin(sql.as_ref().map_or("BEGIN", SqlStr::as_str)))
                .await
        })
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let started = Instant::now();
            if first.is_none()
                && let Some(InlineAttempt::Done(committed)) = self.here().map(SqliteSession::commit_inline)
            {
                fairness::after(started.elapsed()).await;
                return committed;
            }
            self.on_thread(move |session| session.commit(first.as_ref().map_or("", SqlStr::as_str)))
                .await
        })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if let Some(InlineAttempt::Done(undone)) = self.here().map(|session| session.rollback_inline(depth)) {
                return undone;
            }
            self.on_thread(move |session| session.rollback_to(depth)).await
        })
    }

    fn depth(&self) -> usize {
        self.state.depth()
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.on_thread(SqliteSession::reset).await })
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(ready(Ok(false)))
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move { Ok(self.session().await?.is_open()) })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.session().await?;
            self.lower();
            Ok(())
        })
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        Some(self.interrupter())
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.session().await.map(drop) })
    }

    fn interrupted(&self, _between_rows: bool) -> bool {
        !self.is_lost()
    }

    fn close_handle(&self) -> Option<CloseFn> {
        // Abandoning a copy affects no other connection: each has its own copy.
        self.is_copy.then(|| Box::new(|| {}) as CloseFn)
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.on_thread(SqliteSession::renew).await })
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.end())
    }
}
