//! The product and version of a server, on which the meaning of a text depends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Dialect;

/// A database product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Postgres,
    MySql,
    MariaDb,
    Sqlite,
    H2,
    Hsqldb,
    Derby,
    DuckDb,
    SqlServer,
    /// Any other one.
    Other,
}

impl Product {
    /// Returns the dialect of the product for a driver of another language; that of SQL Server is standard SQL there.
    #[allow(dead_code, reason = "only the data sources of ODBC do not tell it before")]
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Postgres => Dialect::Postgres,
            Self::MySql | Self::MariaDb => Dialect::MySql,
            Self::Sqlite => Dialect::Sqlite,
            Self::SqlServer | Self::H2 | Self::Hsqldb | Self::Derby | Self::DuckDb | Self::Other => Dialect::Generic,
        }
    }

    const ALL: [Self; 10] = [
        Self::Postgres,
        Self::MySql,
        Self::MariaDb,
        Self::Sqlite,
        Self::H2,
        Self::Hsqldb,
        Self::Derby,
        Self::DuckDb,
        Self::SqlServer,
        Self::Other,
    ];
}

/// The product and version of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) product: Product,
    /// Two digits for each part of the version: 10.11.6 is 101106. Since version 10, PostgreSQL has no second part:
    /// 15.3 is 150003.
    pub(crate) version: u32,
}

impl Server {
    /// Reads a version such as `10.11.6-MariaDB-log`. `None` if the text does not begin with a number.
    #[allow(dead_code, reason = "PostgreSQL tells its version as a number")]
    pub(crate) fn read(product: Product, text: &str) -> Option<Self> {
        let mut parts = text
            .split(|letter: char| !letter.is_ascii_digit())
            .map(str::parse::<u32>);
        let major = parts.next()?.ok()?;
        let mut part = || parts.next().and_then(Result::ok).unwrap_or_default().min(99);
        Some(Self {
            product,
            version: major.min(9_999) * 10_000 + part() * 100 + part(),
        })
    }
}

/// The server to which the last connection was opened. All clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenServer(Arc<AtomicU64>);

impl SeenServer {
    /// Returns the server; `None` before the first connection, or if it does not tell.
    pub(crate) fn get(&self) -> Option<Server> {
        let packed = self.0.load(Ordering::Relaxed);
        let product = usize::try_from(packed >> 32).ok()?.checked_sub(1)?;
        Some(Server {
            product: *Product::ALL.get(product)?,
            version: u32::try_from(packed & u64::from(u32::MAX)).ok()?,
        })
    }

    pub(crate) fn set(&self, server: Server) {
        let product = Product::ALL.iter().position(|product| *product == server.product);
        let packed = product.map_or(0, |product| (product as u64 + 1) << 32 | u64::from(server.version));
        self.0.store(packed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_say() {
        for (text, version) in [
            ("10.11.19-MariaDB-0+deb12u1", 101_119),
            ("11.8.9-MariaDB", 110_809),
            ("9.7.4-2", 90_704),
            ("8.0.36-28.1-log", 80_036),
            ("3.46.0", 34_600),
            ("8.4", 80_400),
        ] {
            let server = Server::read(Product::MySql, text);
            assert_eq!(server.map(|server| server.version), Some(version), "{text}");
        }
        assert_eq!(Server::read(Product::MySql, "next"), None);
    }

    #[test]
    fn the_server_seen_last_is_known_everywhere() {
        let seen = SeenServer::default();
        let clone = seen.clone();
        assert_eq!(clone.get(), None);
        for product in Product::ALL {
            let server = Server {
                product,
                version: 101_119,
            };
            seen.set(server);
            assert_eq!(clone.get(), Some(server));
        }
    }
}
