//! W2: the texts that `echo` writes to standard error, and those that it does not.

use std::process::Command;
use std::time::Duration;

use ebbtide::{Database, ErrorKind, params};
use futures::TryStreamExt as _;

use super::pool::{hold, with};
use super::watching::{CANARY, add, ready};
use crate::support::{Test, cases};

/// Set in a separate process, whose standard error is read.
const ALONE: &str = "EBBTIDE_TEST_ALONE";

/// Runs this one test again in a separate process, and returns its standard error. Returns `None` in that process.
fn echoed_alone(t: &Test) -> Option<String> {
    if std::env::var_os(ALONE).is_some() {
        return None;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let run = again.args(["--exact", t.name()]).env(ALONE, "1").output().unwrap();
    let (output, echoed) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(
        run.status.success() && output.contains("1 passed"),
        "{output}\n{echoed}"
    );
    Some(echoed.into_owned())
}

cases! {
    #[only(postgres, mysql)]
    async fn w2_echo_shows_what_was_cancelled(t: Test) {
        if let Some(echoed) = echoed_alone(&t) {
            let line = echoed.lines().find(|line| line.contains("sleep(30)"));
            assert!(line.is_some_and(|line| line.ends_with(") was cancelled")), "{echoed}");
            return;
        }
        let database = ready(&t, "echo=true").await;
        let sleep = if t.backend().is_postgres() { "select pg_sleep(30)" } else { "select sleep(30)" };
        let asked = database.execute(sleep, ()).timeout(Duration::from_millis(100));
        assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn w2_echo_shows_statements_and_no_values(t: Test) {
        if let Some(echoed) = echoed_alone(&t) {
            for shown in ["BEGIN", "insert into", "COMMIT", "SAVEPOINT", "ROLLBACK TO SAVEPOINT", "select id from"] {
                let line = echoed.lines().find(|line| line.starts_with(&format!("ebbtide: {shown}")));
                assert!(line.is_some_and(|line| line.contains('(') && line.contains("s)")), "{shown} in {echoed}");
            }
            assert!(echoed.contains("failed: Constraint ("), "{echoed}");
            assert!(!echoed.contains(CANARY), "{echoed}");
            return;
        }
        let database = ready(&t, "echo=true").await;
        let transaction = database.transaction().await.unwrap();
        add(&t, &transaction, 1).await;
        let savepoint = database.transaction().await.unwrap();
        let insert = t.sql("insert into {notes} (id, body) values (2, :body)");
        let body = format!("{CANARY} 1");
        database.execute(insert, params! { body }).await.unwrap_err();
        savepoint.rollback().await.unwrap();
        transaction.commit().await.unwrap();
        let select = t.sql("select id from {notes} where body <> :body");
        let rows = database.iterate(select, params! { body: CANARY });
        assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    }

    async fn w2_echo_shows_values_to_those_who_ask(t: Test) {
        if let Some(echoed) = echoed_alone(&t) {
            assert!(echoed.contains(&format!(") [1, '{CANARY} 1'] (")), "{echoed}");
            return;
        }
        let database = ready(&t, "echo=true&show_parameters=true").await;
        add(&t, &database.connection(), 1).await;
    }

    async fn w2_echo_pool_shows_what_the_pool_does(t: Test) {
        if let Some(echoed) = echoed_alone(&t) {
            for shown in ["a connection was opened for", "waits for a connection"] {
                assert!(echoed.lines().any(|line| line.starts_with("ebbtide: ") && line.contains(shown)), "{shown} in {echoed}");
            }
            assert!(!echoed.contains("select"), "statements are shown by `echo`: {echoed}");
            return;
        }
        let database = Database::connect(with(&t.url(), "pool_size=1&echo_pool=true")).await.unwrap();
        let held = hold(&database).await;
        let waits = async { database.execute(t.sql("select 1 {from}"), ()).await.unwrap() };
        futures::join!(waits, held.release());
    }
}
