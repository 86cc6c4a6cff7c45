//! X11: transactions by alias.

use ebbtide::{Config, Connections, Database, Error, ErrorKind, Result};

use super::{two, undo};
use crate::cases::tasks::{add, in_task, in_use, kept, kind};
use crate::support::{Test, cases};

fn add_log(t: &Test, body: &str) -> ebbtide::AssertSqlSafe<String> {
    t.sql(&format!("insert into {{logs}} (body) values ('{body}')"))
}

/// Returns both databases, connected, with the tables `notes` and `logs`.
async fn with_tables(t: &Test) -> (Connections, Database, Database) {
    let connections = two(t);
    let (notes, logs) = (
        connections.get("default").await.expect("default"),
        connections.get("log").await.expect("log"),
    );
    let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
    notes.execute(create, ()).await.expect("notes");
    let create = t.sql("create table {logs} (id {id}, body {key} not null unique)");
    logs.execute(create, ()).await.expect("logs");
    (connections, notes, logs)
}

/// Returns the entries of `logs` that are committed, seen from a separate task: `a,b`.
async fn committed_logs(t: &Test, logs: &Database) -> String {
    let (logs, sql) = (logs.clone(), t.sql("select body from {logs} order by body"));
    let rows = in_task(async move { logs.fetch_all(sql, ()).await })
        .await
        .expect("the entries");
    let bodies: Vec<String> = rows.iter().map(|row| row.get(0).expect("text")).collect();
    bodies.join(",")
}

cases! {
    async fn x11_one_database_needs_no_name_and_several_do(t: Test) -> Result<()> {
        let one = Connections::init(Config::from_url(t.url().as_str())?)?;
        let transaction = one.in_transaction(None).await?;
        assert_eq!(transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?, 1);
        transaction.commit().await?;
        assert_eq!(one.atomic(None).run(async || Ok::<_, Error>(1)).await?, 1);
        one.close_all().await?;

        let several = two(&t);
        let expected = "no connection is named, and there are several: `default`, `log`\n  \
                        help: name the connection to use: `in_transaction(\"default\")`";
        let error = several.in_transaction(None).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, expected));
        let error = several.atomic(None).run(async || Ok::<_, Error>(())).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        several.close_all().await
    }

    // H2 has no read-only transactions.
    #[except(jdbc_h2)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x11_transactions_are_ambient_and_nested(t: Test) -> Result<()> {
        let (connections, notes, _) = with_tables(&t).await;
        connections
            .in_transaction("default")
            .run(async |_| {
                notes.execute(add(&t, "a"), ()).await?;
                let inner = connections.in_transaction("default").run(async |_| {
                    notes.execute(add(&t, "b"), ()).await?;
                    Err::<(), _>(undo())
                });
                assert_eq!(kind(&inner.await), Some(undo().kind()));
                let deeper = connections.atomic("default").run(async || notes.execute(add(&t, "c"), ()).await);
                deeper.await?;
                assert_eq!(in_use(&notes), 1, "all on one connection");
                // The same database under another handle.
                connections.get("default").await?.execute(add(&t, "d"), ()).await
            })
            .await?;
        assert_eq!(kept(&t, &notes).await, "a,c,d");
        let guard = connections.in_transaction("default").await?;
        notes.execute(add(&t, "e"), ()).await?;
        drop(guard);
        let undone = connections.in_transaction("default").rollback_only().run(async |_| notes.execute(add(&t, "f"), ()).await);
        undone.await?;
        assert_eq!(kept(&t, &notes).await, "a,c,d");
        let read_only = connections.in_transaction("default").read_only().run(async |_| notes.execute(add(&t, "g"), ()).await);
        assert_eq!(kind(&read_only.await), Some(ErrorKind::ReadOnly));
        connections.close_all().await
    }

    async fn x11_two_databases_at_once_are_independent(t: Test) -> Result<()> {
        let (connections, notes, logs) = with_tables(&t).await;
        let failed: Result<()> = connections
            .in_transaction("default")
            .run(async |_| {
                notes.execute(add(&t, "a"), ()).await?;
                connections
                    .in_transaction("log")
                    .run(async |_| {
                        logs.execute(add_log(&t, "x"), ()).await?;
                        notes.execute(add(&t, "b"), ()).await
                    })
                    .await?;
                Err(undo())
            })
            .await;
        assert_eq!(kind(&failed), Some(undo().kind()));
        assert_eq!(kept(&t, &notes).await, "", "undone with its own transaction");
        assert_eq!(committed_logs(&t, &logs).await, "x", "committed by its own");
        let (left, right) = tokio::join!(
            connections.in_transaction("default").run(async |_| notes.execute(add(&t, "c"), ()).await),
            connections.in_transaction("log").run(async |_| {
                logs.execute(add_log(&t, "y"), ()).await?;
                Err::<(), _>(undo())
            }),
        );
        assert!(left.is_ok() && right.is_err());
        assert_eq!(kept(&t, &notes).await, "c");
        assert_eq!(committed_logs(&t, &logs).await, "x");
        connections.close_all().await
    }

    async fn x11_a_wrapped_function_is_atomic_at_each_call(t: Test) -> Result<()> {
        let (connections, notes, _) = with_tables(&t).await;
        let sql = ["a", "b"].map(|body| t.words(&format!("insert into {{notes}} (body) values ('{body}')")));
        let database = notes.clone();
        let write = connections.atomic("default").wrap(move |(index, fails): (usize, bool)| {
            let (database, sql) = (database.clone(), sql[index].clone());
            async move {
                database.execute(ebbtide::AssertSqlSafe(sql), ()).await?;
                if fails { Err(undo()) } else { Ok(index) }
            }
        });
        assert_eq!(kind(&write((0, true)).await), Some(undo().kind()));
        assert_eq!(kept(&t, &notes).await, "");
        let elsewhere = write.clone();
        assert_eq!(in_task(async move { elsewhere((1, false)).await }).await?, 1, "it can be spawned");
        let nested = connections.in_transaction("default").run(async |_| {
            write((0, false)).await?;
            Err::<(), _>(undo())
        });
        assert!(nested.await.is_err());
        assert_eq!(kept(&t, &notes).await, "b", "inside a transaction it is a savepoint");
        // A closure's future can be spawned as well.
        let other = connections.clone();
        in_task(async move { other.in_transaction("log").run(async |_| Ok::<_, Error>(())).await }).await?;
        connections.close_all().await
    }

    async fn x11_shared_children_join_the_transactions_of_all_databases(t: Test) -> Result<()> {
        let (connections, notes, logs) = with_tables(&t).await;
        let (first, second) = (connections.in_transaction("default").await?, connections.in_transaction("log").await?);
        let (note, log) = (add(&t, "a"), add_log(&t, "x"));
        let shared = connections.clone();
        in_task(connections.share(async move {
            shared.get("default").await?.execute(note, ()).await?;
            shared.get("log").await?.execute(log, ()).await
        }))
        .await?;
        first.commit().await?;
        second.rollback().await?;
        assert_eq!(kept(&t, &notes).await, "a");
        assert_eq!(committed_logs(&t, &logs).await, "");
        connections.close_all().await
    }
}
