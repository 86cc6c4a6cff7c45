//! The connector for databases of drivers in sidecars.

use std::borrow::Cow;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::RwLock;

use super::channel::Channel;
use super::connection::SidecarConnection;
use super::driver::Driver;
use super::errors::confused;
use super::frame::AnswerFrame;
use super::link::Link;
use super::slot::SidecarSlot;
use super::target::{Sharing, SidecarKind, Target};
use crate::backend::sqlite::DatabaseFile;
use crate::backend::{Connector, RawConnection, ServerRules, Writers};
use crate::error::{ErrorKind, Result};
use crate::sql::{Dialect, SeenServer, Server};

/// Returns the connector for a target.
pub(in crate::backend) fn connector(target: Target) -> Arc<dyn Connector> {
    let slot = SidecarSlot::of(&target);
    Arc::new(SidecarConnector::new(target, slot))
}

/// A connector for one database.
#[derive(Debug)]
pub(super) struct SidecarConnector {
    target: Arc<Target>,
    /// The place of the process that its connections share.
    slot: Arc<SidecarSlot>,
    seen: SeenServer,
    /// The rules of the server seen last.
    rules: RwLock<&'static dyn ServerRules>,
}

impl SidecarConnector {
    pub(super) fn new(target: Target, slot: Arc<SidecarSlot>) -> Self {
        let seen = SeenServer::default();
        if let Some(product) = target.product {
            seen.set(Server { product, version: 0 });
        }
        Self {
            rules: RwLock::new(target.dialect.rules_of(seen.get())),
            target: Arc::new(target),
            slot,
            seen,
        }
    }

    /// Returns the link to the process of a new connection.
    async fn link(&self) -> Result<Arc<Link>> {
        let secrets = &self.target.secrets;
        match self.target.shared {
            Sharing::Connection => SidecarSlot::of(&self.target).link(secrets).await,
            Sharing::Program => self.slot.link(secrets).await,
        }
    }

    /// Returns the pairs of `OPEN`.
    fn pairs(&self, alone: bool) -> Cow<'_, [(String, String)]> {
        if alone || self.target.kind == SidecarKind::Jdbc {
            return Cow::Borrowed(&self.target.open);
        }
        // A database in memory is that of the process.
        let duplicate = ("duplicate".to_owned(), "1".to_owned());
        Cow::Owned(self.target.open.iter().cloned().chain([duplicate]).collect())
    }

    async fn open(&self) -> Result<SidecarConnection> {
        let link = self.link().await?;
        let alone = self.target.shared == Sharing::Connection;
        let mut channel = Channel::open(link, alone, self.target.limits.settle);
        let mut outbox = channel.outbox();
        outbox.open(&self.pairs(alone))?;
        channel.send(outbox);
        let opened = match channel
            .answer()
            .await
            .map_err(|ending| self.target.lost(&ending).refusing())?
        {
            (_, AnswerFrame::Opened(opened)) => opened,
            (_, AnswerFrame::Failed(failure)) => return Err(self.target.not_opened(self.rules(), &failure)),
            (_, other) => return Err(confused(&format!("{} came for OPEN", other.name()))),
        };
        let driver = Driver::new(&self.target, &opened);
        #[cfg(feature = "odbc")]
        self.target.check(driver.server.product)?;
        channel.cancelling = driver.cancelling;
        self.seen.set(driver.server);
        *self.rules.write() = driver.rules;
        let mut connection = SidecarConnection::new(channel, Arc::clone(&self.target), driver);
        connection.set_up().await?;
        Ok(connection)
    }
}

impl Connector for SidecarConnector {
    fn dialect(&self) -> Dialect {
        self.target.dialect
    }

    fn rules(&self) -> &'static dyn ServerRules {
        *self.rules.read()
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn max_parameters(&self) -> Option<u16> {
        self.target.max_parameters()
    }

    fn runtime_bound(&self) -> bool {
        // The pipes are served by threads of their own.
        false
    }

    fn writers(&self) -> Writers {
        self.target.file.as_ref().map_or(Writers::Many, DatabaseFile::writers)
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
