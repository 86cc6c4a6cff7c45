//! U7: the options of URLs, this crate's and those of other clients.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::{config, refusal, settings, value};
use crate::config::*;

#[test]
fn u7_options_are_typed() {
    let read = settings(
        "postgres://h/d?pool_size=3&max-overflow=2&poolTimeout=1.5&pool_recycle=-1&idle_timeout=5min&echo=on&echo_pool=1\
         &isolation_level=READ_COMMITTED&statement_cache_size=7&application_name=till&sslmode=verify-full&sslrootcert=/ca.pem\
         &statement_timeout=250ms&connect_timeout=4&force_rollback=true&lazy=yes&full_isolation=true&lease_timeout=2s\
         &slow_statement=300ms&disconnect_timeout=4s&stream_buffer_rows=9&keep_session=yes&health_check_after=0",
    );
    let expected = Settings {
        pool_size: 3,
        max_overflow: 2,
        pool_timeout: Duration::from_millis(1500),
        pool_recycle: None,
        idle_timeout: Some(Duration::from_mins(5)),
        echo: true,
        echo_pool: true,
        isolation_level: Some(IsolationLevel::ReadCommitted),
        statement_cache_capacity: 7,
        application_name: Some("till".to_owned()),
        ssl_mode: SslMode::VerifyFull,
        ssl_root_cert: Some(PathBuf::from("/ca.pem")),
        statement_timeout: Some(Duration::from_millis(250)),
        connect_timeout: Duration::from_secs(4),
        force_rollback: true,
        lazy: true,
        full_isolation: true,
        lease_timeout: Duration::from_secs(2),
        slow_statement: Some(Duration::from_millis(300)),
        disconnect_timeout: Duration::from_secs(4),
        stream_buffer_rows: 9,
        keep_session: true,
        health_check_after: Duration::ZERO,
        ..Settings::default()
    };
    assert_eq!(read, expected);
    assert_eq!(settings("postgres://h/d"), Settings::default());
}

#[test]
fn u7_spellings_of_ssl() {
    for (option, mode) in [
        ("ssl=false", SslMode::Disable),
        ("ssl=true", SslMode::Require),
        ("sslmode=disable", SslMode::Disable),
        ("ssl-mode=REQUIRED", SslMode::Require),
        ("ssl_mode=VERIFY_IDENTITY", SslMode::VerifyFull),
        ("ssl=true&sslmode=require", SslMode::Require),
        ("ssl={%22rejectUnauthorized%22:true}", SslMode::VerifyFull),
        ("tls=skip-verify", SslMode::Require),
        ("sslaccept=strict", SslMode::VerifyFull),
        ("sslmode=require&sslaccept=strict", SslMode::VerifyFull),
        ("sslaccept=strict&sslmode=require", SslMode::VerifyFull),
        (
            "useSSL=true&requireSSL=true&verifyServerCertificate=true",
            SslMode::VerifyCa,
        ),
        ("useSSL=false", SslMode::Disable),
    ] {
        assert_eq!(settings(&format!("mysql://h/d?{option}")).ssl_mode, mode, "{option}");
    }
    let system = settings("postgres://h/d?sslrootcert=system&sslmode=require");
    assert_eq!((system.ssl_mode, system.ssl_root_cert), (SslMode::VerifyFull, None));
}

#[test]
fn u7_wrong_options_are_named() {
    for (option, words) in [
        (
            "pool_sise=3",
            "`pool_sise` is unknown\n  help: did you mean `pool_size`?",
        ),
        ("banana=3", "`banana` is unknown"),
        (
            "pool_size=three",
            "`pool_size` is `three`, but must be a whole number from 1 to 65535",
        ),
        ("pool_size=0", "from 1"),
        ("pool_size=-1", "from 1"),
        ("pool_size=", "`pool_size` is empty"),
        ("pool_size", "`pool_size` is empty"),
        ("pool_size=3&pool_size=3", "`pool_size` is given twice"),
        ("pool_size=3&pool-size=4", "`pool-size` is given twice"),
        (
            "pool_size=3&connection_limit=4",
            "`connection_limit` contradicts `pool_size`",
        ),
        ("ssl=true&sslmode=disable", "`sslmode` contradicts `ssl`"),
        ("echo=maybe", "`echo` is `maybe`, but must be true or false"),
        ("pool_timeout=soon", "seconds"),
        ("isolation_level=autocommit", "`serializable`"),
        ("sslmode=on-ish", "`verify-full`"),
        ("charset=utf8mb4", "`charset` does not apply to PostgreSQL"),
        ("journal_mode=wal", "does not apply to PostgreSQL"),
        ("options=-c%20a;b%3D1", "not valid for a server parameter"),
        ("host=a,b", "several hosts"),
        ("port=abc", "port"),
    ] {
        let message = refusal(&format!("postgres:///d?{option}"));
        assert!(message.contains(words), "{option}: {message}");
    }
    assert!(refusal("sqlite://a.db?busy_timeout=5000").contains("`5000ms`"));
    assert!(refusal("sqlite://a.db?sslmode=require").contains("does not apply to SQLite"));
    assert!(refusal("sqlite://a.db?host=x").contains("unknown"));
    assert!(refusal("sqlite://a.db?mode=rwx").contains("`rwc`"));
}

