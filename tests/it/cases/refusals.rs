//! Refused statements, and the errors of a handle whose sandbox has ended: they name the statement, its place, and what
//! to do.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Error, ErrorKind, Result};
use futures::TryStreamExt as _;

use super::messages::assert_error;
use super::tasks::{add, config, kind, line_below, list, notes, notes_with, soon};
use crate::support::cases;

fn refused(error: &Error, sql: &str, place: &str) {
    assert_error(
        error,
        ErrorKind::Refused,
        &[&format!("`{sql}`"), place, "it was not sent"],
    );
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f7_a_refusal_names_the_statement_and_its_place(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for (sandboxed, database) in [(true, database.sandbox().await?), (false, database)] {
            for sql in ["COMMIT", "ROLLBACK", "begin", "select 1; commit"] {
                let text = || AssertSqlSafe(sql.to_owned());
                let transaction = database.transaction().await?;
                let here = line_below();
                refused(&transaction.execute(text(), ()).await.expect_err("in a transaction"), sql, &here);
                transaction.rollback().await?;
                drop(transaction);
                if sql.contains(';') && !sandboxed {
                    // A script on a connection of its own may do that.
                    continue;
                }
                let here = line_below();
                refused(&database.execute(text(), ()).await.expect_err("through the database"), sql, &here);
                let here = line_below();
                refused(&database.iterate(text(), ()).try_next().await.expect_err("as a stream"), sql, &here);
            }
        }
        Ok(())
    }

    #[only(mysql)]
    async fn f7_a_refused_definition_is_named_with_its_place(t: Test) -> Result<()> {
        let sandbox = notes(&t).await.sandbox().await?;
        let sql = t.words("create table {more} (id bigint)");
        let here = line_below();
        let error = sandbox.execute(AssertSqlSafe(sql.clone()), ()).await.expect_err("it would commit");
        refused(&error, &sql, &here);
        assert_error(&error, ErrorKind::Refused, &["CREATE TEMPORARY TABLE", "strategy = \"clone\""]);
        Ok(())
    }

    #[only(mysql)]
    async fn f8_a_write_in_a_read_only_transaction_is_named_with_its_place(t: Test) -> Result<()> {
        let sandbox = notes(&t).await.sandbox().await?;
        let transaction = sandbox.transaction().read_only().await?;
        let here = line_below();
        let error = transaction.execute(add(&t, "a"), ()).await.expect_err("it is read-only");
        assert_error(&error, ErrorKind::ReadOnly, &["insert into", &here, "not sent"]);
        Ok(())
    }

    #[only(sqlite)]
    async fn f7_what_ended_the_sandbox_is_named_with_its_place(t: Test) -> Result<()> {
        let sandbox = notes(&t).await.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let here = line_below();
        sandbox.execute(t.sql("insert or rollback into {notes} (body) values ('a')"), ()).await.expect_err("it is there");
        let later = sandbox.execute(add(&t, "b"), ()).await.expect_err("the transaction is gone");
        assert_error(&later, ErrorKind::SandboxBroken, &["insert or rollback", &here, "UNIQUE"]);
        Ok(())
    }

    /// In a sandbox, a savepoint outside of a transaction is treated as it is outside of a sandbox.
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f7_a_savepoint_outside_of_a_transaction_is_refused_as_the_server_would(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for database in [database.clone(), database.sandbox().await?] {
            let through = database.execute("savepoint mine", ()).await;
            assert_eq!(kind(&through), Some(ErrorKind::Refused), "{through:?}");
            let connection = database.connection();
            let on_one = connection.execute("savepoint mine", ()).await;
            if t.backend().is_postgres() {
                assert_eq!(on_one.expect_err("there is no transaction").sqlstate(), Some("25P01"));
            } else {
                on_one?;
            }
            drop(connection);
            database.execute(add(&t, "after"), ()).await?;
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn l7_the_error_of_a_handle_that_outlives_its_sandbox_says_how_that_ended(t: Test) -> Result<()> {
        // Its end waits this long for a guard.
        let parent = notes_with(&t, config(&t).lease_timeout(Duration::from_millis(200))).await;
        let sandbox = parent.sandbox().await?;
        let (clone, sql) = (sandbox.clone(), list(&t));
        sandbox.execute(add(&t, "a"), ()).await?;
        let (connection, transaction) = (sandbox.connection(), sandbox.transaction().await?);
        soon("its end", sandbox.disconnect()).await?;
        let errors = [
            clone.execute(add(&t, "b"), ()).await.err(),
            clone.transaction().await.err(),
            clone.connection().fetch_value::<String>(sql, ()).await.err(),
            clone.iterate(list(&t), ()).try_next().await.err(),
            connection.execute(add(&t, "b"), ()).await.err(),
            transaction.execute(add(&t, "b"), ()).await.err(),
            transaction.commit().await.err(),
        ];
        for (number, error) in errors.iter().enumerate() {
            let error = error.as_ref().unwrap_or_else(|| panic!("{number} is no error"));
            assert_error(error, ErrorKind::NotConnected, &["the sandbox has ended", "rolled back", "sandbox()"]);
        }
        // The same for a sandbox whose last handle was dropped.
        let sandbox = parent.sandbox().await?;
        let transaction = sandbox.transaction().await?;
        drop(sandbox);
        let error = soon("the guard", transaction.execute(add(&t, "b"), ())).await.expect_err("its sandbox is gone");
        assert_error(&error, ErrorKind::NotConnected, &["the sandbox has ended", "dropped"]);
        Ok(())
    }

    async fn l7_the_error_of_a_sandbox_says_that_its_parent_was_disconnected(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let sandbox = parent.sandbox().await?;
        parent.disconnect().await?;
        let error = soon("the sandbox", sandbox.execute(add(&t, "a"), ())).await.expect_err("it is not connected");
        assert_error(&error, ErrorKind::NotConnected, &["on which this sandbox was opened was disconnected", "keep it connected"]);
        Ok(())
    }
}
