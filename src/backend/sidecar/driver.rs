//! What a driver says of itself when a connection is opened.

use super::channel::Cancelling;
use super::frame::Pairs;
use super::target::{SidecarKind, Target};
use crate::backend::rules::{Capabilities, DefinitionsWhere, ServerRules, described};
use crate::config::IsolationLevel;
use crate::sql::{Dialect, ParamStyle, Product, Server};

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
    pub(super) style: ParamStyle,
    /// Set if the text tells the types of values, because the driver does not.
    pub(super) casts: bool,
    /// Set if the database writes names in capitals.
    pub(super) folds_up: bool,
    pub(super) cancelling: Cancelling,
    pub(super) server: Server,
    pub(super) rules: &'static dyn ServerRules,
}

impl Driver {
    pub(super) fn new(target: &Target, opened: &Pairs) -> Self {
        let style = opened.get("paramstyle").and_then(ParamStyle::named);
        let server = server(target, opened);
        let rules = match (target.dialect, server.product) {
            (Dialect::Generic, Product::Other) => described(capabilities(opened)),
            (dialect, _) => dialect.rules_of(Some(server)),
        };
        Self {
            transactions: match opened.get("transactions") {
                Some("text") => Transactions::Text,
                Some("none") => Transactions::None,
                _ => Transactions::Api,
            },
            style: style
                .filter(|_| target.kind == SidecarKind::DbApi)
                .unwrap_or(ParamStyle::Question),
            casts: target.casts(),
            folds_up: opened.get("folding") == Some("upper"),
            cancelling: match opened.get("cancel") {
                Some("1") => Cancelling::Statement,
                Some("abort") => Cancelling::Connection,
                _ => Cancelling::Nothing,
            },
            server,
            rules,
        }
    }
}

/// Returns the product and version of the database.
fn server(target: &Target, opened: &Pairs) -> Server {
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
    match read {
        // Since version 10 it has no second part.
        Some(server) if product == Product::Postgres => Server {
            version: server.version / 10_000 * 10_000 + server.version / 100 % 100,
            ..server
        },
        Some(server) => server,
        None => Server { product, version: 0 },
    }
}

/// Returns what a driver says of a database that nobody has described.
fn capabilities(opened: &Pairs) -> Capabilities {
    let levels = opened.get("levels").unwrap_or_default().split(',');
    Capabilities {
        product: opened.get("product").unwrap_or_default().to_owned(),
        savepoints: opened.get("savepoints") != Some("0"),
        transactions: opened.get("transactions") != Some("none"),
        definitions: match opened.get("ddl") {
            Some("transactional") => DefinitionsWhere::Transactional,
            Some("refused" | "ignored") => DefinitionsWhere::Refused,
            _ => DefinitionsWhere::Commits,
        },
        levels: levels.filter_map(level).collect(),
        default_level: opened.get("isolation").and_then(level),
    }
}

/// Returns the level with a number of the protocol.
fn level(number: &str) -> Option<IsolationLevel> {
    match number.trim() {
        "1" => Some(IsolationLevel::ReadUncommitted),
        "2" => Some(IsolationLevel::ReadCommitted),
        "3" => Some(IsolationLevel::RepeatableRead),
        "4" => Some(IsolationLevel::Serializable),
        _ => None,
    }
}
