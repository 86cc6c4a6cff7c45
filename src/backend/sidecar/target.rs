//! What a sidecar is to connect to.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use super::session::SessionText;
use crate::backend::sqlite::DatabaseFile;
#[cfg(feature = "odbc")]
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Product};

/// The drivers that a sidecar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend) enum SidecarKind {
    /// JDBC drivers, in a JVM.
    Jdbc,
    /// DB-API 2 modules, in a Python interpreter.
    DbApi,
    /// Drivers of ODBC, each connection on a thread of this process.
    #[cfg(feature = "odbc")]
    Odbc,
}

/// The connections that use one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend) enum Sharing {
    /// Those of the whole program that have the same command line.
    Program,
    /// Each has a process, or a thread, of its own.
    Connection,
}

/// The times that a sidecar may take. The caller of `connect` sets a limit of its own for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend) struct Limits {
    /// For a process to start and to say so.
    pub(in crate::backend) start: Duration,
    /// For a statement that was cancelled to end.
    pub(in crate::backend) settle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(30),
            settle: Duration::from_secs(5),
        }
    }
}

/// A database behind a sidecar.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::backend) struct Target {
    pub(in crate::backend) kind: SidecarKind,
    pub(in crate::backend) dialect: Dialect,
    /// The product, if the URL or the module tells it; else the driver is asked.
    pub(in crate::backend) product: Option<Product>,
    /// The program and the options that the user gives it: `java` or `python3`; none for a thread.
    pub(in crate::backend) command: Vec<OsString>,
    /// The pairs of `OPEN`; see docs/SIDECARS.md.
    pub(in crate::backend) open: Vec<(String, String)>,
    /// What no message may show.
    pub(in crate::backend) secrets: Vec<String>,
    /// The texts that set up a session.
    pub(in crate::backend) session: Vec<SessionText>,
    /// The file of a SQLite database, whose writers take turns.
    pub(in crate::backend) file: Option<DatabaseFile>,
    /// The address without the password, for messages.
    pub(in crate::backend) place: String,
    pub(in crate::backend) shared: Sharing,
    pub(in crate::backend) limits: Limits,
}

impl Target {
    /// Returns whether the text has to tell the types of values: psqlODBC hands none of them on.
    pub(super) fn casts(&self) -> bool {
        #[cfg(feature = "odbc")]
        return self.kind == SidecarKind::Odbc && self.dialect == Dialect::Postgres;
        #[cfg(not(feature = "odbc"))]
        false
    }

    /// Returns the most parameters that the driver takes, if it takes fewer than the server.
    pub(super) fn max_parameters(&self) -> Option<u16> {
        #[cfg(feature = "odbc")]
        return (self.kind == SidecarKind::Odbc).then_some(ebbtide_odbc::MAX_PARAMETERS);
        #[cfg(not(feature = "odbc"))]
        None
    }

    /// Refuses a data source of ODBC whose driver turns out to have another dialect than the URL says.
    #[cfg(feature = "odbc")]
    pub(super) fn check(&self, product: Product) -> Result<()> {
        let dialect = product.dialect();
        if self.kind != SidecarKind::Odbc || self.dialect == dialect {
            return Ok(());
        }
        let scheme = match product {
            Product::Postgres => "odbc+postgresql",
            Product::MySql => "odbc+mysql",
            Product::MariaDb => "odbc+mariadb",
            Product::Sqlite => "odbc+sqlite",
            _ => "odbc",
        };
        let message = format!(
            "{} is a database of {dialect}, but its URL is one of {}",
            self.place, self.dialect
        );
        Err(Error::new(ErrorKind::Config, message).help(format!(
            "write `{scheme}:///?dsn=…` for a data source, or `{scheme}://host/database`"
        )))
    }

    /// Returns a text without the secrets of the target.
    pub(super) fn redacted(&self, text: &str) -> String {
        redacted(&self.secrets, text)
    }
}

/// Returns a text with `***` in place of secrets.
pub(super) fn redacted(secrets: &[String], text: &str) -> String {
    let mut redacted = text.to_owned();
    // A secret that is part of another one must not leave the rest of that one.
    let mut secrets: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        if redacted.contains(secret.as_str()) {
            redacted = redacted.replace(secret.as_str(), "***");
        }
    }
    redacted
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .field("dialect", &self.dialect)
            .field("place", &self.place)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b9_secrets_are_replaced_the_longest_first() {
        let secrets = ["pass", "password!", ""].map(str::to_owned);
        assert_eq!(redacted(&secrets, "password! and pass of me"), "*** and *** of me");
        assert_eq!(redacted(&[], "all"), "all");
    }
}
