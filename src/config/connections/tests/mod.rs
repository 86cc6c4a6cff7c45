//! Configurations of several connections: shapes, variables, errors.

mod files;

use serde_json::{Value, json};

use super::*;
use crate::sql::Dialect;

const SECRET: &str = "s3cr3t/p@ss:w?rd#100%";

fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "DATABASE_PASSWORD" => SECRET,
        "DATABASE_URL" => "postgres://ada:s3cr3t@db.example/shop?pool_size=4",
        "HOST" => "db.example",
        "EMPTY" => "",
        "PORT" => "6543",
        "ODD" => "x1",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(value: &Value) -> Result<ConnectionsConfig> {
    ConnectionsConfig::from_value_with(value, lookup)
}

fn one(value: &Value) -> Config {
    let config = read(&json!({"connections": {"default": value}})).unwrap();
    config.get("default").unwrap().clone()
}

/// Returns the error, which must not show the value of a variable.
fn error(value: &Value) -> String {
    let error = read(value).unwrap_err();
    let text = format!("{error}\n{error:?}");
    assert!(!text.contains("s3cr3t"), "{text}");
    error.to_string()
}

fn error_of_one(value: &Value) -> String {
    error(&json!({"connections": {"default": value}}))
}

#[test]
fn c2_every_shape_of_a_connection_is_read() {
    let url = "postgresql://ada:pw@db.example:5433/shop?pool_size=7";
    let credentials =
        json!({"host": "db.example", "port": "5433", "user": "ada", "password": "pw", "database": "shop"});
    let mut flat = credentials.clone();
    flat["scheme"] = "postgresql".into();
    flat["pool_size"] = 7.into();
    let mut sized = credentials.clone();
    sized["maxsize"] = 7.into();
    for value in [
        json!(url),
        json!({"url": "postgresql://ada:pw@db.example:5433/shop", "pool_size": 7}),
        json!({"engine": "tortoise.backends.asyncpg", "credentials": credentials, "pool_size": 7}),
        json!({"engine": "tortoise.backends.psycopg", "credentials": sized}),
        json!({"connection": {"engine": "asyncpg", "credentials": credentials}, "pool_size": 7}),
        flat,
    ] {
        let config = one(&value);
        let url = config.url();
        assert_eq!(
            (url.host(), url.port(), url.username(), url.password(), url.database()),
            (Some("db.example"), Some(5433), Some("ada"), Some("pw"), Some("shop")),
            "{value}"
        );
        assert_eq!(config.settings().pool_size, 7, "{value}");
    }
}

#[test]
fn c2_engines_of_tortoise_are_known() {
    for (engine, credentials, dialect) in [
        ("asyncpg", json!({"database": "shop"}), Dialect::Postgres),
        ("psycopg", json!({"database": "shop"}), Dialect::Postgres),
        (
            "mysql",
            json!({"database": "shop", "charset": "utf8mb4"}),
            Dialect::MySql,
        ),
        (
            "sqlite",
            json!({"file_path": "shop.db", "journal_mode": "WAL", "journal_size_limit": 16384, "foreign_keys": "ON"}),
            Dialect::Sqlite,
        ),
    ] {
        for prefix in ["tortoise.backends.", ""] {
            let config = one(&json!({"engine": format!("{prefix}{engine}"), "credentials": credentials}));
            assert_eq!(config.dialect(), dialect, "{engine}");
        }
    }
    let config = one(&json!({"engine": "tortoise.backends.mysql", "credentials": {
        "database": "shop", "minsize": 1, "maxsize": 9, "connect_timeout": 3, "echo": true, "no_delay": true,
        "storage_engine": "InnoDB", "ssl": false}}));
    assert_eq!(config.settings().pool_size, 9);
    let text = error_of_one(&json!({"engine": "tortoise.backends.oracle", "credentials": {}}));
    assert!(
        text.starts_with("`connections.default.engine`: unknown scheme `oracle`"),
        "{text}"
    );
}

#[test]
fn c2_apps_and_routers_are_read() {
    let config = read(&json!({
        "connections": {"default": "sqlite://a.db", "log": "sqlite://b.db"},
        "apps": {"shop": {"models": ["shop.models", "shop.more"]}, "audit": {"models": "audit", "default_connection": "log"}},
        "routers": ["shop.Router"], "use_tz": true, "timezone": "UTC",
    }))
    .unwrap();
    assert!(config.aliases().eq(["default", "log"]));
    assert_eq!(config.apps()["shop"].models(), ["shop.models", "shop.more"]);
    assert_eq!(config.apps()["shop"].default_connection(), "default");
    assert_eq!(config.apps()["audit"], AppConfig::new("log").model("audit"));
    assert_eq!(config.routers(), ["shop.Router"]);
    assert_eq!(config.warnings().len(), 2, "nothing is dropped silently");

    let only = read(&json!({"connections": {"main": "sqlite://a.db"}, "apps": {"shop": {}}})).unwrap();
    assert_eq!(only.apps()["shop"].default_connection(), "main");
}

