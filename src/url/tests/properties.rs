use proptest::option;
use proptest::prelude::*;

use super::*;

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
    fn u4_encoded_text_in_the_password_is_read_as_itself(password in text()) {
        let read = url(&format!("postgres://u:{}@h/d", percent_encoded(&password)));
        prop_assert_eq!(read.password(), Some(password.as_str()));
    }

    #[test]
    fn u4_any_url_goes_to_the_web_and_back(url in server()) {
        let expected = url.clone().with_password(url.password().filter(|password| !password.is_empty()));
        // A `Url` has no name of a database that is `.` or `..`.
        if let Ok(web) = url.expose_url() {
            prop_assert_eq!(DatabaseUrl::try_from(web).unwrap(), expected);
        } else {
            prop_assert!(url.database().is_some_and(|name| [".", ".."].contains(&name)), "{}", url.expose());
        }
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
