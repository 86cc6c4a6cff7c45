//! `database.sandbox()`: many at once, whoever uses them, and however they end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, Result, params};
use futures::TryStreamExt as _;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::tasks::{add, config, count, in_task, kept, kind, list, notes, notes_with, soon, until};
use crate::support::{Proxy, Test, cases};

/// What is seen in a database or sandbox: `a,b`.
pub(super) async fn seen(t: &Test, database: &Database) -> String {
    database.fetch_value(list(t), ()).await.expect("the list of notes")
}

/// A statement that takes a moment.
pub(super) fn slow(t: &Test) -> AssertSqlSafe<String> {
    AssertSqlSafe(match t.backend().family() {
        "postgres" => "select count(*) from (select pg_sleep(0.2)) as s".to_owned(),
        "mysql" => "select sleep(0.2)".to_owned(),
        _ => "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000) select count(*) from n"
            .to_owned(),
    })
}

/// A parent with the table `notes` of which one sandbox at a time can be in use; a second one fails soon.
async fn narrow(t: &Test) -> Database {
    notes_with(t, config(t).pool_size(1).pool_timeout(Duration::from_secs(10))).await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The next sandbox gets the connection, and sees nothing of the last one.
async fn next_is_clean(t: &Test, parent: &Database) {
    let next = parent.sandbox().await.expect("a sandbox");
    assert_eq!(
        soon("the next sandbox", next.fetch_value::<String>(list(t), ()))
            .await
            .expect("it is usable"),
        ""
    );
    next.execute(add(t, "next"), ()).await.expect("it can be written");
    assert_eq!(seen(t, &next).await, "next");
    next.disconnect().await.expect("it ends");
    assert_eq!(kept(t, parent).await, "");
}

/// The round trips since the last call.
fn spent(proxy: &Proxy) -> usize {
    let spent = proxy.round_trips();
    assert_eq!(spent, proxy.requests(), "every request was answered");
    proxy.reset();
    spent
}

cases! {
    async fn f10_each_sandbox_sees_its_own_data_only(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "real"), ()).await?;
        let sandboxes = [database.sandbox().await?, database.sandbox().await?, database.sandbox().await?];
        for (number, sandbox) in sandboxes.iter().enumerate() {
            sandbox.execute(add(&t, number), ()).await?;
            let transaction = sandbox.transaction().await?;
            transaction.execute(add(&t, format!("{number}t")), ()).await?;
            transaction.commit().await?;
        }
        for (number, sandbox) in sandboxes.iter().enumerate() {
            assert_eq!(seen(&t, sandbox).await, format!("{number},{number}t,real"));
        }
        assert_eq!(kept(&t, &database).await, "real");
        let [first, second, third] = sandboxes;
        assert!(first.disconnect().await?);
        drop(second);
        assert_eq!(seen(&t, &third).await, "2,2t,real", "the end of the others is nothing to it");
        drop(third);
        assert_eq!(kept(&t, &database).await, "real");
        Ok(())
    }

    async fn f10_the_parent_goes_on_beside_its_sandboxes(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "sandboxed"), ()).await?;
        // On a server these wait for nothing, because they are other rows.
        soon("the parent", database.execute(add(&t, "real"), ())).await?;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "rolled back"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "real");
        // What was committed meanwhile is seen as the isolation level of the backend has it, but what is the sandbox's own
        // is always there.
        assert!(seen(&t, &sandbox).await.contains("sandboxed"));
        drop(sandbox);
        let later = database.sandbox().await?;
        assert_eq!(seen(&t, &later).await, "real", "the next one sees what is there now");
        Ok(())
    }

    async fn f10_a_sandbox_of_a_sandbox_is_another_beside_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let one = database.sandbox().await?;
        one.execute(add(&t, "one"), ()).await?;
        let other = one.sandbox().await?;
        assert_eq!(seen(&t, &other).await, "");
        other.execute(add(&t, "other"), ()).await?;
        drop(one);
        assert_eq!(seen(&t, &other).await, "other");
        Ok(())
    }

    async fn f10_a_sandbox_can_be_disconnected_and_connected_again(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let sandbox = database.sandbox().await?;
        for round in 0..3 {
            sandbox.execute(add(&t, round), ()).await?;
            assert_eq!(seen(&t, &sandbox).await, round.to_string());
            assert!(sandbox.disconnect().await?);
            assert!(!sandbox.disconnect().await?);
            assert_eq!(kind(&sandbox.execute(add(&t, "late"), ()).await), Some(ErrorKind::NotConnected));
            Database::connect(&sandbox).await?;
        }
        assert_eq!(seen(&t, &sandbox).await, "");
        assert!(database.is_connected());
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// What the spec calls overhead: BEGIN at the first use, and ROLLBACK.
    #[only(postgres, mysql)]
    async fn f10_a_warm_sandbox_costs_two_round_trips_beyond_its_own_statements(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = notes_with(&t, ebbtide::Config::from_url(proxy.url().as_str())?).await;
        for round in 0..4 {
            proxy.reset();
            let sandbox = database.sandbox().await?;
            assert_eq!(spent(&proxy), 0, "opening one costs nothing");
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            let transaction = sandbox.transaction().await?;
            transaction.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body: "a" }).await?;
            transaction.commit().await?;
            let own = spent(&proxy);
            if round % 2 == 0 {
                sandbox.disconnect().await?;
            } else {
                drop((transaction, sandbox));
                until("it was rolled back", || proxy.round_trips() == 1).await;
            }
            if round > 0 {
                assert_eq!((own, spent(&proxy)), (4 + 1, 1), "select, begin, insert, commit, and BEGIN; ROLLBACK");
            }
        }
        proxy.reset();
        drop(database.sandbox().await?);
        assert_eq!(kept(&t, &database).await, "");
        assert_eq!(spent(&proxy), 0, "one that is not used costs nothing");
        assert!(proxy.open_connections() <= 2, "one of the parent, one of the sandboxes");
        Ok(())
    }

    #[only(postgres)]
    async fn f5_what_savepoints_cost_outside_of_transactions(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = notes_with(&t, ebbtide::Config::from_url(proxy.url().as_str())?).await;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        for round in 0..2 {
            let sandbox = database.sandbox().await?;
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            sandbox.execute(insert(), params! { body: "a" }).await?;
            let mut costs = Vec::new();
            proxy.reset();
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            costs.push(("a read after a write", spent(&proxy)));
            for _ in 0..2 {
                sandbox.fetch_value::<i64>(count(&t), ()).await?;
                costs.push(("a read", spent(&proxy)));
            }
            sandbox.execute(insert(), params! { body: "b" }).await?;
            costs.push(("a write", spent(&proxy)));
            sandbox.execute(insert(), params! { body: "c" }).await?;
            costs.push(("a write after a write", spent(&proxy)));
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            spent(&proxy);
            sandbox.execute(insert(), params! { body: "a" }).await.expect_err("it is there already");
            costs.push(("a failure", spent(&proxy)));
            let transaction = sandbox.transaction().await?;
            transaction.execute(insert(), params! { body: "d" }).await?;
            transaction.commit().await?;
            costs.push(("begin, insert, commit", spent(&proxy)));
            if round == 1 {
                let [after_write, read, again, write, writes, failure, transaction] = costs[..] else { panic!("{costs:?}") };
                assert_eq!(
                    [after_write.1, read.1, again.1, write.1, writes.1, failure.1, transaction.1],
                    [2, 1, 1, 1, 2, 2, 3],
                    "{costs:?}"
                );
            }
            assert_eq!(seen(&t, &sandbox).await, "a,b,c,d");
            sandbox.disconnect().await?;
        }
        Ok(())
    }

    #[only(mysql)]
    async fn f5_statements_in_a_sandbox_cost_nothing_more(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = notes_with(&t, ebbtide::Config::from_url(proxy.url().as_str())?).await;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        let sandbox = database.sandbox().await?;
        sandbox.execute(insert(), params! { body: "a" }).await?;
        sandbox.fetch_value::<i64>(count(&t), ()).await?;
        proxy.reset();
        sandbox.execute(insert(), params! { body: "b" }).await?;
        sandbox.fetch_value::<i64>(count(&t), ()).await?;
        sandbox.execute(insert(), params! { body: "a" }).await.expect_err("it is there already");
        assert_eq!(spent(&proxy), 3);
        let transaction = sandbox.transaction().await?;
        transaction.execute(insert(), params! { body: "d" }).await?;
        transaction.commit().await?;
        assert_eq!(spent(&proxy), 3);
        Ok(())
    }

    async fn f5_a_failing_statement_poisons_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        // The very first statement of a sandbox, too.
        sandbox.execute("select no_such_column", ()).await.expect_err("there is no such column");
        sandbox.execute(add(&t, "a"), ()).await?;
        sandbox.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        sandbox.execute("this is no SQL", ()).await.expect_err("it is no SQL");
        sandbox.execute(add(&t, "b"), ()).await?;
        // Through every verb.
        let missing = || t.sql("select * from {notes}_missing");
        sandbox.fetch_all(missing(), ()).await.expect_err("no table");
        sandbox.fetch_optional(missing(), ()).await.expect_err("no table");
        sandbox.iterate(missing(), ()).try_next().await.expect_err("no table");
        let rows = ["c", "d", "a"].map(|body| params! { body });
        sandbox.execute_many(t.sql("insert into {notes} (body) values (:body)"), rows).await.expect_err("one is there");
        assert_eq!(seen(&t, &sandbox).await, "a,b", "many rows are all or nothing");
        // A statement of which a part was done.
        sandbox.execute(t.sql("insert into {notes} (body) select 'e' union all select 'a'"), ()).await.expect_err("one is there");
        let connection = sandbox.connection();
        connection.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        connection.execute(add(&t, "f"), ()).await?;
        drop(connection);
        assert_eq!(seen(&t, &sandbox).await, "a,b,f");
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// Inside a transaction the server's own behaviour stays.
    async fn f5_inside_a_transaction_a_failure_is_what_it_is_outside_of_a_sandbox(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        let next = transaction.execute(add(&t, "c"), ()).await;
        let committed = transaction.commit().await;
        if t.backend().is_postgres() {
            assert_eq!(next.expect_err("25P02").sqlstate(), Some("25P02"));
            assert_eq!(kind(&committed), Some(ErrorKind::TransactionAborted));
            assert_eq!(seen(&t, &sandbox).await, "a");
        } else {
            next?;
            committed?;
            assert_eq!(seen(&t, &sandbox).await, "a,b,c");
        }
        // A nested one saves the outer one from it everywhere.
        let outer = sandbox.transaction().await?;
        let inner = sandbox.transaction().await?;
        inner.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        inner.rollback().await?;
        outer.execute(add(&t, "d"), ()).await?;
        outer.commit().await?;
        assert!(seen(&t, &sandbox).await.ends_with('d'));
        Ok(())
    }

    async fn f5_a_stream_that_fails_or_is_dropped_keeps_what_was_written(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        for body in ["a", "b", "c"] {
            sandbox.execute(add(&t, body), ()).await?;
        }
        let all = || t.sql("select body from {notes} order by body");
        let mut rows = sandbox.iterate(all(), ());
        rows.try_next().await?.expect("a row");
        drop(rows);
        sandbox.execute(add(&t, "d"), ()).await?;
        // Fails at its second row.
        let late = match t.backend().family() {
            "postgres" => Some("select 1 / (2 - i) from generate_series(1, 3) as i"),
            "sqlite" => Some("with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) select json(case i when 2 then '{' else '{}' end) from n"),
            _ => None,
        };
        if let Some(late) = late {
            let failed = sandbox.iterate(late, ()).try_collect::<Vec<_>>().await;
            assert!(failed.is_err(), "{failed:?}");
        }
        let mut rows = sandbox.iterate(all(), ());
        rows.try_next().await?.expect("a row");
        sandbox.execute(add(&t, "e"), ()).await?;
        assert_eq!(rows.try_collect::<Vec<_>>().await?.len(), 3);
        assert_eq!(seen(&t, &sandbox).await, "a,b,c,d,e");
        Ok(())
    }

    /// A row written by a stream is kept, too, if its reader leaves.
    #[only(postgres, sqlite)]
    async fn f5_a_dropped_stream_that_writes_leaves_the_rest_as_it_was(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "before"), ()).await?;
        let mut rows = sandbox.iterate(t.sql("insert into {notes} (body) values ('x'), ('y') returning body"), ());
        rows.try_next().await?.expect("a row");
        drop(rows);
        sandbox.execute(add(&t, "after"), ()).await?;
        let seen = seen(&t, &sandbox).await;
        assert!(seen == "after,before" || seen == "after,before,x,y", "{seen}");
        Ok(())
    }

    /// A script outside of a transaction is one unit on PostgreSQL, and SET LOCAL in it holds to its end.
    #[only(postgres)]
    async fn f5_a_script_with_set_local_keeps_what_it_writes(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let before: String = sandbox.fetch_value("select current_setting('work_mem')", ()).await?;
        let script = t.sql("set local work_mem = '7MB'; insert into {notes} (body) values (current_setting('work_mem'))");
        sandbox.execute(script, ()).await?;
        assert_eq!(seen(&t, &sandbox).await, "7MB");
        assert_eq!(sandbox.fetch_value::<String>("select current_setting('work_mem')", ()).await?, before);
        let with = t.sql(
            "with added as (insert into {notes} (body) values ('b') returning body) \
             select set_config('app.note', body, true) from added",
        );
        sandbox.fetch_value::<String>(with, ()).await?;
        assert_eq!(seen(&t, &sandbox).await, "7MB,b");
        let app: Option<String> = sandbox.fetch_value("select nullif(current_setting('app.note', true), '')", ()).await?;
        assert_eq!(app, None);
        Ok(())
    }

    #[limit(150)]
    async fn t7_two_hundred_sandboxes_on_eight_threads_share_four_connections(t: Test) -> Result<()> {
        let proxy = t.backend().is_server().then(|| Proxy::start(&t.url()));
        let url = proxy.as_ref().map_or_else(|| t.url(), Proxy::url);
        let config = ebbtide::Config::from_url(url.as_str())?.pool_size(4).pool_timeout(Duration::from_mins(1));
        let database = notes_with(&t, config).await;
        // Its own connection stays open beside those of the sandboxes.
        let own = database.status()?.size;
        let (most, t) = (AtomicUsize::new(0), &t);
        thread::scope(|scope| {
            for thread in 0..8 {
                let (database, proxy, most) = (&database, &proxy, &most);
                scope.spawn(move || {
                    for number in 0..25 {
                        let runtime = runtime();
                        let left = runtime.block_on(async {
                            let sandbox = database.sandbox().await.expect("a sandbox");
                            sandbox.execute(add(t, format!("{thread}-{number}")), ()).await.expect("a note");
                            let transaction = sandbox.transaction().await.expect("a transaction");
                            transaction.execute(add(t, format!("{thread}-{number}-t")), ()).await.expect("a note");
                            if number % 3 > 0 {
                                transaction.commit().await.expect("it commits");
                            }
                            let expected = if number % 3 > 0 { 2 } else { 1 };
                            let guard = (number % 3 == 0).then_some(transaction);
                            if guard.is_none() {
                                assert_eq!(sandbox.fetch_value::<i64>(count(t), ()).await.expect("a count"), expected);
                            }
                            if let Some(proxy) = proxy {
                                most.fetch_max(proxy.open_connections(), Ordering::SeqCst);
                            }
                            match number % 4 {
                                0 => {
                                    drop(guard);
                                    assert!(sandbox.disconnect().await.expect("it ends"));
                                    None
                                }
                                1 => {
                                    drop((guard, sandbox));
                                    None
                                }
                                // They outlive their runtime.
                                _ => Some((guard, sandbox)),
                            }
                        });
                        if number % 4 == 2 {
                            drop(left);
                            drop(runtime);
                        } else {
                            drop(runtime);
                            drop(left);
                        }
                    }
                });
            }
        });
        let most = most.load(Ordering::SeqCst);
        assert!(most <= 4 + own, "{most} connections were open");
        assert_eq!(kept(t, &database).await, "");
        soon("disconnect", database.disconnect()).await?;
        if let Some(proxy) = &proxy {
            until("every connection is closed", || proxy.open_connections() == 0).await;
        }
        Ok(())
    }

    async fn t7_a_runtime_shut_down_in_the_middle_of_a_statement(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for _ in 0..3 {
            let sandbox = database.sandbox().await?;
            let (used, sql, slow) = (sandbox.clone(), add(&t, "a"), slow(&t));
            let (begun, told) = oneshot::channel();
            let thread = thread::spawn(move || {
                let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
                runtime.spawn(async move {
                    let transaction = used.transaction().await.expect("it begins");
                    transaction.execute(sql, ()).await.expect("it writes");
                    begun.send(()).expect("the test waits");
                    let _ = transaction.fetch_all(slow, ()).await;
                    unreachable_unless_fast().await;
                });
                told.blocking_recv().expect("it came so far");
                runtime.shutdown_timeout(Duration::from_secs(5));
            });
            soon("the thread", tokio::task::spawn_blocking(move || thread.join())).await.expect("no panic").expect("no panic");
            // Its transaction is gone, and the sandbox usable from here.
            assert_eq!(soon("the sandbox", sandbox.fetch_value::<String>(list(&t), ())).await?, "");
            sandbox.execute(add(&t, "b"), ()).await?;
            drop(sandbox);
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    async fn t7_a_task_that_panics(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for shape in 0..3 {
            let (parent, sql) = (database.clone(), [add(&t, "a"), add(&t, "b")]);
            let task = tokio::spawn(async move {
                let [one, two] = sql;
                let sandbox = parent.sandbox().await.expect("a sandbox");
                sandbox.execute(one, ()).await.expect("it writes");
                assert!(shape != 0, "in the sandbox");
                let transaction = sandbox.transaction().await.expect("it begins");
                transaction.execute(two, ()).await.expect("it writes");
                assert!(shape != 1, "in a transaction");
                let _ = transaction.transaction().run(async |_| -> Result<()> { panic!("in a closure") }).await;
            });
            assert!(task.await.expect_err("it panics").is_panic());
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    async fn t7_a_forgotten_guard_keeps_nothing(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for disconnected in [true, false] {
            let sandbox = database.sandbox().await?;
            let (used, sql) = (sandbox.clone(), add(&t, "a"));
            in_task(async move {
                let transaction = used.transaction().await?;
                transaction.execute(sql, ()).await?;
                std::mem::forget(transaction);
                Ok::<_, Error>(())
            })
            .await?;
            if disconnected {
                soon("disconnect", sandbox.disconnect()).await?;
            }
            drop(sandbox);
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    async fn t7_a_guard_that_outlives_its_sandbox_says_so(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let sandbox = database.sandbox().await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let connection = transaction.clone();
        drop(sandbox);
        let error = soon("the guard", transaction.execute(add(&t, "b"), ())).await.expect_err("its sandbox is gone");
        assert!(error.to_string().contains("disconnected"), "{error}");
        soon("the connection", connection.execute(add(&t, "b"), ())).await.expect_err("its sandbox is gone");
        soon("the commit", transaction.commit()).await.expect_err("its sandbox is gone");
        next_is_clean(&t, &database).await;
        drop((transaction, connection));
        next_is_clean(&t, &database).await;
        Ok(())
    }

    async fn t7_sandboxes_outlive_the_handle_of_their_parent_but_not_its_connection(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let other = database.clone();
        let (first, second) = (database.sandbox().await?, database.sandbox().await?);
        first.execute(add(&t, "first"), ()).await?;
        second.execute(add(&t, "second"), ()).await?;
        drop(other);
        // The one in use and the one not yet used.
        let third = database.sandbox().await?;
        let waiting = second.transaction().await?;
        assert!(soon("disconnect", database.disconnect()).await?);
        soon("a sandbox", third.fetch_value::<i64>(count(&t), ())).await.expect_err("its parent is disconnected");
        if t.backend().is_server() {
            // A private copy of a SQLite database needs nobody else.
            soon("a sandbox", first.fetch_value::<i64>(count(&t), ())).await.expect_err("its parent is disconnected");
            soon("a guard", waiting.execute(add(&t, "x"), ())).await.expect_err("its parent is disconnected");
        }
        drop(waiting);
        let late = database.sandbox().await;
        assert_eq!(late.err().map(|error| error.kind()), Some(ErrorKind::NotConnected));
        soon("its end", first.disconnect()).await?;
        drop((second, third));
        Database::connect(&database).await?;
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
            Database::connect(&first).await?;
            assert_eq!(seen(&t, &first).await, "", "it can be opened again");
        }
        drop(database);
        if t.can_observe() {
            assert_eq!(seen(&t, &first).await, "", "a sandbox keeps its parent");
        }
        Ok(())
    }

    async fn t7_a_sandbox_is_given_back_after_its_runtime_is_gone(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for in_transaction in [false, true] {
            let (parent, sql) = (database.clone(), [add(&t, "a"), add(&t, "b")]);
            let thread = thread::spawn(move || {
                let runtime = runtime();
                let left = runtime.block_on(async {
                    let [one, two] = sql;
                    let sandbox = parent.sandbox().await.expect("a sandbox");
                    sandbox.execute(one, ()).await.expect("it writes");
                    let mut guard = None;
                    if in_transaction {
                        let transaction = sandbox.transaction().await.expect("it begins");
                        transaction.execute(two, ()).await.expect("it writes");
                        guard = Some(transaction);
                    }
                    (guard, sandbox)
                });
                drop(runtime);
                drop(left);
            });
            soon("the thread", tokio::task::spawn_blocking(move || thread.join())).await.expect("no panic").expect("no panic");
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    async fn f10_sandboxes_beyond_the_limit_wait_for_their_turn(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1).pool_timeout(Duration::from_millis(300))).await;
        let first = database.sandbox().await?;
        first.execute(add(&t, "first"), ()).await?;
        let second = database.sandbox().await?;
        let error = soon("the second", second.fetch_value::<i64>(count(&t), ())).await.expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().contains("sandbox.rs:"), "it names who holds it: {error}");
        drop(first);
        assert_eq!(soon("the second", second.fetch_value::<String>(list(&t), ())).await?, "");
        Ok(())
    }

    async fn f10_what_a_sandbox_sets_does_not_leak_into_the_next(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let (set, look): (Vec<AssertSqlSafe<String>>, Vec<AssertSqlSafe<String>>) = match t.backend().family() {
            "postgres" => (
                vec![
                    t.sql("set work_mem = '7MB'"),
                    t.sql("set application_name = 'changed'"),
                    t.sql("select pg_advisory_lock(hashtext('{notes}'))"),
                    t.sql("do $$ begin perform pg_advisory_lock(hashtext('{notes}x')); end $$"),
                    t.sql("create temporary table scratch (n int)"),
                    t.sql("prepare kept as select 1"),
                    t.sql("listen somewhere"),
                    t.sql("set role pg_monitor"),
                ],
                vec![
                    t.sql("select case when current_setting('work_mem') = '7MB' then 1 else 0 end::bigint"),
                    t.sql("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"),
                    t.sql("select count(*) from pg_class where relname = 'scratch' and relnamespace = pg_my_temp_schema()"),
                    t.sql("select count(*) from pg_prepared_statements where name = 'kept'"),
                    t.sql("select count(*) from pg_listening_channels()"),
                    t.sql("select case when current_user = 'pg_monitor' then 1 else 0 end::bigint"),
                ],
            ),
            "mysql" => (
                vec![
                    t.sql("set @kept = 1"),
                    t.sql("select 5 into @other"),
                    t.sql("set session sort_buffer_size = 999424"),
                    t.sql("select get_lock('{notes}', 1)"),
                    t.sql("create temporary table scratch (n int)"),
                    t.sql("set names latin1"),
                ],
                vec![
                    t.sql("select if(@kept is null, 0, 1)"),
                    t.sql("select if(@other is null, 0, 1)"),
                    t.sql("select if(@@sort_buffer_size = 999424, 1, 0)"),
                    t.sql("select ifnull(is_used_lock('{notes}') = connection_id(), 0)"),
                    t.sql("select if(@@character_set_client = 'latin1', 1, 0)"),
                ],
            ),
            _ => (
                vec![
                    t.sql("create temporary table scratch (n int)"),
                    t.sql("pragma case_sensitive_like = 1"),
                    t.sql("pragma cache_size = 1234"),
                    t.sql("pragma recursive_triggers = 1"),
                    t.sql("attach ':memory:' as other"),
                ],
                vec![
                    t.sql("select count(*) from sqlite_temp_schema where name = 'scratch'"),
                    t.sql("select 'A' not like 'a'"),
                    t.sql("select cache_size = 1234 from pragma_cache_size"),
                    t.sql("select recursive_triggers from pragma_recursive_triggers"),
                    t.sql("select count(*) from pragma_database_list where name = 'other'"),
                ],
            ),
        };
        // Each alone, because one that makes the connection unfit would hide the others.
        let mut leaked = Vec::new();
        for set in set {
            let text = set.0.clone();
            let sandbox = database.sandbox().await?;
            let done = sandbox.execute(set, ()).await;
            if let Err(error) = &done {
                // ATTACH is refused inside a transaction.
                assert!(text.starts_with("attach"), "{text}: {error}");
            }
            sandbox.disconnect().await?;
            let next = database.sandbox().await?;
            for look in &look {
                let found: i64 = next.fetch_value(AssertSqlSafe(look.0.clone()), ()).await.unwrap_or_else(|error| panic!("{}: {error:?}", look.0));
                if found != 0 {
                    leaked.push(format!("{text} (seen by: {})", look.0));
                }
            }
            if t.backend().is_mysql() {
                next.execute("select * from scratch", ()).await.expect_err("it was temporary");
            }
            next.disconnect().await?;
        }
        assert!(leaked.is_empty(), "{leaked:#?}");
        Ok(())
    }

    #[only(postgres)]
    async fn f6_the_session_bears_the_name_of_the_sandbox(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let name = |sandbox: Database| async move {
            sandbox.fetch_value::<String>("select current_setting('application_name')", ()).await
        };
        let first = name(database.sandbox().name("creates_a_note").await?).await?;
        let second = name(database.sandbox().name("creates_a_note").await?).await?;
        assert!(first.starts_with("creates_a_note#") && second.starts_with("creates_a_note#"), "{first} {second}");
        assert_ne!(first, second);
        let odd = name(database.sandbox().name("it's a \\ größe").await?).await?;
        assert!(odd.starts_with("it's a "), "{odd}");
        Ok(())
    }

    async fn f10_a_sandbox_keeps_its_last_statements_but_no_values(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().record(3).await?;
        for body in ["first", "second", "third"] {
            sandbox.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body }).await?;
        }
        sandbox.execute("select no_such_column", ()).await.expect_err("there is no such column");
        let recorded = sandbox.recorded();
        assert_eq!(recorded.len(), 3, "{recorded:?}");
        let last = recorded.last().expect("one");
        assert!(last.sql.contains("no_such_column") && last.error.is_some(), "{last}");
        let text = recorded.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains("insert into") && !text.contains("third"), "{text}");
        assert!(database.sandbox().await?.recorded().is_empty());
        Ok(())
    }

    /// `force_rollback(false)` in a sandbox really writes.
    async fn f2_a_sandbox_can_be_left_for_a_moment(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        {
            let _really = sandbox.force_rollback(false);
            sandbox.execute(add(&t, "real"), ()).await?;
        }
        sandbox.execute(add(&t, "undone"), ()).await?;
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &database).await, "real");
        Ok(())
    }
}

/// A statement may end before the runtime does; the task must still be there then.
async fn unreachable_unless_fast() {
    std::future::pending::<()>().await;
}
