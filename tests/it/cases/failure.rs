//! The server stops, or does not answer: what the affected caller sees, and that other callers are unaffected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ebbtide::{Connection, Database, Error, ErrorKind};
use futures::StreamExt as _;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::messages::assert_error;
use super::pool::{LONG, hold, open, polled, until, with};
use crate::backends::Backend;
use crate::support::{Proxy, Test, cases, kill_backend};

/// Returns the server's number of a connection.
async fn pid(t: &Test, connection: &Connection) -> i64 {
    let sql = match t.backend() {
        Backend::Postgres => "select pg_backend_pid()::bigint",
        _ => "select cast(connection_id() as signed)",
    };
    connection.fetch_value(sql, ()).await.unwrap()
}

/// Returns a query that takes a long time on the server.
pub(crate) fn long_query(t: &Test) -> &'static str {
    if t.backend() == Backend::Postgres {
        "select 1 from pg_sleep(30)"
    } else {
        "select sleep(30)"
    }
}

/// Waits until the server sleeps in the long query of a connection: what is ended while it is only prepared may run all the same.
pub(super) async fn until_busy(t: &Test, pid: i64) {
    let sql = match t.backend() {
        Backend::Postgres => format!(
            "select count(*) from pg_stat_activity where pid = {pid} and state = 'active' and wait_event = 'PgSleep'"
        ),
        _ => {
            format!("select count(*) from information_schema.processlist where id = {pid} and state = 'User sleep'")
        }
    };
    let start = Instant::now();
    let mut observer = t.observer().await;
    while observer.number(&sql).await.unwrap() == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "the query never began");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    observer.close().await.unwrap();
}

