//! Notifications of PostgreSQL: to listen, and to notify.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_stream::stream;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Database;
use crate::backend::{Connector, Notification, NotificationSource};
use crate::error::{Error, ErrorKind, Result};

/// The pauses between attempts to connect again: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// The silence after which the server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(30);

/// The longest name of a channel, in bytes (`NAMEDATALEN` - 1).
const LONGEST_NAME: usize = 63;

/// Something that a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenEvent {
    /// A notification.
    Notification(Notification),
    /// The connection was lost, and is there again. Notifications in between are lost: read again what they are about.
    Reconnected,
}

/// A stream of notifications. Returned by [`Database::listen`].
///
/// It reconnects by itself, and ends when the database is disconnected, or its last handle is dropped: keep one. Its
/// connection is closed when it is polled after that, or dropped.
///
/// # Cancel safety
///
/// `next` can be dropped and called again without losing a notification.
#[must_use = "notifications arrive only while this is polled"]
pub struct Notifications(BoxStream<'static, ListenEvent>);

impl Database {
    /// Listens to channels of PostgreSQL, on a connection of its own that is no part of the pool. Returns when the server
    /// listens, so that every notification committed later arrives. The names are taken as they are: `LISTEN Orders` in SQL
    /// means the channel `orders`.
    ///
    /// When its connection is lost, the stream connects again, with pauses of 0.1 to 5 s, for as long as it takes, and
    /// then returns [`Reconnected`](ListenEvent::Reconnected), because PostgreSQL keeps no notifications for those who
    /// are away. Every 30 s without a notification it asks the server whether it is still there.
    ///
    /// In a sandbox nothing is committed, so the server sends nothing. There, the notifications of `NOTIFY` and
    /// `SELECT pg_notify(…)` in statements of this sandbox are delivered when the application's outermost transaction is
    /// committed, or at once outside of transactions, and to the listeners of that sandbox alone; equal ones of a
    /// transaction once, as by the server. The arguments must be texts or parameters, and the `SELECT` without a table.
    /// Not delivered are those that triggers and functions send, those of a stream or call that is dropped before its end,
    /// and those with parameters of sqlx's own queries; `ROLLBACK TO` as SQL text does not take back what was sent after the
    /// savepoint.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) on every database but PostgreSQL, through its own driver, and behind
    /// `PgBouncer` (`pgbouncer=true`, or `statement_cache_capacity=0`), which gives the session to others; [`Parameter`](ErrorKind::Parameter) without a
    /// channel, or with a name that none can have; those of connecting. Payloads must be UTF-8, which a database with the
    /// encoding `SQL_ASCII` does not ensure.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing listens.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Database, ListenEvent};
    /// use futures::StreamExt;
    ///
    /// let database = Database::connect("postgres://localhost/shop").await?;
    /// let mut events = database.listen(["orders"]).await?;
    /// database.notify("orders", "7").await?;
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         ListenEvent::Notification(order) => println!("order {}", order.payload()),
    ///         ListenEvent::Reconnected => println!("read all new orders"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn listen<C>(&self, channels: C) -> impl Future<Output = Result<Notifications>> + Send + use<C>
    where
        C: IntoIterator<Item: Into<String>>,
    {
        let channels: Vec<String> = channels.into_iter().map(Into::into).collect();
        let addressee = self.addressee();
        let settings = self.core.config.settings();
        let (rules, pooled) = (self.dialect().rules(), settings.statement_cache_capacity == 0);
        let limit = settings.connect_timeout;
        async move {
            if Handle::try_current().is_err() {
                return Err(Error::new(ErrorKind::Connect, "a connection to listen on was requested outside of a tokio runtime")
                    .help("call it from `#[tokio::main]`, `#[tokio::test]` or a task; blocking code can use `Handle::block_on`"));
            }
            if let Some(name) = channels
                .iter()
                .find(|name| name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0'))
            {
                return Err(Error::new(
                    ErrorKind::Parameter,
                    format!("there is no channel with the name {name:?}"),
                )
                .help("the name of a channel has 1 to 63 bytes, and no NUL"));
            }
            if channels.is_empty() {
                return Err(Error::new(ErrorKind::Parameter, "there is no channel to listen to")
                    .help("name one: `database.listen([\"orders\"])`"));
            }
            if rules.notify().is_none() {
                return Err(unsupported(rules.name()));
            }
            if pooled {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "a connection behind PgBouncer cannot listen, because its session is given to others after each transaction",
                )
                .help("listen on a database whose URL leads to the server itself"));
            }
            let target = addressee.into_target()?;
            let engine = target.engine();
            if let Some(sandbox) = &engine.sandbox {
                let mut receiver = sandbox.listeners.add(channels);
                let events = stream! {
                    while let Some(notification) = receiver.recv().await {
                        yield ListenEvent::Notification(notification);
                    }
                };
                return Ok(Notifications(events.boxed()));
            }
            let listening = Listening {
                connector: Arc::clone(engine.pool.connector()),
                channels,
                limit,
            };
            let ended = engine.pool.ended();
            let source = listening.connect().await?;
            Ok(Notifications(listening.events(source, ended).boxed()))
        }
    }

    /// Sends a notification of PostgreSQL: `SELECT pg_notify(channel, payload)`. In a transaction it is sent at the commit.
    /// A payload has at most 7,999 bytes.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) on other databases; those of [`execute`](Self::execute).
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("postgres://localhost/shop").await?;
    /// database
    ///     .transaction()
    ///     .run(async |transaction| {
    ///         transaction.execute("INSERT INTO purchase (id) VALUES (7)", ()).await?;
    ///         database.notify("orders", "7").await
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn notify(&self, channel: &str, payload: &str) -> impl Future<Output = Result<()>> + Send + use<> {
        let rules = self.dialect().rules();
        let sent = match rules.notify() {
            Some(sql) => Ok(self.execute(sql, (channel, payload))),
            None => Err(unsupported(rules.name())),
        };
        async move { sent?.await.map(drop) }
    }
}

