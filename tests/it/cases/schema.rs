//! Tables declared in code, models bound to a database, routers.

use std::sync::Arc;

use ebbtide::{
    Alias, App, Connections, ConnectionsConfig, Database, DbConnection, Ddl, Dialect, Error, ErrorKind, Result, Router,
    Schema,
};
use futures::future::join_all;
use serde_json::{Value, json};

use super::tasks::in_task;
use crate::support::{Test, cases};

fn registry(value: &Value) -> Connections {
    let config: ConnectionsConfig = serde_json::from_value(value.clone()).expect("the configuration");
    Connections::init(config).expect("the registry")
}

/// Returns the URL of another database: the same server, another file, another memory.
fn other_url(t: &Test) -> String {
    match t.backend().name() {
        "sqlite_file" => t.sqlite_url("other.db"),
        _ => t.url(),
    }
}

const NOTES: &str = "create table {notes} (id bigint primary key, body {key} not null)";
const LINKS: &str = "create table {links} (note bigint not null, tag bigint not null, primary key (note, tag), \
                     foreign key (note) references {notes} (id), foreign key (tag) references {tags} (id))";
const TAGS: &str = "create table {tags} (id bigint primary key, name {key} not null unique)";

/// Returns three tables, with the one that needs the others first.
fn notes(t: &Test) -> App {
    App::new("notes")
        .define(t.sql(LINKS))
        .define(t.sql(NOTES))
        .define(t.sql(TAGS))
}

fn schema(t: &Test) -> Schema {
    Schema::new().app(notes(t))
}

async fn count(t: &Test, database: &Database, table: &str) -> Result<i64> {
    database
        .fetch_value(t.sql(&format!("select count(*) from {table}")), ())
        .await
}

/// Returns whether the table exists.
async fn is_there(t: &Test, database: &Database, table: &str) -> bool {
    match count(t, database, table).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::UndefinedObject => false,
        Err(error) => panic!("{error:?}"),
    }
}

fn failed<T>(result: Result<T>) -> Error {
    result.map(drop).expect_err("it fails")
}

/// Routes some models to another database.
struct Elsewhere {
    read: Option<&'static str>,
    write: Option<&'static str>,
}

impl Router for Elsewhere {
    fn db_for_read(&self, model: &str) -> Option<Alias> {
        self.read.filter(|_| model == "note").map(Into::into)
    }

    fn db_for_write(&self, model: &str) -> Option<Alias> {
        self.write.filter(|_| model == "note").map(Into::into)
    }
}

fn with_replica(t: &Test) -> Connections {
    let connections = registry(&json!({
        "connections": {"default": t.url(), "replica": other_url(t)}, "routers": ["replicas"],
    }));
    let router = Elsewhere {
        read: Some("replica"),
        write: None,
    };
    connections.register_router("replicas", router);
    connections
}