#[test]
fn c2_variables_are_replaced() {
    let config = one(&json!(
        "postgres://${NOBODY:-ada}:${DATABASE_PASSWORD}@${HOST}:${PORT}/${NAME:-shop}?pool_size=${SIZE:-3}"
    ));
    let url = config.url();
    assert_eq!(
        (url.username(), url.password(), url.host(), url.port(), url.database()),
        (Some("ada"), Some(SECRET), Some("db.example"), Some(6543), Some("shop"))
    );
    assert_eq!(config.settings().pool_size, 3);
    assert_eq!(one(&json!("${DATABASE_URL}")).url().password(), Some("s3cr3t"));
    assert_eq!(one(&json!("${DATABASE_URL}&echo=true")).settings().pool_size, 4);

    let config = one(
        &json!({"engine": "asyncpg", "pool_size": "${EMPTY:-2}", "credentials": {
        "port": "${PORT}", "password": "${DATABASE_PASSWORD}", "database": "pa$$word $x $", "user": "$${HOST}"}}),
    );
    assert_eq!(config.url().password(), Some(SECRET));
    assert_eq!(config.url().port(), Some(6543));
    assert_eq!(config.url().database(), Some("pa$word $x $"));
    assert_eq!(config.url().username(), Some("${HOST}"));
    assert_eq!(config.settings().pool_size, 2);

    // Configurations that serde reads or code builds are taken unchanged.
    let value = json!({"connections": {"default": "postgres://ada:$${HOST}@db.example"}});
    let config: ConnectionsConfig = serde_json::from_value(value).unwrap();
    assert_eq!(config.get("default").unwrap().url().password(), Some("$${HOST}"));
}

