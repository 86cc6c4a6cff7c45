//! Full isolation: a connection that lives on a thread with its own runtime. Any task, thread and runtime may use it,
//! and so may code without a runtime. A call that is dropped half-way does no harm: it runs to its end on that thread.

mod actor;
pub(crate) mod connector;
mod mailbox;
mod native_job;
mod rows;
pub(crate) mod thread;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_stream::try_stream;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use sqlx::SqlStr;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use actor::{Command, Inbox, Job, Shared};
use mailbox::Mailbox;
use rows::{AHEAD, AnswerPart, FirstPart, OwnedRequest, ReceivedRow, RowBatch};

use super::{
    Begin, CloseFn, Connector, Interrupt, NativeJob, OuterTransaction, QueryResult, RawConnection, Request, RowSink,
};
use crate::error::{Error, ErrorKind, LOST, Result};
use crate::value::RawRow;
use thread::RuntimeThread;

/// The caller's side of an isolated connection. Its drop closes the connection at once, even during a call.
#[derive(Debug)]
pub(crate) struct WorkerConnection {
    /// `None` once the connection is known to be gone.
    line: Option<Mailbox>,
    shared: Arc<Shared>,
    /// Keeps the thread alive as long as its connections.
    _runtime_thread: Arc<RuntimeThread>,
}

impl WorkerConnection {
    /// Opens a connection on the runtime thread. Dropped half-way, it leaves nothing behind.
    async fn open(
        connector: &Arc<dyn Connector>,
        runtime_thread: &Arc<RuntimeThread>,
        limit: Option<Duration>,
    ) -> Result<Self> {
        let runtime = runtime_thread.handle()?;
        let shared = Arc::new(Shared::new(limit));
        let (commands, inbox) = mpsc::unbounded_channel();
        let (hang_up, end) = oneshot::channel();
        let (living, gone) = oneshot::channel();
        let (opened, answer) = oneshot::channel();
        let inbox = Inbox {
            commands: inbox,
            hung_up: end,
            opened,
            _living: living,
        };
        runtime.spawn(actor::live(Arc::clone(connector), inbox, Arc::clone(&shared)));
        let mut connection = Self {
            line: Some(Mailbox {
                commands,
                hang_up: Arc::new(Mutex::new(Some(hang_up))),
                gone,
            }),
            shared,
            _runtime_thread: Arc::clone(runtime_thread),
        };
        // The caller sets the time limit for connecting.
        match answer.await {
            Ok(opened) => opened.map(|()| connection),
            Err(_) => Err(connection.cut_short().await),
        }
    }

    /// Runs `work` on the connection, on its thread. It runs to its end even if the call is dropped.
    ///
    /// Fails as `work` does, with [`ErrorKind::Timeout`] after the limit, and with [`ErrorKind::ConnectionLost`] if the
    /// connection or its thread has ended. The latter two are fatal.
    pub(crate) async fn call<T, F>(&mut self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut dyn RawConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(job(work, reply))?;
        self.wait(answer.map(Result::ok)).await?
    }

    fn send(&mut self, job: Job) -> Result<()> {
        let sent = self
            .line
            .as_ref()
            .is_some_and(|line| line.commands.send(Command::Work(job)).is_ok());
        if sent { Ok(()) } else { Err(self.shared.ended()) }
    }

    /// Replaces the connection on the other side.
    fn change(
        self: Box<Self>,
        change: impl FnOnce(Box<dyn RawConnection>) -> Box<dyn RawConnection> + Send + 'static,
    ) -> Box<dyn RawConnection> {
        if let Some(line) = &self.line {
            // If the other side is gone, the next request reports it.
            let _ = line.commands.send(Command::Change(Box::new(change)));
        }
        self
    }

    /// Waits for an answer, or for the other side to end.
    async fn wait<T>(&mut self, answer: impl Future<Output = Option<T>>) -> Result<T> {
        let Some(line) = &mut self.line else {
            return Err(self.shared.ended());
        };
        match patiently(answer_or_end(answer, &mut line.gone), self.shared.limit).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.cut_short().await),
            Err(error) => {
                self.line = None;
                Err(error)
            }
        }
    }

    /// Returns the error after the other side ended without an answer. Waits for that end first, because the reason is
    /// known only then.
    async fn cut_short(&mut self) -> Error {
        if let Some(mut line) = self.line.take()
            && !line.gone.is_terminated()
        {
            let _ = (&mut line.gone).await;
        }
        self.shared.cut_short()
    }

    async fn run_over_there(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        let (first, answer) = oneshot::channel();
        self.send(rows::run(OwnedRequest::new(request), sink.wants_one(), first))?;
        let mut refused = None;
        let result = match self.wait(answer.map(Result::ok)).await? {
            FirstPart::Whole(rows, result) => {
                unpack(rows, sink, &mut refused);
                result
            }
            FirstPart::More(rows, mut parts) => {
                unpack(rows, sink, &mut refused);
                loop {
                    match self.wait(parts.recv()).await? {
                        AnswerPart::Rows(rows) => unpack(rows, sink, &mut refused),
                        AnswerPart::End(rows, result) => {
                            unpack(rows, sink, &mut refused);
                            break result;
                        }
                    }
                }
            }
        };
        let done = result?;
        refused.map_or(Ok(done), Err)
    }
}

