//! The routing of statements in a database with replicas. The replica here is another database with other rows, so that
//! a row shows where it was read; `replication.rs` uses real replicas.

use std::time::Duration;

use ebbtide::testing::{create_database, drop_database};
use ebbtide::{Config, Connections, Database, ErrorKind, params};
use futures::TryStreamExt as _;
use tokio::join;

use crate::backends::Backend;
use crate::support::{Test, Watcher, cases};

/// The value that is read from the primary, and the one from a replica.
pub(super) const PRIMARY: i64 = 1;
pub(super) const REPLICA: i64 = 2;

pub(super) const READ: &str = "select n from {things} order by n limit 1";

/// A database that stands in for a replica; it is dropped with this value.
pub(super) struct ReplicaStandIn {
    config: Config,
    is_server: bool,
}

impl ReplicaStandIn {
    /// Creates it with a table of one row.
    pub(super) async fn new(t: &Test, number: i64) -> Self {
        let url = if t.backend().is_sqlite() {
            t.sqlite_url(&format!("stand_in{number}.db"))
        } else {
            t.url()
        };
        let mut config = Config::from_url(url).unwrap();
        if t.backend().is_server() {
            config = config.database(format!("ebbtide_stand{number}_{}", t.id()).as_str());
            create_database(&config).await.unwrap();
        }
        let stand_in = Self {
            config,
            is_server: t.backend().is_server(),
        };
        fill(t, &stand_in.open().await, number).await;
        stand_in
    }

    async fn open(&self) -> Database {
        Database::connect(&self.config).await.unwrap()
    }

    pub(super) fn url(&self) -> String {
        self.config.url().expose()
    }
}

impl Drop for ReplicaStandIn {
    fn drop(&mut self) {
        if !self.is_server {
            return;
        }
        let config = self.config.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { drop_database(config).if_exists().await })
        });
        let dropped = dropped.join().unwrap();
        assert!(dropped.is_ok() || std::thread::panicking(), "{dropped:?}");
    }
}

pub(super) async fn fill(t: &Test, database: &Database, number: i64) {
    database
        .execute(t.sql("create table {things} (n {int})"), ())
        .await
        .unwrap();
    write(t, database, number).await;
}

pub(super) async fn write(t: &Test, database: &Database, number: i64) {
    let sql = t.sql("insert into {things} values (:number)");
    database.execute(sql, params! { number }).await.unwrap();
}

/// Returns a primary with one stand-in for its replica, both created from the same settings.
pub(super) async fn replicated(t: &Test, change: impl FnOnce(Config) -> Config) -> (Database, ReplicaStandIn) {
    let stand_in = ReplicaStandIn::new(t, REPLICA).await;
    let config = Config::from_url(t.url()).unwrap().replica(stand_in.url()).unwrap();
    let config = change(config);
    if t.backend() == Backend::SqliteMemory {
        // No other session sees it.
        let database = Database::connect(config.replica_window(Duration::ZERO)).await.unwrap();
        fill(t, &database, PRIMARY).await;
        return (database, stand_in);
    }
    let apart = Database::connect(t.url()).await.unwrap();
    fill(t, &apart, PRIMARY).await;
    apart.disconnect().await.unwrap();
    (Database::connect(config).await.unwrap(), stand_in)
}

pub(super) async fn read(t: &Test, database: &Database) -> i64 {
    database.fetch_value(t.sql(READ), ()).await.unwrap()
}

/// Returns the same for another caller.
pub(super) async fn read_by_another(t: &Test, database: &Database) -> i64 {
    let (database, sql) = (database.clone(), t.sql(READ));
    let task = tokio::spawn(async move { database.fetch_value(sql, ()).await });
    task.await.unwrap().unwrap()
}

