//! Error messages: each error has its kind, names the cause, says what to do, and hides the password.

use std::error::Error as _;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use ebbtide::{Config, Database, Error, ErrorKind, params};
use tokio::time::timeout;
use url::Url;

use super::failure::long_query;
use super::lifecycle::dead_url;
use super::pool::{LONG, hold, with};
use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{SideConnection, SilentServer, Test, cases};

/// Returns everything that an error shows, including its sources.
pub(crate) fn everything(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, "\n{cause}\n{cause:?}");
        source = cause.source();
    }
    text
}

/// Checks that the error is of this kind, names these things, says what to do, and hides the password.
pub(crate) fn assert_error(error: &Error, kind: ErrorKind, names: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    let text = error.to_string();
    for name in names {
        assert!(text.contains(name), "`{name}` is not in: {text}");
    }
    let (_, help) = text
        .split_once("\n  help: ")
        .unwrap_or_else(|| panic!("no help in: {text}"));
    assert!(help.trim().len() > 10, "{text}");
    let everything = everything(error);
    for secret in ["hush-hush", "secret"] {
        assert!(!everything.contains(secret), "the password is in: {everything}");
    }
}

/// Returns the server's URL with another user, password, or database.
fn changed(t: &Test, user: Option<(&str, &str)>, database: Option<&str>) -> String {
    let mut url = Url::parse(&t.url()).unwrap();
    if let Some((user, password)) = user {
        url.set_username(user).unwrap();
        url.set_password(Some(password)).unwrap();
    }
    if let Some(database) = database {
        url.set_path(database);
    }
    url.into()
}

/// Returns `host:port` of the server.
fn address(t: &Test) -> String {
    let url = Url::parse(&t.url()).unwrap();
    let port = if t.backend().is_postgres() { 5432 } else { 3306 };
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(port))
}

/// Runs statements on a separate connection to the server, even if a test ends early.
struct AtTheEnd(String, &'static str, String);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let (url, sql) = (self.0.clone(), self.2.clone());
        let cleaning = std::thread::spawn(move || {
            crate::support::block_on_here(async {
                let mut side = SideConnection::connect(&url).await?;
                side.execute(&sql).await?;
                side.close().await
            })
        });
        let cleaned = cleaning.join();
        if !std::thread::panicking() {
            cleaned
                .unwrap()
                .unwrap_or_else(|error| panic!("cannot remove {}: {error}", self.1));
        }
    }
}

