//! The pool: its limits, its queue, its numbers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use ebbtide::{AssertSqlSafe, Connection, Database, Dialect, ErrorKind, PoolStatus};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{Proxy, Test, cases};

/// Longer than any operation here takes, and shorter than the time limit of a test.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Returns a URL with more options.
pub(crate) fn with(url: &str, options: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{options}")
}

/// Returns a connected database with these options in its URL.
pub(crate) async fn open(t: &Test, options: &str) -> Database {
    Database::connect(with(&t.url(), options)).await.unwrap()
}

/// Waits, with a limit, until a condition holds that another task brings about.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "this did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Polls a future `times` times, each time after it woke its task, and drops it if it is not finished then.
pub(crate) async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls a future once and keeps it.
pub(crate) async fn poll_once<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// A connection in use by a task of its own.
pub(crate) struct Held {
    release: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Held {
    /// Returns the connection to the pool, and waits until this is done.
    pub(crate) async fn release(self) {
        drop(self.release);
        self.task.await.unwrap();
    }
}

/// Starts a task that takes a connection and keeps it.
pub(crate) async fn hold(database: &Database) -> Held {
    let database = database.clone();
    let (ready, is_ready) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let task = tokio::spawn(async move {
        let connection = database.connection();
        connection.fetch_value::<i64>(select_one(&database), ()).await.unwrap();
        ready.send(()).unwrap();
        let _ = released.await;
        drop(connection);
    });
    is_ready.await.expect("the task holds a connection");
    Held { release, task }
}

/// Returns a query whose value is 1.
pub(crate) fn select_one(database: &Database) -> &'static str {
    one_in(database.dialect())
}

/// Derby has no SELECT without FROM.
fn one_in(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Generic {
        "values (1)"
    } else {
        "select 1"
    }
}

pub(crate) async fn one(connection: &Connection) -> ebbtide::Result<i64> {
    connection.fetch_value(one_in(connection.dialect()), ()).await
}

/// Starts a task that requests a connection and uses it once.
pub(crate) fn caller(database: &Database) -> JoinHandle<ebbtide::Result<i64>> {
    let database = database.clone();
    tokio::spawn(async move { database.fetch_value(select_one(&database), ()).await })
}

/// Returns a connected database whose connections have numbers in the order in which they were opened, and the count of
/// them.
pub(crate) async fn numbered(t: &Test, url: &str) -> (Database, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let (count, backend, driver) = (Arc::clone(&opened), t.backend(), t.driver());
    let database = Database::new(url).unwrap().after_connect(move |connection| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            let sql = match backend {
                Backend::Postgres => format!("set ebbtide.number = '{number}'"),
                Backend::Mysql => format!("set @number = {number}"),
                Backend::Standard => match driver {
                    Some(Driver::H2) => format!("set @number = {number}"),
                    Some(Driver::DuckDb) => format!("set variable number = {number}"),
                    other => {
                        let create = if other == Some(Driver::Hsqldb) {
                            "declare local temporary table numbers (number bigint) on commit preserve rows"
                        } else {
                            "declare global temporary table numbers (number bigint) on commit preserve rows not logged"
                        };
                        connection.execute(create).await?;
                        format!("insert into session.numbers values ({number})")
                    }
                },
                _ => format!("pragma cache_size = {number}"),
            };
            connection.execute(AssertSqlSafe(sql)).await?;
            Ok(())
        })
    });
    Database::connect(&database).await.unwrap();
    (database, opened)
}

/// Returns the SQL that tells which of the numbered connections runs it.
fn number_sql(t: &Test) -> &'static str {
    match t.backend() {
        Backend::Postgres => "select current_setting('ebbtide.number')::bigint",
        Backend::Mysql => "select cast(@number as signed)",
        Backend::Standard => match t.driver() {
            Some(Driver::H2) => "select cast(@number as bigint)",
            Some(Driver::DuckDb) => "select getvariable('number')",
            _ => "select number from session.numbers",
        },
        _ => "select cache_size from pragma_cache_size",
    }
}

pub(crate) fn numbers(status: PoolStatus) -> (usize, usize, usize, usize) {
    (status.size, status.idle, status.in_use, status.waiting)
}

