//! Replicas that really follow their primary: PostgreSQL's by streaming replication, MariaDB's by global transaction
//! ids. The tests start them.

use std::time::Duration;

use ebbtide::{Bookmark, Config, Database, ErrorKind, params};
use futures::TryStreamExt as _;

use crate::support::{Cluster, MariaReplication, Proxy, Server, cases, until};

const TABLE: &str = "create table note (id bigint primary key, text text not null)";
const COUNT: &str = "select count(*) from note";

/// Returns the port of the server that answers; replicas may answer it.
const PORT: &str = "select current_setting('port')";

fn config(cluster: &Cluster) -> Config {
    let replicas = cluster.replicas.iter().map(Server::url);
    let primary = Config::from_url(cluster.primary.url()).unwrap();
    let config = replicas.fold(primary, |config, url| config.replica(url).unwrap());
    config.replica_retry(Duration::from_millis(20))
}

async fn port(database: &Database) -> String {
    database.fetch_value(PORT, ()).await.unwrap()
}

async fn count(database: &Database) -> i64 {
    database.fetch_value(COUNT, ()).await.unwrap()
}

async fn insert(database: &Database, id: i64) {
    let sql = "insert into note values (:id, 'hello')";
    database.execute(sql, params! { id }).await.unwrap();
}

/// Runs a future in a task that has written nothing.
async fn apart<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(future).await.unwrap()
}

async fn count_apart(database: &Database) -> i64 {
    let database = database.clone();
    apart(async move { count(&database).await }).await
}

