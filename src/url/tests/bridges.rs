use proptest::option;
use proptest::prelude::*;

use super::*;

#[test]
fn b2_an_address_of_a_server_has_its_parts() {
    for text in [
        "jdbc+postgresql://ada:s3cr%40t@db.example:5433/shop?sslmode=require",
        "jdbc://ada:s3cr%40t@db.example:5433/shop?jdbc_dsn_driver=postgresql&sslmode=require",
        "jdbc:postgresql://db.example:5433/shop?user=ada&password=s3cr%40t&sslmode=require",
    ] {
        let url = url(text);
        assert_eq!(url.bridge(), Some(Bridge::Jdbc), "{text}");
        assert_eq!(
            (url.subprotocol(), url.dialect()),
            (Some("postgresql"), Dialect::Postgres)
        );
        assert_eq!((url.username(), url.password()), (Some("ada"), Some("s3cr@t")));
        assert_eq!(
            (url.host(), url.port(), url.database()),
            (Some("db.example"), Some(5433), Some("shop"))
        );
        assert_eq!(url.option("sslmode"), Some("require"));
        assert!(url.is_served() && !url.to_string().contains("s3cr"), "{url}");
    }
    let moved = url("jdbc+mariadb://u:p@h/d").with_host("other").with_password("new");
    assert_eq!(moved.expose(), "jdbc+mariadb://u:new@other/d");
    // A user shows that an unknown driver has a server.
    let unknown = url("jdbc+exotic://u:p@h:1/d");
    assert_eq!((unknown.host(), unknown.dialect()), (Some("h"), Dialect::Generic));
    assert_eq!(
        unknown.with_username(None).with_password(None).expose(),
        "jdbc+exotic://@h:1/d"
    );
}

#[test]
fn b2_an_address_of_a_driver_is_its_own() {
    for (text, subprotocol, address, dialect) in [
        (
            "jdbc+sqlite://testsuite.sqlite3",
            "sqlite",
            "testsuite.sqlite3",
            Dialect::Sqlite,
        ),
        ("jdbc+sqlite:///data/app.db", "sqlite", "/data/app.db", Dialect::Sqlite),
        ("jdbc:sqlite:app.db", "sqlite", "app.db", Dialect::Sqlite),
        (
            "jdbc+h2://mem:test;DB_CLOSE_DELAY=-1",
            "h2",
            "mem:test;DB_CLOSE_DELAY=-1",
            Dialect::Generic,
        ),
        (
            "jdbc:h2:mem:test;DB_CLOSE_DELAY=-1",
            "h2",
            "mem:test;DB_CLOSE_DELAY=-1",
            Dialect::Generic,
        ),
        (
            "jdbc+h2://tcp://localhost/~/x",
            "h2",
            "tcp://localhost/~/x",
            Dialect::Generic,
        ),
        ("jdbc+hsqldb://mem:x", "hsqldb", "mem:x", Dialect::Generic),
        (
            "jdbc+derby://memory:x;create=true",
            "derby",
            "memory:x;create=true",
            Dialect::Generic,
        ),
        (
            "jdbc:oracle:thin:@h:1521:x",
            "oracle",
            "thin:@h:1521:x",
            Dialect::Generic,
        ),
        (
            "jdbc:sqlserver://h:1433;databaseName=d",
            "sqlserver",
            "//h:1433;databaseName=d",
            Dialect::Generic,
        ),
        ("jdbc:jtds:sqlserver://h/d", "jtds", "sqlserver://h/d", Dialect::Generic),
    ] {
        let url = url(text);
        assert_eq!(
            (url.subprotocol(), url.database(), url.dialect()),
            (Some(subprotocol), Some(address), dialect),
            "{text}"
        );
        assert!(!url.is_served() && url.host().is_none());
        assert_eq!(DatabaseUrl::parse(&url.expose()).unwrap(), url, "{}", url.expose());
    }
    assert!(url("jdbc+sqlite://:memory:").is_memory() && url("jdbc:sqlite::memory:").is_memory());
    let user = url("jdbc+h2://mem:x?user=sa&password=hunter2&MODE=MySQL");
    assert_eq!((user.username(), user.password()), (Some("sa"), Some("hunter2")));
    assert_eq!(user.to_string(), "jdbc+h2://mem:x?user=sa&password=***&MODE=MySQL");
    assert_eq!(user.with_database("mem:y").database(), Some("mem:y"));
}

