//! The table of the options there are. Long, because it is one table.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::foreign::FOREIGN;
use super::isolation_level::IsolationLevel;
use super::isolation_policy::IsolationPolicy;
use super::read_your_writes::ReadYourWrites;
use super::settings::Settings;
use super::sqlite_mode::SqliteMode;
use super::ssl_mode::SslMode;
use super::text::{LONGEST, duration, flag, show_duration, squash};
use crate::sql::Dialect;

/// Where an option has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Any,
    /// PostgreSQL and MySQL.
    Servers,
    Postgres,
    MySql,
    Sqlite,
}

impl On {
    pub(super) fn covers(self, dialect: Dialect) -> bool {
        match self {
            Self::Any => true,
            Self::Servers => dialect != Dialect::Sqlite,
            Self::Postgres => dialect == Dialect::Postgres,
            Self::MySql => dialect == Dialect::MySql,
            Self::Sqlite => dialect == Dialect::Sqlite,
        }
    }
}

/// What must be there instead, to end the sentence "… is `x`, but must be".
pub(super) type Expected = Cow<'static, str>;

type Apply = fn(&mut Settings, &Given<'_>) -> Result<(), Expected>;

/// An option and what it does.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Other names for it, which mean exactly the same.
    pub(super) also: &'static [&'static str],
    pub(super) on: On,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// A field of [`Settings`].
    Own { apply: Apply, show: fn(&Settings) -> Value },
    /// Another way to set a field that has an entry of its own further up.
    Also(Apply),
    /// A parameter of the server, under the name it has there.
    Server(&'static str),
    /// libpq's `-c name=value …`.
    Startup,
    /// Cannot be done, or only when it is one of `fine`.
    Warn {
        fine: &'static [&'static str],
        why: &'static str,
    },
}

impl Known {
    pub(super) fn answers_to(&self, squashed: &str) -> bool {
        squash(self.name) == squashed || self.also.iter().any(|name| squash(name) == squashed)
    }

    /// Whether it may stand outside of `options` in a dictionary.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.kind, Kind::Own { .. })
    }
}

/// A value as it was given; `None` is a null of a dictionary.
pub(super) struct Given<'a> {
    pub(super) text: Option<&'a str>,
    /// What a plain number of a duration counts in.
    pub(super) unit: Duration,
}

impl<'a> Given<'a> {
    pub(super) fn text(&self) -> Result<&'a str, Expected> {
        self.text.ok_or(Cow::Borrowed("given"))
    }

    pub(super) fn whole<T: TryFrom<u64>>(&self, min: u64, max: u64) -> Result<T, Expected> {
        let number = self
            .text()?
            .parse::<u64>()
            .ok()
            .filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| Cow::Owned(format!("a whole number from {min} to {max}")))
    }

    pub(super) fn flag(&self) -> Result<bool, Expected> {
        flag(self.text()?).ok_or(Cow::Borrowed("true or false"))
    }

    pub(super) fn duration(&self) -> Result<Duration, Expected> {
        duration(self.text()?, self.unit).ok_or(Cow::Borrowed(
            "a number of seconds, or a number with one of the units ms, s, min and h",
        ))
    }

    pub(super) fn one_of(&self, words: &[&str]) -> Result<String, Expected> {
        let text = self.text()?.to_ascii_lowercase();
        if words.contains(&text.as_str()) {
            Ok(text)
        } else {
            Err(Cow::Owned(format!("one of {}", words.join(", "))))
        }
    }
}

/// A type a setting can have.
trait Setting: Sized {
    fn read(given: &Given<'_>) -> Result<Self, Expected>;
    fn show(&self) -> Value;
}

impl Setting for bool {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        given.flag()
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for Duration {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        given.duration()
    }
    fn show(&self) -> Value {
        show_duration(*self)
    }
}

impl Setting for Option<Duration> {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        match given.text {
            None | Some("-1" | "never" | "none") => Ok(None),
            Some(_) => match given.duration() {
                Ok(duration) => Ok(Some(duration).filter(|duration| !duration.is_zero())),
                Err(expected) => Err(Cow::Owned(format!("{expected}, or -1 for never"))),
            },
        }
    }
    fn show(&self) -> Value {
        self.map_or(Value::Null, show_duration)
    }
}

impl Setting for Option<String> {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        match given.text {
            Some(text) if text.contains('\0') => Err(Cow::Borrowed("text without a NUL character")),
            text => Ok(text.map(str::to_owned)),
        }
    }
    fn show(&self) -> Value {
        Value::from(self.as_deref())
    }
}

