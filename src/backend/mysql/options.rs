//! The options of a connection, from the configuration to sqlx's options, and the settings of its session.

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions, SqlStr};

use super::rules::MySqlRules;
use crate::backend::rules::{ServerRules as _, level_words};
use crate::backend::sqlx::own_sql;
use crate::config::{Config, SslMode};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Setting};

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

/// The modes of a session that are set in addition to the server's own.
const MODES: &str = "sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION'))";

/// The time zone, and the settings on which every commit depends. The server, or its `init_connect`, may have others.
const RELIED_ON: &str = "time_zone='+00:00',autocommit=1,completion_type='NO_CHAIN'";

/// The setting of a replica, whose session only answers reads: a read that writes after all, in a function, is refused
/// there and runs on the primary. MySQL and MariaDB have different names for the setting, and each takes the other's for
/// a comment.
const OF_REPLICA: &str = "/*!50720 transaction_read_only=1,*//*M! tx_read_only=1,*/";

/// Asks for the version. The answer has a second column on MariaDB alone, whose version can be configured.
const VERSION: &str = "SELECT VERSION()/*M!,1*/";

/// Returns the text that sets up a session, and asks for the version of the server, in one round trip. The isolation
/// level is set by a statement of its own, because its variable has different names on MySQL and MariaDB.
pub(super) fn session(config: &Config) -> Result<SqlStr> {
    let settings = config.settings();
    let charset = word("charset", settings.charset.as_deref().unwrap_or("utf8mb4"))?;
    let of_replica = if config.is_replica() { OF_REPLICA } else { "" };
    let mut text = format!("SET {of_replica}{MODES},{RELIED_ON},NAMES {charset}");
    if let Some(collation) = &settings.collation {
        text.push_str(" COLLATE ");
        text.push_str(word("collation", collation)?);
    }
    if let Some(level) = settings.isolation_level {
        text.push_str("; SET SESSION TRANSACTION ISOLATION LEVEL ");
        text.push_str(level_words(level, MySqlRules.name())?);
    }
    if let Some(variables) = session_variables(config)? {
        text.push_str("; ");
        text.push_str(&variables);
    }
    Ok(own_sql(format!("{text}; {VERSION}")))
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

/// Returns the text if it is a plain word: the driver writes it into SQL as it is.
fn word<'t>(name: &str, text: &'t str) -> Result<&'t str> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(text);
    }
    let message = format!("{name}: {text:?} is not a name of letters, digits and underscores");
    Err(Error::new(ErrorKind::Config, message))
}

/// Returns the statement that sets the session variables of the configuration, if there are any.
fn session_variables(config: &Config) -> Result<Option<String>> {
    let mut parts = Vec::new();
    for (name, value) in &config.settings().server_settings {
        if name.eq_ignore_ascii_case("time_zone") {
            time_zone(value);
            continue;
        }
        if let Some(setting) = Setting::named(name) {
            relied_on(setting, value)?;
            continue;
        }
        parts.push(format!(
            "SESSION {} = {}",
            word("server_settings", name)?,
            literal(value)
        ));
    }
    Ok((!parts.is_empty()).then(|| format!("SET {}", parts.join(", "))))
}

/// Warns of a time zone other than UTC. Points in time are exchanged in UTC; in another zone TIMESTAMP columns would be
/// read wrong.
fn time_zone(value: &str) {
    let is_utc = ["utc", "gmt", "z", "+00:00", "etc/utc"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(value));
    if !is_utc {
        tracing::warn!("the time zone {value} is not set: sessions run in UTC, so that timestamps are read correctly");
    }
}

/// Refuses a setting of the session that would change the meaning of a commit.
fn relied_on(setting: Setting, value: &str) -> Result<()> {
    if setting.keeps(value) {
        return Ok(());
    }
    let name = setting.name();
    Err(Error::new(
        ErrorKind::Config,
        format!("server_settings: {name} = {value:?} would change what a commit means"),
    )
    .help(format!(
        "leave `{name}` out; `transaction()` commits several statements together"
    )))
}

fn literal(value: &str) -> String {
    if value.parse::<f64>().is_ok_and(f64::is_finite) {
        return value.to_owned();
    }
    Dialect::MySql.quote_text(value)
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
    fn u7_session_variables_are_quoted() {
        let sql = |url: &str| session_variables(&config(url)).unwrap();
        assert_eq!(sql("mysql://db/shop"), None);
        assert_eq!(sql("mysql://db/shop?timezone=UTC"), None);
        assert_eq!(
            sql("mysql://db/shop?wait_timeout=60&sql_mode=a'b%5C").unwrap(),
            r"SET SESSION sql_mode = 'a''b\\', SESSION wait_timeout = 60"
        );
    }

    #[test]
    fn x4_a_session_in_which_commits_mean_something_else_is_refused_found_w2() {
        for (option, refused) in [
            ("autocommit=0", true),
            ("AUTOCOMMIT=off", true),
            ("autocommit=1", false),
            ("completion_type=CHAIN", true),
            ("completion_type=no_chain", false),
        ] {
            let config = Config::from_url("mysql://db/shop").unwrap();
            let (name, value) = option.split_once('=').unwrap();
            let variables = session_variables(&config.server_setting(name, value));
            assert_eq!(variables.is_err(), refused, "{option}: {variables:?}");
            if let Err(error) = variables {
                assert!(error.to_string().contains("transaction()"), "{error}");
            }
        }
    }

    #[test]
    fn u7_names_that_reach_sql_are_plain_words() {
        let config = config("mysql://db/shop").charset("utf8; DROP TABLE note");
        assert_eq!(connect_options(&config).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(session(&config).unwrap_err().kind(), ErrorKind::Config);
    }
}
