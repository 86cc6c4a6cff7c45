//! W2: the `tracing` events of connections, statements and transactions, and the data that they leave out.

use std::time::Duration;

use ebbtide::{Config, Connection, Database, ErrorKind, params};
use futures::{StreamExt as _, TryStreamExt as _};
use tracing::Instrument as _;

use super::pool::{hold, until, with};
use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{Test, Watcher, cases};

/// A value that must not appear in any event.
pub(super) const CANARY: &str = "canary-7f3a";

/// Returns a database with a table `{notes}`, created before the watcher listens.
pub(super) async fn ready(t: &Test, options: &str) -> Database {
    let database = Database::connect(with(&t.url(), options)).await.unwrap();
    let create = "create table {notes} (id {int} not null primary key, body {key} not null unique)";
    database.execute(t.sql(create), ()).await.unwrap();
    database
}

pub(super) async fn add(t: &Test, on: &Connection, id: i64) {
    let insert = t.sql("insert into {notes} (id, body) values (:id, :body)");
    let body = format!("{CANARY} {id}");
    on.execute(insert, params! { id, body }).await.unwrap();
}

fn system(t: &Test) -> &'static str {
    match t.backend() {
        Backend::Postgres => "postgresql",
        Backend::Mysql if matches!(t.driver(), Some(Driver::ConnectorJ | Driver::OdbcMariaDb)) => "mariadb",
        Backend::Mysql => "mysql",
        Backend::SqliteFile | Backend::SqliteMemory => "sqlite",
        Backend::SqlServer => "microsoft.sql_server",
        Backend::Standard => match t.driver() {
            Some(Driver::H2) => "h2database",
            Some(Driver::Hsqldb) => "hsqldb",
            Some(Driver::Derby) => "derby",
            _ => "duckdb",
        },
    }
}

/// Returns the placeholder of a number.
fn placeholder(t: &Test, number: usize) -> String {
    match t.backend() {
        Backend::Postgres => format!("${number}"),
        Backend::SqlServer => format!("@P{number}"),
        Backend::Mysql | Backend::SqliteFile | Backend::SqliteMemory | Backend::Standard => "?".to_owned(),
    }
}

