//! The way to create, find and drop databases.

use std::fmt::Debug;

use futures::future::BoxFuture;

use super::admin::{Admin, CreateOptions};
#[cfg(feature = "macros")]
use super::{
    admin::AdminSession,
    lock::{DatabaseLock, LockName},
};
#[cfg(feature = "macros")]
use crate::config::Settings;
use crate::error::Result;

/// The way to create, find and drop the databases of a server. Databases in memory are left out: they need none of it.
pub(crate) trait Administration: Debug + Send + Sync {
    /// Returns the reason why the server would refuse a name, truncate it, or take it for another one. The name is not
    /// empty and contains no NUL character.
    fn wrong_name(&self, name: &str) -> Option<String>;

    /// Returns whether the database exists.
    fn exists<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>>;

    /// Creates the database. With `if_missing` it may return `false` for an existing one.
    fn create<'a>(
        &'a self,
        admin: &'a Admin,
        options: &'a CreateOptions,
        if_missing: bool,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Drops the database, and returns whether it existed.
    fn drop<'a>(&'a self, admin: &'a Admin) -> BoxFuture<'a, Result<bool>>;

    /// Returns whether a new database can be the copy of another.
    #[cfg(feature = "macros")]
    fn copies(&self) -> bool;

    /// Takes a lock that other processes wait for.
    #[cfg(feature = "macros")]
    fn lock<'a>(&'a self, admin: &'a Admin, name: &'a LockName<'a>) -> BoxFuture<'a, Result<DatabaseLock>>;

    /// Returns the query for the schemas and names of the application's tables: neither system tables, nor those of
    /// extensions or behind virtual tables.
    #[cfg(feature = "macros")]
    fn tables(&self) -> &'static str;

    /// Deletes all rows of tables, of which the quoted names are given, and restarts the key sequences.
    #[cfg(feature = "macros")]
    fn empty<'a>(
        &'a self,
        session: &'a dyn AdminSession,
        settings: &'a Settings,
        tables: &'a [String],
    ) -> BoxFuture<'a, Result<()>>;
}
