//! Several databases from one configuration: the registry, its overrides, closing, and transactions by alias.

mod aliases;
mod closing;
mod transactions;

use std::process::Stdio;

use ebbtide::{Config, Connections, ConnectionsConfig, Database, Error};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [aliases::cases(), closing::cases(), transactions::cases()].concat()
}

/// Returns the URL of the second database: the same server, another file, another memory.
pub(super) fn second_url(t: &Test) -> String {
    match t.backend().name() {
        "sqlite_file" => t.sqlite_url("second.db"),
        _ => t.url(),
    }
}

/// Returns a registry of `default` and `log`; no database is created yet.
pub(super) fn two(t: &Test) -> Connections {
    registry(&json!({"connections": {"default": t.url(), "log": {"url": second_url(t), "pool_size": 3}}}))
}

pub(super) fn registry(value: &Value) -> Connections {
    let config: ConnectionsConfig = serde_json::from_value(value.clone()).expect("the configuration");
    Connections::init(config).expect("the registry")
}

pub(super) fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

/// Returns a database that the size of its pool distinguishes from others.
pub(super) fn sized(t: &Test, size: u32) -> Database {
    let config = Config::from_url(t.url().as_str()).expect("the URL");
    Database::new(config.pool_size(size)).expect("the database")
}

pub(super) async fn connected(t: &Test, size: u32) -> Database {
    let database = sized(t, size);
    Database::connect(&database).await.expect("it connects");
    database
}

/// The variable that marks the child of a test: the same case in a separate process.
pub(super) const CHILD: &str = "EBBTIDE_TEST_REGISTRY_CHILD";

pub(super) fn child(t: &Test) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([t.name(), "--exact"])
        .env(CHILD, format!("{} {}", t.url(), t.table("notes")))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the child starts")
}
