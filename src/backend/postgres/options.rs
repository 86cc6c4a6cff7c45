//! The options of a connection, from the configuration to sqlx's options.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::parameters::parameters;
use crate::backend::sqlx::Keeping;
use crate::config::{Config, SslMode};
use crate::error::Result;

/// Returns the options to connect with. What the configuration leaves open comes from libpq's environment variables, as
/// in sqlx.
pub(in crate::backend) fn connect_options(config: &Config) -> Result<PgConnectOptions> {
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
    let parameters = parameters(config)?;
    // Even an empty list would be sent, and PgBouncer before 1.20 refuses it.
    Ok(if parameters.is_empty() {
        options
    } else {
        options.options(parameters)
    })
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
    use crate::error::ErrorKind;

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
