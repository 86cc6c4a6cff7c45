//! K1: a `TestDatabase`, which has a database of its own.

use std::time::{Duration, Instant};

use ebbtide::testing::{TestDatabase, create_database};
use ebbtide::{Config, Database, DatabaseUrl, ErrorKind, Queryable};

use super::{Own, client, count, exists, fill};
use crate::support::cases;

async fn gone(url: &str) {
    let start = Instant::now();
    while exists(url).await {
        assert!(start.elapsed() < Duration::from_secs(20), "{url} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

cases! {
    #[native]
    async fn k1_a_client_has_a_database_of_its_own(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("shop");
        let client = client(&url).await.unwrap();
        assert!(client.is_connected());
        assert_eq!(client.url().expose(), test);
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        client.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
        let handle = Database::clone(&client);
        assert_eq!(handle.fetch_value::<i64>("SELECT count(*) FROM note", ()).await.unwrap(), 1);
        if t.can_observe() {
            assert!(exists(&test).await && !exists(&url).await);
            assert_eq!(count(&test).await, 1);
        }
        assert_eq!(client.close().await.unwrap(), t.can_observe());
        assert!(!handle.is_connected());
        if t.can_observe() {
            assert!(!exists(&test).await);
        }
        assert!(!client.close().await.unwrap(), "once is enough");
    }

    #[only(sqlite_file)]
    async fn k1_a_sqlite_path_keeps_its_directory(t: Test) {
        let url = t.sqlite_url("app.db");
        let client = client(&url).await.unwrap();
        assert!(t.folder().join("test_app.db").exists());
        client.close().await.unwrap();
        assert!(!t.folder().join("test_app.db").exists() && !t.folder().join("app.db").exists());
    }

    #[native]
    async fn k1_every_source_makes_a_client(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("source");
        let config = Config::from_url(url.as_str()).unwrap().pool_size(3);
        let database = Database::new(&config).unwrap();
        let builders = [
            TestDatabase::builder(url.parse::<DatabaseUrl>().unwrap()),
            TestDatabase::builder(&config),
            TestDatabase::builder(&database),
            TestDatabase::builder(serde_json::json!({ "url": url })),
        ];
        for builder in builders {
            let client = builder.await.unwrap();
            assert_eq!(client.url().expose(), test);
            client.close().await.unwrap();
        }
        let client = TestDatabase::builder(&database).await.unwrap();
        assert_eq!(client.config().settings().pool_size, 3, "its settings are taken over");
        client.close().await.unwrap();
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_a_client_of_a_client_has_the_prefix_once_found_f5(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("twice");
        let other = own.url("other_twice");
        let first = client(&url).await.unwrap();
        first.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();

        let second = TestDatabase::builder(first.database()).await.unwrap();
        assert_eq!(second.url().expose(), test);
        second.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
        assert!(!second.close().await.unwrap(), "it is the first one's database");
        assert_eq!(first.fetch_value::<i64>("SELECT count(*) FROM note", ()).await.unwrap(), 1);

        let apart = TestDatabase::builder(first.config()).prefix("other_").await.unwrap();
        assert_eq!(apart.url().expose(), other);
        assert!(exists(&other).await);
        assert!(apart.close().await.unwrap() && !exists(&other).await);
        assert!(first.close().await.unwrap() && !exists(&test).await);
    }

    #[native]
    async fn k1_a_test_database_is_taken_where_a_database_is(t: Test) {
        async fn one(db: &impl Queryable) -> i64 {
            db.fetch_value("SELECT 1", ()).await.unwrap()
        }

        let mut own = Own::new(&t);
        let (url, _) = own.pair("taken");
        let client = client(&url).await.unwrap();
        assert_eq!((one(&client).await, one(&&client).await, one(&client.database()).await), (1, 1, 1));
        let again = Database::connect(&client).await.unwrap();
        assert!(!client.disconnect().await.unwrap(), "the same database was connected twice");
        assert_eq!(one(&again).await, 1);
        assert_eq!(Database::new(&client).unwrap().url(), client.url());
        let shared = TestDatabase::builder(&client).await.unwrap();
        assert_eq!(shared.url(), client.url(), "its name has the prefix already");
        shared.close().await.unwrap();
        client.close().await.unwrap();
    }

    #[native]
    async fn k1_disconnect_drops_it_as_close_does_found_f14(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("left");
        let counted = client(&url).await.unwrap();
        Database::connect(counted.database()).await.unwrap();
        assert!(!counted.disconnect().await.unwrap(), "one connect is left");
        counted.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        assert!(counted.disconnect().await.unwrap());
        assert!(!counted.is_connected());
        assert!(!t.can_observe() || !exists(&test).await);
        assert!(!counted.disconnect().await.unwrap());
        counted.open().await.unwrap();
        assert!(counted.is_connected());
        Database::connect(counted.database()).await.unwrap();
        assert!(counted.disconnect_now().await.unwrap());
        assert!(!counted.is_connected());
        assert!(!t.can_observe() || !exists(&test).await);
    }

    #[native]
    async fn k1_what_an_earlier_run_left_is_dropped(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("left");
        if t.can_observe() {
            create_database(&test).await.unwrap();
            fill(&test, 1).await;
        }
        let client = client(&url).await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        client.close().await.unwrap();
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_use_existing_takes_it_as_it_is(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("kept");
        create_database(&test).await.unwrap();
        fill(&test, 2).await;
        let kept = client(&url).use_existing(true).await.unwrap();
        assert_eq!(kept.fetch_value::<i64>("SELECT count(*) FROM note", ()).await.unwrap(), 2);
        assert!(!kept.close().await.unwrap());
        assert_eq!(count(&test).await, 2, "it did not make it, so it does not drop it");
        let dropped = client(&url).use_existing(true).drop_database(true).await.unwrap();
        assert!(dropped.close().await.unwrap());
        assert!(!exists(&test).await);
        let made = client(&url).use_existing(true).await.unwrap();
        assert!(exists(&test).await, "it is made if it is missing");
        assert!(made.close().await.unwrap());
        assert!(!exists(&test).await);
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_without_drop_database_it_stays(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("stays");
        let client = client(&url).drop_database(false).await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        assert!(!client.close().await.unwrap());
        assert_eq!(count(&test).await, 0);
        drop(client);
        assert!(exists(&test).await);
    }

    #[native]
    async fn k1_a_lazy_client_does_nothing_until_it_is_opened(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("lazy");
        let client = client(&url).lazy(true).await.unwrap();
        assert!(!client.is_connected());
        let error = client.execute("SELECT 1", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        if t.can_observe() {
            assert!(!exists(&test).await);
        }
        let (first, second) = tokio::join!(client.open(), client.open());
        first.and(second).unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        client.close().await.unwrap();
        client.open().await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        client.close().await.unwrap();
        assert!(!client.is_connected());
    }

    #[native]
    async fn k1_a_client_can_be_a_sandbox_too(t: Test) {
        let mut own = Own::new(&t);
        let (url, _) = own.pair("sandbox");
        let client = client(&url).force_rollback(true).await.unwrap();
        assert!(client.config().settings().force_rollback);
        client.execute("CREATE TEMPORARY TABLE note (id INTEGER)", ()).await.unwrap();
        client.close().await.unwrap();
        let default = TestDatabase::builder(&url).lazy(true).await.unwrap();
        assert!(default.config().settings().full_isolation, "on by default");
        assert!(!default.config().settings().force_rollback);
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_a_prefix_sets_tests_apart(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("apart");
        let other = own.url("check_apart");
        let one = client(&url).await.unwrap();
        let two = client(&url).prefix("check_").await.unwrap();
        assert!(exists(&test).await && exists(&other).await);
        one.close().await.unwrap();
        two.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        two.close().await.unwrap();
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_the_database_itself_is_never_dropped_by_mistake(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("precious");
        create_database(&url).await.unwrap();
        fill(&url, 1).await;
        for builder in [
            client(&url).prefix(""),
            client(&url).prefix("").use_existing(true),
            client(&url).prefix("").drop_database(false),
            client(&url).prefix("").use_existing(true).drop_database(true),
        ] {
            let error = builder.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        }
        let used = client(&url).prefix("").use_existing(true).drop_database(false).await.unwrap();
        assert!(!used.close().await.unwrap());
        drop(used);
        assert_eq!(count(&url).await, 1);
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_a_database_that_cannot_be_used_is_dropped_again(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("unusable");
        let fails = |database: Database| database.after_connect(|_| Box::pin(async { Err("no".into()) }));
        let error = client(&url).hooks(fails).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook, "{error}");
        assert!(!exists(&test).await);
    }

    #[native]
    async fn k1_a_dropped_client_drops_its_database(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("dropped");
        let client = client(&url).await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        let transaction = client.transaction().await.unwrap();
        transaction.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
        let start = Instant::now();
        drop(client);
        assert!(start.elapsed() < Duration::from_secs(1), "it is not awaited");
        drop(transaction);
        if t.can_observe() {
            gone(&test).await;
        }
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_a_client_may_outlive_its_runtime(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("outlives");
        let away = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let client = runtime.block_on(async {
                let client = client(&url).force_rollback(true).await.unwrap();
                client.execute("CREATE TEMPORARY TABLE note (id INTEGER)", ()).await.unwrap();
                client
            });
            drop(runtime);
            drop(client);
        };
        std::thread::spawn(away).join().unwrap();
        gone(&test).await;
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_a_dropped_client_does_not_take_the_next_ones_database(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("next");
        for _ in 0..4 {
            let client = client(&url).await.unwrap();
            client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
            client.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
            // Dropped without a close, and the next is created at once.
        }
        let last = client(&url).use_existing(true).await.unwrap();
        last.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        assert!(exists(&test).await);
        assert!(last.close().await.unwrap());
    }

    #[except(sqlite_memory)]
    #[native]
    async fn k1_a_client_that_is_cancelled_is_not_in_the_way(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("cancelled");
        for polls in [1, 3, 6, 9, 12, 15, 18, 21, 25, 30] {
            let making = async { client(&url).await };
            drop(crate::cases::pool::polled(making, polls).await);
        }
        let client = client(&url).await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        assert!(client.close().await.unwrap());
        assert!(!exists(&test).await);
    }
}
