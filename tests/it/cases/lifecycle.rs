//! Connecting and disconnecting: counts, waiters and checks.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebbtide::{Bookmark, Config, Database, DatabaseUrl, Dialect, ErrorKind, params};
use futures::future::join_all;
use futures::{FutureExt as _, TryStreamExt as _};
use serde_json::json;
use tokio::time::timeout;

use super::hooks::{EventLog, Hooked, hooked};
use super::pool::{LONG, numbered, open, polled, select_one, until, with};
use crate::support::{Proxy, SilentServer, Test, cases};

/// Returns a URL at which no server answers: a port without a server, a file that does not exist.
pub(crate) fn dead_url(t: &Test) -> String {
    if t.backend().is_sqlite() {
        return t.sqlite_url("missing.db").replace("mode=rwc", "mode=rw");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    format!("{}://somebody:secret@127.0.0.1:{port}/nowhere", t.backend().family())
}

fn dead_kind(t: &Test) -> ErrorKind {
    if t.backend().is_sqlite() {
        ErrorKind::DatabaseNotFound
    } else {
        ErrorKind::Connect
    }
}

pub(crate) async fn answers(database: &Database) -> bool {
    matches!(database.fetch_value::<i64>(select_one(database), ()).await, Ok(1))
}

/// Returns the number of files of this folder that the process has open.
fn open_files(folder: &Path) -> usize {
    let Ok(files) = fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    files
        .flatten()
        .filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.starts_with(folder)))
        .count()
}

/// Waits until the database has no open connection on the server and no open file.
pub(crate) async fn until_all_is_closed(t: &Test, proxy: Option<&Proxy>) {
    until("every socket is closed", || {
        proxy.is_none_or(|proxy| proxy.open_connections() == 0)
    })
    .await;
    until("every file is closed", || open_files(t.folder()) == 0).await;
}

/// Returns the URL to use, through a proxy where there is a server.
pub(crate) fn watched(t: &Test) -> (String, Option<Proxy>) {
    if t.backend().is_server() {
        let proxy = Proxy::start(&t.url());
        (proxy.url(), Some(proxy))
    } else {
        (t.url(), None)
    }
}

