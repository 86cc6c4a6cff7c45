//! Databases for tests: the client that has one of its own, and the steps it is made of.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ebbtide::testing::{TestClient, TestClientBuilder, create_database, database_exists, drop_database};
use ebbtide::{Config, Database, DatabaseUrl, ErrorKind};
use futures::FutureExt;

use crate::backends::Backend;
use crate::support::{SideConnection, SilentServer, Test, block_on_here, cases};

/// Databases of one test. They are dropped with this, however the test ends.
struct Own<'t> {
    t: &'t Test,
    urls: Vec<String>,
}

impl<'t> Own<'t> {
    fn new(t: &'t Test) -> Self {
        Self { t, urls: Vec::new() }
    }

    /// The URL of a database no other test has; nothing is made yet.
    fn url(&mut self, name: &str) -> String {
        let name = format!("{name}_{}", self.t.id());
        let url: DatabaseUrl = self.t.url().parse().unwrap();
        let url = match self.t.backend() {
            Backend::SqliteMemory => url,
            Backend::SqliteFile => url.with_database(self.t.folder().join(name).to_str().unwrap()),
            Backend::Postgres | Backend::Mysql => url.with_database(name.as_str()),
        };
        self.urls.push(url.expose());
        url.expose()
    }

    /// The URLs of a database and of the one for its tests.
    fn pair(&mut self, name: &str) -> (String, String) {
        let test = self.url(&format!("test_{name}"));
        (self.url(name), test)
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let urls = std::mem::take(&mut self.urls);
        let clean = move || {
            block_on_here(async {
                for url in urls {
                    let _ = drop_database(url).if_exists().timeout(Duration::from_secs(5)).await;
                }
                Ok(())
            })
        };
        let _ = std::thread::spawn(clean).join();
    }
}

/// A client of the default settings.
fn client(url: &str) -> TestClientBuilder {
    TestClient::new(url)
}

fn file(url: &str) -> PathBuf {
    url.parse::<DatabaseUrl>().unwrap().sqlite_path().unwrap()
}

async fn exists(url: &str) -> bool {
    database_exists(url).await.unwrap()
}

/// Makes a table with so many rows in a database, over a connection of its own.
async fn fill(url: &str, rows: i64) {
    let database = Database::connect(url).await.unwrap();
    database.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
    for id in 0..rows {
        database.execute("INSERT INTO note VALUES (?)", (id,)).await.unwrap();
    }
    database.disconnect().await.unwrap();
}

async fn count(url: &str) -> i64 {
    let database = Database::connect(url).await.unwrap();
    let count = database.fetch_value("SELECT count(*) FROM note", ()).await.unwrap();
    database.disconnect().await.unwrap();
    count
}

