//! B9: bad input for the drivers of other languages gets an error that names what was looked for, and where.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ebbtide::{Config, Database, Error, ErrorKind};

use crate::drivers::Driver;
use crate::support::{OwnSidecar, Test, cases};

async fn refused(config: Config) -> Error {
    match Database::connect(config).await {
        Ok(_) => panic!("it connects"),
        Err(error) => error,
    }
}

fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert!(text.contains("help: "), "there is no way out: {text}");
}

fn jars() -> String {
    std::env::var("EBBTIDE_TEST_JDBC").unwrap()
}

fn python() -> String {
    std::env::var("EBBTIDE_TEST_PYTHON").unwrap()
}

fn h2() -> Config {
    Config::from_url("jdbc+h2://mem:errors").unwrap()
}

/// Returns the configuration of a module of tests/fixtures/dbapi2, in an interpreter of its own.
fn module(t: &Test, name: &str) -> (OwnSidecar, Config) {
    let sidecar = OwnSidecar::before(t.folder(), &python());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dbapi2");
    let program = t.folder().join("with_path");
    let inner = t.folder().join("sidecar");
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{}' exec '{}' \"$@\"\n",
        folder.display(),
        inner.display()
    );
    fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let config = Config::from_url(format!("dbapi2://:memory:?dbapi_path={name}").as_str()).unwrap();
    (sidecar, config.python(program.to_str().unwrap()))
}

