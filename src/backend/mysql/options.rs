//! The options of a connection, from the configuration to sqlx's options, and the settings of its session.

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions, SqlStr};

use super::session::{texts, word};
use crate::backend::sqlx::own_sql;
use crate::config::{Config, SslMode};
use crate::error::Result;

/// Returns the options to connect with.
pub(super) fn connect_options(config: &Config) -> Result<MySqlConnectOptions> {
    let (url, settings) = (config.url(), config.settings());
    let mut options = MySqlConnectOptions::new()
        .ssl_mode(ssl_mode(settings.ssl_mode))
        .statement_cache_capacity(2 * most_kept(config))
        // All of this is in the text of `session`.
        .timezone(None)
        .set_names(false)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
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
    if let Some(charset) = &settings.charset {
        options = options.charset(word("charset", charset)?);
    }
    if let Some(collation) = &settings.collation {
        options = options.collation(word("collation", collation)?);
    }
    if let Some(file) = &settings.ssl_root_cert {
        options = options.ssl_ca(file);
    }
    if let Some(file) = &settings.ssl_cert {
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &settings.ssl_key {
        options = options.ssl_client_key(file);
    }
    Ok(options)
}

/// Returns the number of prepared statements beyond which all are closed. Closing some costs one delay of 40 ms on a TCP
/// connection, so even without a cache a few are kept. The driver's own cache has room for more, or it would close each
/// one by itself.
pub(super) fn most_kept(config: &Config) -> usize {
    config.settings().statement_cache_capacity.max(FEWEST_KEPT)
}

const FEWEST_KEPT: usize = 32;

/// Asks for the version. The answer has a second column on MariaDB alone, whose version can be configured.
const VERSION: &str = "SELECT VERSION()/*M!,1*/";

/// Returns the text that sets up a session, and asks for the version of the server, in one round trip.
pub(super) fn session(config: &Config) -> Result<SqlStr> {
    Ok(own_sql(format!("{}; {VERSION}", texts(config)?.join("; "))))
}

/// The text that restores the settings on which every commit depends, and ends the open transaction. Switching
/// autocommit on alone would commit that transaction.
pub(super) const RESET: &str = "SET completion_type='NO_CHAIN'; ROLLBACK; SET autocommit=1";

fn ssl_mode(mode: SslMode) -> MySqlSslMode {
    match mode {
        SslMode::Disable => MySqlSslMode::Disabled,
        SslMode::Allow | SslMode::Prefer => MySqlSslMode::Preferred,
        SslMode::Require => MySqlSslMode::Required,
        SslMode::VerifyCa => MySqlSslMode::VerifyCa,
        SslMode::VerifyFull => MySqlSslMode::VerifyIdentity,
    }
}

/// Returns the address of the server, for messages.
pub(super) fn place(options: &MySqlConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if options.get_host().contains(':') => format!("[{}]:{}", options.get_host(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn config(url: &str) -> Config {
        Config::from_url(url).unwrap()
    }

    #[test]
    fn u1_all_parts_of_a_url_reach_the_driver() {
        let options = connect_options(&config(
            "mysql://ada:s%40crt@[::1]:3307/shop?ssl-mode=REQUIRED&charset=utf8",
        ))
        .unwrap();
        assert_eq!(place(&options), "[::1]:3307");
        assert_eq!(options.get_username(), "ada");
        assert_eq!(options.get_database(), Some("shop"));
        assert_eq!(options.get_charset(), "utf8");
        assert!(matches!(options.get_ssl_mode(), MySqlSslMode::Required));
        let options = connect_options(&config("mysql://ada@localhost/shop?socket=/run/mysqld/mysqld.sock")).unwrap();
        assert_eq!(place(&options), "/run/mysqld/mysqld.sock");
    }

    #[test]
    fn u7_names_that_reach_sql_are_plain_words() {
        let config = config("mysql://db/shop").charset("utf8; DROP TABLE note");
        assert_eq!(connect_options(&config).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(session(&config).unwrap_err().kind(), ErrorKind::Config);
    }
}
