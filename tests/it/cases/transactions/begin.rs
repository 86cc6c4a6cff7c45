//! X1, X8: the beginning and the end of a transaction, and the one that never commits.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Error, ErrorKind, IsolationLevel, Result, Transaction};
use futures::FutureExt as _;

use super::{narrow, undo};
use crate::cases::tasks::{add, config, count, in_task, in_use, kept, kind, list, notes_with, until};
use crate::support::cases;

cases! {
    async fn x1_a_guard_commits_and_rolls_back_by_hand(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().await?;
        assert!(transaction.is_open());
        transaction.execute(add(&t, "a"), ()).await?;
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "", "nothing is there before the commit");
        }
        transaction.commit().await?;
        assert!(!transaction.is_open());
        assert_eq!(kept(&t, &database).await, "a");
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.rollback().await?;
        assert!(!transaction.is_open());
        assert_eq!((kept(&t, &database).await, in_use(&database)), ("a".to_owned(), 0));
        Ok(())
    }

    async fn x1_the_closure_commits_on_ok_and_returns_its_value(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let many = database
            .transaction()
            .run(async |transaction: Transaction| {
                transaction.execute(add(&t, "a"), ()).await?;
                database.execute(add(&t, "b"), ()).await?;
                transaction.fetch_value::<i64>(count(&t), ()).await
            })
            .await?;
        assert_eq!((many, kept(&t, &database).await, in_use(&database)), (2, "a,b".to_owned(), 0));
        Ok(())
    }

    async fn x1_the_closure_rolls_back_on_an_error_of_the_callers_own_type(t: Test) -> Result<()> {
        #[derive(Debug)]
        enum Mine {
            Own(&'static str),
            Database(ErrorKind),
        }
        impl From<Error> for Mine {
            fn from(error: Error) -> Self {
                Self::Database(error.kind())
            }
        }
        let database = narrow(&t).await;
        let own = database
            .transaction()
            .run(async |_| {
                database.execute(add(&t, "a"), ()).await?;
                Err::<(), _>(Mine::Own("changed my mind"))
            })
            .await;
        assert!(matches!(own, Err(Mine::Own("changed my mind"))), "{own:?}");
        let server = database
            .transaction()
            .run(async |_| {
                database.execute(add(&t, "b"), ()).await?;
                database.execute(add(&t, "b"), ()).await?;
                Ok::<_, Mine>(())
            })
            .await;
        assert!(matches!(server, Err(Mine::Database(ErrorKind::Constraint))), "{server:?}");
        assert_eq!((kept(&t, &database).await, in_use(&database)), (String::new(), 0));
        Ok(())
    }

    async fn x1_the_closure_rolls_back_on_a_panic(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        let task = tokio::spawn(async move {
            let work = async |transaction: Transaction| {
                transaction.execute(sql, ()).await?;
                let nothing: Option<()> = std::hint::black_box(None);
                nothing.expect("a panic as wanted");
                Ok::<_, Error>(())
            };
            other.transaction().run(work).await
        });
        assert!(task.await.expect_err("it panicked").is_panic());
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    // H2 has no read-only transactions.
    #[except(jdbc_h2)]
    async fn x1_a_read_only_transaction_refuses_writes_and_the_next_may_write(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        let transaction = database.transaction().read_only().await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a");
        let refused = transaction.execute(add(&t, "b"), ()).await;
        assert_eq!(kind(&refused), Some(ErrorKind::ReadOnly), "{refused:?}");
        transaction.rollback().await?;
        database.execute(add(&t, "c"), ()).await?;
        // Committed, dropped, or as a closure: the connection can write again afterwards.
        database.transaction().read_only().await?.commit().await?;
        database.execute(add(&t, "d"), ()).await?;
        drop(database.transaction().read_only().await?);
        database.execute(add(&t, "e"), ()).await?;
        let closure = database.transaction().read_only().run(async |_| database.execute(add(&t, "f"), ()).await);
        assert_eq!(kind(&closure.await), Some(ErrorKind::ReadOnly));
        database.transaction().run(async |_| database.execute(add(&t, "g"), ()).await).await?;
        assert_eq!(kept(&t, &database).await, "a,c,d,e,g");
        Ok(())
    }

    /// MySQL has no read-only savepoints.
    // They have no read-only savepoints.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x1_a_read_only_savepoint_ends_with_itself(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = outer.transaction().read_only().await;
        if t.backend().is_mysql() {
            assert_eq!(kind(&inner), Some(ErrorKind::Unsupported));
        } else {
            let inner = inner?;
            let refused = inner.execute(add(&t, "b"), ()).await;
            assert_eq!(kind(&refused), Some(ErrorKind::ReadOnly), "{refused:?}");
            inner.rollback().await?;
        }
        outer.execute(add(&t, "c"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,c");
        Ok(())
    }

    // H2 has no read-only transactions.
    #[except(jdbc_h2)]
    // DuckDB has one isolation level.
    #[except(dbapi2_duckdb)]
    async fn x1_deferrable_holds_on_postgresql(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let begin = || database.transaction().isolation(IsolationLevel::Serializable).read_only().deferrable();
        if t.backend().is_postgres() {
            let transaction = begin().await?;
            for (name, value) in
                [("transaction_deferrable", "on"), ("transaction_read_only", "on"), ("transaction_isolation", "serializable")]
            {
                let shown: String = transaction.fetch_value(AssertSqlSafe(format!("show {name}")), ()).await?;
                assert_eq!(shown, value, "{name}");
            }
            transaction.rollback().await?;
            let shown: String = database.fetch_value("show transaction_deferrable", ()).await?;
            assert_eq!(shown, "off");
        } else {
            begin().await?.rollback().await?;
            begin().run(async |_| Ok::<_, Error>(())).await?;
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        database.execute(add(&t, "a"), ()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x1_an_exclusive_transaction_is_sqlites(t: Test) -> Result<()> {
        let config = config(&t).pool_size(2_u32).busy_timeout(Duration::from_millis(20));
        let database = notes_with(&t, config).await;
        if !t.backend().is_sqlite() {
            assert_eq!(kind(&database.transaction().exclusive().await), Some(ErrorKind::Unsupported));
            database.execute(add(&t, "a"), ()).await?;
            assert_eq!(kept(&t, &database).await, "a");
            return Ok(());
        }
        // A transaction that has written nothing yet: does it hold the write lock?
        for (held, begin) in [(true, database.transaction().immediate()), (true, database.transaction().exclusive()), (false, database.transaction().deferred())] {
            let transaction = begin.await?;
            let (other, sql) = (database.clone(), add(&t, "beside"));
            let beside = in_task(async move { other.execute(sql, ()).await }).await;
            assert_eq!(kind(&beside), held.then_some(ErrorKind::LockTimeout), "{beside:?}");
            transaction.rollback().await?;
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }

    async fn x1_a_begin_that_fails_leaves_a_clean_connection(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for _ in 0..3 {
            let unsupported = if t.backend().is_sqlite() {
                database.transaction().isolation(IsolationLevel::ReadCommitted).await
            } else {
                database.transaction().exclusive().await
            };
            assert_eq!(kind(&unsupported), Some(ErrorKind::Unsupported));
            until("nothing is in use", || in_use(&database) == 0).await;
        }
        database.execute(add(&t, "a"), ()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x8_force_rollback_always_rolls_back(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().rollback_only().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a");
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "");
        let value = database
            .transaction()
            .rollback_only()
            .run(async |transaction: Transaction| {
                transaction.execute(add(&t, "b"), ()).await?;
                let nested = database.transaction().run(async |_| database.execute(add(&t, "c"), ()).await);
                nested.await?;
                transaction.fetch_value::<String>(list(&t), ()).await
            })
            .await?;
        assert_eq!((value, kept(&t, &database).await), ("b,c".to_owned(), String::new()));
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "d"), ()).await?;
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "d");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x8_a_savepoint_too_and_the_outer_is_kept(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = database.transaction().rollback_only().await?;
        inner.execute(add(&t, "b"), ()).await?;
        inner.commit().await?;
        let failed = AssertUnwindSafe(
            database.transaction().rollback_only().run(async |_| {
                database.execute(add(&t, "c"), ()).await?;
                Err::<(), _>(undo())
            }),
        );
        assert!(failed.catch_unwind().await.expect("no panic").is_err());
        assert_eq!(outer.fetch_value::<String>(list(&t), ()).await?, "a");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }
}
