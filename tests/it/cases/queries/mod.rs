//! Q1 to Q3, Q5 and Q6: the verbs, the parameters, the rows.

mod columns;
mod guides;
mod last_ids;
mod many;
mod parameters;
mod placeholders;
mod rows;
mod scripts;
mod shapes;
mod unprepared;
mod verbs;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind};

use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        verbs::cases(),
        parameters::cases(),
        placeholders::cases(),
        shapes::cases(),
        rows::cases(),
        scripts::cases(),
        many::cases(),
        columns::cases(),
        last_ids::cases(),
        guides::cases(),
        unprepared::cases(),
    ]
    .concat()
}

/// Returns a database with an empty table `{notes}`.
pub(super) async fn with_notes(t: &Test) -> Database {
    let database = t.database().await;
    database
        .execute(
            t.sql("create table {notes} (id {int} not null primary key, body {text}, n {int})"),
            (),
        )
        .await
        .unwrap();
    database
}

/// Does the same, with `count` rows: their `n` is the id, and null where the id can be divided by five.
pub(super) async fn with_rows(t: &Test, count: i64) -> Database {
    let database = with_notes(t).await;
    let rows = (1..=count).map(|id| (id, format!("note {id}"), (id % 5 != 0).then_some(id)));
    let done = database
        .execute_many(t.sql("insert into {notes} (id, body, n) values (?, ?, ?)"), rows)
        .await
        .unwrap();
    assert_eq!(done.rows_affected, count as u64);
    database
}

/// Returns the ids that a statement finds, in order.
pub(super) async fn ids(database: &Database, sql: AssertSqlSafe<String>, params: impl ebbtide::IntoParams) -> Vec<i64> {
    database.fetch_all(sql, params).value::<i64>().await.unwrap()
}

/// Asserts the kind of an error, and that its text holds all of these pieces.
#[track_caller]
pub(super) fn assert_says(error: &Error, kind: ErrorKind, pieces: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in: {text}");
    }
}
