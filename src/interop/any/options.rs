//! The options of a connection.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use url::Url;

use crate::any::AnyConnection;
use crate::config::{Config, IntoConfig};
use crate::error::ErrorKind;

/// The options of an [`AnyConnection`](crate::any::AnyConnection): any configuration, of which one connection is used.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sqlx::Error> {
/// use ebbtide::Config;
/// use ebbtide::any::{Any, AnyConnectOptions};
/// use sqlx::ConnectOptions;
///
/// let options = AnyConnectOptions::try_from(Config::from_url("sqlite::memory:")?.echo(false))?;
/// let mut connection = options.connect().await?;
/// let one: i64 = sqlx::query_scalar::<Any, _>("SELECT 1").fetch_one(&mut connection).await?;
/// assert_eq!(one, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct AnyConnectOptions {
    config: Config,
    url: Url,
}

impl TryFrom<Config> for AnyConnectOptions {
    type Error = crate::Error;

    fn try_from(config: Config) -> crate::Result<Self> {
        let url = config.url();
        // What no `Url` can mean is shortened to its scheme.
        let short = |_| Url::parse(&format!("{}:", url.scheme()));
        let url = url.expose_url().or_else(short);
        let url = url.map_err(|error| crate::Error::new(ErrorKind::Url, error.to_string()))?;
        Ok(Self { config, url })
    }
}

impl FromStr for AnyConnectOptions {
    type Err = sqlx::Error;

    fn from_str(url: &str) -> Result<Self, sqlx::Error> {
        Ok(url.into_config()?.try_into()?)
    }
}

impl ConnectOptions for AnyConnectOptions {
    type Connection = AnyConnection;

    fn from_url(url: &Url) -> Result<Self, sqlx::Error> {
        Ok(url.into_config()?.try_into()?)
    }

    /// Returns the URL, with its password. Of one that the web's rules do not allow, only the scheme is left.
    fn to_url_lossy(&self) -> Url {
        self.url.clone()
    }

    async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        Ok(AnyConnection::open(self.config.clone()).await?)
    }

    /// Returns the same options: statements are reported through `tracing`, whose subscriber filters them.
    fn log_statements(self, _level: log::LevelFilter) -> Self {
        self
    }

    /// Sets the time after which a statement is reported as slow; no level means never.
    fn log_slow_statements(self, level: log::LevelFilter, duration: Duration) -> Self {
        let limit = Some(duration).filter(|_| level != log::LevelFilter::Off);
        Self {
            config: self.config.slow_statement(limit),
            url: self.url,
        }
    }
}
