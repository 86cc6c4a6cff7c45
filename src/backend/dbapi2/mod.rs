//! Databases with a module of Python's DB-API 2.

mod arguments;

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
    let python = settings.python.clone();
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
        shared: match settings.dbapi_pool {
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
    let Some(module) = config.settings().dbapi_path.as_deref() else {
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
                    r#"keyword charset="utf8mb4""#,
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
            let (mut found, mut expected) = (open(&made(url, module)), expected);
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{url}");
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
