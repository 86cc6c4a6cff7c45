//! Transactions: how they begin, nest and end, and what becomes of those that are dropped.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, IsolationLevel, Result, Transaction};
use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::tasks::{
    add, config, count, in_task, in_use, kept, kept_in, kind, line_below, list, notes, notes_with, soon, until,
};
use crate::support::{Test, cases};

/// A database whose one connection everyone has to use, so that what is left on it shows.
async fn narrow(t: &Test) -> Database {
    notes_with(t, config(t).pool_size(1_u32)).await
}

fn undo() -> Error {
    ebbtide::Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

/// Whether what another connection commits after the first look is seen by a second look in the same transaction.
async fn sees_later_commits(t: &Test, transaction: &Transaction, body: &str) -> Result<bool> {
    let before: i64 = transaction.fetch_value(count(t), ()).await?;
    t.observe_exec(&format!("insert into {{notes}} (body) values ('{body}')"))
        .await;
    let after: i64 = transaction.fetch_value(count(t), ()).await?;
    assert!(after == before || after == before + 1);
    Ok(after > before)
}

/// Whether the connection obeys `PRAGMA query_only`; SQLite only.
async fn query_only(database: &Database) -> Result<bool> {
    Ok(database.fetch_value::<i64>("pragma query_only", ()).await? == 1)
}

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

    async fn x1_a_read_only_transaction_refuses_writes_and_the_next_may_write(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        let transaction = database.transaction().read_only().await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a");
        let refused = transaction.execute(add(&t, "b"), ()).await;
        assert_eq!(kind(&refused), Some(ErrorKind::ReadOnly), "{refused:?}");
        transaction.rollback().await?;
        database.execute(add(&t, "c"), ()).await?;
        // Committed, dropped, or as a closure: the connection can always write again.
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

    async fn x1_deferrable_is_postgresqls(t: Test) -> Result<()> {
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
            assert_eq!(kind(&begin().await), Some(ErrorKind::Unsupported));
            assert_eq!(kind(&begin().run(async |_| Ok(())).await), Some(ErrorKind::Unsupported));
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        database.execute(add(&t, "a"), ()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x1_immediate_and_exclusive_are_sqlites(t: Test) -> Result<()> {
        let config = config(&t).pool_size(2_u32).busy_timeout(Duration::from_millis(20));
        let database = notes_with(&t, config).await;
        if !t.backend().is_sqlite() {
            for begin in [database.transaction().immediate(), database.transaction().exclusive(), database.transaction().deferred()] {
                assert_eq!(kind(&begin.await), Some(ErrorKind::Unsupported));
            }
            database.execute(add(&t, "a"), ()).await?;
            assert_eq!(kept(&t, &database).await, "a");
            return Ok(());
        }
        // A transaction that has written nothing yet: does it hold the write lock?
        for (held, begin) in [(true, database.transaction().immediate()), (true, database.transaction().exclusive()), (false, database.transaction().deferred()), (false, database.transaction())] {
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
                database.transaction().immediate().await
            };
            assert_eq!(kind(&unsupported), Some(ErrorKind::Unsupported));
            until("nothing is in use", || in_use(&database) == 0).await;
        }
        database.execute(add(&t, "a"), ()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x2_four_levels_commit_together(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        let two = one.transaction().await?;
        two.execute(add(&t, "b"), ()).await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "c"), ()).await?;
        let four = three.transaction().await?;
        four.execute(add(&t, "d"), ()).await?;
        for level in [four, three, two] {
            level.commit().await?;
            if t.can_observe() {
                assert_eq!(kept(&t, &database).await, "", "a savepoint's commit is no commit");
            }
        }
        one.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    async fn x2_an_inner_rollback_keeps_the_outer(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        let two = database.transaction().await?;
        two.execute(add(&t, "b"), ()).await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "c"), ()).await?;
        three.rollback().await?;
        two.execute(add(&t, "d"), ()).await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "e"), ()).await?;
        three.commit().await?;
        two.commit().await?;
        let two = database.transaction().await?;
        two.execute(add(&t, "f"), ()).await?;
        drop(two);
        one.execute(add(&t, "g"), ()).await?;
        assert_eq!(one.fetch_value::<String>(list(&t), ()).await?, "a,b,d,e,g");
        one.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,d,e,g");
        Ok(())
    }

    async fn x2_a_middle_rollback_undoes_what_was_committed_in_it(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        let two = database.transaction().await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "b"), ()).await?;
        three.commit().await?;
        two.rollback().await?;
        one.commit().await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x2_an_outer_rollback_undoes_all(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        for body in ["b", "c"] {
            let two = database.transaction().await?;
            two.execute(add(&t, body), ()).await?;
            let three = database.transaction().await?;
            three.execute(add(&t, format!("{body}{body}")), ()).await?;
            three.commit().await?;
            two.commit().await?;
        }
        one.rollback().await?;
        database.execute(add(&t, "d"), ()).await?;
        assert_eq!(kept(&t, &database).await, "d");
        Ok(())
    }

    async fn x2_a_failed_statement_is_undone_with_its_savepoint(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        for _ in 0..2 {
            let inner = outer.transaction().await?;
            inner.execute(add(&t, "b"), ()).await?;
            let twice = inner.execute(add(&t, "a"), ()).await;
            assert_eq!(kind(&twice), Some(ErrorKind::Constraint));
            inner.rollback().await?;
        }
        outer.execute(add(&t, "c"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,c");
        Ok(())
    }

    /// PostgreSQL aborts a transaction in which a statement failed; the others undo the statement only.
    async fn x2_commit_after_a_failed_statement_says_what_happened(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let twice = transaction.execute(add(&t, "a"), ()).await;
        assert_eq!(kind(&twice), Some(ErrorKind::Constraint));
        let next = transaction.execute(add(&t, "b"), ()).await;
        let committed = transaction.commit().await;
        if t.backend().is_postgres() {
            assert_eq!(kind(&next), Some(ErrorKind::TransactionAborted), "{next:?}");
            assert_eq!(kind(&committed), Some(ErrorKind::TransactionAborted), "{committed:?}");
            assert_eq!(kept(&t, &database).await, "");
        } else {
            next?;
            committed?;
            assert_eq!(kept(&t, &database).await, "a,b");
        }
        assert_eq!(kind(&transaction.execute(add(&t, "c"), ()).await), Some(ErrorKind::TransactionEnded));
        assert_eq!(in_use(&database), 0);
        Ok(())
    }

    async fn x3_a_dropped_guard_rolls_back_before_the_next_user(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for round in 0..20 {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "dropped"), ()).await?;
            let savepoint = (round % 2 == 0).then(|| database.transaction());
            if let Some(savepoint) = savepoint {
                let savepoint = savepoint.await?;
                savepoint.execute(add(&t, "in a savepoint"), ()).await?;
                drop(savepoint);
            }
            drop(transaction);
            database.execute(add(&t, 10 + round), ()).await?;
            assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, round + 1);
        }
        let all: Vec<_> = (10..30).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, all.join(","));
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_in_the_wrong_order_both_are_rolled_back(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = database.transaction().await?;
        inner.execute(add(&t, "b"), ()).await?;
        drop(outer);
        let after = inner.execute(add(&t, "c"), ()).await;
        assert_eq!(kind(&after), Some(ErrorKind::TransactionEnded), "{after:?}");
        assert_eq!(kind(&inner.commit().await), Some(ErrorKind::TransactionEnded));
        drop(inner);
        soon("the next user", database.execute(add(&t, "d"), ()).into_future()).await?;
        assert_eq!(kept(&t, &database).await, "d");
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_with_a_statement_under_way(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let mut under_way = 0;
        for round in 0.. {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "a"), ()).await?;
            let mut statement = transaction.execute(add(&t, "b"), ()).into_future();
            // An answer can be there so soon that the first poll has it.
            let early = futures::poll!(&mut statement).is_ready();
            under_way += i32::from(!early);
            if !early && round % 2 == 0 {
                drop(transaction);
                // It was sent before the guard went, and ends either way.
                let _ = soon("the statement", statement).await;
            } else {
                drop(statement);
                drop(transaction);
            }
            soon("the next user", database.execute(add(&t, "next"), ())).await?;
            assert_eq!(kept(&t, &database).await, "next");
            database.execute(t.sql("delete from {notes}"), ()).await?;
            if under_way == 10 {
                break;
            }
            assert!(round < 5000, "no statement was ever under way");
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_with_a_stream_open(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for number in 10..40 {
            database.execute(add(&t, number), ()).await?;
        }
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let mut rows = transaction.iterate(t.sql("select body from {notes}"), ());
        assert!(futures::TryStreamExt::try_next(&mut rows).await?.is_some());
        drop(transaction);
        drop(rows);
        soon("the next user", database.execute(add(&t, "b"), ()).into_future()).await?;
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 31);
        assert!(!kept(&t, &database).await.contains('a'));
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_by_cancellation(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for closure in [true, false] {
            let (written, told) = oneshot::channel();
            let (other, sql) = (database.clone(), add(&t, "a"));
            let work = async move {
                let inside = async move |transaction: Transaction| {
                    transaction.execute(sql, ()).await?;
                    written.send(()).expect("the test waits");
                    std::future::pending::<Result<()>>().await
                };
                if closure { other.transaction().run(inside).await } else { inside(other.transaction().await?).await }
            };
            tokio::select! {
                _ = work => panic!("it never ends"),
                told = told => told.expect("it came so far"),
            }
            soon("the next user", database.execute(add(&t, if closure { "b" } else { "c" }), ()).into_future()).await?;
        }
        assert_eq!(kept(&t, &database).await, "b,c");
        Ok(())
    }

    async fn x3_dropped_in_spawn_blocking_and_off_the_runtime(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for (round, savepoint) in [false, true, false, true].into_iter().enumerate() {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "a"), ()).await?;
            let inner = if savepoint { Some(database.transaction().await?) } else { None };
            if round < 2 {
                tokio::task::spawn_blocking(move || drop((inner, transaction))).await.expect("no panic");
            } else {
                std::thread::spawn(move || drop((inner, transaction))).join().expect("no panic");
            }
            soon("the next user", database.execute(add(&t, format!("b{round}")), ()).into_future()).await?;
        }
        assert_eq!(kept(&t, &database).await, "b0,b1,b2,b3");
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_when_its_runtime_shuts_down(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for in_background in [true, false] {
            let (other, sql) = (database.clone(), add(&t, "a"));
            let begun = move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.expect("a runtime");
                let (inside, told) = oneshot::channel();
                let never = async move {
                    let transaction = other.transaction().await.expect("it begins");
                    transaction.execute(sql, ()).await.expect("it writes");
                    inside.send(()).expect("the test waits");
                    std::future::pending::<()>().await;
                    drop(transaction);
                };
                runtime.spawn(never);
                runtime.block_on(told).expect("it came so far");
                if in_background { runtime.shutdown_background() } else { drop(runtime) }
            };
            tokio::task::spawn_blocking(begun).await.expect("no panic");
            until("the connection is given up", || in_use(&database) == 0).await;
            // The same key: were the transaction still open on the server, this would wait for its end.
            soon("the next user", database.execute(add(&t, "a"), ()).into_future()).await?;
            assert_eq!(kept(&t, &database).await, "a");
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn x3_a_guard_that_outlives_its_runtime_can_be_dropped(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        let begun = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let transaction = other.transaction().await.expect("it begins");
                transaction.execute(sql, ()).await.expect("it writes");
                transaction
            })
        };
        let transaction = tokio::task::spawn_blocking(begun).await.expect("no panic");
        drop(transaction);
        until("the connection is given up", || in_use(&database) == 0).await;
        soon("the next user", database.execute(add(&t, "a"), ()).into_future()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x3_many_tasks_dropping_guards_never_disturb_each_other(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(3_u32)).await;
        let tasks = (0..12).map(|number| {
            let (other, dropped, kept) = (database.clone(), add(&t, format!("dropped{number}")), add(&t, 10 + number));
            tokio::spawn(async move {
                let transaction = other.transaction().await?;
                other.execute(dropped, ()).await?;
                drop(transaction);
                other.execute(kept, ()).await
            })
        });
        for task in futures::future::join_all(tasks).await {
            assert_eq!(task.expect("no panic")?.rows_affected, 1);
        }
        let all: Vec<_> = (10..22).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, all.join(","));
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x5_finishing_twice_is_an_error_that_names_the_first_place(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for first_commits in [true, false] {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, if first_commits { "a" } else { "b" }), ()).await?;
            let place = if first_commits {
                let place = line_below();
                transaction.commit().await?;
                place
            } else {
                let place = line_below();
                transaction.rollback().await?;
                place
            };
            for second in [transaction.commit().await, transaction.rollback().await] {
                let error = second.expect_err("it has ended");
                assert_eq!(error.kind(), ErrorKind::TransactionEnded);
                assert!(error.message().contains(&place), "{place} is named: {error}");
            }
            assert_eq!(kind(&transaction.execute(add(&t, "c"), ()).await), Some(ErrorKind::TransactionEnded));
            assert_eq!(kind(&transaction.transaction().await), Some(ErrorKind::TransactionEnded));
            assert_eq!(in_use(&database), 0, "an ended guard holds no connection");
            // The task is free for another one, although the guard is still there.
            database.transaction().await?.commit().await?;
        }
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x5_the_outer_before_the_inner_is_an_error_and_both_stay_usable(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = database.transaction().await?;
        inner.execute(add(&t, "b"), ()).await?;
        for early in [outer.commit().await, outer.rollback().await] {
            let error = early.expect_err("the inner one is open");
            assert_eq!(error.kind(), ErrorKind::ConcurrentUse);
            assert!(error.message().matches("transactions.rs:").count() >= 2, "both places are named: {error}");
        }
        assert!(outer.is_open() && inner.is_open());
        inner.execute(add(&t, "c"), ()).await?;
        inner.commit().await?;
        outer.execute(add(&t, "d"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    async fn x5_a_savepoint_finished_twice_leaves_the_outer_usable(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        for first_commits in [true, false] {
            let inner = database.transaction().await?;
            inner.execute(add(&t, if first_commits { "a" } else { "b" }), ()).await?;
            if first_commits { inner.commit().await? } else { inner.rollback().await? }
            assert_eq!(kind(&inner.commit().await), Some(ErrorKind::TransactionEnded));
            assert_eq!(kind(&inner.rollback().await), Some(ErrorKind::TransactionEnded));
            outer.execute(add(&t, if first_commits { "c" } else { "d" }), ()).await?;
        }
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,c,d");
        Ok(())
    }

    async fn x5_statements_that_would_end_it_behind_the_guards_back_are_refused(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        for sql in ["commit", "rollback", "begin", "COMMIT;", "/* a comment */ rollback"] {
            let refused = transaction.execute(AssertSqlSafe(sql.to_owned()), ()).await;
            assert_eq!(kind(&refused), Some(ErrorKind::Refused), "{sql}: {refused:?}");
        }
        if t.backend().is_mysql() {
            let implicit = transaction.execute(t.sql("create table {more} (id {id})"), ()).await;
            assert_eq!(kind(&implicit), Some(ErrorKind::Refused), "{implicit:?}");
        }
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn x6_two_databases_are_independent(t: Test) -> Result<()> {
        let first = notes(&t).await;
        // On SQLite another file, because a file has one writer.
        let url = if t.backend().is_sqlite() { t.sqlite_url("second.db") } else { t.url() };
        let second = Database::connect(url).await?;
        second.execute(t.sql("create table {others} (id {id}, body {key} not null unique)"), ()).await?;
        let other = |body: &str| t.sql(&format!("insert into {{others}} (body) values ('{body}')"));
        let others = async |database: &Database| {
            if t.backend().is_sqlite() {
                let sql = t.sql("select coalesce(group_concat(body, ','), '') from {others}");
                database.fetch_value::<String>(sql, ()).await.expect("the other notes")
            } else {
                kept_in(&t, database, "others").await
            }
        };
        let transaction = first.transaction().await?;
        first.execute(add(&t, "a"), ()).await?;
        second.execute(other("b"), ()).await?;
        assert_eq!(others(&second).await, "b", "the second has no transaction, so that was committed");
        let within = second.transaction().await?;
        assert_eq!((in_use(&first), in_use(&second)), (1, 1));
        second.execute(other("c"), ()).await?;
        transaction.rollback().await?;
        within.commit().await?;
        assert_eq!((kept(&t, &first).await, others(&second).await), (String::new(), "b,c".to_owned()));
        let (one, two) = (first.transaction().await?, second.transaction().await?);
        first.execute(add(&t, "d"), ()).await?;
        second.execute(other("e"), ()).await?;
        one.commit().await?;
        two.rollback().await?;
        assert_eq!((kept(&t, &first).await, others(&second).await), ("d".to_owned(), "b,c".to_owned()));
        Ok(())
    }

    /// SQLite has one level.
    #[only(postgres, mysql)]
    async fn x7_an_isolation_level_holds_for_its_transaction_only(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let by_default = t.backend().is_postgres();
        let mut number = 100;
        let mut next = || {
            number += 1;
            number.to_string()
        };
        for (level, sees) in [
            (None, by_default),
            (Some(IsolationLevel::ReadCommitted), true),
            (None, by_default),
            (Some(IsolationLevel::RepeatableRead), false),
            (None, by_default),
            (Some(IsolationLevel::ReadUncommitted), true),
            (None, by_default),
        ] {
            for end in ["commit", "rollback", "drop"] {
                let begin = database.transaction();
                let transaction = match level {
                    Some(level) => begin.isolation(level).await?,
                    None => begin.await?,
                };
                assert_eq!(sees_later_commits(&t, &transaction, &next()).await?, sees, "{level:?}, then {end}");
                match end {
                    "commit" => transaction.commit().await?,
                    "rollback" => transaction.rollback().await?,
                    _ => drop(transaction),
                }
            }
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x7_a_level_whose_begin_was_cancelled_does_not_stay(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let by_default = t.backend().is_postgres();
        let other_level = if by_default { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        for (round, body) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let mut begin = database.transaction().isolation(other_level).into_future();
            for _ in 0..round {
                if futures::poll!(&mut begin).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(begin);
            let transaction = database.transaction().await?;
            assert_eq!(sees_later_commits(&t, &transaction, body).await?, by_default, "after {round} polls");
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Only PostgreSQL tells the level of the transaction itself.
    #[only(postgres)]
    async fn x7_the_server_shows_each_level(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for level in [
            IsolationLevel::ReadUncommitted,
            IsolationLevel::ReadCommitted,
            IsolationLevel::RepeatableRead,
            IsolationLevel::Serializable,
        ] {
            let transaction = database.transaction().isolation(level).await?;
            let shown: String = transaction.fetch_value("show transaction_isolation", ()).await?;
            assert_eq!(shown.to_uppercase(), level.to_string());
            drop(transaction);
            let shown: String = database.fetch_value("show transaction_isolation", ()).await?;
            assert_eq!(shown, "read committed", "restored after {level}");
        }
        Ok(())
    }

    /// Serializable reads lock what they read on MySQL, so a writer has to wait.
    #[only(mysql)]
    async fn x7_serializable_locks_what_it_reads_on_mysql(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        for (level, locks) in [(IsolationLevel::Serializable, true), (IsolationLevel::RepeatableRead, false)] {
            let transaction = database.transaction().isolation(level).await?;
            transaction.fetch_value::<String>(list(&t), ()).await?;
            let (other, sql) = (database.clone(), t.sql("select body from {notes} for update nowait"));
            let locked = in_task(async move { other.fetch_all(sql, ()).await }).await;
            assert_eq!(locked.is_err(), locks, "{level}: {locked:?}");
            transaction.rollback().await?;
        }
        Ok(())
    }

    async fn x7_serializable_is_known_everywhere(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().isolation(IsolationLevel::Serializable).await?;
        transaction.execute(add(&t, "a"), ()).await?;
        transaction.commit().await?;
        let closure = database.transaction().isolation(IsolationLevel::Serializable);
        closure.run(async |_| database.execute(add(&t, "b"), ()).await).await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    #[only(sqlite)]
    async fn x7_a_level_the_backend_lacks_is_an_error(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for level in [IsolationLevel::ReadUncommitted, IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead] {
            let refused = database.transaction().isolation(level).await;
            let error = refused.expect_err("SQLite has one level");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(&level.to_string()), "{error}");
            assert!(!query_only(&database).await?);
            database.execute(add(&t, level), ()).await?;
        }
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 3);
        Ok(())
    }

    async fn x7_a_nested_transaction_cannot_have_a_level_of_its_own(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let nested = database.transaction().isolation(IsolationLevel::Serializable).await;
        assert_eq!(kind(&nested), Some(ErrorKind::Unsupported));
        drop(nested);
        outer.execute(add(&t, "b"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x7_the_configured_level_holds_where_none_is_asked_for(t: Test) -> Result<()> {
        let by_default = t.backend().is_postgres();
        let other = if by_default { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        let own = if by_default { IsolationLevel::ReadCommitted } else { IsolationLevel::RepeatableRead };
        let database = notes_with(&t, config(&t).pool_size(1_u32).isolation_level(other)).await;
        let transaction = database.transaction().await?;
        assert_eq!(sees_later_commits(&t, &transaction, "a").await?, !by_default);
        transaction.rollback().await?;
        let transaction = database.transaction().isolation(own).await?;
        assert_eq!(sees_later_commits(&t, &transaction, "b").await?, by_default, "asking beats the setting");
        transaction.rollback().await?;
        let transaction = database.transaction().await?;
        let nested = database.transaction().await?;
        nested.commit().await?;
        assert_eq!(sees_later_commits(&t, &transaction, "c").await?, !by_default);
        transaction.commit().await
    }

    async fn x8_force_rollback_always_rolls_back(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().force_rollback(true).await?;
        transaction.execute(add(&t, "a"), ()).await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a");
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "");
        let value = database
            .transaction()
            .force_rollback(true)
            .run(async |transaction: Transaction| {
                transaction.execute(add(&t, "b"), ()).await?;
                let nested = database.transaction().run(async |_| database.execute(add(&t, "c"), ()).await);
                nested.await?;
                transaction.fetch_value::<String>(list(&t), ()).await
            })
            .await?;
        assert_eq!((value, kept(&t, &database).await), ("b,c".to_owned(), String::new()));
        let transaction = database.transaction().force_rollback(false).await?;
        transaction.execute(add(&t, "d"), ()).await?;
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "d");
        Ok(())
    }

    async fn x8_a_savepoint_too_and_the_outer_is_kept(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = database.transaction().force_rollback(true).await?;
        inner.execute(add(&t, "b"), ()).await?;
        inner.commit().await?;
        let failed = AssertUnwindSafe(
            database.transaction().force_rollback(true).run(async |_| {
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
