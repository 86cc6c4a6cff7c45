//! A connection: where its session is, and how work gets to it.

use std::mem;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::errors::ended;
use super::session::SqliteSession;
use super::session_state::SessionState;
use super::thread::ConnectionThread;
use crate::backend::{Armed, Interrupt};
use crate::error::{Error, Result};
use crate::sql::Statement;

/// A connection to SQLite through rusqlite.
pub(super) struct RusqliteConnection {
    session: SessionPlace,
    pub(super) state: Arc<SessionState>,
    /// Whether its database is a copy of another one.
    pub(super) is_copy: bool,
    thread: ConnectionThread,
}

/// The place of the session of a connection.
enum SessionPlace {
    Here(Box<SqliteSession>),
    /// On the thread, which sends it back after its work.
    Away(oneshot::Receiver<Box<SqliteSession>>),
    /// The thread has ended with it.
    Lost,
}

impl RusqliteConnection {
    /// Opens a connection with `open`, on its new thread. Dropped half-way, it leaves nothing behind.
    pub(super) async fn open(open: impl FnOnce() -> Result<SqliteSession> + Send + 'static) -> Result<Self> {
        let thread = ConnectionThread::start()?;
        let (reply, opened) = oneshot::channel();
        thread.submit(move || drop(reply.send(open().map(Box::new))));
        let session = opened.await.map_err(|_| ended())??;
        Ok(Self {
            state: Arc::clone(&session.state),
            is_copy: session.original.is_some(),
            session: SessionPlace::Here(session),
            thread,
        })
    }

    /// Waits until the thread has done the work that a dropped call may have left, and returns the session.
    pub(super) async fn session(&mut self) -> Result<&mut SqliteSession> {
        if let SessionPlace::Away(returning) = &mut self.session {
            self.session = match returning.await {
                Ok(session) => SessionPlace::Here(session),
                Err(_) => SessionPlace::Lost,
            };
        }
        match &mut self.session {
            SessionPlace::Here(session) => Ok(session),
            SessionPlace::Away(_) | SessionPlace::Lost => Err(Error::connection_gone()),
        }
    }

    /// Returns the session for what is short, unless it is in use on the thread, or must not be used anywhere else.
    pub(super) fn here(&mut self) -> Option<&mut SqliteSession> {
        if let SessionPlace::Away(returning) = &mut self.session
            && let Ok(session) = returning.try_recv()
        {
            self.session = SessionPlace::Here(session);
        }
        match &mut self.session {
            SessionPlace::Here(session) if !session.shares_cache => Some(session),
            _ => None,
        }
    }

    /// Gives work to the thread, and returns a receiver of its result. The work is done even if nobody waits for it.
    pub(super) async fn start<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        self.session().await?;
        let (back, returning) = oneshot::channel();
        let (reply, answer) = oneshot::channel();
        let place = mem::replace(&mut self.session, SessionPlace::Away(returning));
        let SessionPlace::Here(mut session) = place else {
            return Err(Error::connection_gone());
        };
        self.thread.submit(move || {
            let result = session.enter_thread().and_then(|()| work(&mut session));
            session.note_commit();
            // First, because the caller waits for the result alone.
            let _ = back.send(session);
            let _ = reply.send(result);
        });
        Ok(answer)
    }

    /// Waits for the result of work.
    pub(super) async fn finish<T>(&mut self, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        let answer = answer.await.map_err(|_| ended())?;
        self.session().await?;
        answer
    }

    /// Does work on the thread.
    pub(super) async fn on_thread<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut SqliteSession) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.start(work).await?;
        self.finish(answer).await
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.session, SessionPlace::Lost)
    }

    /// Returns a guard that ends a statement of the user if its call is dropped, unless it may write: SQLite would undo
    /// the whole transaction with it.
    pub(super) fn armed(&self, statement: &Statement) -> Option<Armed> {
        let asks = statement.asks();
        asks.then(|| self.state.interrupt.armed())
    }

    pub(super) fn interrupter(&self) -> &Interrupt {
        &self.state.interrupt
    }

    /// Closes the session, on its thread.
    pub(super) async fn end(mut self) -> Result<()> {
        self.session().await?;
        let SessionPlace::Here(session) = mem::replace(&mut self.session, SessionPlace::Lost) else {
            return Err(Error::connection_gone());
        };
        let (reply, closed) = oneshot::channel();
        self.thread.submit(move || drop(reply.send(session.close())));
        closed.await.map_err(|_| ended())?
    }
}

impl Drop for RusqliteConnection {
    fn drop(&mut self) {
        match mem::replace(&mut self.session, SessionPlace::Lost) {
            // Closing may write a whole write-ahead log back.
            SessionPlace::Here(session) => {
                self.thread.submit(move || drop(session));
            }
            SessionPlace::Away(_) => self.state.abandon(),
            SessionPlace::Lost => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::open_options::OpenOptions;
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn x4_a_write_whose_connection_is_dropped_is_not_committed() {
        let config = Config::from_url("sqlite+rusqlite::memory:").unwrap();
        let options = OpenOptions::of(&config).unwrap();
        let other = options.open().unwrap();
        other.execute_batch("CREATE TABLE notes (n)").unwrap();
        let opened = RusqliteConnection::open(move || SqliteSession::open(&options, None)).await;
        let mut connection = opened.unwrap();
        let (dropped, is_dropped) = mpsc::channel::<()>();
        let work = move |session: &mut SqliteSession| {
            let _ = is_dropped.recv();
            session.run_own("INSERT INTO notes VALUES (1)")
        };
        let answer = connection.start(work).await.unwrap();
        drop(connection);
        dropped.send(()).unwrap();
        assert!(answer.await.unwrap().is_err());
        let count: i64 = other
            .query_row("SELECT count(*) FROM notes", (), |row| row.get(0))
            .unwrap();
        assert_eq!(count, 0);
    }
}
