//! The options of a connection, from the configuration to sqlx's options.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::backend::sqlx::Keeping;
use crate::config::{Config, Settings, SslMode};
use crate::error::{Error, ErrorKind, Result};

/// Returns the options to connect with. What the configuration leaves open comes from libpq's environment variables, as
/// in sqlx.
pub(super) fn connect_options(config: &Config) -> Result<PgConnectOptions> {
    let (url, settings) = (config.url(), config.settings());
    let mut options = PgConnectOptions::new_without_pgpass()
        .ssl_mode(ssl_mode(settings.ssl_mode, settings.ssl_root_cert.is_some()))
        .statement_cache_capacity(cache_capacity(config))
        .disable_statement_logging();
    if let Some(host) = url.host() {
        options = options.host(host.trim_start_matches('[').trim_end_matches(']'));
    }
    if let Some(port) = url.port() {
        options = options.port(port);
    }
    if let Some(socket) = &settings.socket {
        options = options.socket(socket);
    }
    if let Some(username) = url.username() {
        options = options.username(username);
    }
    if let Some(password) = url.password() {
        options = options.password(password);
    }
    if let Some(database) = url.database() {
        options = options.database(database);
    }
    if let Some(name) = &settings.application_name {
        options = options.application_name(name);
    }
    if let Some(file) = &settings.ssl_root_cert {
        options = options.ssl_root_cert(file);
    }
    if let Some(file) = &settings.ssl_cert {
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &settings.ssl_key {
        options = options.ssl_client_key(file);
    }
    if options.get_socket().is_some() || options.get_host().starts_with('/') {
        // As in libpq: the server encrypts nothing there.
        options = options.ssl_mode(PgSslMode::Disable);
    }
    if keeping(config) == Keeping::InTransaction {
        // A pooler is in between; many refuse this parameter, which current servers do not need.
        options = options.extra_float_digits(None);
    }
    for (name, value) in &settings.server_settings {
        check_setting(name, value)?;
    }
    let given = settings.server_settings.iter();
    let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
    // A read that writes after all, in a view or a function, is refused there and runs on the primary. A pooler in
    // between refuses the parameter.
    let reads_only = (config.is_replica() && settings.statement_cache_capacity > 0)
        .then_some(("default_transaction_read_only", "on"));
    let parameters: Vec<_> = reads_only.into_iter().chain(given).chain(isolation(settings)).collect();
    // Even an empty list would be sent, and PgBouncer before 1.20 refuses it.
    Ok(if parameters.is_empty() {
        options
    } else {
        options.options(parameters)
    })
}

/// The parameter with the isolation level of statements outside of transactions.
const ISOLATION: &str = "default_transaction_isolation";

/// Returns the parameter that gives statements outside of transactions the isolation level of the settings. A parameter
/// that was given by its own name counts more. A pooler, which would refuse the parameter, is expected where nothing is
/// kept prepared; transactions carry their level themselves.
fn isolation(settings: &Settings) -> Option<(&'static str, &'static str)> {
    let given = settings
        .server_settings
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(ISOLATION));
    let level = settings.isolation_level?.as_str();
    (!given && settings.statement_cache_capacity > 0).then_some((ISOLATION, level))
}

/// Refuses a setting that would be read as several: the server splits their list at white space, and the driver marks
/// only blanks in a value.
fn check_setting(name: &str, value: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte) || !byte.is_ascii();
    let why = if name.is_empty() || !name.bytes().all(plain) {
        "its name may contain only letters, digits, `_`, `-` and `.`"
    } else if value.bytes().any(|byte| matches!(byte, 0 | b'\t'..=b'\r')) {
        "its value must not contain tabs and line breaks"
    } else {
        return Ok(());
    };
    let message = format!("server_settings: {name:?} cannot be sent when a connection begins: {why}");
    Err(Error::new(ErrorKind::Config, message).help("write blanks, or set it with SQL in an `after_connect` hook"))
}

/// Returns how long statements stay prepared: without a cache, a pooler is in between.
pub(super) fn keeping(config: &Config) -> Keeping {
    if config.settings().statement_cache_capacity > 0 {
        Keeping::Cached
    } else {
        Keeping::InTransaction
    }
}

