//! The connector of this driver.

use std::env;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx_core::net::tls::CertificateInput;

use super::connection::PostgresConnection;
use super::foreign_types::ForeignTypes;
use super::link::SessionLink;
use super::preamble::Preamble;
use super::prepared::Statements;
use super::startup::{Certificates, OpenError, session, session_of, socket};
use super::wire::MessageSocket;
use crate::backend::postgres::{Answers, connect_error, connect_options, listen, refused_session};
use crate::backend::sqlx::schema_changes::Definitions;
use crate::backend::sqlx::{SearchPath, TlsFiles};
use crate::backend::{Connector, NotificationSource, RawConnection};
use crate::config::{Config, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Product, SeenServer, Server};

/// Returns the connector for the database that a configuration names.
pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let settings = config.settings();
    if settings.statement_cache_capacity == 0 {
        let message = "the driver `tokio-postgres` keeps statements prepared, and the configuration says that it must not \
                       (`pgbouncer`, `statement_cache_capacity`)";
        return Err(Error::new(ErrorKind::Config, message).help(
            "behind a pooler write the URL with sqlx's driver, `postgresql+sqlx://…`; see the guide PGBOUNCER.md",
        ));
    }
    let options = connect_options(config)?;
    let files = if matches!(options.get_ssl_mode(), PgSslMode::Disable) {
        TlsFiles::default()
    } else {
        TlsFiles::of(settings)
    };
    let password = config.url().password().map(str::to_owned);
    Ok(Arc::new(PostgresConnector {
        options,
        password: password.or_else(|| env::var("PGPASSWORD").ok()),
        certificates: certificates(settings),
        files,
        capacity: settings.statement_cache_capacity,
        place: config.url().to_string(),
        definitions: Arc::default(),
        answering: Arc::default(),
        seen: SeenServer::default(),
    }))
}

/// Returns the files for TLS: those of the configuration, or of libpq's environment variables.
fn certificates(settings: &Settings) -> Certificates {
    let file = |given: &Option<std::path::PathBuf>, variable: &str| match given {
        Some(path) => Some(CertificateInput::File(path.clone())),
        None => env::var(variable).ok().map(CertificateInput::from),
    };
    Certificates {
        root: file(&settings.ssl_root_cert, "PGSSLROOTCERT"),
        own: file(&settings.ssl_cert, "PGSSLCERT"),
        key: file(&settings.ssl_key, "PGSSLKEY"),
    }
}

struct PostgresConnector {
    options: PgConnectOptions,
    password: Option<String>,
    certificates: Certificates,
    /// The files that TLS needs, to be checked before the driver reads them.
    files: TlsFiles,
    /// Number of statements that a connection keeps prepared.
    capacity: usize,
    /// The URL without its password.
    place: String,
    /// Number of changes of definitions made through its connections.
    definitions: Arc<AtomicU64>,
    /// Whether the server answers questions about types, once a connection knows.
    answering: Arc<OnceLock<bool>>,
    seen: SeenServer,
}

impl PostgresConnector {
    /// Opens a session, and with TLS if the server allows no other one.
    async fn open(&self) -> Result<(MessageSocket, Option<String>)> {
        self.files.check()?;
        let first = match self.open_with(&self.options).await {
            Err(OpenError::Refused(error)) if matches!(self.options.get_ssl_mode(), PgSslMode::Allow) => error,
            opened => return self.explained(opened),
        };
        let options = self.options.clone().ssl_mode(PgSslMode::Require);
        match self.open_with(&options).await {
            // A server without TLS has refused for another reason.
            Err(OpenError::Way(sqlx::Error::Tls(_))) => self.explained(Err(OpenError::Refused(first))),
            opened => self.explained(opened),
        }
    }

    async fn open_with(&self, options: &PgConnectOptions) -> Result<(MessageSocket, Option<String>), OpenError> {
        let mut wire = MessageSocket::new(socket(options, &self.certificates).await?);
        let started = session_of(options, self.password.as_deref());
        let version = session(&mut wire, &started).await?;
        Ok((wire, version))
    }

    fn explained<T>(&self, opened: Result<T, OpenError>) -> Result<T> {
        opened.map_err(|error| match error {
            OpenError::Way(error) => connect_error(&self.options, error),
            OpenError::Refused(error) => refused_session(&self.options, error),
        })
    }
}

/// Reads a version such as `15.3 (Debian 15.3-1)`.
fn server(version: &str) -> Option<Server> {
    let mut parts = version
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|part| part.parse::<u32>().ok());
    let major = parts.next()?;
    let minor = parts.next().unwrap_or_default();
    let version = if major >= 10 {
        major * 10_000 + minor
    } else {
        major * 10_000 + minor * 100 + parts.next().unwrap_or_default()
    };
    let product = Product::Postgres;
    Some(Server { product, version })
}

impl Connector for PostgresConnector {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        true
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let (wire, version) = Box::pin(self.open()).await?;
            if let Some(server) = version.as_deref().and_then(server) {
                self.seen.set(server);
            }
            Ok(Box::new(PostgresConnection {
                link: SessionLink::new(wire),
                levels: 0,
                preamble: Preamble::default(),
                statements: Statements::new(self.capacity),
                types: ForeignTypes::default(),
                answers: Answers::default(),
                answering: Arc::clone(&self.answering),
                definitions: Definitions::new(&self.definitions),
                path: SearchPath::default(),
                offered: false,
            }) as Box<dyn RawConnection>)
        })
    }

    fn listen(&self, channels: Vec<String>) -> BoxFuture<'_, Result<Box<dyn NotificationSource>>> {
        Box::pin(async move {
            // The listener, which is sqlx's, tries again and again without a word; this tells what is wrong.
            let (wire, _) = Box::pin(self.open()).await?;
            let _ = SessionLink::new(wire).close().await;
            listen(self.options.clone(), channels).await
        })
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

/// Without the password.
impl fmt::Debug for PostgresConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnector")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_versions_of_the_server_are_read() {
        for (text, version) in [
            ("15.3 (Debian 15.3-1)", 150_003),
            ("17beta1", 170_000),
            ("9.6.24", 90_624),
        ] {
            assert_eq!(server(text).map(|server| server.version), Some(version), "{text}");
        }
        assert!(server("").is_none());
    }

    #[test]
    fn d1_without_prepared_statements_the_driver_is_refused() {
        let config = Config::from_url("postgresql+tokio-postgres://db/shop?pgbouncer=true").unwrap();
        let error = connector(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("postgresql+sqlx://"), "{error}");
    }
}
