//! The table of this crate's own options. Long, because it is one table.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::option::{Expected, GivenValue, OptionKind, OptionSpec, SettingType};
use super::settings::Settings;
use super::text::{LONGEST, flag};
use crate::url::OptionScope;

/// Creates the entry for a field of [`Settings`]. Its type reads the value, unless a function is given.
macro_rules! own {
    ($name:literal, $also:expr, $on:ident, $($field:ident).+) => {
        own!($name, $also, $on, $($field).+, |given| SettingType::read(given))
    };
    ($name:literal, $also:expr, $on:ident, $($field:ident).+, $read:expr) => {
        OptionSpec {
            name: $name,
            also: &$also,
            on: OptionScope::$on,
            kind: OptionKind::Own {
                apply: |settings, given| {
                    let read: fn(&GivenValue<'_>) -> Result<_, Expected> = $read;
                    settings.$($field).+ = read(given)?;
                    Ok(())
                },
                show: |settings| settings.$($field).+.show(),
            },
        }
    };
}

/// The settings of this crate.
pub(super) static OWN: &[OptionSpec] = &[
    own!(
        "pool_size",
        ["max_size", "max_connections", "connection_limit"],
        Any,
        pool_size,
        |v| v.whole(1, 65_535)
    ),
    own!("max_overflow", [], Any, max_overflow),
    own!("pool_timeout", ["acquire_timeout"], Any, pool_timeout),
    own!(
        "connect_timeout",
        ["connection_timeout", "login_timeout"],
        Connecting,
        connect_timeout,
        |v| { Ok(Some(v.duration()?).filter(|limit| !limit.is_zero()).unwrap_or(LONGEST)) }
    ),
    own!("pool_recycle", ["max_lifetime"], Any, pool_recycle),
    own!("idle_timeout", ["max_inactive_connection_lifetime"], Any, idle_timeout),
    own!("health_check_after", [], Any, health_check_after),
    own!(
        "statement_timeout",
        ["command_timeout", "query_timeout"],
        Any,
        statement_timeout
    ),
    own!("slow_statement", [], Any, slow_statement, |v| match v.text {
        Some(text) if text != "0" && flag(text) == Some(false) => Ok(None),
        _ => SettingType::read(v),
    }),
    own!("statement_cache_capacity", CACHE_NAMES, Any, statement_cache_capacity),
    own!("pool_name", ["pool_logging_name"], Any, pool_name),
    own!("application_name", ["program_name"], Any, application_name),
    own!("ssl_mode", ["ssl", "tls", "use_ssl"], Connecting, ssl_mode),
    own!("ssl_root_cert", ["ssl_ca", "ssl_ca_file"], Connecting, ssl_root_cert),
    own!("ssl_cert", [], Connecting, ssl_cert),
    own!("ssl_key", [], Connecting, ssl_key),
    own!(
        "isolation_level",
        ["isolation", "transaction_isolation"],
        Any,
        isolation_level
    ),
    own!("echo", [], Any, echo, debug_or_flag),
    own!("show_parameters", ["trace_parameters"], Any, show_parameters),
    own!("echo_pool", [], Any, echo_pool, debug_or_flag),
    own!("force_rollback", [], Any, force_rollback),
    own!("full_isolation", [], Any, full_isolation),
    own!("lazy", [], Any, lazy),
    own!("lease_timeout", [], Any, lease_timeout),
    own!("disconnect_timeout", [], Any, disconnect_timeout),
    own!("result_timeout", [], Any, result_timeout),
    own!("isolation_policy", [], Any, isolation_policy),
    own!("read_your_writes", [], Any, read_your_writes),
    own!("replica_window", [], Any, replica_window),
    own!("replica_retry", [], Any, replica_retry),
    own!("keep_session", [], Any, keep_session),
    own!("stream_buffer_rows", [], Any, stream_buffer_rows, |v| v
        .whole(1, u64::from(u32::MAX))),
    own!("trust_server_certificate", [], SqlServer, trust_server_certificate),
    own!("socket", ["unix_socket", "unix_sock"], Connecting, socket),
    OptionSpec {
        name: "server_settings",
        also: &[],
        on: OptionScope::Any,
        kind: OptionKind::Own {
            apply: |_, _| Err(Cow::Borrowed("a table of names and values")),
            show: show_server,
        },
    },
    own!("charset", ["character_encoding"], MySqlSessions, charset, |v| {
        // Java's name for it.
        let is_utf8 = v.text.is_some_and(|text| text.eq_ignore_ascii_case("utf-8"));
        Ok(v.text.map(|text| if is_utf8 { "utf8mb4" } else { text }.to_owned()))
    }),
    own!("collation", ["connection_collation"], MySqlSessions, collation),
    own!("mode", ["sqlite_mode"], Sqlite, sqlite_mode),
    // SQLite itself counts milliseconds. The limit turns `5000` into an error, because it would mean 83 minutes.
    own!(
        "busy_timeout",
        ["timeout"],
        SqliteSessions,
        busy_timeout,
        |v| match v.duration()? {
            long if long > Duration::from_hours(1) =>
                Err(Cow::Borrowed("at most an hour; milliseconds are written `5000ms`")),
            short => Ok(short),
        }
    ),
    own!("journal_mode", ["journal"], Sqlite, journal_mode, |v| {
        v.text
            .map(|_| v.one_of(&["wal", "delete", "truncate", "persist", "memory", "off"]))
            .transpose()
    }),
    own!("synchronous", ["sync"], Sqlite, synchronous, |v| match v.text {
        None => Ok(None),
        Some(number @ ("0" | "1" | "2" | "3")) => {
            let words = ["off", "normal", "full", "extra"];
            Ok(number
                .parse::<usize>()
                .ok()
                .and_then(|number| words.get(number))
                .map(|word| (*word).to_owned()))
        }
        Some(_) => v.one_of(&["off", "normal", "full", "extra"]).map(Some),
    }),
    own!("foreign_keys", ["fk"], SqliteSessions, foreign_keys),
    own!("cache", ["shared_cache"], Sqlite, shared_cache, |v| match v.text()? {
        "shared" => Ok(true),
        "private" => Ok(false),
        other => flag(other).ok_or(Cow::Borrowed("`shared` or `private`")),
    }),
    own!("immutable", [], Sqlite, immutable),
    own!("vfs", [], Sqlite, vfs),
    OptionSpec {
        name: CLASSPATH,
        also: &[],
        on: OptionScope::Jdbc,
        kind: OptionKind::Own {
            // Each adds to it, as databasez has it.
            apply: |settings, given| {
                for path in read_paths(given)? {
                    if !settings.bridge.classpath.contains(&path) {
                        settings.bridge.classpath.push(path);
                    }
                }
                Ok(())
            },
            show: |settings| Value::from(settings.bridge.classpath.clone()),
        },
    },
    own!("jdbc_driver", [], Jdbc, bridge.jdbc_driver),
    own!("jdbc_driver_args", [], Jdbc, bridge.jdbc_driver_args, |v| {
        match SettingType::read(v) {
            Ok(Some(Value::Array(_))) => Err(Cow::Borrowed("a JSON object")),
            read => read,
        }
    }),
    own!("jdbc_dsn_driver", [], Jdbc, bridge.jdbc_dsn_driver, subprotocol),
    own!("java", [], Jdbc, bridge.java),
    own!("dbapi_path", [], DbApi, bridge.dbapi_path, |v| match v.text {
        Some("") => Err(Cow::Borrowed("the name of a module, such as `sqlite3`")),
        _ => SettingType::read(v),
    }),
    own!("dbapi_driver_args", [], DbApi, bridge.dbapi_driver_args, |v| {
        SettingType::read(v).map_err(|_| Cow::Borrowed("a JSON object of keywords, or a JSON array"))
    }),
    own!("dbapi_dsn_driver", [], DbApi, bridge.dbapi_dsn_driver, subprotocol),
    own!("dbapi_pool", [], DbApi, bridge.dbapi_pool),
    own!("python", [], DbApi, bridge.python),
    // Settings of databasez, which its dictionaries have beside the connection.
    ignored(
        "dbapi_force_async_wrapper",
        OptionScope::DbApi,
        "modules always run in a process of their own",
    ),
    ignored(
        "transform_reflected_names",
        OptionScope::Jdbc,
        "tables are not reflected",
    ),
    ignored("use_code_datatype", OptionScope::Jdbc, "tables are not reflected"),
    OptionSpec {
        name: "poll_interval",
        also: &[],
        on: OptionScope::Any,
        kind: OptionKind::Warn {
            fine: &[],
            why: "nothing is polled; callers are woken",
        },
    },
];

/// The option that may occur several times.
pub(super) const CLASSPATH: &str = "classpath";

const fn ignored(name: &'static str, on: OptionScope, why: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        also: &[],
        on,
        kind: OptionKind::Warn { fine: &[], why },
    }
}

