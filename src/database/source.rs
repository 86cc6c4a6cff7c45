//! The sources of a database.

use url::Url;

use super::Database;
use crate::config::{Config, IntoConfig};
use crate::error::Result;
use crate::url::DatabaseUrl;

/// A source for [`Database::connect`]: everything that converts into a [`Config`](IntoConfig), or a database that is
/// connected itself.
pub trait IntoDatabase {
    /// Returns the database to connect.
    fn into_database(self) -> Result<Database>;
}

impl IntoDatabase for Database {
    /// Returns the same database: connecting it again is counted.
    fn into_database(self) -> Result<Database> {
        Ok(self)
    }
}

impl IntoDatabase for &Database {
    /// Returns the same database: connecting it again is counted.
    fn into_database(self) -> Result<Database> {
        Ok(self.clone())
    }
}

impl IntoConfig for &Database {
    /// Returns its configuration for another database, with an override of force rollback that applies here. Hooks are
    /// not included.
    fn into_config(self) -> Result<Config> {
        Ok(self.config().force_rollback(self.is_force_rollback()))
    }
}

macro_rules! from_config {
    ($($type:ty),*) => {$(
        impl IntoDatabase for $type {
            fn into_database(self) -> Result<Database> {
                Database::new(self)
            }
        }
    )*};
}

from_config!(
    &str,
    String,
    &String,
    DatabaseUrl,
    &DatabaseUrl,
    Url,
    &Url,
    Config,
    &Config,
    serde_json::Value,
    &serde_json::Value
);
