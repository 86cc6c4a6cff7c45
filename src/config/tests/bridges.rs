use std::path::Path;

use serde_json::json;

use super::*;
use crate::Bridge;

#[test]
fn b2_databasez_examples_of_jdbc_mean_the_same() {
    let text = "jdbc+sqlite://testsuite.sqlite3?classpath=tests/sqlite-jdbc-3.47.0.0.jar&jdbc_driver=org.sqlite.JDBC";
    let read = config(text);
    assert_eq!(read.dialect(), Dialect::Sqlite);
    assert_eq!(read.settings().bridge.classpath, ["tests/sqlite-jdbc-3.47.0.0.jar"]);
    assert_eq!(read.settings().bridge.jdbc_driver.as_deref(), Some("org.sqlite.JDBC"));
    let dictionary = json!({
        "connection": "jdbc://testsuite.sqlite3?classpath=a.jar",
        "jdbc_dsn_driver": "sqlite",
        "classpath": ["b.jar", "c.jar", "a.jar"],
        "jdbc_driver_args": {"user": "u", "password": "hunter2"},
        "transform_reflected_names": "lower",
    });
    let read = Config::from_value(&dictionary).unwrap();
    assert_eq!((read.dialect(), read.subprotocol()), (Dialect::Sqlite, Some("sqlite")));
    assert_eq!(read.settings().bridge.classpath, ["a.jar", "b.jar", "c.jar"]);
    assert_eq!(
        read.settings().bridge.jdbc_driver_args,
        Some(json!({"user": "u", "password": "hunter2"}))
    );
    assert_eq!(read.settings().warnings.len(), 1, "{:?}", read.settings().warnings);
    assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
}

#[test]
fn b3_databasez_examples_of_dbapi2_mean_the_same() {
    let dictionary = json!({
        "connection": "dbapi2://testsuite.sqlite3",
        "dbapi_path": "sqlite3",
        "dbapi_pool": "process",
        "dbapi_driver_args": {"timeout": 3},
        "dbapi_force_async_wrapper": true,
    });
    let read = Config::from_value(&dictionary).unwrap();
    assert_eq!(read.dialect(), Dialect::Sqlite);
    assert_eq!(
        (read.url().bridge(), read.settings().bridge.dbapi_pool),
        (Some(Bridge::DbApi), DbApiPool::Process)
    );
    assert_eq!(read.settings().bridge.dbapi_driver_args, Some(json!({"timeout": 3})));
    assert_eq!(read.settings().warnings.len(), 1);
    for (module, dialect) in [
        ("apsw", Dialect::Sqlite),
        ("psycopg", Dialect::Postgres),
        ("pg8000.dbapi", Dialect::Postgres),
        ("mysql.connector", Dialect::MySql),
        ("duckdb", Dialect::Generic),
        ("my.module:attribute", Dialect::Generic),
    ] {
        assert_eq!(config("dbapi2://x").dbapi_path(module).dialect(), dialect, "{module}");
    }
    assert_eq!(config("dbapi2+postgresql://h/x").dialect(), Dialect::Postgres);
}

#[test]
fn b2_b3_what_is_not_ours_is_the_drivers() {
    let read = config(
        "jdbc+postgresql://h/d?sslmode=require&pool_size=3&currentSchema=s&connectTimeout=7&options=-c%20x=1&poolTimeout=2",
    );
    assert_eq!(
        (read.settings().pool_size, read.settings().pool_timeout.as_secs()),
        (3, 2)
    );
    assert!(read.settings().warnings.is_empty() && read.settings().server_settings.is_empty());
    let read = read.option("prepareThreshold", "0").unwrap();
    assert_eq!(read.url().option("prepareThreshold"), Some("0"));
    for wrong in [
        "jdbc_driver_args=%5B1%5D",
        "jdbc_driver_args=x",
        "jdbc_dsn_driver=a%20b",
        "pool_size=x",
    ] {
        let error = Config::from_url(format!("jdbc+h2://mem:x?{wrong}")).unwrap_err();
        assert!(error.to_string().contains("must be"), "{error}");
    }
    assert!(
        Config::from_url("dbapi2://x?dbapi_pool=fiber")
            .unwrap_err()
            .to_string()
            .contains("`thread` or `process`")
    );
}

