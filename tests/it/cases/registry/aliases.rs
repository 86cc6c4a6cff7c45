//! C2, R1: configurations and the databases created from them.

use std::fs;

use ebbtide::{Config, Connections, ConnectionsConfig, Database, DatabaseUrl, Error, ErrorKind, Result};
use futures::future::join_all;
use serde_json::json;
use tokio::sync::{Barrier, oneshot};

use super::{connected, registry, second_url, two};
use crate::cases::lifecycle::dead_url;
use crate::cases::tasks::{add, in_task, kind, list, soon};
use crate::support::cases;

/// Returns which database an alias means here.
async fn meaning(connections: &Connections, alias: &str) -> Option<u32> {
    let database = connections.get(alias).await.ok()?;
    Some(database.config().settings().pool_size)
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
        assert_eq!(connections.get("default").await?.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?, 1);
        assert_eq!(connections.config().routers(), ["replicas"]);
        connections.close_all().await
    }

    // `url::Url` does not take what is behind `jdbc:` of these URLs.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn r1_one_url_is_a_registry_found_f18(t: Test) -> Result<()> {
        let text = t.url();
        let url: DatabaseUrl = text.parse()?;
        let web = url::Url::parse(&text).unwrap();
        let value = json!({"connections": {"default": text}});
        let registries = [
            Connections::init(text.as_str())?,
            Connections::init(&text)?,
            Connections::init(&url)?,
            Connections::init(url)?,
            Connections::init(&web)?,
            Connections::init(web)?,
            Connections::init(&Database::new(&text)?)?,
            Connections::init(Database::new(Database::new(&text)?)?)?,
            Connections::init(&Config::from_url(text)?)?,
            Connections::init(&value)?,
        ];
        for connections in registries {
            assert!(connections.config().aliases().eq(["default"]));
            let database = connections.get("default").await?;
            assert_eq!(database.fetch_value::<i64>("select 1", ()).await?, 1);
            connections.close_all().await?;
        }
        Ok(())
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
        assert_eq!(connections.get("default").await?.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?, 1, "it connects again");
        assert!(databases[0].is_connected(), "the same one");
        connections.close_all().await
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
        connections.disconnect_all().await?;
        assert!(!all[0].1.is_connected());
        assert!(discarded.is_connected(), "it is the caller's now");
        let new = connections.get("log").await?;
        assert!(discarded.disconnect().await?);
        assert!(new.is_connected(), "another one");
        connections.close_all().await
    }

    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
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
        connections.close_all().await
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
        // Sharing a database passes on the aliases too.
        let shared = connections.clone();
        assert_eq!(in_task(other.share(async move { meaning(&shared, "log").await })).await, Some(7));
        let inside = connections.in_transaction("log").run(async |_| Ok::<_, Error>(meaning(&connections, "log").await));
        assert_eq!(inside.await?, Some(7), "and so does a closure");
        connections.reset(token)?;
        assert_eq!(meaning(&connections, "log").await, Some(3));
        connections.close_all().await?;
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
        connections.close_all().await
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
        connections.close_all().await
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
        connections.close_all().await
    }
}
