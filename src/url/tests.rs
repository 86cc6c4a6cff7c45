use std::collections::HashSet;

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    match DatabaseUrl::parse(text) {
        Ok(url) => panic!("{text} was read as {url:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Url);
            format!("{error} {error:?}")
        }
    }
}

#[test]
fn u1_every_part_is_read_and_decoded() {
    let url = url("postgresql+asyncpg://a%40da:p%3Aw%2F@db.example:5433/my%20shop?a=1&b=x%26y+z&a=2");
    assert_eq!(
        (url.scheme(), url.dialect(), url.driver()),
        ("postgresql", Dialect::Postgres, Some("asyncpg"))
    );
    assert_eq!((url.username(), url.password()), (Some("a@da"), Some("p:w/")));
    assert_eq!(
        (url.host(), url.port(), url.database()),
        (Some("db.example"), Some(5433), Some("my shop"))
    );
    assert_eq!(url.options().len(), 3);
    assert_eq!(url.option_all("a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((url.option("b"), url.option("c")), (Some("x&y z"), None));
}

#[test]
fn u1_parts_may_be_missing() {
    for (text, user, host, port, database) in [
        ("postgres://", None, None, None, None),
        ("postgres:///db", None, None, None, Some("db")),
        ("postgres://h", None, Some("h"), None, None),
        ("mysql://:3307/db", None, None, Some(3307), Some("db")),
        ("mysql://u@/db", Some("u"), None, None, Some("db")),
        ("MySQL://u@h?charset=latin1", Some("u"), Some("h"), None, None),
    ] {
        let url = url(text);
        assert_eq!(
            (url.username(), url.host(), url.port(), url.database()),
            (user, host, port, database),
            "{text}"
        );
    }
}

#[test]
fn u1_ipv6_hosts_and_sockets() {
    let ipv6 = url("postgres://u:p@[2001:db8::1]:5433/db");
    assert_eq!((ipv6.host(), ipv6.port()), (Some("2001:db8::1"), Some(5433)));
    assert_eq!(url("mysql://[fe80::1%25eth0]").host(), Some("fe80::1%eth0"));
    for text in [
        "postgres://u@/db?host=/run/postgresql",
        "postgres://u@localhost/db?host=/run/postgresql",
        "postgres://u@%2Frun%2Fpostgresql/db",
        "postgres:///db?host=/run/postgresql&user=u",
    ] {
        let url = url(text);
        assert_eq!(
            (url.host(), url.username(), url.database()),
            (Some("/run/postgresql"), Some("u"), Some("db")),
            "{text}"
        );
        assert_eq!(DatabaseUrl::parse(&url.expose()).unwrap(), url);
    }
    assert_eq!(
        url("mysql:///db?socket=/run/my.sock").option("socket"),
        Some("/run/my.sock")
    );
}

#[test]
fn u1_the_parts_of_libpq_options_are_the_parts_of_the_url() {
    let libpq = url("postgres://?host=h&port=5433&user=u&password=p%26w&dbname=d&sslmode=require");
    assert_eq!(libpq, url("postgres://u:p%26w@h:5433/d?sslmode=require"));
    assert_eq!(url("postgres://h/d?user=a@b"), url("postgres://a%40b@h/d"));
    assert_eq!(url("postgres://h/d?host=h"), url("postgres://h/d"));
    assert!(refusal("postgres://u:one@h/d?password=two").contains("`password` contradicts"));
}

#[test]
fn u1_unencoded_characters_are_accepted_where_they_mean_one_thing() {
    for (text, password) in [
        ("postgres://u:p@w@h/d", "p@w"),
        ("postgres://u:p#w@h/d", "p#w"),
        ("postgres://u:p:w@h/d", "p:w"),
        ("postgres://u:p/w@h/d", "p/w"),
        ("postgres://u:p?w@h/d", "p?w"),
        ("postgres://u:100%@h/d", "100%"),
        ("postgres://u:pa ss@h/d", "pa ss"),
        ("postgres://u:pässwörd@h/d", "pässwörd"),
        ("postgres://u:a+b@h/d?x=y@z", "a+b"),
    ] {
        let url = url(text);
        assert_eq!(
            (url.username(), url.host(), url.database()),
            (Some("u"), Some("h"), Some("d")),
            "{text}"
        );
        assert_eq!(url.password(), Some(password), "{text}");
    }
    for text in [
        "postgres://u:12/3@h/d",
        "postgres://u:a@b/c@h/d",
        "postgres://u:a/b@c/d@h/e",
        "postgres://us/er:pw@h/d",
        "postgres://u:1?w@h",
    ] {
        assert!(refusal(text).contains("percent-encode"), "{text}");
    }
    assert_eq!(url("postgres://h/me@home").database(), Some("me@home"));
}

#[test]
fn u1_what_cannot_be_read_is_refused() {
    for (text, words) in [
        ("", "scheme"),
        ("localhost", "scheme"),
        ("/data/app.db", "scheme"),
        ("postgres:localhost/db", "`//` is missing"),
        ("postgres://h:0/db", "from 1 to 65535"),
        ("postgres://h:65536/db", "from 1 to 65535"),
        ("postgres://::1/db", "brackets"),
        ("postgres://[::1/db", "`]`"),
        ("postgres://a:1,b:2/db", "several hosts"),
        ("postgres:///db?host=a,b", "several hosts"),
        ("postgres://u:%ff@h/db", "the password in the URL is not UTF-8"),
        ("postgres://u:%00@h/db", "the password holds a NUL"),
        ("postgres://a b/db", "host"),
    ] {
        let told = refusal(text);
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[test]
fn u2_only_expose_shows_secrets() {
    let secret = "hunter2";
    for text in [
        "postgres://u:hunter2@h/d",
        "postgres://u:%68unter2@h/d",
        "postgres://h/d?password=hunter2",
        "postgres://h/d?sslpassword=hunter2&options=-c%20my.password%3Dhunter2",
        "mysql://:hunter2@/d",
    ] {
        let url = url(text);
        let shown = format!("{url} {url:?} {url:#?}");
        assert!(!shown.contains(secret) && shown.contains("***"), "{shown}");
        assert!(url.expose().contains(secret));
    }
    assert_eq!(url("mysql://u:x@h/d").to_string(), "mysql://u:***@h/d");
}

#[test]
fn u2_no_refusal_holds_a_password() {
    for text in [
        "postgres://u:hunter2",
        "postgres://u:hunter2/d",
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@h,i/d",
        "oracle://u:hunter2@h/d",
        "u:hunter2@h/d",
        "postgres//u:hunter2@h/d",
        "postgres://u:hunter2@h o/d",
        "postgres+nope://u:hunter2@h/d",
        "postgres://u:hunter2%00@h/d",
        "postgres://u:one@h/d?password=hunter2",
        "sqlite://u:hunter2@h/d",
        "postgres://u:h/hunter2@a/b@c/d",
    ] {
        assert!(!refusal(text).contains("hunter2"), "{text}: {}", refusal(text));
    }
}

#[test]
fn u3_equality_and_hash_are_canonical() {
    let urls: HashSet<_> = [
        "postgres://u@h/d?a=1&b=2&a=3",
        "postgresql://u@h/d?a=1&a=3&b=2",
        "postgres://%75@h/d?b=2&a=1&a=3",
        "sqlite://",
        "sqlite::memory:",
        "sqlite:///:memory:",
    ]
    .map(url)
    .into();
    assert_eq!(urls.len(), 2);
    assert_ne!(url("postgres://h/d?a=1&a=3"), url("postgres://h/d?a=3&a=1"));
    assert_ne!(url("postgres://h/d"), url("mysql://h/d"));
    assert_ne!(url("postgres://u:a@h/d"), url("postgres://u:b@h/d"));
}

#[test]
fn u4_replacing_one_part_keeps_the_others() {
    let full = url("postgres+asyncpg://us%40er:p%23%3F%2F%25w@[::1]:5433/d%2Fb?a=1");
    let expose = |url: DatabaseUrl| url.expose();
    assert_eq!(
        expose(full.clone().with_port(1)),
        "postgres+asyncpg://us%40er:p%23%3F%2F%25w@[::1]:1/d%2Fb?a=1"
    );
    assert_eq!(
        expose(full.clone().with_host("[::2]")),
        "postgres+asyncpg://us%40er:p%23%3F%2F%25w@[::2]:5433/d%2Fb?a=1"
    );
    assert_eq!(
        expose(full.clone().with_host(None)),
        "postgres+asyncpg://us%40er:p%23%3F%2F%25w@:5433/d%2Fb?a=1"
    );
    assert_eq!(
        expose(full.clone().with_driver(None)),
        "postgres://us%40er:p%23%3F%2F%25w@[::1]:5433/d%2Fb?a=1"
    );
    assert_eq!(
        expose(full.clone().with_dialect(Dialect::MySql)),
        "mysql://us%40er:p%23%3F%2F%25w@[::1]:5433/d%2Fb?a=1"
    );
    assert_eq!(
        expose(full.clone().with_username(None).with_password(None)),
        "postgres+asyncpg://[::1]:5433/d%2Fb?a=1"
    );
    assert_eq!(
        expose(full.clone().with_database(None).with_options([("x", "1 2")])),
        "postgres+asyncpg://us%40er:p%23%3F%2F%25w@[::1]:5433?x=1%202"
    );
    assert_eq!(
        full.clone().with_option("a", "2").with_option("b", "3").options(),
        [("a".into(), "2".into()), ("b".into(), "3".into())]
    );
    assert_eq!(full.clone().with_option("a", None).options(), []);
    assert_eq!(full.clone().with_option("host", "/run/pg").host(), Some("/run/pg"));
    assert_eq!(full.with_option("password", "new").password(), Some("new"));
}

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
fn u6_sqlite_paths() {
    for (text, path) in [
        ("sqlite::memory:", None),
        ("sqlite://:memory:", None),
        ("sqlite://", None),
        ("sqlite:", None),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
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
    for text in ["mssql://h", "oracle://h", "jdbc:postgresql://h"] {
        let told = refusal(text);
        assert!(
            ["postgres", "postgresql", "mysql", "mariadb", "sqlite"]
                .iter()
                .all(|name| told.contains(name)),
            "{told}"
        );
    }
}

/// Generates text without NUL, which no part may contain.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~]{0,12}", "[/?#@:%+&= \\[\\]]{1,6}",].prop_map(|text| text.replace('\0', ""))
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.-]{1,12}",
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        "/[a-z/ %@:]{1,9}"
    ]
}

fn server() -> impl Strategy<Value = DatabaseUrl> {
    let scheme = prop::sample::select(vec!["postgres", "postgresql+asyncpg", "mysql", "mariadb+asyncmy"]);
    let option = ("[a-z_]{1,6}x", text());
    let parts = (
        option::of(text()),
        option::of(text()),
        option::of(host()),
        option::of(1_u16..),
        option::of(text()),
    );
    (scheme, parts, prop::collection::vec(option, 0..4)).prop_map(|(scheme, parts, options)| {
        url(&format!("{scheme}://"))
            .with_username(parts.0.as_deref())
            .with_password(parts.1.as_deref())
            .with_host(parts.2.as_deref())
            .with_port(parts.3)
            .with_database(parts.4.as_deref())
            .with_options(options)
    })
}

proptest! {
    #[test]
    fn u4_any_url_round_trips(url in server()) {
        let exposed = url.expose();
        let read = DatabaseUrl::parse(&exposed);
        prop_assert!(read.is_ok(), "{}: {:?}", exposed, read);
        let read = read.unwrap();
        prop_assert_eq!(&read, &url);
        prop_assert_eq!((read.password(), read.database(), read.host()), (url.password(), url.database(), url.host()));
        prop_assert_eq!(read.expose(), exposed);
    }

    #[test]
    fn u4_each_replacement_touches_one_part(url in server(), new in text(), port in 1_u16..) {
        let again = |url: DatabaseUrl| DatabaseUrl::parse(&url.expose()).unwrap();
        let new = Some(new.as_str());
        prop_assert_eq!(again(url.clone().with_password(new)).with_password(url.password()), url.clone());
        prop_assert_eq!(again(url.clone().with_username(new)).with_username(url.username()), url.clone());
        prop_assert_eq!(again(url.clone().with_database(new)).with_database(url.database()), url.clone());
        prop_assert_eq!(again(url.clone().with_port(port)).with_port(url.port()), url.clone());
        prop_assert_eq!(again(url.clone().with_host("::1")).with_host(url.host()), url.clone());
        prop_assert_eq!(again(url.clone().with_option("zz", new)).with_option("zz", None), url);
    }

    #[test]
    fn u4_any_sqlite_path_round_trips(path in text(), driver in any::<bool>()) {
        let url = url("sqlite://").with_database(path.as_str()).with_driver(driver.then_some("aiosqlite"));
        let read = DatabaseUrl::parse(&url.expose());
        prop_assert!(read.is_ok(), "{}: {:?}", url.expose(), read);
        prop_assert_eq!(read.unwrap().sqlite_path(), url.sqlite_path());
    }

    #[test]
    fn u2_no_password_shows_in_display(password in "[A-Z]{8}[^\0]{0,5}") {
        let shown = url("postgres://u@h/d").with_password(password.as_str());
        prop_assert_eq!(shown.to_string(), "postgres://u:***@h/d");
    }

    #[test]
    fn u2_no_text_at_all_makes_an_error_with_its_password(password in "[A-Z]{8}[/?#@:%&= ]{0,4}[A-Z]{8}", rest in "[@:/?a-z0-9,\\[\\]]{0,12}") {
        if let Err(error) = DatabaseUrl::parse(&format!("postgres://u:{password}{rest}")) {
            let told = format!("{error} {error:?}");
            prop_assert!(!told.contains(&password[..8]) && !told.contains(&password[password.len() - 8..]), "{}", told);
        }
    }

    #[test]
    fn nothing_panics(text in any::<String>(), scheme in "(postgres|mysql|sqlite)(:|://)") {
        let _ = DatabaseUrl::parse(&text);
        if let Ok(url) = DatabaseUrl::parse(&format!("{scheme}{text}")) {
            let _ = (url.expose(), url.to_string(), url.sqlite_path());
        }
    }
}