cases! {
    // Derby has no IF EXISTS.
    #[except(jdbc_derby)]
    async fn r4_tables_are_made_and_dropped_in_the_order_of_their_keys(t: Test) -> Result<()> {
        let (database, schema) = (t.database().await, schema(&t));
        schema.create_new(&database).await?;
        database.execute(t.sql("insert into {notes} values (1, 'a')"), ()).await?;
        let orphan = failed(database.execute(t.sql("insert into {links} values (1, 2)"), ()).await);
        assert_eq!(orphan.kind(), ErrorKind::Constraint, "{orphan}");
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1);
        schema.drop_all(&database).await?;
        for table in ["{links}", "{notes}", "{tags}"] {
            assert!(!is_there(&t, &database, table).await, "{table}");
        }
        schema.drop_all(&database).await
    }

    async fn r4_safe_leaves_what_is_there_and_unsafe_names_it(t: Test) -> Result<()> {
        let (database, schema) = (t.database().await, schema(&t));
        database.execute(t.sql(NOTES), ()).await?;
        database.execute(t.sql("insert into {notes} values (1, 'kept')"), ()).await?;
        let error = failed(schema.create_new(&database).await);
        assert_eq!(error.kind(), ErrorKind::DuplicateObject, "{error}");
        assert!(error.message().contains(&format!("`{}` already exists", t.table("notes"))), "{error}");
        assert!(!is_there(&t, &database, "{tags}").await, "nothing was made");
        schema.create_all(&database).await?;
        schema.create_all(&database).await?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        assert_eq!(count(&t, &database, "{links}").await?, 0);
        Ok(())
    }

    // Derby has no IF EXISTS.
    #[except(jdbc_derby)]
    async fn r4_safe_holds_for_what_has_no_if_not_exists(t: Test) -> Result<()> {
        let database = t.database().await;
        let index = t.words("{notes}_body");
        let app = App::new("notes")
            .define(Ddl::new(t.sql("create view {seen} as select id from {notes}")))
            .define(Ddl::new(t.sql(&format!("{NOTES}; create index {index} on {{notes}} (body)"))))
            .define(Ddl::only(Dialect::Postgres, t.sql("create type {moods} as enum ('glad')"))
                .dropped_by(t.sql("drop type if exists {moods}")));
        let schema = Schema::new().app(app);
        for _ in 0..2 {
            schema.create_all(&database).await?;
            assert_eq!(count(&t, &database, "{seen}").await?, 0);
        }
        schema.drop_all(&database).await?;
        assert!(!is_there(&t, &database, "{seen}").await);
        Ok(())
    }

    // Derby has no IF EXISTS.
    #[except(jdbc_derby)]
    async fn r4_each_app_is_on_its_own_connection(t: Test) -> Result<()> {
        let connections = registry(&json!({
            "connections": {"default": t.url(), "log": other_url(&t), "unused": t.url()},
            "apps": {"audit": {"models": ["entry"], "default_connection": "log"}},
        }));
        let audit = App::new("audit").define(t.sql("create table {entries} (body {key})"));
        let schema = schema(&t).app(audit);
        schema.create_new(&connections).await?;
        let (default, log) = (connections.get("default").await?, connections.get("log").await?);
        assert!(is_there(&t, &default, "{links}").await && is_there(&t, &log, "{entries}").await);
        if t.backend().is_sqlite() {
            assert!(!is_there(&t, &default, "{entries}").await && !is_there(&t, &log, "{links}").await);
        }
        assert!(format!("{connections:?}").contains("connected: [\"default\", \"log\"]"), "{connections:?}");
        let error = failed(schema.create_new(&connections).await);
        assert!(error.message().contains("on the connection `default`"), "{error}");
        schema.drop_all(&connections).await?;
        assert!(!is_there(&t, &log, "{entries}").await);
        let nowhere = Schema::new().app(App::new("far").default_connection("fra"));
        let nowhere = nowhere.app(App::new("far").default_connection("lgo").define("create table far (id int)"));
        assert!(failed(nowhere.create_all(&connections).await).message().contains("the known ones are"));
        connections.close_all().await
    }

    // Definitions commit there.
    #[except(mysql, jdbc_h2, jdbc_hsqldb)]
    async fn r4_all_tables_are_made_or_none(t: Test) -> Result<()> {
        let database = t.database().await;
        let broken = notes(&t).define(Ddl::new(t.sql("create table {broken} (id bigint, nonsense nonsense (")));
        let error = failed(Schema::new().app(broken).create_all(&database).await);
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        let expected = format!("cannot create `{}` of the app `notes`", t.table("broken"));
        assert!(error.message().starts_with(&expected), "{error}");
        assert!(!is_there(&t, &database, "{notes}").await);
        Ok(())
    }

    // Definitions commit there.
    #[except(mysql, jdbc_h2, jdbc_hsqldb)]
    #[except(mysql)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn r4_in_a_transaction_and_a_sandbox_they_belong_to_it(t: Test) -> Result<()> {
        let (database, schema) = (t.database().await, schema(&t));
        let transaction = database.transaction().await?;
        schema.create_new(&database).await?;
        assert_eq!(count(&t, &database, "{links}").await?, 0);
        transaction.rollback().await?;
        assert!(!is_there(&t, &database, "{links}").await);

        let sandbox = database.sandbox().await?;
        schema.create_new(&sandbox).await?;
        schema.create_all(&sandbox).await?;
        assert_eq!(count(&t, &sandbox, "{links}").await?, 0);
        sandbox.disconnect().await?;
        assert!(!is_there(&t, &database, "{links}").await);
        Ok(())
    }

    #[only(mysql)]
    async fn r4_in_a_transaction_and_a_sandbox_they_are_refused(t: Test) -> Result<()> {
        let (database, schema) = (t.database().await, schema(&t));
        let transaction = database.transaction().await?;
        let error = failed(schema.create_all(&database).await);
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        transaction.rollback().await?;
        let sandbox = database.sandbox().await?;
        let error = failed(schema.create_all(&sandbox).await);
        assert!(error.message().contains("implicitly"), "{error}");
        sandbox.disconnect().await?;
        assert!(!is_there(&t, &database, "{notes}").await);
        Ok(())
    }

    // DuckDB adds no foreign keys to a table that exists.
    // Derby has no IF EXISTS.
    #[except(dbapi2_duckdb, jdbc_derby)]
    async fn r4_tables_that_need_each_other_get_their_keys_afterwards(t: Test) -> Result<()> {
        let database = t.database().await;
        let users = "create table {users} (id bigint primary key, team bigint, foreign key (team) references {teams} (id))";
        let teams = "create table {teams} (id bigint primary key, head bigint, foreign key (head) references {users} (id))";
        let app = App::new("people").define(t.sql(users)).define(t.sql(teams));
        let schema = Schema::new().app(app);
        schema.create_all(&database).await?;
        schema.create_all(&database).await?;
        for sql in ["insert into {users} values (1, null)", "insert into {teams} values (1, 1)", "update {users} set team = 1"] {
            database.execute(t.sql(sql), ()).await?;
        }
        let orphan = failed(database.execute(t.sql("update {users} set team = 2"), ()).await);
        assert_eq!(orphan.kind(), ErrorKind::Constraint, "{orphan}");
        schema.drop_all(&database).await?;
        assert!(!is_there(&t, &database, "{users}").await && !is_there(&t, &database, "{teams}").await);
        // The connection works as before.
        schema.create_new(&database).await?;
        let orphan = failed(database.execute(t.sql("insert into {users} values (1, 7)"), ()).await);
        assert_eq!(orphan.kind(), ErrorKind::Constraint, "{orphan}");
        schema.drop_all(&database).await
    }

    // One of them gets a conflict (J18 of docs/FAULTS.md).
    #[except(dbapi2_duckdb)]
    async fn r4_programs_that_start_together_wait_for_each_other(t: Test) -> Result<()> {
        let database = t.database().await;
        let schema = Arc::new(schema(&t));
        let starts = (0..6).map(|_| {
            let (database, schema) = (database.clone(), Arc::clone(&schema));
            in_task(async move { schema.create_all(&database).await })
        });
        for started in join_all(starts).await {
            started?;
        }
        assert_eq!(count(&t, &database, "{links}").await?, 0);
        Ok(())
    }

    async fn r5_init_db_makes_the_tables_and_binds_the_models(t: Test) -> Result<()> {
        let schema = schema(&t);
        let error = failed(schema.database());
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        assert!(error.to_string().contains("init_db"), "{error}");

        let connection = DbConnection::new(t.url())?;
        connection.init_db(&schema).await?;
        schema.database()?.execute(t.sql("insert into {notes} values (1, 'a')"), ()).await?;
        connection.init_db(&schema).await?;
        let database = schema.database_of("notes")?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1, "it is idempotent");
        assert!(failed(schema.database_of("nots")).message().contains("it has `notes`"));

        assert!(connection.close().await?);
        assert!(!connection.close().await?);
        assert!(!database.is_connected(), "once is enough");
        assert_eq!(failed(count(&t, &database, "{notes}").await).kind(), ErrorKind::NotConnected);
        for error in [failed(schema.database()), failed(connection.init_db(&schema).await), failed(connection.database().await)] {
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            assert!(error.message().contains("closed"), "{error}");
        }
        Ok(())
    }

    async fn r5_a_failed_init_db_binds_nothing_and_may_be_tried_again(t: Test) -> Result<()> {
        let (fine, broken) = (schema(&t), Schema::new().app(App::new("notes").define("create table (")));
        let connection = DbConnection::new(t.url())?;
        assert_eq!(failed(connection.init_db(&broken).await).kind(), ErrorKind::Syntax);
        assert_eq!(failed(broken.database()).kind(), ErrorKind::NotConnected);
        connection.init_db(&fine).await?;
        assert_eq!(count(&t, &fine.database()?, "{notes}").await?, 0);

        // The next connection takes over, and the first does not take it back.
        let next = DbConnection::new(t.url())?;
        next.init_db(&fine).await?;
        connection.close().await?;
        assert_eq!(count(&t, &fine.database()?, "{notes}").await?, 0);
        next.close().await?;
        assert!(fine.database().is_err());
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn r5_models_work_on_what_is_set(t: Test) -> Result<()> {
        let schema = schema(&t);
        let connection = DbConnection::new(t.url())?;
        connection.init_db(&schema).await?;
        let sandbox = connection.database().await?.sandbox().await?;
        connection
            .set("default", &sandbox)
            .run(async { schema.database()?.execute(t.sql("insert into {notes} values (1, 'undone')"), ()).await })
            .await?;
        assert_eq!(count(&t, &sandbox, "{notes}").await?, 1);
        assert_eq!(count(&t, &schema.database()?, "{notes}").await?, 0);
        sandbox.disconnect().await?;
        connection.close().await?;
        Ok(())
    }

    async fn r6_routers_are_asked_in_order(t: Test) -> Result<()> {
        let connections = registry(&json!({
            "connections": {"default": t.url(), "replica": t.url(), "log": t.url()},
            "apps": {"audit": {"models": ["entry"], "default_connection": "log"}},
            "routers": ["second", "first"],
        }));
        let missing = connections.alias_for_read("note").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Config);
        assert!(missing.message().contains("names the router `second`"), "{missing}");
        connections.register_router("first", Elsewhere { read: Some("log"), write: Some("log") });
        connections.register_router("second", Elsewhere { read: Some("replica"), write: None });
        connections.add_router(Elsewhere { read: Some("default"), write: Some("default") });
        assert_eq!(connections.alias_for_read("note")?, "replica");
        assert_eq!(connections.alias_for_write("note")?, "log");
        assert_eq!(connections.alias_for_read("tag")?, "default");
        assert_eq!(connections.alias_for_write("entry")?, "log", "the connection of its app");
        assert_eq!(connections.alias_for_read("audit.other")?, "log", "the app is named");
        let log = connections.for_write("note").await?;
        assert_eq!(log.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?, 1);
        assert!(format!("{connections:?}").contains("connected: [\"log\"]"), "{connections:?}");
        connections.close_all().await
    }

    async fn r6_an_explicit_database_beats_the_routers(t: Test) -> Result<()> {
        let connections = with_replica(&t);
        let own = t.database().await;
        own.execute(t.sql(NOTES), ()).await?;
        let transaction = own.transaction().await?;
        own.execute(t.sql("insert into {notes} values (1, 'here')"), ()).await?;
        let database = connections.for_read("note").using(&own).await?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        transaction.rollback().await?;
        assert!(format!("{connections:?}").contains("connected: []"), "{connections:?}");
        let routed = connections.for_read("note").using(None).await?;
        assert_eq!(routed.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?, 1);
        connections.close_all().await
    }

    async fn r6_an_unknown_alias_of_a_router_lists_the_known(t: Test) {
        let connections = registry(&json!({"connections": {"default": t.url(), "replica": t.url()}}));
        connections.add_router(Elsewhere { read: Some("replcia"), write: None });
        let error = failed(connections.for_read("note").await);
        assert_eq!(error.kind(), ErrorKind::Config);
        for part in ["Elsewhere`, for reading `note`", "`default`, `replica`", "did you mean `replica`?"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(connections.alias_for_write("note").unwrap(), "default");
    }

    async fn r6_nothing_is_routed_away_from_a_transaction(t: Test) -> Result<()> {
        let connections = with_replica(&t);
        let default = connections.get("default").await?;
        assert_eq!(connections.alias_for_read("note")?, "replica");
        connections
            .in_transaction("default")
            .run(async |_| {
                assert_eq!(connections.alias_for_read("note")?, "default");
                let elsewhere = connections.clone();
                let task = in_task(async move { elsewhere.alias_for_read("note") }).await?;
                assert_eq!(task, "replica", "another task is in no transaction");
                let shared = connections.clone();
                let task = connections.share(async move { shared.alias_for_read("note") });
                assert_eq!(in_task(task).await?, "default", "one that shares it is");
                Ok::<_, Error>(())
            })
            .await?;
        let transaction = default.transaction().await?;
        assert_eq!(connections.alias_for_read("note")?, "default");
        transaction.commit().await?;
        assert_eq!(connections.alias_for_read("note")?, "replica");
        // A transaction of another database has no effect.
        let transaction = connections.in_transaction("replica").await?;
        assert_eq!(connections.alias_for_read("note")?, "replica");
        transaction.rollback().await?;
        connections.close_all().await
    }

    async fn r6_nothing_is_routed_away_from_a_sandbox(t: Test) -> Result<()> {
        let connections = with_replica(&t);
        let default = connections.get("default").await?;
        let inside = default.force_rollback(true).run(async { connections.alias_for_read("note") }).await?;
        assert_eq!(inside, "default");
        let sandbox = default.sandbox().await?;
        let inside = connections.set("default", &sandbox).run(async { connections.alias_for_read("note") }).await?;
        assert_eq!(inside, "default");
        assert_eq!(connections.alias_for_read("note")?, "replica");
        sandbox.disconnect().await?;
        connections.close_all().await?;

        let url = json!({"url": t.url(), "force_rollback": true});
        let connections = registry(&json!({"connections": {"default": url, "replica": other_url(&t)}}));
        connections.add_router(Elsewhere { read: Some("replica"), write: None });
        assert_eq!(connections.alias_for_read("note")?, "default", "also before it is connected");
        Ok(())
    }
}
