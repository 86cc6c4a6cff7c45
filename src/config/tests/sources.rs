//! C1: all shapes mean the same, and errors name wrong keys.

use std::time::Duration;

use serde_json::{Value, json};

use super::{config, value, value_refusal};
use crate::config::*;
use crate::error::ErrorKind;

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
fn c1_a_url_of_the_web_is_a_source() {
    let text = "postgresql://ada:s%40cret@db.example:5433/shop?sslmode=require&pool_size=3";
    let web = url::Url::parse(text).unwrap();
    assert_eq!((&web).into_config().unwrap(), config(text));
    assert_eq!(Config::from_url(&web).unwrap(), config(text));
    assert_eq!(web.into_config().unwrap(), config(text));
    let error = url::Url::parse("postgres://h/shop?pool_sise=3")
        .unwrap()
        .into_config()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Url);
    assert!(error.to_string().contains("`pool_size`"), "{error}");
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
            "`connection.host` belongs in `connection.credentials`",
        ),
        (
            in_connection(json!({"pool_size": 3, "url": "sqlite://"})),
            "`connection.pool_size` belongs in the top",
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
            "a URL belongs under `url`",
        ),
        (
            json!({"connection": "sqlite://", "host": "x"}),
            "`host` belongs in `connection.credentials`",
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
        let text = value_refusal(shape.clone());
        assert!(text.starts_with("Config: ") && text.contains(words), "{shape}: {text}");
    }
    assert!(value_refusal(json!({"scheme": "mongodb"})).contains("unknown scheme `mongodb`"));
    let error = serde_json::from_value::<Config>(json!({"connection": {"hots": 1}})).unwrap_err();
    assert!(error.to_string().contains("`connection.hots`"), "{error}");
}