cases! {
    #[only(postgres, mysql)]
    async fn failure_a_server_that_never_answers_is_a_time_out_that_names_the_step(t: Test) {
        let server = SilentServer::start().unwrap();
        let url = server.url(t.backend().family());
        let place = Url::parse(&url).unwrap().port().unwrap().to_string();
        let start = Instant::now();
        let error = Database::connect(with(&url, "connect_timeout=300ms")).await.unwrap_err();
        assert_error(&error, ErrorKind::Timeout, &["connect", "300ms", "127.0.0.1", &place, "connect_timeout"]);
        assert!(start.elapsed() < Duration::from_secs(5) && server.accepted() == 1);
        // The same at the first use of a lazy database.
        let database = Database::connect(with(&url, "connect_timeout=300ms&lazy=true")).await.unwrap();
        let error = database.execute("select 1", ()).await.unwrap_err();
        assert_error(&error, ErrorKind::Timeout, &["connect", "300ms", "127.0.0.1", &place]);
        assert_eq!(database.status().unwrap().size, 0);
    }

    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    async fn failure_nobody_there_is_an_error_that_names_the_place(t: Test) {
        let url = dead_url(&t);
        let error = Database::connect(url.as_str()).await.unwrap_err();
        if t.backend().is_sqlite() {
            assert_error(&error, ErrorKind::DatabaseNotFound, &["missing.db", &t.folder().to_string_lossy(), "mode"]);
        } else {
            let port = Url::parse(&url).unwrap().port().unwrap();
            assert_error(&error, ErrorKind::Connect, &["cannot connect", &format!("127.0.0.1:{port}")]);
        }
    }

    #[only(postgres, mysql)]
    async fn failure_an_unknown_host_is_an_error_that_names_it(t: Test) {
        let url = format!("{}://me:hush-hush@no-such-host.invalid/db", t.backend().family());
        let error = Database::connect(url).await.unwrap_err();
        assert_error(&error, ErrorKind::Connect, &["no-such-host.invalid", "host name"]);
    }

    #[only(postgres, mysql)]
    async fn failure_another_service_behind_the_port_is_reported(t: Test) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            // A web server that does not understand the request.
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            let _ = stream.read(&mut [0; 1024]);
        });
        let url = format!("{}://me:hush-hush@{address}/db?connect_timeout=500ms", t.backend().family());
        let error = timeout(LONG, Database::connect(url)).await.expect("no hang").unwrap_err();
        // MySQL's client reads the answer as the beginning of a long message and waits for the rest.
        let kinds = [ErrorKind::Connect, ErrorKind::ConnectionLost, ErrorKind::Timeout];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert_error(&error, error.kind(), &[&address.to_string()]);
        serving.join().unwrap();
    }

    // The PostgreSQL of the tests trusts every user, so only an unknown user can be refused there.
    #[only(postgres, mysql)]
    async fn failure_a_wrong_user_or_password_is_an_authentication_error(t: Test) {
        let user = format!("ebbtide_{}", t.id());
        let unknown = changed(&t, Some((&user, "hush-hush")), None);
        let error = Database::connect(unknown.as_str()).await.unwrap_err();
        assert_error(&error, ErrorKind::Authentication, &[&user, &address(&t)]);
        if t.backend().is_postgres() {
            return;
        }
        t.observe_exec(&format!("create user '{user}'@'%' identified by 'the right one'")).await;
        let _removed = AtTheEnd(t.url(), "the user", format!("drop user '{user}'@'%'"));
        t.observe_exec(&format!("grant all on *.* to '{user}'@'%'")).await;
        let right = Database::connect(changed(&t, Some((&user, "the right one")), None)).await.unwrap();
        assert!(right.disconnect().await.unwrap());
        let error = Database::connect(changed(&t, Some((&user, "hush-hush")), None)).await.unwrap_err();
        assert_error(&error, ErrorKind::Authentication, &[&user, &address(&t), "password"]);
    }

    #[only(postgres, mysql)]
    async fn failure_a_missing_database_is_named(t: Test) {
        let name = format!("missing_{}", t.id());
        let error = Database::connect(changed(&t, None, Some(&name))).await.unwrap_err();
        assert_error(&error, ErrorKind::DatabaseNotFound, &[&name, &address(&t), "CREATE DATABASE"]);
    }

    #[only(sqlite_file)]
    async fn failure_a_file_that_cannot_be_opened_is_named(t: Test) {
        let nowhere = t.folder().join("no such folder").join("test.db");
        let url = format!("sqlite://{}", nowhere.to_string_lossy().replace(' ', "%20"));
        let error = Database::connect(url).await.unwrap_err();
        assert_error(&error, ErrorKind::DatabaseNotFound, &[&nowhere.to_string_lossy()]);
        fs::write(t.folder().join("letter.txt"), "Dear database, this is a letter. ".repeat(100)).unwrap();
        let opened = Database::connect(t.sqlite_url("letter.txt")).await;
        let error = match opened {
            Ok(database) => database.fetch_all("select * from sqlite_master", ()).await.unwrap_err(),
            Err(error) => error,
        };
        assert_error(&error, error.kind(), &["not a database"]);
    }

    // A user who may have one connection only stands for a server that is full.
    #[only(postgres, mysql)]
    async fn failure_a_full_server_is_reported_and_costs_no_place(t: Test) {
        let user = format!("ebbtide_full_{}", t.id());
        let (create, drop_user) = if t.backend().is_postgres() {
            (format!("create role {user} login connection limit 1"), format!("drop role {user}"))
        } else {
            let create = format!("create user '{user}'@'%' identified by 'hush-hush' with max_user_connections 1");
            (create, format!("drop user '{user}'@'%'"))
        };
        t.observe_exec(&create).await;
        let removed = AtTheEnd(t.url(), "the user", drop_user);
        if t.backend().is_mysql() {
            t.observe_exec(&format!("grant all on *.* to '{user}'@'%'")).await;
        }
        let database = Database::connect(with(&changed(&t, Some((&user, "hush-hush")), None), "pool_size=2")).await.unwrap();
        let held = hold(&database).await;
        for _ in 0..3 {
            let error = database.fetch_value::<i64>("select 1", ()).await.unwrap_err();
            assert_error(&error, ErrorKind::Connect, &["pool_size"]);
            assert_eq!(database.status().unwrap().size, 1);
        }
        held.release().await;
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        assert!(database.disconnect().await.unwrap());
        // The server forgets a connection a moment after it ended, and keeps the user as long.
        drop(removed);
    }

    // It writes the name in upper case.
    #[except(jdbc_derby)]
    async fn failure_a_missing_table_or_column_is_named(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let missing = format!("missing_{}", t.id());
        let select = ebbtide::AssertSqlSafe(format!("select * from {missing}"));
        assert_error(&database.fetch_all(select, ()).await.unwrap_err(), ErrorKind::UndefinedObject, &[&missing, "migrations"]);
        let insert = ebbtide::AssertSqlSafe(format!("insert into {missing} values (:n)"));
        let error = database.execute(insert, params! { n: 1 }).await.unwrap_err();
        assert_error(&error, ErrorKind::UndefinedObject, &[&missing, "migrations"]);
        let error = database.fetch_all(t.sql("select m from {things}"), ()).await.unwrap_err();
        assert_error(&error, ErrorKind::UndefinedObject, &["m"]);
        let error = database.execute(t.sql("insert into {things} (colour) values (:n)"), params! { n: 1 }).await.unwrap_err();
        assert_error(&error, ErrorKind::UndefinedObject, &["colour"]);
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn failure_a_syntax_error_shows_where(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let prepared = database.fetch_all(t.sql("select n from {things} where n = :n order bye n"), params! { n: 1 }).await;
        assert_error(&prepared.unwrap_err(), ErrorKind::Syntax, &["bye"]);
        let unprepared = database.execute("selekt 1", ()).await;
        let word = if t.driver() == Some(Driver::Hsqldb) { "SELEKT" } else { "selekt" };
        assert_error(&unprepared.unwrap_err(), ErrorKind::Syntax, &[word]);
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
    }

    async fn failure_a_column_of_another_type_is_named(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {things} (n {int}, body {text})"), ()).await.unwrap();
        let insert = t.sql("insert into {things} (n, body) values (1, 'some text')");
        database.execute(insert, ()).await.unwrap();
        let row = database.fetch_one(t.sql("select n, body from {things}"), ()).await.unwrap();
        assert_error(&row.get::<i64>("body").unwrap_err(), ErrorKind::Decode, &["body", "i64"]);
        assert_error(&row.get::<i64>("boddy").unwrap_err(), ErrorKind::Decode, &["boddy", "`body`"]);
        let value = database.fetch_value::<i64>(t.sql("select body from {things}"), ()).await;
        assert_error(&value.unwrap_err(), ErrorKind::Decode, &["body", "i64"]);
    }

    // SQLite stores a value of any type in any column.
    #[only(postgres, mysql)]
    async fn failure_a_value_of_another_type_than_its_column_is_reported(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let insert = t.sql("insert into {things} (n) values (:n)");
        let error = database.execute(insert, params! { n: "many" }).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Database | ErrorKind::Parameter), "{error:?}");
        let names: &[&str] = if t.backend().is_postgres() { &["bigint"] } else { &["many"] };
        assert_error(&error, error.kind(), names);
        // Each server has its own quotes.
        let named = ["`n`", "'n'"].iter().any(|column| error.to_string().contains(column));
        assert!(named || t.backend().is_postgres(), "{error}");
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {things}"), ()).await.unwrap(), 0);
    }

    async fn failure_a_full_pool_keeps_the_password(t: Test) {
        let url = if t.backend().is_mysql() {
            t.url()
        } else if t.backend().is_postgres() {
            // Trusted without a password.
            let user = Url::parse(&t.url()).unwrap().username().to_owned();
            changed(&t, Some((&user, "hush-hush")), None)
        } else {
            t.url()
        };
        let config = Config::from_url(url.as_str()).unwrap().pool_size(1).pool_timeout(Duration::from_millis(100));
        let database = Database::connect(config).await.unwrap();
        let held = hold(&database).await;
        let error = database.fetch_value::<i64>("select 1", ()).await.unwrap_err();
        assert_error(&error, ErrorKind::Timeout, &["no connection became free", "100ms", file!(), "`pool_size`"]);
        assert!(!format!("{database:?} {:?}", database.config()).contains("hush-hush"));
        held.release().await;
    }

    async fn failure_no_row_names_the_query(t: Test) {
        let database = t.database().await;
        let (line, answer) = (line!(), database.fetch_one(t.sql("select 1 as one {from} where 1 = 0"), ()).await);
        assert_error(&answer.unwrap_err(), ErrorKind::RowNotFound, &[&format!("{}:{line}", file!()), "fetch_optional"]);
    }

    // They have no recursive queries without FROM.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn failure_a_slow_statement_names_the_query_and_the_limit(t: Test) {
        let database = t.database().await;
        let sql = match t.backend() {
            Backend::Postgres | Backend::Mysql => long_query(&t),
            _ => "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c where n < 0 limit 1",
        };
        let limit = Duration::from_millis(200);
        let (line, answer) = (line!(), database.fetch_all(sql, ()).timeout(limit).await);
        // A function that it calls may have written something; the common table of SQLite's text is none.
        let kind = if t.backend().is_sqlite() || t.backend() == Backend::Standard { ErrorKind::Timeout } else { ErrorKind::OutcomeUnknown };
        assert_error(&answer.unwrap_err(), kind, &["200ms", &format!("{}:{line}", file!())]);
    }
}
