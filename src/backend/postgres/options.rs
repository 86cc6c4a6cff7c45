//! The options of a connection, from the configuration to sqlx's options.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::config::{Config, SslMode};
use crate::error::Result;

/// Returns the options to connect with. What the configuration leaves open comes from libpq's environment variables, as
/// in sqlx.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the other backends can refuse a configuration here"
)]
pub(super) fn connect_options(config: &Config) -> Result<PgConnectOptions> {
    let (url, settings) = (config.url(), config.settings());
    let mut options = PgConnectOptions::new_without_pgpass()
        .ssl_mode(ssl_mode(settings.ssl_mode, settings.ssl_root_cert.is_some()))
        .statement_cache_capacity(settings.statement_cache_capacity)
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
    if settings.statement_cache_capacity == 0 {
        // A pooler is in between; many refuse this parameter, which current servers do not need.
        options = options.extra_float_digits(None);
    }
    let given = settings.server_settings.iter().map(|(name, value)| (&**name, &**value));
    // A read that writes after all, in a view or a function, is refused there and runs on the primary. A pooler in
    // between refuses the parameter.
    let reads_only = (config.is_replica() && settings.statement_cache_capacity > 0)
        .then_some(("default_transaction_read_only", "on"));
    Ok(options.options(reads_only.into_iter().chain(given)))
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
    }
}
