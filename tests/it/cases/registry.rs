//! Several databases from one configuration: the registry, what is set in it, closing, transactions by alias.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::process::Stdio;
use std::sync::Arc;

use ebbtide::{Config, Connections, ConnectionsConfig, Database, Error, ErrorKind, HookError, Result};
use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Barrier, oneshot};

use super::lifecycle::dead_url;
use super::tasks::{add, in_task, in_use, kept, kind, list, soon};
use crate::support::{Test, cases};

/// The second database: the same server, another file, another memory.
fn second_url(t: &Test) -> String {
    match t.backend().name() {
        "sqlite_file" => t.sqlite_url("second.db"),
        _ => t.url(),
    }
}

/// `default` and `log`; nothing is made yet.
fn two(t: &Test) -> Connections {
    registry(&json!({"connections": {"default": t.url(), "log": {"url": second_url(t), "pool_size": 3}}}))
}

fn registry(value: &Value) -> Connections {
    let config: ConnectionsConfig = serde_json::from_value(value.clone()).expect("the configuration");
    Connections::init(config).expect("the registry")
}

fn add_log(t: &Test, body: &str) -> ebbtide::AssertSqlSafe<String> {
    t.sql(&format!("insert into {{logs}} (body) values ('{body}')"))
}

/// Both connected, with the tables `notes` and `logs`.
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

/// The entries of `logs` that are committed, seen from a task of its own: `a,b`.
async fn committed_logs(t: &Test, logs: &Database) -> String {
    let (logs, sql) = (logs.clone(), t.sql("select body from {logs} order by body"));
    let rows = in_task(async move { logs.fetch_all(sql, ()).await })
        .await
        .expect("the entries");
    let bodies: Vec<String> = rows.iter().map(|row| row.get(0).expect("text")).collect();
    bodies.join(",")
}

fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

/// Which database an alias means here.
async fn meaning(connections: &Connections, alias: &str) -> Option<u32> {
    let database = connections.get(alias).await.ok()?;
    Some(database.config().settings().pool_size)
}

/// A database that is told from others by the size of its pool.
fn sized(t: &Test, size: u32) -> Database {
    let config = Config::from_url(t.url().as_str()).expect("the URL");
    Database::new(config.pool_size(size)).expect("the database")
}

async fn connected(t: &Test, size: u32) -> Database {
    let database = sized(t, size);
    Database::connect(&database).await.expect("it connects");
    database
}

/// The child of a test: the same case in a process of its own, told so by a variable.
const CHILD: &str = "EBBTIDE_TEST_REGISTRY_CHILD";

fn child(t: &Test) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([t.name(), "--exact"])
        .env(CHILD, format!("{} {}", t.url(), t.table("notes")))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the child starts")
}

/// What the child does: a transaction that is interrupted.
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

/// What the child does whose closing takes for ever.
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