#[test]
fn u7_what_providers_write_is_honoured() {
    let neon = "postgresql://u:p@ep.neon.tech/db?sslmode=require&channel_binding=prefer&connect_timeout=15&target_session_attrs=any";
    assert_eq!(settings(neon).warnings, [""; 0]);
    assert_eq!(settings(neon).connect_timeout, Duration::from_secs(15));
    let prisma = settings("postgresql://u:p@h:6543/db?pgbouncer=true&connection_limit=1&schema=shop&pool_timeout=20");
    assert_eq!((prisma.statement_cache_capacity, prisma.pool_size), (0, 1));
    assert_eq!(prisma.server_settings, [("search_path".to_owned(), "shop".to_owned())]);
    let libpq = settings(
        "postgres://h/d?options=-c%20work_mem%3D64MB%20--statement-timeout=5s%20-cx.y%3Da%5C%20b&fallback_application_name=x",
    );
    let pairs = [("statement_timeout", "5s"), ("work_mem", "64MB"), ("x.y", "a b")];
    assert_eq!(
        libpq.server_settings,
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(libpq.application_name.as_deref(), Some("x"));
    assert_eq!(
        settings("postgres://h/d?options[jit]=off").server_settings,
        [("jit".to_owned(), "off".to_owned())]
    );
    let jdbc = settings(
        "mysql://h/d?useSSL=false&serverTimezone=UTC&allowPublicKeyRetrieval=true&connectTimeout=2500&characterEncoding=utf8mb4",
    );
    assert_eq!(
        (jdbc.connect_timeout, jdbc.charset.as_deref()),
        (Duration::from_millis(2500), Some("utf8mb4"))
    );
    assert_eq!(jdbc.server_settings, [("time_zone".to_owned(), "UTC".to_owned())]);
    assert_eq!(
        settings("mysql://h/d?timezone=+02:00").server_settings,
        [("time_zone".to_owned(), "+02:00".to_owned())]
    );
    assert_eq!(jdbc.warnings, [""; 0]);
    assert!(settings("postgres://h/d?connect_timeout=0").connect_timeout > Duration::from_secs(1_000_000));
}

#[test]
fn u7_what_cannot_be_honoured_is_a_warning() {
    for (url, name) in [
        ("postgres://h/d?channel_binding=require", "channel_binding"),
        ("postgres://h/d?target_session_attrs=read-write", "target_session_attrs"),
        ("postgres://h/d?keepalives_idle=30", "keepalives_idle"),
        ("postgres://h/d?hostaddr=10.0.0.1", "hostaddr"),
        ("postgres://h/d?gssencmode=require", "gssencmode"),
        ("postgres://h/d?sslpassword=hunter2", "sslpassword"),
        ("postgres://h/d?options=endpoint%3Dhunter2", "options"),
        ("postgres://h/d?min_size=3", "min_size"),
        ("mysql://h/d?autoReconnect=true", "autoReconnect"),
        ("sqlite://a.db?detect_types=3", "detect_types"),
    ] {
        let warnings = settings(url).warnings;
        assert_eq!(warnings.len(), 1, "{url}");
        assert!(
            warnings[0].contains(&format!("`{name}` has no effect")) && !warnings[0].contains("hunter2"),
            "{warnings:?}"
        );
    }
}

#[test]
fn c5_poll_interval_of_databasez_is_named_in_one_warning() {
    let sqlite = "sqlite://a.db?poll_interval=0.01";
    for config in [
        config(sqlite),
        config("postgres://h/d?poll_interval=0.01"),
        value(json!({"connection": "mysql://h/d", "poll_interval": 0.01})),
        value(json!({"connection": {"credentials": {"scheme": "sqlite", "options": {"poll_interval": 1}}}})),
    ] {
        let warnings = &config.settings().warnings;
        assert_eq!(warnings.len(), 1, "{config:?}");
        assert!(warnings[0].contains("`poll_interval` has no effect"), "{warnings:?}");
        // A copy of the configuration does not warn twice.
        let copy: Config = serde_json::from_value(json!(config)).unwrap();
        assert!(copy.settings().warnings.len() <= 1, "{copy:?}");
    }
}

#[test]
fn u7_settings_of_other_databases_say_so_found_f18() {
    let told = refusal("postgres://h/d?TrustServerCertificate=yes");
    assert!(told.contains("does not apply to PostgreSQL"), "{told}");
    let told = refusal("postgres://h/d?jdbc_driver=x");
    assert!(
        told.contains("does not apply to PostgreSQL") && told.contains("jdbc+h2://"),
        "{told}"
    );
    let told = Config::from_value(json!({"scheme": "sqlite", "dbapi_path": "x"}))
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("does not apply to SQLite") && told.contains("dbapi2://"),
        "{told}"
    );
}

