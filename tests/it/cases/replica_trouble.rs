//! Replicas that are busy, silent or unusable; no caller has to wait for them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ebbtide::{Bookmark, Config, Database, ErrorKind, ReadYourWrites};
use futures::TryStreamExt as _;

use super::replicas::{PRIMARY, READ, REPLICA, ReplicaStandIn, fill, read, read_by_another, replicated, write};
use crate::support::{Proxy, SilentServer, Test, cases, until};

/// The time that a caller waits for one answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// Much less than any of the library's own limits.
const SOON: Duration = Duration::from_secs(8);

/// Runs a read with a short limit.
async fn read_impatiently(t: &Test, database: &Database) -> Result<i64, ErrorKind> {
    let read = database.fetch_value::<i64>(t.sql(READ), ()).timeout(PATIENCE).await;
    read.map_err(|error| error.kind())
}

fn is_up(database: &Database) -> bool {
    database.replicas().unwrap()[0].is_up
}

cases! {
    #[only(postgres, mysql)]
    async fn r6_connecting_does_not_wait_for_a_silent_replica(t: Test) {
        let silent = SilentServer::start().unwrap();
        let config = Config::from_url(t.url()).unwrap().connect_timeout(Duration::from_mins(5));
        let config = config.replica(silent.url(t.backend().family())).unwrap();
        let start = Instant::now();
        let database = Database::connect(config).await.unwrap();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert!(!is_up(&database));
        fill(&t, &database, PRIMARY).await;
        assert_eq!(read_by_another(&t, &database).await, PRIMARY);
        assert!(start.elapsed() < 2 * SOON, "{:?}", start.elapsed());
    }

    #[only(postgres, mysql)]
    async fn r6_who_is_cut_off_on_the_way_to_a_replica_is_the_last_one(t: Test) {
        let silent = SilentServer::start().unwrap();
        let config = Config::from_url(t.url()).unwrap().connect_timeout(Duration::from_mins(5)).lazy(true);
        let database = Database::connect(config.clone()).await.unwrap();
        fill(&t, &database, PRIMARY).await;
        let config = config.replica(silent.url(t.backend().family())).unwrap();
        let database = Database::connect(config.replica_retry(Duration::from_mins(5))).await.unwrap();
        assert_eq!(read_impatiently(&t, &database).await, Err(ErrorKind::Timeout));
        assert!(!is_up(&database));
        assert_eq!(read(&t, &database).await, PRIMARY);
        assert_eq!(silent.accepted(), 1);
    }

    #[only(postgres, mysql)]
    async fn r6_a_replica_that_falls_silent_is_noticed(t: Test) {
        let stand_in = ReplicaStandIn::new(&t, REPLICA).await;
        let proxy = Proxy::start(&stand_in.url());
        let config = Config::from_url(t.url()).unwrap();
        let apart = Database::connect(config.clone()).await.unwrap();
        fill(&t, &apart, PRIMARY).await;
        let config = config.replica(proxy.url()).unwrap().replica_retry(Duration::from_millis(20));
        let database = Database::connect(config).await.unwrap();
        // Several idle connections that look healthy.
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut stream = database.iterate(t.sql(READ), ());
            assert_eq!(stream.try_next().await.unwrap().unwrap().get::<i64>(0).unwrap(), REPLICA);
            streams.push(stream);
        }
        for stream in &mut streams {
            assert!(stream.try_next().await.unwrap().is_none());
        }
        drop(streams);
        assert_eq!(database.replicas().unwrap()[0].pool.idle, 4);
        proxy.pause();
        assert_eq!(read_impatiently(&t, &database).await, Err(ErrorKind::Timeout), "it had begun");
        assert_eq!(read_impatiently(&t, &database).await, Err(ErrorKind::Timeout), "it looked whether it answers");
        assert!(!is_up(&database));
        assert_eq!(read(&t, &database).await, PRIMARY);
        proxy.resume();
        until(async || read(&t, &database).await == REPLICA).await;
        assert!(is_up(&database));
    }

    #[except(sqlite_memory)]
    #[native]
    async fn r6_nobody_queues_for_a_busy_replica(t: Test) {
        let small = |config: Config| config.pool_size(1).max_overflow(0).pool_timeout(Duration::from_mins(5));
        let (database, _stand) = replicated(&t, small).await;
        let mut rows = database.iterate(t.sql(READ), ());
        assert_eq!(rows.try_next().await.unwrap().unwrap().get::<i64>(0).unwrap(), REPLICA);
        for _ in 0..3 {
            assert_eq!(read(&t, &database).await, PRIMARY);
        }
        assert!(is_up(&database), "that is no failure");
        drop(rows);
        until(async || read(&t, &database).await == REPLICA).await;
    }

    #[only(postgres, mysql)]
    async fn r6_what_the_primary_runs_for_want_of_a_replica_may_write(t: Test) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = Config::from_url(t.url()).unwrap();
        let down = config.clone().host("127.0.0.1").port(port).url().expose();
        let database = Database::connect(config.replica(down).unwrap()).await.unwrap();
        let function = if t.backend().is_mysql() { "select connection_id()" } else { "select pg_backend_pid()" };
        for (sql, writes) in [(function, true), ("select 1", false)] {
            let database = database.clone();
            let bookmark = tokio::spawn(async move {
                drop(database.stale().fetch_all(sql, ()).await.unwrap());
                database.bookmark().await.unwrap()
            });
            assert_eq!(bookmark.await.unwrap() != Bookmark::default(), writes, "{sql}");
        }
    }

    #[only(postgres)]
    async fn r6_a_strangers_bookmark_concerns_nobody_else(t: Test) {
        let (database, _stand) = replicated(&t, |config| {
            config.replica_window(Duration::from_hours(1)).read_your_writes(ReadYourWrites::Database)
        })
        .await;
        write(&t, &database, 0).await;
        assert_eq!(read(&t, &database).await, 0, "the primary is asked");
        let stranger = |bookmark: &str| {
            let (database, bookmark) = (database.clone(), bookmark.parse().unwrap());
            let sql = t.sql(READ);
            tokio::spawn(async move {
                database.read_after(&bookmark);
                database.fetch_value::<i64>(sql, ()).await.unwrap()
            })
        };
        // The stand-in is at the same place of the same log.
        assert_eq!(stranger("log:1").await.unwrap(), REPLICA);
        for bookmark in ["mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1", "mariadb:0-1-7", "log:9223372036854775807"] {
            assert_eq!(stranger(bookmark).await.unwrap(), 0, "{bookmark}");
            assert_eq!(read(&t, &database).await, REPLICA, "{bookmark}");
        }
    }

    #[native]
    async fn l6_a_hook_is_informed_of_replicas(t: Test) {
        let stand_in = ReplicaStandIn::new(&t, REPLICA).await;
        let seen = Arc::<Mutex<Vec<bool>>>::default();
        let notes = Arc::clone(&seen);
        let config = Config::from_url(t.url()).unwrap().replica(stand_in.url()).unwrap();
        let database = Database::new(config).unwrap().after_connect(move |connection| {
            notes.lock().unwrap().push(connection.is_replica());
            Box::pin(async { Ok(()) })
        });
        Database::connect(&database).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [false, true]);
    }
}
