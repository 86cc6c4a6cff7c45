//! T8: transactions of closures, joined, selected and nested in one task.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use ebbtide::{Database, Error, Result, Transaction};
use futures::future::poll_fn;
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{Barrier, oneshot};

use super::{
    add, config, in_use, is_undo, kept, let_others_run, list, logged, notes, notes_with, refused, soon, undo, until,
};
use crate::cases::pool::select_one;
use crate::support::cases;

cases! {
    async fn t8_two_unbound_runs_are_two_transactions_on_two_connections(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let both_begun = Barrier::new(2);
        let (committed, wait) = oneshot::channel();
        let first = database.transaction().deferred().run(async |transaction: Transaction| {
            both_begun.wait().await;
            assert_eq!(in_use(&database), 2);
            transaction.execute(add(&t, "first"), ()).await?;
            database.execute(add(&t, "first2"), ()).await?;
            Ok::<_, Error>(())
        });
        let first = async {
            let result = first.await;
            committed.send(()).expect("the second waits");
            result
        };
        let second = database.transaction().deferred().run(async |_| {
            both_begun.wait().await;
            // SQLite has one writer at a time: the first writes and commits, then this one writes.
            wait.await.expect("the first tells");
            database.execute(add(&t, "second"), ()).await?;
            Err::<(), _>(undo())
        });
        let (first, second) = soon("join!", async { futures::join!(first, second) }).await;
        assert!(first.is_ok() && is_undo(&second), "{first:?} {second:?}");
        assert_eq!(kept(&t, &database).await, "first,first2");
        assert_eq!(in_use(&database), 0);
        Ok(())
    }

    /// On SQLite the second writer would wait for the first, which waits for the second.
    #[only(postgres, mysql)]
    async fn t8_two_unbound_runs_write_at_the_same_time(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let both_written = Barrier::new(2);
        let one = async |body: &str, keep: bool| {
            let work = async |_| {
                database.execute(add(&t, body), ()).await?;
                both_written.wait().await;
                assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, body, "each sees its own only");
                both_written.wait().await;
                if keep { Ok(()) } else { Err(undo()) }
            };
            database.transaction().run(work).await
        };
        let (first, second) = soon("join!", async { futures::join!(one("a", true), one("b", false)) }).await;
        assert!(first.is_ok() && is_undo(&second));
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_runs_joined_inside_a_run_are_savepoints_one_after_the_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let log = RefCell::default();
        let outer = database.transaction().run(async |outer: Transaction| {
            let (a, b) = futures::join!(logged(&t, &database, &log, "a", false), logged(&t, &database, &log, "b", true));
            assert!(is_undo(&a) && b.is_ok(), "{a:?} {b:?}");
            assert_eq!(in_use(&database), 1);
            outer.fetch_value::<String>(list(&t), ()).await
        });
        assert_eq!(soon("join!", outer).await?, "b1,b2");
        assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends"]);
        assert_eq!(kept(&t, &database).await, "b1,b2");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_a_plain_call_beside_a_run_waits_for_its_end(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let begun = Barrier::new(2);
        let run = database.transaction().run(async |_| {
            begun.wait().await;
            database.execute(add(&t, "a"), ()).await?;
            let_others_run().await;
            Err::<(), _>(undo())
        });
        let plain = async {
            begun.wait().await;
            database.execute(add(&t, "b"), ()).await
        };
        let (run, plain) = soon("join!", async { futures::join!(run, plain) }).await;
        assert!(is_undo(&run), "{run:?}");
        assert_eq!(plain?.rows_affected, 1);
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b", "it is not inside the savepoint that was undone");
        Ok(())
    }

    async fn t8_the_tasks_connection_beside_a_run_on_it_waits_for_its_end(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        let begun = Barrier::new(3);
        let run = database.transaction().run(async |_| {
            begun.wait().await;
            database.execute(add(&t, "a"), ()).await?;
            let_others_run().await;
            Err::<(), _>(undo())
        });
        let by_handle = async {
            begun.wait().await;
            connection.execute(add(&t, "b"), ()).await
        };
        let plain = async {
            begun.wait().await;
            database.execute(add(&t, "c"), ()).await
        };
        let next = database
            .transaction()
            .run(async |_| database.execute(add(&t, "d"), ()).await);
        let all = async { futures::join!(run, by_handle, plain, next) };
        let (run, by_handle, plain, next) = soon("join!", all).await;
        assert!(is_undo(&run), "{run:?}");
        (by_handle?, plain?, next?);
        assert_eq!(in_use(&database), 1, "all of it ran on the task's connection");
        assert_eq!(kept(&t, &database).await, "b,c,d", "none of it was inside the run that was undone");
        Ok(())
    }

    async fn t8_select_between_two_runs_keeps_the_winner_only(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // The first to be polled writes first; on SQLite the other waits for the lock and is dropped while it waits.
        let winner = database.transaction().run(async |_| database.execute(add(&t, "winner"), ()).await);
        let loser = database.transaction().run(async |_| {
            database.fetch_value::<i64>(select_one(&database), ()).await?;
            std::future::pending::<Result<()>>().await
        });
        let won = async {
            tokio::select! {
                biased;
                result = winner => result.is_ok(),
                _ = loser => false,
            }
        };
        assert!(soon("select!", won).await);
        until("the loser's connection is free", || in_use(&database) == 0).await;
        assert_eq!(kept(&t, &database).await, "winner");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_twenty_unordered_runs_inside_a_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let open = std::cell::Cell::new(0);
        let runs: FuturesUnordered<_> = (10..30)
            .map(|number| {
                let (t, database, open) = (&t, &database, &open);
                async move {
                    let work = async |transaction: Transaction| {
                        open.set(open.get() + 1);
                        transaction.execute(add(t, number), ()).await?;
                        let_others_run().await;
                        database.fetch_value::<i64>(select_one(database), ()).await?;
                        assert_eq!(open.get(), 1, "never two at once");
                        open.set(0);
                        if number % 3 == 0 { Err(undo()) } else { Ok(()) }
                    };
                    database.transaction().run(work).await
                }
            })
            .collect();
        let results: Vec<_> = soon("all runs", runs.collect()).await;
        assert_eq!(results.iter().filter(|result| is_undo(result)).count(), 6);
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 14);
        assert_eq!(in_use(&database), 1);
        outer.commit().await?;
        let kept_numbers: Vec<_> = (10..30).filter(|number| number % 3 != 0).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, kept_numbers.join(","));
        Ok(())
    }

    async fn t8_buffer_unordered_runs_are_independent(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(3_u32)).await;
        let most = std::cell::Cell::new(0);
        // SQLite has one writer at a time, and waiters for the write lock have no connection yet.
        let together = if t.backend().is_sqlite() { 1 } else { 3 };
        let meet = Barrier::new(together);
        let runs = stream::iter(10..40).map(|number| {
            let (t, database, most, meet) = (&t, &database, &most, &meet);
            async move {
                let work = async |_| {
                    // An answer may come at once, and then a run has ended before the next has begun.
                    if number < 10 + together {
                        meet.wait().await;
                    }
                    most.set(most.get().max(in_use(database)));
                    database.execute(add(t, number), ()).await?;
                    if number % 3 == 0 { Err(undo()) } else { Ok(()) }
                };
                database.transaction().run(work).await
            }
        });
        let results: Vec<_> = soon("all runs", runs.buffer_unordered(6).collect()).await;
        let undone = results.iter().filter(|result| is_undo(result)).count();
        assert_eq!((undone, results.iter().filter(|result| result.is_ok()).count()), (10, 20), "{results:?}");
        assert!(most.get() == together, "{} connections at once", most.get());
        let kept_numbers: Vec<_> = (10..40).filter(|number| number % 3 != 0).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, kept_numbers.join(","));
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_runs_nest(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database
            .transaction()
            .run(async |outer: Transaction| {
                outer.execute(add(&t, "a"), ()).await?;
                let inner = database.transaction().run(async |inner: Transaction| {
                    inner.execute(add(&t, "b"), ()).await?;
                    let innermost = inner.transaction().run(async |_| {
                        database.execute(add(&t, "c"), ()).await?;
                        Err::<(), _>(undo())
                    });
                    assert!(is_undo(&innermost.await));
                    database.execute(add(&t, "d"), ()).await
                });
                inner.await?;
                let failed = database.transaction().run(async |_| {
                    database.execute(add(&t, "e"), ()).await?;
                    Err::<(), _>(undo())
                });
                assert!(is_undo(&failed.await));
                assert_eq!(in_use(&database), 1);
                outer.execute(add(&t, "f"), ()).await
            })
            .await?;
        assert_eq!(kept(&t, &database).await, "a,b,d,f");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_the_outer_transaction_is_refused_inside_an_inner_run(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().run(async |_| {
            refused(outer.execute(add(&t, "a"), ()).await, 2);
            refused(soon("the outer's own", outer.transaction().run(async |_| Ok(()))).await, 2);
            database.execute(add(&t, "b"), ()).await
        });
        soon("the inner run", inner).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_a_panic_in_a_run_undoes_it_and_frees_the_owner(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        let run = database.transaction().run(async |_| {
            database.execute(add(&t, "a"), ()).await?;
            let nothing: Option<()> = std::hint::black_box(None);
            nothing.expect("a panic as wanted");
            Ok::<_, Error>(())
        });
        assert!(AssertUnwindSafe(run).catch_unwind().await.is_err());
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");

        let outer = database.transaction().await?;
        let run = database.transaction().run(async |_| {
            database.execute(add(&t, "c"), ()).await?;
            let nothing: Option<()> = std::hint::black_box(None);
            nothing.expect("a panic as wanted");
            Ok::<_, Error>(())
        });
        assert!(AssertUnwindSafe(run).catch_unwind().await.is_err());
        outer.execute(add(&t, "d"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b,d");
        Ok(())
    }

    async fn t8_a_run_finished_by_hand_is_finished(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database
            .transaction()
            .run(async |transaction: Transaction| {
                transaction.execute(add(&t, "a"), ()).await?;
                transaction.rollback().await
            })
            .await?;
        let result = database
            .transaction()
            .run(async |transaction: Transaction| {
                transaction.execute(add(&t, "b"), ()).await?;
                transaction.commit().await?;
                Err::<(), _>(undo())
            })
            .await;
        assert!(is_undo(&result), "{result:?}");
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t8_runs_on_two_databases_joined_and_nested(t: Test) -> Result<()> {
        let first = notes(&t).await;
        // A second pool; on SQLite another file, because a file has one writer.
        let url = if t.backend().is_sqlite() { t.sqlite_url("second.db") } else { t.url() };
        let second = Database::connect(url).await?;
        second.execute(t.sql("create table {others} (id {id}, body {key} not null unique)"), ()).await?;
        let other = |body: &str| t.sql(&format!("insert into {{others}} (body) values ('{body}')"));
        let (a, b) = soon("join!", async {
            futures::join!(
                first.transaction().run(async |_| first.execute(add(&t, "a"), ()).await),
                second.transaction().run(async |_| second.execute(other("b"), ()).await),
            )
        })
        .await;
        (a?, b?);
        let nested = first.transaction().run(async |_| {
            let inner = second.transaction().run(async |_| {
                first.execute(add(&t, "c"), ()).await?;
                second.execute(other("d"), ()).await
            });
            inner.await?;
            assert_eq!((in_use(&first), in_use(&second)), (1, 0));
            Err::<(), _>(undo())
        });
        assert!(is_undo(&nested.await));
        let others = t.sql("select count(*) from {others}");
        assert_eq!(second.fetch_value::<i64>(others, ()).await?, 2);
        assert_eq!(kept(&t, &first).await, "a");
        Ok(())
    }

    /// `poll_fn` stands in for custom executors, which poll in any order.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_polling_by_hand_in_reverse_keeps_runs_apart(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let log = RefCell::default();
        let outer = database.transaction().await?;
        let mut a = pin!(logged(&t, &database, &log, "a", false).fuse());
        let mut b = pin!(logged(&t, &database, &log, "b", true).fuse());
        let mut done = (None, None);
        let both = poll_fn(|context| {
            if let Poll::Ready(result) = b.as_mut().poll(context) {
                done.1 = Some(result);
            }
            if let Poll::Ready(result) = a.as_mut().poll(context) {
                done.0 = Some(result);
            }
            if done.0.is_some() && done.1.is_some() { Poll::Ready(()) } else { Poll::Pending }
        });
        soon("both", both).await;
        assert_eq!(log.take(), ["b begins", "b ends", "a begins", "a ends"]);
        assert!(done.0.is_some_and(|a| is_undo(&a)) && done.1.is_some_and(|b| b.is_ok()));
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b1,b2");
        Ok(())
    }
}
