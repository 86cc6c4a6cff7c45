//! The encryption that the settings and the words of a driver ask for together.

use serde_json::Value;

use crate::config::{Config, SslMode};
use crate::error::{Error, ErrorKind, Result};
use crate::url::ForeignDriver;

/// Returns the mode that a driver must be told; `None` leaves it as it is by itself. A mode never switches off a check
/// that the driver's own words ask for.
///
/// # Errors
///
/// Returns an error if the setting says that nothing is encrypted, and the driver's words that something is.
pub(in crate::backend) fn of(config: &Config, driver: ForeignDriver) -> Result<Option<SslMode>> {
    let settings = config.settings();
    let own = in_own_words(config, driver);
    Ok(match settings.ssl_mode {
        SslMode::Allow | SslMode::Prefer => None,
        SslMode::Disable if own.is_some() => {
            let message = "the setting `ssl_mode` is `disable`, but options of the driver ask for encryption";
            return Err(Error::new(ErrorKind::Config, message).help("keep one of them"));
        }
        // As in libpq, a given root certificate is checked with `require`, too.
        SslMode::Require if settings.ssl_root_cert.is_some() || own_word(config, "sslrootcert").is_some() => {
            own.max(Some(SslMode::VerifyCa))
        }
        mode => own.max(Some(mode)),
    })
}

/// Returns whether certificates have a meaning: the connection is certainly encrypted.
pub(super) fn is_certain(config: &Config, driver: ForeignDriver) -> bool {
    // Connector/J checks nothing until it is told to encrypt.
    let follows = driver != ForeignDriver::ConnectorJ || is(config, "useSsl", true);
    config.settings().ssl_mode >= SslMode::Require || (follows && in_own_words(config, driver).is_some())
}

/// Returns the mode that the options and arguments of a driver stand for, if it is at least `require`.
fn in_own_words(config: &Config, driver: ForeignDriver) -> Option<SslMode> {
    let given = |name: &str| own_word(config, name).is_some();
    let is = |name: &str, wanted: bool| is(config, name, wanted);
    let asked = |asks: bool, mode: SslMode| asks.then_some(mode);
    let mode = match driver {
        ForeignDriver::PgJdbc | ForeignDriver::Psycopg | ForeignDriver::Psycopg2 => {
            let mode = own_word(config, "sslmode").and_then(|word| word.parse().ok());
            // pgjdbc checks everything if it is told nothing but `ssl`.
            let ssl = is("ssl", true) || own_word(config, "ssl").is_some_and(|word| word.is_empty());
            mode.or(asked(driver == ForeignDriver::PgJdbc && ssl, SslMode::VerifyFull))
        }
        ForeignDriver::Pg8000 => asked(is("ssl_context", true), SslMode::VerifyFull),
        ForeignDriver::ConnectorJ => {
            let full = is("trustServerCertificate", false) && !is("disableSslHostnameVerification", true);
            asked(full, SslMode::VerifyFull)
                .or(asked(
                    is("trustServerCertificate", false) || given("serverSslCert"),
                    SslMode::VerifyCa,
                ))
                .or(asked(is("useSsl", true), SslMode::Require))
        }
        ForeignDriver::PyMySql | ForeignDriver::MySqlConnector => {
            asked(is("ssl_verify_identity", true), SslMode::VerifyFull)
                .or(asked(is("ssl_verify_cert", true) || given("ssl_ca"), SslMode::VerifyCa))
        }
        _ => None,
    };
    mode.filter(|mode| *mode >= SslMode::Require)
}

/// Returns whether a flag of a driver is given as `wanted`.
fn is(config: &Config, name: &str, wanted: bool) -> bool {
    let words = if wanted { ["true", "1"] } else { ["false", "0"] };
    own_word(config, name).is_some_and(|word| words.contains(&word.to_ascii_lowercase().as_str()))
}

/// Returns what an option of a driver is set to: by an argument, or else in the URL.
fn own_word(config: &Config, name: &str) -> Option<String> {
    let bridge = &config.settings().bridge;
    let arguments = [&bridge.jdbc_driver_args, &bridge.dbapi_driver_args]
        .into_iter()
        .flatten();
    let mut arguments = arguments.filter_map(Value::as_object).flatten();
    let argument = arguments.find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_null());
    match argument {
        Some((_, value)) => Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        None => config
            .driver_options()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .last()
            .map(|(_, value)| value.to_owned()),
    }
}
