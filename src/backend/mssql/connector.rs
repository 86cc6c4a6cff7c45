//! The connector for databases of SQL Server.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use tiberius::error::Error as Driver;
use tiberius::{Client, Config as Options, EncryptionLevel};
use tokio::net::TcpStream;

use super::connection::SqlServerConnection;
use super::errors::{is_without_tls, while_connecting};
use super::options::{self, Encryption};
use super::wire::{Wire, WireState};
use crate::backend::{Connector, RawConnection};
use crate::config::Config;
use crate::error::Result;
use crate::sql::{Dialect, Product, SeenServer, Server};

/// Number of times that a server may name another address, as those of Azure do.
const REDIRECTIONS: usize = 3;

/// Returns the connector for the database that a configuration names.
pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let encryption = Encryption::of(config)?;
    Ok(Arc::new(SqlServerConnector {
        options: options::connect_options(config, encryption)?,
        encryption,
        address: options::address(config),
        session: options::session(config)?,
        usual_level: options::restored_level(config)?.into(),
        place: options::place(config),
        seen: SeenServer::default(),
    }))
}

struct SqlServerConnector {
    options: Options,
    encryption: Encryption,
    address: (String, u16),
    /// The text that sets up a session.
    session: String,
    /// The text that restores the isolation level of a session.
    usual_level: Arc<str>,
    place: String,
    seen: SeenServer,
}

impl SqlServerConnector {
    async fn open(&self) -> Result<(Client<Wire>, Arc<WireState>)> {
        let mut opened = Box::pin(self.open_with(self.options.clone())).await;
        if self.encryption.or_none && opened.as_ref().err().is_some_and(is_without_tls) {
            let mut options = self.options.clone();
            options.encryption(EncryptionLevel::NotSupported);
            opened = Box::pin(self.open_with(options)).await;
        }
        opened.map_err(|error| while_connecting(&self.place, error))
    }

    async fn open_with(&self, mut options: Options) -> Result<(Client<Wire>, Arc<WireState>), Driver> {
        let mut address = self.address.clone();
        for _ in 0..REDIRECTIONS {
            let socket = TcpStream::connect((address.0.as_str(), address.1)).await?;
            socket.set_nodelay(true)?;
            let state = Arc::<WireState>::default();
            match Box::pin(Client::connect(options.clone(), Wire::new(socket, &state))).await {
                Ok(client) => return Ok((client, state)),
                Err(Driver::Routing { host, port }) => {
                    options.host(&host);
                    options.port(port);
                    address = (host, port);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Driver::Protocol("the server names one address after the other".into()))
    }
}

impl Connector for SqlServerConnector {
    fn dialect(&self) -> Dialect {
        Dialect::SqlServer
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        true
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let (client, state) = self.open().await?;
            let mut connection = SqlServerConnection::new(client, state, &self.usual_level);
            let set_up = connection.own_batch(self.session.clone()).await;
            set_up.map_err(|error| error.context("a session cannot be set up"))?;
            self.seen.set(Server {
                product: Product::SqlServer,
                version: 0,
            });
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

impl fmt::Debug for SqlServerConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlServerConnector")
            .field("place", &self.place)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}
