//! Code written for sqlx, on the connections of this library.

use std::error::Error as _;

use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, SqlSafeStr, Transaction};
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::error::DatabaseError;
use sqlx::{Executor, QueryBuilder, Row};

use crate::support::{Test, cases, with_db};

/// The driver's connection.
pub(super) type Raw<DB> = <DB as sqlx::Database>::Connection;

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Note {
    id: i64,
    body: String,
}

pub(super) const CREATE: &str = "create table {notes} (id bigint primary key, body {text} not null)";
pub(super) const COUNT: &str = "select count(*) from {notes}";

/// Returns an INSERT with a number in it, in which the first parameter is written as the backend expects.
pub(super) fn insert(t: &Test) -> AssertSqlSafe<String> {
    let mark = if t.backend().is_mysql() { "?" } else { "$1" };
    t.sql(&format!("insert into {{notes}} (id, body) values ({mark}, 'note')"))
}

async fn sandboxed(t: &Test, isolated: bool) -> Database {
    let config = Config::from_url(t.url().as_str()).unwrap();
    let config = config.force_rollback(true).full_isolation(isolated);
    Database::connect(config).await.unwrap()
}

pub(super) async fn with_notes(t: &Test) -> Database {
    let database = t.database().await;
    database.execute(t.sql(CREATE), ()).await.unwrap();
    database
}

async fn fill(database: &Database, t: &Test, rows: i64) {
    let notes = (1..=rows).map(|id| ebbtide::params! { id });
    let sql = t.sql("insert into {notes} (id, body) values (:id, 'note')");
    database.execute_many(sql, notes).await.unwrap();
}

cases! {
    #[sqlx]
    async fn l7_calls_of_sqlx_made_before_connect_work_after_it(t: Test) {
        let database = Database::new(t.url()).unwrap();
        let connection = database.connection();
        let migrator = sqlx::migrate::Migrator::with_migrations(Vec::new());
        let migrations = [database.migrate(&migrator), connection.migrate(&migrator)];
        with_db!(t.backend(), {
            let view = connection.sqlx::<DB>().unwrap();
            let lent = [
                database.with_sqlx(|raw: &mut Raw<DB>| Box::pin(raw.execute("select 1"))),
                connection.with_sqlx(|raw: &mut Raw<DB>| Box::pin(raw.execute("select 1"))),
            ];
            let of_database = database.sqlx::<DB>().unwrap();
            let statements = [sqlx::raw_sql("select 1").execute(&of_database), sqlx::raw_sql("select 1").execute(&view)];
            let prepared = (&of_database).prepare(sqlx::AssertSqlSafe("select 1").into_sql_str());
            let rows = sqlx::raw_sql("select 1").fetch(&of_database);
            Database::connect(&database).await.unwrap();
            for statement in statements {
                statement.await.unwrap();
            }
            prepared.await.unwrap();
            assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 1);
            for work in lent {
                work.await.unwrap();
            }
            sqlx::raw_sql("select 1").execute(&view).await.unwrap();
        });
        for migration in migrations {
            migration.await.unwrap();
        }
    }

    #[sqlx]
    async fn l7_a_statement_of_sqlx_awaited_without_a_connection_says_so(t: Test) {
        let database = Database::new(t.url()).unwrap();
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            let error = sqlx::raw_sql("select 1").execute(&sqlx).await.unwrap_err();
            assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::NotConnected);
            let mut rows = sqlx::raw_sql("select 1").fetch(&sqlx);
            let error = rows.try_next().await.unwrap_err();
            assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::NotConnected);
            assert!(rows.try_next().await.unwrap().is_none());
        });
    }

    #[sqlx]
    async fn q9_a_statement_of_sqlx_can_name_its_own_place_found_f17(t: Test) {
        let database = sandboxed(&t, false).await;
        with_db!(t.backend(), {
            let sqlx = database.sqlx::<DB>().unwrap();
            let made = line!() - 1;
            let refused = sqlx::raw_sql("commit").execute(&sqlx).await.unwrap_err().to_string();
            assert!(refused.contains(&format!("bridge.rs:{made}:")), "{refused}");
            let sent = sqlx::raw_sql("commit").execute(sqlx.here());
            let own = line!() - 1;
            let refused = sent.await.unwrap_err().to_string();
            assert!(refused.contains(&format!("bridge.rs:{own}:")), "{refused}");
        });
    }

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[only(sqlite)]
    #[sqlx]
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