#[test]
fn b3_an_address_of_a_module_is_its_own() {
    let plain = url("dbapi2://testsuite.sqlite3?dbapi_path=sqlite3");
    assert_eq!(
        (plain.bridge(), plain.database()),
        (Some(Bridge::DbApi), Some("testsuite.sqlite3"))
    );
    let server = url("dbapi2+postgresql://ada:x@h/d");
    assert_eq!((server.dialect(), server.host()), (Dialect::Postgres, Some("h")));
}

#[test]
fn u2_no_address_of_a_driver_shows_its_secrets() {
    for text in [
        "jdbc+h2://mem:x;USER=sa;PASSWORD=hunter2",
        "jdbc:oracle:thin:scott/hunter2@//h:1521/x",
        "jdbc:sqlserver://h;user=sa;password=hunter2",
        "jdbc+h2://mem:x?password=hunter2",
        "dbapi2://host=h%20password=hunter2%20user=u?dbapi_path=psycopg",
        "jdbc+foo://x?jdbc_driver_args=%7B%22password%22:%22hunter2%22%7D",
    ] {
        let url = url(text);
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
        assert!(url.expose().contains("hunter2"));
    }
}

#[test]
fn b9_wrong_addresses_of_drivers_are_refused() {
    for (text, words) in [
        ("jdbc:x", "names no driver after `jdbc:`"),
        ("jdbc+://x", "no driver is named after `jdbc+`"),
        ("jdbc+h2:mem:x", "`//` is missing after `jdbc+h2:`"),
        ("jdbc+mysql://h:port/d", "the port"),
    ] {
        assert!(refusal(text).contains(words), "{text}: {}", refusal(text));
    }
}

fn bridged() -> impl Strategy<Value = DatabaseUrl> {
    let scheme = prop::sample::select(vec![
        "jdbc+h2",
        "jdbc+postgresql",
        "jdbc+foo",
        "dbapi2",
        "dbapi2+mysql",
        "jdbc",
    ]);
    let text = || {
        prop_oneof![any::<String>(), "[ -~]{0,12}", "[/?#@:;%+&= \\[\\]]{1,6}"].prop_map(|text| text.replace('\0', ""))
    };
    let host = option::of("[a-z0-9.-]{1,12}");
    let parts = (
        option::of(text()),
        option::of(text()),
        host,
        option::of(1_u16..),
        option::of(text()),
    );
    (scheme, parts, prop::collection::vec(("[a-z_]{1,6}x", text()), 0..3)).prop_map(|(scheme, parts, options)| {
        // A port belongs to a host.
        let port = parts.3.filter(|_| parts.2.is_some());
        url(&format!("{scheme}://"))
            .with_options(options)
            .with_username(parts.0.as_deref())
            .with_password(parts.1.as_deref())
            .with_host(parts.2.as_deref())
            .with_port(port)
            .with_database(parts.4.as_deref())
    })
}

