//! C3, C4: the precedence of settings, copies, and secrets that are never shown.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::{any_config, config, settings, value, value_refusal};
use crate::config::*;
use crate::error::ErrorKind;

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
        let message = value_refusal(shape);
        assert!(!message.contains("hunter2"), "{message}");
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
        (config("sqlite://").host("h"), "a SQLite URL cannot have a host"),
    ] {
        let message = wrong.into_config().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
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
fn c5_a_replica_has_the_level_that_a_standby_can_have() {
    let level = |url: &str, replica: &str| {
        let replicas = config(url).replica(replica).unwrap().of_replicas().unwrap();
        replicas[0].settings().isolation_level
    };
    let (serializable, committed) = ("?isolation_level=serializable", "?isolation_level=read_committed");
    for server in ["postgres://h/d", "mysql://h/d"] {
        let of = |option: &str| level(&format!("{server}{option}"), server);
        assert_eq!(of(serializable), Some(IsolationLevel::RepeatableRead));
        assert_eq!(of(committed), Some(IsolationLevel::ReadCommitted));
        assert_eq!(of(""), None);
    }
    let file = level("sqlite://a.db?isolation_level=serializable", "sqlite://b.db");
    assert_eq!(file, Some(IsolationLevel::Serializable));
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
            "`replicas[1]`: the replica of a MySQL database cannot be a PostgreSQL database",
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
