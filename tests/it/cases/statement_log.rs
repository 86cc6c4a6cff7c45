//! The statement log of a sandbox, for a test that failed.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, ErrorKind, RecordedStatement, Result, params};

use super::messages::assert_error;
use super::tasks::{add, config, in_task, kept, kind, line_below, notes, notes_with, soon};
use crate::support::cases;

/// Returns the entries whose text contains `part`.
fn entries(database: &Database, part: &str) -> Vec<RecordedStatement> {
    let mut recorded = database.recorded();
    recorded.retain(|entry| entry.sql.contains(part));
    recorded
}

cases! {
    /// Statements that really commit are marked as such.
    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f2_what_runs_outside_of_the_sandbox_is_written_down_as_that(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let sandbox = parent.sandbox().record(20).await?;
        sandbox.execute(add(&t, "undone"), ()).await?;
        sandbox.force_rollback(false).run(async { sandbox.execute(add(&t, "stays"), ()).await }).await?;
        {
            let _really = sandbox.force_rollback(false);
            sandbox.transaction().run(async |_| sandbox.execute(add(&t, "stays too"), ()).await).await?;
            sandbox.execute("this is no SQL", ()).await.expect_err("it is no SQL");
            assert_eq!(entries(&sandbox, "stays too").len(), 1, "there is one log, inside and outside");
        }
        let marks: Vec<_> = ["undone", "stays'", "stays too", "no SQL"]
            .map(|part| entries(&sandbox, part).into_iter().map(|entry| entry.outside).collect::<Vec<_>>())
            .into();
        assert_eq!(marks, [vec![false], vec![true], vec![true], vec![true]], "{:?}", sandbox.recorded());
        let shown = entries(&sandbox, "stays too")[0].to_string();
        assert!(shown.contains("outside of the sandbox"), "{shown}");
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "stays,stays too");
        Ok(())
    }

    async fn f12_what_was_refused_is_written_down(t: Test) -> Result<()> {
        let sandbox = notes(&t).await.sandbox().record(20).await?;
        let mut statements = vec!["COMMIT".to_owned(), "savepoint mine".to_owned()];
        if t.backend().is_mysql() {
            statements.push(t.words("create table {more} (id bigint)"));
        }
        for sql in &statements {
            assert_eq!(kind(&sandbox.execute(AssertSqlSafe(sql.clone()), ()).await), Some(ErrorKind::Refused));
            let [entry] = &entries(&sandbox, sql)[..] else { panic!("{sql}: {:?}", sandbox.recorded()) };
            let fault = entry.error.as_deref().unwrap_or_default();
            assert!(fault.contains("it was not sent"), "{entry}");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f12_a_wait_without_success_and_a_dropped_guard_are_recorded(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t).lease_timeout(Duration::from_millis(100))).await;
        let sandbox = parent.sandbox().record(20).await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let (other, sql) = (sandbox.clone(), add(&t, "b"));
        let waited = in_task(async move { other.execute(sql, ()).await }).await;
        assert_eq!(kind(&waited), Some(ErrorKind::Timeout), "{waited:?}");
        let [note] = &entries(&sandbox, "waited longer than 100ms")[..] else { panic!("{:?}", sandbox.recorded()) };
        assert!(note.sql.starts_with("-- ") && note.sql.contains("statement_log.rs:"), "{note}");
        drop(transaction);
        soon("the next", sandbox.execute(add(&t, "c"), ())).await?;
        let remarks = entries(&sandbox, "dropped unfinished was rolled back");
        assert_eq!(remarks.len(), 1, "{:?}", sandbox.recorded());
        Ok(())
    }

    /// Also statements that could not be sent at all; they have their place in the source.
    async fn f12_what_lacks_a_parameter_is_written_down(t: Test) -> Result<()> {
        let sandbox = notes(&t).await.sandbox().record(20).await?;
        let sql = || t.sql("insert into {notes} (body) values (:body)");
        let here = line_below();
        let one = sandbox.execute(sql(), params! { text: "a" }).await;
        assert_error(&one.expect_err("it lacks `body`"), ErrorKind::Parameter, &[":body", &here]);
        let here = line_below();
        let many = sandbox.execute_many(sql(), [params! { text: "a" }]).await;
        assert_error(&many.expect_err("it lacks `body`"), ErrorKind::Parameter, &[":body", &here]);
        let kept = entries(&sandbox, "values (:body)");
        assert!(kept.len() == 2 && kept.iter().all(|entry| entry.error.is_some()), "{:?}", sandbox.recorded());
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f12_what_was_written_down_outlives_the_sandbox(t: Test) -> Result<()> {
        let sandbox = notes(&t).await.sandbox().record(20).await?;
        sandbox.execute(add(&t, "first"), ()).await?;
        soon("its end", sandbox.disconnect()).await?;
        Database::connect(&sandbox).await?;
        sandbox.execute(add(&t, "second"), ()).await?;
        soon("its end", sandbox.disconnect()).await?;
        assert_eq!((entries(&sandbox, "first").len(), entries(&sandbox, "second").len()), (1, 1));
        Ok(())
    }
}
