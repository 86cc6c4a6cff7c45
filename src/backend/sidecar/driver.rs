//! What a driver says of itself when a connection is opened.

use super::channel::Cancelling;
use super::frame::Pairs;
use super::target::{SidecarKind, Target};
use crate::sql::{ParamStyle, Product, Server};

/// The way in which a driver begins and ends transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transactions {
    /// By its interface.
    Api,
    /// By SQL text.
    Text,
    /// It has none.
    None,
}

/// The facts about a driver and its database.
#[derive(Clone, Debug)]
pub(super) struct Driver {
    pub(super) transactions: Transactions,
    pub(super) savepoints: bool,
    pub(super) style: ParamStyle,
    /// Set if the database writes names in capitals.
    pub(super) folds_up: bool,
    pub(super) cancelling: Cancelling,
    pub(super) server: Option<Server>,
}

impl Driver {
    pub(super) fn new(target: &Target, opened: &Pairs) -> Self {
        let style = opened.get("paramstyle").and_then(ParamStyle::named);
        Self {
            transactions: match opened.get("transactions") {
                Some("text") => Transactions::Text,
                Some("none") => Transactions::None,
                _ => Transactions::Api,
            },
            savepoints: opened.get("savepoints") != Some("0"),
            style: style
                .filter(|_| target.kind == SidecarKind::DbApi)
                .unwrap_or(ParamStyle::Question),
            folds_up: opened.get("folding") == Some("upper"),
            cancelling: match opened.get("cancel") {
                Some("1") => Cancelling::Statement,
                Some("abort") => Cancelling::Connection,
                _ => Cancelling::Nothing,
            },
            server: server(target, opened),
        }
    }
}

/// Returns the product and version of the database.
fn server(target: &Target, opened: &Pairs) -> Option<Server> {
    let name = opened.get("product").unwrap_or_default().to_lowercase();
    let is = |word: &str| name.contains(word);
    let product = if is("postgres") {
        Product::Postgres
    } else if is("mariadb") {
        Product::MariaDb
    } else if is("mysql") {
        Product::MySql
    } else if is("sqlite") {
        Product::Sqlite
    } else if name == "h2" {
        Product::H2
    } else if is("hsql") {
        Product::Hsqldb
    } else if is("derby") {
        Product::Derby
    } else if is("duckdb") {
        Product::DuckDb
    } else {
        target.product.unwrap_or(Product::Other)
    };
    let version = opened.get("version").unwrap_or_default();
    // MariaDB's driver, too, may say that it is MySQL.
    let product = match product {
        Product::MySql if version.to_lowercase().contains("mariadb") => Product::MariaDb,
        product => product,
    };
    let numbers = version.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let read = Server::read(product, numbers);
    Some(match read {
        // Since version 10 it has no second part.
        Some(server) if product == Product::Postgres => Server {
            version: server.version / 10_000 * 10_000 + server.version / 100 % 100,
            ..server
        },
        Some(server) => server,
        None => Server { product, version: 0 },
    })
}
