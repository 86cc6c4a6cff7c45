//! Full isolation: a connection that lives on a thread with a runtime of its own. Any task, thread and runtime may use
//! it, with or without a runtime, and a call that is dropped half-way does it no harm: it runs to its end over there.

mod actor;
mod native;
mod rows;

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
use sqlx::{SqlSafeStr, SqlStr};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use actor::{Command, Ears, Job, Shared};
use rows::{AHEAD, Arrived, Batch, First, Parcel, Part};

use super::harbour::Harbour;
use crate::backend::{Connector, Done, NativeJob, RawConnection, Request, Sever, Sink};
use crate::error::{Error, ErrorKind, LOST, Result};
use crate::sql::Dialect;
use crate::value::RawRow;

/// Makes connections that live on the thread of a harbour.
#[derive(Debug)]
pub(crate) struct Isolated {
    pub(crate) inner: Arc<dyn Connector>,
    pub(crate) harbour: Arc<Harbour>,
    /// How long one wait for the server may take (the setting `result_timeout`); `None`: as long as it takes.
    pub(crate) limit: Option<Duration>,
}

impl Connector for Isolated {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn runtime_bound(&self) -> bool {
        false
    }

    fn runtime(&self) -> Result<Option<Handle>> {
        self.harbour.handle().map(Some)
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let connection = WorkerConnection::open(self).await?;
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }

    fn readers_block_writers(&self) -> bool {
        self.inner.readers_block_writers()
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

/// The caller's side of an isolated connection. Dropped, it closes the connection at once, whatever is under way.
#[derive(Debug)]
pub(crate) struct WorkerConnection {
    /// `None` once the connection is known to be gone.
    line: Option<Line>,
    shared: Arc<Shared>,
    /// The answer to the text that was posted last.
    posted: Option<oneshot::Receiver<Result<Done>>>,
    /// The thread is to live as long as its connections.
    _harbour: Arc<Harbour>,
}

/// The way to the isolated side.
#[derive(Debug)]
struct Line {
    commands: mpsc::UnboundedSender<Command>,
    hang_up: HangUp,
    /// Ready when the other side is gone. A command may be sent at that very moment and stay in the channel with the way
    /// back in it, so the answer alone does not tell.
    gone: oneshot::Receiver<()>,
}

/// Tells the other side to end, when it is emptied.
type HangUp = Arc<Mutex<Option<oneshot::Sender<()>>>>;

impl Drop for Line {
    fn drop(&mut self) {
        self.hang_up.lock().take();
    }
}

impl WorkerConnection {
    /// Opens a connection over there. Dropped half-way, nothing is left of it.
    async fn open(isolated: &Isolated) -> Result<Self> {
        let runtime = isolated.harbour.handle()?;
        let shared = Arc::new(Shared::new(isolated.limit));
        let (commands, ears) = mpsc::unbounded_channel();
        let (hang_up, end) = oneshot::channel();
        let (living, gone) = oneshot::channel();
        let (opened, answer) = oneshot::channel();
        let ears = Ears {
            commands: ears,
            hung_up: end,
            opened,
            _living: living,
        };
        runtime.spawn(actor::live(Arc::clone(&isolated.inner), ears, Arc::clone(&shared)));
        let mut connection = Self {
            line: Some(Line {
                commands,
                hang_up: Arc::new(Mutex::new(Some(hang_up))),
                gone,
            }),
            shared,
            posted: None,
            _harbour: Arc::clone(&isolated.harbour),
        };
        // How long connecting may take is the caller's business.
        match answer.await {
            Ok(opened) => opened.map(|()| connection),
            Err(_) => Err(connection.cut_short().await),
        }
    }

    /// Runs `work` on the connection, over there. It runs to its end also when the call is dropped.
    ///
    /// Fails as `work` does; with [`ErrorKind::Timeout`] after the limit, and with [`ErrorKind::ConnectionLost`] when the
    /// connection or its thread has ended; both are fatal.
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

    /// The other side ends without an answer; why is known when it has ended.
    async fn cut_short(&mut self) -> Error {
        if let Some(mut line) = self.line.take()
            && !line.gone.is_terminated()
        {
            let _ = (&mut line.gone).await;
        }
        self.shared.cut_short()
    }

    async fn run_over_there(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        let (first, answer) = oneshot::channel();
        self.send(rows::run(Parcel::new(request), sink.wants_one(), first))?;
        let mut refused = None;
        let result = match self.wait(answer.map(Result::ok)).await? {
            First::Whole(rows, result) => {
                unpack(rows, sink, &mut refused);
                result
            }
            First::More(rows, mut parts) => {
                unpack(rows, sink, &mut refused);
                loop {
                    match self.wait(parts.recv()).await? {
                        Part::Rows(rows) => unpack(rows, sink, &mut refused),
                        Part::End(rows, result) => {
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

/// The answer; `None` if the other side ends without one.
async fn answer_or_end<T>(answer: impl Future<Output = Option<T>>, gone: &mut oneshot::Receiver<()>) -> Option<T> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may have come in the meantime.
        _ = gone => answer.now_or_never().flatten(),
    }
}

/// Waits for what the other side says, unless its thread stands still.
///
/// The limit on the server is watched over there. Here, and only where there is a clock, twice the limit is waited for the
/// thread itself; twice, because a dropped call may come first.
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

/// Hands rows to the sink, up to the first that it refuses.
fn unpack(rows: Batch, sink: &mut dyn Sink, refused: &mut Option<Error>) {
    for row in rows {
        if refused.is_none() {
            *refused = sink.row(&mut Arrived(Some(row))).err();
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
        "the thread of full isolation did not answer within {patience:?} (twice `result_timeout`), so the connection was given up"
    );
    Error::new(ErrorKind::Timeout, message)
        .help(format!("something blocks that thread; {LOST}"))
        .fatal()
}

impl RawConnection for WorkerConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<Done>> {
        Box::pin(self.run_over_there(request, sink))
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            let (sender, mut parts) = mpsc::channel(AHEAD);
            self.send(rows::stream(Parcel::new(request), sender))?;
            let result = loop {
                match self.wait(parts.recv()).await? {
                    Part::Rows(rows) => {
                        for row in rows {
                            yield row;
                        }
                    }
                    Part::End(rows, result) => {
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

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<Done>> {
        Box::pin(self.call(|raw| raw.run_script(sql)))
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<Done>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.send(native::run(job, reply))?;
            // How long the reader takes, or what someone else does with the connection, is not the server's fault; what
            // is, is watched over there.
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

    fn begin(&mut self, sql: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.begin(sql)))
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

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.call(|raw| raw.transaction_open()))
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        // What was dropped here runs on over there, so it is enough to wait for one's turn.
        Box::pin(self.call(|_| Box::pin(std::future::ready(Ok(())))))
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.ping()))
    }

    fn interrupted(&self, _between_rows: bool) -> bool {
        self.line.as_ref().is_some_and(|line| !line.commands.is_closed())
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.call(|raw| raw.renew()))
    }

    fn post(&mut self, sql: &'static str) -> bool {
        // Whoever asks next hears of a connection that is lost.
        let (reply, answer) = oneshot::channel();
        let sent = self.send(job(move |raw| raw.run_script(sql.into_sql_str()), reply));
        self.posted = sent.is_ok().then_some(answer);
        sent.is_ok()
    }

    fn post_failed(&mut self) -> Option<Error> {
        self.posted.take()?.try_recv().ok()?.err()
    }

    fn severer(&self) -> Option<Sever> {
        let hang_up = Arc::clone(&self.line.as_ref()?.hang_up);
        Some(Box::new(move || drop(hang_up.lock().take())))
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
