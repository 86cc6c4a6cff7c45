//! Transactions on two databases of different kinds at once.

use std::panic::AssertUnwindSafe;

use ebbtide::{AssertSqlSafe, Connections, ConnectionsConfig, Database, Error, ErrorKind, Result};
use futures::FutureExt as _;
use serde_json::json;

use super::tasks::{add, in_task, in_use, kept, kind, list, notes, soon, undo, until};
use crate::support::{Test, cases};

/// Returns the database of the test as `default`, and a SQLite file as `log`; both with a table of notes.
async fn both(t: &Test) -> (Connections, Database, Database) {
    let main = notes(t).await;
    let config = json!({"connections": {"default": "sqlite://never-made.db", "log": t.sqlite_url("log.db")}});
    let config: ConnectionsConfig = serde_json::from_value(config).expect("the configuration");
    let connections = Connections::init(config).expect("the registry");
    let log = connections.get("log").await.expect("the file");
    let create = t.words("create table {notes} (id integer primary key, body text not null unique)");
    log.execute(AssertSqlSafe(create), ()).await.expect("the table");
    (connections, main, log)
}

/// Returns the notes that are committed to the log.
async fn logged(t: &Test, log: &Database) -> String {
    let sql = t.words("select coalesce(group_concat(body, ','), '') from (select body from {notes} order by body)");
    let log = log.clone();
    let text = in_task(async move { log.fetch_value(AssertSqlSafe(sql), ()).await });
    text.await.expect("the log")
}

/// Checks that no transaction is left open on either database.
async fn assert_ended_with(t: &Test, main: &Database, log: &Database, expected: (&str, &str)) {
    assert_eq!(kept(t, main).await, expected.0, "the test's database");
    assert_eq!(logged(t, log).await, expected.1, "the log");
    until("nothing is in use", || (in_use(main), in_use(log)) == (0, 0)).await;
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x11_two_kinds_of_databases_nest_each_in_its_own(t: Test) -> Result<()> {
        let (connections, main, log) = both(&t).await;
        let _token = connections.set("default", &main);
        let ran = connections.in_transaction("default").run(async |_| {
            main.execute(add(&t, "a"), ()).await?;
            connections.in_transaction("log").run(async |_| {
                log.execute(add(&t, "x"), ()).await?;
                let inner = connections.atomic("default").run(async || {
                    main.execute(add(&t, "b"), ()).await?;
                    log.execute(add(&t, "y"), ()).await?;
                    Err::<(), _>(undo())
                });
                assert_eq!(kind(&inner.await), Some(undo().kind()));
                assert_eq!(main.fetch_value::<String>(list(&t), ()).await?, "a", "a savepoint was rolled back");
                let failed = connections.in_transaction("log").run(async |_| log.execute(add(&t, "x"), ()).await);
                assert_eq!(kind(&failed.await), Some(ErrorKind::Constraint));
                main.execute(add(&t, "c"), ()).await.map(drop)
            }).await?;
            assert_eq!((in_use(&main), in_use(&log)), (1, 0), "the inner one has ended");
            assert_eq!(logged(&t, &log).await, "x,y", "what is no part of the rolled back transaction stays");
            Ok::<_, Error>(())
        });
        ran.await?;
        assert_ended_with(&t, &main, &log, ("a,c", "x,y")).await;
        connections.close_all().await
    }

    async fn x11_an_error_undoes_what_is_open_on_both(t: Test) -> Result<()> {
        let (connections, main, log) = both(&t).await;
        let _token = connections.set("default", &main);
        let failed: Result<()> = connections.in_transaction("log").run(async |_| {
            log.execute(add(&t, "x"), ()).await?;
            connections.in_transaction("default").run(async |_| {
                main.execute(add(&t, "a"), ()).await?;
                main.execute(add(&t, "a"), ()).await.map(drop)
            }).await
        }).await;
        assert_eq!(kind(&failed), Some(ErrorKind::Constraint));
        assert_ended_with(&t, &main, &log, ("", "")).await;
        // Guards: one is committed, the other is dropped.
        let (first, second) = (connections.in_transaction("default").await?, connections.in_transaction("log").await?);
        main.execute(add(&t, "b"), ()).await?;
        log.execute(add(&t, "y"), ()).await?;
        first.commit().await?;
        drop((first, second));
        assert_ended_with(&t, &main, &log, ("b", "")).await;
        connections.close_all().await
    }

    async fn x11_a_panic_undoes_what_is_open_on_both(t: Test) -> Result<()> {
        let (connections, main, log) = both(&t).await;
        let _token = connections.set("default", &main);
        let closures = connections.in_transaction("default").run(async |_| -> Result<()> {
            main.execute(add(&t, "a"), ()).await?;
            connections.in_transaction("log").run(async |_| {
                log.execute(add(&t, "x"), ()).await?;
                panic!("on purpose")
            }).await
        });
        let panic = AssertUnwindSafe(closures).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        assert_ended_with(&t, &main, &log, ("", "")).await;

        let guards = async {
            let (_first, _second) = (connections.in_transaction("log").await?, connections.in_transaction("default").await?);
            main.execute(add(&t, "b"), ()).await?;
            log.execute(add(&t, "y"), ()).await?;
            panic!("with guards");
            #[expect(unreachable_code, reason = "it says what the block yields")]
            Ok::<(), Error>(())
        };
        AssertUnwindSafe(guards).catch_unwind().await.unwrap_err();
        assert_eq!(soon("the next one", main.fetch_value::<String>(list(&t), ())).await?, "");
        assert_ended_with(&t, &main, &log, ("", "")).await;
        connections.close_all().await
    }

    async fn x11_joined_closures_on_two_kinds_are_apart(t: Test) -> Result<()> {
        let (connections, main, log) = both(&t).await;
        let _token = connections.set("default", &main);
        let meet = tokio::sync::Barrier::new(2);
        let (left, right) = soon("both", async {
            tokio::join!(
                connections.in_transaction("default").run(async |_| {
                    main.execute(add(&t, "a"), ()).await?;
                    meet.wait().await;
                    // Here the log is outside of the other's transaction, and sees none of its changes.
                    assert_eq!(logged(&t, &log).await, "");
                    meet.wait().await;
                    Ok::<_, Error>(())
                }),
                connections.in_transaction("log").run(async |_| {
                    log.execute(add(&t, "x"), ()).await?;
                    meet.wait().await;
                    meet.wait().await;
                    Err::<(), _>(undo())
                }),
            )
        })
        .await;
        left?;
        assert_eq!(kind(&right), Some(undo().kind()));
        assert_ended_with(&t, &main, &log, ("a", "")).await;
        connections.close_all().await
    }
}
