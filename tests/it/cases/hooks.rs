//! Hooks: when they run, what they see, and the effect of their errors.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use ebbtide::{AssertSqlSafe, Database, ErrorKind, HookError};

use super::lifecycle::{answers, watched};
use super::pool::{hold, select_one, until, with};
use crate::support::{Proxy, cases};

/// The events, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventLog(Arc<Mutex<Vec<String>>>);

impl EventLog {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A database whose hooks write a failure log, with a flag that makes them fail.
pub(crate) struct Hooked {
    pub(crate) database: Database,
    pub(crate) events: EventLog,
    pub(crate) connect_fails: Arc<AtomicBool>,
    pub(crate) disconnect_fails: Arc<AtomicBool>,
}

pub(crate) fn hooked(url: &str) -> Hooked {
    let events = EventLog::default();
    let (connect_fails, disconnect_fails) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
    let this: Arc<OnceLock<Database>> = Arc::default();
    let hook = |name: &'static str, fails: &Arc<AtomicBool>| {
        let (events, fails, this) = (events.clone(), Arc::clone(fails), Arc::clone(&this));
        move || {
            let (events, fails, database) = (events.clone(), Arc::clone(&fails), this.get().cloned());
            async move {
                let connected = database.is_some_and(|database| database.is_connected());
                events.note(format!("{name}, connected: {connected}"));
                if fails.load(Ordering::SeqCst) {
                    Err(HookError::from("the hook has a bad day"))
                } else {
                    Ok(())
                }
            }
        }
    };
    let after = events.clone();
    let database = Database::new(url).unwrap();
    let one = select_one(&database);
    let database = database
        .on_connect(hook("on_connect", &connect_fails))
        .on_disconnect(hook("on_disconnect", &disconnect_fails))
        .after_connect(move |connection| {
            after.note("after_connect");
            Box::pin(async move {
                connection.execute(one).await?;
                Ok(())
            })
        });
    this.set(database.clone()).unwrap();
    Hooked {
        database,
        events,
        connect_fails,
        disconnect_fails,
    }
}

