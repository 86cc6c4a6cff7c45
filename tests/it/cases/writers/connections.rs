//! X13: the writer that has the turn has a connection, so no caller waits for a pool or a shared connection of another.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ebbtide::{Database, ErrorKind, Result, Transaction};
use futures::StreamExt as _;
use tokio::sync::oneshot;

use super::{MOMENT, once, write};
use crate::cases::tasks::{add, config, count, in_task, kept, notes_with, soon, until};
use crate::support::{Test, cases};

/// The ways to request the turn.
#[derive(Clone, Copy, Debug)]
enum Way {
    Statement,
    Stream,
    Guard,
    Closure,
    Many,
}

const WAYS: [Way; 5] = [Way::Statement, Way::Stream, Way::Guard, Way::Closure, Way::Many];

impl Way {
    async fn write(self, t: &Test, database: &Database, body: &str) -> Result<()> {
        let sql = add(t, body);
        match self {
            Self::Statement => database.execute(sql, ()).await.map(drop),
            Self::Stream => {
                let sql = t.sql(&format!("insert into {{notes}} (body) values ('{body}') returning id"));
                let mut rows = database.iterate(sql, ());
                while let Some(row) = rows.next().await {
                    row?;
                }
                Ok(())
            }
            Self::Guard => {
                let transaction = database.transaction().await?;
                transaction.execute(sql, ()).await?;
                transaction.commit().await
            }
            Self::Closure => {
                let work = async |transaction: Transaction| transaction.execute(sql, ()).await.map(drop);
                database.transaction().run(work).await
            }
            Self::Many => database.execute_many(sql, [()]).await.map(drop),
        }
    }
}

/// Returns a pool of `size` connections, and another database with the same file, which waits for one writer only
/// briefly.
async fn small_and_other(t: &Test, size: u32) -> (Database, Database) {
    let wal = || config(t).journal_mode("wal");
    (
        notes_with(t, wal().pool_size(size).max_overflow(0_u32)).await,
        Database::connect(wal().busy_timeout(MOMENT)).await.expect("the other"),
    )
}

/// Starts a transaction that reads, in its own task, until it receives a signal.
async fn reader(database: &Database) -> (oneshot::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let ((end, ended), (began, begun)) = (oneshot::channel(), oneshot::channel());
    let database = database.clone();
    let task = tokio::spawn(async move {
        let transaction = database.transaction().read_only().await?;
        transaction.fetch_value::<i64>("select 1", ()).await?;
        began.send(()).expect("the test waits");
        ended.await.expect("the test tells");
        transaction.rollback().await
    });
    begun.await.expect("it begins");
    (end, task)
}

fn waiting(database: &Database) -> usize {
    database.status().expect("it is connected").waiting
}

