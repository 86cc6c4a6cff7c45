//! Functions whose body runs in a transaction: `#[ebbtide::transactional]`, `#[ebbtide::atomic]`, and the installed registry.

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};

use ebbtide::{AssertSqlSafe, Connections, Database, Error, ErrorKind, Queryable, Result, Transaction};
use futures::FutureExt as _;
use tokio::sync::Notify;

use super::tasks::{add, in_task, kept, notes, soon, until};
use crate::support::{Test, cases};

/// An error of an application.
#[derive(Debug)]
enum Failure {
    Database(Error),
    Refused,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// Adds notes; text that is empty is refused.
#[ebbtide::transactional(database)]
async fn add_all(database: &Database, t: &Test, bodies: &[&str]) -> Result<usize, Failure> {
    for body in bodies {
        if body.is_empty() {
            return Err(Failure::Refused);
        }
        database.execute(add(t, body), ()).await?;
    }
    Ok(bodies.len())
}

#[ebbtide::transactional(database)]
async fn nested(database: &Database, t: &Test) -> Result<(), Failure> {
    add_all(database, t, &["outer"]).await?;
    let refused = add_all(database, t, &["undone", ""]).await;
    assert!(matches!(refused, Err(Failure::Refused)), "{refused:?}");
    Ok(())
}

#[ebbtide::transactional(*database)]
async fn panics(database: &&Database, sql: AssertSqlSafe<String>) -> Result<()> {
    database.execute(sql, ()).await?;
    panic!("as wished")
}

/// The names that the attribute uses itself are the function's own.
#[ebbtide::transactional(transaction, retry = 2)]
async fn named_alike(transaction: &Database, begin: i64, argument: String) -> Result<(i64, String)> {
    fn copied(argument: &str) -> String {
        argument.to_owned()
    }
    let found: i64 = transaction.fetch_value("select 7", ()).await?;
    Ok((begin + found, copied(&argument)))
}

#[ebbtide::transactional(database, rollback_only)]
async fn tried(database: Database, sql: AssertSqlSafe<String>) -> Result<u64> {
    Ok(database.execute(sql, ()).await?.rows_affected)
}

/// Methods, generics, patterns, lifetimes.
struct Notes<'t> {
    database: Database,
    t: &'t Test,
}

impl<'t> Notes<'t> {
    #[ebbtide::transactional(self.database)]
    async fn add<D>(&self, mut body: D, (before, after): (&str, &str)) -> Result<&'t Test>
    where
        D: Display + Clone + Extend<char>,
    {
        body.extend(['!']);
        self.database
            .execute(add(self.t, format!("{before}{body}{after}")), ())
            .await?;
        Ok(self.t)
    }

    #[ebbtide::transactional(transaction, handle = inner)]
    async fn inside(
        self,
        transaction: &Transaction,
        bodies: impl IntoIterator<Item = &'static str, IntoIter: Send> + Send,
    ) -> Result<Self> {
        for body in bodies {
            inner.execute(add(self.t, body), ()).await?;
        }
        Ok(self)
    }
}

#[ebbtide::transactional(db, handle = transaction)]
async fn anywhere<Q: Queryable>(db: &Q, sql: AssertSqlSafe<String>) -> Result<u64> {
    Ok(transaction.execute(sql, ()).await?.rows_affected)
}

#[ebbtide::transactional(database, retry = 3)]
async fn retried(database: &Database, attempts: &AtomicUsize, text: String, fail: &'static str) -> Result<String> {
    if attempts.fetch_add(1, Ordering::Relaxed) < 1 {
        database.execute(fail, ()).await?;
    }
    Ok(text)
}

#[ebbtide::transactional(database)]
async fn waits(database: Database, sql: AssertSqlSafe<String>, reached: &Notify) -> Result<()> {
    database.execute(sql, ()).await?;
    reached.notify_one();
    std::future::pending().await
}

/// Returns the registry of this process. Tests override its databases for themselves.
fn installed() -> Connections {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let config = serde_json::json!({"connections": {"default": "sqlite::memory:"}});
        Connections::init(config)
            .and_then(|connections| connections.install())
            .expect("the only one");
    });
    ebbtide::connections().expect("it is installed")
}

#[ebbtide::atomic("default")]
async fn add_by_alias(t: &Test, bodies: &[&str]) -> Result<()> {
    let database = ebbtide::connections()?.get("default").await?;
    for body in bodies {
        database.execute(add(t, body), ()).await?;
    }
    Ok(())
}

#[ebbtide::atomic]
async fn add_to_the_only_one(t: &Test, bodies: &[&str]) -> Result<()> {
    add_by_alias(t, bodies).await
}

#[ebbtide::atomic("default", retry = 2)]
async fn attempts_by_alias(attempts: &AtomicUsize, fail: &'static str) -> Result<()> {
    attempts.fetch_add(1, Ordering::Relaxed);
    let database = ebbtide::connections()?.get("default").await?;
    database.execute(fail, ()).await.map(drop)
}

/// Returns a statement that fails as the server fails one in favour of others.
fn given_up(t: &Test) -> &'static str {
    if t.backend().is_postgres() {
        "do $$ begin raise exception using errcode = '40001'; end $$"
    } else {
        "signal sqlstate 'HY000' set mysql_errno = 1205"
    }
}

