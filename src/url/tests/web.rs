use url::Url;

use super::*;

fn web(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn u1_a_url_of_the_web_is_read_like_its_text() {
    for text in [
        "postgresql+asyncpg://a%40da:p%3Aw%2F@db.example:5433/my%20shop?a=1&b=x%26y+z&a=2",
        "postgres://u@localhost/db?host=/run/postgresql",
        "postgres://u@%2Frun%2Fpostgresql/db",
        "postgres://u:100%@h/d",
        "mysql://[2001:db8::1]/d",
        "mysql://H",
        "sqlite::memory:",
        "sqlite://",
        "sqlite:file:app.db?mode=ro",
        "sqlite://data/app.db",
        "sqlite:////data/app.db",
        "sqlite+aiosqlite:///app.db",
    ] {
        assert_eq!(DatabaseUrl::try_from(web(text)).unwrap(), url(text), "{text}");
        assert_eq!(DatabaseUrl::try_from(&web(text)).unwrap(), url(text), "{text}");
    }
}

#[test]
fn u1_an_at_sign_behind_the_address_is_never_ambiguous_in_a_url_of_the_web() {
    let text = "postgres://h:5432/a@b/c?application_name=x@y";
    assert!(refusal(text).contains("percent-encode"));
    let read = DatabaseUrl::try_from(web(text)).unwrap();
    assert_eq!((read.host(), read.database()), (Some("h"), Some("a@b/c")));
    assert_eq!(read.option("application_name"), Some("x@y"));
}

#[test]
fn u1_what_a_url_of_the_web_splits_at_an_unencoded_hash_is_refused() {
    for text in [
        "postgres://u:12#w@h/d",
        "postgres://u#w@h/d?host=/run/pg",
        "mysql://%2F#w@h/d",
        "sqlite://a#b.db",
    ] {
        assert!(DatabaseUrl::parse(text).is_ok(), "{text}");
        let error = DatabaseUrl::try_from(web(text)).unwrap_err();
        assert!(error.to_string().contains("%23"), "{text}: {error}");
    }
}

#[test]
fn u2_no_refusal_of_a_url_of_the_web_holds_a_password() {
    for text in [
        "oracle://u:hunter2@h/d",
        "http://u:hunter2@h/d",
        "postgres:u:hunter2",
        "postgres://u:hunter2%00@h/d",
        "postgres://u:hunter2@h:0/d",
        "postgres://u:12#hunter2@h/d",
        "postgres://u:one@h/d?password=hunter2",
        "sqlite://u:hunter2@h/d",
    ] {
        let error = DatabaseUrl::try_from(web(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Url);
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2"), "{text}: {told}");
    }
}

#[test]
fn u4_every_part_is_exposed_to_the_web() {
    for (text, expected) in [
        (
            "postgres://u:p/w#?@h:1/d%2Fb?a=1",
            "postgres://u:p%2Fw%23%3F@h:1/d%2Fb?a=1",
        ),
        ("postgres://[::1]:5433", "postgres://[::1]:5433"),
        ("mysql://u:@h/d", "mysql://u@h/d"),
        ("mysql://u:p@/d?x=1", "mysql:///d?user=u&password=p&x=1"),
        ("mysql://:3307/d", "mysql:///d?port=3307"),
        ("postgres://u@/d?host=/run/pg", "postgres:///d?host=/run/pg&user=u"),
        ("mysql://[fe80::1%25eth0]/d", "mysql:///d?host=fe80::1%25eth0"),
        ("sqlite://:memory:", "sqlite::memory:"),
        ("sqlite://a:b.db", "sqlite:a:b.db"),
        ("sqlite:../app.db?mode=ro", "sqlite://../app.db?mode=ro"),
        ("sqlite+aiosqlite:////data/app.db", "sqlite+aiosqlite:////data/app.db"),
    ] {
        let exposed = url(text).expose_url().unwrap();
        assert_eq!(exposed.as_str(), expected, "{text}");
    }
}

#[test]
fn u4_what_a_url_of_the_web_cannot_hold_is_refused() {
    for text in [
        "mysql+mysql_async://u:hunter2@h/d",
        "postgres://u:hunter2@h/..",
        "sqlite:///data/../app.db",
    ] {
        let error = url(text).expose_url().unwrap_err();
        let told = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Url);
        assert!(told.contains("`..`") && !told.contains("hunter2"), "{told}");
    }
}
