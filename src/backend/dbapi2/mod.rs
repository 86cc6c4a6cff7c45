//! Databases with a module of Python's DB-API 2.

mod arguments;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use super::Connector;
use super::sidecar::{self, Limits, SessionText, Sharing, SidecarKind, Target};
use super::sqlite::DatabaseFile;
use crate::config::{Config, DbApiPool};
use crate::error::{Error, ErrorKind, Result};
use crate::url::{product_of_subprotocol, without_secrets};
use arguments::Arguments;

/// Returns the connector for the database of a configuration.
pub(super) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    target(config).map(sidecar::connector)
}

fn target(config: &Config) -> Result<Target> {
    let settings = config.settings();
    let module = module(config)?;
    let arguments = Arguments::of(config, module)?;
    let secrets = arguments.secrets(config);
    let place = format!(
        "{} through the Python module `{module}`",
        without_secrets(&arguments.shown)
    );
    let mut open = vec![("module".to_owned(), module.to_owned())];
    let json = |value: &serde_json::Value| value.to_string();
    open.extend(
        arguments
            .positional
            .iter()
            .map(|value| ("argument".to_owned(), json(value))),
    );
    open.extend(
        arguments
            .keywords
            .iter()
            .map(|(name, value)| ("keyword".to_owned(), format!("{name}={}", json(value)))),
    );
    let python = settings.bridge.python.clone();
    Ok(Target {
        kind: SidecarKind::DbApi,
        dialect: config.dialect(),
        product: product_of_subprotocol(config.product_name()),
        command: vec![python.map_or_else(|| "python3".into(), PathBuf::into_os_string)],
        open,
        secrets,
        session: SessionText::of(config)?,
        file: DatabaseFile::of(config),
        place,
        shared: match settings.bridge.dbapi_pool {
            DbApiPool::Thread => Sharing::Program,
            DbApiPool::Process => Sharing::Connection,
        },
        limits: Limits::default(),
    })
}