#[test]
fn c2_a_variable_that_cannot_be_replaced_is_named_with_its_path() {
    for (text, expected) in [
        (
            "${DATABASE_PASWORD}",
            "`connections.default.credentials.password`: the environment variable `DATABASE_PASWORD` is not set",
        ),
        ("${X", "`connections.default.credentials.password`: a `${` has no `}`"),
        (
            "${a b}",
            "`connections.default.credentials.password`: there is no valid variable name between `${` and `}`",
        ),
        (
            "${A:-${B}}",
            "`connections.default.credentials.password`: the default of `A` cannot contain another variable",
        ),
    ] {
        let text = error_of_one(&json!({"engine": "asyncpg", "credentials": {"password": text}}));
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn c2_no_error_shows_what_a_variable_holds() {
    for (value, expected) in [
        (json!("${DATABASE_PASSWORD}"), "`connections.default`"),
        (
            json!("postgres://ada@db.example/shop?pool_size=${DATABASE_PASSWORD}"),
            "pool_size",
        ),
        (
            json!("postgres://ada@db.example/shop?${DATABASE_PASSWORD}"),
            "`connections.default`",
        ),
        (
            json!("postgres://ada@db.example:${DATABASE_PASSWORD}/shop"),
            "`connections.default`",
        ),
        (
            json!({"url": "${DATABASE_URL}", "pool_size": "${DATABASE_PASSWORD}"}),
            "`connections.default.pool_size`",
        ),
        (
            json!({"engine": "${DATABASE_PASSWORD}", "credentials": {}}),
            "connections.default",
        ),
        (
            json!({"engine": "asyncpg", "credentials": {"port": "${DATABASE_PASSWORD}"}}),
            "`connections.default.credentials.port`",
        ),
        (
            json!({"engine": "asyncpg", "credentials": {"ssl": "${DATABASE_PASSWORD}"}}),
            "`connections.default.credentials.ssl`",
        ),
    ] {
        let text = error_of_one(&value);
        assert!(text.contains(expected), "{text}");
    }
    let text = error_of_one(&json!({"url": "sqlite://a.db", "pool_size": "${ODD}"}));
    assert!(
        text.starts_with("`connections.default.pool_size` is `${ODD}`, but must be"),
        "{text}"
    );
    let text = error(&json!({"connections": {"default": "sqlite://a.db"},
        "apps": {"shop": {"default_connection": "${DATABASE_PASSWORD}"}}}));
    assert!(text.contains("there is no connection `${DATABASE_PASSWORD}`"), "{text}");
}

#[test]
fn c2_unknown_and_misplaced_keys_name_their_path() {
    let connections = json!({"default": "sqlite://a.db"});
    for (value, expected) in [
        (
            json!([]),
            "the configuration is a list, but must be a table with the key `connections`",
        ),
        (json!({}), "`connections` is missing"),
        (json!({"connections": {}}), "`connections` is empty"),
        (
            json!({"connections": []}),
            "`connections` is a list, but must be a table of aliases",
        ),
        (
            json!({"conections": {}}),
            "`conections`: unknown key\n  help: did you mean `connections`?",
        ),
        (
            json!({"connections": connections, "credentials": {}}),
            "`credentials` belongs to one connection\n  help: put it under its alias: `connections.default.credentials`",
        ),
        (
            json!({"connection": "sqlite://a.db"}),
            "`connection` belongs to one connection\n  help: this is",
        ),
        (
            json!({"connections": connections, "models": []}),
            "`models` belongs in an app: `apps.<name>.models`",
        ),
        (
            json!({"connections": connections, "router": []}),
            "`router`: unknown key\n  help: did you mean `routers`?",
        ),
        (
            json!({"connections": connections, "routers": [1]}),
            "`routers[0]` is a number, but must be text",
        ),
        (
            json!({"connections": connections, "apps": {"a": []}}),
            "`apps.a` is a list, but must be a table with",
        ),
        (
            json!({"connections": connections, "apps": {"a": {"model": []}}}),
            "`apps.a.model`: unknown key\n  help: did you mean `models`?",
        ),
        (
            json!({"connections": connections, "apps": {"a": {"default_connection": "defualt"}}}),
            "`apps.a.default_connection`: there is no connection `defualt`; the known ones are `default`\n  help: did you mean `default`?",
        ),
        (
            json!({"connections": {"x": "sqlite://a.db", "y": "sqlite://b.db"}, "apps": {"a": {}}}),
            "`apps.a.default_connection` is missing, there is no connection `default`",
        ),
    ] {
        let text = error(&value);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn c2_mistakes_in_a_connection_name_their_path() {
    for (value, expected) in [
        (
            json!(7),
            "`connections.default` is a number, but must be a URL or a table",
        ),
        (
            json!("sqlight://a.db"),
            "`connections.default`: unknown scheme `sqlight`",
        ),
        (
            json!("sqlite://a.db?pool_sise=3"),
            "`connections.default`: the option `pool_sise` is unknown",
        ),
        (
            json!({"engine": "asyncpg", "credentials": {"hots": "x"}}),
            "`connections.default.credentials.hots`: unknown key\n  help: did you mean `host`?",
        ),
        (
            json!({"credentials": {}}),
            "`connections.default.credentials.scheme` is missing",
        ),
        (
            json!({"engine": "asyncpg", "credentials": {}, "host": "x"}),
            "`connections.default.host` belongs in `connections.default.credentials`",
        ),
        (
            json!({"url": "sqlite://a.db", "credentials": {}}),
            "both `connections.default.url` and `connections.default.credentials` define",
        ),
        (
            json!({"url": "sqlite://a.db", "host": "x"}),
            "`connections.default.host` is given in addition to `connections.default.url`",
        ),
        (
            json!({"url": "sqlite://a.db", "pool_size": "many"}),
            "`connections.default.pool_size` is `many`, but must be",
        ),
        (
            json!({"connection": {"credentials": {"scheme": "sqlite"}, "pool_size": 3}}),
            "`connections.default.connection.pool_size` belongs in `connections.default`",
        ),
        (
            json!({"connection": {"host": "x"}}),
            "`connections.default.connection.host` belongs in `connections.default.connection.credentials`",
        ),
        (
            json!({"engine": "sqlite", "credentials": {"host": "x"}}),
            "`connections.default.credentials.host`: SQLite has no server",
        ),
    ] {
        let text = error_of_one(&value);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn c2_what_is_built_in_code_is_checked() {
    let config = ConnectionsConfig::new().connection("log", "sqlite://a.db").unwrap();
    assert!(config.check().is_ok());
    let error = config
        .clone()
        .app("shop", AppConfig::new("default"))
        .check()
        .unwrap_err();
    assert!(
        error
            .message()
            .starts_with("`apps.shop.default_connection`: there is no connection `default`")
    );
    let error = config.connection("shop", "sqlight://").unwrap_err();
    assert!(
        error.message().starts_with("connection `shop`: unknown scheme"),
        "{error}"
    );
}