cases! {
    async fn x14_a_function_is_committed_at_ok_and_rolled_back_at_err_and_panic(t: Test) -> Result<(), Failure> {
        let database = notes(&t).await;
        assert_eq!(add_all(&database, &t, &["a", "b"]).await?, 2);
        assert!(matches!(add_all(&database, &t, &["c", ""]).await, Err(Failure::Refused)));
        let error = add_all(&database, &t, &["c", "a"]).await.expect_err("there is an `a`");
        assert!(matches!(&error, Failure::Database(error) if error.kind() == ErrorKind::Constraint), "{error:?}");
        let panicked = std::panic::AssertUnwindSafe(panics(&&database, add(&t, "c"))).catch_unwind().await;
        assert!(panicked.is_err());
        assert_eq!(tried(database.clone(), add(&t, "c")).await?, 1);
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x14_one_function_in_another_is_a_savepoint(t: Test) -> Result<(), Failure> {
        let database = notes(&t).await;
        nested(&database, &t).await?;
        assert_eq!(kept(&t, &database).await, "outer");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x14_methods_generics_and_any_arguments(t: Test) -> Result<()> {
        let notes = Notes { database: notes(&t).await, t: &t };
        assert_eq!(notes.add("b".to_owned(), ("(", ")")).await?.name(), t.name());
        let database = notes.database.clone();
        assert_eq!(anywhere(&database, add(&t, "c")).await?, 1);
        assert_eq!(anywhere(&database.connection(), add(&t, "d")).await?, 1);
        let transaction = database.transaction().await?;
        let notes = notes.inside(&transaction, ["e", "f"]).await?;
        assert_eq!(anywhere(&transaction, add(&t, "g")).await?, 1);
        transaction.commit().await?;
        assert_eq!(kept(&t, &notes.database).await, "(b!),c,d,e,f,g");
        Ok(())
    }

    #[only(postgres, mysql, sqlite_file, sqlite_memory)]
    async fn x14_names_of_the_function_are_its_own(t: Test) -> Result<()> {
        let database = t.database().await;
        assert_eq!(named_alike(&database, 1, "a".to_owned()).await?, (8, "a".to_owned()));
        Ok(())
    }

    async fn x14_the_future_is_send_and_may_be_dropped(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (used, sql) = (database.clone(), add(&t, "a"));
        let added = in_task(async move { anywhere(&used, sql).await }).await?;
        assert_eq!(added, 1);
        let reached = Notify::new();
        {
            let mut waits = std::pin::pin!(waits(database.clone(), add(&t, "dropped"), &reached));
            tokio::select! {
                _ = &mut waits => unreachable!("it waits for ever"),
                () = soon("its statement", reached.notified()) => {}
            }
        }
        until("the connection is given back", || super::tasks::in_use(&database) == 0).await;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x14_retry_runs_the_body_again_with_its_arguments(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let attempts = AtomicUsize::new(0);
        let text = retried(&database, &attempts, "owned".to_owned(), given_up(&t)).await?;
        assert_eq!((text.as_str(), attempts.into_inner()), ("owned", 2));
        let _token = installed().set("default", &database);
        let attempts = AtomicUsize::new(0);
        let error = attempts_by_alias(&attempts, given_up(&t)).await.expect_err("it is given up each time");
        assert!(error.is_retryable(), "{error}");
        assert_eq!(attempts.into_inner(), 2);
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x14_the_place_of_the_function_is_reported(t: Test) -> Result<()> {
        let database = t.database().await;
        let sandbox = database.sandbox().await?;
        let reached = Notify::new();
        let mut waits = std::pin::pin!(waits(sandbox.clone(), AssertSqlSafe(t.words("select 1 {from}")), &reached));
        tokio::select! {
            _ = &mut waits => unreachable!("it waits for ever"),
            () = soon("its statement", reached.notified()) => {}
        }
        let open = sandbox.open_handles();
        let names = |part: &str| open.iter().any(|handle| handle.to_string().contains(part));
        assert!(names("transactional.rs:"), "{open:?}");
        Ok(())
    }

    async fn r7_the_installed_registry_is_overridden_for_one_context(t: Test) -> Result<()> {
        let connections = installed();
        connections.install()?;
        let error = Connections::init("sqlite::memory:")?.install().expect_err("there is one");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("another registry is installed"), "{error}");

        let database = notes(&t).await;
        let token = connections.set("default", &database);
        add_by_alias(&t, &["a", "b"]).await?;
        add_to_the_only_one(&t, &["c", "a"]).await.expect_err("there is an `a`");
        ebbtide::in_transaction("default").run(async |transaction| transaction.execute(add(&t, "d"), ()).await).await?;
        let transaction = ebbtide::in_transaction(None).await?;
        database.execute(add(&t, "undone"), ()).await?;
        transaction.rollback().await?;
        // A spawned task does not join it.
        let elsewhere = in_task(async { ebbtide::connections()?.get("default").await }).await?;
        elsewhere.execute(add(&t, "elsewhere"), ()).await.expect_err("it has no notes");
        connections.reset(token)?;
        assert_eq!(kept(&t, &database).await, "a,b,d");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn r7_in_a_sandbox_nothing_is_kept(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let inside = installed().set("default", &sandbox).run(async {
            add_by_alias(&t, &["a", "b"]).await?;
            sandbox.fetch_value::<i64>(super::tasks::count(&t), ()).await
        });
        assert_eq!(inside.await?, 2);
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }
}
