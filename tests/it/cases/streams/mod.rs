//! Q7 and T5: streams of rows, in constant memory, and with other statements on their connection.

mod broken;
mod busy_connection;
mod rows;
mod ways;

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, RowStream};
use futures::TryStreamExt as _;
use serde::Deserialize;

use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [rows::cases(), broken::cases(), busy_connection::cases(), ways::cases()].concat()
}

/// The time limit of an operation that must not hang.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// Creates a table `{numbered}` with the numbers from 1 to `count`.
pub(super) async fn with_numbers(t: &Test, config: impl FnOnce(Config) -> Config, count: i64) -> Database {
    let config = config(Config::from_url(t.url().as_str()).unwrap());
    let database = Database::connect(config).await.unwrap();
    database
        .execute(t.sql("create table {numbered} (id {int} not null primary key)"), ())
        .await
        .unwrap();
    let insert = t.sql("insert into {numbered} (id) values (?)");
    database
        .execute_many(insert, (1..=count).map(|id| (id,)))
        .await
        .unwrap();
    database
}

pub(super) fn as_it_is(config: Config) -> Config {
    config
}

/// Returns the query of the numbers in order.
pub(super) fn numbers(t: &Test) -> AssertSqlSafe<String> {
    t.sql("select id from {numbered} order by id")
}

/// Takes the next `count` numbers, which must start at `first`.
pub(super) async fn take(rows: &mut RowStream, first: i64, count: i64) {
    for wanted in first..first + count {
        let row = within(rows.try_next()).await.unwrap();
        assert_eq!(row.map(|row| row.get::<i64>("id").unwrap()), Some(wanted));
    }
}

/// Takes the rest of the numbers, which must go from `first` to `last`.
pub(super) async fn take_rest(rows: &mut RowStream, first: i64, last: i64) {
    take(rows, first, last - first + 1).await;
    assert!(within(rows.try_next()).await.unwrap().is_none());
    // It stays at its end.
    assert!(within(rows.try_next()).await.unwrap().is_none());
}

/// Fails instead of hanging.
#[track_caller]
pub(super) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let limited = tokio::time::timeout(LIMIT, future).await;
        limited.unwrap_or_else(|_| panic!("what began at {place} hangs"))
    }
}

#[track_caller]
pub(super) fn assert_says(error: &Error, kind: ErrorKind, pieces: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in: {text}");
    }
}

/// Returns a place in the caller's file.
#[track_caller]
pub(super) fn at(line: u32) -> String {
    format!("{}:{line}", std::panic::Location::caller().file())
}

/// Returns a statement that fails at the fifth of the numbers, after the first four.
pub(super) fn failing(t: &Test) -> AssertSqlSafe<String> {
    if t.backend().is_postgres() {
        t.sql("select id + 0 / (5 - id) as id from {numbered}")
    } else if t.backend().is_mysql() {
        t.sql("select id, 18446744073709551611 + id as big from {numbered}")
    } else {
        t.sql("select id, abs(-9223372036854775803 - id) as big from {numbered}")
    }
}

#[derive(Debug, PartialEq, Deserialize, sqlx::FromRow)]
pub(super) struct Numbered {
    pub(super) id: i64,
}
