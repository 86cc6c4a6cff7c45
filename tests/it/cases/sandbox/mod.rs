//! `database.sandbox()`: many at once, with every user, and with every end.

mod ends;
mod many;
mod statements;
mod writing_views;

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database};

use crate::cases::tasks::{config, list, notes_with};
use crate::drivers::Driver;
use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        many::cases(),
        statements::cases(),
        ends::cases(),
        writing_views::cases(),
    ]
    .concat()
}

/// Returns the notes that are visible in a database or sandbox: `a,b`.
pub(super) async fn seen(t: &Test, database: &Database) -> String {
    if t.driver() == Some(Driver::Derby) {
        // Any number of them, where `list` has places for some.
        let rows = database.fetch_all(t.sql("select body from {notes} order by body"), ());
        return rows.value::<String>().await.expect("the notes").join(",");
    }
    database.fetch_value(list(t), ()).await.expect("the list of notes")
}

/// Returns a statement that takes a moment.
pub(super) fn slow(t: &Test) -> AssertSqlSafe<String> {
    slower(t, 1)
}

/// Returns a statement that takes about as many times as long as `slow`.
pub(super) fn slower(t: &Test, times: u32) -> AssertSqlSafe<String> {
    AssertSqlSafe(match t.backend().family() {
        "postgres" => format!(
            "select count(*) from (select pg_sleep({})) as s",
            0.2 * f64::from(times)
        ),
        "mysql" => format!("select sleep({})", 0.2 * f64::from(times)),
        "mssql" => format!("waitfor delay '00:00:{:06.3}'; select 1", 0.2 * f64::from(times)),
        _ if matches!(t.driver(), Some(Driver::Hsqldb | Driver::Derby)) => {
            let numbers = |count: u32| (0..count).map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
            let tables = ["a", "b", "c", "d", "e", "f"].map(|name| format!("(values {}) {name} (n)", numbers(10)));
            format!(
                "select count(*) from {}, (values {}) times (n)",
                tables.join(", "),
                numbers(times)
            )
        }
        _ => format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) select count(*) from n",
            300_000 * times
        ),
    })
}

/// Returns a parent with the table `notes` of which one sandbox at a time can be in use; a second one fails soon.
pub(super) async fn narrow(t: &Test) -> Database {
    notes_with(t, config(t).pool_size(1).pool_timeout(Duration::from_secs(10))).await
}