cases! {
    #[native]
    async fn r6_a_read_goes_to_a_replica(t: Test) {
        let (database, _stand) = replicated(&t, |config| config).await;
        assert_eq!(read(&t, &database).await, REPLICA);
        let rows = database.fetch_all(t.sql(READ), ()).value::<i64>().await.unwrap();
        assert_eq!(rows, [REPLICA]);
        let row = database.fetch_optional(t.sql(READ), ()).value::<i64>().await.unwrap();
        assert_eq!(row, Some(REPLICA));
        let streamed: Vec<_> = database.iterate(t.sql(READ), ()).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(streamed, [(REPLICA,)]);
        let batches: Vec<_> = database.batched_iterate(t.sql(READ), (), 5).try_collect().await.unwrap();
        assert_eq!(batches[0][0].get::<i64>(0).unwrap(), REPLICA);
        assert_eq!(read(&t, &database.primary()).await, PRIMARY, "if it is asked for");
        assert_eq!(read(&t, &database.stale()).await, REPLICA);
        let status = database.replicas().unwrap();
        assert!(status.len() == 1 && status[0].is_up && status[0].pool.size == 1, "{status:?}");
        assert!(database.disconnect().await.unwrap());
        assert_eq!(database.replicas().unwrap_err().kind(), ErrorKind::NotConnected);
    }

    #[native]
    async fn r6_a_statement_that_may_do_more_than_read_goes_to_the_primary(t: Test) {
        let (database, _stand) = replicated(&t, |config| config).await;
        let function = match t.backend() {
            Backend::Postgres => "pg_backend_pid()",
            Backend::Mysql => "connection_id()",
            _ => "changes()",
        };
        let calling = t.words("select n from {things} where FUNCTION >= 0").replace("FUNCTION", function);
        let calling = || ebbtide::AssertSqlSafe(calling.clone());
        assert_eq!(database.fetch_value::<i64>(calling(), ()).await.unwrap(), PRIMARY);
        // It counted as a write; another task has written nothing.
        let stale = tokio::spawn({
            let (database, calling) = (database.clone(), calling());
            async move { database.stale().fetch_value::<i64>(calling, ()).await }
        });
        assert_eq!(stale.await.unwrap().unwrap(), REPLICA, "its user knows the function");
        if t.backend().is_server() {
            for lock in ["for update", "for share"] {
                if t.backend().is_mysql() && lock == "for share" {
                    continue; // MariaDB has another word for it, which is tested with the lexer.
                }
                let sql = ebbtide::AssertSqlSafe(t.words("select n from {things} LOCK").replace("LOCK", lock));
                let database = database.clone();
                let locking = tokio::spawn(async move { database.fetch_value::<i64>(sql, ()).await });
                assert_eq!(locking.await.unwrap().unwrap(), PRIMARY, "{lock}");
            }
        }
        write(&t, &database, 0).await;
        assert_eq!(t.committed(&database.primary(), "select count(*) from {things}").await, 2);
    }

    #[native]
    async fn r6_a_transaction_stays_on_the_primary_wherever_it_is_found(t: Test) {
        let (database, _stand) = replicated(&t, |config| config).await;
        let transaction = database.transaction().await.unwrap();
        assert_eq!(read(&t, &database).await, PRIMARY, "ambient");
        assert_eq!(read(&t, &database.stale()).await, PRIMARY, "also for those who would take an old one");
        assert_eq!(transaction.fetch_value::<i64>(t.sql(READ), ()).await.unwrap(), PRIMARY);
        let shared = tokio::spawn(transaction.share({
            let (database, sql) = (database.clone(), t.sql(READ));
            async move { database.fetch_value::<i64>(sql, ()).await }
        }));
        assert_eq!(shared.await.unwrap().unwrap(), PRIMARY, "shared");
        assert_eq!(read_by_another(&t, &database).await, REPLICA, "not shared");
        let streamed: Vec<_> = database.iterate(t.sql(READ), ()).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(streamed, [(PRIMARY,)]);
        {
            let _inner = database.transaction().await.unwrap();
            assert_eq!(read(&t, &database).await, PRIMARY, "nested");
        }
        transaction.commit().await.unwrap();
        assert_eq!(read(&t, &database).await, REPLICA, "it wrote nothing");
        {
            let _dropped = database.transaction().await.unwrap();
        }
        assert_eq!(read(&t, &database).await, REPLICA);
    }

    #[native]
    async fn r6_only_the_future_of_a_closure_is_in_its_transaction(t: Test) {
        let (database, _stand) = replicated(&t, |config| config).await;
        let (inside, outside) = join!(
            database.transaction().run(async |_| {
                let first = read(&t, &database).await;
                tokio::task::yield_now().await;
                Ok::<_, ebbtide::Error>((first, read(&t, &database).await))
            }),
            async {
                tokio::task::yield_now().await;
                read(&t, &database).await
            },
        );
        assert_eq!(inside.unwrap(), (PRIMARY, PRIMARY));
        assert_eq!(outside, REPLICA);
    }

    #[native]
    async fn r6_a_connection_is_one_of_the_primary(t: Test) {
        let (database, _stand) = replicated(&t, |config| config).await;
        {
            let connection = database.connection();
            assert_eq!(connection.fetch_value::<i64>(t.sql(READ), ()).await.unwrap(), PRIMARY);
            assert_eq!(read(&t, &database).await, PRIMARY, "the task has it");
        }
        assert_eq!(read(&t, &database).await, REPLICA);
    }

    #[native]
    async fn r6_a_sandbox_is_on_the_primary(t: Test) {
        let (database, _stand) = replicated(&t, |config| config).await;
        let sandbox = database.sandbox().await.unwrap();
        assert_eq!(read(&t, &sandbox).await, PRIMARY);
        assert_eq!(read(&t, &sandbox.stale()).await, PRIMARY);
        write(&t, &sandbox, 0).await;
        assert_eq!(read(&t, &sandbox).await, 0);
        assert_eq!(read_by_another(&t, &sandbox).await, 0);
        assert_eq!(sandbox.force_rollback(false).run(read(&t, &sandbox)).await, PRIMARY, "out of it, too");
        sandbox.disconnect().await.unwrap();
        assert_eq!(read(&t, &database).await, REPLICA);
        assert_eq!(database.force_rollback(true).run(read(&t, &database)).await, PRIMARY);
        if t.backend() != Backend::SqliteMemory {
            // Its own sandbox is open until then, and SQLite allows one at a time.
            database.disconnect().await.unwrap();
            let all = Database::connect(database.config().force_rollback(true)).await.unwrap();
            assert_eq!(read(&t, &all).await, PRIMARY);
            assert_eq!(all.force_rollback(false).run(read(&t, &all)).await, REPLICA);
            all.disconnect().await.unwrap();
        }
    }

    #[native]
    async fn r6_replicas_take_turns(t: Test) {
        let (first, second) = (ReplicaStandIn::new(&t, 3).await, ReplicaStandIn::new(&t, 4).await);
        let config = Config::from_url(t.url()).unwrap();
        let config = config.replica(first.url()).unwrap().replica(second.url()).unwrap();
        let database = Database::connect(config).await.unwrap();
        let mut sum = 0;
        for _ in 0..10 {
            sum += read(&t, &database).await;
        }
        assert_eq!(sum, 5 * 3 + 5 * 4);
        // A connection in use stays with its user.
        let mut rows = database.iterate(t.sql(READ), ());
        let busy = rows.try_next().await.unwrap().unwrap().get::<i64>(0).unwrap();
        for _ in 0..4 {
            assert_eq!(read(&t, &database).await, 7 - busy);
        }
    }

    #[only(postgres, mysql)]
    async fn r6_a_replica_that_is_down_keeps_nobody_from_working(t: Test) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = Config::from_url(t.url()).unwrap();
        let down = config.clone().host("127.0.0.1").port(port).url().expose();
        let stand_in = ReplicaStandIn::new(&t, REPLICA).await;
        let database = Database::connect(config.clone().replica(down.as_str()).unwrap()).await.unwrap();
        fill(&t, &database, PRIMARY).await;
        assert!(!database.replicas().unwrap()[0].is_up);
        assert_eq!(read_by_another(&t, &database).await, PRIMARY);
        let streamed: Vec<_> = database.iterate(t.sql(READ), ()).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(streamed, [(PRIMARY,)]);

        let both = config.replica(down.as_str()).unwrap().replica(stand_in.url()).unwrap().lazy(true);
        let both = Database::connect(both).await.unwrap();
        for _ in 0..4 {
            assert_eq!(read(&t, &both).await, REPLICA, "the other is there");
        }
        let up: Vec<bool> = both.replicas().unwrap().iter().map(|replica| replica.is_up).collect();
        assert_eq!(up, [false, true]);
    }

    #[except(sqlite_memory)]
    #[native]
    async fn r6_spans_name_the_server(t: Test) {
        let (database, stand_in) = replicated(&t, |config| config).await;
        let watcher = Watcher::default();
        let both = async { (read(&t, &database).await, read(&t, &database.primary()).await) };
        assert_eq!(watcher.watch(both).await, (REPLICA, PRIMARY));
        let spans = watcher.spans("statement");
        let asked: Vec<&str> = spans.iter().map(|span| span.field("db.namespace")).collect();
        let name = |config: &Config| config.url().database().unwrap().rsplit('/').next().unwrap().to_owned();
        let (replica, primary) = (name(&stand_in.config), name(&database.config()));
        assert!(asked.len() == 2 && asked[0].ends_with(&replica) && asked[1].ends_with(&primary), "{asked:?}");
    }

    #[except(sqlite_memory)]
    #[native]
    async fn r6_a_replica_that_was_mistaken_fails_the_connect(t: Test) {
        let config = Config::from_url(t.url()).unwrap();
        let missing = match t.backend() {
            Backend::SqliteFile => format!("{}&mode=ro", t.sqlite_url("missing.db")).replace("mode=rwc&", ""),
            _ => config.clone().database("no_such_replica").url().expose(),
        };
        let error = Database::connect(config.replica(missing.as_str()).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
        assert!(error.message().starts_with("the replica "), "{error}");
    }

    #[except(sqlite_memory)]
    #[native]
    async fn r6_a_registry_has_replicas_too(t: Test) {
        let (database, stand_in) = replicated(&t, |config| config).await;
        let connections = Connections::init(serde_json::json!({
            "connections": {"default": {"url": t.url(), "replicas": [stand_in.url()]}},
        }))
        .unwrap();
        let read_from = connections.for_read("note").await.unwrap();
        assert_eq!(read(&t, &read_from).await, REPLICA);
        let written_to = connections.for_write("note").await.unwrap();
        assert_eq!(read(&t, &written_to).await, PRIMARY, "who means to write reads there");
        let inside = connections
            .in_transaction("default")
            .run(async |_| Ok::<_, ebbtide::Error>(read(&t, &connections.for_read("note").await?).await));
        assert_eq!(inside.await.unwrap(), PRIMARY);
        connections.close_all().await.unwrap();
        drop(database);
    }
}