proptest! {
    #[test]
    fn u4_any_url_of_a_bridge_round_trips(url in bridged()) {
        let exposed = url.expose();
        let read = DatabaseUrl::parse(&exposed);
        prop_assert!(read.is_ok(), "{}: {:?}", exposed, read);
        let read = read.unwrap();
        prop_assert_eq!(&read, &url, "{}", exposed);
        prop_assert_eq!(read.expose(), exposed);
    }

    #[test]
    fn u4_each_replacement_in_a_url_of_a_bridge_touches_one_part(url in bridged(), new in "[ -~]{0,12}") {
        let again = |url: DatabaseUrl| DatabaseUrl::parse(&url.expose()).unwrap();
        let new = Some(new.as_str());
        prop_assert_eq!(again(url.clone().with_password(new)).with_password(url.password()), url.clone());
        prop_assert_eq!(again(url.clone().with_username(new)).with_username(url.username()), url.clone());
        prop_assert_eq!(again(url.clone().with_database(new)).with_database(url.database()), url.clone());
        prop_assert_eq!(again(url.clone().with_option("zz", new)).with_option("zz", None), url);
    }

    #[test]
    fn u2_no_password_of_a_bridge_shows(url in bridged(), password in "[A-Z]{8}[^\0]{0,5}") {
        let shown = format!("{0} {0:?}", url.with_password(password.as_str()));
        prop_assert!(!shown.contains(&password) && shown.contains("***"), "{}", shown);
    }

    #[test]
    fn nothing_panics_in_a_url_of_a_bridge(text in any::<String>(), scheme in "(jdbc|dbapi2)(:|://|:h2:|[+]h2://)") {
        if let Ok(url) = DatabaseUrl::parse(&format!("{scheme}{text}")) {
            let _ = (url.expose(), url.to_string(), url.sqlite_path(), url.is_memory());
        }
    }
}

#[test]
fn b4_every_form_of_an_odbc_url_has_the_same_parts() {
    for text in [
        "odbc+postgresql://ada:s3cr%40t@db.example:5433/shop?SSLmode=require",
        "odbc+postgresql:///?Server=db.example&PORT=5433&database=shop&UID=ada&pwd=s3cr%40t&sslmode=require",
        "odbc+postgresql:Servername=db.example;Port=5433;Database=shop;Uid=ada;Pwd={s3cr@t};SSLmode=require",
    ] {
        let url = url(text);
        assert_eq!(url.bridge(), Some(Bridge::Odbc), "{text}");
        assert_eq!(
            (url.subprotocol(), url.dialect()),
            (Some("postgresql"), Dialect::Postgres)
        );
        assert_eq!((url.username(), url.password()), (Some("ada"), Some("s3cr@t")));
        assert_eq!(
            (url.host(), url.port(), url.database()),
            (Some("db.example"), Some(5433), Some("shop")),
            "{text}"
        );
        assert_eq!(url.option("sslmode"), Some("require"));
        assert!(!url.to_string().contains("s3cr"), "{url}");
        assert_eq!(url.expose().parse::<DatabaseUrl>().unwrap(), url);
    }
    for (text, driver, source, database) in [
        ("odbc://shop", None, Some("shop"), None),
        ("odbc://ada:p@shop", None, Some("shop"), None),
        ("odbc:DSN=My Shop", None, Some("My Shop"), None),
        ("odbc:Driver={A; {b}}}", Some("A; {b}"), None, None),
        (
            "odbc:///?driver=SQLite3&database=/data/a.db",
            Some("SQLite3"),
            None,
            Some("/data/a.db"),
        ),
        ("odbc+sqlite://a.db", None, None, Some("a.db")),
        ("odbc:Driver=SQLite3;Database=a.db", Some("SQLite3"), None, Some("a.db")),
        ("odbc:Driver=Exotic;Database=d", Some("Exotic"), None, Some("d")),
    ] {
        let url = url(text);
        assert_eq!(
            (url.option("driver"), url.option("dsn"), url.database()),
            (driver, source, database),
            "{text}"
        );
        assert_eq!(
            url.expose().parse::<DatabaseUrl>().unwrap(),
            url,
            "{text} {}",
            url.expose()
        );
    }
    assert_eq!(
        url("odbc:Driver=SQLite3;Database=a.db").sqlite_path(),
        Some("a.db".into())
    );
    for text in ["odbc:Driver", "odbc:Driver={a;Server=h"] {
        assert!(DatabaseUrl::parse(text).is_err(), "{text}");
    }
}
