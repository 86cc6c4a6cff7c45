//! The driver's own connection, lent to a closure.

use std::error::Error as _;

use ebbtide::{AssertSqlSafe, Database, ErrorKind};
use sqlx::Connection as _;

use super::bridge::{COUNT, Raw, insert, with_notes};
use crate::support::{cases, with_db};

cases! {
    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    #[sqlx]
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

    /// The library does not know what happens on a lent connection, and its cached statements are for the table before
    /// the change.
    #[only(postgres, sqlite)]
    #[sqlx]
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
}
