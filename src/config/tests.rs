use std::path::PathBuf;
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::ErrorKind;

fn config(url: &str) -> Config {
    Config::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn settings(url: &str) -> Settings {
    config(url).settings
}

fn refusal(url: &str) -> String {
    match Config::from_url(url) {
        Ok(config) => panic!("{url} was read as {config:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Url, "{url}");
            error.to_string()
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn value(value: Value) -> Config {
    Config::from_value(&value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn value_refusal(value: Value) -> String {
    match Config::from_value(&value) {
        Ok(config) => panic!("{value} was read as {config:?}"),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}

#[test]
fn u7_options_are_typed() {
    let read = settings(
        "postgres://h/d?pool_size=3&max-overflow=2&poolTimeout=1.5&pool_recycle=-1&idle_timeout=5min&echo=on&echo_pool=1\
         &isolation_level=READ_COMMITTED&statement_cache_size=7&application_name=till&sslmode=verify-full&sslrootcert=/ca.pem\
         &statement_timeout=250ms&connect_timeout=4&force_rollback=true&lazy=yes&full_isolation=true&lease_timeout=2s\
         &stream_buffer_rows=9&health_check_after=0",
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
        stream_buffer_rows: 9,
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
        ("charset=utf8mb4", "`charset` means nothing on PostgreSQL"),
        ("journal_mode=wal", "means nothing on PostgreSQL"),
        ("options=-c%20a;b%3D1", "name that no parameter"),
        ("host=a,b", "several hosts"),
        ("port=abc", "port"),
    ] {
        let told = refusal(&format!("postgres:///d?{option}"));
        assert!(told.contains(words), "{option}: {told}");
    }
    assert!(refusal("sqlite://a.db?busy_timeout=5000").contains("`5000ms`"));
    assert!(refusal("sqlite://a.db?sslmode=require").contains("means nothing on SQLite"));
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
fn c1_all_shapes_say_the_same() {
    let url = "postgresql://ada:s%40cret@db.example:5433/shop?sslmode=require";
    let credentials = json!({"scheme": "postgresql", "host": "db.example", "port": 5433, "user": "ada", "password": "s@cret",
        "database": "shop", "options": {"sslmode": "require"}});
    let expected = config(url);
    for shape in [
        json!(url),
        json!({"url": url}),
        json!({"connection": url}),
        json!({"connection": {"url": url}}),
        json!({"connection": {"credentials": credentials}}),
        json!({"credentials": credentials}),
        credentials.clone(),
        json!({"engine": "tortoise.backends.postgresql", "credentials": {"hostname": "db.example", "port": "5433", "username": "ada",
            "password": "s@cret", "dbname": "shop", "sslmode": "require"}}),
    ] {
        assert_eq!(value(shape.clone()), expected, "{shape}");
        if shape.is_object() {
            let mut shape = shape;
            shape["pool_size"] = json!(3);
            assert_eq!(value(shape.clone()).settings().pool_size, 3, "{shape}");
        }
    }
    let text =
        toml::to_string(&json!({"connection": {"credentials": credentials}, "pool_size": 2, "pool_timeout": 0.5}))
            .unwrap();
    let read: Config = toml::from_str(&text).unwrap();
    assert_eq!(read, expected.pool_size(2).pool_timeout(Duration::from_millis(500)));
}

#[test]
fn c1_sqlite_and_odd_values() {
    assert_eq!(
        value(json!({"scheme": "sqlite", "file_path": "/data/app.db"})),
        config("sqlite:///data/app.db")
    );
    assert_eq!(
        value(json!({"engine": "sqlite", "database": "app.db", "host": null})),
        config("sqlite://app.db")
    );
    assert_eq!(
        value(json!({"scheme": "sqlite+aiosqlite", "database": "app.db"})),
        config("sqlite+aiosqlite:///app.db")
    );
    assert_eq!(
        value(json!({"scheme": "mysql", "pool_recycle": null}))
            .settings()
            .pool_recycle,
        None
    );
    let read = value(json!({"scheme": "postgres", "server_settings": {"work_mem": "1MB", "jit": false}}));
    assert_eq!(read.settings().server_settings.len(), 2);
    assert_eq!(
        value(json!({"scheme": "postgres", "options": {"host": "/run/pg"}}))
            .url()
            .host(),
        Some("/run/pg")
    );
}

#[test]
fn c1_wrong_keys_are_named_by_their_path() {
    let in_connection = |inner: Value| json!({"connection": inner});
    for (shape, words) in [
        (
            in_connection(json!({"credentials": {"scheme": "postgres", "hots": "x"}})),
            "`connection.credentials.hots`: unknown key\n  help: did you mean `host`?",
        ),
        (
            in_connection(json!({"host": "x", "credentials": {}})),
            "`connection.host` belongs into `connection.credentials`",
        ),
        (
            in_connection(json!({"pool_size": 3, "url": "sqlite://"})),
            "`connection.pool_size` belongs into the top",
        ),
        (
            in_connection(json!({"urll": "sqlite://"})),
            "`connection.urll`: unknown key\n  help: did you mean `url`?",
        ),
        (
            in_connection(json!({"url": "sqlite://", "credentials": {"scheme": "sqlite"}})),
            "both `connection.url` and `connection.credentials`",
        ),
        (in_connection(json!({})), "neither"),
        (in_connection(json!(3)), "`connection` is a number"),
        (
            in_connection(json!({"credentials": {"host": "x"}})),
            "`connection.credentials.scheme` is missing",
        ),
        (
            in_connection(json!({"credentials": {"scheme": "sqlite", "options": {"mod": "ro"}}})),
            "`connection.credentials.options.mod` is unknown\n  help: did you mean `mode`?",
        ),
        (
            in_connection(json!({"credentials": {"scheme": "mysql", "options": {"pool_size": "x"}}})),
            "`connection.credentials.options.pool_size` is `x`",
        ),
        (
            in_connection(json!({"credentials": {"scheme": "mysql", "port": 70_000}})),
            "`connection.credentials.port` must be",
        ),
        (
            in_connection(json!({"credentials": {"scheme": "mysql", "user": "a", "username": "a"}})),
            "mean the same",
        ),
        (
            in_connection(json!({"credentials": {"scheme": "mysql", "password": 1234}})),
            "`connection.credentials.password` is a number, but must be text\n  help: put it in quotes",
        ),
        (
            in_connection(json!({"credentials": {"scheme": "sqlite", "host": "h"}})),
            "`connection.credentials.host`: SQLite has no server",
        ),
        (
            in_connection(json!({"credentials": "sqlite://"})),
            "a URL stands under `url`",
        ),
        (
            json!({"connection": "sqlite://", "host": "x"}),
            "`host` belongs into `connection.credentials`",
        ),
        (
            json!({"connection": "sqlite://", "url": "sqlite://"}),
            "both `connection` and `url`",
        ),
        (
            json!({"url": "sqlite://", "host": "x"}),
            "a URL and credentials exclude each other",
        ),
        (
            json!({"url": "sqlite://", "pool_sise": 3}),
            "`pool_sise`: unknown key\n  help: did you mean `pool_size`?",
        ),
        (
            json!({"url": "sqlite://", "pool_size": "many"}),
            "`pool_size` is `many`",
        ),
        (
            json!({"url": "sqlite://", "pool_size": [1, 2]}),
            "`pool_size` is given twice",
        ),
        (
            json!({"url": "sqlite://", "pool_size": {"a": 1}}),
            "`pool_size` is a table",
        ),
        (
            json!({"scheme": "sqlite", "databas": "x"}),
            "`databas`: unknown key\n  help: did you mean `database`?",
        ),
        (json!({"connections": {"default": "sqlite://"}}), "`ConnectionsConfig`"),
        (json!({}), "`scheme` is missing"),
        (json!([]), "the configuration is a list"),
    ] {
        let told = value_refusal(shape.clone());
        assert!(told.starts_with("Config: ") && told.contains(words), "{shape}: {told}");
    }
    assert!(value_refusal(json!({"scheme": "mongodb"})).contains("unknown scheme `mongodb`"));
    let error = serde_json::from_value::<Config>(json!({"connection": {"hots": 1}})).unwrap_err();
    assert!(error.to_string().contains("`connection.hots`"), "{error}");
}

#[test]
fn u2_no_debug_output_or_error_of_a_configuration_holds_a_password() {
    let config =
        config("postgres://u:hunter2@h/d?options=-c%20my.secret%3Dhunter2").server_setting("app.token", "hunter2");
    assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
    for shape in [
        json!({"scheme": "mysql", "password": {"hunter2": 1}}),
        json!({"scheme": "mysql", "password": "hunter2\0"}),
        json!({"scheme": "mysql", "options": {"password": "hunter2", "sslpasswort": "hunter2"}}),
        json!({"url": "mysql://u:hunter2@h/d", "pool_size": "mysql://u:hunter2@h/d"}),
        json!({"scheme": "mysql", "pasword": "hunter2"}),
        json!({"scheme": "mysql://u:hunter2@h"}),
    ] {
        let told = value_refusal(shape);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn c3_the_later_wins() {
    let url = "postgres://h/d?pool_size=2&max_overflow=3";
    assert_eq!(settings("postgres://h/d").pool_size, 10);
    assert_eq!(settings(url).pool_size, 2);
    let read = value(json!({"url": url, "pool_size": 4}));
    assert_eq!((read.settings().pool_size, read.settings().max_overflow), (4, 3));
    assert_eq!(read.pool_size(5).settings().pool_size, 5);
    let set = config(url)
        .option("pool_size", "6")
        .unwrap()
        .option("host", "other")
        .unwrap();
    assert_eq!((set.settings().pool_size, set.url().host()), (6, Some("other")));
    assert_eq!(
        config(url).option("pool_size", "x").unwrap_err().kind(),
        ErrorKind::Config
    );
    assert_eq!(config(url).option("port", "x").unwrap_err().kind(), ErrorKind::Url);
}

#[test]
fn c3_setters_are_checked_where_the_configuration_is_taken() {
    let plain = || config("postgres://h/d");
    assert!(plain().into_config().is_ok());
    for (wrong, words) in [
        (
            plain().pool_size(0),
            "`pool_size` is `0`, but must be a whole number from 1",
        ),
        (plain().stream_buffer_rows(0), "stream_buffer_rows"),
        (plain().server_setting("a b", "c"), "server setting `a b`"),
        (plain().username("a\0b"), "NUL"),
        (plain().host("a,b"), "several hosts"),
        (config("sqlite://").journal_mode("wall"), "journal_mode"),
        (config("sqlite://").host("h"), "SQLite takes no host"),
    ] {
        let told = wrong.into_config().unwrap_err().to_string();
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(plain().pool_recycle(Duration::ZERO), plain().pool_recycle(None));
}

#[test]
fn c4_a_copy_takes_other_settings() {
    let first = config("postgres://h/d").force_rollback(true);
    let second = first.clone().force_rollback(false);
    assert!(first.settings().force_rollback && !second.settings().force_rollback);
    assert_eq!(second, config("postgres://h/d"));
}

#[test]
fn every_option_has_one_meaning_on_each_dialect() {
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        let mut names: Vec<String> = options::names(Some(dialect)).map(text::squash).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{dialect}");
    }
}

fn any_config() -> impl Strategy<Value = Config> {
    let text = || any::<String>().prop_map(|text| text.replace('\0', ""));
    let duration = (1_u64..100_000, 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let url = prop::sample::select(vec![
        "postgres://",
        "postgresql+asyncpg://h/d?pool_size=3&channel_binding=require&options=-c%20a%3D1&pool_recycle=60",
        "mysql://?statement_timeout=4&charset=latin1&timezone=UTC",
        "mariadb://[::1]:33/x?socket=/run/my.sock&ssl=true&sslmode=require",
    ]);
    let settings = (
        1_u32..9,
        option::of(duration),
        option::of(text()),
        any::<bool>(),
        option::of(text()),
    );
    (url, option::of(text()), option::of(text()), settings).prop_map(|(url, user, password, settings)| {
        let config = config(url)
            .username(user.as_deref())
            .password(password.as_deref())
            .pool_size(settings.0);
        let config = config
            .statement_timeout(settings.1)
            .pool_recycle(settings.1)
            .application_name(settings.2.as_deref());
        let config = config
            .isolation_level(settings.3.then_some(IsolationLevel::Serializable))
            .echo(settings.3);
        match settings.4 {
            Some(value) => config.server_setting("a", value),
            None => config,
        }
    })
}

proptest! {
    #[test]
    fn c3_serde_round_trips(config in any_config()) {
        let written = serde_json::to_string(&config).unwrap();
        let read = serde_json::from_str::<Config>(&written);
        prop_assert!(read.is_ok(), "{}: {:?}", written, read);
        prop_assert_eq!(read.unwrap(), config.clone());
        prop_assert_eq!(config.clone().into_config().unwrap(), config);
    }

    #[test]
    fn u3_the_order_of_options_does_not_matter(mut options in prop::sample::subsequence(vec![
        "sslmode=require", "sslaccept=strict", "pgbouncer=true", "statement_cache_capacity=5", "application_name=a",
        "fallback_application_name=b", "channel_binding=require", "keepalives=0", "pool_pre_ping=1", "options=-c%20a%3D1", "jit=off",
    ], 0..11), seed in any::<usize>()) {
        let forwards = settings(&format!("postgres://h/d?{}", options.join("&")));
        options.reverse();
        if !options.is_empty() {
            let middle = seed % options.len();
            options.rotate_left(middle);
        }
        prop_assert_eq!(settings(&format!("postgres://h/d?{}", options.join("&"))), forwards);
    }
}

#[test]
fn r6_what_a_replica_leaves_out_is_the_primarys() {
    let config = Config::from_url("postgres://ada:s%40cret@db/shop?pool_size=3&host=/run/pg&application_name=till")
        .unwrap()
        .replica("postgres://one.example:5433?pool_size=7")
        .unwrap()
        .replica("postgres://eve:other@two.example/copy")
        .unwrap()
        .statement_timeout(Duration::from_secs(9));
    let replicas = config.of_replicas().unwrap();
    let (one, two) = (&replicas[0], &replicas[1]);
    assert_eq!(
        one.url().expose(),
        "postgres://ada:s%40cret@one.example:5433/shop?pool_size=7"
    );
    assert_eq!((one.settings().pool_size, two.settings().pool_size), (7, 3));
    assert_eq!(one.settings().application_name.as_deref(), Some("till"));
    assert_eq!(one.settings().statement_timeout, Some(Duration::from_secs(9)));
    assert_eq!(one.settings().socket, None, "that is where the primary is");
    assert_eq!(two.url().expose(), "postgres://eve:other@two.example/copy");
    assert!(one.replicas().is_empty());
    assert!(config.clone().without_replicas().replicas().is_empty());
    let shown = format!("{config:?}");
    assert!(!shown.contains("other") && !shown.contains("cret"), "{shown}");
}

#[test]
fn r6_replicas_stand_beside_the_place_of_the_primary() {
    let list =
        json!(["mysql://one.example", {"scheme": "mysql", "host": "two.example", "password": "p@ss", "pool_size": 4}]);
    for shape in [
        json!({"url": "mysql://me:secret@db/shop", "replicas": list}),
        json!({"connection": {"url": "mysql://me:secret@db/shop"}, "replicas": list, "pool_size": 10}),
        json!({"scheme": "mysql", "host": "db", "user": "me", "password": "secret", "database": "shop", "replicas": list}),
    ] {
        let config = Config::from_value(&shape).unwrap();
        let replicas = config.of_replicas().unwrap();
        assert_eq!(replicas[0].url().expose(), "mysql://me:secret@one.example/shop");
        assert_eq!(replicas[1].url().host(), Some("two.example"));
        assert_eq!(replicas[1].settings().pool_size, 4);
        let again = Config::from_value(serde_json::to_value(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }
    assert!(
        Config::from_value(json!({"url": "mysql://db/shop", "replicas": null}))
            .unwrap()
            .replicas()
            .is_empty()
    );
    for (shape, words) in [
        (
            json!({"url": "mysql://db/shop", "replicas": "mysql://one"}),
            "`replicas` is text, but must be a list",
        ),
        (
            json!({"url": "mysql://db/shop", "replicas": [7]}),
            "`replicas[0]` is a number",
        ),
        (
            json!({"url": "mysql://db/shop", "replicas": ["mysql://one", "postgres://two"]}),
            "`replicas[1]`: a replica of a database that is MySQL cannot be PostgreSQL",
        ),
        (
            json!({"url": "mysql://db/shop", "replicas": ["mysql://one?pool_sise=3"]}),
            "did you mean `pool_size`?",
        ),
        (
            json!({"url": "mysql://db/shop", "replicas": [{"scheme": "mysql", "hots": "x"}]}),
            "`replicas[0].hots`: unknown key\n  help: did you mean `host`?",
        ),
        (
            json!({"url": "mysql://db/shop", "replica": []}),
            "`replica`: unknown key\n  help: did you mean `replicas`?",
        ),
    ] {
        let error = Config::from_value(&shape).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