cases! {
    async fn w2_a_statement_tells_what_it_does_and_where_it_was_asked_for(t: Test) {
        let database = ready(&t, "").await;
        let watcher = Watcher::default();
        let work = async {
            add(&t, &database.connection(), 1).await;
            let select = t.sql("select id, body from {notes} where id < :below");
            database.fetch_all(select, params! { below: 9_i64 }).await.unwrap()
        };
        let rows = watcher.watch(async { work.instrument(tracing::info_span!("mine")).await }).await;
        assert_eq!(rows.len(), 1);
        let table = t.table("notes");
        assert_eq!(watcher.statements(), [format!("insert {table}"), format!("select {table}")]);

        let insert = watcher.statement("insert");
        assert_eq!((insert.name, insert.target), ("statement", "ebbtide::statement"));
        assert_eq!(insert.field("otel.kind"), "client");
        assert_eq!(insert.field("db.system.name"), system(&t));
        assert_eq!(insert.field("db.query.summary"), format!("insert {table}"));
        assert_eq!(insert.field("db.operation.name"), "insert");
        let (first, second) = (placeholder(&t, 1), placeholder(&t, 2));
        assert_eq!(insert.field("db.query.text"), format!("insert into {table} (id, body) values ({first}, {second})"));
        assert_eq!(insert.field("ebbtide.rows_affected"), "1");
        assert_eq!(insert.field("error.type"), "-");
        assert!(insert.field("ebbtide.caller").contains("watching.rs:"), "{insert:?}");
        until("it has ended", || watcher.ended("statement")).await;
        assert_eq!(watcher.parent(&insert).map(|span| span.name), Some("mine"));
        let namespace = match t.backend() {
            Backend::SqliteMemory => ":memory:",
            Backend::SqliteFile => "test.db",
            Backend::SqlServer | Backend::Standard => "",
            Backend::Postgres | Backend::Mysql => "test",
        };
        assert!(insert.field("db.namespace").ends_with(namespace), "{insert:?}");
        if t.backend().is_server() {
            assert_eq!(insert.field("server.address"), "127.0.0.1");
        }

        let select = watcher.statement("select");
        assert_eq!(select.field("db.response.returned_rows"), "1");
        assert_eq!(select.field("ebbtide.rows_affected"), "-");
        // With the duration, for readers of a log.
        let ends = watcher.events("ebbtide::log");
        let end = ends.iter().find(|event| event.field("message") == select.field("otel.name")).unwrap();
        assert!(end.field("duration").parse::<f64>().unwrap() > 0.0, "{end:?}");
        assert_eq!(end.field("rows"), "1");
        assert!(!watcher.everything().contains(CANARY));
    }

    async fn w2_literals_of_a_text_without_parameters_are_not_shown(t: Test) {
        let database = ready(&t, "").await;
        let watcher = Watcher::default();
        let sql = t.sql(&format!("select id from {{notes}} -- {CANARY}\n where body = '{CANARY}' and id < 4711"));
        watcher.watch(async { database.fetch_all(sql, ()).await }).await.unwrap();
        let text = watcher.statement("select").field("db.query.text").to_owned();
        assert!(text.ends_with("where body = ? and id < ?"), "{text}");
        let all = watcher.everything();
        assert!(!all.contains(CANARY) && !all.contains("4711"), "{all}");
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn w2_statements_lie_in_their_transaction_and_that_in_the_callers_span(t: Test) {
        let database = ready(&t, "").await;
        let watcher = Watcher::default();
        let guards = async {
            let outer = database.transaction().await.unwrap();
            add(&t, &outer, 1).await;
            let inner = database.transaction().await.unwrap();
            let own = tracing::info_span!("inner work");
            async { add(&t, &inner, 2).await }.instrument(own).await;
            drop(inner);
            outer.commit().await.unwrap();
        };
        let watched = async { guards.instrument(tracing::info_span!("mine")).await };
        watcher.watch(watched).await;
        let transactions = watcher.spans("transaction");
        let [outer, inner] = &transactions[..] else { panic!("{transactions:?}") };
        assert_eq!((outer.field("otel.name"), outer.field("ebbtide.outcome")), ("transaction", "committed"));
        assert_eq!((inner.field("otel.name"), inner.field("ebbtide.outcome")), ("savepoint", "dropped"));
        if !t.backend().is_sqlite() {
            until("the transactions have ended", || watcher.ended("transaction")).await;
        }
        assert_eq!(watcher.parent(outer).map(|span| span.name), Some("mine"));
        assert_eq!(watcher.parent(inner).map(|span| span.name), Some("transaction"));
        let mut names = Vec::new();
        for statement in watcher.spans("statement") {
            let parent = watcher.parent(&statement).unwrap();
            let shown = if parent.name == "transaction" { parent.field("otel.name") } else { parent.name };
            names.push(format!("{} in {shown}", statement.field("db.operation.name")));
        }
        let expected = [
            "BEGIN in transaction",
            "insert in transaction",
            "SAVEPOINT in savepoint",
            "insert in inner work",
            "COMMIT in transaction",
        ];
        assert_eq!(names, expected);
        assert!(!watcher.everything().contains(CANARY));
    }

    /// `tracing` does not report whether the span around a statement was opened before its transaction or since.
    async fn w2_statements_lie_in_the_callers_span_where_a_helper_began_the_transaction_in_its_own(t: Test) {
        let database = ready(&t, "").await;
        let watcher = Watcher::default();
        let request = async {
            let open = async { database.transaction().await.unwrap() };
            let transaction = open.instrument(tracing::info_span!("open")).await;
            add(&t, &transaction, 1).await;
            transaction.commit().await.unwrap();
        };
        watcher.watch(async { request.instrument(tracing::info_span!("request")).await }).await;
        let parent = |name| watcher.parent(&watcher.statement(name)).map(|span| span.name);
        assert_eq!((parent("BEGIN"), parent("insert")), (Some("transaction"), Some("request")));
        let transaction = watcher.spans("transaction").remove(0);
        assert_eq!(watcher.parent(&transaction).map(|span| span.name), Some("open"));
        assert_eq!(transaction.field("ebbtide.outcome"), "committed");
    }

    async fn w2_the_closure_of_a_transaction_runs_in_its_span(t: Test) {
        let database = ready(&t, "").await;
        let watcher = Watcher::default();
        let run = database.transaction().run(async |transaction| {
            async { add(&t, &transaction, 1).await }.instrument(tracing::info_span!("mine")).await;
            add(&t, &database.connection(), 2).await;
            // Ends the closure with the error of its last statement.
            Err::<(), _>(database.execute("nonsense", ()).await.unwrap_err())
        });
        watcher.watch(run).await.unwrap_err();
        let transactions = watcher.spans("transaction");
        let [transaction] = &transactions[..] else { panic!("{transactions:?}") };
        assert_eq!(transaction.field("ebbtide.outcome"), "rolled back");
        if !t.backend().is_sqlite() {
            until("the transactions have ended", || watcher.ended("transaction")).await;
        }
        let mine = watcher.spans("mine").remove(0);
        assert_eq!(watcher.parent(&mine).map(|span| span.name), Some("transaction"));
        for statement in watcher.spans("statement") {
            let parent = watcher.parent(&statement).unwrap().name;
            assert!(["transaction", "mine"].contains(&parent), "{statement:?}");
        }
    }

    async fn w2_a_failure_tells_its_class_and_not_the_value(t: Test) {
        let database = ready(&t, "").await;
        let connection = database.connection();
        add(&t, &connection, 1).await;
        let watcher = Watcher::default();
        let body = format!("{CANARY} 1");
        let insert = || t.sql("insert into {notes} (id, body) values (2, :body)");
        let twice = connection.execute(insert(), params! { body: &body });
        let error = watcher.watch(async { twice.await }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let span = watcher.statement("insert");
        let code = match t.backend() {
            Backend::Mysql => "1062",
            Backend::SqlServer => "2627",
            Backend::SqliteFile | Backend::SqliteMemory => "2067",
            // The state of the standard, except that DuckDB has only the class of the exception.
            Backend::Standard if t.driver() == Some(Driver::DuckDb) => "ConstraintException",
            Backend::Standard if t.driver() == Some(Driver::Hsqldb) => "-104",
            Backend::Postgres | Backend::Standard => "23505",
        };
        assert_eq!(span.field("db.response.status_code"), code);
        assert_eq!(span.field("error.type"), code);
        assert_eq!(span.field("otel.status_code"), "ERROR");
        assert_eq!(span.field("otel.status_description"), format!("Constraint ({code})"));
        assert_eq!(span.field("ebbtide.rows_affected"), "-");
        assert!(!watcher.everything().contains(CANARY), "{}", watcher.everything());
    }

    async fn w2_values_are_shown_if_requested(t: Test) {
        let database = ready(&t, "trace_parameters=true").await;
        let watcher = Watcher::default();
        watcher.watch(async { add(&t, &database.connection(), 1).await }).await;
        let span = watcher.statement("insert");
        assert_eq!(span.field("ebbtide.parameters"), format!("[1, '{CANARY} 1']"));
        assert!(!span.field("db.query.text").contains(CANARY));
    }

    async fn w2_a_stream_tells_how_many_rows_were_read(t: Test) {
        let database = ready(&t, "").await;
        for id in 1..=3 {
            add(&t, &database.connection(), id).await;
        }
        let select = || t.sql("select id from {notes} where id > :id order by id");
        let watcher = Watcher::default();
        let all = watcher.watch(database.iterate(select(), params! { id: 0_i64 }).try_collect::<Vec<_>>()).await;
        assert_eq!(all.unwrap().len(), 3);
        let span = watcher.statement("select");
        assert_eq!(span.field("db.response.returned_rows"), "3");
        assert_eq!(span.field("error.type"), "-");
        until("it has ended", || watcher.ended("statement")).await;

        let watcher = Watcher::default();
        let half = async {
            let mut rows = database.iterate(select(), params! { id: 0_i64 });
            rows.next().await.unwrap().unwrap();
        };
        watcher.watch(half).await;
        let span = watcher.statement("select");
        assert_eq!(span.field("db.response.returned_rows"), "1");
        assert_eq!(span.field("error.type"), "-", "to stop reading is no error");
        until("it has ended", || watcher.ended("statement")).await;
        let ends = watcher.events("ebbtide::log");
        let end = ends.iter().find(|event| event.field("message") == span.field("otel.name")).unwrap();
        assert_eq!((end.field("rows"), end.field("error.type")), ("1", "-"));
    }

    async fn w2_many_rows_are_one_batch_with_the_text_of_one(t: Test) {
        let database = ready(&t, "show_parameters=true").await;
        let watcher = Watcher::default();
        let insert = t.sql("insert into {notes} (id, body) values (?, ?)");
        let rows = (0..32_i64).map(|id| (id, format!("{CANARY} {id}")));
        let many = database.execute_many(insert, rows);
        watcher.watch(async { many.await }).await.unwrap();
        let span = watcher.statement("BATCH insert");
        assert_eq!(span.field("db.operation.name"), "BATCH insert");
        assert_eq!(span.field("db.operation.batch.size"), "32");
        assert_eq!(span.field("ebbtide.rows_affected"), "32");
        let (first, second) = (placeholder(&t, 1), placeholder(&t, 2));
        assert!(span.field("db.query.text").ends_with(&format!("values ({first}, {second})")), "{span:?}");
        assert_eq!(span.field("ebbtide.parameters"), "-", "too many for anyone");
        let list = database.fetch_all(t.sql("select id from {notes} where id in (:ids)"), params! { ids: [1_i64, 2, 3] });
        watcher.watch(async { list.await }).await.unwrap();
        let span = watcher.statement("select");
        assert!(span.field("db.query.text").ends_with(&format!("in ({first})")), "{span:?}");
    }

    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    // Nor do databases in memory have a port.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn w2_connecting_and_waiting_are_shown_without_passwords(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap().pool_size(1).pool_name("mine");
        let watcher = Watcher::default();
        let database = watcher.watch(Database::connect(config.clone())).await.unwrap();
        let connect = watcher.spans("connect").remove(0);
        assert_eq!(connect.target, "ebbtide::pool");
        assert_eq!(connect.field("db.system.name"), system(&t));
        assert_eq!(connect.field("db.client.connection.pool.name"), "mine");
        until("it has ended", || watcher.ended("connect")).await;
        assert_eq!(watcher.parent(&connect).map(|span| span.name), Some("acquire"));

        let held = hold(&database).await;
        let watcher = Watcher::default();
        let waits = watcher.watch(async { database.execute("select 1", ()).timeout(Duration::from_secs(10)).await });
        let (waited, ()) = futures::join!(waits, held.release());
        waited.unwrap();
        let acquire = watcher.spans("acquire").remove(0);
        assert!(acquire.field("ebbtide.caller").contains("watching.rs:"), "{acquire:?}");
        assert_eq!(watcher.spans("connect").len(), 0);
        assert_eq!(watcher.statement("select").field("error.type"), "-");
        database.disconnect().await.unwrap();

        if !t.backend().is_sqlite() {
            // A port on which no server listens: that of a closed listener.
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let watcher = Watcher::default();
            let nowhere = config.clone().password(CANARY).port(port);
            let error = watcher.watch(Database::connect(nowhere)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            let connect = watcher.spans("connect").remove(0);
            if t.driver().is_some_and(Driver::is_foreign) {
                // The driver's own code.
                assert_ne!(connect.field("error.type"), "-");
            } else {
                assert_eq!(connect.field("error.type"), "connect");
            }
            assert_eq!(connect.field("otel.status_code"), "ERROR");
            assert_eq!(connect.field("server.port"), port.to_string());
            assert!(!watcher.everything().contains(CANARY), "{}", watcher.everything());
            // The server behind the port decides whether the password is accepted.
            let watcher = Watcher::default();
            let _ = watcher.watch(Database::connect(config.password(CANARY))).await;
            assert_eq!(watcher.spans("connect").len(), 1);
            assert!(!watcher.everything().contains(CANARY), "{}", watcher.everything());
        }
    }

    #[only(postgres, mysql)]
    async fn w2_a_cancelled_statement_says_so(t: Test) {
        let database = ready(&t, "").await;
        let sleep = if t.backend().is_postgres() { "select pg_sleep(30)" } else { "select sleep(30)" };
        let watcher = Watcher::default();
        let asked = database.execute(sleep, ()).timeout(Duration::from_millis(100));
        let error = watcher.watch(async { asked.await }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        let span = watcher.statement("select");
        assert_eq!((span.field("error.type"), span.field("otel.status_code")), ("cancelled", "ERROR"));
        until("it has ended", || watcher.ended("statement")).await;
        let ends = watcher.events("ebbtide::log");
        let end = ends.iter().find(|event| event.field("message") == span.field("otel.name")).unwrap();
        assert_eq!(end.field("error.type"), "cancelled");
        assert!(end.field("duration").parse::<f64>().unwrap() > 0.0, "{end:?}");
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn w2_a_sandbox_is_watched_like_any_database(t: Test) {
        let database = ready(&t, "").await;
        let sandbox = database.sandbox().await.unwrap();
        let watcher = Watcher::default();
        let work = async {
            let transaction = sandbox.transaction().await.unwrap();
            add(&t, &transaction, 1).await;
            transaction.commit().await.unwrap();
        };
        watcher.watch(work).await;
        let transaction = watcher.spans("transaction").remove(0);
        assert_eq!(transaction.field("ebbtide.outcome"), "committed");
        let insert = watcher.statement("insert");
        assert_eq!(watcher.parent(&insert).map(|span| span.name), Some("transaction"));
        let operations: Vec<_> = watcher.spans("statement").iter().map(|span| span.field("db.operation.name").to_owned()).collect();
        assert_eq!(operations, ["SAVEPOINT", "insert", "RELEASE SAVEPOINT"]);
        assert!(!watcher.everything().contains(CANARY));
        sandbox.disconnect().await.unwrap();
    }
}
