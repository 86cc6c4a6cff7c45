//! A connection of sqlx that listens to channels of PostgreSQL.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::errors::error;
use crate::backend::{Notification, NotificationSource};
use crate::error::{Error, ErrorKind, Result};

struct Listener(PgListener);

/// Opens a connection that listens to the channels.
pub(super) async fn listen(options: PgConnectOptions, channels: Vec<String>) -> Result<Box<dyn NotificationSource>> {
    // A listener of sqlx wants a pool. Ours opens a new listener after each loss, so its pool has one connection.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(error)?;
    let mut listener = PgListener::connect_with(&pool).await.map_err(error)?;
    listener.eager_reconnect(false);
    listener
        .listen_all(channels.iter().map(String::as_str))
        .await
        .map_err(error)?;
    Ok(Box::new(Listener(listener)))
}

impl NotificationSource for Listener {
    fn receive(&mut self) -> BoxFuture<'_, Result<Notification>> {
        async move {
            match self.0.try_recv().await.map_err(error)? {
                Some(received) => Ok(Notification {
                    channel: received.channel().to_owned(),
                    payload: received.payload().to_owned(),
                    process_id: Some(received.process_id()),
                }),
                None => Err(Error::new(
                    ErrorKind::ConnectionLost,
                    "the connection that listens was lost",
                )),
            }
        }
        .boxed()
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        async move { self.0.execute("").await.map(drop).map_err(error) }.boxed()
    }
}