#[test]
fn b10_no_setting_beside_a_connection_is_passed_over() {
    let read = Config::from_value(json!({
        "connection": "jdbc+postgresql://h/d", "ssl_mode": "require", "ssl_root_cert": "a.pem", "socket": "/run/pg",
        "server_settings": {"work_mem": "4MB"},
    }))
    .unwrap();
    assert_eq!(read.settings().ssl_mode, SslMode::Require);
    assert_eq!(read.settings().ssl_root_cert.as_deref(), Some(Path::new("a.pem")));
    assert_eq!(read.settings().server_settings.len(), 1);
    // The meaning of others depends on the driver, which may be named beside them.
    let sqlite =
        json!({"connection": "dbapi2://x.db", "dbapi_path": "sqlite3", "foreign_keys": false, "busy_timeout": 1});
    assert!(!Config::from_value(sqlite).unwrap().settings().foreign_keys);
    let read =
        Config::from_value(json!({"connection": "jdbc+mysql://h/d", "charset": "UTF-8", "collation": "x"})).unwrap();
    assert_eq!(read.settings().charset.as_deref(), Some("utf8mb4"));
    for (wrong, words) in [
        (
            json!({"connection": "jdbc+h2://mem:x", "charset": "x"}),
            "`charset` does not apply to drivers of JDBC",
        ),
        (
            json!({"connection": "jdbc+sqlite://x", "mode": "ro"}),
            "`mode` does not apply",
        ),
    ] {
        let error = Config::from_value(wrong).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn b10_options_in_the_words_of_a_driver_are_the_drivers() {
    for (url, mode, drivers) in [
        (
            "jdbc+postgresql://h/d?sslmode=require&ssl_mode=verify-ca",
            SslMode::VerifyCa,
            vec!["sslmode"],
        ),
        ("jdbc+postgresql://h/d?ssl=true", SslMode::Prefer, vec!["ssl"]),
        (
            "jdbc+mariadb://h/d?sslMode=verify-ca&useSSL=true",
            SslMode::VerifyCa,
            vec!["useSSL"],
        ),
        (
            "jdbc+sqlserver://h/d?ssl_mode=require&sslMode=x",
            SslMode::Require,
            vec!["sslMode"],
        ),
        ("jdbc+h2://mem:x?ssl=true", SslMode::Require, vec![]),
        (
            "dbapi2+mysql://h/d?dbapi_path=pymysql&ssl=true&ssl_ca=a",
            SslMode::Require,
            vec!["ssl_ca"],
        ),
    ] {
        let read = config(url);
        assert_eq!(read.settings().ssl_mode, mode, "{url}");
        assert_eq!(
            read.driver_options().map(|(name, _)| name).collect::<Vec<_>>(),
            drivers,
            "{url}"
        );
    }
    // Each way to name the driver, before the options and behind them.
    let url = "dbapi2+mysql://h/d?ssl=true&ssl_ca=a";
    let named = [
        Config::from_value(json!({"connection": url, "dbapi_path": "pymysql"})).unwrap(),
        config(url).option("dbapi-path", "pymysql").unwrap(),
        config(&format!("{url}&dbapiPath=pymysql")),
    ];
    for read in named {
        assert_eq!(read.settings().ssl_mode, SslMode::Require);
        assert!(read.check().is_ok() && read.driver_options().map(|(name, _)| name).eq(["ssl_ca"]));
    }
    let late = config(url).dbapi_path("pymysql");
    let error = late.check().unwrap_err().to_string();
    assert!(
        error.contains("`ssl`") && error.contains("name the driver in the URL"),
        "{error}"
    );
    assert!(late.ssl_mode(SslMode::Require).check().is_ok());
    let read = config("jdbc+postgresql://h/d?server_settings[a]=1&options[b]=2&options=-c%20c%3D3");
    assert_eq!(read.settings().server_settings.len(), 2);
    assert_eq!(read.driver_options().count(), 1);
}

#[test]
fn u5_configurations_of_bridges_round_trip() {
    for made in [
        config("jdbc+h2://mem:x;MODE=MySQL?user=sa&password=p&classpath=a.jar&classpath=b.jar&IFEXISTS=TRUE"),
        config("jdbc:oracle:thin:scott/tiger@//h:1521/x")
            .classpath("ojdbc.jar")
            .java("/opt/java"),
        config("jdbc+sqlserver://u:p@h:1433/d?encrypt=false").jdbc_driver_args(json!({"a": "b", "n": 1})),
        config("dbapi2://x")
            .dbapi_path("a.b:c")
            .python("/venv/bin/python")
            .dbapi_driver_args(json!([1, "two"])),
        config("dbapi2://x?dbapi_driver_args=%7B%22a%22:1%7D").dbapi_pool(DbApiPool::Process),
        config("jdbc://x").jdbc_dsn_driver("h2").jdbc_driver("org.h2.Driver"),
    ] {
        let dictionary = serde_json::to_value(&made).unwrap();
        let again: Config =
            serde_json::from_value(dictionary.clone()).unwrap_or_else(|error| panic!("{dictionary}: {error}"));
        assert_eq!(again, made, "{dictionary}");
        assert_eq!(again.clone().into_config().unwrap(), made);
    }
    let parts = Config::from_value(
        json!({"scheme": "jdbc", "driver": "postgresql", "host": "h", "user": "u",
        "password": "p", "database": "d", "java": "/opt/java/bin/java"}),
    )
    .unwrap();
    assert_eq!(parts.url().expose(), "jdbc+postgresql://u:p@h/d");
    assert_eq!(
        parts.settings().bridge.java.as_deref(),
        Some(Path::new("/opt/java/bin/java"))
    );
}

#[test]
fn u3_a_host_holds_nothing_that_a_drivers_address_would_read() {
    for host in ["h?sslmode=disable", "h;encrypt=false", "h&x=1", "h=1", "a(b"] {
        assert!(config("jdbc+postgresql://h/d").host(host).check().is_err(), "{host}");
    }
    for host in ["db-1.example_x", "::1", "fe80::1%eth0", "bücher.example"] {
        assert!(config("jdbc+postgresql://h/d").host(host).check().is_ok(), "{host}");
    }
}