async fn gone(url: &str) {
    let start = Instant::now();
    while exists(url).await {
        assert!(start.elapsed() < Duration::from_secs(20), "{url} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A user who may log in and nothing else, and the test's URL with that user in it. Dropped with this.
struct Nobody {
    server: String,
    name: String,
    mysql: bool,
}

impl Nobody {
    async fn new(t: &Test) -> Self {
        let nobody = Self {
            server: t.url(),
            name: format!("nobody_{}", t.id()),
            mysql: t.backend().is_mysql(),
        };
        let name = &nobody.name;
        t.observe_exec(&if nobody.mysql {
            format!("create user {name}@'%' identified by 'sec@ret'")
        } else {
            format!("create role {name} login password 'sec@ret'")
        })
        .await;
        nobody
    }

    fn url(&self, url: &str) -> String {
        let url: DatabaseUrl = url.parse().unwrap();
        url.with_username(self.name.as_str()).with_password("sec@ret").expose()
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let sql = if self.mysql {
            format!("drop user {name}@'%'")
        } else {
            format!("drop role {name}")
        };
        let clean = move || {
            block_on_here(async {
                let mut side = SideConnection::connect(&server).await?;
                side.execute(&sql).await?;
                side.close().await
            })
        };
        let _ = std::thread::spawn(clean).join();
    }
}

cases! {
    async fn k2_a_database_is_made_found_and_dropped(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("made");
        if t.backend() == Backend::SqliteMemory {
            // It is always there, and no step does anything.
            assert!(exists(&url).await);
            assert!(!create_database(&url).await.unwrap());
            assert!(!drop_database(&url).await.unwrap());
            return;
        }
        assert!(!exists(&url).await);
        assert!(create_database(&url).await.unwrap());
        assert!(exists(&url).await);
        let error = create_database(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DuplicateObject, "{error}");
        fill(&url, 2).await;
        assert!(!create_database(&url).if_missing().await.unwrap());
        assert_eq!(count(&url).await, 2, "it was left as it is");
        assert!(drop_database(&url).await.unwrap());
        assert!(!exists(&url).await);
        let error = drop_database(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
        assert!(error.to_string().contains("if_exists"), "{error}");
        assert!(!drop_database(&url).if_exists().await.unwrap());
        assert!(create_database(&url).if_missing().await.unwrap());
    }

    #[except(sqlite_memory)]
    async fn k2_every_source_names_a_database(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("source");
        let config = Config::from_url(url.as_str()).unwrap();
        let database = Database::new(&config).unwrap();
        assert!(create_database(&config).await.unwrap());
        assert!(database_exists(config.url()).await.unwrap());
        assert!(database_exists(&database).await.unwrap());
        let dictionary = serde_json::json!({ "connection": url });
        assert!(drop_database(dictionary).await.unwrap());
        assert!(!database_exists(config.force_rollback(true).lazy(true)).await.unwrap());
    }

    #[except(sqlite_memory)]
    async fn k2_any_name_is_one_name_and_nothing_else(t: Test) {
        let names = [
            "sp ace", "semi; drop database test; --", "quote'", "double\"quote", "back`tick", "\u{fc}n\u{ef}-\u{540d}",
            "100%", ":name ? $1", "UPPER", "back\\slash", "#?&", "dot.dot",
        ];
        let mut own = Own::new(&t);
        for name in names {
            let url = own.url(name);
            assert!(!exists(&url).await, "{name}");
            assert!(create_database(&url).await.unwrap(), "{name}");
            assert!(exists(&url).await, "{name}");
            fill(&url, 1).await;
            assert!(drop_database(&url).await.unwrap(), "{name}");
            assert!(!exists(&url).await, "{name}");
        }
        assert!(exists(&t.url()).await || t.backend().is_sqlite(), "the test's own database is there");
    }

    #[only(postgres, mysql)]
    async fn k2_names_there_cannot_be_are_errors(t: Test) {
        let long = "x".repeat(65);
        let crab = "\u{1F980}".repeat(16);
        for (name, kind) in [("nul\0nul", ErrorKind::Url), (&long, ErrorKind::Config), (&crab, ErrorKind::Config)] {
            let config = Config::from_url(t.url()).unwrap().database(name);
            let errors = [
                database_exists(&config).await.unwrap_err(),
                create_database(&config).await.unwrap_err(),
                drop_database(&config).if_exists().await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), kind, "{error}");
            }
        }
        let none = Config::from_url(t.url()).unwrap().database(None);
        let error = create_database(&none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("names no database"), "{error}");
        let error = TestClient::new(&none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        // The prefix is what makes it too long.
        let error = client(&t.url()).prefix("x".repeat(70)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[except(sqlite_memory)]
    async fn k2_a_database_has_the_encoding_asked_for(t: Test) {
        let mut own = Own::new(&t);
        let (url, universal) = (own.url("encoded"), own.url("utf8"));
        assert!(create_database(&universal).encoding("UTF-8").await.unwrap());
        let (wanted, sql, found) = match t.backend() {
            Backend::Postgres => ("SQL_ASCII", "SELECT current_setting('server_encoding')", ["SQL_ASCII", "UTF8"]),
            Backend::Mysql => ("latin1", "SELECT @@character_set_database", ["latin1", "utf8mb4"]),
            _ => ("UTF-16be", "PRAGMA encoding", ["UTF-16be", "UTF-8"]),
        };
        assert!(create_database(&url).encoding(wanted).await.unwrap());
        for (url, found) in [&url, &universal].into_iter().zip(found) {
            let database = Database::connect(url.as_str()).await.unwrap();
            let encoding: String = database.fetch_value(sql, ()).await.unwrap();
            assert_eq!(encoding, found);
            database.disconnect().await.unwrap();
            drop_database(url).await.unwrap();
        }
        if t.backend().is_mysql() {
            assert!(create_database(&url).encoding("utf8mb4_bin").await.unwrap());
            let database = Database::connect(url.as_str()).await.unwrap();
            let collation: String = database.fetch_value("SELECT @@collation_database", ()).await.unwrap();
            assert_eq!(collation, "utf8mb4_bin");
        }
        let other = own.url("wrong");
        let error = create_database(&other).encoding("utf8' x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let error = create_database(&other).encoding("klingon").await.unwrap_err();
        assert!(error.to_string().contains("klingon"), "{error}");
        assert!(!exists(&other).await, "nothing is left of it");
    }

    #[except(sqlite_memory)]
    async fn k2_a_template_is_copied(t: Test) {
        let mut own = Own::new(&t);
        let (template, url) = (own.url("temp\"late"), own.url("copy"));
        create_database(&template).await.unwrap();
        fill(&template, 3).await;
        let parsed: DatabaseUrl = template.parse().unwrap();
        let name = parsed.database().unwrap();
        if t.backend().is_mysql() {
            let error = create_database(&url).template(name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(!exists(&url).await);
            return;
        }
        assert!(create_database(&url).template(name).await.unwrap());
        assert_eq!(count(&url).await, 3);
        drop_database(&url).await.unwrap();
        let error = create_database(&url).template(format!("{name}_missing")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
        assert!(!exists(&url).await);
    }

    #[only(sqlite_file)]
    async fn k2_a_copy_has_what_is_in_the_write_ahead_log(t: Test) {
        let mut own = Own::new(&t);
        let (template, url) = (own.url("busy"), own.url("copy"));
        let busy = Database::connect(template.as_str()).await.unwrap();
        busy.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        busy.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
        let open = busy.transaction().await.unwrap();
        open.execute("INSERT INTO note VALUES (2)", ()).await.unwrap();
        create_database(&url).template(file(&template).to_str().unwrap()).await.unwrap();
        assert_eq!(count(&url).await, 1, "what is committed");
        open.rollback().await.unwrap();
        let error = create_database(own.url("both")).template("x").encoding("UTF-8").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[only(postgres, mysql)]
    async fn k2_dropping_ends_other_sessions_first(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("busy");
        create_database(&url).await.unwrap();
        fill(&url, 1).await;
        let mut side = SideConnection::connect(&url).await.unwrap();
        side.execute("begin").await.unwrap();
        side.execute("insert into note values (1)").await.unwrap();
        let database = Database::connect(url.as_str()).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        let _: i64 = transaction.fetch_value("SELECT count(*) FROM note", ()).await.unwrap();
        let start = Instant::now();
        assert!(drop_database(&url).await.unwrap());
        assert!(start.elapsed() < Duration::from_secs(10), "nobody was waited for");
        assert!(!exists(&url).await);
        assert!(side.execute("select 1").await.is_err());
        assert!(transaction.commit().await.is_err());
    }

    #[only(sqlite_file)]
    async fn k2_a_file_goes_with_those_beside_it(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("files");
        create_database(&url).await.unwrap();
        // Still open, so the log and its index lie beside it.
        let database = Database::connect(url.as_str()).await.unwrap();
        database.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        fs::write(format!("{}-journal", file(&url).display()), "").unwrap();
        let named = |name: &str| name.starts_with("files_");
        let files = || {
            let entries = fs::read_dir(t.folder()).unwrap();
            entries.filter(|entry| named(entry.as_ref().unwrap().file_name().to_str().unwrap())).count()
        };
        assert_eq!(files(), 4);
        assert!(drop_database(&url).await.unwrap());
        assert_eq!(files(), 0);
    }

    #[only(sqlite_file)]
    async fn k2_no_other_file_is_ever_removed(t: Test) {
        let letter = t.folder().join("letter.txt");
        fs::write(&letter, "Dear reader, this is no database.").unwrap();
        for path in [letter.clone(), t.folder().to_path_buf()] {
            let url = format!("sqlite://{}", path.display());
            let error = drop_database(&url).if_exists().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            let error = create_database(&url).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::DuplicateObject | ErrorKind::DatabaseNotFound), "{error}");
        }
        assert!(letter.exists());
        let error = database_exists(format!("sqlite://{}", t.folder().display())).await.unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{error}");
    }

    #[only(sqlite_file)]
    async fn k2_a_link_and_its_file_go_together(t: Test) {
        let mut own = Own::new(&t);
        let (url, link) = (own.url("real"), own.url("link"));
        create_database(&url).await.unwrap();
        std::os::unix::fs::symlink(file(&url), file(&link)).unwrap();
        assert!(exists(&link).await);
        assert!(drop_database(&link).await.unwrap());
        assert!(fs::symlink_metadata(file(&link)).is_err() && !file(&url).exists());
    }

    #[except(sqlite_memory)]
    async fn k2_of_many_who_make_it_one_does(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("race");
        let tries = (0..4).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { create_database(&url).if_missing().await })
        });
        let mut made = 0;
        for each in futures::future::join_all(tries).await {
            made += usize::from(each.unwrap().unwrap());
        }
        assert_eq!(made, 1);
    }

    #[only(postgres, mysql)]
    async fn k3_a_user_without_rights_is_told_so(t: Test) {
        let mut own = Own::new(&t);
        let (there, missing) = (own.url("there"), own.url("missing"));
        create_database(&there).await.unwrap();
        let nobody = Nobody::new(&t).await;
        let denied = |error: ebbtide::Error| {
            assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
            let text = format!("{error} {error:?}");
            assert!(text.contains("help:") && !text.contains("sec@ret") && !text.contains("sec%40ret"), "{text}");
        };
        denied(create_database(nobody.url(&missing)).await.unwrap_err());
        denied(create_database(nobody.url(&missing)).if_missing().await.unwrap_err());
        denied(drop_database(nobody.url(&there)).await.unwrap_err());
        denied(drop_database(nobody.url(&there)).if_exists().await.unwrap_err());
        denied(client(&nobody.url(&missing)).prefix("testing_").await.unwrap_err());
        if t.backend().is_mysql() {
            // MySQL does not even say which databases there are.
            denied(database_exists(nobody.url(&there)).await.unwrap_err());
            denied(database_exists(nobody.url(&missing)).await.unwrap_err());
        } else {
            assert!(exists(&nobody.url(&there)).await);
            assert!(!exists(&nobody.url(&missing)).await);
            assert!(!create_database(nobody.url(&there)).if_missing().await.unwrap(), "what is there can be used");
        }
        assert!(exists(&there).await && !exists(&missing).await);
    }

    #[only(mysql)]
    async fn k3_a_wrong_password_is_not_a_missing_database(t: Test) {
        let nobody = Nobody::new(&t).await;
        let url: DatabaseUrl = nobody.url(&t.url()).parse().unwrap();
        let url = url.with_password("wrong!");
        for error in [
            database_exists(&url).await.unwrap_err(),
            create_database(&url).if_missing().await.unwrap_err(),
            drop_database(&url).if_exists().await.unwrap_err(),
            TestClient::new(&url).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            assert!(!format!("{error:?}").contains("wrong!"), "{error:?}");
        }
    }

    #[only(postgres)]
    async fn k3_a_missing_role_is_not_a_missing_database(t: Test) {
        let url: DatabaseUrl = t.url().parse().unwrap();
        let url = url.with_username(format!("missing_{}", t.id()).as_str());
        for error in [
            database_exists(&url).await.unwrap_err(),
            create_database(&url).if_missing().await.unwrap_err(),
            drop_database(&url).if_exists().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        }
    }

    #[only(postgres, mysql)]
    async fn k3_a_silent_server_is_a_timeout_and_a_missing_one_a_refusal(t: Test) {
        let server = SilentServer::start().unwrap();
        let silent = server.url(t.backend().family());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let refused = silent.parse::<DatabaseUrl>().unwrap().with_port(free).expose();
        for (url, kind) in [(silent, ErrorKind::Timeout), (refused, ErrorKind::Connect)] {
            let limit = Duration::from_millis(200);
            let start = Instant::now();
            let errors = [
                database_exists(&url).timeout(limit).await.unwrap_err(),
                create_database(&url).if_missing().timeout(limit).await.unwrap_err(),
                drop_database(&url).if_exists().timeout(limit).await.unwrap_err(),
                client(&url).operation_timeout(limit).await.unwrap_err(),
                client(&url).use_existing(true).operation_timeout(limit).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.to_string().contains("nowhere"), "{error}");
                assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            }
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    }

    #[only(postgres, mysql)]
    async fn k3_the_limit_of_connecting_is_a_timeout_too(t: Test) {
        let server = SilentServer::start().unwrap();
        let url = format!("{}?connect_timeout=200ms", server.url(t.backend().family()));
        let error = database_exists(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }

    #[only(sqlite_file)]
    async fn k3_a_directory_in_the_way_is_told_apart(t: Test) {
        let missing = format!("sqlite://{}/no/such/app.db", t.folder().display());
        assert!(!exists(&missing).await);
        let error = create_database(&missing).if_missing().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
        assert!(error.to_string().contains("directory does not exist"), "{error}");
        let error = client(&missing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseNotFound, "{error}");
    }

    async fn k3_outside_of_a_runtime_it_says_so(t: Test) {
        let url = t.url();
        let outside = move || {
            let steps = [
                async { database_exists(&url).await.map(drop) }.now_or_never().unwrap(),
                async { client(&url).await.map(drop) }.now_or_never().unwrap(),
            ];
            steps.map(|step| step.err().map(|error| error.kind()))
        };
        let told = std::thread::spawn(outside).join().unwrap();
        if t.backend() != Backend::SqliteMemory {
            assert_eq!(told[0], Some(ErrorKind::Connect));
        }
        assert_eq!(told[1], Some(ErrorKind::Connect));
    }

    async fn k1_a_client_has_a_database_of_its_own(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("shop");
        let client = client(&url).await.unwrap();
        assert!(client.is_connected());
        assert_eq!(client.config().url().expose(), test);
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

    async fn k1_every_source_makes_a_client(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("source");
        let config = Config::from_url(url.as_str()).unwrap().pool_size(3);
        let database = Database::new(&config).unwrap();
        let builders = [
            TestClient::new(url.parse::<DatabaseUrl>().unwrap()),
            TestClient::new(&config),
            TestClient::new(&database),
            TestClient::new(serde_json::json!({ "url": url })),
        ];
        for builder in builders {
            let client = builder.await.unwrap();
            assert_eq!(client.config().url().expose(), test);
            client.close().await.unwrap();
        }
        let client = TestClient::new(&database).await.unwrap();
        assert_eq!(client.config().settings().pool_size, 3, "its settings are taken over");
        client.close().await.unwrap();
    }

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

    async fn k1_a_client_can_be_a_sandbox_too(t: Test) {
        let mut own = Own::new(&t);
        let (url, _) = own.pair("sandbox");
        let client = client(&url).force_rollback(true).await.unwrap();
        assert!(client.config().settings().force_rollback);
        client.execute("CREATE TEMPORARY TABLE note (id INTEGER)", ()).await.unwrap();
        client.close().await.unwrap();
        let default = TestClient::new(&url).lazy(true).await.unwrap();
        assert!(default.config().settings().full_isolation, "on by default");
        assert!(!default.config().settings().force_rollback);
    }

    #[except(sqlite_memory)]
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
    async fn k1_a_database_that_cannot_be_used_is_dropped_again(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("unusable");
        let fails = |database: Database| database.after_connect(|_| Box::pin(async { Err("no".into()) }));
        let error = client(&url).hooks(fails).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook, "{error}");
        assert!(!exists(&test).await);
    }

    async fn k1_a_dropped_client_drops_its_database(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("dropped");
        let client = client(&url).await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        let transaction = client.transaction().await.unwrap();
        transaction.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
        let start = Instant::now();
        drop(client);
        assert!(start.elapsed() < Duration::from_secs(1), "nobody waits for it");
        drop(transaction);
        if t.can_observe() {
            gone(&test).await;
        }
    }

    #[except(sqlite_memory)]
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
    async fn k1_a_dropped_client_does_not_take_the_next_ones_database(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("next");
        for _ in 0..4 {
            let client = client(&url).await.unwrap();
            client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
            client.execute("INSERT INTO note VALUES (1)", ()).await.unwrap();
            // Dropped without a close, and the next is made at once.
        }
        let last = client(&url).use_existing(true).await.unwrap();
        last.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        assert!(exists(&test).await);
        assert!(last.close().await.unwrap());
    }

    #[except(sqlite_memory)]
    async fn k1_a_client_that_is_cancelled_is_not_in_the_way(t: Test) {
        let mut own = Own::new(&t);
        let (url, test) = own.pair("cancelled");
        for polls in [1, 3, 6, 9, 12, 15, 18, 21, 25, 30] {
            let making = async { client(&url).await };
            drop(super::pool::polled(making, polls).await);
        }
        let client = client(&url).await.unwrap();
        client.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
        assert!(client.close().await.unwrap());
        assert!(!exists(&test).await);
    }
}
