//! Databases that the library neither creates nor drops: they are made by connecting, or with tools of their own.

use futures::future::{BoxFuture, ready};

use super::admin::{Admin, CreateOptions};
use super::administration::Administration;
#[cfg(feature = "macros")]
use super::{
    admin::AdminSession,
    lock::{DatabaseLock, LockName},
};
#[cfg(feature = "macros")]
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "macros")]
use crate::value::Params;

/// Refuses to create and to drop databases, and says how it is done instead.
#[derive(Debug)]
pub(crate) struct MadeByConnecting {
    /// The name of the product.
    pub(crate) name: &'static str,
    /// The other way.
    pub(crate) help: &'static str,
    /// The query for the schemas and names of the tables.
    #[cfg_attr(
        not(feature = "macros"),
        allow(dead_code, reason = "only the attribute empties tables")
    )]
    pub(crate) tables: &'static str,
}

impl MadeByConnecting {
    fn refused<T>(&self, what: &str) -> Result<T> {
        let message = format!(
            "{} does not let its databases be {what} through a connection",
            self.name
        );
        Err(Error::new(ErrorKind::Unsupported, message).help(self.help))
    }
}

impl Administration for MadeByConnecting {
    fn wrong_name(&self, _name: &str) -> Option<String> {
        None
    }

    fn exists<'a>(&'a self, _admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(self.refused("looked for")))
    }

    fn create<'a>(
        &'a self,
        _admin: &'a Admin,
        _options: &'a CreateOptions,
        _if_missing: bool,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(self.refused("created")))
    }

    fn drop<'a>(&'a self, _admin: &'a Admin) -> BoxFuture<'a, Result<bool>> {
        Box::pin(ready(self.refused("dropped")))
    }

    #[cfg(feature = "macros")]
    fn copies(&self) -> bool {
        false
    }

    #[cfg(feature = "macros")]
    fn lock<'a>(&'a self, _admin: &'a Admin, _name: &'a LockName<'a>) -> BoxFuture<'a, Result<DatabaseLock>> {
        Box::pin(ready(self.refused("locked")))
    }

    #[cfg(feature = "macros")]
    fn tables(&self) -> &'static str {
        self.tables
    }

    #[cfg(feature = "macros")]
    fn empty<'a>(
        &'a self,
        session: &'a dyn AdminSession,
        _settings: &'a Settings,
        tables: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        let deleted: Vec<_> = tables.iter().map(|table| format!("DELETE FROM {table}")).collect();
        session.run(deleted.join("; "), Params::default())
    }
}
