//! The settings that say how a database is reached. Each driver has words of its own for them, or none.

use std::path::Path;

use super::encryption;
use crate::backend::sqlx::TlsFiles;
use crate::config::{Config, SYSTEM, SqliteMode, SslMode};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::url::ForeignDriver;

/// Refuses the settings for which a driver has no words: above all, nobody must believe a connection to be encrypted that
/// is not.
pub(in crate::backend) fn check(config: &Config, driver: ForeignDriver) -> Result<()> {
    let settings = config.settings();
    // Only a driver that is not known might encrypt by itself.
    let is_known = !matches!(
        driver,
        ForeignDriver::OtherJdbc | ForeignDriver::OtherModule | ForeignDriver::Odbc
    );
    let is_plain = is_known && settings.ssl_mode == SslMode::Disable;
    let given = [
        (
            "ssl_mode",
            !is_plain && !matches!(settings.ssl_mode, SslMode::Allow | SslMode::Prefer),
        ),
        ("ssl_root_cert", settings.ssl_root_cert.is_some()),
        ("ssl_cert", settings.ssl_cert.is_some()),
        ("ssl_key", settings.ssl_key.is_some()),
        ("socket", settings.socket.is_some()),
    ];
    let without_word = given.iter().find(|(name, given)| *given && !driver.follows(name));
    if let Some((name, _)) = without_word {
        return Err(no_word(name, &own_option(driver, name)));
    }
    check_files(config, driver)?;
    let mut read_here = settings.clone();
    if driver == ForeignDriver::PgJdbc {
        // Its keys are not in PEM format.
        read_here.ssl_key = None;
    }
    if matches!(driver, ForeignDriver::Psycopg | ForeignDriver::Psycopg2) {
        // libpq has a word that is no file.
        read_here.ssl_root_cert.take_if(|file| file.as_os_str() == SYSTEM);
    }
    TlsFiles::of(&read_here).check()?;
    if settings.statement_cache_capacity == 0 && !driver.prepares_at_will() {
        tracing::warn!(
            "statement_cache_capacity=0 has no effect on this driver, which prepares statements as it sees fit"
        );
    }
    let of_file = [
        ("sqlite_mode", settings.sqlite_mode != SqliteMode::default()),
        ("shared_cache", settings.shared_cache),
        ("immutable", settings.immutable),
        ("vfs", settings.vfs.is_some()),
    ];
    match of_file.iter().find(|(_, given)| *given) {
        Some((name, _)) if config.dialect() == Dialect::Sqlite => Err(no_word(name, opening(driver))),
        _ => Ok(()),
    }
}

/// Refuses certificates for a connection that may be without encryption, and a key without a certificate.
fn check_files(config: &Config, driver: ForeignDriver) -> Result<()> {
    let settings = config.settings();
    let files = [
        ("ssl_root_cert", &settings.ssl_root_cert),
        ("ssl_cert", &settings.ssl_cert),
        ("ssl_key", &settings.ssl_key),
    ];
    let given = files.iter().find(|(_, file)| file.is_some());
    if let Some((name, _)) = given.filter(|_| !encryption::is_certain(config, driver)) {
        let message = format!("the setting `{name}` has no effect on a connection that may be without encryption");
        return Err(
            Error::new(ErrorKind::Config, message).help("set `ssl_mode` to `require`, `verify-ca` or `verify-full`")
        );
    }
    // The formats of pgjdbc hold both.
    let holds_both = |file: &Path| {
        driver == ForeignDriver::PgJdbc && file.extension().is_some_and(|end| end == "p12" || end == "pfx")
    };
    let key = settings.ssl_key.as_ref().filter(|file| !holds_both(file));
    if key.is_some() && settings.ssl_cert.is_none() {
        let message = "the setting `ssl_key` is given without `ssl_cert`, the certificate of the key";
        return Err(Error::new(ErrorKind::Config, message).help("set `ssl_cert`, too"));
    }
    Ok(())
}

/// Returns the error for a setting that a driver cannot follow. `help` names the way out.
pub(in crate::backend) fn no_word(setting: &str, help: &str) -> Error {
    let message = format!("the setting `{setting}` has no effect on this driver");
    Error::new(ErrorKind::Config, message).help(help.to_owned())
}

/// Returns what stands for a setting in the driver's own options.
fn own_option(driver: ForeignDriver, setting: &str) -> String {
    let own = match driver {
        ForeignDriver::PgJdbc => "`socketFactory` is pgjdbc's own option for sockets",
        ForeignDriver::ConnectorJ => {
            "Connector/J reads certificates of clients by its options `keyStore` and `keyStorePassword`"
        }
        ForeignDriver::H2 => "begin the address with `ssl://` to encrypt a connection to a server of H2",
        ForeignDriver::Hsqldb => "begin the address with `hsqls://` to encrypt a connection to a server of HSQLDB",
        ForeignDriver::Derby => "the client of Derby has the option `ssl` (`;ssl=basic`)",
        ForeignDriver::SqliteJdbc | ForeignDriver::Sqlite3 | ForeignDriver::Apsw | ForeignDriver::DuckDb => {
            "leave it out: the database is a file, without a server"
        }
        ForeignDriver::OtherJdbc => {
            return format!(
                "leave `{setting}` out, and set the driver's own options in the URL or in `jdbc_driver_args`"
            );
        }
        ForeignDriver::Odbc => {
            return format!(
                "leave `{setting}` out, and set the driver's own keywords in the URL, such as `SSLmode` of psqlODBC or `ForceTLS` of MariaDB's"
            );
        }
        _ => return format!("leave `{setting}` out, and set the driver's own options in `dbapi_driver_args`"),
    };
    own.to_owned()
}

/// Returns how a driver is told in which way a file of SQLite is opened.
fn opening(driver: ForeignDriver) -> &'static str {
    match driver {
        ForeignDriver::Sqlite3 => {
            "write SQLite's own option into the URL: `mode=ro`, `cache=shared`, `immutable=1` or `vfs=…`"
        }
        ForeignDriver::SqliteJdbc => {
            "write a name that begins with `file:`, with SQLite's own option: `jdbc:sqlite:file:app.db?mode=ro`"
        }
        ForeignDriver::Odbc => {
            "leave it out, or give the driver's own keyword in the URL, such as `NoCreat` of sqliteodbc"
        }
        _ => "give the driver's own argument in `dbapi_driver_args`, such as `flags` of apsw",
    }
}
