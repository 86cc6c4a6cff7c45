use std::collections::HashSet;

use super::*;

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
    for text in ["postgres://?hostaddr=&host=h", "postgres://h?hostaddr="] {
        assert_eq!(url(text), url("postgres://h"), "{text}");
    }
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
        ("postgres://u:%4@h/d", "%4"),
        ("postgres://u:%zz@h/d", "%zz"),
        ("postgres://u:%%41%@h/d", "%A%"),
        ("postgres://u:p\tw@h/d", "p\tw"),
        ("postgres://u:@h/d", ""),
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
        ("postgres://u:p@h/%ff", "%C3%A9"),
        (
            "postgres://u:p@h/db?%ff=1",
            "the name of an option in the URL is not UTF-8",
        ),
        ("postgres://u:p@h/db?a=%ff", "the option `a` in the URL is not UTF-8"),
        ("postgres://[::1]x/db", "unexpected text"),
        ("postgres://u:%00@h/db", "the password holds a NUL"),
        ("postgres://h/db?a=%00", "an option holds a NUL"),
        ("postgres://a b/db", "host"),
    ] {
        let told = refusal(text);
        assert!(told.contains(words), "{text}: {told}");
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