/// Returns the capacity of the driver's cache. Behind a pooler it holds only what the driver prepares for itself in one
/// statement.
fn cache_capacity(config: &Config) -> usize {
    match config.settings().statement_cache_capacity {
        0 => 100,
        capacity => capacity,
    }
}

/// Returns the options of another attempt, if the server refused the first one.
pub(super) fn another_way(options: &PgConnectOptions, error: &sqlx::Error) -> Option<PgConnectOptions> {
    let sqlx::Error::Database(answer) = error else {
        return None;
    };
    if answer
        .message()
        .contains("unsupported startup parameter: extra_float_digits")
    {
        return Some(options.clone().extra_float_digits(None));
    }
    // As in libpq: first without TLS, and with it if the server refuses that.
    matches!(options.get_ssl_mode(), PgSslMode::Allow).then(|| options.clone().ssl_mode(PgSslMode::Require))
}

/// Returns the mode for the driver. As in libpq, a given root certificate is checked with `require`, too.
fn ssl_mode(mode: SslMode, with_root: bool) -> PgSslMode {
    match mode {
        SslMode::Require if with_root => PgSslMode::VerifyCa,
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Allow => PgSslMode::Allow,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

/// Returns the address of the server, for messages.
pub(super) fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{} (port {})", socket.display(), options.get_port()),
        None if options.get_host().contains(':') => format!("[{}]:{}", options.get_host(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> PgConnectOptions {
        connect_options(&Config::from_url(url).unwrap()).unwrap()
    }

    #[test]
    fn u1_all_parts_of_a_url_reach_the_driver() {
        let options = options("postgres://ada:s%40crt@db.example:5433/shop?application_name=till&sslmode=verify-full");
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 5433);
        assert_eq!(options.get_username(), "ada");
        assert_eq!(options.get_database(), Some("shop"));
        assert_eq!(options.get_application_name(), Some("till"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        let options = self::options("postgres://db/shop?sslmode=require&sslrootcert=/etc/ca.pem");
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyCa));
    }

    #[test]
    fn u1_hosts_of_all_sorts_are_found() {
        assert_eq!(place(&options("postgres://[::1]:5433/shop")), "[::1]:5433");
        assert_eq!(place(&options("postgres://db/shop")), "db:5432");
        assert!(place(&options("postgres:///shop?host=/run/postgresql")).contains("/run/postgresql"));
    }

    #[test]
    fn u7_parameters_of_the_server_are_sent_at_the_start() {
        let options = options("postgres://db/shop?search_path=a%20b&options=-c%20geqo%3Doff");
        assert_eq!(options.get_options(), Some(r"-c geqo=off -c search_path=a\ b"));
        assert_eq!(self::options("postgres://db/shop?pgbouncer=true").get_options(), None);
    }

    #[test]
    fn u7_behind_a_pooler_the_library_adds_no_parameter_found_e2() {
        let url = "postgres://db/shop?pgbouncer=true";
        assert_eq!(options(url).get_options(), None);
        assert_eq!(
            options(&format!("{url}&isolation_level=serializable")).get_options(),
            None
        );
    }

    #[test]
    fn u7_a_setting_of_the_server_sets_no_other_found_a3() {
        let refused = |name: &str, value: &str| {
            let config = Config::from_url("postgres://db/shop")
                .unwrap()
                .server_setting(name, value);
            let error = connect_options(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("after_connect"), "{error}");
        };
        for space in ['\t', '\n', '\u{b}', '\u{c}', '\r', '\0'] {
            refused("search_path", &format!("a{space}-c{space}geqo=off"));
            refused(&format!("geqo{space}"), "off");
        }
        refused("geqo=off -c work_mem", "4");
        refused("", "off");
        let sent = options("postgres://db/shop?search_path=a%20-c%20geqo%3Doff%5C");
        assert_eq!(sent.get_options(), Some(r"-c search_path=a\ -c\ geqo=off\\"));
    }

    #[test]
    fn u3_over_a_socket_of_the_system_nothing_is_encrypted_found_a8() {
        for url in [
            "postgres:///shop?host=/run/postgresql&sslmode=require",
            "postgres://db/shop?socket=/run/postgresql&sslmode=verify-full",
        ] {
            assert!(matches!(options(url).get_ssl_mode(), PgSslMode::Disable), "{url}");
        }
    }
}
