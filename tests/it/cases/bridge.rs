//! Code written for sqlx, on the connections of this library.

use std::error::Error as _;

use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, SqlSafeStr, Transaction};
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::error::DatabaseError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection as _, Executor, QueryBuilder, Row};

use crate::support::{Test, cases, with_db};

/// The driver's connection.
type Raw<DB> = <DB as sqlx::Database>::Connection;

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Note {
    id: i64,
    body: String,
}

const CREATE: &str = "create table {notes} (id bigint primary key, body {text} not null)";
const COUNT: &str = "select count(*) from {notes}";

/// Returns an INSERT with a number in it, in which the first parameter is written as the backend expects.
fn insert(t: &Test) -> AssertSqlSafe<String> {
    let mark = if t.backend().is_mysql() { "?" } else { "$1" };
    t.sql(&format!("insert into {{notes}} (id, body) values ({mark}, 'note')"))
}

async fn sandboxed(t: &Test, isolated: bool) -> Database {
    let config = Config::from_url(t.url().as_str()).unwrap();
    let config = config.force_rollback(true).full_isolation(isolated);
    Database::connect(config).await.unwrap()
}

async fn with_notes(t: &Test) -> Database {
    let database = t.database().await;
    database.execute(t.sql(CREATE), ()).await.unwrap();
    database
}

async fn fill(database: &Database, t: &Test, rows: i64) {
    let notes = (1..=rows).map(|id| ebbtide::params! { id });
    let sql = t.sql("insert into {notes} (id, body) values (:id, 'note')");
    database.execute_many(sql, notes).await.unwrap();
}