/// Waits for the answer; returns `None` if the other side ends without one.
async fn answer_or_end<T>(answer: impl Future<Output = Option<T>>, gone: &mut oneshot::Receiver<()>) -> Option<T> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The answer may have come in the meantime.
        _ = gone => answer.now_or_never().flatten(),
    }
}

/// Waits for the answer of the other side, unless its thread is blocked.
///
/// The isolated side watches the limit on the server. If there is a clock, this side waits for the thread itself, for
/// twice the limit: a dropped call may come first.
async fn patiently<T>(answer: impl Future<Output = T>, limit: Option<Duration>) -> Result<T> {
    let Some(limit) = limit.filter(|_| Handle::try_current().is_ok()) else {
        return Ok(answer.await);
    };
    let mut answer = pin!(answer);
    let patience = limit.saturating_mul(2);
    let since = Instant::now();
    match tokio::time::timeout(patience, &mut answer).await {
        Ok(answer) => Ok(answer),
        Err(_) if since.elapsed() >= patience => Err(blocked(patience)),
        // A paused clock of tokio jumps ahead.
        Err(_) => Ok(answer.await),
    }
}

/// Passes rows to the sink, up to the first that it refuses.
fn unpack(rows: RowBatch, sink: &mut dyn RowSink, refused: &mut Option<Error>) {
    for row in rows {
        if refused.is_none() {
            *refused = sink.row(&mut ReceivedRow(Some(row))).err();
        }
    }
}

fn job<T, F>(work: F, reply: oneshot::Sender<Result<T>>) -> Job
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut dyn RawConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
{
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let result = shared.limited(work(raw)).await?;
            shared.note(raw);
            let _ = reply.send(result);
            ControlFlow::Continue(())
        })
    })
}

fn blocked(patience: Duration) -> Error {
    let message = format!(
        "the thread of full isolation did not answer within {patience:?} (twice `result_timeout`), so the connection was closed"
    );
    Error::new(ErrorKind::Timeout, message)
        .help(format!("something blocks that thread; {LOST}"))
        .fatal()
}

impl RawConnection for WorkerConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(self.run_over_there(request, sink))
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            let (sender, mut parts) = mpsc::channel(AHEAD);
            self.send(rows::stream(OwnedRequest::new(request), sender))?;
            let result = loop {
                match self.wait(parts.recv()).await? {
                    AnswerPart::Rows(rows) => {
                        for row in rows {
                            yield row;
                        }
                    }
                    AnswerPart::End(rows, result) => {
                        for row in rows {
                            yield row;
                        }
                        break result;
                    }
                }
            };
            result?;
        })
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(self.call(|raw| raw.run_script(sql)))
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.send(native_job::run(job, reply))?;
            // The time that the reader, or other code on the connection, takes is not the server's. The isolated side
            // watches the server's time.
            let Some(line) = &mut self.line else {
                return Err(self.shared.ended());
            };
            match answer_or_end(answer.map(Result::ok), &mut line.gone).await {
                Some(result) => result,
                None => Err(self.cut_short().await),
            }
        })
    }

    fn is_apart(&self) -> bool {
        true
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.begin(begin)))
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.commit(first)))
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(move |raw| raw.rollback_to(depth)))
    }

    fn depth(&self) -> usize {
        self.shared.depth()
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.reset()))
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.call(|raw| raw.reset_session()))
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.call(|raw| raw.transaction_open()))
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        // A dropped call runs on there, so it is enough to wait for the next turn. Only a raised flag has to be lowered.
        let raised = self.shared.interrupt.get().is_some_and(Interrupt::is_raised);
        Box::pin(self.call(move |raw| {
            if raised {
                raw.settle()
            } else {
                Box::pin(std::future::ready(Ok(())))
            }
        }))
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.ping()))
    }

    fn interrupted(&self, _between_rows: bool) -> bool {
        self.line.as_ref().is_some_and(|line| !line.commands.is_closed())
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        self.shared.interrupt.get()
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.renew()))
    }

    fn close_handle(&self) -> Option<CloseFn> {
        let hang_up = Arc::clone(&self.line.as_ref()?.hang_up);
        Some(Box::new(move || drop(hang_up.lock().take())))
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        self.change(move |raw| raw.sandboxed(outer))
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self.change(|raw| raw.plain())
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let sent = self
                .line
                .as_ref()
                .is_some_and(|line| line.commands.send(Command::Close(reply)).is_ok());
            if !sent {
                return Err(self.shared.ended());
            }
            self.wait(answer.map(Result::ok)).await?
        })
    }
}
