//! The options of a connection, from the configuration to the driver's, and the text that sets up a session.

use std::fmt::Write;

use tiberius::{AuthMethod, Config as Options, EncryptionLevel};

use super::rules::set_level;
use crate::config::{Config, IsolationLevel, SslMode};
use crate::error::{Error, ErrorKind, Result};

/// The usual port.
const PORT: u16 = 1433;

/// A way to connect: the encryption, and what is done if the server has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encryption {
    pub(super) level: EncryptionLevel,
    /// Set if it is connected without encryption if the server has none.
    pub(super) or_none: bool,
    /// Set if the certificate of the server is checked.
    checked: bool,
}

impl Encryption {
    pub(super) fn of(config: &Config) -> Result<Self> {
        let settings = config.settings();
        if cfg!(not(feature = "tls")) && settings.ssl_mode > SslMode::Prefer {
            return Err(Error::new(ErrorKind::Config, "TLS is not compiled in")
                .help("enable it in Cargo.toml: ebbtide = { …, features = [\"tls\"] }"));
        }
        let (level, or_none, checked) = match settings.ssl_mode {
            SslMode::Disable => (EncryptionLevel::NotSupported, false, false),
            SslMode::Allow | SslMode::Prefer if cfg!(not(feature = "tls")) => {
                (EncryptionLevel::NotSupported, false, false)
            }
            SslMode::Allow | SslMode::Prefer => (EncryptionLevel::On, true, false),
            SslMode::Require => (EncryptionLevel::Required, false, false),
            // The driver checks the host with the authority.
            SslMode::VerifyCa | SslMode::VerifyFull => (EncryptionLevel::Required, false, true),
        };
        Ok(Self {
            level,
            or_none,
            checked: checked && !settings.trust_server_certificate,
        })
    }
}

/// Returns the host and port to connect to.
pub(super) fn address(config: &Config) -> (String, u16) {
    let host = config.url().host().unwrap_or("localhost");
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), config.url().port().unwrap_or(PORT))
}

/// Returns the options to connect with.
pub(super) fn connect_options(config: &Config, encryption: Encryption) -> Result<Options> {
    let (url, settings) = (config.url(), config.settings());
    if settings.socket.is_some() {
        return Err(Error::new(ErrorKind::Config, "SQL Server has no Unix socket").help("give a host and a port"));
    }
    let (host, port) = address(config);
    let mut options = Options::new();
    options.host(host);
    options.port(port);
    options.encryption(encryption.level);
    // The pool has limits of its own; those of the driver would leave the connection out of step.
    options.handshake_timeout(None);
    options.command_timeout(None);
    options.application_name(settings.application_name.as_deref().unwrap_or("ebbtide"));
    if let Some(database) = url.database() {
        options.database(database);
    }
    options.authentication(AuthMethod::sql_server(
        url.username().unwrap_or_default(),
        url.password().unwrap_or_default(),
    ));
    trust(&mut options, config, encryption.checked);
    Ok(options)
}

#[cfg(feature = "tls")]
fn trust(options: &mut Options, config: &Config, checked: bool) {
    let settings = config.settings();
    if !checked {
        options.trust_cert();
    } else if let Some(file) = &settings.ssl_root_cert {
        options.trust_cert_ca(file.display());
    } else {
        options.trust_webpki_roots();
    }
    if let (Some(certificate), Some(key)) = (&settings.ssl_cert, &settings.ssl_key) {
        options.client_certificate(certificate, key);
    }
}

#[cfg(not(feature = "tls"))]
fn trust(_options: &mut Options, _config: &Config, _checked: bool) {}

/// The settings that text is read by, and those on which the library's transactions rely.
const SESSION: &str = "SET QUOTED_IDENTIFIER, ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL ON; \
                       SET TEXTSIZE 2147483647; SET NOCOUNT, CURSOR_CLOSE_ON_COMMIT OFF";

/// The settings that a user of the connection may have changed, and on which every commit depends.
pub(super) const RESET: &str =
    "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; SET IMPLICIT_TRANSACTIONS OFF; SET XACT_ABORT OFF";

/// Returns the text that sets up a session.
pub(super) fn session(config: &Config) -> Result<String> {
    let mut text = format!("{SESSION}; {RESET}");
    if let Some(level) = usual_level(config)? {
        text.push_str("; ");
        text.push_str(&level);
    }
    for (name, value) in &config.settings().server_settings {
        check_setting(name, value)?;
        let _ = write!(text, "; SET {name} {value}");
    }
    Ok(text)
}

/// The settings on which the library relies: what a commit means, that statements are run, and that values and rows
/// arrive whole.
const RELIED_ON: [&str; 21] = [
    "ANSI_DEFAULTS",
    "ANSI_NULLS",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "CONCAT_NULL_YIELDS_NULL",
    "CURSOR_CLOSE_ON_COMMIT",
    "FMTONLY",
    "IMPLICIT_TRANSACTIONS",
    "NOCOUNT",
    "NOEXEC",
    "NUMERIC_ROUNDABORT",
    "PARSEONLY",
    "QUOTED_IDENTIFIER",
    "REMOTE_PROC_TRANSACTIONS",
    "ROWCOUNT",
    "SHOWPLAN_ALL",
    "SHOWPLAN_TEXT",
    "SHOWPLAN_XML",
    "TEXTSIZE",
    "XACT_ABORT",
];