fn unsupported(name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{name} has no notifications"))
        .help("only PostgreSQL has `LISTEN` and `NOTIFY`; on other databases read a table of messages again and again")
}

/// What a listener needs to connect again.
struct Listening {
    connector: Arc<dyn Connector>,
    channels: Vec<String>,
    limit: Duration,
}

impl Listening {
    async fn connect(&self) -> Result<Box<dyn NotificationSource>> {
        let late = |_| {
            let message = format!("no connection to listen on within {:?}", self.limit);
            Err(Error::new(ErrorKind::Timeout, message))
        };
        timeout(self.limit, self.connector.listen(self.channels.clone()))
            .await
            .unwrap_or_else(late)
    }

    /// Connects again, however long it takes.
    async fn reconnect(&self) -> Box<dyn NotificationSource> {
        let [mut pause, longest] = PAUSES;
        loop {
            match self.connect().await {
                Ok(source) => return source,
                Err(error) => tracing::warn!(%error, "the connection that listens is not there yet; it is tried again"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Returns the events, until the pool has ended.
    fn events(
        self,
        mut source: Box<dyn NotificationSource>,
        mut ended: watch::Receiver<bool>,
    ) -> impl Stream<Item = ListenEvent> + Send {
        stream! {
            loop {
                // Polled first, so that nothing is returned after the end. It ends too if the pool is gone.
                let received = tokio::select! {
                    biased;
                    _ = ended.wait_for(|ended| *ended) => return,
                    received = next(&mut source, self.limit) => received,
                };
                match received {
                    Ok(notification) => yield ListenEvent::Notification(notification),
                    Err(error) => {
                        tracing::warn!(%error, "the connection that listens was lost");
                        drop(source);
                        source = tokio::select! {
                            biased;
                            _ = ended.wait_for(|ended| *ended) => return,
                            source = self.reconnect() => source,
                        };
                        yield ListenEvent::Reconnected;
                    }
                }
            }
        }
    }
}

/// Waits for the next notification, and asks an idle server whether it is there.
async fn next(source: &mut Box<dyn NotificationSource>, limit: Duration) -> Result<Notification> {
    loop {
        if let Ok(received) = timeout(SILENCE, source.receive()).await {
            return received;
        }
        match timeout(limit.min(SILENCE), source.ping()).await {
            Ok(answered) => answered?,
            Err(_) => return Err(Error::new(ErrorKind::ConnectionLost, "the server does not answer")),
        }
    }
}

impl Stream for Notifications {
    type Item = ListenEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ListenEvent>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}