/// Reads one path, or several as a JSON array.
fn read_paths(given: &GivenValue<'_>) -> Result<Vec<String>, Expected> {
    let Some(text) = given.text else { return Ok(Vec::new()) };
    if text.contains('\0') {
        return Err(Cow::Borrowed("text without a NUL character"));
    }
    if text.starts_with('[')
        && let Ok(paths) = serde_json::from_str(text)
    {
        return Ok(paths);
    }
    Ok(if text.is_empty() {
        Vec::new()
    } else {
        vec![text.to_owned()]
    })
}

/// Reads what stands after `jdbc:`; a colon or slashes at its end are left out.
fn subprotocol(given: &GivenValue<'_>) -> Result<Option<String>, Expected> {
    let name = given
        .text
        .map(|text| text.trim_end_matches(['/', ':']).to_ascii_lowercase());
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    match name {
        Some(name) if name.is_empty() || !name.bytes().all(known) => Err(Cow::Borrowed("a name such as `h2`")),
        name => Ok(name),
    }
}

const CACHE_NAMES: [&str; 4] = [
    "statement_cache_size",
    "prepared_statement_cache_size",
    "cached_statements",
    "prep_stmt_cache_size",
];

/// Reads a flag. Besides true and false, `SQLAlchemy` has `echo="debug"`.
fn debug_or_flag(given: &GivenValue<'_>) -> Result<bool, Expected> {
    if given.text == Some("debug") {
        Ok(true)
    } else {
        given.flag()
    }
}

fn show_server(settings: &Settings) -> Value {
    let pairs = settings
        .server_settings
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()));
    Value::Object(pairs.collect::<Map<_, _>>())
}