cases! {
    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    async fn c4_new_does_no_io(t: Test) {
        if t.backend().is_sqlite() {
            let database = Database::new(t.sqlite_url("new.db")).unwrap();
            assert!(!database.is_connected());
            assert!(!t.folder().join("new.db").exists());
        } else {
            let server = SilentServer::start().unwrap();
            let database = Database::new(server.url(t.backend().family())).unwrap();
            assert!(!database.is_connected());
            drop(database);
            assert_eq!(server.accepted(), 0);
        }
    }

    // `url::Url` does not take what is behind `jdbc:` of these URLs.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn c4_connect_takes_every_kind_of_source(t: Test) {
        let url = t.url();
        let parsed: DatabaseUrl = url.parse().unwrap();
        let config = Config::from_url(url.as_str()).unwrap();
        let scheme = parsed.driver().map_or(parsed.scheme().to_owned(), |driver| format!("{}+{driver}", parsed.scheme()));
        let options: serde_json::Map<_, _> =
            parsed.options().iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let credentials = if t.backend().is_sqlite() {
            let path = t.folder().join("credentials.db");
            json!({"connection": {"credentials": {"scheme": "sqlite", "database": path}}})
        } else {
            json!({"connection": {"credentials": {
                "scheme": scheme,
                "host": parsed.host(),
                "port": parsed.port(),
                "user": parsed.username(),
                "password": parsed.password(),
                "database": parsed.database(),
                "options": options,
            }}})
        };
        let web = parsed.expose_url().unwrap();
        let databases = [
            Database::connect(&web).await,
            Database::connect(web).await,
            Database::connect(url.as_str()).await,
            Database::connect(url.clone()).await,
            Database::connect(&url).await,
            Database::connect(&parsed).await,
            Database::connect(parsed.clone()).await,
            Database::connect(&config).await,
            Database::connect(config).await,
            Database::connect(json!(url)).await,
            Database::connect(&credentials).await,
            Database::connect(credentials).await,
            Database::connect(Database::new(&url).unwrap()).await,
        ];
        assert_eq!(Config::from_url(&url).unwrap().url(), &parsed);
        assert_eq!(Config::from_url(&parsed).unwrap().url(), &parsed);
        for database in databases {
            let database = database.unwrap();
            assert!(database.is_connected() && answers(&database).await);
            assert!(database.disconnect().await.unwrap());
        }
        let database = Database::new(url).unwrap();
        let same = Database::connect(&database).await.unwrap();
        assert!(database.is_connected() && answers(&same).await, "a `&Database` connects that database itself");
    }

    async fn c4_url_and_dialect_are_known_without_a_connection_found_f18(t: Test) {
        let database = Database::new(t.url()).unwrap();
        assert_eq!(database.url(), database.config().url());
        assert_eq!(database.url(), &t.url().parse::<DatabaseUrl>().unwrap());
        let dialect = match t.backend().family() {
            "postgres" => Dialect::Postgres,
            "mysql" => Dialect::MySql,
            "standard" => Dialect::Generic,
            _ => Dialect::Sqlite,
        };
        assert_eq!(database.dialect(), dialect);
        if t.backend().is_server() {
            let secret = Database::new(database.url().clone().with_password("hush-hush")).unwrap();
            assert!(!format!("{} {secret:?}", secret.url()).contains("hush"));
        }
    }

    async fn c4_a_copy_with_other_settings_is_another_database(t: Test) {
        let database = open(&t, "pool_size=4").await;
        let copy = Database::new(database.config().pool_size(7)).unwrap();
        assert!(!copy.is_connected());
        Database::connect(&copy).await.unwrap();
        assert_eq!(copy.status().unwrap().limit, 7);
        assert_eq!(database.status().unwrap().limit, 4);
        assert!(copy.disconnect().await.unwrap());
        assert!(database.is_connected() && answers(&database).await);
    }

    // They have no SELECT without FROM in a UNION.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn l7_handles_made_before_connect_work_after_it_found_f2(t: Test) {
        let database = Database::new(t.url()).unwrap();
        let one = || database.fetch_value::<i64>("select 1", ());
        assert_eq!(one().await.unwrap_err().kind(), ErrorKind::NotConnected);

        let (query, later) = (one(), one().into_future());
        let many = database.execute_many(t.sql("insert into {notes} (n) values (:n)"), [params! { n: 1 }, params! { n: 2 }]);
        let mut rows = database.iterate("select 1 union select 2 order by 1", ()).timeout(Duration::from_mins(1));
        let begin = database.transaction();
        let run = database.transaction().run(async |transaction| transaction.fetch_value::<i64>("select 2", ()).await);
        let retry = database.transaction().retry().run(async |transaction| transaction.fetch_value::<i64>("select 3", ()).await);
        let connection = database.connection();
        assert_eq!(connection.dialect(), database.dialect());
        let (on_connection, on_it_begin) = (connection.execute("select 1", ()), connection.transaction());
        assert_eq!(connection.execute("select 1", ()).await.unwrap_err().kind(), ErrorKind::NotConnected);

        Database::connect(&database).await.unwrap();
        database.execute(t.sql("create table {notes} (n {int})"), ()).await.unwrap();
        assert_eq!((query.await.unwrap(), later.await.unwrap()), (1, 1));
        assert_eq!(many.await.unwrap().rows_affected, 2);
        assert_eq!(rows.try_next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 1);
        drop(rows);
        begin.await.unwrap().rollback().await.unwrap();
        assert_eq!((run.await.unwrap(), retry.await.unwrap()), (2, 3));

        on_connection.await.unwrap();
        on_it_begin.await.unwrap().rollback().await.unwrap();
        connection.execute("create temporary table mine (n integer)", ()).await.unwrap();
        connection.clone().execute("insert into mine values (7)", ()).await.unwrap();
        let found: i64 = database.fetch_value("select n from mine", ()).await.unwrap();
        assert_eq!(found, 7, "it is the task's own connection, and always the same");
        connection.execute("drop table mine", ()).await.unwrap();
        drop(connection);
        assert!(database.disconnect().await.unwrap());
    }

    #[only(postgres, mysql)]
    async fn l7_limits_of_streams_made_before_connect_hold_found_f2(t: Test) {
        let short = Duration::from_millis(300);
        let long = if t.backend().is_mysql() { "select sleep(0.6)" } else { "select pg_sleep(0.6)" };
        let limited = Database::new(Config::from_url(t.url().as_str()).unwrap().statement_timeout(short)).unwrap();
        let plain = Database::new(t.url()).unwrap();
        let lifted = limited.iterate(long, ()).timeout(Duration::ZERO);
        let lifted_batches = limited.batched_iterate(long, (), 2).timeout(Duration::ZERO);
        let set = plain.iterate(long, ()).timeout(short);
        let set_batches = plain.batched_iterate(long, (), 2).timeout(short);
        Database::connect(&limited).await.unwrap();
        Database::connect(&plain).await.unwrap();
        assert_eq!(lifted.try_collect::<Vec<_>>().await.unwrap().len(), 1);
        assert_eq!(lifted_batches.try_collect::<Vec<_>>().await.unwrap().len(), 1);
        // A function may write.
        assert_eq!(set.try_collect::<Vec<_>>().await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(set_batches.try_collect::<Vec<_>>().await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }

    #[except(sqlite_memory)]
    async fn l7_handles_made_before_connect_keep_the_override_of_the_call(t: Test) {
        let database = Database::new(t.url()).unwrap();
        let add = |n: i64| database.execute(t.sql("insert into {notes} (n) values (:n)"), params! { n });
        let undone = database.force_rollback(true);
        let (query, connection) = (add(1), database.connection());
        let begin = database.transaction();
        drop(undone);
        let kept = add(2);
        Database::connect(&database).await.unwrap();
        database.execute(t.sql("create table {notes} (n {int})"), ()).await.unwrap();
        let undone = database.force_rollback(true);
        kept.await.unwrap();
        drop(undone);
        query.await.unwrap();
        connection.execute(t.sql("insert into {notes} (n) values (3)"), ()).await.unwrap();
        drop(connection);
        let transaction = begin.await.unwrap();
        transaction.execute(t.sql("insert into {notes} (n) values (4)"), ()).await.unwrap();
        transaction.commit().await.unwrap();
        let left: Vec<i64> = database.fetch_all(t.sql("select n from {notes}"), ()).value().await.unwrap();
        assert_eq!(left, [2], "the others are in the sandbox");
    }

    async fn l7_futures_made_before_connect_work_after_it(t: Test) {
        let database = Database::new(t.url()).unwrap();
        let connection = database.connection();
        let ran = Arc::new(AtomicBool::new(false));
        let on_commit = database.on_commit({
            let ran = Arc::clone(&ran);
            async move || ran.store(true, Ordering::Release)
        });
        let early = database.on_commit(async || ()).await.unwrap_err();
        assert_eq!(early.kind(), ErrorKind::NotConnected);
        let bookmark = database.bookmark();
        let (inside, shared) = (database.clone(), t.sql("insert into {notes} (n) values (2)"));
        let sharing = connection.share(async move { inside.execute(shared, ()).await });

        Database::connect(&database).await.unwrap();
        database.execute(t.sql("create table {notes} (n {int})"), ()).await.unwrap();
        on_commit.await.unwrap();
        assert!(ran.load(Ordering::Acquire), "there is no transaction to wait for");
        assert_eq!(bookmark.await.unwrap(), Bookmark::default());
        let transaction = connection.transaction().await.unwrap();
        tokio::spawn(sharing).await.unwrap().unwrap();
        transaction.rollback().await.unwrap();
        drop(connection);
        let count: i64 = database.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
        assert_eq!(count, 0, "the shared future ran in the transaction");
    }

    async fn l7_errors_of_a_statement_made_before_connect_are_those_of_any_other(t: Test) {
        let database = Database::new(t.url()).unwrap();
        let line = line!() + 1;
        let wrong = database.execute("select :a", params! { b: 1 });
        let many = database.execute_many("select :a", [params! { b: 1 }]);
        let mut rows = database.iterate("select :a", params! { b: 1 });
        Database::connect(&database).await.unwrap();
        let error = wrong.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(error.message().contains(&format!("lifecycle.rs:{line}")), "{error}");
        assert_eq!(many.await.unwrap_err().kind(), ErrorKind::Parameter);
        assert_eq!(rows.try_next().await.unwrap_err().kind(), ErrorKind::Parameter);
        assert!(rows.try_next().await.unwrap().is_none());
    }

    async fn l1_connects_are_counted_and_the_last_disconnect_closes(t: Test) {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await.unwrap();
        let first = database.status().unwrap();
        for _ in 0..3 {
            Database::connect(&database).await.unwrap();
        }
        assert_eq!(database.status().unwrap(), first, "the later ones make no connection");
        for _ in 0..3 {
            assert!(!database.disconnect().await.unwrap());
            assert!(database.is_connected() && answers(&database).await);
        }
        assert!(database.disconnect().await.unwrap());
        assert!(!database.is_connected());
        until_all_is_closed(&t, proxy.as_ref()).await;
        assert!(!database.disconnect().await.unwrap());
    }

    async fn l1_clones_of_the_handle_do_not_count(t: Test) {
        let database = t.database().await;
        let clones: Vec<_> = (0..5).map(|_| database.clone()).collect();
        assert!(clones[0].is_connected());
        drop(clones);
        assert!(answers(&database).await, "dropping clones disconnects nothing");
        let clone = database.clone();
        assert!(clone.disconnect().await.unwrap(), "one connect, one disconnect, on any clone");
        assert!(!database.is_connected());
    }

    async fn l2_disconnect_when_never_connected_is_false(t: Test) {
        let database = Database::new(t.url()).unwrap();
        assert!(!database.disconnect().await.unwrap());
        assert!(!database.disconnect_now().await.unwrap());
        Database::connect(&database).await.unwrap();
        assert!(answers(&database).await);
        assert!(database.disconnect().await.unwrap());
        assert!(!database.disconnect().await.unwrap());
        assert!(!database.disconnect_now().await.unwrap());
    }

    #[current_thread]
    async fn l2_disconnect_now_closes_at_any_count_and_warns(t: Test) {
        let warnings = EventLog::default();
        // For this thread only, which is the only one of its runtime.
        let _listening = tracing::subscriber::set_default(Warnings(warnings.clone()));
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await.unwrap();
        assert!(database.disconnect_now().await.unwrap());
        assert_eq!(warnings.entries(), Vec::<String>::new(), "no other caller counted on it");
        for _ in 0..3 {
            Database::connect(&database).await.unwrap();
        }
        assert!(database.disconnect_now().await.unwrap());
        assert!(!database.is_connected());
        until_all_is_closed(&t, proxy.as_ref()).await;
        let warnings = warnings.entries();
        assert!(warnings.len() == 1 && warnings[0].contains("disconnected"), "{warnings:?}");
        assert!(!database.disconnect().await.unwrap(), "nothing is left to count down");
    }

    async fn l3_a_reconnect_makes_a_new_pool(t: Test) {
        let (database, opened) = numbered(&t, &t.url()).await;
        for round in 1..=3 {
            assert_eq!(opened.load(Ordering::SeqCst), round);
            assert!(answers(&database).await);
            assert!(database.disconnect().await.unwrap());
            assert!(!answers(&database).await);
            Database::connect(&database).await.unwrap();
        }
        assert!(database.disconnect().await.unwrap(), "the count began again");
    }

    async fn l4_concurrent_first_connects_make_one_pool(t: Test) {
        let Hooked { database, events, .. } = hooked(&t.url());
        let connects: Vec<_> = (0..8)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { Database::connect(&database).await.map(drop) })
            })
            .collect();
        for connected in join_all(connects).await {
            connected.unwrap().unwrap();
        }
        assert_eq!(events.entries(), ["on_connect, connected: false", "after_connect"]);
        let closed = join_all((0..8).map(|_| database.disconnect())).await;
        assert_eq!(closed.iter().filter(|closed| matches!(closed, Ok(true))).count(), 1, "{closed:?}");
        assert!(!database.is_connected());
    }

    async fn l4_a_failed_connect_leaves_the_count_as_it_was(t: Test) {
        let Hooked { database, connect_fails, .. } = hooked(&t.url());
        connect_fails.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(Database::connect(&database).await.unwrap_err().kind(), ErrorKind::Hook);
            assert!(!database.is_connected());
        }
        connect_fails.store(false, Ordering::SeqCst);
        Database::connect(&database).await.unwrap();
        assert!(answers(&database).await);
        assert!(database.disconnect().await.unwrap(), "it was connected once");
    }

    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    async fn l4_a_server_that_was_away_can_be_connected_when_it_is_back(t: Test) {
        let proxy = t.backend().is_server().then(|| Proxy::start(&t.url()));
        let url = match &proxy {
            Some(proxy) => with(&proxy.url(), "connect_timeout=300ms"),
            None => dead_url(&t),
        };
        let database = Database::new(url).unwrap();
        let expected = if proxy.is_some() { ErrorKind::Timeout } else { dead_kind(&t) };
        proxy.iter().for_each(Proxy::pause);
        for _ in 0..2 {
            assert_eq!(Database::connect(&database).await.unwrap_err().kind(), expected);
            assert!(!database.is_connected());
        }
        match &proxy {
            Some(proxy) => proxy.resume(),
            None => fs::write(t.folder().join("missing.db"), "").unwrap(),
        }
        Database::connect(&database).await.unwrap();
        assert!(answers(&database).await);
        assert!(database.disconnect().await.unwrap());
    }

    async fn l4_those_who_wait_for_a_connect_that_fails_try_for_themselves(t: Test) {
        let Hooked { database, events, connect_fails, .. } = hooked(&t.url());
        connect_fails.store(true, Ordering::SeqCst);
        let results = join_all((0..4).map(|_| Database::connect(&database))).await;
        assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Hook)));
        assert_eq!(events.entries().len(), 4);
        connect_fails.store(false, Ordering::SeqCst);
        Database::connect(&database).await.unwrap();
        assert!(database.disconnect().await.unwrap());
    }

    #[except(rusqlite_memory)]
    async fn l4_a_connect_cancelled_at_any_point_leaves_the_count_as_it_was(t: Test) {
        let (url, proxy) = watched(&t);
        let database = Database::new(url).unwrap();
        let mut cancelled = 0;
        for polls in 0..60 {
            match polled(Database::connect(&database), polls).await {
                None => {
                    cancelled += 1;
                    assert!(!database.is_connected(), "cancelled after {polls} polls");
                }
                Some(connected) => assert!(database.disconnect().await.unwrap(), "{connected:?}"),
            }
        }
        assert!(cancelled > 1, "it is cancelled half-way at least once");
        Database::connect(&database).await.unwrap();
        assert!(answers(&database).await);
        assert!(database.disconnect().await.unwrap(), "it was counted once");
        until_all_is_closed(&t, proxy.as_ref()).await;
    }

    async fn l4_a_cancelled_connect_lets_the_next_one_in(t: Test) {
        let database = Database::new(t.url()).unwrap();
        let stuck = Arc::new(AtomicBool::new(true));
        let is_stuck = Arc::clone(&stuck);
        let database = database.on_connect(move || {
            let stuck = is_stuck.swap(false, Ordering::SeqCst);
            async move { if stuck { std::future::pending().await } else { Ok(()) } }
        });
        let first = tokio::spawn({
            let database = database.clone();
            async move { Database::connect(&database).await.map(drop) }
        });
        until("the first is stuck in its hook", || !stuck.load(Ordering::SeqCst)).await;
        let second = tokio::spawn({
            let database = database.clone();
            async move { Database::connect(&database).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        first.abort();
        timeout(LONG, second).await.expect("no hang").unwrap().unwrap();
        assert!(database.disconnect().await.unwrap());
    }

    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    async fn l5_connect_checks_that_the_server_answers_unless_lazy(t: Test) {
        let url = dead_url(&t);
        let error = Database::connect(url.as_str()).await.unwrap_err();
        assert_eq!(error.kind(), dead_kind(&t), "{error:?}");
        let database = Database::connect(with(&url, "lazy=true")).await.unwrap();
        assert!(database.is_connected());
        assert_eq!(database.status().unwrap().size, 0);
        let error = database.execute("select 1", ()).await.unwrap_err();
        assert_eq!(error.kind(), dead_kind(&t), "{error:?}");
        assert!(database.disconnect().await.unwrap());

        let database = open(&t, "lazy=true").await;
        assert_eq!(database.status().unwrap().size, 0);
        assert!(answers(&database).await);
        assert_eq!(database.status().unwrap().size, 1);
    }

    #[only(sqlite_memory)] // No backend is used.
    async fn u8_an_unknown_scheme_names_the_known_ones(t: Test) {
        for (url, near) in [
            ("postgers://me:secret@host/db", Some("did you mean `postgres")),
            ("mysq://me:secret@host/db", Some("did you mean `mysql")),
            ("oracle://me:secret@host/db", None),
        ] {
            let error = Database::connect(url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Url, "{}", t.name());
            let text = error.to_string();
            for known in ["`postgres`", "`mysql`", "`mariadb`", "`sqlite`"] {
                assert!(text.contains(known), "{text}");
            }
            assert!(near.is_none_or(|near| text.contains(near)), "{text}");
            assert!(!format!("{text} {error:?}").contains("secret"), "{text}");
        }
    }

    #[only(sqlite_memory)] // Has an effect only where a backend is left out of the build.
    async fn u8_a_backend_that_is_not_compiled_in_names_its_feature(t: Test) {
        let backends = [
            ("postgres", cfg!(feature = "postgres")),
            ("mysql", cfg!(feature = "mysql")),
            ("sqlite", cfg!(feature = "sqlite")),
        ];
        for (backend, _) in backends.into_iter().filter(|(_, compiled_in)| !compiled_in) {
            let url = format!("{backend}://me:secret@localhost/db");
            let error = Database::connect(url).now_or_never().expect("no I/O").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{}", t.name());
            let text = error.to_string();
            assert!(text.contains(&format!("\"{backend}\"")) && !text.contains("secret"), "{text}");
        }
    }
}

/// Records the library's warnings.
struct Warnings(EventLog);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN && metadata.target().starts_with("ebbtide")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message<'d>(&'d EventLog);
        impl tracing::field::Visit for Message<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0.note(format!("{value:?}"));
                }
            }
        }
        event.record(&mut Message(&self.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
