//! The sandbox: everything happens in one transaction that is undone at the end.
//!
//! A SQLite sandbox holds the write lock of its file from its first use on, so the cases write committed rows before
//! that. While a sandbox in memory is open no other connection can even read, and its rows are lost with its last
//! connection. So the cases that observe from a separate connection leave it out.

mod application;
mod outer;
mod overrides;
mod queue;

use ebbtide::{Config, Database, Error};

use crate::cases::tasks::{config, in_task, list};
use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [outer::cases(), overrides::cases(), application::cases(), queue::cases()].concat()
}

/// Returns the settings of a sandbox.
pub(super) fn sandbox(t: &Test) -> Config {
    config(t).force_rollback(true)
}

/// Returns a sandbox that has the table `notes`; the table itself is committed.
pub(super) async fn sandboxed(t: &Test) -> Database {
    let database = Database::connect(sandbox(t)).await.expect("the database");
    let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
    database
        .force_rollback(false)
        .run(database.execute(create, ()).into_future())
        .await
        .expect("the table");
    database
}

/// Returns what a separate task sees in the sandbox.
pub(super) async fn seen_by_another_task(t: &Test, database: &Database) -> String {
    let (database, sql) = (database.clone(), list(t));
    in_task(async move { database.fetch_value::<String>(sql, ()).await })
        .await
        .expect("the list of notes")
}

pub(super) fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}
