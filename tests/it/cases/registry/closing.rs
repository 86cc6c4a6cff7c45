//! R2, R3: closing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ebbtide::{Database, Error, ErrorKind, HookError, Result};
use futures::FutureExt as _;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Barrier;

use super::{CHILD, child, registry, sized, two, undo};
use crate::cases::lifecycle::dead_url;
use crate::cases::tasks::{kept, kind, soon};
use crate::support::{Test, cases};

/// Runs in the child: a transaction that is interrupted.
async fn interrupted_child(url: &str, table: &str) {
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {
            println!("DROPPED");
        }
    }
    let connections = registry(&json!({"connections": {"default": url, "unused": url}}));
    let database = connections.get("default").await.expect("it connects");
    let insert = format!("insert into {table} (body) values ('lost')");
    let ended: Result<()> = connections
        .run(async |connections| {
            let _dropped = Dropped;
            let work = connections.in_transaction("default").run(async |transaction| {
                transaction.execute(ebbtide::AssertSqlSafe(insert), ()).await?;
                println!("READY");
                std::future::pending::<Result<()>>().await
            });
            work.await
        })
        .await;
    println!("CONNECTED {}", database.is_connected());
    println!("ENDED {:?}", ended.expect_err("it is interrupted").kind());
}

/// Runs in the child whose closing never ends.
async fn stubborn_child(t: &Test, url: &str) {
    let connections = registry(&json!({"connections": {"default": url}}));
    let hooked = sized(t, 5).on_disconnect(async || {
        println!("CLOSING");
        std::future::pending::<std::result::Result<(), HookError>>().await
    });
    let _token = connections.set("hooked", &hooked);
    let ended: Result<()> = connections
        .run(async |connections| {
            connections.get("hooked").await?;
            println!("READY");
            std::future::pending().await
        })
        .await;
    println!("ENDED {:?}", ended.expect_err("it is interrupted").kind());
}

/// Returns the lines in capitals that a child prints until it ends successfully; at the lines named, it gets a signal.
async fn interrupt(mut child: Child, signal: &str, at: &[&str]) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut said = Vec::new();
    soon("the child", async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            if at.contains(&line.as_str()) {
                let pid = child.id().expect("it runs").to_string();
                let killed = Command::new("kill").args([signal, &pid]).status().await;
                assert!(killed.expect("kill").success());
            }
            said.push(line);
        }
    })
    .await;
    let status = soon("the child's end", child.wait()).await.expect("it ends");
    assert!(status.success(), "{signal}: {said:?}");
    said.retain(|line| line.starts_with(char::is_uppercase));
    said
}

cases! {
    async fn r2_closing_goes_on_beside_failures_and_at_the_same_time(t: Test) -> Result<()> {
        let connections = two(&t);
        let barrier = Arc::new(Barrier::new(3));
        let hooked = |fails: bool| {
            let barrier = Arc::clone(&barrier);
            sized(&t, 5).on_disconnect(move || {
                let barrier = Arc::clone(&barrier);
                async move {
                    barrier.wait().await;
                    if fails { Err(HookError::from("a bad day")) } else { Ok(()) }
                }
            })
        };
        let set = [hooked(true), hooked(false), hooked(true)];
        let _tokens = [("a", 0), ("b", 1), ("c", 2)].map(|(alias, index)| connections.set(alias, &set[index]));
        for alias in ["a", "b", "c", "default"] {
            connections.get(alias).await?;
        }
        let default = connections.get("default").await?;
        let error = soon("closing one after the other", connections.close_all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook);
        let message = error.message();
        assert!(message.starts_with("2 connections did not close cleanly:"), "{message}");
        assert!(["`a`", "`c`"].iter().all(|alias| message.contains(alias)) && !message.contains("`b`"), "{message}");
        assert!(set.iter().chain([&default]).all(|database| !database.is_connected()));
        connections.close_all().await
    }

    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    async fn r2_closing_makes_none_that_was_not_used(t: Test) -> Result<()> {
        let connections = registry(&json!({"connections": {
            "default": t.url(), "dead": dead_url(&t), "file": t.sqlite_url("never.db")}}));
        connections.close_all().await?;
        let database = connections.get("default").await?;
        connections.disconnect_all().await?;
        assert!(!database.is_connected());
        assert!(!t.folder().join("never.db").exists());
        connections.get("default").await?;
        assert!(database.is_connected(), "without `discard` it is the same one");
        connections.close_all().await?;
        let new = connections.get("default").await?;
        assert!(new.is_connected() && !database.is_connected(), "with it, another");
        Database::connect(&new).await?;
        connections.close_all().await?;
        assert!(!new.is_connected(), "its own are closed even if others use them");
        Ok(())
    }

    async fn r3_everything_is_closed_at_the_end(t: Test) -> Result<()> {
        let connections = two(&t);
        let databases = connections
            .run(async |connections| {
                let databases = connections.all().await?;
                assert!(databases.iter().all(|(_, database)| database.is_connected()));
                Ok::<_, Error>(databases)
            })
            .await?;
        assert!(databases.iter().all(|(_, database)| !database.is_connected()), "after success");

        let database = connections.get("default").await?;
        let failed: Result<()> = connections.run(async |_| Err(undo())).await;
        assert_eq!(kind(&failed), Some(undo().kind()));
        assert!(!database.is_connected(), "after an error");

        let database = connections.get("log").await?;
        let panics = connections.run(async |connections| -> Result<()> {
            let _open = connections.in_transaction("log").await?;
            panic!("on purpose");
        });
        let panic = AssertUnwindSafe(panics).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        assert!(!database.is_connected(), "after a panic");
        Ok(())
    }

    async fn r3_an_error_of_closing_comes_out_if_nothing_else_did(t: Test) -> Result<()> {
        let connections = two(&t);
        let hooked = sized(&t, 5).on_disconnect(async || Err(HookError::from("a bad day")));
        let _token = connections.set("hooked", &hooked);
        let closed = connections.run(async |connections| connections.get("hooked").await.map(drop)).await;
        assert_eq!(kind(&closed), Some(ErrorKind::Hook));
        let failed: Result<()> = connections
            .run(async |connections| {
                connections.get("hooked").await?;
                Err(undo())
            })
            .await;
        assert_eq!(kind(&failed), Some(undo().kind()), "the program's own error says more");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn r3_ctrl_c_closes_everything(t: Test) -> Result<()> {
        if let Some(url) = std::env::var_os(CHILD) {
            let (url, table) = url.to_str().expect("text").split_once(' ').expect("a table");
            interrupted_child(url, table).await;
            return Ok(());
        }
        let database = crate::cases::tasks::notes(&t).await;
        for signal in ["-INT", "-TERM"] {
            let said = interrupt(child(&t), signal, &["READY"]).await;
            assert_eq!(said, ["READY", "DROPPED", "CONNECTED false", "ENDED Interrupted"], "{signal}");
            assert_eq!(kept(&t, &database).await, "", "{signal}: it was rolled back");
        }
        database.disconnect().await?;
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn r3_a_second_ctrl_c_does_not_wait_for_the_closing(t: Test) {
        if let Some(url) = std::env::var_os(CHILD) {
            let (url, _) = url.to_str().expect("text").split_once(' ').expect("a table");
            stubborn_child(&t, url).await;
            return;
        }
        let said = interrupt(child(&t), "-INT", &["READY", "CLOSING"]).await;
        assert_eq!(said, ["READY", "CLOSING", "ENDED Interrupted"]);
    }
}
