//! A connection of sqlx that listens to channels of PostgreSQL.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::runtime::Handle;

use super::errors::error;
use crate::backend::{Notification, NotificationSource};
use crate::error::{Error, ErrorKind, Result};

struct Listener {
    /// `None` only while it is dropped.
    listener: Option<PgListener>,
    /// The runtime of its socket. Dropping a listener of sqlx starts a task.
    runtime: Handle,
}

/// Opens a connection that listens to the channels.
pub(in crate::backend) async fn listen(
    options: PgConnectOptions,
    channels: Vec<String>,
) -> Result<Box<dyn NotificationSource>> {
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
    Ok(Box::new(Listener {
        listener: Some(listener),
        runtime: Handle::current(),
    }))
}

fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection that listens was lost")
}

impl NotificationSource for Listener {
    fn receive(&mut self) -> BoxFuture<'_, Result<Notification>> {
        async move {
            let listener = self.listener.as_mut().ok_or_else(lost)?;
            let received = listener.try_recv().await.map_err(error)?.ok_or_else(lost)?;
            Ok(Notification {
                channel: received.channel().to_owned(),
                payload: received.payload().to_owned(),
                process_id: Some(received.process_id()),
            })
        }
        .boxed()
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        async move {
            let listener = self.listener.as_mut().ok_or_else(lost)?;
            listener.execute("").await.map(drop).map_err(error)
        }
        .boxed()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _runtime = self.runtime.enter();
        drop(self.listener.take());
    }
}
