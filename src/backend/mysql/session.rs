//! The texts that set up a session.

use super::rules::MySqlRules;
use crate::backend::rules::{ServerRules as _, level_words};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Setting};

/// The modes of a session that are set in addition to the server's own.
const MODES: &str = "sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION'))";

/// The time zone, and the settings on which every commit depends. The server, or its `init_connect`, may have others.
const RELIED_ON: &str = "time_zone='+00:00',autocommit=1,completion_type='NO_CHAIN'";

/// The setting of a replica, whose session only answers reads: a read that writes after all, in a function, is refused
/// there and runs on the primary. MySQL and MariaDB have different names for the setting, and each takes the other's for
/// a comment.
const OF_REPLICA: &str = "/*!50720 transaction_read_only=1,*//*M! tx_read_only=1,*/";

/// Returns the texts that set up a session. The first one is needed by the library itself. The isolation level is set by a
/// statement of its own, because its variable has different names on MySQL and MariaDB.
pub(in crate::backend) fn texts(config: &Config) -> Result<Vec<String>> {
    let settings = config.settings();
    let charset = word("charset", settings.charset.as_deref().unwrap_or("utf8mb4"))?;
    let of_replica = if config.is_replica() { OF_REPLICA } else { "" };
    let mut text = format!("SET {of_replica}{MODES},{RELIED_ON},NAMES {charset}");
    if let Some(collation) = &settings.collation {
        text.push_str(" COLLATE ");
        text.push_str(word("collation", collation)?);
    }
    let mut texts = vec![text];
    if let Some(level) = settings.isolation_level {
        let words = level_words(level, MySqlRules.name())?;
        texts.push(format!("SET SESSION TRANSACTION ISOLATION LEVEL {words}"));
    }
    texts.extend(session_variables(config)?);
    Ok(texts)
}

/// Returns the text if it is a plain word: the driver writes it into SQL as it is.
pub(super) fn word<'t>(name: &str, text: &'t str) -> Result<&'t str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Config::from_url(url).unwrap()
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
}