/// Returns the module of a configuration.
fn module(config: &Config) -> Result<&str> {
    let error = |message: String| {
        Error::new(ErrorKind::Config, message)
            .help("set `dbapi_path` to a module as Python imports it, such as `sqlite3` or `package.module:attribute`")
    };
    let Some(module) = config.settings().bridge.dbapi_path.as_deref() else {
        return Err(error(format!("{} names no Python module", config.url())));
    };
    let name = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|first: char| first.is_ascii_digit())
            && part.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
    };
    let (path, attribute) = module.split_once(':').unwrap_or((module, "x"));
    if path.split('.').chain(attribute.split('.')).all(name) {
        Ok(module)
    } else {
        Err(error(format!("{module:?} is not the name of a Python module")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sql::{Dialect, Product};

    fn made(url: &str, module: &str) -> Target {
        target(&Config::from_url(url).unwrap().dbapi_path(module)).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    fn open(target: &Target) -> Vec<String> {
        let shown = target.open.iter().skip(1);
        shown.map(|(name, value)| format!("{name} {value}")).collect()
    }

    fn assert_opens(url: &str, module: &str, mut expected: Vec<&str>) {
        let mut found = open(&made(url, module));
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn b3_no_part_of_an_address_is_lost_or_read_as_another() {
        for (url, module, expected) in [
            (
                "dbapi2://host=h?user=u&password=p",
                "psycopg",
                vec![r#"argument "host=h""#, r#"keyword user="u""#, r#"keyword password="p""#],
            ),
            (
                "dbapi2://a%20b%25.db?vfs=x%20y",
                "sqlite3",
                vec![r#"argument "file:a b%25.db?vfs=x%20y""#, "keyword uri=true"],
            ),
            (
                "dbapi2://file:a%2520b.db?mode=ro",
                "sqlite3",
                vec![r#"argument "file:a%20b.db?mode=ro""#, "keyword uri=true"],
            ),
            (
                "dbapi2://any text?x=1%26y%3D2",
                "my.module",
                vec![r#"argument "any text?x=1%26y%3D2""#],
            ),
        ] {
            assert_opens(url, module, expected);
        }
    }

    #[test]
    fn b3_an_address_becomes_the_arguments_of_the_module() {
        for (url, module, expected) in [
            (
                "dbapi2://testsuite.sqlite3",
                "sqlite3",
                vec![r#"argument "testsuite.sqlite3""#],
            ),
            ("dbapi2://", "sqlite3", vec![r#"argument ":memory:""#]),
            (
                "dbapi2://a.db?mode=ro",
                "sqlite3",
                vec![r#"argument "file:a.db?mode=ro""#, "keyword uri=true"],
            ),
            ("dbapi2:///data/a.db", "apsw", vec![r#"argument "/data/a.db""#]),
            (
                "dbapi2://a.duckdb?access_mode=read_only",
                "duckdb",
                vec![
                    r#"argument "a.duckdb""#,
                    r#"keyword config={"access_mode":"read_only"}"#,
                ],
            ),
            (
                "dbapi2://ada:s%3Dcr@h:5433/d?sslmode=require",
                "psycopg",
                vec![
                    r#"keyword host="h""#,
                    "keyword port=5433",
                    r#"keyword user="ada""#,
                    r#"keyword password="s=cr""#,
                    r#"keyword dbname="d""#,
                    r#"keyword sslmode="require""#,
                ],
            ),
            (
                "dbapi2://host=h%20dbname=d",
                "psycopg2",
                vec![r#"argument "host=h dbname=d""#],
            ),
            (
                "dbapi2://localhost:5433/d",
                "psycopg",
                vec![
                    r#"keyword host="localhost""#,
                    "keyword port=5433",
                    r#"keyword dbname="d""#,
                ],
            ),
            (
                "dbapi2+mysql://u:p@h/d?connect_timeout=5&charset=utf8mb4&ssl_disabled=true",
                "pymysql",
                vec![
                    r#"keyword host="h""#,
                    r#"keyword user="u""#,
                    r#"keyword password="p""#,
                    r#"keyword database="d""#,
                    "keyword ssl_disabled=true",
                ],
            ),
            (
                "dbapi2://h:3307/d",
                "mariadb",
                vec![r#"keyword host="h""#, "keyword port=3307", r#"keyword database="d""#],
            ),
            ("dbapi2://any text?x=1", "my.module", vec![r#"argument "any text?x=1""#]),
            (
                "dbapi2+firebird://u:p@h/d",
                "firebird.driver",
                vec![r#"argument "firebird://u:p@h/d""#],
            ),
        ] {
            assert_opens(url, module, expected);
        }
        let config = Config::from_url("dbapi2+mysql://u:p@h/d")
            .unwrap()
            .dbapi_path("pymysql");
        let given = target(
            &config
                .clone()
                .dbapi_driver_args(json!({"user": "root", "autocommit": true})),
        )
        .unwrap();
        assert!(open(&given).contains(&"keyword autocommit=true".to_owned()));
        assert!(open(&given).contains(&r#"keyword user="root""#.to_owned()));
        let given = target(&config.dbapi_path("x").dbapi_driver_args(json!([1, null]))).unwrap();
        assert_eq!(
            open(&given),
            [r#"argument "mysql://u:p@h/d""#, "argument 1", "argument null"]
        );
    }

    #[test]
    fn b3_the_module_tells_dialect_product_and_processes() {
        let made = made("dbapi2://a.db?dbapi_pool=process", "sqlite3");
        assert_eq!(
            (made.dialect, made.product, made.shared),
            (Dialect::Sqlite, Some(Product::Sqlite), Sharing::Connection)
        );
        let config = Config::from_url("dbapi2://a.db?dbapi_path=duckdb&python=/venv/bin/python").unwrap();
        let made = target(&config).unwrap();
        assert_eq!(
            (made.dialect, made.product, made.shared),
            (Dialect::Generic, Some(Product::DuckDb), Sharing::Program)
        );
        assert_eq!(made.command, ["/venv/bin/python"]);
    }

    #[test]
    fn u2_no_message_shows_the_password() {
        for (url, module) in [
            ("dbapi2://u:hunter2@h/d", "psycopg"),
            ("dbapi2://host=h%20password=hunter2", "psycopg"),
            ("dbapi2+x://u:hunter2@h/d", "other"),
        ] {
            let made = made(url, module);
            assert!(
                made.secrets.contains(&"hunter2".to_owned()),
                "{url}: {:?}",
                made.secrets
            );
            assert!(!made.place.contains("hunter2"), "{}", made.place);
        }
        let made = made("dbapi2://any?api_key=one%26two", "my.module");
        for secret in ["one&two", "one%26two"] {
            assert!(made.secrets.iter().any(|known| known == secret), "{:?}", made.secrets);
        }
        for (url, module) in [
            ("dbapi2://a.db?user=u", "sqlite3"),
            ("dbapi2://any?password=hunter2", "my.module"),
        ] {
            let config = Config::from_url(url).unwrap().dbapi_path(module);
            let told = target(&config).unwrap_err().to_string();
            assert!(
                told.contains("`dbapi_driver_args`") && !told.contains("hunter2"),
                "{told}"
            );
        }
        let shown = Config::from_url("dbapi2://x?dsn=scott/tiger@h").unwrap();
        let shown = shown.dbapi_driver_args(json!({"dsn": "scott/tiger@h"}));
        let shown = format!("{shown:?} {}", shown.url());
        assert!(shown.contains("?dsn=scott/***%40h"), "{shown}");
        assert!(!shown.contains("tiger"), "{shown}");
    }

    #[test]
    fn u2_numbers_and_nested_and_positional_secrets_are_hidden() {
        let config = Config::from_url("dbapi2+mysql://u@h/d").unwrap().dbapi_path("pymysql");
        let given = config
            .clone()
            .dbapi_driver_args(json!({"password": 12_345, "ssl": {"password": "hunter2"}}));
        assert_eq!(target(&given).unwrap().secrets, ["12345", "hunter2"]);
        let given = config.dbapi_driver_args(json!(["hunter3", [67_890], 1, {"key": "k"}]));
        assert_eq!(target(&given).unwrap().secrets, ["67890", "hunter3", "k"]);
        assert!(!format!("{given:?}").contains("hunter3"));
    }

    #[test]
    fn b3_options_are_numbers_only_if_they_look_the_same() {
        let found = open(&made(
            "dbapi2+mysql://h/d?max_allowed_packet=5&a=007&b=-0&passwd=12345&c=+5&d=true",
            "pymysql",
        ));
        for expected in [
            "max_allowed_packet=5",
            r#"a="007""#,
            r#"b="-0""#,
            r#"passwd="12345""#,
            r#"c=" 5""#,
            "d=true",
        ] {
            assert!(found.contains(&format!("keyword {expected}")), "{expected}: {found:?}");
        }
        let found = open(&made("dbapi2://h:1/d?prepare_threshold=7&keepalives=0", "psycopg"));
        for expected in ["prepare_threshold=7", r#"keepalives="0""#] {
            assert!(found.contains(&format!("keyword {expected}")), "{expected}: {found:?}");
        }
    }

    #[test]
    fn b10_settings_are_written_in_the_words_of_the_module() {
        let full = "ssl_mode=verify-full&ssl_root_cert=Cargo.toml";
        let refused = |module: &str, options: &str| {
            let url = format!("dbapi2+mysql://h/d?dbapi_path={module}&{options}");
            target(&Config::from_url(url).unwrap()).unwrap_err().to_string()
        };
        assert!(refused("psycopg", full).contains("no certificate in the file Cargo.toml"));
        assert!(refused("pymysql", "ssl_mode=verify-full").contains("`ssl_root_cert`"));
        assert!(refused("mysql.connector", "ssl_mode=require").contains("`verify-ca`"));
        assert!(refused("pymysql", "ssl_root_cert=Cargo.toml").contains("may be without encryption"));
        assert!(refused("pymysql", "ssl_verify_cert=true&ssl_mode=disable").contains("ask for encryption"));
        for (module, options, expected) in [
            ("psycopg", "ssl_mode=require", vec![r#"sslmode="require""#]),
            (
                "psycopg",
                "ssl_root_cert=system",
                vec![r#"sslrootcert="system""#, r#"sslmode="verify-full""#],
            ),
            ("psycopg2", "socket=/run/pg", vec![r#"host="/run/pg""#]),
            ("psycopg", "statement_cache_capacity=0", vec!["prepare_threshold=null"]),
            (
                "pg8000",
                "ssl_mode=disable&socket=/run/pg",
                vec!["ssl_context=false", r#"unix_sock="/run/pg/.s.PGSQL.5432""#],
            ),
            (
                "pymysql",
                "ssl_mode=require",
                vec![r#"ssl={"verify_mode":false}"#, "ssl_verify_cert=false"],
            ),
            ("pymysql", "ssl=true", vec![r#"ssl={"verify_mode":false}"#]),
            // A mode switches off no check that the module's own words ask for.
            (
                "pymysql",
                "ssl_ca=ca.pem&ssl_verify_cert=true&ssl=true",
                vec![
                    r#"ssl_ca="ca.pem""#,
                    "ssl_verify_cert=true",
                    "ssl_verify_identity=false",
                ],
            ),
            (
                "psycopg",
                "sslmode=verify-full&ssl_mode=require",
                vec![r#"sslmode="verify-full""#],
            ),
            (
                "mysql.connector",
                "ssl_mode=verify-ca&host=/run/my.sock",
                vec!["ssl_verify_cert=true", r#"unix_socket="/run/my.sock""#],
            ),
        ] {
            let scheme = if module.starts_with('p') && module != "pymysql" {
                "dbapi2+postgresql"
            } else {
                "dbapi2+mysql"
            };
            let url = format!("{scheme}:///d?dbapi_path={module}&{options}");
            let found = open(&target(&Config::from_url(url).unwrap()).unwrap());
            for expected in expected {
                assert!(found.contains(&format!("keyword {expected}")), "{module}: {found:?}");
            }
        }
    }

    #[test]
    fn b9_a_configuration_without_a_module_names_the_way_out() {
        let told = target(&Config::from_url("dbapi2://u:hunter2@h/d").unwrap())
            .unwrap_err()
            .to_string();
        assert!(told.contains("dbapi_path") && !told.contains("hunter2"), "{told}");
        for wrong in ["a b", "a..b", "1a", "a:b:c", "import os; x"] {
            let config = Config::from_url("dbapi2://x").unwrap().dbapi_path(wrong);
            let told = target(&config).unwrap_err().to_string();
            assert!(told.contains("is not the name of a Python module"), "{told}");
        }
    }
}
