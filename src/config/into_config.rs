//! What a configuration can be made from.

use super::Config;
use crate::error::Result;
use crate::url::DatabaseUrl;

/// Whatever a [`Config`] can be made from: a URL as text or parsed, a dictionary as JSON, a configuration, that of a
/// `&Database`.
///
/// ```
/// use ebbtide::{Config, IntoConfig};
///
/// let config = "sqlite::memory:".into_config()?;
/// assert_eq!(config, serde_json::json!({"scheme": "sqlite"}).into_config()?);
/// # Ok::<(), ebbtide::Error>(())
/// ```
pub trait IntoConfig {
    /// The configuration, checked.
    ///
    /// # Errors
    ///
    /// As of [`Config::from_url`] and [`Config::from_value`]; [`ErrorKind::Config`](crate::ErrorKind::Config) if a
    /// setter was given a value the setting cannot have.
    fn into_config(self) -> Result<Config>;
}

impl IntoConfig for &str {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self)
    }
}

impl IntoConfig for String {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self)
    }
}

impl IntoConfig for &String {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self.as_str())
    }
}

impl IntoConfig for DatabaseUrl {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self)
    }
}

impl IntoConfig for &DatabaseUrl {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self.clone())
    }
}

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
