//! The sources of a database.

use super::Database;
#[cfg(feature = "registry")]
use crate::config::ConnectionsConfig;
use crate::config::{Config, IntoConfig, urls};
#[cfg(feature = "registry")]
use crate::error::Error;
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

impl IntoConfig for Database {
    fn into_config(self) -> Result<Config> {
        (&self).into_config()
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

urls!(from_config);
from_config!(Config, &Config, serde_json::Value, &serde_json::Value);

#[cfg(feature = "registry")]
macro_rules! registry_of {
    ($($type:ty),*) => {$(
        impl TryFrom<$type> for ConnectionsConfig {
            type Error = Error;

            /// Returns a configuration with that of this database, under the alias `default`.
            fn try_from(database: $type) -> Result<Self> {
                database.into_config().map(Self::from)
            }
        }
    )*};
}

#[cfg(feature = "registry")]
registry_of!(Database, &Database);
