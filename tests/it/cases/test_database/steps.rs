//! K2: databases are created, found and dropped.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ebbtide::testing::{TestDatabase, create_database, database_exists, drop_database};
use ebbtide::{Config, Database, DatabaseUrl, ErrorKind};

use super::{Own, client, count, exists, fill};
use crate::backends::Backend;
use crate::support::{SideConnection, cases};

fn file(url: &str) -> PathBuf {
    url.parse::<DatabaseUrl>().unwrap().sqlite_path().unwrap()
}

cases! {
    #[native]
    async fn k2_a_database_is_made_found_and_dropped(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("made");
        if t.backend() == Backend::SqliteMemory {
            // It always exists, and no step has an effect.
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
    #[native]
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
    #[native]
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
        let error = TestDatabase::builder(&none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        // The prefix is what exceeds the limit.
        let error = client(&t.url()).prefix("x".repeat(70)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[except(sqlite_memory)]
    #[native]
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
    #[native]
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
        assert!(start.elapsed() < Duration::from_secs(10), "no session was awaited");
        assert!(!exists(&url).await);
        assert!(side.execute("select 1").await.is_err());
        assert!(transaction.commit().await.is_err());
    }

    #[only(sqlite_file)]
    async fn k2_a_file_goes_with_those_beside_it(t: Test) {
        let mut own = Own::new(&t);
        let url = own.url("files");
        create_database(&url).await.unwrap();
        // Still open, so the log and its index exist next to it.
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
    #[native]
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
}