cases! {
    async fn pool_opens_no_more_than_its_limit_and_the_rest_wait(t: Test) {
        let (database, opened) = numbered(&t, &with(&t.url(), "pool_size=2&max_overflow=1")).await;
        assert_eq!(database.status().unwrap().limit, 3);
        let (in_use, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (database, in_use, most) = (database.clone(), Arc::clone(&in_use), Arc::clone(&most));
                tokio::spawn(async move {
                    for _ in 0..5 {
                        let connection = database.connection();
                        one(&connection).await.unwrap();
                        most.fetch_max(in_use.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        assert!(database.status().unwrap().size <= 3);
                        in_use.fetch_sub(1, Ordering::SeqCst);
                        drop(connection);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
        assert!(opened.load(Ordering::SeqCst) >= 2, "twenty tasks need more than one connection: {opened:?}");
    }

    async fn pool_overflow_is_closed_when_it_comes_back(t: Test) {
        let (database, opened) = numbered(&t, &with(&t.url(), "pool_size=1&max_overflow=2")).await;
        let held = [hold(&database).await, hold(&database).await, hold(&database).await];
        assert_eq!(numbers(database.status().unwrap()), (3, 0, 3, 0));
        let waiting = caller(&database);
        until("someone waits", || database.status().unwrap().waiting == 1).await;
        let [first, second, third] = held;
        first.release().await;
        // The waiter gets it; otherwise it would be closed and another one opened.
        assert_eq!(waiting.await.unwrap().unwrap(), 1);
        assert_eq!(opened.load(Ordering::SeqCst), 3);
        second.release().await;
        third.release().await;
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
        one(&database.connection()).await.unwrap();
        assert_eq!(opened.load(Ordering::SeqCst), 3, "the one that is kept is used");
    }

    #[only(postgres, mysql)]
    async fn pool_overflow_ends_on_the_server_too(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(with(&proxy.url(), "pool_size=1&max_overflow=1")).await.unwrap();
        let (first, second) = (hold(&database).await, hold(&database).await);
        assert_eq!(proxy.open_connections(), 2);
        first.release().await;
        second.release().await;
        until("the surplus connection is closed", || proxy.open_connections() == 1).await;
        assert_eq!(proxy.connections(), 2);
    }

    async fn pool_uses_the_connection_used_last(t: Test) {
        let (database, _) = numbered(&t, &t.url()).await;
        let sql = number_sql(&t);
        let first = hold(&database).await;
        let second = hold(&database).await;
        let third = hold(&database).await;
        assert_eq!(numbers(database.status().unwrap()), (3, 0, 3, 0));
        third.release().await;
        first.release().await;
        second.release().await;
        for _ in 0..3 {
            assert_eq!(database.fetch_value::<i64>(sql, ()).await.unwrap(), 2, "the one given back last comes first");
        }
        let second = hold(&database).await;
        assert_eq!(database.fetch_value::<i64>(sql, ()).await.unwrap(), 1);
        second.release().await;
    }

    async fn pool_one_sequential_user_keeps_exactly_one_connection(t: Test) {
        let (database, opened) = numbered(&t, &t.url()).await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        for n in 0..20_i64 {
            database.execute(t.sql("insert into {things} values (:n)"), ebbtide::params! { n }).await.unwrap();
            let connection = database.connection();
            one(&connection).await.unwrap();
            drop(connection);
            let transaction = database.transaction().await.unwrap();
            transaction.execute(t.sql("insert into {things} values (:n)"), ebbtide::params! { n }).await.unwrap();
            if n % 2 == 0 { transaction.commit().await.unwrap() } else { transaction.rollback().await.unwrap() }
            let error = database.execute(t.sql("select no_such_column {from}"), ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error:?}");
            let sum = database.transaction().run(async |inner| inner.fetch_value::<i64>(select_one(&database), ()).await);
            assert_eq!(sum.await.unwrap(), 1);
        }
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
    }

    // A dropped stream costs these modules their connection.
    #[except(dbapi2_pymysql, dbapi2_pg8000)]
    async fn pool_one_sequential_user_who_drops_transactions_and_streams_keeps_one_connection_too(t: Test) {
        use futures::TryStreamExt as _;
        let (database, opened) = numbered(&t, &t.url()).await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        for _ in 0..10 {
            let transaction = database.transaction().await.unwrap();
            transaction.execute(t.sql("insert into {things} values (1)"), ()).await.unwrap();
            drop(transaction);
            let count: i64 = database.fetch_value(t.sql("select count(*) from {things}"), ()).await.unwrap();
            assert_eq!(count, 0, "the dropped transaction was rolled back first");
            let mut rows = database.iterate(super::tasks::numbers(&t, 3), ());
            assert!(rows.try_next().await.unwrap().is_some());
            drop(rows);
        }
        assert_eq!(one(&database.connection()).await.unwrap(), 1);
        assert_eq!(opened.load(Ordering::SeqCst), 1, "{:?}", database.status());
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn pool_levels_dropped_together_leave_the_outer_one_open(t: Test) {
        let database = open(&t, "pool_size=1").await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let insert = || t.sql("insert into {things} values (1)");
        for _ in 0..5 {
            let outer = database.transaction().await.unwrap();
            outer.execute(insert(), ()).await.unwrap();
            let levels = [
                database.transaction().await.unwrap(),
                database.transaction().await.unwrap(),
                database.transaction().await.unwrap(),
            ];
            levels[2].execute(insert(), ()).await.unwrap();
            // The innermost first, as variables are dropped.
            for level in levels.into_iter().rev() {
                drop(level);
            }
            outer.execute(insert(), ()).await.unwrap();
            outer.commit().await.unwrap();
        }
        let count: i64 = database.fetch_value(t.sql("select count(*) from {things}"), ()).await.unwrap();
        assert_eq!(count, 10, "two of the outer ones each, none of the inner ones");
    }

    async fn pool_tells_its_numbers(t: Test) {
        let database = open(&t, "pool_size=2&max_overflow=1").await;
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
        let first = hold(&database).await;
        assert_eq!(numbers(database.status().unwrap()), (1, 0, 1, 0));
        let second = hold(&database).await;
        let third = hold(&database).await;
        assert_eq!(numbers(database.status().unwrap()), (3, 0, 3, 0));
        let waiting = [caller(&database), caller(&database)];
        until("two wait", || database.status().unwrap().waiting == 2).await;
        assert_eq!(numbers(database.status().unwrap()), (3, 0, 3, 2));
        first.release().await;
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        second.release().await;
        third.release().await;
        let status = database.status().unwrap();
        assert_eq!((numbers(status), status.limit), ((2, 2, 0, 0), 3));
    }

    async fn pool_serves_in_the_order_of_asking(t: Test) {
        let database = open(&t, "pool_size=1").await;
        let held = hold(&database).await;
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..10 {
            let (database, order) = (database.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn({
                let database = database.clone();
                async move {
                    let connection = database.connection();
                    one(&connection).await.unwrap();
                    order.lock().unwrap().push(n);
                }
            }));
            until("it waits", || database.status().unwrap().waiting == n + 1).await;
        }
        held.release().await;
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }

    async fn pool_time_out_names_who_asks_and_who_holds(t: Test) {
        let database = open(&t, "pool_size=2&pool_timeout=150ms").await;
        let (connection, one) = (database.connection(), select_one(&database));
        let (held_at, _) = (line!(), connection.fetch_value::<i64>(one, ()).await.unwrap());
        let held = hold(&database).await;
        let other = database.clone();
        let caller = tokio::spawn(async move { (line!(), other.fetch_value::<i64>(select_one(&other), ()).await) });
        let (asked_at, answer) = caller.await.unwrap();
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = error.to_string();
        let place = |line: u32| format!("at {}:{line}:", file!());
        assert!(text.contains("150ms"), "the limit: {text}");
        assert!(text.contains("all 2 are in use and 1 wait"), "how full it is: {text}");
        let (asking, holding) = text.split_once("held by").expect("the holders are named");
        assert!(asking.contains("requested by task ") && asking.contains(&place(asked_at)), "{text}");
        assert!(holding.contains("thread ") && holding.contains(&place(held_at)), "{text}");
        assert!(holding.contains("task ") && holding.matches(file!()).count() == 2, "both holders: {text}");
        assert!(text.contains("help:") && text.contains("`pool_size`") && text.contains("`pool_timeout`"), "{text}");
        drop(connection);
        held.release().await;
        // The waiters that timed out lost nothing.
        let again = [hold(&database).await, hold(&database).await];
        assert_eq!(numbers(database.status().unwrap()), (2, 0, 2, 0));
        for held in again {
            held.release().await;
        }
    }

    async fn pool_replaces_connections_past_their_age(t: Test) {
        let (database, opened) = numbered(&t, &with(&t.url(), "pool_recycle=300ms")).await;
        let start = Instant::now();
        one(&database.connection()).await.unwrap();
        assert!(opened.load(Ordering::SeqCst) == 1 || start.elapsed() >= Duration::from_millis(300));
        tokio::time::sleep(Duration::from_millis(320)).await;
        let before = opened.load(Ordering::SeqCst);
        let number: i64 = database.fetch_value(number_sql(&t), ()).await.unwrap();
        assert_eq!(number, i64::try_from(before).unwrap() + 1, "a new connection");
        assert_eq!(database.status().unwrap().size, 1);
        // One in use stays open until it is returned, and is closed then.
        let connection = database.connection();
        one(&connection).await.unwrap();
        tokio::time::sleep(Duration::from_millis(320)).await;
        one(&connection).await.unwrap();
        drop(connection);
        assert_eq!(database.status().unwrap().size, 0);
    }

    async fn pool_closes_connections_that_rest_too_long(t: Test) {
        let (database, opened) = numbered(&t, &with(&t.url(), "idle_timeout=100ms")).await;
        let (first, second) = (hold(&database).await, hold(&database).await);
        first.release().await;
        until("the resting one is closed", || database.status().unwrap().size == 1).await;
        // The one in use is not idle.
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(numbers(database.status().unwrap()), (1, 0, 1, 0));
        second.release().await;
        until("no connection is left", || database.status().unwrap().size == 0).await;
        assert_eq!(one(&database.connection()).await.unwrap(), 1);
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    }

    #[only(sqlite_memory)]
    async fn u6_a_database_in_memory_outlives_each_of_its_connections(t: Test) {
        let database = open(&t, "idle_timeout=50ms&pool_recycle=60ms").await;
        database.execute("create table thing (n int)", ()).await.unwrap();
        database.execute("insert into thing values (7)", ()).await.unwrap();
        until("no connection is left", || database.status().unwrap().size == 0).await;
        assert_eq!(database.fetch_value::<i64>("select n from thing", ()).await.unwrap(), 7);
        database.disconnect().await.unwrap();
        Database::connect(&database).await.unwrap();
        let error = database.execute("select n from thing", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "it ends with the pool: {error:?}");
    }
}