/// What a child says in capitals until it ends well; at the lines named, it gets a signal.
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
    async fn c2_a_configuration_is_read_from_a_file(t: Test) -> Result<()> {
        let path = t.folder().join("databases.json");
        let value = json!({
            "connections": {"default": "${MAIN}", "log": {"url": second_url(&t), "pool_size": "${SIZE:-3}"}},
            "apps": {"shop": {"models": ["note"]}}, "routers": ["replicas"],
        });
        fs::write(&path, value.to_string()).unwrap();
        let url = t.url();
        let config = ConnectionsConfig::from_file_with(&path, |name| (name == "MAIN").then(|| url.clone()))?;
        let connections = Connections::init(&config)?;
        assert!(connections.config().aliases().eq(["default", "log"]));
        assert_eq!(meaning(&connections, "log").await, Some(3));
        assert_eq!(connections.get("default").await?.fetch_value::<i64>("select 1", ()).await?, 1);
        assert_eq!(connections.config().routers(), ["replicas"]);
        connections.close_all(true).await
    }

    async fn r1_a_database_is_made_once_and_on_demand(t: Test) -> Result<()> {
        let connections = two(&t);
        let tasks = (0..8).map(|_| {
            let connections = connections.clone();
            in_task(async move { connections.get("default").await })
        });
        let databases: Vec<Database> = join_all(tasks).await.into_iter().collect::<Result<_>>()?;
        let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
        databases[0].execute(create, ()).await?;
        databases[1].execute(add(&t, "a"), ()).await?;
        assert_eq!(connections.get("default").await?.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(databases[2].disconnect().await?, "it was connected once");
        assert!(databases.iter().all(|database| !database.is_connected()));
        assert_eq!(connections.get("default").await?.fetch_value::<i64>("select 1", ()).await?, 1, "it connects again");
        assert!(databases[0].is_connected(), "the same one");
        connections.close_all(true).await
    }

    async fn r1_an_unknown_alias_lists_the_known(t: Test) {
        let connections = two(&t);
        let error = connections.get("logs").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let expected = "there is no connection `logs`; the known ones are `default`, `log`\n  help: did you mean `log`?";
        assert_eq!(error.to_string(), expected);
        assert_eq!(connections.db_config("shop").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(kind(&connections.in_transaction("shop").await.map(drop)), Some(ErrorKind::Config));
        assert_eq!(connections.db_config("log").unwrap().settings().pool_size, 3);
    }

    async fn r1_all_are_made_and_discard_forgets_one(t: Test) -> Result<()> {
        let connections = two(&t);
        let all = connections.all().await?;
        assert_eq!(all.iter().map(|(alias, _)| alias.as_str()).collect::<Vec<_>>(), ["default", "log"]);
        let discarded = connections.discard("log").expect("it was made");
        assert!(connections.discard("log").is_none());
        connections.close_all(false).await?;
        assert!(!all[0].1.is_connected());
        assert!(discarded.is_connected(), "it is the caller's now");
        let new = connections.get("log").await?;
        assert!(discarded.disconnect().await?);
        assert!(new.is_connected(), "another one");
        connections.close_all(true).await
    }

    async fn r1_a_connect_that_fails_names_the_alias_and_may_be_tried_again(t: Test) -> Result<()> {
        let url = dead_url(&t);
        let connections = registry(&json!({"connections": {"far": url, "near": t.url()}}));
        let error = connections.get("far").await.unwrap_err();
        assert!(error.message().starts_with("the connection `far` cannot be connected: "), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        assert_eq!(kind(&connections.all().await), Some(error.kind()));
        if t.backend().is_sqlite() {
            fs::write(t.folder().join("missing.db"), "").unwrap();
            connections.get("far").await?;
        }
        connections.close_all(true).await
    }

    async fn r1_set_holds_for_this_task_and_its_children_only(t: Test) -> Result<()> {
        let connections = two(&t);
        let other = connected(&t, 7).await;
        assert_eq!(meaning(&connections, "log").await, Some(3));
        let token = connections.set("log", &other);
        assert_eq!(meaning(&connections, "log").await, Some(7));
        let (alone, shared) = (connections.clone(), connections.clone());
        assert_eq!(in_task(async move { meaning(&alone, "log").await }).await, Some(3), "another task");
        let child = connections.share(async move {
            let grandchild = shared.clone();
            let grandchild = shared.share(async move { meaning(&grandchild, "log").await });
            (meaning(&shared, "log").await, in_task(grandchild).await)
        });
        assert_eq!(in_task(child).await, (Some(7), Some(7)));
        // Sharing a database inherits too.
        let shared = connections.clone();
        assert_eq!(in_task(other.share(async move { meaning(&shared, "log").await })).await, Some(7));
        let inside = connections.in_transaction("log").run(async |_| Ok::<_, Error>(meaning(&connections, "log").await));
        assert_eq!(inside.await?, Some(7), "and so does a closure");
        connections.reset(token)?;
        assert_eq!(meaning(&connections, "log").await, Some(3));
        connections.close_all(true).await?;
        assert!(other.disconnect().await?, "its owner's connect is left alone");
        Ok(())
    }

    async fn r1_a_child_keeps_what_was_set_when_it_was_shared(t: Test) -> Result<()> {
        let connections = two(&t);
        let other = connected(&t, 7).await;
        let token = connections.set("log", &other);
        let (go, gone) = oneshot::channel::<()>();
        let shared = connections.clone();
        let child = tokio::spawn(connections.share(async move {
            gone.await.expect("the signal");
            meaning(&shared, "log").await
        }));
        connections.reset(token)?;
        go.send(()).expect("the child waits");
        assert_eq!(child.await.expect("no panic"), Some(7));
        assert_eq!(meaning(&connections, "log").await, Some(3));
        other.disconnect().await?;
        connections.close_all(true).await
    }

    async fn r1_reset_restores_and_keeps_what_was_made_meanwhile(t: Test) -> Result<()> {
        let connections = two(&t);
        let (seven, eight, nine) = (connected(&t, 7).await, connected(&t, 8).await, connected(&t, 9).await);
        let first = connections.set("default", &seven);
        let second = connections.set("default", &eight);
        let third = connections.set("new", &nine);
        let log = connections.get("log").await?;
        assert_eq!(meaning(&connections, "default").await, Some(8));
        connections.reset(first)?;
        assert_eq!(meaning(&connections, "default").await, Some(8), "in any order");
        connections.reset(second)?;
        assert_eq!(meaning(&connections, "default").await, Some(connections.db_config("default")?.settings().pool_size));
        assert_eq!(meaning(&connections, "new").await, Some(9), "an alias set meanwhile stays");
        assert!(log.is_connected() && meaning(&connections, "log").await == Some(3), "and one made meanwhile");
        assert_eq!(kind(&two(&t).reset(third)), Some(ErrorKind::Config), "a token of another registry");
        {
            let _token = connections.set("default", &seven);
            let nested = connections.set("default", &eight);
            drop(nested);
            assert_eq!(meaning(&connections, "default").await, Some(7));
        }
        assert_ne!(meaning(&connections, "default").await, Some(7), "dropping resets too");
        for database in [seven, eight, nine] {
            database.disconnect().await?;
        }
        connections.close_all(true).await
    }

    async fn r1_the_closure_form_is_bound_to_its_future(t: Test) -> Result<()> {
        let connections = two(&t);
        let (seven, eight) = (connected(&t, 7).await, connected(&t, 8).await);
        let barrier = Barrier::new(3);
        let look = async |alias: &str| {
            let before = meaning(&connections, alias).await;
            barrier.wait().await;
            (before, meaning(&connections, alias).await, meaning(&connections, "new").await)
        };
        let (left, right, beside) = soon("the three", async {
            tokio::join!(
                connections.set("log", &seven).run(look("log")),
                connections.set("new", &eight).run(look("log")),
                look("log"),
            )
        })
        .await;
        assert_eq!(left, (Some(7), Some(7), None));
        assert_eq!(right, (Some(3), Some(3), Some(8)));
        assert_eq!(beside, (Some(3), Some(3), None));
        let nested = connections.set("log", &seven).run(async {
            let inner = connections.set("log", &eight).run(meaning(&connections, "log")).await;
            let token = connections.set("log", &eight);
            let guarded = meaning(&connections, "log").await;
            connections.reset(token).expect("its own token");
            (inner, guarded, meaning(&connections, "log").await)
        });
        assert_eq!(nested.await, (Some(8), Some(8), Some(7)));
        seven.disconnect().await?;
        eight.disconnect().await?;
        connections.close_all(true).await
    }

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
        let error = soon("closing one after the other", connections.close_all(true)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook);
        let message = error.message();
        assert!(message.starts_with("2 connections did not close cleanly:"), "{message}");
        assert!(["`a`", "`c`"].iter().all(|alias| message.contains(alias)) && !message.contains("`b`"), "{message}");
        assert!(set.iter().chain([&default]).all(|database| !database.is_connected()));
        connections.close_all(true).await
    }

    async fn r2_closing_makes_none_that_was_not_used(t: Test) -> Result<()> {
        let connections = registry(&json!({"connections": {
            "default": t.url(), "dead": dead_url(&t), "file": t.sqlite_url("never.db")}}));
        connections.close_all(true).await?;
        let database = connections.get("default").await?;
        connections.close_all(false).await?;
        assert!(!database.is_connected());
        assert!(!t.folder().join("never.db").exists());
        connections.get("default").await?;
        assert!(database.is_connected(), "without `discard` it is the same one");
        connections.close_all(true).await?;
        let new = connections.get("default").await?;
        assert!(new.is_connected() && !database.is_connected(), "with it, another");
        Database::connect(&new).await?;
        connections.close_all(true).await?;
        assert!(!new.is_connected(), "its own are closed whoever counts on them");
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
        let database = super::tasks::notes(&t).await;
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

    async fn x11_one_database_needs_no_name_and_several_do(t: Test) -> Result<()> {
        let one = Connections::init(Config::from_url(t.url().as_str())?)?;
        let transaction = one.in_transaction(None).await?;
        assert_eq!(transaction.fetch_value::<i64>("select 1", ()).await?, 1);
        transaction.commit().await?;
        assert_eq!(one.atomic(None).run(async || Ok::<_, Error>(1)).await?, 1);
        one.close_all(true).await?;

        let several = two(&t);
        let expected = "no connection is named, and there are several: `default`, `log`\n  \
                        help: name the one that is meant: `in_transaction(\"default\")`";
        let error = several.in_transaction(None).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, expected));
        let error = several.atomic(None).run(async || Ok::<_, Error>(())).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        several.close_all(true).await
    }

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
        let undone = connections.in_transaction("default").force_rollback(true).run(async |_| notes.execute(add(&t, "f"), ()).await);
        undone.await?;
        assert_eq!(kept(&t, &notes).await, "a,c,d");
        let read_only = connections.in_transaction("default").read_only().run(async |_| notes.execute(add(&t, "g"), ()).await);
        assert_eq!(kind(&read_only.await), Some(ErrorKind::ReadOnly));
        connections.close_all(true).await
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
        connections.close_all(true).await
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
        connections.close_all(true).await
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
        connections.close_all(true).await
    }
}
