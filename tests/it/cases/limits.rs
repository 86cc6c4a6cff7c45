//! The limits of a sandbox, which docs/TESTING.md lists with the messages that a user sees.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, IsolationLevel, Result, params};
use sqlx::postgres::PgListener;

use crate::support::{Test, cases};

const GUIDE: &str = include_str!("../../../docs/TESTING.md");

/// Checks that the message stands in the guide, apart from the names of this test.
#[track_caller]
fn quoted(error: &Error, names: &[(&str, &str)]) {
    let mut message = error.message().to_owned();
    for (name, shown) in names {
        message = message.replace(name, shown);
    }
    // The guide leaves out which statement was refused or ended the sandbox, and whose it was.
    for (mark, left) in [("; it was not sent: `", "; it was not sent"), (", at `", "")] {
        if let Some((before, asked)) = message.split_once(mark) {
            assert!(asked.contains("tests/it/cases/limits.rs"), "no place: {message}");
            message = format!("{before}{left}");
        }
    }
    assert!(GUIDE.contains(&message), "the guide does not quote: {message}");
}

async fn refused(database: &Database, sql: &str) -> Error {
    let sql = AssertSqlSafe(sql.to_owned());
    database.execute(sql, ()).await.expect_err("a sandbox cannot do that")
}

/// Returns a database with a table that is really committed.
async fn shared(t: &Test, config: Config) -> Database {
    let database = Database::connect(config).await.expect("the database");
    let create = t.sql("create table {notes} (id {id}, body {key} unique, place {int})");
    database.execute(create, ()).await.expect("the table");
    database
}

async fn plain(t: &Test) -> Database {
    shared(t, Config::from_url(t.url()).expect("the URL")).await
}