cases! {
    async fn l6_hooks_run_at_the_first_connect_and_the_last_disconnect(t: Test) {
        let Hooked { database, events, .. } = hooked(&t.url());
        let connecting = ["on_connect, connected: false", "after_connect"];
        Database::connect(&database).await.unwrap();
        assert_eq!(events.entries(), connecting, "before the pool is made");
        Database::connect(&database).await.unwrap();
        assert!(!database.disconnect().await.unwrap());
        assert_eq!(events.entries(), connecting, "no hook for those in between");
        assert!(database.disconnect().await.unwrap());
        let all = [connecting[0], connecting[1], "on_disconnect, connected: false"];
        assert_eq!(events.entries(), all, "after the pool is gone");
        assert!(!database.disconnect().await.unwrap());
        assert_eq!(events.entries(), all);
        Database::connect(&database).await.unwrap();
        database.disconnect_now().await.unwrap();
        assert_eq!(events.entries(), [all, all].concat(), "and again for the next time");
    }

    #[only(postgres, mysql)]
    async fn l6_the_hooks_see_no_connection_of_the_pool(t: Test) {
        let proxy = Arc::new(Proxy::start(&t.url()));
        let seen = EventLog::default();
        let look = |name: &'static str| {
            let (proxy, seen) = (Arc::clone(&proxy), seen.clone());
            move || {
                let (proxy, seen) = (Arc::clone(&proxy), seen.clone());
                async move {
                    // A proxy notices a moment later that a connection was closed.
                    until("no connection is open", || proxy.open_connections() == 0).await;
                    seen.note(format!("{name}: {} were opened", proxy.connections()));
                    Ok(())
                }
            }
        };
        let database =
            Database::new(proxy.url()).unwrap().on_connect(look("before")).on_disconnect(look("after"));
        Database::connect(&database).await.unwrap();
        let held = [hold(&database).await, hold(&database).await];
        for held in held {
            held.release().await;
        }
        assert_eq!(proxy.open_connections(), 2);
        assert!(database.disconnect().await.unwrap());
        assert_eq!(seen.entries(), ["before: 0 were opened", "after: 2 were opened"]);
    }

    async fn l6_an_error_of_on_disconnect_passes_and_it_is_disconnected(t: Test) {
        let Hooked { database, disconnect_fails, .. } = hooked(&t.url());
        Database::connect(&database).await.unwrap();
        disconnect_fails.store(true, Ordering::SeqCst);
        let error = database.disconnect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook);
        let text = error.to_string();
        assert!(text.contains("on_disconnect") && text.contains("the hook has a bad day"), "{text}");
        assert!(!database.is_connected());
        assert!(!database.disconnect().await.unwrap());
        disconnect_fails.store(false, Ordering::SeqCst);
        Database::connect(&database).await.unwrap();
        assert!(database.disconnect().await.unwrap());
    }

    async fn l6_an_error_of_on_connect_names_the_hook(t: Test) {
        let Hooked { database, events, connect_fails, .. } = hooked(&t.url());
        connect_fails.store(true, Ordering::SeqCst);
        let error = Database::connect(&database).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("on_connect") && text.contains("the hook has a bad day"), "{text}");
        assert_eq!(events.entries(), ["on_connect, connected: false"], "no connection was opened");
    }

    async fn l6_copies_never_run_the_hooks(t: Test) {
        let Hooked { database, events, .. } = hooked(&t.url());
        Database::connect(&database).await.unwrap();
        let before = events.entries();
        let copy = Database::new(database.config()).unwrap();
        Database::connect(&copy).await.unwrap();
        assert!(answers(&copy).await);
        assert!(copy.disconnect().await.unwrap());
        assert_eq!(events.entries(), before);
    }

    async fn l6_hooks_set_while_connected_keep_the_database_found_f3(t: Test) {
        let events = EventLog::default();
        let (connecting, leaving, opening) = (events.clone(), events.clone(), events.clone());
        let database = Database::connect(t.url()).await.unwrap();
        let other = database.clone();
        let database = database
            .on_connect(move || {
                connecting.note("on_connect");
                async { Ok(()) }
            })
            .on_disconnect(move || {
                leaving.note("on_disconnect");
                async { Ok(()) }
            })
            .after_connect(move |_| {
                opening.note("after_connect");
                Box::pin(async { Ok(()) })
            });
        assert!(database.is_connected() && answers(&database).await && answers(&other).await);
        assert!(events.entries().is_empty());
        assert!(other.disconnect().await.unwrap(), "it is one database");
        assert!(!database.is_connected());
        assert_eq!(events.entries(), ["on_disconnect"]);
        Database::connect(&database).await.unwrap();
        assert_eq!(events.entries(), ["on_disconnect", "on_connect", "after_connect"]);
        database.disconnect().await.unwrap();
    }

    async fn l6_after_connect_runs_once_for_each_new_connection(t: Test) {
        let Hooked { database, events, .. } = hooked(&t.url());
        let ran = || events.entries().iter().filter(|entry| *entry == "after_connect").count();
        Database::connect(&database).await.unwrap();
        for _ in 0..3 {
            assert!(answers(&database).await);
        }
        assert_eq!(ran(), 1);
        let held = [hold(&database).await, hold(&database).await, hold(&database).await];
        assert_eq!(ran(), 3);
        for held in held {
            held.release().await;
        }
        for held in [hold(&database).await, hold(&database).await, hold(&database).await] {
            held.release().await;
        }
        assert_eq!(ran(), 3, "not for one that comes back");
    }

    async fn l6_an_error_of_after_connect_fails_the_caller_and_closes_the_connection(t: Test) {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let (url, proxy) = watched(&t);
        let url = with(&url, "pool_size=1&lazy=true");
        let database = Database::new(url).unwrap().after_connect(move |_| {
            let run = count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move { if run < 2 { Err("not yet".into()) } else { Ok(()) } })
        });
        Database::connect(&database).await.unwrap();
        for _ in 0..2 {
            let error = database.fetch_value::<i64>("select 1", ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Hook);
            let text = error.to_string();
            assert!(text.contains("after_connect") && text.contains("not yet"), "{text}");
            assert_eq!(database.status().unwrap().size, 0);
        }
        assert!(answers(&database).await, "its place was free again");
        assert_eq!((runs.load(Ordering::SeqCst), database.status().unwrap().size), (3, 1));
        if let Some(proxy) = &proxy {
            until("the refused ones are closed", || proxy.open_connections() == 1).await;
        }
    }

    /// Only SQLite's sandboxes have copies, in which an attached file would be the real one.
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f10_a_hook_is_told_of_a_private_copy_found_f15(t: Test) {
        let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
        let notes = Arc::clone(&seen);
        let attached = t.folder().join("attached.db");
        let (path, sqlite) = (attached.display().to_string(), t.backend().is_sqlite());
        let database = Database::new(t.url()).unwrap().after_connect(move |connection| {
            let copy = connection.is_private_copy();
            notes.lock().unwrap().push(copy);
            let attach = AssertSqlSafe(format!("attach '{}' as beside", if copy { ":memory:" } else { &path }));
            Box::pin(async move {
                if sqlite {
                    connection.execute(attach).await?;
                    connection.execute("create table if not exists beside.visit (n integer)").await?;
                }
                Ok(())
            })
        });
        Database::connect(&database).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [false]);
        let sandbox = database.sandbox().await.unwrap();
        sandbox.execute("select 1", ()).await.unwrap();
        assert_eq!(seen.lock().unwrap().last(), Some(&sqlite), "{seen:?}");
        if sqlite {
            sandbox.transaction().run(async |_| sandbox.execute("insert into beside.visit values (1)", ()).await).await.unwrap();
            let inside: i64 = sandbox.fetch_value("select count(*) from beside.visit", ()).await.unwrap();
            sandbox.disconnect().await.unwrap();
            let outside: i64 = database.fetch_value("select count(*) from beside.visit", ()).await.unwrap();
            assert_eq!((inside, outside), (1, 0));
        }
    }
}