/// Callers who use the database all the time and must not notice anything.
struct Bystanders {
    stop: Arc<AtomicBool>,
    queries: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Bystanders {
    async fn start(database: &Database) -> Self {
        let (stop, queries) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let tasks = (0..3)
            .map(|_| {
                let (database, stop, queries) = (database.clone(), Arc::clone(&stop), Arc::clone(&queries));
                tokio::spawn(async move {
                    // One connection for a while, then any connection.
                    while !stop.load(Ordering::SeqCst) {
                        let connection = database.connection();
                        for _ in 0..5 {
                            assert_eq!(connection.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
                            queries.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        let this = Self { stop, queries, tasks };
        this.go_on().await;
        this
    }

    /// Waits until they have received some more answers.
    async fn go_on(&self) {
        let before = self.queries.load(Ordering::SeqCst);
        until("the others go on", || {
            self.tasks.iter().any(JoinHandle::is_finished) || self.queries.load(Ordering::SeqCst) > before + 30
        })
        .await;
    }

    async fn saw_nothing(self) {
        self.go_on().await;
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("no other caller sees the error");
        }
    }
}

cases! {
    #[only(postgres, mysql)]
    async fn failure_a_connection_killed_during_a_query_fails_that_query_only(t: Test) {
        let database = open(&t, "pool_size=4").await;
        let bystanders = Bystanders::start(&database).await;
        let connection = database.connection();
        let victim = pid(&t, &connection).await;
        let query = tokio::spawn({
            let (connection, sql) = (connection.clone(), long_query(&t));
            async move { connection.execute(sql, ()).await }
        });
        until_busy(&t, victim).await;
        kill_backend(&t.side_url(), victim).await.unwrap();
        let error = timeout(LONG, query).await.expect("no hang").unwrap().unwrap_err();
        // A function may write, so it is unknown what the server did.
        assert_error(&error, ErrorKind::OutcomeUnknown, &[file!()]);
        assert!(!error.is_retryable());
        // The same handle continues with a new connection: it held no transaction that could be lost.
        assert_ne!(pid(&t, &connection).await, victim);
        drop(connection);
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        bystanders.saw_nothing().await;
        let status = database.status().unwrap();
        assert!(status.size <= 4 && status.in_use == 0, "{status:?}");
    }

    #[only(postgres, mysql)]
    async fn failure_a_connection_killed_in_a_transaction_fails_that_transaction_only(t: Test) {
        let database = open(&t, "pool_size=4").await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let insert = || t.sql("insert into {things} values (1)");
        let bystanders = Bystanders::start(&database).await;

        let transaction = database.transaction().await.unwrap();
        let inner = database.transaction().await.unwrap();
        inner.execute(insert(), ()).await.unwrap();
        kill_backend(&t.side_url(), pid(&t, &inner).await).await.unwrap();
        assert_error(&inner.execute(insert(), ()).await.unwrap_err(), ErrorKind::ConnectionLost, &[]);
        // From now on nothing runs anywhere, and especially not outside of the transaction.
        for error in [
            inner.execute(insert(), ()).await.unwrap_err(),
            inner.commit().await.unwrap_err(),
        ] {
            assert_error(&error, ErrorKind::TransactionEnded, &[file!()]);
        }
        assert!(!inner.is_open() && !transaction.is_open());
        drop(inner);
        for error in [
            transaction.execute(insert(), ()).await.unwrap_err(),
            database.execute(insert(), ()).await.unwrap_err(),
            database.transaction().await.unwrap_err(),
            transaction.commit().await.unwrap_err(),
            transaction.rollback().await.unwrap_err(),
        ] {
            assert_error(&error, ErrorKind::TransactionEnded, &[file!()]);
        }
        drop(transaction);

        let again = database.transaction().await.unwrap();
        again.execute(insert(), ()).await.unwrap();
        again.commit().await.unwrap();
        drop(again);
        assert_eq!(t.observe("select count(*) from {things}").await, 1);
        bystanders.saw_nothing().await;
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    #[only(postgres, mysql)]
    async fn failure_a_connection_killed_in_a_closure_passes_the_error_on(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let run = database.transaction().run(async |transaction| {
            transaction.execute(t.sql("insert into {things} values (1)"), ()).await?;
            kill_backend(&t.side_url(), pid(&t, &transaction).await).await.unwrap();
            database.execute(t.sql("insert into {things} values (2)"), ()).await
        });
        assert_error(&run.await.unwrap_err(), ErrorKind::ConnectionLost, &[]);
        let run = database.transaction().run(async |transaction| {
            transaction.execute(t.sql("insert into {things} values (3)"), ()).await?;
            // An error that the closure ignores is reported at the commit.
            kill_backend(&t.side_url(), pid(&t, &transaction).await).await.unwrap();
            let _ = database.execute(t.sql("insert into {things} values (4)"), ()).await;
            Ok::<_, Error>(())
        });
        assert_error(&run.await.unwrap_err(), ErrorKind::TransactionEnded, &[file!()]);
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {things}"), ()).await.unwrap(), 0);
    }

    #[only(postgres, mysql)]
    async fn failure_a_connection_killed_before_the_commit_fails_the_commit(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        for commit in [true, false] {
            let transaction = database.transaction().await.unwrap();
            transaction.execute(t.sql("insert into {things} values (1)"), ()).await.unwrap();
            kill_backend(&t.side_url(), pid(&t, &transaction).await).await.unwrap();
            if commit {
                // The server's last message may also be that of a commit that was done and waited for a standby.
                assert_error(&transaction.commit().await.unwrap_err(), ErrorKind::OutcomeUnknown, &[file!()]);
            } else {
                // The server has rolled it back already: whether this is reported or not, it has ended.
                assert!(transaction.rollback().await.err().is_none_or(|error| error.kind() == ErrorKind::ConnectionLost));
            }
            assert!(!transaction.is_open());
            drop(transaction);
            assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {things}"), ()).await.unwrap(), 0);
        }
    }

    #[only(postgres, mysql)]
    async fn failure_a_connection_killed_in_mid_stream_fails_that_stream_only(t: Test) {
        let database = open(&t, "pool_size=5").await;
        let bystanders = Bystanders::start(&database).await;
        t.observe_exec("create table {wide} (body {text} not null)").await;
        let rows = vec![format!("('{}')", "x".repeat(1000)); 60].join(", ");
        t.observe_exec(&format!("insert into {{wide}} values {rows}")).await;
        // 216,000 rows of tables alone: a function might write, and the outcome of what might write is unknown.
        let sql = || t.sql("select a.body from {wide} as a, {wide} as b, {wide} as c");
        for inside in [false, true] {
            let transaction = if inside { Some(database.transaction().await.unwrap()) } else { None };
            let connection = database.connection();
            let victim = pid(&t, &connection).await;
            let mut rows = connection.iterate(sql(), ());
            for _ in 0..10 {
                rows.next().await.unwrap().unwrap();
            }
            kill_backend(&t.side_url(), victim).await.unwrap();
            let (mut count, mut error) = (10, None);
            while let Some(row) = timeout(LONG, rows.next()).await.expect("no hang") {
                match row {
                    Ok(_) => count += 1,
                    Err(failed) => error = Some(failed),
                }
            }
            assert_error(&error.expect("the stream fails"), ErrorKind::ConnectionLost, &[]);
            assert!(count < 200_000);
            drop(rows);
            match transaction {
                Some(transaction) => {
                    assert_error(&transaction.commit().await.unwrap_err(), ErrorKind::TransactionEnded, &[file!()]);
                }
                None => assert_ne!(pid(&t, &connection).await, victim, "the connection is replaced"),
            }
        }
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        bystanders.saw_nothing().await;
    }

    #[only(postgres, mysql)]
    async fn failure_after_the_server_was_away_one_caller_sees_it_and_no_other(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(proxy.url()).await.unwrap();
        for held in [hold(&database).await, hold(&database).await, hold(&database).await, hold(&database).await] {
            held.release().await;
        }
        assert_eq!(database.status().unwrap().idle, 4);
        proxy.cut();
        let error = database.fetch_value::<i64>("select 1", ()).await.unwrap_err();
        assert_error(&error, ErrorKind::ConnectionLost, &[]);
        // The others are of the same age, so each is checked before a caller gets it.
        let askers: Vec<_> = (0..6)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { database.fetch_value::<i64>("select 1", ()).await })
            })
            .collect();
        for caller in askers {
            assert_eq!(timeout(LONG, caller).await.expect("no hang").unwrap().unwrap(), 1);
        }
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    #[only(postgres, mysql)]
    async fn failure_a_call_cancelled_in_the_middle_of_a_message_spoils_nothing(t: Test) {
        let database = open(&t, "pool_size=1").await;
        // Rows arrive in many pieces, so most calls are cancelled inside of one. The rows of MySQL are built so that a
        // reader that has consumed the first four bytes and takes the rest for messages finds valid ones.
        let sql = match t.backend() {
            Backend::Postgres => "select 1, repeat('x', 1000000) union all select 1, repeat('y', 1000000)",
            _ => {
                "select 4294967297, concat(repeat('x', 65526), repeat(x'07000005fe000002000000', 100000))
                 union all select 4294967297, concat(repeat('x', 65526), repeat(x'07000005fe000002000000', 100000))"
            }
        };
        for polls in 0..40 {
            let _ = polled(database.fetch_all(sql, ()).into_future(), polls).await;
            let next = timeout(LONG, database.fetch_value::<i64>("select 42", ())).await.expect("no hang");
            assert_eq!(next.unwrap(), 42, "after {polls} polls");

            let mut rows = database.iterate(sql, ());
            let first = timeout(LONG, rows.next()).await.expect("no hang").unwrap().unwrap();
            assert_eq!(first.len(), 2);
            let _ = polled(rows.next(), polls).await;
            drop(rows);
            let next = timeout(LONG, database.fetch_value::<i64>("select 43", ())).await.expect("no hang");
            assert_eq!(next.unwrap(), 43, "a stream after {polls} polls");
        }
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    #[only(postgres, mysql)]
    async fn failure_connections_that_rested_long_are_checked_before_use(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(with(&proxy.url(), "health_check_after=0")).await.unwrap();
        for held in [hold(&database).await, hold(&database).await, hold(&database).await] {
            held.release().await;
        }
        proxy.cut();
        for _ in 0..5 {
            assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1, "it is not noticed");
        }
        assert_eq!(database.status().unwrap().size, 1, "the dead ones are gone");
        proxy.pause();
        let asked = Instant::now();
        let waiting = tokio::spawn({
            let database = database.clone();
            async move { database.fetch_value::<i64>("select 1", ()).timeout(Duration::from_millis(300)).await }
        });
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        assert!(asked.elapsed() < Duration::from_secs(5), "the check is under the caller's limit too");
        proxy.resume();
        assert_eq!(timeout(LONG, database.fetch_value::<i64>("select 1", ())).await.expect("no hang").unwrap(), 1);
    }
}
