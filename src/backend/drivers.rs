//! The list of drivers: which one a URL names.

use std::fmt::Display;
use std::sync::Arc;

use super::Connector;
use super::rules::BeginOptions;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Server};
use crate::url::{Bridge, product_of_subprotocol};

/// The driver of SQLite that a URL has to name; the other one is that of sqlx. Its Cargo feature has the same name.
const RUSQLITE: &str = "rusqlite";

/// The driver of PostgreSQL that a URL has to name, likewise.
const TOKIO_POSTGRES: &str = "tokio-postgres";

/// Returns the connector for the database that the URL names.
pub(crate) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let dialect = config.dialect();
    // A level that the server lacks must not be ignored by statements outside of transactions.
    let product = product_of_subprotocol(config.product_name());
    let server = product.map(|product| Server { product, version: 0 });
    dialect.rules_of(server).begin(BeginOptions {
        isolation: config.settings().isolation_level,
        ..BeginOptions::default()
    })?;
    match config.url().bridge() {
        None => {}
        #[cfg(feature = "jdbc")]
        Some(Bridge::Jdbc) => return super::jdbc::connector(config),
        #[cfg(feature = "dbapi2")]
        Some(Bridge::DbApi) => return super::dbapi2::connector(config),
        #[cfg(feature = "odbc")]
        Some(Bridge::Odbc) => return super::odbc::connector(config),
        #[allow(unreachable_patterns, reason = "reachable when a bridge is left out")]
        Some(bridge) => return Err(bridge_left_out(bridge)),
    }
    match (dialect, config.url().driver()) {
        #[cfg(feature = "rusqlite")]
        (Dialect::Sqlite, Some(RUSQLITE)) => super::rusqlite::connector(config),
        #[cfg(not(feature = "rusqlite"))]
        (Dialect::Sqlite, Some(RUSQLITE)) => Err(driver_left_out(RUSQLITE)),
        #[cfg(feature = "tokio-postgres")]
        (Dialect::Postgres, Some(TOKIO_POSTGRES)) => super::tokio_postgres::connector(config),
        #[cfg(not(feature = "tokio-postgres"))]
        (Dialect::Postgres, Some(TOKIO_POSTGRES)) => Err(driver_left_out(TOKIO_POSTGRES)),
        #[cfg(feature = "postgres")]
        (Dialect::Postgres, _) => super::postgres::connector(config),
        #[cfg(feature = "mysql")]
        (Dialect::MySql, _) => super::mysql::connector(config),
        #[cfg(feature = "sqlite")]
        (Dialect::Sqlite, _) => super::sqlite::connector(config),
        #[cfg(feature = "mssql")]
        (Dialect::SqlServer, _) => super::mssql::connector(config),
        #[allow(unreachable_patterns, reason = "reachable when a backend is left out")]
        _ => Err(left_out(dialect)),
    }
}

#[allow(dead_code, reason = "unused when every bridge is compiled in")]
fn bridge_left_out(bridge: Bridge) -> Error {
    let (what, feature) = match bridge {
        Bridge::Jdbc => ("JDBC", "jdbc"),
        Bridge::DbApi => ("DB-API 2", "dbapi2"),
        Bridge::Odbc => ("ODBC", "odbc"),
    };
    not_compiled_in(what, feature)
}

#[allow(dead_code, reason = "unused when everything is compiled in")]
fn not_compiled_in(what: impl Display, feature: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{what} is not compiled in")).help(format!(
        "enable it in Cargo.toml: ebbtide = {{ …, features = [\"{feature}\"] }}"
    ))
}

#[allow(dead_code, reason = "unused when every driver is compiled in")]
fn driver_left_out(driver: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the driver `{driver}` is not compiled in")).help(format!(
        "enable it in Cargo.toml: ebbtide = {{ …, features = [\"{driver}\"] }}; or leave the driver out of the URL"
    ))
}

#[allow(dead_code, reason = "unused when every backend is compiled in")]
fn left_out(dialect: Dialect) -> Error {
    let feature = match dialect {
        Dialect::Postgres => "postgres",
        Dialect::MySql => "mysql",
        Dialect::Sqlite => "sqlite",
        Dialect::SqlServer => "mssql",
        Dialect::Generic => "jdbc",
    };
    not_compiled_in(dialect, feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u8_a_bridge_that_is_left_out_names_its_feature() {
        for (bridge, feature) in [
            (Bridge::Jdbc, "\"jdbc\""),
            (Bridge::DbApi, "\"dbapi2\""),
            (Bridge::Odbc, "\"odbc\""),
        ] {
            let error = bridge_left_out(bridge);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(feature), "{error}");
        }
    }

    #[test]
    fn d1_a_driver_that_is_left_out_names_its_feature() {
        let error = driver_left_out(RUSQLITE);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("features = [\"rusqlite\"]"), "{error}");
    }

    #[test]
    fn u8_a_backend_that_is_left_out_names_its_feature() {
        for (dialect, feature) in [
            (Dialect::Postgres, "features = [\"postgres\"]"),
            (Dialect::MySql, "features = [\"mysql\"]"),
            (Dialect::Sqlite, "features = [\"sqlite\"]"),
            (Dialect::SqlServer, "features = [\"mssql\"]"),
        ] {
            let error = left_out(dialect);
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = error.to_string();
            assert!(text.contains(feature) && text.contains(&dialect.to_string()), "{text}");
        }
    }
}
