//! The connector for databases of drivers in sidecars.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::channel::Channel;
use super::connection::SidecarConnection;
use super::driver::Driver;
use super::errors::{confused, lost};
use super::frame::Answer;
use super::link::Link;
use super::slot::Slot;
use super::target::{Sharing, Target};
use crate::backend::{Connector, RawConnection};
use crate::error::{ErrorKind, Result};
use crate::sql::{Dialect, SeenServer, Server};

/// Returns the connector for a target.
pub(in crate::backend) fn connector(target: Target) -> Arc<dyn Connector> {
    let slot = Slot::of(&target);
    Arc::new(SidecarConnector::new(target, slot))
}

/// A connector for one database.
#[derive(Debug)]
pub(super) struct SidecarConnector {
    target: Arc<Target>,
    /// The place of the process that its connections share.
    slot: Arc<Slot>,
    seen: SeenServer,
}

impl SidecarConnector {
    pub(super) fn new(target: Target, slot: Arc<Slot>) -> Self {
        let seen = SeenServer::default();
        if let Some(product) = target.product {
            seen.set(Server { product, version: 0 });
        }
        Self {
            target: Arc::new(target),
            slot,
            seen,
        }
    }

    /// Returns the link to the process of a new connection.
    async fn link(&self) -> Result<Arc<Link>> {
        let secrets = &self.target.secrets;
        match self.target.shared {
            Sharing::Connection => Slot::of(&self.target).link(secrets).await,
            Sharing::Program | Sharing::Database => self.slot.link(secrets).await,
        }
    }

    async fn open(&self) -> Result<SidecarConnection> {
        let link = self.link().await?;
        let alone = self.target.shared == Sharing::Connection;
        let mut channel = Channel::open(link, alone, self.target.limits.settle);
        let mut outbox = channel.outbox();
        outbox.open(&self.target.open)?;
        channel.send(outbox);
        let opened = match channel.answer().await.map_err(|ending| lost(&ending).refusing())? {
            (_, Answer::Opened(opened)) => opened,
            (_, Answer::Failed(failure)) => return Err(self.target.not_opened(self.rules(), &failure)),
            (_, other) => return Err(confused(&format!("{} came for OPEN", other.name()))),
        };
        let driver = Driver::new(&self.target, &opened);
        channel.cancelling = driver.cancelling;
        if let Some(server) = driver.server {
            self.seen.set(server);
        }
        let rules = self.target.dialect.rules_of(driver.server);
        let mut connection = SidecarConnection::new(channel, Arc::clone(&self.target), driver, rules);
        connection.set_up().await?;
        Ok(connection)
    }
}

impl Connector for SidecarConnector {
    fn dialect(&self) -> Dialect {
        self.target.dialect
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        // The pipes are served by threads of their own.
        false
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let opened = self.open().await.map_err(|error| match error.kind() {
                ErrorKind::ConnectionLost => error.context(format_args!("cannot connect to {}", self.target.place)),
                _ => error,
            });
            opened.map(|connection| Box::new(connection) as Box<dyn RawConnection>)
        })
    }

    fn place(&self) -> String {
        self.target.place.clone()
    }
}