/// Returns the first note of a new sandbox, with its key.
async fn first_key(t: &Test, database: &Database) -> Result<i64> {
    let sandbox = database.sandbox().await?;
    sandbox
        .execute(t.sql("insert into {notes} (place) values (1)"), ())
        .await?;
    let key = sandbox.fetch_value(t.sql("select max(id) from {notes}"), ()).await?;
    sandbox.disconnect().await?;
    Ok(key)
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn sequences_are_undone_on_sqlite_only(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let keys = (first_key(&t, &database).await?, first_key(&t, &database).await?);
        let second = if t.backend().is_sqlite() { 1 } else { 2 };
        assert_eq!(keys, (1, second));
        Ok(())
    }

    async fn a_runtime_without_a_clock_cannot_wait(t: Test) -> Result<()> {
        let url = t.url();
        let panicked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(Database::connect(url)).map(drop)
        })
        .join()
        .expect_err("tokio wants a clock");
        let said = panicked.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panicked.downcast_ref::<&str>().copied()).expect("a message");
        assert!(GUIDE.contains(said), "the guide does not quote: {said}");
        // Others are unaffected.
        Database::connect(t.url()).await?.execute("SELECT 1", ()).await?;
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn end_of_the_outer_transaction_is_refused(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let sandbox = database.sandbox().await?;
        for sql in ["COMMIT", "ROLLBACK", "BEGIN"] {
            quoted(&refused(&sandbox, sql).await, &[]);
        }
        sandbox.execute("SELECT 1", ()).await?;
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn same_unique_key_waits_for_the_other_sandbox(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let (one, two) = (database.sandbox().await?, database.sandbox().await?);
        let insert = || t.sql("insert into {notes} (body) values ('same')");
        one.execute(insert(), ()).await?;
        let waiting = two.execute(insert(), ()).into_future();
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
        assert!(early.is_err(), "{early:?}");
        one.disconnect().await?;
        waiting.await?;
        Ok(())
    }

    #[only(postgres)]
    async fn now_stands_still(t: Test) -> Result<()> {
        let sandbox = plain(&t).await.sandbox().await?;
        for (clock, moves) in [("now()", false), ("clock_timestamp()", true)] {
            let sql = format!("select {clock}::text from pg_sleep(0.002)");
            let first: String = sandbox.fetch_value(AssertSqlSafe(sql.clone()), ()).await?;
            let second: String = sandbox.fetch_value(AssertSqlSafe(sql), ()).await?;
            assert_eq!(first != second, moves, "{clock}");
        }
        Ok(())
    }

    #[only(postgres)]
    async fn what_refuses_transactions_fails_alone(t: Test) -> Result<()> {
        let sandbox = plain(&t).await.sandbox().await?;
        let index = t.words("CREATE INDEX CONCURRENTLY ON {notes} (place)");
        for sql in [index.as_str(), "VACUUM", "CREATE DATABASE ebbtide_never_made"] {
            let error = refused(&sandbox, sql).await;
            assert_eq!(error.sqlstate(), Some("25001"), "{error}");
            quoted(&error, &[]);
        }
        let error = refused(&sandbox, "DO $$ BEGIN COMMIT; END $$").await;
        assert_eq!(error.sqlstate(), Some("2D000"), "{error}");
        quoted(&error, &[]);
        sandbox.execute("SELECT 1", ()).await?;
        Ok(())
    }

    #[only(postgres)]
    async fn new_enum_value_cannot_be_used(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let mood = format!("mood_{}", t.id());
        database.execute(AssertSqlSafe(format!("CREATE TYPE {mood} AS ENUM ('good')")), ()).await?;
        let sandbox = database.sandbox().await?;
        sandbox.execute(AssertSqlSafe(format!("ALTER TYPE {mood} ADD VALUE 'bad'")), ()).await?;
        let error = refused(&sandbox, &format!("SELECT 'bad'::{mood}")).await;
        sandbox.disconnect().await?;
        database.execute(AssertSqlSafe(format!("DROP TYPE {mood}")), ()).await?;
        assert_eq!(error.sqlstate(), Some("55P04"), "{error}");
        quoted(&error, &[(&mood, "mood")]);
        Ok(())
    }

    #[only(postgres)]
    async fn notification_is_never_delivered(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let channel = format!("news_{}", t.id());
        let mut listener = PgListener::connect(&t.url()).await.expect("a listener");
        listener.listen(&channel).await.expect("listening");
        let sandbox = database.sandbox().await?;
        let tell = |what| AssertSqlSafe(format!("NOTIFY {channel}, '{what}'"));
        sandbox.execute(tell("from the sandbox"), ()).await?;
        sandbox.disconnect().await?;
        database.execute(tell("committed"), ()).await?;
        let received = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await;
        assert_eq!(received.expect("in time").expect("a notification").payload(), "committed");
        Ok(())
    }

    #[only(postgres)]
    async fn advisory_lock_is_released_at_the_end(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let (one, two) = (database.sandbox().await?, database.sandbox().await?);
        let key = i64::from_str_radix(t.id(), 16).expect("digits");
        let sql = "SELECT pg_try_advisory_lock(:key)";
        assert!(one.fetch_value::<bool>(sql, params! { key }).await?);
        assert!(!two.fetch_value::<bool>(sql, params! { key }).await?);
        one.disconnect().await?;
        // The server releases it when it notices that the connection is closed.
        two.execute("SET LOCAL lock_timeout = '10s'", ()).await?;
        two.execute("SELECT pg_advisory_lock(:key)", params! { key }).await?;
        Ok(())
    }

    #[only(mysql)]
    async fn implicit_commits_are_not_sent(t: Test) -> Result<()> {
        let sandbox = plain(&t).await.sandbox().await?;
        sandbox.execute(t.sql("insert into {notes} (body) values ('kept')"), ()).await?;
        for sql in [
            "CREATE TABLE {notes}_2 (id INT)", "ALTER TABLE {notes} ADD COLUMN more INT", "DROP TABLE {notes}",
            "TRUNCATE {notes}", "LOCK TABLES {notes} WRITE", "GRANT SELECT ON *.* TO nobody", "SET autocommit = 1",
        ] {
            quoted(&refused(&sandbox, &t.words(sql)).await, &[]);
        }
        let temporary = format!("CREATE TEMPORARY TABLE temporary_{} (id INT)", t.id());
        sandbox.execute(AssertSqlSafe(temporary), ()).await?;
        let left: i64 = sandbox.fetch_value(t.sql("select count(*) from {notes}"), ()).await?;
        assert_eq!(left, 1);
        Ok(())
    }

    #[only(mysql)]
    async fn gaps_are_locked_but_not_at_read_committed(t: Test) -> Result<()> {
        let config = Config::from_url(t.url())?.server_setting("innodb_lock_wait_timeout", "1");
        let database = shared(&t, config.clone()).await;
        database.execute(t.sql("create index {notes}_place on {notes} (place)"), ()).await?;
        for (level, free) in [(IsolationLevel::RepeatableRead, false), (IsolationLevel::ReadCommitted, true)] {
            let database = Database::connect(config.clone().isolation_level(level)).await?;
            let (one, two) = (database.sandbox().await?, database.sandbox().await?);
            one.execute(t.sql("delete from {notes} where place = 99"), ()).await?;
            let inserted = two.execute(t.sql("insert into {notes} (place) values (50)"), ()).await;
            assert_eq!(inserted.is_ok(), free, "{inserted:?}");
            if let Err(error) = inserted {
                assert_eq!(error.kind(), ErrorKind::LockTimeout);
                assert!(error.message().contains("Lock wait timeout exceeded"), "{error}");
            }
        }
        assert!(GUIDE.contains("Lock wait timeout exceeded; try restarting transaction"));
        Ok(())
    }

    #[only(sqlite_file)]
    async fn private_copy_is_of_its_beginning(t: Test) -> Result<()> {
        let database = plain(&t).await;
        let sandbox = database.sandbox().await?;
        let count = || t.sql("select count(*) from {notes}");
        assert_eq!(sandbox.fetch_value::<i64>(count(), ()).await?, 0);
        database.execute(t.sql("insert into {notes} (body) values ('later')"), ()).await?;
        assert_eq!(sandbox.fetch_value::<i64>(count(), ()).await?, 0);
        assert_eq!(database.sandbox().await?.fetch_value::<i64>(count(), ()).await?, 1);
        assert_eq!(sandbox.fetch_value::<String>("PRAGMA journal_mode", ()).await?, "memory");
        quoted(&refused(&sandbox, "VACUUM").await, &[]);
        Ok(())
    }

    #[only(sqlite_file)]
    async fn or_rollback_breaks_the_sandbox(t: Test) -> Result<()> {
        let sandbox = plain(&t).await.sandbox().await?;
        sandbox.execute(t.sql("insert into {notes} (body) values ('same')"), ()).await?;
        let names: &[(&str, &str)] = &[(&t.table("notes"), "note"), ("body", "text")];
        quoted(&refused(&sandbox, &t.words("INSERT OR ROLLBACK INTO {notes} (body) VALUES ('same')")).await, names);
        let later = refused(&sandbox, "SELECT 1").await;
        assert_eq!(later.kind(), ErrorKind::SandboxBroken);
        quoted(&later, names);
        Ok(())
    }
}