cases! {
    #[only(sqlite_file)]
    async fn x13_who_waits_for_the_pool_keeps_nobody_from_writing_found_a11(t: Test) -> Result<()> {
        for size in [1, 2] {
            let (small, other) = small_and_other(&t, size).await;
            for way in WAYS {
                let mut readers = Vec::new();
                for _ in 0..size {
                    readers.push(reader(&small).await);
                }
                let mut writing = Box::pin(way.write(&t, &small, "a"));
                assert!(once(&mut writing).await.is_pending());
                until("it waits for the pool", || waiting(&small) == 1).await;
                soon("another writer", write(&t, &other, "b")).await?;
                soon("a transaction", in_task({
                    let (other, sql) = (other.clone(), add(&t, "c"));
                    async move { other.transaction().run(async |transaction| transaction.execute(sql, ()).await.map(drop)).await }
                })).await?;
                for (end, task) in readers {
                    end.send(()).expect("the reader waits");
                    task.await.expect("no panic")?;
                }
                soon("the one that waited", writing).await?;
                assert_eq!(kept(&t, &small).await, "a,b,c", "{way:?} with {size}");
                small.execute(t.sql("delete from {notes}"), ()).await?;
            }
            small.execute(t.sql("drop table {notes}"), ()).await?;
        }
        Ok(())
    }

    /// Several tasks share a connection, and one of them reads on it for a long time.
    #[only(sqlite_file)]
    async fn x13_who_waits_for_a_shared_connection_keeps_nobody_from_writing_found_a11(t: Test) -> Result<()> {
        let (database, other) = small_and_other(&t, 3).await;
        let connection = database.connection();
        let ((end, ended), (began, begun)) = (oneshot::channel::<()>(), oneshot::channel());
        let reading = connection.transaction().read_only().run(async |transaction| {
            transaction.fetch_value::<i64>(count(&t), ()).await?;
            began.send(()).expect("the test waits");
            ended.await.expect("the test tells");
            Ok::<_, ebbtide::Error>(())
        });
        let writing = async {
            begun.await.expect("it reads");
            let mut plain = Box::pin(connection.execute(add(&t, "a"), ()).into_future());
            let begins = async |transaction: Transaction| transaction.execute(add(&t, "b"), ()).await.map(drop);
            let mut closure = Box::pin(connection.transaction().run(begins));
            for _ in 0..20 {
                assert!(once(&mut plain).await.is_pending() && once(&mut closure).await.is_pending());
                tokio::task::yield_now().await;
            }
            soon("another writer", write(&t, &other, "c")).await?;
            end.send(()).expect("the reader waits");
            let (plain, closure) = futures::join!(plain, closure);
            plain.map(drop).and(closure)
        };
        let (read, written) = soon("all of them", async { futures::join!(reading, writing) }).await;
        read.and(written)?;
        assert_eq!(kept(&t, &database).await, "a,b,c");
        Ok(())
    }

    /// The writer that has the turn reads over the shared connection of one that waits for it.
    #[only(sqlite_file)]
    async fn x13_who_waits_for_the_turn_gives_its_holder_the_shared_connection_found_a21(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).journal_mode("wal")).await;
        let connection = database.connection();
        let ((end, ended), (began, begun)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut reading = Box::pin(connection.transaction().read_only().run(async |transaction| {
            transaction.fetch_value::<i64>(count(&t), ()).await?;
            began.send(()).expect("the test waits");
            ended.await.expect("the test tells");
            Ok::<_, ebbtide::Error>(())
        }));
        tokio::select! {
            _ = &mut reading => panic!("it waits"),
            begun = begun => begun.expect("it reads"),
        }
        let mut plain = Box::pin(connection.execute(add(&t, "plain"), ()).into_future());
        assert!(once(&mut plain).await.is_pending(), "it waits for the connection");
        let ((read, reads), (has_turn, with_turn)) = (oneshot::channel::<()>(), oneshot::channel());
        let (shared, other, sql, number) = (connection.clone(), database.clone(), add(&t, "holder"), count(&t));
        let holder = tokio::spawn(async move {
            let work = async |transaction: Transaction| {
                transaction.execute(sql, ()).await?;
                has_turn.send(()).expect("the test waits");
                reads.await.expect("the test tells");
                shared.fetch_value::<i64>(number, ()).await
            };
            other.transaction().run(work).await
        });
        with_turn.await.expect("it has the turn");
        end.send(()).expect("the reader waits");
        reading.await?;
        for _ in 0..20 {
            assert!(once(&mut plain).await.is_pending(), "it waits for the turn");
            tokio::task::yield_now().await;
        }
        read.send(()).expect("the holder waits");
        let (plain, held) = soon("both", async { futures::join!(plain, holder) }).await;
        plain?;
        assert_eq!(held.expect("no panic")?, 0, "what the shared connection sees");
        assert_eq!(kept(&t, &database).await, "holder,plain");
        Ok(())
    }

    /// Of the writers that find no connection, one waits for the pool, and the others for that one.
    #[only(sqlite_file)]
    async fn x13_writers_wait_for_the_pool_no_longer_than_pool_timeout(t: Test) -> Result<()> {
        let wal = config(&t).journal_mode("wal");
        let small = notes_with(&t, wal.pool_size(1).max_overflow(0_u32).pool_timeout(MOMENT)).await;
        for way in WAYS {
            let (end, task) = reader(&small).await;
            let (first, second) = soon("both", async {
                futures::join!(way.write(&t, &small, "first"), Way::Statement.write(&t, &small, "second"))
            })
            .await;
            for refused in [first, second] {
                let error = refused.expect_err("no connection is free");
                assert_eq!(error.kind(), ErrorKind::Timeout, "{way:?}: {error}");
                assert!(error.to_string().contains("no connection became free"), "{way:?}: {error}");
            }
            end.send(()).expect("the reader waits");
            task.await.expect("no panic")?;
            soon("a writer", way.write(&t, &small, &format!("{way:?}"))).await?;
        }
        assert_eq!(small.fetch_value::<i64>(count(&t), ()).await?, 5);
        Ok(())
    }

    /// Writers that return for their turn have it before later ones.
    #[only(sqlite_file)]
    async fn x13_who_had_to_wait_for_the_pool_is_served_before_the_queue(t: Test) -> Result<()> {
        let (small, _) = small_and_other(&t, 1).await;
        let other = Database::connect(config(&t).journal_mode("wal")).await?;
        let (end, task) = reader(&small).await;
        let mut first = Box::pin(small.execute(add(&t, "first"), ()).into_future());
        assert!(once(&mut first).await.is_pending());
        until("it waits for the pool", || waiting(&small) == 1).await;
        let held = super::Held::new(&other).await;
        end.send(()).expect("the reader waits");
        task.await.expect("no panic")?;
        let mut later: Vec<_> = (0..4).map(|n| Box::pin(other.execute(add(&t, format!("n{n}")), ()).into_future())).collect();
        for one in &mut later {
            assert!(once(one).await.is_pending());
        }
        assert!(once(&mut first).await.is_pending(), "it has its connection now, and waits for the turn");
        held.commit().await;
        let (done, rest) = futures::join!(first, futures::future::try_join_all(later));
        done.and(rest.map(drop))?;
        let order: Vec<String> = other.fetch_all(t.sql("select body from {notes} order by id"), ()).value().await?;
        let place = order.iter().position(|body| body == "first").expect("it is there");
        assert!(place <= 1, "behind the first of the queue at most: {order:?}");
        Ok(())
    }

    /// The connection of full isolation takes its turn like any other.
    #[only(sqlite_file)]
    async fn x13_full_isolation_takes_its_turn_too(t: Test) -> Result<()> {
        let (database, other) = small_and_other(&t, 2).await;
        let forced = Database::connect(config(&t).journal_mode("wal").force_rollback(true).full_isolation(true)).await?;
        let held = super::Held::new(&database).await;
        let mut waits = Box::pin(forced.execute(add(&t, "undone"), ()).into_future());
        assert!(once(&mut waits).await.is_pending());
        held.commit().await;
        soon("its first use", waits).await?;
        let refused = write(&t, &other, "refused").await.expect_err("it is locked");
        assert_eq!(refused.kind(), ErrorKind::LockTimeout, "{refused}");
        assert!(refused.to_string().contains("force rollback"), "{refused}");
        assert!(forced.disconnect().await?);
        write(&t, &other, "kept").await?;
        assert_eq!(kept(&t, &database).await, "kept");
        Ok(())
    }

    /// An idle connection is checked before its next use if it has rested for long enough.
    #[only(sqlite_file)]
    async fn x13_a_connection_that_is_checked_first_is_the_one_that_writes(t: Test) -> Result<()> {
        let opened = Arc::new(AtomicUsize::new(0));
        let count_opened = Arc::clone(&opened);
        let parent = notes_with(&t, config(&t)).await;
        let database = Database::new(config(&t).pool_size(2).health_check_after(Duration::ZERO))?.after_connect(move |_| {
            count_opened.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        });
        let database = Database::connect(&database).await?;
        let before = opened.load(Ordering::Relaxed);
        for number in 0..5 {
            write(&t, &database, &format!("statement {number}")).await?;
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, format!("transaction {number}")), ()).await?;
            transaction.commit().await?;
        }
        assert_eq!(opened.load(Ordering::Relaxed), before, "no connection was opened instead of a checked one");
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 10);
        drop(parent);
        Ok(())
    }

    /// On a connection that is kept, the setting of a read-only transaction ends with it, however its end was cut off.
    // H2 has no read-only transactions.
    #[except(jdbc_h2)]
    async fn x4_a_read_only_transaction_whose_end_is_cut_off_leaves_a_connection_that_writes(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t)).await;
        let connection = database.connection();
        for polls in 1..6 {
            let transaction = connection.transaction().read_only().await?;
            assert!(transaction.execute(add(&t, "refused"), ()).await.is_err());
            {
                let mut end = pin!(transaction.rollback().into_future());
                for _ in 0..polls {
                    if futures::poll!(end.as_mut()).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            drop(transaction);
            let next = soon("the next", connection.execute(add(&t, format!("{polls}")), ())).await;
            if let Err(error) = next {
                // Where the end was lost with its connection, that is what it says.
                assert_ne!(error.kind(), ErrorKind::ReadOnly, "after {polls} polls: {error}");
                soon("another", database.execute(add(&t, format!("{polls}")), ())).await?;
            }
        }
        assert_eq!(kept(&t, &database).await, "1,2,3,4,5");
        Ok(())
    }
}
