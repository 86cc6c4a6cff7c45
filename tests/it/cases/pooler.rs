//! `PgBouncer` between the library and the server, in each of its modes. Its pool is smaller than that of the library, so
//! that transactions of one connection run in several sessions of the server.

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, params};
use futures::TryStreamExt as _;

use super::messages::assert_error;
use crate::support::{Pooler, Test, cases};

/// Statements with parameters from several tasks at once, each in its own transaction.
async fn crowd(database: &Database, t: &Test) {
    let tasks = (0..8_i64).map(|task| {
        let (database, insert) = (
            database.clone(),
            t.words("insert into {notes} (id, body) values (:id, :body)"),
        );
        let read = t.words("select body from {notes} where id = :id");
        tokio::spawn(async move {
            for round in 0..10_i64 {
                let id = task * 100 + round;
                let insert = AssertSqlSafe(insert.clone());
                database
                    .execute(insert, params! { id, body: format!("note {id}") })
                    .await?;
                let read = AssertSqlSafe(read.clone());
                let body: String = database.fetch_value(read, params! { id }).await?;
                assert_eq!(body, format!("note {id}"));
            }
            Ok::<(), Error>(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    let count: i64 = database
        .fetch_value(t.sql("select count(*) from {notes}"), ())
        .await
        .unwrap();
    assert_eq!(count, 80);
    database.execute(t.sql("delete from {notes}"), ()).await.unwrap();
}

const CREATE: &str = "create table {notes} (id bigint primary key, body text not null)";

/// Everything that has to work while several sessions of the server take turns.
async fn works(database: &Database, t: &Test) {
    database.execute(t.sql(CREATE), ()).await.unwrap();
    crowd(database, t).await;

    // Streams and batches.
    let many = (0..500_i64).map(|id| params! { id, body: id.to_string() });
    let insert = t.sql("insert into {notes} (id, body) values (:id, :body)");
    assert_eq!(database.execute_many(insert, many).await.unwrap().rows_affected, 500);
    let ids: Vec<i64> = database
        .iterate(
            t.sql("select id from {notes} where id >= :least order by id"),
            params! { least: 10 },
        )
        .value::<i64>()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(ids.len(), 490);
    // One that is dropped before its end leaves the connection usable.
    let mut rows = database.iterate(t.sql("select id from {notes} where id > :least"), params! { least: 1 });
    assert!(rows.try_next().await.unwrap().is_some());
    drop(rows);

    // Errors cost nothing but their statement.
    let twice = database
        .execute(
            t.sql("insert into {notes} (id, body) values (:id, 'b')"),
            params! { id: 1 },
        )
        .await;
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Constraint);
    let count: i64 = database
        .fetch_value(t.sql("select count(*) from {notes} where id = :id"), params! { id: 1 })
        .await
        .unwrap();
    assert_eq!(count, 1);

    // Types that the server decides.
    let mood = t.table("mood");
    let create = format!("create type {mood} as enum ('calm'); create table {{moods}} (v {mood}, n {{int}})");
    database.execute(t.sql(&create), ()).await.unwrap();
    for n in [Some(1_i64), None, Some(2)] {
        let insert = t.sql("insert into {moods} values (:v, :n)");
        database.execute(insert, params! { v: "calm", n }).await.unwrap();
        let found = t.sql("select n from {moods} where v = any(:v) and (:n is null or n = :n)");
        database.fetch_all(found, params! { v: vec!["calm"], n }).await.unwrap();
        let text: String = database
            .fetch_value("select jsonb_build_object('v', :v) ->> 'v'", params! { v: "x" })
            .await
            .unwrap();
        assert_eq!(text, "x");
    }
    database
        .execute(t.sql(&format!("drop table {{moods}}; drop type {mood}")), ())
        .await
        .unwrap();

    // Transactions, savepoints, sandboxes.
    let transaction = database.transaction().await.unwrap();
    transaction
        .execute(t.sql("delete from {notes} where id < :id"), params! { id: 100 })
        .await
        .unwrap();
    let savepoint = transaction.transaction().await.unwrap();
    savepoint
        .execute(t.sql("delete from {notes} where id > :id"), params! { id: 0 })
        .await
        .unwrap();
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let sandbox = database.sandbox().await.unwrap();
    sandbox
        .execute(t.sql("delete from {notes} where id > :id"), params! { id: 0 })
        .await
        .unwrap();
    sandbox
        .fetch_all("select :id / 0", params! { id: 1 })
        .await
        .unwrap_err();
    assert_eq!(
        sandbox
            .fetch_value::<i64>(t.sql("select count(*) from {notes}"), ())
            .await
            .unwrap(),
        0
    );
    drop(sandbox);
    assert_eq!(t.committed(database, "select count(*) from {notes}").await, 400);

    // What no transaction may contain.
    database.execute(t.sql("vacuum {notes}"), ()).await.unwrap();
    database
        .execute(t.sql("create index concurrently on {notes} (body)"), ())
        .await
        .unwrap();

    // A transaction as text is not committed by the statements in it.
    let connection = database.connection();
    connection.execute("begin", ()).await.unwrap();
    connection
        .execute(t.sql("delete from {notes} where id > :id"), params! { id: 0 })
        .await
        .unwrap();
    connection.execute("rollback", ()).await.unwrap();
    drop(connection);
    assert_eq!(t.committed(database, "select count(*) from {notes}").await, 400);
}

/// Counts what the driver has left prepared in the session at hand. This statement is prepared itself; what newer poolers
/// keep has names of their own.
const LEFT: &str = "select count(*) from pg_prepared_statements \
    where name like 'sqlx%' and statement not like '%pg_prepared_statements%'";

cases! {
    #[pgbouncer]
    #[only(postgres)]
    async fn q1_everything_works_behind_a_pooler_of_transactions_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "transaction", "").await;
        let database = Database::connect(pooler.url("pgbouncer=true&pool_size=10")).await.unwrap();
        works(&database, &t).await;
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_everything_works_behind_a_pooler_of_sessions_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "session", "").await;
        for options in ["pool_size=2", "pool_size=2&pgbouncer=true"] {
            let database = Database::connect(pooler.url(options)).await.unwrap();
            works(&database, &t).await;
            database.execute(t.sql("drop table {notes}"), ()).await.unwrap();
            database.disconnect().await.unwrap();
        }
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_a_pooler_of_statements_is_refused_at_connect_with_the_way_out_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "statement", "").await;
        let error = Database::connect(pooler.url("pgbouncer=true")).await.unwrap_err();
        assert_error(&error, ErrorKind::Unsupported, &["statement pooling", "pool_mode"]);
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_a_cancelled_statement_leaves_nothing_half_done_behind_a_pooler_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "transaction", "").await;
        let database = Database::connect(pooler.url("pgbouncer=true&pool_size=2")).await.unwrap();
        database.execute(t.sql(CREATE), ()).await.unwrap();
        for round in 0..20_u32 {
            let slow = database.execute(
                t.sql("insert into {notes} (id, body) select :id, 'late' from pg_sleep(0.02)"),
                params! { id: i64::from(round) },
            );
            let limit = std::time::Duration::from_micros(500 * u64::from(round));
            let _ = tokio::time::timeout(limit, slow).await;
            let one: i64 = database.fetch_value("select :one::int8", params! { one: 1 }).await.unwrap();
            assert_eq!(one, 1);
        }
        let open = "select count(*) from pg_stat_activity where state like 'idle in transaction%' and query like '%late%'";
        crate::support::until(async || t.observe(open).await == 0).await;
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_types_made_in_the_database_work_behind_a_pooler_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "transaction", "").await;
        let database = Database::connect(pooler.url("pgbouncer=true&pool_size=6")).await.unwrap();
        let make = "create type {mood} as enum ('glad', 'sad'); create table {notes} (id bigint primary key, mood {mood} not null)";
        database.execute(t.sql(make), ()).await.unwrap();
        let tasks = (0..6_i64).map(|task| {
            let database = database.clone();
            let insert = t.words("insert into {notes} (id, mood) values (:id, :mood::{mood})");
            let read = t.words("select id, mood from {notes} where mood = :mood::{mood} and id = :id");
            tokio::spawn(async move {
                for round in 0..10_i64 {
                    let (id, mood) = (task * 100 + round, ["glad", "sad"][usize::try_from(round % 2).unwrap()]);
                    let insert = AssertSqlSafe(insert.clone());
                    database.execute(insert, params! { id, mood }).await?;
                    let row = database.fetch_one(AssertSqlSafe(read.clone()), params! { id, mood }).await?;
                    assert_eq!(row.get::<String>("mood")?, mood);
                    // A reader that gives up leaves nothing behind for the next one in the session.
                    let mut rows = database.iterate(AssertSqlSafe(read.clone()), params! { id, mood });
                    assert!(rows.try_next().await?.is_some());
                }
                Ok::<(), Error>(())
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        database.disconnect().await.unwrap();
        let kept = Database::connect(pooler.url("pgbouncer=true&pool_size=1")).await.unwrap();
        for _ in 0..6 {
            let left: i64 = kept.fetch_value(LEFT, ()).await.unwrap();
            assert_eq!(left, 0);
        }
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_cancelled_statements_leave_nothing_prepared_behind_a_pooler_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "transaction", "default_pool_size = 1").await;
        let database = Database::connect(pooler.url("pgbouncer=true&pool_size=3")).await.unwrap();
        database.execute(t.sql("create type {mood} as enum ('glad', 'sad')"), ()).await.unwrap();
        let read = t.words("select :id::int8 as id, 'glad'::{mood} as mood");
        for round in 0..60_u32 {
            let slow = async {
                let transaction = database.transaction().await?;
                let limit = std::time::Duration::from_micros(100 * u64::from(round));
                let read = transaction.fetch_one(AssertSqlSafe(read.clone()), params! { id: 1 });
                let _ = tokio::time::timeout(limit, read).await;
                if round % 2 == 0 { transaction.commit().await } else { transaction.rollback().await }
            };
            slow.await.unwrap();
            let left: i64 = database.fetch_value(LEFT, ()).await.unwrap();
            assert_eq!(left, 0, "round {round}");
        }
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_settings_that_a_pooler_refuses_are_named_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "transaction", "").await;
        // The driver's own parameter is left out if it is refused.
        let database = Database::connect(pooler.url("pool_size=1")).await.unwrap();
        assert_eq!(database.fetch_value::<i64>("select 1::int8", ()).await.unwrap(), 1);
        let error = Database::connect(pooler.url("pgbouncer=true&work_mem=4MB")).await.unwrap_err();
        assert_error(&error, ErrorKind::Connect, &["startup parameter", "ALTER ROLE"]);
        // The library's own settings are left out with the option.
        let error = Database::connect(pooler.url("isolation_level=serializable")).await.unwrap_err();
        assert_error(&error, ErrorKind::Connect, &["startup parameter", "pgbouncer=true"]);
        Database::connect(pooler.url("pgbouncer=true&isolation_level=serializable")).await.unwrap();
    }

    #[pgbouncer]
    #[only(postgres)]
    async fn q1_a_type_that_is_new_or_made_again_works_behind_a_pooler_found_e2(t: Test) {
        let pooler = Pooler::start(&t.url(), "transaction", "").await;
        let database = Database::connect(pooler.url("pgbouncer=true&pool_size=1")).await.unwrap();
        let mut other = t.observer().await;
        let insert = || t.sql("insert into {notes} values (:id, 'glad') returning mood");
        let read = || t.sql("select mood from {notes} where id = :id");
        let id = || params! { id: 1 };
        // The first execution fails.
        database.fetch_value::<String>(insert(), id()).await.unwrap_err();
        database.fetch_value::<String>(read(), id()).await.unwrap_err();
        for round in 0..4 {
            // Another program makes them.
            for sql in [
                "drop table if exists {notes}",
                "drop type if exists {mood}",
                "create type {mood} as enum ('glad', 'sad')",
                "create table {notes} (id bigint, mood {mood})",
            ] {
                other.execute(&t.words(sql)).await.unwrap();
            }
            let connection = database.connection();
            if round == 3 {
                // Where nothing can be run again, the next transaction works.
                let transaction = database.transaction().await.unwrap();
                let _ = transaction.fetch_value::<String>(insert(), id()).await;
                transaction.rollback().await.unwrap();
                let transaction = database.transaction().await.unwrap();
                assert_eq!(transaction.fetch_value::<String>(insert(), id()).await.unwrap(), "glad");
                transaction.commit().await.unwrap();
            } else {
                assert_eq!(connection.fetch_value::<String>(insert(), id()).await.unwrap(), "glad");
            }
            let moods: Vec<String> = if round % 2 == 0 {
                connection.iterate(read(), id()).value::<String>().try_collect().await.unwrap()
            } else {
                vec![connection.fetch_value(read(), id()).await.unwrap()]
            };
            assert_eq!(moods, ["glad"], "{round}");
            let count = t.words("select count(*) from {notes}");
            assert_eq!(other.number(&count).await.unwrap(), 1);
        }
    }
}