cases! {
    #[cluster]
    #[only(postgres)]
    async fn r6_a_writer_sees_its_writes_although_the_replica_lags(_t: Test) {
        let cluster = Cluster::start(1).await;
        cluster.caught_up(0).await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        let (primary, replica) = (cluster.primary.port(), cluster.replicas[0].port());
        assert_eq!(port(&database).await, replica);
        database.execute(TABLE, ()).await.unwrap();
        cluster.pause(0).await;
        insert(&database, 1).await;
        for _ in 0..5 {
            assert_eq!(count(&database).await, 1);
            assert_eq!(port(&database).await, primary);
        }
        assert_eq!(count_apart(&database).await, 0, "who wrote nothing may see the past");
        assert_eq!(count(&database.stale()).await, 0, "who asks for it, too");
        let shared = {
            let database = database.clone();
            async move { count(&database).await }
        };
        assert_eq!(tokio::spawn(database.share(shared)).await.unwrap(), 1);

        let cookie = database.bookmark().await.unwrap().to_string();
        let next_request = {
            let database = database.clone();
            async move {
                assert_eq!(database.bookmark().await.unwrap(), Bookmark::default());
                database.read_after(&cookie.parse().unwrap());
                assert_eq!(database.bookmark().await.unwrap().to_string(), cookie);
                (count(&database).await, port(&database).await)
            }
        };
        assert_eq!(apart(next_request).await, (1, primary.clone()), "a bookmark carries it elsewhere");

        cluster.resume(0).await;
        cluster.caught_up(0).await;
        until(async || port(&database).await == replica).await;
        assert_eq!(count(&database).await, 1, "and it is there");
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_a_commit_is_what_counts(_t: Test) {
        let cluster = Cluster::start(1).await;
        cluster.primary.run(TABLE).await;
        cluster.pause(0).await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        let (primary, replica) = (cluster.primary.port(), cluster.replicas[0].port());
        let transaction = database.transaction().await.unwrap();
        insert(&database, 1).await;
        transaction.rollback().await.unwrap();
        assert_eq!(port(&database).await, replica, "nothing was written");
        let transaction = database.transaction().await.unwrap();
        assert_eq!(count(&database).await, 0);
        transaction.commit().await.unwrap();
        assert_eq!(port(&database).await, replica, "nor was it here");
        database
            .transaction()
            .run(async |_| {
                insert(&database, 1).await;
                Ok::<_, ebbtide::Error>(())
            })
            .await
            .unwrap();
        assert_eq!((count(&database).await, port(&database).await), (1, primary.clone()));
        assert_eq!(count_apart(&database).await, 0);

        let database = Database::connect(database.config()).await.unwrap();
        let sandbox = database.sandbox().await.unwrap();
        insert(&sandbox, 2).await;
        assert_eq!((count(&sandbox).await, port(&sandbox).await), (2, primary.clone()));
        let inner = sandbox.transaction().await.unwrap();
        assert_eq!(port(&sandbox).await, primary);
        inner.commit().await.unwrap();
        sandbox.disconnect().await.unwrap();
        assert_eq!(port(&database).await, replica, "a sandbox writes nothing");
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_what_it_costs(_t: Test) {
        let cluster = Cluster::start(1).await;
        cluster.primary.run(TABLE).await;
        cluster.caught_up(0).await;
        let (primary, replica) = (Proxy::start(&cluster.primary.url()), Proxy::start(&cluster.replicas[0].url()));
        let config = Config::from_url(primary.url()).unwrap().replica(replica.url()).unwrap();
        let database = Database::connect(config).await.unwrap();
        let spent = || {
            let spent = (primary.round_trips(), replica.round_trips());
            primary.reset();
            replica.reset();
            spent
        };
        // A connection prepares a statement that it sees for the first time.
        for id in 0..3 {
            insert(&database, id).await;
            count(&database).await;
            cluster.caught_up(0).await;
            count(&database).await;
        }
        insert(&database, 3).await;
        cluster.caught_up(0).await;
        spent();
        insert(&database, 4).await;
        assert_eq!(spent(), (1, 0), "a write costs nothing more");
        assert_eq!(count(&database).await, 5);
        assert_eq!(spent(), (2, 0), "the first read after it asks how far the primary is");
        cluster.caught_up(0).await;
        assert_eq!(count(&database).await, 5);
        assert_eq!(spent(), (0, 2), "the next one asks how far the replica is");
        for _ in 0..3 {
            count(&database).await;
            assert_eq!(spent(), (0, 1), "and then no server is asked");
        }
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_reads_fall_over_to_the_primary_and_come_back(_t: Test) {
        let mut cluster = Cluster::start(1).await;
        cluster.primary.run(TABLE).await;
        cluster.primary.run("insert into note select i, 'hello' from generate_series(1, 3) i").await;
        cluster.caught_up(0).await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        let (primary, replica) = (cluster.primary.port(), cluster.replicas[0].port());
        assert_eq!(port(&database).await, replica);

        // Its connection is lost, but the replica still runs.
        let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'client backend' \
                     and pid <> pg_backend_pid()";
        assert!(cluster.replicas[0].number(ended).await >= 1);
        assert_eq!(count(&database).await, 3);
        until(async || port(&database).await == replica).await;
        // The backend that was ended before may still be listed.
        assert!(cluster.replicas[0].number(ended).await >= 1);
        let streamed: Vec<_> = database.iterate("select id from note", ()).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(streamed.len(), 3, "a stream, before its first row");
        until(async || port(&database).await == replica).await;

        cluster.replicas[0].stop();
        for _ in 0..5 {
            assert_eq!(count(&database).await, 3);
            assert_eq!(port(&database).await, primary);
        }
        let streamed: Vec<_> = database.iterate("select id from note", ()).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(streamed.len(), 3);
        assert!(!database.replicas().unwrap()[0].is_up);
        insert(&database, 4).await;
        assert_eq!(count(&database).await, 4);

        cluster.replicas[0].restart().await;
        cluster.caught_up(0).await;
        until(async || port(&database).await == replica).await;
        assert!(database.replicas().unwrap()[0].is_up);
        assert_eq!(count(&database).await, 4);
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_one_replica_of_two_is_enough(_t: Test) {
        let mut cluster = Cluster::start(2).await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        let ports = [cluster.replicas[0].port(), cluster.replicas[1].port()];
        let seen = [port(&database).await, port(&database).await];
        assert!(seen[0] != seen[1] && ports.contains(&seen[0]) && ports.contains(&seen[1]), "{seen:?} {ports:?}");
        cluster.replicas[0].stop();
        for _ in 0..6 {
            let seen = port(&database).await;
            // The first caller notices the lost connection, and uses the primary.
            assert_ne!(seen, ports[0]);
        }
        assert_eq!(port(&database).await, ports[1]);
        cluster.replicas[0].restart().await;
        until(async || port(&database).await == ports[0]).await;
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_a_writer_reads_from_the_replica_that_does_not_lag(_t: Test) {
        let cluster = Cluster::start(2).await;
        cluster.primary.run(TABLE).await;
        cluster.caught_up(0).await;
        cluster.caught_up(1).await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        cluster.pause(0).await;
        insert(&database, 1).await;
        cluster.caught_up(1).await;
        let ahead = cluster.replicas[1].port();
        until(async || port(&database).await == ahead).await;
        for _ in 0..6 {
            assert_eq!((port(&database).await, count(&database).await), (ahead.clone(), 1));
        }
        cluster.resume(0).await;
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_what_a_replica_cannot_answer_the_primary_does(_t: Test) {
        let cluster = Cluster::start(1).await;
        cluster.primary.run(TABLE).await;
        cluster.primary.run("create unlogged table cache (n bigint); insert into cache values (7)").await;
        cluster.primary.run("create sequence numbers; create view next as select nextval('numbers') as n").await;
        cluster.pause(0).await;
        cluster.primary.run("create table later (n bigint); insert into later values (8)").await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        let value = |sql: &'static str| {
            let database = database.clone();
            apart(async move { database.fetch_value::<i64>(sql, ()).await.unwrap() })
        };
        assert_eq!(value("select n from cache").await, 7, "unlogged tables are not replicated");
        assert_eq!(value("select n from later").await, 8, "the table has not arrived yet");
        assert_eq!(value("select n from next").await, 1, "a view that writes");
        let streamed: Vec<_> = database.iterate("select n from cache", ()).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(streamed, [(7,)]);
        let next = database.stale().fetch_value::<i64>("select nextval('numbers')", ()).await.unwrap();
        assert_eq!(next, 2, "a function that was declared harmless but is not");
        for through in ["a query", "a stream", "an old read", "a read"] {
            let database = database.clone();
            let bookmark = apart(async move {
                match through {
                    "a query" => drop(database.fetch_all("select n from next", ()).await.unwrap()),
                    "a stream" => drop(database.iterate("select n from next", ()).try_collect::<Vec<_>>().await.unwrap()),
                    "an old read" => drop(database.stale().fetch_all("select nextval('numbers')", ()).await.unwrap()),
                    _ => drop(database.fetch_all("select n from cache", ()).await.unwrap()),
                }
                database.bookmark().await.unwrap()
            });
            assert_eq!(bookmark.await != Bookmark::default(), through != "a read", "{through}");
        }
        let error = database.fetch_value::<i64>("select n from nowhere", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        let error = database.fetch_value::<i64>("select 1 / 0", ()).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22012"), "{error}");
    }

    #[cluster]
    #[only(postgres)]
    async fn r6_a_read_in_the_way_of_the_replay_is_run_on_the_primary(_t: Test) {
        let cluster = Cluster::start(1).await;
        cluster.primary.run(TABLE).await;
        cluster.primary.run("insert into note select i, 'hello' from generate_series(1, 10) i").await;
        cluster.caught_up(0).await;
        let database = Database::connect(config(&cluster)).await.unwrap();
        assert_eq!(count(&database).await, 10);
        cluster.pause(0).await;
        // A lock that the replica will request while the read below goes on.
        cluster.primary.run("truncate note").await;
        let sql = "select count(*) from note where text <> (select max(text || i) from generate_series(1, 20000000) i)";
        let slow = tokio::spawn({
            let database = database.clone();
            async move { database.fetch_value::<i64>(sql, ()).await }
        });
        let running = "select count(*) from pg_stat_activity where state = 'active' and query like 'select count(*) from note where%'";
        until(async || cluster.replicas[0].number(running).await == 1).await;
        cluster.resume(0).await;
        assert_eq!(slow.await.unwrap().unwrap(), 0, "what the primary has");
    }

    #[cluster]
    #[only(mysql)]
    async fn r6_a_writer_on_mariadb_waits_for_its_transactions(_t: Test) {
        let servers = MariaReplication::start().await;
        let config = Config::from_url(servers.primary()).unwrap().replica(servers.replica()).unwrap();
        let database = Database::connect(config.replica_window(Duration::from_hours(1))).await.unwrap();
        let server = || async { database.fetch_value::<i64>("select @@server_id", ()).await.unwrap() };
        assert_eq!(server().await, 2);
        database.execute(TABLE, ()).await.unwrap();
        servers.pause().await;
        insert(&database, 1).await;
        for _ in 0..5 {
            assert_eq!((count(&database).await, server().await), (1, 1));
        }
        assert_eq!(count_apart(&database).await, 0);
        let bookmark = database.bookmark().await.unwrap();
        assert!(bookmark.to_string().starts_with("mariadb:"), "{bookmark}");
        let next_request = {
            let database = database.clone();
            async move {
                database.read_after(&bookmark);
                count(&database).await
            }
        };
        assert_eq!(apart(next_request).await, 1);
        servers.resume().await;
        servers.caught_up().await;
        until(async || server().await == 2).await;
        assert_eq!(count(&database).await, 1);
    }
}
