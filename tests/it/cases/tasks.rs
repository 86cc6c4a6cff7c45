//! Whose connection it is: tasks, sharing, streams beside statements, and several futures in one task.

use std::cell::RefCell;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Connection, Database, Error, ErrorKind, Result, RowStream, Transaction, params};
use futures::future::{join_all, poll_fn};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, poll};
use tokio::sync::{Barrier, oneshot};
use tokio::time::{sleep, timeout};

use crate::support::{Test, cases};

/// The settings of the test's database.
pub(super) fn config(t: &Test) -> Config {
    Config::from_url(t.url().as_str()).expect("the URL of the test")
}

/// A database that has the table `notes`.
pub(super) async fn notes(t: &Test) -> Database {
    notes_with(t, config(t)).await
}

/// The same with settings.
pub(super) async fn notes_with(t: &Test, config: Config) -> Database {
    let database = Database::connect(config).await.expect("the database");
    let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
    database.execute(create, ()).await.expect("the table");
    database
}

/// The statement that adds a note.
pub(super) fn add(t: &Test, body: impl Display) -> AssertSqlSafe<String> {
    t.sql(&format!("insert into {{notes}} (body) values ('{body}')"))
}

/// The query that tells how many notes there are.
pub(super) fn count(t: &Test) -> AssertSqlSafe<String> {
    t.sql("select count(*) from {notes}")
}

/// The query that lists the notes: `a,b`.
pub(super) fn list(t: &Test) -> AssertSqlSafe<String> {
    AssertSqlSafe(list_of(t, "notes"))
}

fn list_of(t: &Test, table: &str) -> String {
    t.words(&if t.backend().is_postgres() {
        format!("select coalesce(string_agg(body, ',' order by body), '') from {{{table}}}")
    } else if t.backend().is_mysql() {
        format!("select coalesce(group_concat(body order by body separator ','), '') from {{{table}}}")
    } else {
        format!("select coalesce(group_concat(body, ','), '') from (select body from {{{table}}} order by body)")
    })
}

/// The notes that are really committed, seen from the side: `a,b`.
pub(super) async fn kept(t: &Test, database: &Database) -> String {
    kept_in(t, database, "notes").await
}

/// The same of another table.
pub(super) async fn kept_in(t: &Test, database: &Database, table: &str) -> String {
    let sql = list_of(t, table);
    if t.can_observe() {
        let mut observer = t.observer().await;
        let text = observer.text(&sql).await.expect("the list of notes");
        observer.close().await.expect("the observer leaves");
        text
    } else {
        let database = database.clone();
        in_task(async move { database.fetch_value(AssertSqlSafe(sql), ()).await })
            .await
            .expect("the list of notes")
    }
}

/// Connections in use.
pub(super) fn in_use(database: &Database) -> usize {
    database.status().expect("it is connected").in_use
}

/// Runs a future in a task of its own.
pub(super) async fn in_task<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(future).await.expect("the task did not panic")
}

/// Waits, with a limit, for what another task brings about.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain until {what}");
}

/// Fails instead of hanging.
pub(super) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match timeout(Duration::from_secs(20), future.into_future()).await {
        Ok(result) => result,
        Err(_) => panic!("{what} hangs"),
    }
}

/// Lets the other futures of this task, and the server, have many turns.
pub(super) async fn let_others_run() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(5)).await;
}

/// The kind of error a result holds.
pub(super) fn kind<T>(result: &Result<T>) -> Option<ErrorKind> {
    result.as_ref().err().map(Error::kind)
}

/// The line below the caller's.
#[track_caller]
pub(super) fn line_below() -> String {
    let here = std::panic::Location::caller();
    format!("{}:{}", here.file(), here.line() + 1)
}

/// Asserts that an error refuses concurrent use and names places of this file, on so many different lines.
fn refused<T>(result: Result<T>, places: usize) {
    let error = match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ConcurrentUse, "{error}");
    let mut lines: Vec<_> = error
        .message()
        .split("tasks.rs:")
        .skip(1)
        .map(|rest| rest.split(':').next())
        .collect();
    lines.dedup();
    assert!(lines.len() >= places, "{places} places are named: {error}");
}

/// The numbers from 1 to `last`, one in a row. No table is read.
fn numbers(last: u32) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {last}) select i from n"
    ))
}

async fn next_number(rows: &mut RowStream) -> Option<i64> {
    rows.try_next()
        .await
        .expect("the stream goes on")
        .map(|row| row.get::<i64>(0).expect("a number"))
}

async fn rest(rows: RowStream) -> Vec<i64> {
    rows.map(|row| row.expect("the stream goes on").get::<i64>(0).expect("a number"))
        .collect()
        .await
}