#[test]
fn b1_the_ways_to_name_sql_server_of_databasez_and_tortoise_are_read() {
    let driver = "ODBC Driver 18 for SQL Server";
    let dictionaries = [
        json!({"scheme": "mssql+aioodbc", "host": "h", "user": "sa", "database": "d", "options": {"driver": driver}}),
        json!({"scheme": "mssql", "host": "h", "user": "sa", "database": "d", "driver": driver, "Encrypt": "yes"}),
    ];
    for dictionary in dictionaries {
        let config = Config::from_value(dictionary).unwrap();
        assert_eq!(config.dialect(), Dialect::SqlServer);
        assert_eq!(config.url().host(), Some("h"));
        let warnings = &config.settings().warnings;
        assert!(
            warnings.len() == 1 && warnings[0].contains("`driver` has no effect"),
            "{warnings:?}"
        );
    }
    let read = settings("mssql://sa@h/d?encrypt=true&trust_server_certificate=yes&MultipleActiveResultSets=False");
    assert_eq!(
        (read.ssl_mode, read.trust_server_certificate),
        (SslMode::VerifyFull, true)
    );
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    let told = refusal("mssql://sa@h%5CSQLEXPRESS/d");
    assert!(
        told.contains("instance of SQL Server") && told.contains("mssql://host:port"),
        "{told}"
    );
}

#[test]
fn u7_sqlite_options() {
    let read = settings(
        "sqlite://a.db?mode=rw&timeout=2&journal_mode=DELETE&synchronous=2&foreign_keys=off&cache=shared&immutable=1&vfs=unix\
         &cache_size=-2000",
    );
    let expected = Settings {
        sqlite_mode: SqliteMode::ReadWrite,
        busy_timeout: Duration::from_secs(2),
        journal_mode: Some("delete".to_owned()),
        synchronous: Some("full".to_owned()),
        foreign_keys: false,
        shared_cache: true,
        immutable: true,
        vfs: Some("unix".to_owned()),
        server_settings: vec![("cache_size".to_owned(), "-2000".to_owned())],
        ..Settings::default()
    };
    assert_eq!(read, expected);
    for (url, journal, synchronous) in [
        ("sqlite://a.db", Some("wal"), Some("normal")),
        ("sqlite://a.db?mode=rw", None, None),
        ("sqlite://a.db?mode=ro", None, None),
        ("sqlite://a.db?immutable=true", None, None),
        ("sqlite::memory:", None, None),
        ("sqlite://a.db?journal_mode=delete", Some("delete"), None),
        ("sqlite://a.db?synchronous=full", Some("wal"), Some("full")),
    ] {
        let config = config(url);
        assert_eq!(
            (config.effective_journal_mode(), config.effective_synchronous()),
            (journal, synchronous),
            "{url}"
        );
    }
    let memory = config("sqlite://a.db").sqlite_mode(SqliteMode::Memory);
    assert!(memory.url().is_memory() && memory.effective_journal_mode().is_none());
    assert_eq!(
        memory.sqlite_mode(SqliteMode::ReadOnly).url().sqlite_path(),
        Some(PathBuf::from("a.db"))
    );
    assert!(
        value(json!({"url": "sqlite://a.db", "mode": "memory"}))
            .url()
            .is_memory()
    );
    assert!(
        config("sqlite://a.db")
            .option("mode", "memory")
            .unwrap()
            .url()
            .is_memory()
    );
}

#[test]
fn u1_sockets_reach_the_settings() {
    for (url, socket, port) in [
        ("postgres:///d?host=/run/postgresql", Some("/run/postgresql"), None),
        (
            "postgres:///d?socket=/run/pg/.s.PGSQL.5433",
            Some("/run/pg"),
            Some(5433),
        ),
        ("mysql:///d?unix_socket=/run/my.sock", Some("/run/my.sock"), None),
        ("mysql://h/d", None, None),
    ] {
        let config = config(url);
        assert_eq!(
            (config.settings().socket.clone(), config.url().port()),
            (socket.map(PathBuf::from), port),
            "{url}"
        );
    }
    let moved = config("postgres:///d?host=/run/pg").host("localhost");
    assert_eq!(
        (moved.settings().socket.as_ref(), moved.url().host()),
        (None, Some("localhost"))
    );
    assert_eq!(moved.host("/run/x").settings().socket, Some(PathBuf::from("/run/x")));
}

#[test]
fn every_option_has_one_meaning_on_each_dialect() {
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        let mut names: Vec<String> = options::names(Some(dialect.into())).map(text::squash).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{dialect}");
    }
}