fn migrator(t: &Test) -> Migrator {
    let step = |version, sql: &str| {
        let sql = t.sql(sql).into_sql_str();
        Migration::new(version, "step".into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(vec![
        step(1, CREATE),
        step(2, "insert into {notes} (id, body) values (1, 'first')"),
    ]);
    migrator.dangerous_set_table_name(t.table("migrations"));
    // The lock covers the whole database, which other tests use as well.
    migrator.set_locking(false);
    migrator
}

cases! {
    async fn q9_a_statement_of_sqlx_runs_in_the_transaction_of_its_task(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            let transaction = database.transaction().await.unwrap();
            sqlx::query(insert(&t)).bind(1_i64).execute(&sqlx).await.unwrap();
            assert_eq!(database.fetch_value::<i64>(t.sql(COUNT), ()).await.unwrap(), 1);
            if t.can_observe() {
                assert_eq!(t.observe(COUNT).await, 0);
            }
            transaction.rollback().await.unwrap();
            assert_eq!(t.committed(&database, COUNT).await, 0);

            let done = sqlx::query(insert(&t)).bind(2_i64).execute(&sqlx).await.unwrap();
            assert_eq!(done.rows_affected(), 1);
            assert_eq!(t.committed(&database, COUNT).await, 1);

            // A view of the transaction itself, in a task that has none.
            let transaction = database.transaction().await.unwrap();
            let inside = transaction.sqlx::<DB>().unwrap();
            let sql = insert(&t);
            tokio::spawn(async move { sqlx::query(sql).bind(3_i64).execute(inside).await.unwrap(); }).await.unwrap();
            transaction.rollback().await.unwrap();
            assert_eq!(t.committed(&database, COUNT).await, 1);
        });
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    async fn q9_every_way_of_sqlx_to_ask_is_answered(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            let mut builder = QueryBuilder::<DB>::new(t.words("insert into {notes} (id, body) "));
            builder.push_values(1..=3_i64, |mut row, id| { row.push_bind(id).push_bind(format!("note {id}")); });
            assert_eq!(builder.build().execute(&sqlx).await.unwrap().rows_affected(), 3);

            let select = || t.sql("select id, body from {notes} order by id");
            let notes: Vec<Note> = sqlx::query_as(select()).fetch_all(&sqlx).await.unwrap();
            assert_eq!(notes[2], Note { id: 3, body: "note 3".to_owned() });
            let ids: Vec<i64> = sqlx::query(select()).fetch(&sqlx).map_ok(|row| row.get::<i64, _>(0)).try_collect().await.unwrap();
            assert_eq!(ids, [1, 2, 3]);
            let none = sqlx::query(t.sql("select id from {notes} where id = 9")).fetch_optional(&sqlx).await.unwrap();
            assert!(none.is_none());
            let error = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes} where id = 9")).fetch_one(&sqlx).await;
            assert!(matches!(error, Err(sqlx::Error::RowNotFound)), "{error:?}");

            let script = "delete from {notes} where id = 1; delete from {notes} where id in (2, 3)";
            let results: Vec<_> = sqlx::raw_sql(t.sql(script)).execute_many(&sqlx).try_collect().await.unwrap();
            assert_eq!((results[0].rows_affected(), results[1].rows_affected(), results.len()), (1, 2, 2));
            let statement = (&sqlx).prepare(select().into_sql_str()).await.unwrap();
            assert_eq!(sqlx::Statement::columns(&statement).len(), 2);
            // The call that the macros make at compile time.
            assert_eq!((&sqlx).describe(select().into_sql_str()).await.unwrap().columns.len(), 2);
        });
    }

    async fn q9_in_a_sandbox_nothing_stays_and_a_failure_undoes_itself_alone(t: Test) {
        with_notes(&t).await.disconnect().await.unwrap();
        for isolated in [false, true] {
            if t.backend().is_sqlite() && !t.can_observe() {
                // A database in memory ends with its last connection.
                return;
            }
            let database = sandboxed(&t, isolated).await;
            with_db!(t.backend(), {
                let sqlx = database.sqlx::<DB>().unwrap();
                sqlx::query(insert(&t)).bind(1_i64).execute(&sqlx).await.unwrap();
                let twice = sqlx::query(insert(&t)).bind(1_i64).execute(&sqlx).await.unwrap_err();
                assert!(twice.as_database_error().is_some_and(DatabaseError::is_unique_violation), "{twice:?}");
                sqlx::query(t.sql("select * from missing")).fetch(&sqlx).next().await.unwrap().unwrap_err();
                let ids: Vec<i64> = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes}")).fetch(&sqlx).try_collect().await.unwrap();
                assert_eq!(ids, [1], "isolated: {isolated}");
                let transaction = sqlx.begin().await.unwrap();
                sqlx::query(insert(&t)).bind(2_i64).execute(&transaction).await.unwrap();
                transaction.rollback().await.unwrap();
                assert_eq!(sqlx::query_scalar::<_, i64>(t.sql(COUNT)).fetch_one(&sqlx).await.unwrap(), 1);
            });
            assert_eq!(t.observe(COUNT).await, 0, "isolated: {isolated}");
            database.disconnect().await.unwrap();
            assert_eq!(t.observe(COUNT).await, 0);
        }
    }

    async fn q9_sandboxes_beside_each_other_see_only_their_own(t: Test) {
        let database = with_notes(&t).await;
        let (one, two) = (database.sandbox().await.unwrap(), database.sandbox().await.unwrap());
        with_db!(t.backend(), {
            for (sandbox, id) in [(&one, 1_i64), (&two, 2)] {
                sqlx::query(insert(&t)).bind(id).execute(&sandbox.sqlx::<DB>().unwrap()).await.unwrap();
                let ids: Vec<i64> = sqlx::query_scalar(t.sql("select id from {notes}"))
                    .fetch_all(&sandbox.sqlx::<DB>().unwrap()).await.unwrap();
                assert_eq!(ids, [id]);
            }
        });
        drop((one, two));
        assert_eq!(t.committed(&database, COUNT).await, 0);
    }

    async fn q9_joined_closures_are_transactions_of_their_own(t: Test) {
        if t.backend().is_sqlite() {
            // SQLite has one writer, so one closure would wait for the other.
            return;
        }
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            let meet = tokio::sync::Barrier::new(2);
            let (sqlx, t, kept, meet) = (&sqlx, &t, &database, &meet);
            let run = |id: i64, fail: bool| database.transaction().run(async move |_: Transaction| {
                sqlx::query(insert(t)).bind(id).execute(sqlx).await?;
                meet.wait().await;
                let seen: i64 = sqlx::query_scalar(t.sql(COUNT)).fetch_one(sqlx).await?;
                meet.wait().await;
                assert_eq!(seen, 1, "each sees its own");
                if fail { Err(sqlx::Error::RowNotFound) } else { Ok(()) }
            });
            let (first, second) = futures::join!(run(1, false), run(2, true));
            first.unwrap();
            second.unwrap_err();
            assert_eq!(t.committed(kept, COUNT).await, 1);
        });
    }

    async fn q9_a_stream_dropped_half_way_leaves_the_connection_usable_at_once(t: Test) {
        let database = with_notes(&t).await;
        fill(&database, &t, 3000).await;
        with_db!(t.backend(), {
            let transaction = database.transaction().await.unwrap();
            let sqlx = database.sqlx::<DB>().unwrap();
            for taken in [0, 1, 100] {
                let mut ids = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes} order by id")).fetch(&sqlx);
                for expected in 1..=taken {
                    assert_eq!(ids.next().await.unwrap().unwrap(), expected);
                }
                drop(ids);
                assert_eq!(sqlx::query_scalar::<_, i64>(t.sql(COUNT)).fetch_one(&sqlx).await.unwrap(), 3000);
            }
            sqlx::query(insert(&t)).bind(5000_i64).execute(&sqlx).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(t.committed(&database, COUNT).await, 3001);
        });
    }

    async fn q9_a_statement_inside_a_loop_over_a_stream_neither_hangs_nor_fails(t: Test) {
        let database = with_notes(&t).await;
        fill(&database, &t, 200).await;
        with_db!(t.backend(), {
            let transaction = database.transaction().await.unwrap();
            let sqlx = transaction.sqlx::<DB>().unwrap();
            let mut ids = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes} order by id")).fetch(&sqlx);
            let mut seen = 0;
            while let Some(id) = ids.next().await {
                seen += 1;
                assert_eq!(id.unwrap(), seen);
                sqlx::query(insert(&t)).bind(seen + 1000).execute(&sqlx).await.unwrap();
                assert!(database.fetch_value::<i64>(t.sql(COUNT), ()).await.unwrap() == seen + 200);
            }
            drop(ids);
            assert_eq!(seen, 200);
            transaction.rollback().await.unwrap();
        });
    }

    async fn q9_streams_of_an_isolated_connection_can_be_dropped(t: Test) {
        let database = with_notes(&t).await;
        fill(&database, &t, 3000).await;
        let sandbox = database.sandbox().await.unwrap();
        with_db!(t.backend(), {
            let sqlx = sandbox.sqlx::<DB>().unwrap();
            sqlx::query(insert(&t)).bind(4000_i64).execute(&sqlx).await.unwrap();
            for taken in [0, 1, 100, 1000] {
                let ids = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes} order by id")).fetch(&sqlx);
                assert_eq!(ids.take(taken).count().await, taken);
                assert_eq!(sqlx::query_scalar::<_, i64>(t.sql(COUNT)).fetch_one(&sqlx).await.unwrap(), 3001);
            }
            let ids = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes} order by id")).fetch(&sqlx);
            assert_eq!(ids.try_collect::<Vec<_>>().await.unwrap().len(), 3001);
        });
    }

    async fn q9_a_cancelled_statement_leaves_the_connection_clean_or_thrown_away(t: Test) {
        let database = with_notes(&t).await;
        fill(&database, &t, 1000).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            for _ in 0..5 {
                let transaction = database.transaction().await.unwrap();
                // It takes a while, so that no answer comes at the first poll.
                let slow = "select count(*) from {notes} a, {notes} b where a.id <= b.id";
                let waits = || sqlx::query(t.sql(slow)).fetch_all(&sqlx).now_or_never().is_none();
                // On a loaded machine the answer may still be there at once.
                assert!((0..50).any(|_| waits()), "it was cancelled while it waited");
                match sqlx::query_scalar::<_, i64>(t.sql(COUNT)).fetch_one(&sqlx).await {
                    Ok(count) => assert_eq!(count, 1000),
                    Err(error) => {
                        assert!(t.backend().is_mysql(), "{error}");
                        assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::TransactionEnded);
                    }
                }
                drop(transaction);
                assert_eq!(sqlx::query_scalar::<_, i64>(t.sql(COUNT)).fetch_one(&sqlx).await.unwrap(), 1000);
            }
        });
    }

    async fn q9_transactions_begin_as_those_of_sqlx(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            let mut transaction = sqlx.begin().await.unwrap();
            sqlx::query(insert(&t)).bind(1_i64).execute(&mut *transaction).await.unwrap();
            let mut inner = transaction.begin().await.unwrap();
            sqlx::query(insert(&t)).bind(2_i64).execute(&mut inner).await.unwrap();
            inner.rollback().await.unwrap();
            sqlx::query(insert(&t)).bind(3_i64).execute(&transaction).await.unwrap();
            transaction.commit().await.unwrap();
            let transaction = sqlx.begin().await.unwrap();
            sqlx::query(insert(&t)).bind(4_i64).execute(&sqlx).await.unwrap();
            drop(transaction);
            let ids: Vec<i64> = sqlx::query_scalar(t.sql("select id from {notes} order by id")).fetch_all(&sqlx).await.unwrap();
            assert_eq!(ids, [1, 3]);
        });
    }

    async fn q9_text_that_would_end_the_transaction_is_refused(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let transaction = database.transaction().await.unwrap();
            let sqlx = database.sqlx::<DB>().unwrap();
            let error = sqlx::raw_sql("commit").execute(&sqlx).await.unwrap_err();
            assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::Refused);
            sqlx::query(insert(&t)).bind(1_i64).execute(&sqlx).await.unwrap();
            transaction.commit().await.unwrap();
        });
        assert_eq!(t.committed(&database, COUNT).await, 1);
    }

    async fn q9_with_sqlx_lends_the_connection_of_the_transaction(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let transaction = database.transaction().await.unwrap();
            let (keep, lose, open) = (insert(&t), insert(&t), insert(&t));
            let number: i64 = database.with_sqlx(move |connection: &mut Raw<DB>| Box::pin(async move {
                let mut inner = connection.begin().await?;
                sqlx::query(keep).bind(1_i64).execute(&mut *inner).await?;
                inner.commit().await?;
                let mut inner = connection.begin().await?;
                sqlx::query(lose).bind(2_i64).execute(&mut *inner).await?;
                drop(inner);
                // A transaction that is left open is rolled back.
                let mut inner = connection.begin().await?;
                sqlx::query(open).bind(3_i64).execute(&mut *inner).await?;
                std::mem::forget(inner);
                Ok(7)
            })).await.unwrap();
            assert_eq!(number, 7);
            let ids: Vec<i64> = database.fetch_all(t.sql("select id from {notes}"), ()).value().await.unwrap();
            assert_eq!(ids, [1]);
            transaction.rollback().await.unwrap();
            assert_eq!(t.committed(&database, COUNT).await, 0);

            // Outside of a transaction it behaves as a connection of the pool, and is returned clean.
            let sql = insert(&t);
            database.with_sqlx(move |connection: &mut Raw<DB>| Box::pin(async move {
                sqlx::raw_sql("begin").execute(&mut *connection).await?;
                sqlx::query(sql).bind(4_i64).execute(connection).await.map(drop)
            })).await.unwrap();
            assert_eq!(t.committed(&database, COUNT).await, 0);

            let error = database.with_sqlx(|connection: &mut Raw<DB>| Box::pin(async move {
                sqlx::query("select * from missing").execute(connection).await
            })).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
            assert!(matches!(error.source().and_then(|source| source.downcast_ref()), Some(sqlx::Error::Database(_))));
        });
    }

    async fn q9_a_closure_that_ends_the_transaction_is_found_out(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            for sandboxed in [false, true] {
                let sandbox = database.sandbox().await.unwrap();
                let target = if sandboxed { sandbox.clone() } else { database.clone() };
                let transaction = if sandboxed { None } else { Some(target.transaction().await.unwrap()) };
                let error = target.with_sqlx(|connection: &mut Raw<DB>| Box::pin(async move {
                    sqlx::raw_sql("commit").execute(connection).await
                })).await.unwrap_err();
                let expected = if sandboxed { ErrorKind::SandboxBroken } else { ErrorKind::TransactionEnded };
                assert_eq!(error.kind(), expected, "{error}");
                assert_eq!(target.execute(t.sql("delete from {notes}"), ()).await.unwrap_err().kind(), expected);
                drop((transaction, sandbox));
            }
            assert_eq!(t.committed(&database, COUNT).await, 0);
        });
    }

    async fn q9_a_failure_inside_a_closure_leaves_the_sandbox_as_it_was(t: Test) {
        let database = with_notes(&t).await;
        let sandbox = database.sandbox().await.unwrap();
        with_db!(t.backend(), {
            let sql = [insert(&t), insert(&t)];
            let swallowed = sandbox.with_sqlx(move |connection: &mut Raw<DB>| Box::pin(async move {
                let [first, _] = sql;
                sqlx::query(first).bind(1_i64).execute(&mut *connection).await?;
                let failed = sqlx::query("select * from missing").execute(&mut *connection).await;
                assert!(failed.is_err());
                Ok(())
            })).await;
            swallowed.unwrap();
            sandbox.execute(t.sql("insert into {notes} (id, body) values (2, 'after')"), ()).await.unwrap();
            let last: i64 = sandbox.fetch_value(t.sql("select max(id) from {notes}"), ()).await.unwrap();
            assert_eq!(last, 2);
        });
        drop(sandbox);
        assert_eq!(t.committed(&database, COUNT).await, 0);
    }

    async fn q9_a_cancelled_closure_leaves_nothing_open(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            for _ in 0..3 {
                let sql = insert(&t);
                let cancelled = database.with_sqlx(move |connection: &mut Raw<DB>| Box::pin(async move {
                    let mut transaction = connection.begin().await?;
                    sqlx::query(sql).bind(1_i64).execute(&mut *transaction).await?;
                    std::future::pending::<()>().await;
                    transaction.commit().await
                }));
                // The connection may have to be opened first, so a single poll would cancel too early.
                let cancelled = tokio::time::timeout(std::time::Duration::from_millis(200), cancelled).await;
                assert!(cancelled.is_err());
                database.execute(t.sql("insert into {notes} (id, body) values (2, 'after')"), ()).await.unwrap();
                database.execute(t.sql("delete from {notes}"), ()).await.unwrap();
            }
            assert_eq!(t.committed(&database, COUNT).await, 0);
        });
    }

    async fn q9_migrations_run_for_good_outside_of_a_sandbox(t: Test) {
        let database = t.database().await;
        let migrator = migrator(&t);
        database.migrate(&migrator).await.unwrap();
        database.migrate(&migrator).await.unwrap();
        assert_eq!(t.committed(&database, COUNT).await, 1);
        // Nothing is left to do, so it may be requested in a sandbox and in a transaction of every backend.
        let sandbox = database.sandbox().await.unwrap();
        sandbox.migrate(&migrator).await.unwrap();
        drop(sandbox);
        let transaction = database.transaction().await.unwrap();
        transaction.migrate(&migrator).await.unwrap();
        transaction.commit().await.unwrap();

        let mut changed = Migrator::with_migrations(vec![Migration::new(1, "step".into(), MigrationType::Simple, "select 1".into_sql_str(), false)]);
        changed.dangerous_set_table_name(t.table("migrations"));
        changed.set_locking(false);
        changed.set_ignore_missing(true);
        let error = database.migrate(&changed).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.message().contains("migration 1 was changed"), "{error}");
    }

    async fn q9_migrations_in_a_sandbox_leave_nothing(t: Test) {
        let database = t.database().await;
        let sandbox = database.sandbox().await.unwrap();
        let migrated = sandbox.migrate(&migrator(&t)).await;
        if t.backend().is_mysql() {
            let error = migrated.unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("nothing was sent"), "{error}");
        } else {
            migrated.unwrap();
            assert_eq!(sandbox.fetch_value::<i64>(t.sql(COUNT), ()).await.unwrap(), 1);
        }
        assert_eq!(sandbox.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        drop(sandbox);
        for table in ["{notes}", "{migrations}"] {
            let error = database.fetch_all(t.sql(&format!("select * from {table}")), ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        }
    }

    async fn q9_a_migration_that_fails_is_named_and_undone(t: Test) {
        let database = t.database().await;
        let mut migrator = Migrator::with_migrations(vec![
            Migration::new(7, "bad".into(), MigrationType::Simple, "select * from missing".into_sql_str(), false),
        ]);
        migrator.dangerous_set_table_name(t.table("migrations"));
        let error = database.migrate(&migrator).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        assert!(error.message().starts_with("migration 7: "), "{error}");
        assert!(error.source().is_some_and(<dyn std::error::Error>::is::<sqlx::Error>));
        // The lock was released.
        let error = database.migrate(&migrator).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::UndefinedObject | ErrorKind::Config), "{error}");
    }

    async fn q9_a_view_of_another_kind_is_refused_by_both_names(t: Test) {
        let database = t.database().await;
        let names = if t.backend().is_mysql() { ["SQLite", "MySQL"] } else { ["MySQL", t.backend().family()] };
        let error = if t.backend().is_mysql() { database.sqlx::<sqlx::Sqlite>().err() } else { database.sqlx::<sqlx::MySql>().err() };
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string().to_lowercase();
        assert!(names.iter().all(|name| text.contains(&name.to_lowercase()[..5])), "{error}");
        let error = if t.backend().is_mysql() {
            database.with_sqlx(|_: &mut sqlx::SqliteConnection| Box::pin(async { Ok(()) })).await
        } else {
            database.with_sqlx(|_: &mut sqlx::MySqlConnection| Box::pin(async { Ok(()) })).await
        };
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
    }

    async fn q9_errors_of_both_are_found_in_each_other(t: Test) {
        let database = with_notes(&t).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            sqlx::query(insert(&t)).bind(1_i64).execute(&sqlx).await.unwrap();
            let native = sqlx::query(insert(&t)).bind(1_i64).execute(&sqlx).await.unwrap_err();
            assert!(native.as_database_error().is_some_and(DatabaseError::is_unique_violation));
            let own = ebbtide::Error::from(native);
            assert_eq!(own.kind(), ErrorKind::Constraint);
            assert!(matches!(own.source().and_then(|source| source.downcast_ref()), Some(sqlx::Error::Database(_))));

            let transaction = database.transaction().await.unwrap();
            let view = transaction.sqlx::<DB>().unwrap();
            transaction.rollback().await.unwrap();
            let error = sqlx::query("select 1").execute(&view).await.unwrap_err();
            let own = error.source().and_then(|source| source.downcast_ref::<ebbtide::Error>());
            assert_eq!(own.map(ebbtide::Error::kind), Some(ErrorKind::TransactionEnded), "{error}");
            drop((transaction, view));

            database.disconnect().await.unwrap();
            let error = sqlx::query("select 1").fetch(&sqlx).next().await.unwrap().unwrap_err();
            assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::NotConnected);
        });
    }

    /// The library does not know what happens on a lent connection, and its cached statements are for the table before
    /// the change.
    #[only(postgres, sqlite)]
    async fn q9_a_table_that_is_changed_on_the_drivers_connection_is_read_as_it_is(t: Test) {
        let database = with_notes(&t).await;
        let columns = async |database: &Database| {
            database.fetch_one(t.sql("select * from {notes}"), ()).await.unwrap().len()
        };
        database.execute(t.sql("insert into {notes} (id, body) values (1, 'one')"), ()).await.unwrap();
        with_db!(t.backend(), {
            let alter = |column: &str| t.words(&format!("alter table {{notes}} add column {column} integer"));
            let before = columns(&database).await;
            for (number, of) in [database.clone(), database.sandbox().await.unwrap()].into_iter().enumerate() {
                assert_eq!(columns(&of).await, before + number);
                let sql = alter(&format!("more_{number}"));
                of.with_sqlx(move |connection: &mut Raw<DB>| Box::pin(async move {
                    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await
                })).await.unwrap();
                assert_eq!(columns(&of).await, before + number + 1);
            }
            assert_eq!(columns(&database).await, before + 1, "the sandbox is undone");
        });
    }

    #[only(sqlite)]
    async fn q9_a_name_as_placeholder_of_sqlx_is_a_mistake_and_costs_no_transaction(t: Test) {
        let database = with_notes(&t).await;
        let transaction = database.transaction().await.unwrap();
        let sqlx = database.sqlx::<sqlx::Sqlite>().unwrap();
        let error = sqlx::query(t.sql("insert into {notes} (id) values (:id)")).bind(1_i64).execute(&sqlx).await;
        let error = ebbtide::Error::from(error.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Parameter, "{error}");
        assert!(error.to_string().contains("`?` or `$1`"), "{error}");
        sqlx::query(insert(&t)).bind(2_i64).execute(&sqlx).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(t.committed(&database, COUNT).await, 1);
    }
}