fn one_to(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

/// One run of the closure form that writes what it does into a log, with many turns for its siblings in between.
async fn logged(t: &Test, database: &Database, log: &RefCell<Vec<String>>, name: &str, keep: bool) -> Result<()> {
    database
        .transaction()
        .run(async |transaction: Transaction| {
            log.borrow_mut().push(format!("{name} begins"));
            transaction.execute(add(t, format!("{name}1")), ()).await?;
            let_others_run().await;
            database.execute(add(t, format!("{name}2")), ()).await?;
            let_others_run().await;
            log.borrow_mut().push(format!("{name} ends"));
            if keep { Ok(()) } else { Err(undo()) }
        })
        .await
}

/// An error to end a closure with.
fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

fn is_undo(result: &Result<()>) -> bool {
    kind(result) == Some(undo().kind())
}

cases! {
    async fn t1_a_task_keeps_one_connection_while_a_handle_lives(t: Test) -> Result<()> {
        let database = t.database().await;
        let first = database.connection();
        assert_eq!(in_use(&database), 0, "nothing is acquired before the first use");
        // Only its own connection sees a temporary table.
        first.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        assert_eq!(in_use(&database), 1);
        let second = database.connection();
        drop(first);
        let mine = || t.sql("select count(*) from {mine}");
        assert_eq!(second.fetch_value::<i64>(mine(), ()).await?, 0, "another handle is the same connection");
        assert_eq!(database.fetch_value::<i64>(mine(), ()).await?, 0, "plain calls run on it");
        assert_eq!(in_use(&database), 1);
        drop(second);
        assert_eq!(in_use(&database), 0, "the last handle gives it back");
        Ok(())
    }

    async fn t1_other_tasks_get_other_connections(t: Test) -> Result<()> {
        let database = t.database().await;
        let mine = database.connection();
        mine.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        let (other, sql) = (database.clone(), t.sql("select count(*) from {mine}"));
        let seen = in_task(async move {
            let connection = other.connection();
            let seen = connection.fetch_value::<i64>(sql, ()).await;
            (seen, in_use(&other))
        })
        .await;
        assert_eq!((kind(&seen.0), seen.1), (Some(ErrorKind::UndefinedObject), 2));
        Ok(())
    }

    async fn t1_in_a_transaction_the_tasks_connection_is_inside_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let connection = database.connection();
        connection.execute(add(&t, "a"), ()).await?;
        assert_eq!(in_use(&database), 1);
        transaction.rollback().await?;
        connection.execute(add(&t, "b"), ()).await?;
        assert_eq!(in_use(&database), 1, "the connection outlives the transaction while a handle lives");
        drop(connection);
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t1_a_transaction_begins_on_the_tasks_connection(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        connection.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        let transaction = database.transaction().await?;
        assert_eq!(transaction.fetch_value::<i64>(t.sql("select count(*) from {mine}"), ()).await?, 0);
        assert_eq!(in_use(&database), 1);
        transaction.commit().await?;
        Ok(())
    }

    async fn t2_plain_calls_run_inside_the_tasks_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        database.execute(add(&t, "a"), ()).await?;
        let sql = t.sql("insert into {notes} (body) values (:body)");
        database.execute_many(sql, ["b", "c"].map(|body| params! { body })).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
        assert_eq!(database.fetch_all(t.sql("select body from {notes}"), ()).await?.len(), 3);
        let rows: Vec<_> = database.iterate(t.sql("select body from {notes}"), ()).try_collect().await?;
        assert_eq!((rows.len(), in_use(&database)), (3, 1));
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        database.execute(add(&t, "d"), ()).await?;
        assert_eq!(kept(&t, &database).await, "d", "afterwards calls commit for themselves");
        Ok(())
    }

    async fn t2_another_task_is_outside_of_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // No lock is taken yet, so that others may write on SQLite too.
        let transaction = database.transaction().await?;
        let (other, sql) = (database.clone(), add(&t, "other"));
        in_task(async move { other.execute(sql, ()).await }).await?;
        assert_eq!(kept(&t, &database).await, "other");
        transaction.execute(add(&t, "mine"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "other");
        Ok(())
    }

    async fn t2_without_a_binding_calls_run_side_by_side(t: Test) -> Result<()> {
        let database = t.database().await;
        let (mut first, mut second) = (database.iterate(numbers(100), ()), database.iterate(numbers(100), ()));
        assert_eq!(futures::join!(next_number(&mut first), next_number(&mut second)), (Some(1), Some(1)));
        assert_eq!(in_use(&database), 2, "each stream has a connection");
        assert_eq!(database.fetch_value::<i64>("select 42", ()).await?, 42, "and a statement beside them too");
        drop((first, second));
        until("the streams' connections are free", || in_use(&database) == 0).await;
        // Of statements in `join!`, too, several are under way at once; one so quick that it is not seen is tried again.
        for _ in 0..5000 {
            {
                let mut one = pin!(database.fetch_value::<i64>(numbers(500), ()).into_future());
                let mut two = pin!(database.fetch_value::<i64>(numbers(500), ()).into_future());
                if poll!(&mut one).is_pending() && poll!(&mut two).is_pending() && in_use(&database) == 2 {
                    let (one, two) = futures::join!(one, two);
                    return Ok(assert_eq!((one?, two?), (1, 1)));
                }
            }
            until("all is quiet", || in_use(&database) == 0).await;
        }
        panic!("two statements were never under way at once");
    }

    /// There is nothing to share before the transaction is there, and nothing that has ended afterwards.
    async fn t3_a_share_beside_a_begin_under_way_has_a_connection_of_its_own(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for _ in 0..5000 {
            let mut begin = database.transaction().into_future();
            if let Poll::Ready(early) = poll!(&mut begin) {
                early?.rollback().await?;
                continue;
            }
            let (child, sql) = (database.clone(), list(&t));
            let shared = database.share(async move { child.fetch_value::<String>(sql, ()).await });
            let transaction = soon("the begin", begin).await?;
            assert_eq!(soon("the child", in_task(shared)).await?, "");
            transaction.commit().await?;
            return Ok(());
        }
        panic!("no begin was ever under way");
    }

    async fn t3_a_connection_moved_into_a_task_shares_the_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (connection, sql) = (database.connection(), add(&t, "a"));
        in_task(async move { connection.execute(sql, ()).await }).await?;
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a,b");
        assert_eq!(in_use(&database), 1);
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_a_clone_of_the_guards_connection_shares_and_leaves_the_binding(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (connection, sql) = (Connection::clone(&transaction), add(&t, "a"));
        in_task(async move { connection.execute(sql, ()).await }).await?;
        // The guard did not move, so plain calls of this task are still inside.
        soon("a plain call", database.execute(add(&t, "b"), ())).await?;
        transaction.execute(add(&t, "c"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_inside_run_connections_can_be_moved_into_tasks(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let run = database.transaction().run(async |transaction: Transaction| {
            let (connection, sql) = (database.connection(), add(&t, "a"));
            soon("the task's connection", in_task(async move { connection.execute(sql, ()).await })).await?;
            let (connection, sql) = (Connection::clone(&transaction), add(&t, "b"));
            soon("the guard's connection", in_task(async move { connection.execute(sql, ()).await })).await?;
            soon("a plain call", database.execute(add(&t, "c"), ())).await?;
            assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
            Err::<(), _>(undo())
        });
        assert!(is_undo(&run.await));
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_share_lets_a_spawned_task_join_the_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (other, sql) = (database.clone(), add(&t, "a"));
        in_task(database.share(async move { other.execute(sql, ()).await })).await?;
        let (other, sql, inner) = (database.clone(), add(&t, "b"), add(&t, "c"));
        in_task(transaction.share(async move {
            other.execute(sql, ()).await?;
            // And what that task shares on.
            let innermost = other.clone();
            in_task(other.share(async move { innermost.execute(inner, ()).await })).await
        }))
        .await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
        assert_eq!(in_use(&database), 1);
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_a_shared_task_can_begin_transactions_inside(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (other, one, two) = (database.clone(), add(&t, "a"), add(&t, "b"));
        in_task(database.share(async move {
            let savepoint = other.transaction().await?;
            other.execute(one, ()).await?;
            savepoint.rollback().await?;
            let savepoint = other.transaction().await?;
            savepoint.execute(two, ()).await?;
            savepoint.commit().await
        }))
        .await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "b");
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t3_share_of_a_plain_connection_shares_that(t: Test) -> Result<()> {
        let database = t.database().await;
        let connection = database.connection();
        connection.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        for by_database in [true, false] {
            let (other, sql) = (database.clone(), t.sql("select count(*) from {mine}"));
            let work = async move { other.fetch_value::<i64>(sql, ()).await };
            let seen = if by_database {
                in_task(database.share(work)).await
            } else {
                in_task(connection.share(work)).await
            };
            assert_eq!(seen?, 0);
        }
        Ok(())
    }

    async fn t3_share_without_a_binding_is_just_the_future(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        in_task(database.share(async move { other.execute(sql, ()).await })).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn t3_after_its_end_sharers_get_an_error_and_write_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for how in ["commit", "rollback", "drop"] {
            let transaction = database.transaction().await?;
            let (go, gone) = oneshot::channel::<()>();
            let (other, sql, again) = (database.clone(), add(&t, "silent"), add(&t, "silent"));
            let child = tokio::spawn(database.share(async move {
                gone.await.expect("the parent tells");
                let plain = other.execute(sql, ()).await;
                (kind(&plain), kind(&other.connection().execute(again, ()).await), kind(&other.transaction().await))
            }));
            let (moved, sql) = (Connection::clone(&transaction), add(&t, "silent"));
            match how {
                "commit" => transaction.commit().await?,
                "rollback" => transaction.rollback().await?,
                _ => drop(transaction),
            }
            go.send(()).expect("the child waits");
            let ended = Some(ErrorKind::TransactionEnded);
            assert_eq!(child.await.expect("no panic"), (ended, ended, ended), "{how}");
            assert_eq!(kind(&in_task(async move { moved.execute(sql, ()).await }).await), ended, "{how}");
        }
        assert_eq!(kept(&t, &database).await, "");
        until("nothing is held", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn t4_statements_of_one_task_queue_in_order(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let all = (10..60).map(|number| transaction.execute(add(&t, number), ()).into_future());
        for done in join_all(all).await {
            assert_eq!(done?.rows_affected, 1);
        }
        transaction.commit().await?;
        let connection = database.connection();
        let all = (60..90).map(|number| connection.execute(add(&t, number), ()).into_future());
        for done in join_all(all).await {
            done?;
        }
        let order: Vec<String> = connection.fetch_all(t.sql("select body from {notes} order by id"), ()).value().await?;
        assert_eq!(order, (10..90).map(|number| number.to_string()).collect::<Vec<_>>());
        Ok(())
    }

    async fn t4_statements_of_many_tasks_queue_and_none_fails(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let start = std::sync::Arc::new(Barrier::new(8));
        let tasks = (0..8).map(|task| {
            let (other, start) = (database.clone(), start.clone());
            let statements: Vec<_> = (10..20).map(|number| add(&t, format!("{task}{number}"))).collect();
            tokio::spawn(database.share(async move {
                start.wait().await;
                for statement in statements {
                    other.execute(statement, ()).await?;
                }
                Ok::<_, Error>(())
            }))
        });
        for task in join_all(tasks).await {
            task.expect("no panic")?;
        }
        for task in 0..8 {
            let sql = t.sql(&format!("select body from {{notes}} where body like '{task}%' order by id"));
            let order: Vec<String> = transaction.fetch_all(sql, ()).value().await?;
            assert_eq!(order, (10..20).map(|number| format!("{task}{number}")).collect::<Vec<_>>());
        }
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t5_a_statement_beside_an_open_stream_works(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let mut rows = transaction.iterate(numbers(300), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        soon("a statement beside the stream", transaction.execute(add(&t, "a"), ())).await?;
        assert_eq!(next_number(&mut rows).await, Some(2));
        let here = soon("a plain query beside the stream", database.fetch_value::<String>(list(&t), ())).await?;
        assert_eq!(here, "a");
        assert_eq!(rest(rows).await, one_to(300)[2..], "no row is lost");
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn t5_a_statement_inside_the_loop_over_a_stream_works(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        let mut rows = connection.iterate(numbers(30), ());
        let mut sum = 0;
        while let Some(number) = next_number(&mut rows).await {
            soon("a statement in the loop", connection.execute(add(&t, 100 + number), ())).await?;
            sum += number;
        }
        assert_eq!((sum, connection.fetch_value::<i64>(count(&t), ()).await?), (465, 30));
        Ok(())
    }

    async fn t5_streams_on_one_connection_interleave(t: Test) -> Result<()> {
        let database = t.database().await;
        let transaction = database.transaction().await?;
        let (mut first, mut second) = (transaction.iterate(numbers(200), ()), transaction.iterate(numbers(100), ()));
        let interleaved = async {
            for number in 1..=100 {
                assert_eq!(next_number(&mut first).await, Some(number));
                assert_eq!(next_number(&mut second).await, Some(number));
            }
        };
        soon("two streams", interleaved).await;
        assert_eq!(next_number(&mut second).await, None);
        assert_eq!(rest(first).await, one_to(200)[100..]);
        transaction.rollback().await
    }

    async fn t5_savepoints_and_commits_beside_an_open_stream_work(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let mut rows = transaction.iterate(numbers(50), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        let savepoint = soon("a savepoint", transaction.transaction().into_future()).await?;
        savepoint.execute(add(&t, "a"), ()).await?;
        soon("its rollback", savepoint.rollback()).await?;
        transaction.execute(add(&t, "b"), ()).await?;
        assert_eq!(next_number(&mut rows).await, Some(2));
        let mut more = transaction.iterate(numbers(50), ());
        assert_eq!(next_number(&mut more).await, Some(1));
        soon("the commit", transaction.commit()).await?;
        assert_eq!(rest(rows).await, one_to(50)[2..]);
        assert_eq!(rest(more).await, one_to(50)[1..]);
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t5_a_statement_waits_for_no_stream_that_was_dropped_or_never_read(t: Test) -> Result<()> {
        let database = t.database().await;
        let transaction = database.transaction().await?;
        let unread = transaction.iterate(numbers(100), ());
        assert_eq!(soon("beside one not read", transaction.fetch_value::<i64>("select 1", ())).await?, 1);
        let mut dropped = transaction.iterate(numbers(900), ());
        assert_eq!(next_number(&mut dropped).await, Some(1));
        drop(dropped);
        assert_eq!(soon("after one dropped", transaction.fetch_value::<i64>("select 2", ())).await?, 2);
        assert_eq!(rest(unread).await, one_to(100));
        transaction.rollback().await
    }

    async fn t5_joined_and_spawned_statements_beside_a_stream_work(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let mut rows = transaction.iterate(numbers(200), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        // The reader of the stream waits for the writer, in the same task.
        let (written, wait) = oneshot::channel();
        let reader = async {
            wait.await.expect("the writer tells");
            rest(rows).await
        };
        let writer = async {
            let done = database.execute(add(&t, "a"), ()).await;
            written.send(()).expect("the reader waits");
            done
        };
        let (numbers_read, done) = soon("join!", async { futures::join!(reader, writer) }).await;
        assert_eq!((numbers_read, done?.rows_affected), (one_to(200)[1..].to_vec(), 1));

        let mut rows = transaction.iterate(numbers(200), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        let (other, sql) = (database.clone(), add(&t, "b"));
        let task = in_task(database.share(async move { other.execute(sql, ()).await }));
        soon("a spawned statement", task).await?;
        assert_eq!(rest(rows).await, one_to(200)[1..]);
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    async fn t5_a_stream_read_by_another_task_goes_on(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (ask, mut asked) = tokio::sync::mpsc::channel::<oneshot::Sender<Option<i64>>>(1);
        let mut rows = transaction.iterate(numbers(40), ());
        let reader = tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let _ = answer.send(next_number(&mut rows).await);
            }
        });
        for number in 1..=40 {
            let (answer, answered) = oneshot::channel();
            ask.send(answer).await.expect("the reader is there");
            assert_eq!(soon("the reader", answered).await, Ok(Some(number)));
            soon("a statement", transaction.execute(add(&t, number), ())).await?;
        }
        drop(ask);
        reader.await.expect("no panic");
        transaction.rollback().await
    }

    async fn t5_too_many_rows_to_put_aside_fail_at_once_naming_the_stream(t: Test) -> Result<()> {
        let database = Database::connect(config(&t).stream_buffer_rows(10_usize)).await?;
        let transaction = database.transaction().await?;
        let opened = line_below();
        let mut rows = transaction.iterate(numbers(500), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        let beside = soon("the statement", transaction.fetch_value::<i64>("select 7", ())).await;
        let error = beside.expect_err("there are more rows than are put aside");
        assert_eq!(error.kind(), ErrorKind::ConcurrentUse);
        assert!(error.message().contains(&opened), "{opened} is named: {error}");
        assert_eq!(rest(rows).await, one_to(500)[1..], "the stream has lost nothing");
        assert_eq!(transaction.fetch_value::<i64>("select 8", ()).await?, 8);
        transaction.rollback().await
    }

    async fn t5_in_the_sandbox_too(t: Test) -> Result<()> {
        let database = Database::connect(config(&t).force_rollback(true)).await?;
        let mut rows = database.iterate(numbers(100), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        assert_eq!(soon("a statement", database.fetch_value::<i64>("select 7", ())).await?, 7);
        let other = database.clone();
        let task = in_task(async move { other.fetch_value::<i64>("select 8", ()).await });
        assert_eq!(soon("another task's", task).await?, 8);
        let inside = database.transaction().run(async |transaction: Transaction| {
            transaction.fetch_value::<i64>("select 9", ()).await
        });
        assert_eq!(soon("a transaction", inside).await?, 9);
        assert_eq!(rest(rows).await, one_to(100)[1..]);
        database.disconnect().await?;
        Ok(())
    }

    async fn t6_the_last_handle_gives_a_clean_connection_back(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        let connection = database.connection();
        let clone = connection.clone();
        connection.execute("begin", ()).await?;
        connection.execute(add(&t, "a"), ()).await?;
        drop(connection);
        assert_eq!(clone.fetch_value::<String>(list(&t), ()).await?, "a", "a clone keeps it");
        drop(clone);
        // The one connection there is has no transaction open any more.
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "b");
        assert_eq!(kept(&t, &database).await, "b");
        until("it is free", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn t6_a_finished_task_leaves_nothing_behind(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        in_task(async move {
            let transaction = other.transaction().await?;
            other.execute(sql, ()).await?;
            drop(transaction);
            let _left_to_the_end = other.transaction().await?;
            Ok::<_, Error>(())
        })
        .await?;
        until("its connection is free", || in_use(&database) == 0).await;
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t6_an_aborted_task_leaves_nothing_behind(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for closure in [false, true] {
            let (inside, told) = oneshot::channel();
            let (other, sql) = (database.clone(), add(&t, "a"));
            let task = tokio::spawn(async move {
                let work = async {
                    other.execute(sql, ()).await.expect("an insert");
                    inside.send(()).expect("the test waits");
                    std::future::pending::<()>().await;
                };
                if closure {
                    other.transaction().run(async |_| Ok::<_, Error>(work.await)).await
                } else {
                    let _guard = other.transaction().await?;
                    Ok(work.await)
                }
            });
            told.await.expect("it came so far");
            assert_eq!(in_use(&database), 1);
            task.abort();
            assert!(task.await.expect_err("it was aborted").is_cancelled());
            until("its connection is free", || in_use(&database) == 0).await;
            assert_eq!(kept(&t, &database).await, "");
        }
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t6_without_a_task_bindings_end_with_the_handle_too(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for (round, body) in ["a", "b", "c"].into_iter().enumerate() {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "inside"), ()).await?;
            if round == 1 { transaction.rollback().await? } else { drop(transaction) }
            database.execute(add(&t, body), ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "a,b,c");
        Ok(())
    }

    async fn t8_two_unbound_runs_are_two_transactions_on_two_connections(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let both_begun = Barrier::new(2);
        let (committed, wait) = oneshot::channel();
        let first = database.transaction().run(async |transaction: Transaction| {
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
        let second = database.transaction().run(async |_| {
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

    async fn t8_runs_joined_inside_a_guard_are_savepoints_one_after_the_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let log = RefCell::default();
        let outer = database.transaction().await?;
        let (a, b, c) = soon("join!", async {
            futures::join!(
                logged(&t, &database, &log, "a", true),
                logged(&t, &database, &log, "b", false),
                logged(&t, &database, &log, "c", true),
            )
        })
        .await;
        assert!(a.is_ok() && is_undo(&b) && c.is_ok(), "{a:?} {b:?} {c:?}");
        assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
        assert_eq!(in_use(&database), 1);
        assert_eq!(outer.fetch_value::<String>(list(&t), ()).await?, "a1,a2,c1,c2");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a1,a2,c1,c2");
        Ok(())
    }

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

    async fn t8_runs_on_the_guard_itself_queue_as_well(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let one = async |body: &str, keep: bool| {
            let work = async |inner: Transaction| {
                inner.execute(add(&t, body), ()).await?;
                let_others_run().await;
                if keep { Ok(()) } else { Err(undo()) }
            };
            outer.transaction().run(work).await
        };
        let (a, b) = soon("join!", async { futures::join!(one("a", false), one("b", true)) }).await;
        assert!(is_undo(&a) && b.is_ok(), "{a:?} {b:?}");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

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

    async fn t8_guards_begun_side_by_side_are_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // A begin that is done at its first poll is no concurrent one; then it is tried again.
        for _ in 0..5000 {
            let mut first = database.transaction().into_future();
            if let Poll::Ready(early) = poll!(&mut first) {
                early?.rollback().await?;
                continue;
            }
            refused(soon("the second", database.transaction().into_future()).await, 2);
            let first = first.await?;
            first.execute(add(&t, "a"), ()).await?;
            first.commit().await?;
            assert_eq!(kept(&t, &database).await, "a");
            assert_eq!(in_use(&database), 0);
            return Ok(());
        }
        panic!("two begins were never under way at once");
    }

    async fn t8_guards_begun_side_by_side_inside_a_transaction_are_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        for _ in 0..5000 {
            let mut first = database.transaction().into_future();
            if let Poll::Ready(early) = poll!(&mut first) {
                early?.rollback().await?;
                continue;
            }
            refused(soon("the second", database.transaction().into_future()).await, 2);
            let first = first.await?;
            first.execute(add(&t, "a"), ()).await?;
            first.rollback().await?;
            outer.execute(add(&t, "b"), ()).await?;
            outer.commit().await?;
            assert_eq!(kept(&t, &database).await, "b");
            return Ok(());
        }
        panic!("two begins were never under way at once");
    }

    async fn t8_joined_guards_inside_run_are_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for _ in 0..5000 {
            let tried = database
                .transaction()
                .run(async |_| {
                    let mut first = database.transaction().into_future();
                    if poll!(&mut first).is_ready() {
                        return Ok(false);
                    }
                    refused(database.transaction().await, 2);
                    first.await?.commit().await?;
                    Ok::<_, Error>(true)
                })
                .await?;
            if tried {
                return Ok(());
            }
        }
        panic!("two begins were never under way at once");
    }

    async fn t8_a_begin_beside_a_statement_of_the_same_transaction_is_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        for round in 0..5000 {
            let mut statement = outer.execute(add(&t, round), ()).into_future();
            if poll!(&mut statement).is_ready() {
                continue;
            }
            refused(soon("the begin", database.transaction().into_future()).await, 2);
            assert_eq!(statement.await?.rows_affected, 1);
            outer.execute(add(&t, "usable"), ()).await?;
            outer.rollback().await?;
            assert_eq!(kept(&t, &database).await, "");
            return Ok(());
        }
        panic!("no statement was ever under way");
    }

    async fn t8_a_begin_beside_a_statement_on_the_tasks_connection_is_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        for _ in 0..5000 {
            let mut statement = connection.fetch_all(numbers(900), ()).into_future();
            if poll!(&mut statement).is_ready() {
                continue;
            }
            refused(soon("the begin", database.transaction().into_future()).await, 2);
            assert_eq!(statement.await?.len(), 900);
            database.transaction().await?.commit().await?;
            return Ok(());
        }
        panic!("no statement was ever under way");
    }

    async fn t8_a_begin_beside_an_unbound_statement_is_none_of_its_business(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let mut statement = database.fetch_value::<i64>(count(&t), ()).into_future();
        let early = poll!(&mut statement);
        let transaction = database.transaction().await?;
        let counted = match early {
            Poll::Ready(counted) => counted,
            Poll::Pending => statement.await,
        };
        assert_eq!(counted?, 0);
        transaction.rollback().await
    }

    async fn t8_a_statement_through_an_outer_guard_is_refused_while_an_inner_is_open(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().await?;
        refused(outer.execute(add(&t, "a"), ()).await, 2);
        refused(outer.transaction().await, 2);
        let streamed = outer.iterate(count(&t), ()).try_next().await;
        refused(streamed, 2);
        inner.execute(add(&t, "b"), ()).await?;
        inner.commit().await?;
        outer.execute(add(&t, "c"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b,c");
        Ok(())
    }

    /// The trap: the arms of `join!` are one task, and the second guard would be a savepoint inside the first.
    async fn t8_guards_in_the_arms_of_join_are_noticed(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (first_begun, second_begun) = (oneshot::channel(), oneshot::channel());
        let first = async {
            let guard = database.transaction().await?;
            first_begun.0.send(()).expect("the second waits");
            second_begun.1.await.expect("the second tells");
            let refusal = guard.execute(add(&t, "a"), ()).await;
            Ok::<_, Error>((guard, refusal))
        };
        let second = async {
            first_begun.1.await.expect("the first tells");
            let guard = database.transaction().await?;
            second_begun.0.send(()).expect("the first waits");
            Ok::<_, Error>(guard)
        };
        let (first, second) = soon("join!", async { futures::join!(first, second) }).await;
        let ((guard, refusal), second) = (first?, second?);
        refused(refusal, 2);
        second.rollback().await?;
        guard.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t8_select_drops_an_arm_and_its_transaction_is_undone(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        let (written, wait) = oneshot::channel();
        let arm = database.transaction().run(async |_| {
            database.execute(add(&t, "a"), ()).await?;
            written.send(()).expect("the other arm waits");
            std::future::pending::<Result<()>>().await
        });
        let selected = async {
            tokio::select! {
                _ = arm => false,
                _ = wait => true,
            }
        };
        assert!(soon("select!", selected).await);
        // The pool has one connection only: this waits until it is clean.
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t8_select_inside_a_transaction_undoes_the_dropped_arm_only(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        let (written, wait) = oneshot::channel();
        let arm = database.transaction().run(async |_| {
            database.execute(add(&t, "a"), ()).await?;
            written.send(()).expect("the other arm waits");
            std::future::pending::<Result<()>>().await
        });
        let selected = async {
            tokio::select! {
                _ = arm => false,
                _ = wait => true,
            }
        };
        assert!(soon("select!", selected).await);
        let next = database.transaction().run(async |_| database.execute(add(&t, "b"), ()).await);
        soon("the next savepoint", next).await?;
        assert_eq!(outer.fetch_value::<String>(list(&t), ()).await?, "b,outer");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b,outer");
        Ok(())
    }

    async fn t8_select_between_two_runs_keeps_the_winner_only(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // The first to be polled writes first; on SQLite the other waits for the lock and is dropped there.
        let winner = database.transaction().run(async |_| database.execute(add(&t, "winner"), ()).await);
        let loser = database.transaction().run(async |_| {
            database.fetch_value::<i64>("select 1", ()).await?;
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
                        database.fetch_value::<i64>("select 1", ()).await?;
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
        let runs = stream::iter(10..40).map(|number| {
            let (t, database, most) = (&t, &database, &most);
            async move {
                let work = async |_| {
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
        assert!(most.get() == 3, "{} connections at once", most.get());
        let kept_numbers: Vec<_> = (10..40).filter(|number| number % 3 != 0).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, kept_numbers.join(","));
        Ok(())
    }

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

    async fn t8_guards_inside_a_run_belong_to_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let both = Barrier::new(2);
        // Each run begins a guard of its own inside; they must not find each other.
        let one = async |keep: bool| {
            let work = async |_| {
                both.wait().await;
                let guard = database.transaction().await?;
                both.wait().await;
                assert_eq!(database.fetch_value::<i64>("select 1", ()).await?, 1);
                both.wait().await;
                guard.commit().await?;
                if keep { Ok(()) } else { Err(undo()) }
            };
            database.transaction().run(work).await
        };
        let (first, second) = soon("join!", async { futures::join!(one(true), one(false)) }).await;
        assert!(first.is_ok() && is_undo(&second), "{first:?} {second:?}");
        assert_eq!(in_use(&database), 0);
        Ok(())
    }

    async fn t8_a_run_inside_share_and_shares_side_by_side(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let log = RefCell::default();
        let outer = database.transaction().await?;
        let (a, b) = soon("join!", async {
            futures::join!(
                database.share(logged(&t, &database, &log, "a", true)),
                outer.share(logged(&t, &database, &log, "b", false)),
            )
        })
        .await;
        assert!(a.is_ok() && is_undo(&b), "{a:?} {b:?}");
        assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends"]);
        // A guard awaited inside a share belongs to that share, not to the task.
        let (begun, wait) = oneshot::channel();
        let (finish, finished) = oneshot::channel::<()>();
        let guarded = database.share(async {
            let guard = database.transaction().await?;
            begun.send(()).expect("the sibling waits");
            database.execute(add(&t, "c"), ()).await?;
            finished.await.expect("the sibling tells");
            guard.rollback().await
        });
        let sibling = async {
            wait.await.expect("the share tells");
            let mut plain = database.execute(add(&t, "d"), ()).into_future();
            assert!(poll!(&mut plain).is_pending(), "it waits for the savepoint's end");
            finish.send(()).expect("the share waits");
            plain.await
        };
        let (guarded, plain) = soon("join!", async { futures::join!(guarded, sibling) }).await;
        guarded?;
        plain?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a1,a2,d");
        Ok(())
    }

    async fn t8_spawned_shares_run_one_after_the_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let tasks = (10..18).map(|number| {
            let (other, sql) = (database.clone(), add(&t, number));
            tokio::spawn(database.share(async move {
                let work = async |transaction: Transaction| {
                    transaction.execute(sql, ()).await?;
                    let_others_run().await;
                    if number % 2 == 0 { Err(undo()) } else { Ok(()) }
                };
                other.transaction().run(work).await
            }))
        });
        let results = soon("all tasks", join_all(tasks)).await;
        let undone = results.iter().filter(|result| is_undo(result.as_ref().expect("no panic"))).count();
        assert_eq!((undone, results.len()), (4, 8), "{results:?}");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "11,13,15,17");
        Ok(())
    }

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

    async fn t9_a_moved_guard_takes_its_binding_along_at_first_use(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (used, first_use) = oneshot::channel();
        let (write, may_write) = oneshot::channel::<()>();
        let (other, inside) = (database.clone(), add(&t, "inside"));
        let task = tokio::spawn(async move {
            // This takes no lock, so that the other task can write on SQLite.
            transaction.fetch_value::<i64>("select 1", ()).await?;
            used.send(()).expect("the test waits");
            may_write.await.expect("the test tells");
            other.execute(inside, ()).await?;
            assert_eq!(transaction.fetch_value::<i64>("select 1", ()).await?, 1);
            transaction.rollback().await
        });
        first_use.await.expect("the task tells");
        database.execute(add(&t, "outside"), ()).await?;
        assert_eq!(kept(&t, &database).await, "outside", "the first task no longer has the binding");
        write.send(()).expect("the task waits");
        task.await.expect("no panic")?;
        assert_eq!(kept(&t, &database).await, "outside", "the second has it");
        Ok(())
    }

    async fn t9_guards_inside_each_other_move_together(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().await?;
        let (other, sql) = (database.clone(), ["a", "b", "c", "d"].map(|body| add(&t, body)));
        in_task(async move {
            let [a, b, c, d] = sql;
            inner.execute(a, ()).await?;
            other.execute(b, ()).await?;
            inner.rollback().await?;
            outer.execute(c, ()).await?;
            other.execute(d, ()).await?;
            outer.commit().await
        })
        .await?;
        assert_eq!(kept(&t, &database).await, "c,d");
        assert_eq!(in_use(&database), 0);
        database.execute(add(&t, "e"), ()).await?;
        assert_eq!(kept(&t, &database).await, "c,d,e");
        Ok(())
    }

    async fn t9_a_guard_moved_to_a_task_with_its_own_does_not_displace_it(t: Test) -> Result<()> {
        let database = t.database().await;
        let moved = database.transaction().await?;
        moved.execute(t.sql("create temporary table {moved} (id int)"), ()).await?;
        let other = database.clone();
        let create = t.sql("create temporary table {own} (id int)");
        let [see_moved, see_own] = ["moved", "own"].map(|name| t.words(&format!("select count(*) from {{{name}}}")));
        in_task(async move {
            let own = other.transaction().await?;
            own.execute(create, ()).await?;
            assert_eq!(moved.fetch_value::<i64>(AssertSqlSafe(see_moved), ()).await?, 0);
            assert_eq!(other.fetch_value::<i64>(AssertSqlSafe(see_own), ()).await?, 0, "plain calls stay in its own");
            moved.rollback().await?;
            own.rollback().await
        })
        .await
    }

    async fn t9_a_guard_given_back_to_its_task_binds_there_again(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let transaction = in_task(async move {
            transaction.fetch_value::<i64>("select 1", ()).await?;
            Ok::<_, Error>(transaction)
        })
        .await?;
        transaction.execute(add(&t, "a"), ()).await?;
        soon("a plain call", database.execute(add(&t, "b"), ())).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// `poll_fn` stands for executors of one's own, which poll in whatever order.
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
