//! The identity of a database, in the terms of the conventions.

use std::fmt::Write;

use crate::config::Config;

/// The database as spans and metrics name it. It is read from the configuration, so it is what connections begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// `db.system.name`
    pub(crate) system: &'static str,
    /// `db.namespace`: the database, and on PostgreSQL the schema where `search_path` is set; on SQLite the file.
    pub(crate) namespace: Option<String>,
    /// `server.address`: the host or the socket.
    pub(crate) address: Option<String>,
    /// `server.port`, unless it is the usual one.
    pub(crate) port: Option<u16>,
    /// `db.client.connection.pool.name`
    pub(crate) pool: String,
}

impl Peer {
    pub(crate) fn of(config: &Config) -> Self {
        let (url, settings) = (config.url(), config.settings());
        let (system, usual, served) = (config.system(), url.usual_port(), url.is_served());
        let socket = settings.socket.as_ref().map(|socket| socket.display().to_string());
        let host = url.host().map(|host| host.trim_matches(['[', ']']).to_owned());
        let address = socket.or(host).filter(|_| served);
        let port = url.port().filter(|port| address.is_some() && Some(*port) != usual);
        let namespace = namespace(config);
        let pool = settings
            .pool_name
            .clone()
            .unwrap_or_else(|| pool_name(system, address.as_deref(), port, namespace.as_deref()));
        Self {
            system,
            namespace,
            address,
            port,
            pool,
        }
    }
}

fn namespace(config: &Config) -> Option<String> {
    let url = config.url();
    if url.is_memory() {
        return Some(":memory:".to_owned());
    }
    let database = url.database().map(str::to_owned);
    let mut parameters = config.settings().server_settings.iter();
    let path = parameters.find(|(name, _)| Some(&**name) == url.dialect().schema_setting());
    let schema = path.and_then(|(_, path)| path.split(',').next()).map(str::trim);
    match (database, schema.filter(|schema| !schema.is_empty())) {
        (Some(database), Some(schema)) => Some(format!("{database}|{schema}")),
        (None, Some(schema)) => Some(schema.to_owned()),
        (database, None) => database,
    }
}

/// Returns the name that the conventions propose for a pool without one.
fn pool_name(system: &str, address: Option<&str>, port: Option<u16>, namespace: Option<&str>) -> String {
    let mut name = address.unwrap_or(system).to_owned();
    if let Some(port) = port {
        let _ = write!(name, ":{port}");
    }
    if let Some(namespace) = namespace {
        name.push('/');
        name.push_str(namespace);
    }
    name
}