/// Checks that a setting is an option of `SET` with a word or a number, and not one on which the library relies.
fn check_setting(name: &str, value: &str) -> Result<()> {
    let refused = |why: &str, help: &'static str| {
        let message = format!("server_settings: {name} = {value:?} {why}");
        Err(Error::new(ErrorKind::Config, message).help(help))
    };
    if RELIED_ON.iter().any(|relied_on| relied_on.eq_ignore_ascii_case(name)) {
        return refused("is a setting on which this library relies", "leave it out");
    }
    let is_word = |text: &str| {
        let begins = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        text.as_bytes().first().is_some_and(begins)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_number = value.parse::<i64>().is_ok() && !value.starts_with('+');
    if !is_word(name) || !(is_word(value) || is_number) {
        let help = "give the name of an option of `SET` and one word or number, such as `LOCK_TIMEOUT` and `5000`";
        return refused("is not an option of `SET`", help);
    }
    if name.eq_ignore_ascii_case("LOCK_TIMEOUT") && !is_number {
        return refused(
            "is not a number",
            "give a number of milliseconds; -1 waits without a limit",
        );
    }
    Ok(())
}

/// Returns the text that sets the isolation level of statements that ask for none, if the configuration has one.
pub(super) fn usual_level(config: &Config) -> Result<Option<String>> {
    config.settings().isolation_level.map(set_level).transpose()
}

/// Returns the text that restores that level, or the server's own.
pub(super) fn restored_level(config: &Config) -> Result<String> {
    set_level(
        config
            .settings()
            .isolation_level
            .unwrap_or(IsolationLevel::ReadCommitted),
    )
}

/// Returns the address of the server, for messages.
pub(super) fn place(config: &Config) -> String {
    match address(config) {
        (host, port) if host.contains(':') => format!("[{host}]:{port}"),
        (host, port) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Config::from_url(url).unwrap()
    }

    #[cfg(feature = "tls")]
    #[test]
    fn b1_encryption_is_what_the_url_says() {
        for (url, level, or_none, checked) in [
            ("mssql://h/d", EncryptionLevel::On, true, false),
            ("mssql://h/d?encrypt=true", EncryptionLevel::Required, false, true),
            (
                "mssql://h/d?Encrypt=yes&TrustServerCertificate=yes",
                EncryptionLevel::Required,
                false,
                false,
            ),
            ("mssql://h/d?encrypt=no", EncryptionLevel::On, true, false),
            (
                "mssql://h/d?ssl_mode=disable",
                EncryptionLevel::NotSupported,
                false,
                false,
            ),
            (
                "mssql://h/d?ssl_mode=verify-full",
                EncryptionLevel::Required,
                false,
                true,
            ),
        ] {
            let found = Encryption::of(&config(url)).unwrap();
            let expected = Encryption {
                level,
                or_none,
                checked,
            };
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn b1_a_session_is_set_up_as_the_url_says() {
        let text = session(&config("mssql://h/d?isolation_level=snapshot&lock_timeout=5000")).unwrap();
        assert!(
            text.contains("; SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SET LOCK_TIMEOUT 5000"),
            "{text}"
        );
        assert!(text.contains("SET IMPLICIT_TRANSACTIONS OFF"), "{text}");
        let wrong = config("mssql://h/d").server_setting("LOCK_TIMEOUT", "1; DROP TABLE note");
        assert_eq!(session(&wrong).unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn b1_a_server_setting_is_one_option_and_one_word() {
        for (name, value) in [
            ("LOCK_TIMEOUT", "-1"),
            ("language", "us_english"),
            ("DATEFIRST", "1"),
            ("DEADLOCK_PRIORITY", "LOW"),
        ] {
            assert!(check_setting(name, value).is_ok(), "{name} {value}");
        }
        for (name, value) in [
            ("LOCK_TIMEOUT", "5000 DROP TABLE note"),
            ("LOCK_TIMEOUT", "LOW"),
            ("LOCK_TIMEOUT", "5.5"),
            ("LANGUAGE", ""),
            ("LANGUAGE", "'a'"),
            ("DATEFIRST", "+1"),
            ("DATEFIRST 1; SET LOCK_TIMEOUT", "1"),
            ("XACT_ABORT OFF; SET LOCK_TIMEOUT", "1"),
            ("", "ON"),
            ("1", "ON"),
            ("xact_abort", "ON"),
            ("IMPLICIT_TRANSACTIONS", "ON"),
            ("ANSI_DEFAULTS", "ON"),
            ("ROWCOUNT", "1"),
            ("NOEXEC", "ON"),
        ] {
            let error = check_setting(name, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{name} {value}");
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn b1_the_address_is_that_of_the_url() {
        assert_eq!(place(&config("mssql://ada@db/shop")), "db:1433");
        assert_eq!(
            place(&config("mssql+aioodbc://ada:x@[::1]:1500/shop?driver=ODBC+Driver+18")),
            "[::1]:1500"
        );
    }
}
