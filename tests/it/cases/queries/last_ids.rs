//! Q1: the key of the last inserted row. No statement reports another statement's key.

use ebbtide::{AssertSqlSafe, Database, Result, params};
use futures::TryStreamExt as _;

use crate::cases::tasks::notes;
use crate::support::{Test, cases};

/// Returns the number of rows that a statement changed, and the key that it reported.
async fn executed(database: &Database, sql: AssertSqlSafe<String>) -> (u64, Option<i64>) {
    let done = database.execute(sql, ()).await.expect("the statement");
    (done.rows_affected, done.last_insert_id)
}

/// Returns a database on one connection, which has inserted a note of the key 41.
async fn after_41(t: &Test) -> Database {
    let database = notes(t).await;
    let inserted = executed(&database, t.sql("insert into {notes} (id, body) values (41, 'first')")).await;
    // MySQL reports only keys that it has generated.
    let shown = if t.backend().is_sqlite() { Some(41) } else { inserted.1 };
    assert_eq!(inserted, (1, shown));
    database
}

cases! {
    #[only(sqlite)]
    async fn q1_what_inserts_no_row_has_no_key_found_w7(t: Test) -> Result<()> {
        let database = after_41(&t).await;
        let connection = database.connection();
        connection.execute(t.sql("create table {other} (n integer primary key, k text unique, v text)"), ()).await?;
        connection.execute(t.sql("create table {log} (n integer primary key, what text)"), ()).await?;
        connection.execute(t.sql("create table {keyless} (k text primary key, v text) without rowid"), ()).await?;
        for (sql, expected) in [
            ("insert or ignore into {notes} (id, body) values (41, 'again')", (0, None)),
            ("insert into {notes} (id, body) values (41, 'again') on conflict do nothing", (0, None)),
            ("insert into {notes} (body) select body from {notes} where 1 = 0", (0, None)),
            ("update {notes} set body = 'changed' where id = 41", (1, None)),
            ("update {notes} set body = 'changed' where id = 0", (0, None)),
            ("delete from {notes} where id = 0", (0, None)),
            ("insert into {keyless} values ('a', 'b')", (1, None)),
            ("INSERT INTO \"{keyless}\" VALUES ('b', 'b')", (1, None)),
            ("replace into main.{keyless} values ('a', 'c')", (1, None)),
            ("with w (k) as (select 'c') insert into {keyless} select k, k from w", (1, None)),
            ("create table {more} (n int)", (0, None)),
            ("drop table {more}", (0, None)),
            ("insert into {other} (k) values ('a')", (1, Some(1))),
            ("insert into {other} (k) values ('a') on conflict (k) do update set v = 'x'", (1, None)),
            ("insert into {other} (k) values ('b') on conflict (k) do update set v = 'x'", (1, Some(2))),
            // The same key in another table, and once more in the same.
            ("insert into {log} (n) values (2)", (1, Some(2))),
            ("replace into {log} (n, what) values (2, 'again')", (1, Some(2))),
            ("insert into {log} (what) values ('a'), ('b'), ('c')", (3, Some(5))),
            ("insert into {log} (n) values (0) returning n", (1, Some(0))),
            ("insert into {other} (n) values (0)", (1, Some(0))),
            ("insert into {other} (n) values (-7)", (1, Some(-7))),
        ] {
            let done = connection.execute(AssertSqlSafe(t.words(sql)), ()).await?;
            assert_eq!((done.rows_affected, done.last_insert_id), expected, "{sql}");
        }
        Ok(())
    }

    #[only(sqlite)]
    async fn q1_rows_of_triggers_and_views_are_not_the_statements_own_found_w7(t: Test) -> Result<()> {
        let database = after_41(&t).await;
        let connection = database.connection();
        connection.execute(t.sql("create table {log} (n integer primary key, what text)"), ()).await?;
        connection.execute(t.sql("insert into {log} (n) values (900)"), ()).await?;
        connection.execute(t.sql("create trigger {logs} after insert on {notes} begin insert into {log} (what) values (new.body); end"), ()).await?;
        connection.execute(t.sql("create view {seen} as select * from {notes}"), ()).await?;
        connection.execute(t.sql("create trigger {through} instead of insert on {seen} begin insert into {notes} (body) values (new.body); end"), ()).await?;
        let inserted = connection.execute(t.sql("insert into {notes} (body) values ('second')"), ()).await?;
        assert_eq!((inserted.rows_affected, inserted.last_insert_id), (1, Some(42)));
        let through = connection.execute(t.sql("insert into {seen} (body) values ('third')"), ()).await?;
        assert_eq!(through.last_insert_id, None, "SQLite tells nothing of a view");
        assert_eq!(connection.fetch_value::<i64>(t.sql("select count(*) from {log}"), ()).await?, 3);
        Ok(())
    }

    #[only(sqlite)]
    async fn q1_a_script_counts_its_own_rows_and_tells_its_last_key_found_w7(t: Test) -> Result<()> {
        let database = after_41(&t).await;
        for (sql, expected) in [
            ("insert into {notes} (id, body) values (50, 'a'), (51, 'b'); create table {more} (n int); update {notes} set body = 'c' where id = 50", (3, Some(51))),
            ("create table {third} (n integer primary key); insert into {third} values (7)", (1, Some(7))),
            ("update {notes} set body = 'd' where id = 50; select 1; delete from {notes} where id = 51", (2, None)),
            ("select 1; select 2", (0, None)),
            ("insert into {notes} (id, body) values (60, 'e'); insert or ignore into {notes} (id, body) values (60, 'e')", (1, Some(60))),
        ] {
            assert_eq!(executed(&database, t.sql(sql)).await, expected, "{sql}");
        }
        Ok(())
    }

    /// Also after statements unknown to the library, and on a connection that has reported no key yet.
    #[only(sqlite)]
    async fn q1_the_first_key_of_a_connection_and_the_first_after_other_work_found_w7(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for expected in [1, 2] {
            let connection = database.connection();
            connection.fetch_all(t.sql("insert into {notes} (id, body) values (:id, :id) returning id"), params! { id: expected + 10 }).await?;
            let ignored = connection.execute(t.sql("insert or ignore into {notes} (id, body) values (:id, :id)"), params! { id: expected + 10 }).await?;
            assert_eq!(ignored.last_insert_id, None);
            let inserted = connection.execute(t.sql("insert into {notes} (id, body) values (:id, 'b' || :id)"), params! { id: expected }).await?;
            assert_eq!(inserted.last_insert_id, Some(expected));
        }
        Ok(())
    }

    /// After what tells no key: a stream, one row, work through the bridge.
    #[only(sqlite)]
    async fn q1_an_upsert_returns_its_key_whatever_was_done_before_found_a15(t: Test) -> Result<()> {
        let database = after_41(&t).await;
        let connection = database.connection();
        connection.execute(t.sql("create table {other} (n integer primary key, k text unique, v int)"), ()).await?;
        let upsert = || t.sql("insert into {other} (k, v) values (:k, 1) on conflict (k) do update set v = v + 1");
        let returning = || t.sql("insert into {notes} (body) values (:body) returning id");
        for (number, before) in (1..).zip(["a stream", "a stream that writes", "one row", "the bridge", "a script"]) {
            let body = params! { body: before };
            match before {
                "a stream" => drop(connection.iterate("select 1", ()).try_collect::<Vec<_>>().await?),
                "a stream that writes" => drop(connection.iterate(returning(), body).try_collect::<Vec<_>>().await?),
                "one row" => drop(connection.fetch_one(returning(), body).await?),
                #[cfg(feature = "sqlx-interop")]
                "the bridge" if t.driver().is_none() => {
                    let view = connection.sqlx::<sqlx::Sqlite>()?;
                    sqlx::query(t.sql("insert into {notes} (body) values ('bridged')")).execute(&view).await?;
                }
                _ => drop(connection.execute("select 1; select 2", ()).await?),
            }
            let inserted = connection.execute(upsert(), params! { k: before }).await?;
            assert_eq!((inserted.rows_affected, inserted.last_insert_id), (1, Some(number)), "after {before}");
            // An updated row has no key, even if the last key is unknown.
            connection.iterate("select 1", ()).try_collect::<Vec<_>>().await?;
            let updated = connection.execute(upsert(), params! { k: before }).await?;
            assert_eq!((updated.rows_affected, updated.last_insert_id), (1, None), "after {before}");
        }
        Ok(())
    }

    #[only(mysql)]
    async fn q1_what_inserts_no_row_has_no_key_on_mysql_found_w7(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        connection.execute(t.sql("create table {plain} (n int primary key)"), ()).await?;
        connection.execute(t.sql("create table {large} (n bigint unsigned auto_increment primary key, v int)"), ()).await?;
        for (sql, expected) in [
            ("insert into {notes} (body) values ('a')", Some(1)),
            ("insert ignore into {notes} (body) values ('a')", None),
            ("update {notes} set body = 'b' where id = 1", None),
            ("insert into {plain} values (7)", None),
            ("insert into {notes} (body) select body from {notes} where 1 = 0", None),
            ("update {notes} set body = 'c', id = last_insert_id(id + 5) where id = 1", Some(6)),
            ("delete from {notes} where id = 6", None),
            // A key above `i64::MAX` is not reported as another.
            ("insert into {large} (n) values (9223372036854775808)", None),
            ("insert into {large} (v) values (1)", None),
        ] {
            assert_eq!(connection.execute(AssertSqlSafe(t.words(sql)), ()).await?.last_insert_id, expected, "{sql}");
        }
        Ok(())
    }
}
