//! Conversions into a configuration.

use super::Config;
use crate::error::Result;
use crate::url::DatabaseUrl;

/// A type that converts into a [`Config`]: a URL as text or parsed (also a [`url::Url`]), a dictionary as JSON, a
/// configuration, or a database (its configuration).
///
/// ```
/// use ebbtide::{Config, IntoConfig};
///
/// let config = "sqlite::memory:".into_config()?;
/// assert_eq!(config, serde_json::json!({"scheme": "sqlite"}).into_config()?);
/// assert_eq!(config, url::Url::parse("sqlite::memory:")?.into_config()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoConfig {
    /// Returns the configuration after checking it.
    ///
    /// # Errors
    ///
    /// The errors of [`Config::from_url`] and [`Config::from_value`]. [`ErrorKind::Config`](crate::ErrorKind::Config)
    /// if a setter was given an invalid value.
    fn into_config(self) -> Result<Config>;
}

/// Passes every type of a URL to a macro, for the traits that accept sources of a database.
macro_rules! urls {
    ($macro:ident) => {
        $macro!(
            &str,
            String,
            &String,
            DatabaseUrl,
            &DatabaseUrl,
            url::Url,
            &url::Url
        );
    };
}

pub(crate) use urls;

macro_rules! from_url {
    ($($type:ty),*) => {$(
        impl IntoConfig for $type {
            fn into_config(self) -> Result<Config> {
                Config::from_url(self)
            }
        }
    )*};
}

urls!(from_url);

impl IntoConfig for serde_json::Value {
    fn into_config(self) -> Result<Config> {
        Config::from_value(self)
    }
}

impl IntoConfig for &serde_json::Value {
    fn into_config(self) -> Result<Config> {
        Config::from_value(self)
    }
}

impl IntoConfig for Config {
    fn into_config(self) -> Result<Config> {
        self.check()?;
        Ok(self)
    }
}

impl IntoConfig for &Config {
    fn into_config(self) -> Result<Config> {
        self.clone().into_config()
    }
}
