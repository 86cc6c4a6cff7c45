//! The settings in the words of a module.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::backend::sidecar::{encryption, no_word};
use crate::config::{Config, Settings, SslMode};
use crate::error::Result;
use crate::url::ForeignDriver;

/// Returns the keywords that the settings stand for.
pub(super) fn of(config: &Config, driver: ForeignDriver) -> Result<Map<String, Value>> {
    let settings = config.settings();
    let mode = encryption(config, driver)?;
    let mut words = match driver {
        ForeignDriver::Psycopg | ForeignDriver::Psycopg2 => libpq(settings, mode, driver),
        ForeignDriver::Pg8000 => pg8000(config, mode),
        ForeignDriver::PyMySql | ForeignDriver::MySqlConnector => mysql(settings, mode, driver)?,
        _ => Vec::new(),
    };
    // What is null is the module's to choose, except for the threshold, where it means never.
    words.retain(|(name, value)| !value.is_null() || *name == THRESHOLD);
    Ok(words
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

/// The number of executions after which psycopg prepares a statement.
const THRESHOLD: &str = "prepare_threshold";

type Words = Vec<(&'static str, Value)>;

fn path(path: Option<&Path>) -> Value {
    path.map_or(Value::Null, |path| path.to_string_lossy().into())
}

fn files(settings: &Settings, names: [&'static str; 3]) -> Words {
    let files = [&settings.ssl_root_cert, &settings.ssl_cert, &settings.ssl_key];
    names.into_iter().zip(files.map(|file| path(file.as_deref()))).collect()
}

fn libpq(settings: &Settings, mode: Option<SslMode>, driver: ForeignDriver) -> Words {
    let mut words = files(settings, ["sslrootcert", "sslcert", "sslkey"]);
    words.push(("sslmode", mode.map_or(Value::Null, |mode| mode.as_str().into())));
    words.push(("host", path(settings.socket.as_deref())));
    if settings.statement_cache_capacity == 0 && driver == ForeignDriver::Psycopg {
        words.push((THRESHOLD, Value::Null));
    }
    words
}

/// The worker makes an `SSLContext` of the table.
fn pg8000(config: &Config, mode: Option<SslMode>) -> Words {
    let settings = config.settings();
    let context = match mode {
        Some(SslMode::Disable) => false.into(),
        None => Value::Null,
        Some(mode) => json!({
            "verify": match mode {
                SslMode::VerifyFull => "full",
                SslMode::VerifyCa => "ca",
                _ => "none",
            },
            "root": path(settings.ssl_root_cert.as_deref()),
            "cert": path(settings.ssl_cert.as_deref()),
            "key": path(settings.ssl_key.as_deref()),
        }),
    };
    // libpq names the folder, the module the file in it.
    let port = config.url().port().unwrap_or(5432);
    let socket = settings
        .socket
        .as_ref()
        .map(|folder| folder.join(format!(".s.PGSQL.{port}")));
    vec![("ssl_context", context), ("unix_sock", path(socket.as_deref()))]
}

fn mysql(settings: &Settings, mode: Option<SslMode>, driver: ForeignDriver) -> Result<Words> {
    let mut words = files(settings, ["ssl_ca", "ssl_cert", "ssl_key"]);
    words.push(("unix_socket", path(settings.socket.as_deref())));
    let is_pymysql = driver == ForeignDriver::PyMySql;
    match mode {
        Some(SslMode::Disable) => words.push(("ssl_disabled", true.into())),
        // Without a word about a certificate, the module would be content with a server that cannot encrypt.
        Some(SslMode::Require) if is_pymysql => {
            words.extend([
                ("ssl", json!({"verify_mode": false})),
                ("ssl_verify_cert", false.into()),
            ]);
        }
        Some(SslMode::Require) => {
            let help = "mysql.connector cannot insist on encryption without checking the certificate: use `verify-ca`";
            return Err(no_word("ssl_mode=require", help));
        }
        Some(SslMode::VerifyFull) if is_pymysql && settings.ssl_root_cert.is_none() => {
            let help = "PyMySQL checks the name of the host only with a file of authorities: set `ssl_root_cert`";
            return Err(no_word("ssl_mode=verify-full", help));
        }
        Some(mode @ (SslMode::VerifyCa | SslMode::VerifyFull)) => {
            words.push(("ssl_verify_cert", true.into()));
            words.push(("ssl_verify_identity", (mode == SslMode::VerifyFull).into()));
        }
        Some(SslMode::Allow | SslMode::Prefer) | None => {}
    }
    Ok(words)
}
