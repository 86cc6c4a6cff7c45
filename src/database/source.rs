//! What a database can be made from.

use super::Database;
use crate::config::{Config, IntoConfig};
use crate::error::Result;
use crate::url::DatabaseUrl;

/// A source for [`Database::connect`]: a URL, a [`Config`], a credentials dictionary, or a database to connect again.
pub trait IntoDatabase {
    /// The database to connect.
    fn into_database(self) -> Result<Database>;
}

impl IntoDatabase for &Database {
    /// The same database: connecting counts.
    fn into_database(self) -> Result<Database> {
        Ok(self.clone())
    }
}

impl IntoConfig for &Database {
    /// Its configuration, for another database; the hooks stay behind.
    fn into_config(self) -> Result<Config> {
        Ok(self.config())
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

from_config!(&str, String, &String, DatabaseUrl, Config, &Config, serde_json::Value);