cases! {
    #[only(jdbc_h2)]
    async fn b9_no_java(_t: Test) {
        let error = refused(h2().java("/nowhere/bin/java").classpath(format!("{}/h2.jar", jars()))).await;
        says(&error, &["/nowhere/bin/java", "Java"]);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }

    #[only(jdbc_h2)]
    async fn b9_a_java_that_is_none(t: Test) {
        let program = t.folder().join("java");
        fs::write(&program, "#!/bin/sh\necho 'no JVM is here' >&2\nexit 7\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = refused(h2().java(program.to_str().unwrap()).classpath(format!("{}/h2.jar", jars()))).await;
        says(&error, &["no JVM is here", "7"]);
    }

    #[only(jdbc_h2)]
    async fn b9_a_jar_that_is_missing_or_none_and_a_class_that_is_wrong(t: Test) {
        let error = refused(h2()).await;
        says(&error, &["jdbc:h2:mem:errors", "classpath"]);

        let error = refused(h2().classpath("/nowhere/h2.jar")).await;
        says(&error, &["/nowhere/h2.jar"]);

        let none = t.folder().join("none.jar");
        fs::write(&none, "this is no jar").unwrap();
        let error = refused(h2().classpath(none.to_str().unwrap())).await;
        says(&error, &["none.jar"]);

        let jar = format!("{}/h2.jar", jars());
        let error = refused(h2().classpath(&jar).jdbc_driver("org.h2.Drive")).await;
        says(&error, &["org.h2.Drive", &jar]);

        let error = refused(h2().classpath(&jar).jdbc_driver("java.lang.String")).await;
        says(&error, &["java.lang.String", "java.sql.Driver"]);

        // The driver of another database refuses the URL.
        let error = refused(h2().classpath(format!("{}/hsqldb.jar", jars()))).await;
        says(&error, &["jdbc:h2:mem:errors"]);
    }

    /// Nothing that the user wrote as a password is in an error.
    #[only(jdbc_postgresql)]
    async fn b9_a_refused_login_shows_no_password(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap();
        let error = refused(config.username("nobody_at_all").password("hush-hush")).await;
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hush-hush"), "{text}");
        assert!(text.contains("nobody_at_all"), "{text}");
        assert_eq!(error.kind(), ErrorKind::Authentication, "{text}");
    }

    #[only(jdbc_h2)]
    async fn b2_a_class_path_grows_while_the_jvm_runs(_t: Test) {
        let jar = |name: &str| format!("{}/{name}.jar", jars());
        let first = Database::connect(h2().classpath(jar("h2"))).await.unwrap();
        let other = Config::from_url("jdbc+hsqldb://mem:grows").unwrap();
        let error = refused(other.clone().classpath(jar("h2"))).await;
        says(&error, &["jdbc:hsqldb:mem:grows"]);
        let second = Database::connect(other.classpath(jar("h2")).classpath(jar("hsqldb"))).await.unwrap();
        assert_eq!(first.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        assert_eq!(second.fetch_value::<i64>("values (2)", ()).await.unwrap(), 2);
    }

    #[only(dbapi2_sqlite3)]
    async fn b9_no_python(_t: Test) {
        let config = Config::from_url("dbapi2://:memory:?dbapi_path=sqlite3").unwrap();
        let error = refused(config.python("/nowhere/bin/python3")).await;
        says(&error, &["/nowhere/bin/python3", "Python"]);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }

    #[only(dbapi2_sqlite3)]
    async fn b9_no_module_is_named(_t: Test) {
        let config = Config::from_url("dbapi2://:memory:").unwrap();
        let error = refused(config).await;
        says(&error, &["dbapi_path"]);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }

    #[only(dbapi2_sqlite3)]
    async fn b9_a_module_that_is_missing_or_none(t: Test) {
        let (_sidecar, config) = module(&t, "no_such_module");
        says(&refused(config).await, &["no_such_module", "with_path"]);
        let (_sidecar, config) = module(&t, "sqlite3:no_such_attribute");
        says(&refused(config).await, &["no_such_attribute", "sqlite3"]);
        let (_sidecar, config) = module(&t, "nothing");
        says(&refused(config).await, &["nothing", "connect"]);
        let (_sidecar, config) = module(&t, "raises");
        says(&refused(config).await, &["raises", "the licence has expired"]);
        let (_sidecar, config) = module(&t, "leaves");
        says(&refused(config).await, &["leaves", "the module left"]);
        let (_sidecar, config) = module(&t, "exits");
        says(&refused(config).await, &["no reason is given", "3"]);
    }

    #[only(dbapi2_sqlite3)]
    async fn b9_a_module_that_hangs_at_import_is_a_time_out(t: Test) {
        let (sidecar, config) = module(&t, "hangs");
        let begun = Instant::now();
        let error = refused(config.connect_timeout(Duration::from_millis(500))).await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        sidecar.ended().await;
    }

    #[only(jdbc_h2, dbapi2_pymysql, dbapi2_psycopg, dbapi2_pg8000, dbapi2_sqlite3, dbapi2_apsw)]
    async fn b9_options_that_a_module_cannot_take_are_refused(t: Test) {
        let (option, near) = match t.driver() {
            Some(Driver::PyMysql) => ("connect_timeot", Some("connect_timeout")),
            Some(Driver::Psycopg) => ("keepalive", Some("keepalives")),
            Some(Driver::Pg8000) => ("ssl_contxt", Some("ssl_context")),
            Some(Driver::Sqlite3) => ("cahe", Some("cache")),
            Some(Driver::H2) => ("NONSENSE", None),
            _ => ("nonsense", None),
        };
        let error = refused(Config::from_url(t.url().as_str()).unwrap().option(option, "1").unwrap()).await;
        says(&error, &[option]);
        if let Some(near) = near {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            says(&error, &[&format!("did you mean `{near}`?")]);
        }
        if t.driver() == Some(Driver::Sqlite3) {
            let config = Config::from_url(t.url().as_str()).unwrap();
            let error = refused(config.dbapi_driver_args(serde_json::json!({"cached_statement": 1}))).await;
            says(&error, &["`cached_statement`", "did you mean `cached_statements`?"]);
        }
    }

    /// Of a database that nobody has described, no error tells that the connection is lost.
    #[only(dbapi2_sqlite3)]
    async fn b6_a_dead_connection_of_an_undescribed_module_is_replaced(t: Test) {
        let file = t.folder().join("undescribed.db");
        let (_sidecar, config) = module(&t, "undescribed");
        let config = config.database(file.to_str().unwrap()).pool_size(1);
        let database = Database::connect(config.clone()).await.unwrap();
        for _ in 0..2 {
            let error = database.execute("select 1 -- die", ()).await.unwrap_err();
            assert!(error.to_string().contains("bitten"), "{error}");
            assert_eq!(database.fetch_value::<i64>("select 7", ()).await.unwrap(), 7);
        }
        // One that dies while it is idle is found when it is taken again.
        let database = Database::connect(config.health_check_after(Duration::ZERO)).await.unwrap();
        database.execute("select 1 -- die later", ()).await.unwrap();
        assert_eq!(database.fetch_value::<i64>("select 7", ()).await.unwrap(), 7);
    }

    /// Its driver reports success for the commit of an aborted transaction.
    #[only(dbapi2_sqlite3)]
    async fn b6_an_aborted_transaction_of_an_undescribed_module_is_not_committed(t: Test) {
        for name in ["undescribed", "undescribed:plain"] {
            let file = t.folder().join("undescribed.db");
            let (_sidecar, config) = module(&t, name);
            let database = Database::connect(config.database(file.to_str().unwrap())).await.unwrap();
            database.execute("create table if not exists n (id int)", ()).await.unwrap();
            let transaction = database.transaction().await.unwrap();
            transaction.execute("insert into n values (1)", ()).await.unwrap();
            transaction.execute("select 1 -- abort", ()).await.unwrap_err();
            let error = transaction.commit().await.unwrap_err();
            let ended = [ErrorKind::TransactionAborted, ErrorKind::TransactionEnded];
            assert!(ended.contains(&error.kind()), "{name}: {error}");
            assert_eq!(database.fetch_value::<i64>("select count(*) from n", ()).await.unwrap(), 0);
            let transaction = database.transaction().await.unwrap();
            transaction.execute("insert into n values (1)", ()).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(database.fetch_value::<i64>("select count(*) from n", ()).await.unwrap(), 1);
            database.execute("delete from n", ()).await.unwrap();
        }
    }

    /// What a module prints never mixes with the answers.
    #[only(dbapi2_sqlite3)]
    async fn b6_a_module_that_prints_disturbs_nothing(t: Test) {
        let (sidecar, config) = module(&t, "prints");
        let database = Database::connect(config).await.unwrap();
        for number in 0..100_i64 {
            assert_eq!(database.fetch_value::<i64>("select ?", (number,)).await.unwrap(), number);
        }
        database.disconnect().await.unwrap();
        sidecar.ended().await;
    }

    /// The examples of databasez' own tests.
    #[only(jdbc_sqlite)]
    async fn b2_databasez_examples_of_jdbc_work_as_written(t: Test) {
        let file = t.folder().join("testsuite.sqlite3");
        let url = format!(
            "jdbc+sqlite://{}?classpath={}/sqlite-jdbc.jar&jdbc_driver=org.sqlite.JDBC",
            file.display(),
            jars()
        );
        let database = Database::connect(url.as_str()).await.unwrap();
        database.execute("create table notes (id integer primary key, text varchar(100), completed boolean)", ()).await.unwrap();
        let insert = "insert into notes (text, completed) values (:text, :completed)";
        let notes = [("example1", true), ("example2", false)];
        let notes = notes.map(|(text, completed)| ebbtide::params! { text, completed });
        database.execute_many(insert, notes).await.unwrap();
        let texts: Vec<String> = database.fetch_all("select text from notes order by id", ()).value().await.unwrap();
        assert_eq!(texts, ["example1", "example2"]);
        assert!(file.exists());
    }

    #[only(dbapi2_sqlite3)]
    async fn b3_databasez_examples_of_dbapi2_work_as_written(t: Test) {
        let file = t.folder().join("testsuite.sqlite3");
        let config = Config::from_url(format!("dbapi2://{}", file.display()).as_str()).unwrap();
        let database = Database::connect(config.dbapi_path("sqlite3").python(python())).await.unwrap();
        database.execute("create table notes (id integer primary key, text varchar(100))", ()).await.unwrap();
        database.execute("insert into notes (text) values ('example1')", ()).await.unwrap();
        assert_eq!(database.fetch_value::<String>("select text from notes", ()).await.unwrap(), "example1");
        assert!(file.exists());
        let dictionary = serde_json::json!({
            "connection": {"credentials": {"scheme": "dbapi2", "database": file.to_str().unwrap()}},
            "dbapi_path": "sqlite3",
            "dbapi_pool": "process",
            "dbapi_force_async_wrapper": true,
            "dbapi_driver_args": {"timeout": 3},
        });
        let config: Config = serde_json::from_value(dictionary).unwrap();
        let again = Database::connect(config.python(python())).await.unwrap();
        assert_eq!(again.fetch_value::<i64>("select count(*) from notes", ()).await.unwrap(), 1);
    }
}