impl Setting for Option<PathBuf> {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        Ok(Option::<String>::read(given)?.map(PathBuf::from))
    }
    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, |path| path.to_string_lossy().into())
    }
}

impl Setting for u32 {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        given.whole(0, 65_535)
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for usize {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        given.whole(0, 1_000_000)
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for SslMode {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl Setting for SqliteMode {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl Setting for IsolationPolicy {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl Setting for ReadYourWrites {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl Setting for Option<IsolationLevel> {
    fn read(given: &Given<'_>) -> Result<Self, Expected> {
        let read = |text| IsolationLevel::read(text).ok_or(Cow::Borrowed(IsolationLevel::EXPECTED));
        given.text.map(read).transpose()
    }
    fn show(&self) -> Value {
        self.map_or(Value::Null, |level| level.as_str().to_ascii_lowercase().into())
    }
}

/// An entry for a field of [`Settings`]; it is read as its type has it, or by a function of its own.
macro_rules! own {
    ($name:literal, $also:expr, $on:ident, $field:ident) => {
        own!($name, $also, $on, $field, |given| Setting::read(given))
    };
    ($name:literal, $also:expr, $on:ident, $field:ident, $read:expr) => {
        Known {
            name: $name,
            also: &$also,
            on: On::$on,
            kind: Kind::Own {
                apply: |settings, given| {
                    let read: fn(&Given<'_>) -> Result<_, Expected> = $read;
                    settings.$field = read(given)?;
                    Ok(())
                },
                show: |settings| settings.$field.show(),
            },
        }
    };
}

/// The settings of this crate.
static OWN: &[Known] = &[
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
        Servers,
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
    own!("statement_cache_capacity", CACHE_NAMES, Any, statement_cache_capacity),
    own!("pool_name", [], Any, pool_name),
    own!("application_name", ["program_name"], Any, application_name),
    own!("ssl_mode", ["ssl", "tls", "use_ssl"], Servers, ssl_mode),
    own!("ssl_root_cert", ["ssl_ca", "ssl_ca_file"], Servers, ssl_root_cert),
    own!("ssl_cert", [], Servers, ssl_cert),
    own!("ssl_key", [], Servers, ssl_key),
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
    own!("result_timeout", [], Any, result_timeout),
    own!("isolation_policy", [], Any, isolation_policy),
    own!("read_your_writes", [], Any, read_your_writes),
    own!("replica_window", [], Any, replica_window),
    own!("replica_retry", [], Any, replica_retry),
    own!("stream_buffer_rows", [], Any, stream_buffer_rows, |v| v
        .whole(1, u64::from(u32::MAX))),
    own!("socket", ["unix_socket", "unix_sock"], Servers, socket),
    Known {
        name: "server_settings",
        also: &[],
        on: On::Any,
        kind: Kind::Own {
            apply: |_, _| Err(Cow::Borrowed("a table of names and values")),
            show: show_server,
        },
    },
    own!("charset", ["character_encoding"], MySql, charset),
    own!("collation", ["connection_collation"], MySql, collation),
    own!("mode", ["sqlite_mode"], Sqlite, sqlite_mode),
    // Those who think in SQLite's own milliseconds are told so, and do not wait for 83 minutes.
    own!(
        "busy_timeout",
        ["timeout"],
        Sqlite,
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
    own!("foreign_keys", ["fk"], Sqlite, foreign_keys),
    own!("cache", ["shared_cache"], Sqlite, shared_cache, |v| match v.text()? {
        "shared" => Ok(true),
        "private" => Ok(false),
        other => flag(other).ok_or(Cow::Borrowed("`shared` or `private`")),
    }),
    own!("immutable", [], Sqlite, immutable),
    own!("vfs", [], Sqlite, vfs),
];

const CACHE_NAMES: [&str; 4] = [
    "statement_cache_size",
    "prepared_statement_cache_size",
    "cached_statements",
    "prep_stmt_cache_size",
];

/// `SQLAlchemy` has `echo="debug"` besides true and false.
fn debug_or_flag(given: &Given<'_>) -> Result<bool, Expected> {
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

/// All options, the crate's own first. They take effect in this order, whatever order they are given in.
pub(super) fn all() -> impl Iterator<Item = &'static Known> {
    OWN.iter().chain(FOREIGN)
}

/// All settings under their names.
pub(super) fn show_all(settings: &Settings) -> impl Iterator<Item = (&'static str, Value)> {
    all().filter_map(move |known| match known.kind {
        Kind::Own { show, .. } => Some((known.name, show(settings))),
        _ => None,
    })
}
