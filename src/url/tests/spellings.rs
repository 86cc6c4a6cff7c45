use super::*;

#[test]
fn u5_aliases_and_drivers() {
    for (text, dialect) in [
        ("postgres://", Dialect::Postgres),
        ("postgresql+psycopg2://", Dialect::Postgres),
        ("asyncpg://", Dialect::Postgres),
        ("pgsql://", Dialect::Postgres),
        ("mysql+aiomysql://", Dialect::MySql),
        ("mariadb+pymysql://", Dialect::MySql),
        ("MARIADB://", Dialect::MySql),
        ("sqlite+aiosqlite://", Dialect::Sqlite),
        ("sqlite3://", Dialect::Sqlite),
    ] {
        assert_eq!(url(text).dialect(), dialect, "{text}");
    }
    assert_eq!(url("mariadb+asyncmy://").scheme(), "mariadb");
    assert!(refusal("postgres+asynpg://h").contains("did you mean `postgresql+asyncpg`"));
    assert!(refusal("mysql+asyncpg://h").contains("unknown driver `asyncpg` for MySQL"));
}

#[test]
fn u5_the_spellings_of_databasez_work_or_have_a_hint_found_f18() {
    for text in [
        "postgresql+asyncpg://h/d",
        "postgresql+psycopg://h/d",
        "postgresql+psycopg2://h/d",
        "postgres+aiopg://h/d",
        "mysql+asyncmy://h/d",
        "mysql+aiomysql://h/d",
        "mysql+pymysql://h/d",
        "mysql+mysqldb://h/d",
        "mariadb+mariadbconnector://h/d",
        "sqlite+aiosqlite:///app.db",
        "sqlite+pysqlite:///app.db",
        "mssql+aioodbc://u:p@h/d?driver=ODBC+Driver+18+for+SQL+Server",
        "mssql+pyodbc://h/d",
        "MSSQL+pymssql://h/d",
        "sqlserver://h/d",
    ] {
        url(text);
    }
    for (text, words) in [
        ("h2://mem:x", "`jdbc+h2://…`"),
        ("mssql+psycopg://h/d", "leave the driver out: `mssql://…`"),
        ("aioodbc://h/d", "unknown scheme `aioodbc`"),
        ("oracle+oracledb://h/d", "Oracle is not supported"),
        ("mysql+aioodbc://h/d", "leave the driver out: `mysql://…`"),
    ] {
        let told = refusal(text);
        assert!(told.contains(words), "{text}: {told}");
        assert!(!told.contains("did you mean"), "{text}: {told}");
    }
}

#[test]
fn u6_sqlite_paths() {
    for (text, path) in [
        ("sqlite::memory:", None),
        ("sqlite://:memory:", None),
        ("sqlite://", None),
        ("sqlite:", None),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
        ("sqlite:%2F:memory:", None),
        ("sqlite+aiosqlite://", None),
        ("sqlite+aiosqlite:///:memory:", None),
        ("sqlite://shared?mode=memory", None),
        ("sqlite:file::memory:?cache=shared", None),
        ("sqlite://file.db", Some("file.db")),
        ("sqlite:file.db?mode=rwc", Some("file.db")),
        ("sqlite://data/app.db", Some("data/app.db")),
        ("sqlite:./app.db", Some("./app.db")),
        ("sqlite:/data/app.db", Some("/data/app.db")),
        ("sqlite:///data/app.db", Some("/data/app.db")),
        ("sqlite:////data/app.db", Some("/data/app.db")),
        ("sqlite:///%2Fdata/app.db", Some("/data/app.db")),
        ("sqlite:%2F%2Fdata/app.db", Some("/data/app.db")),
        ("sqlite+aiosqlite:////%2Fdata/app.db", Some("/data/app.db")),
        ("sqlite+aiosqlite:///app.db", Some("app.db")),
        ("sqlite+aiosqlite:////data/app.db", Some("/data/app.db")),
        ("sqlite+aiosqlite:/data/app.db", Some("/data/app.db")),
        ("sqlite:file:app.db?uri=true", Some("app.db")),
        ("sqlite:///file:app.db?uri=true", Some("app.db")),
        ("sqlite:file:///data/app.db", Some("/data/app.db")),
        ("sqlite://me@home.db", Some("me@home.db")),
        ("sqlite:///a%3Fb%23c%20d.db", Some("/a?b#c d.db")),
    ] {
        let url = url(text);
        assert_eq!(url.sqlite_path(), path.map(PathBuf::from), "{text}");
        assert_eq!(url.is_memory(), path.is_none(), "{text}");
        assert_eq!(
            DatabaseUrl::parse(&url.expose()).unwrap(),
            url,
            "{text} as {}",
            url.expose()
        );
    }
    let driver = url("sqlite+aiosqlite:///app.db");
    assert_eq!(driver.clone().with_driver(None).expose(), "sqlite://app.db");
    assert_eq!(
        driver.with_database("/data/app.db").expose(),
        "sqlite+aiosqlite:////data/app.db"
    );
    assert_eq!(url("postgres://h/d").sqlite_path(), None);
    assert!(refusal("sqlite://u:p@h/d").contains("SQLite has no users"));
    assert!(url("sqlite://a.db").with_host("h").check().is_err());
}

#[test]
fn u6_an_encoded_slash_is_shown_as_the_same_path_found_a7() {
    for text in [
        "sqlite:%2F",
        "sqlite:%2Fdata/app.db",
        "sqlite:%2F%2Fdata/app.db",
        "sqlite://%2Fdata.db",
    ] {
        let url = url(text);
        let shown: DatabaseUrl = url.to_string().parse().unwrap();
        assert_eq!(
            (&shown, shown.sqlite_path()),
            (&url, url.sqlite_path()),
            "{text} as {url}"
        );
    }
}

#[test]
fn u8_an_unknown_scheme_names_the_known_ones_nearest_first() {
    let told = refusal("postgers://u:p@h/d");
    assert!(
        told.contains("unknown scheme `postgers`; the known ones are `postgres`, "),
        "{told}"
    );
    assert!(told.contains("did you mean `postgres`?"), "{told}");
    assert!(
        refusal("marriadb://h").contains("known ones are `mariadb`, `postgres`"),
        "{}",
        refusal("marriadb://h")
    );
    for text in ["informix://h", "oracle://h"] {
        let told = refusal(text);
        assert!(
            [
                "postgres",
                "postgresql",
                "mysql",
                "mariadb",
                "sqlite",
                "mssql",
                "jdbc",
                "dbapi2"
            ]
            .iter()
            .all(|name| told.contains(name)),
            "{told}"
        );
    }
}
