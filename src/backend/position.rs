//! The position of a server in its history of writes, for comparing a replica with its primary. No I/O: this module has
//! the queries for a replica and reads their answers; the rules of a server have the query for a primary.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::value::{IntoParams, Params, Row};

/// A position in the history of a database. Everything committed before the query for it lies before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// An offset in bytes in PostgreSQL's write-ahead log.
    Log(u64),
    /// The transactions of a server, by their global ids: MariaDB's, or else MySQL's.
    Transactions { maria: bool, ids: Arc<str> },
}

/// A replica's answer to the question whether it has reached a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The replica is at this position.
    At(Position),
    NotYet,
    /// The replica does not know.
    Unknown,
}

/// Behind a load balancer the primary itself may answer; it has everything.
const LOG_REPLAYED: &str = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                            ELSE pg_current_wal_insert_lsn() END - '0/0')::bigint";

/// With a timeout of 0 it checks and does not wait.
const MARIA_REACHED: &str = "SELECT MASTER_GTID_WAIT(?, 0)";

const MYSQL_REACHED: &str = "SELECT GTID_SUBSET(?, @@global.gtid_executed)";

impl Position {
    /// Reads an offset in a log from the answer of a primary.
    pub(super) fn log(rows: &[Row]) -> Option<Self> {
        log(rows).map(Self::Log)
    }

    /// Reads a set of global ids as the servers write it; `None` if the text is none.
    ///
    /// MySQL: `uuid:1-5:7,uuid:tag:1-3`, with tags since 8.3, white space between the parts, and letters of either case.
    /// MariaDB: `domain-server-sequence`, separated by commas.
    fn transactions(maria: bool, text: &str) -> Option<Self> {
        let mut parts = text.split(',').map(|part| {
            if maria {
                is_maria_id(part.trim())
            } else {
                is_uuid_set(part)
            }
        });
        parts.all(|valid| valid).then(|| Self::Transactions {
            maria,
            ids: text.into(),
        })
    }

    /// Reads the text that `Display` writes; `None` if it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("log", bytes) => bytes.parse().ok().map(Self::Log),
            ("mariadb", ids) => Self::transactions(true, ids),
            ("mysql", ids) => Self::transactions(false, ids),
            _ => None,
        }
    }

    /// Returns the query for a replica.
    pub(crate) fn check(&self) -> Result<(&'static str, Params)> {
        match self {
            Self::Log(_) => Ok((LOG_REPLAYED, ().into_params()?)),
            Self::Transactions { maria, ids } => {
                let sql = if *maria { MARIA_REACHED } else { MYSQL_REACHED };
                Ok((sql, (&**ids,).into_params()?))
            }
        }
    }

    /// Reads the replica's answer.
    pub(crate) fn reached(&self, rows: &[Row]) -> Reached {
        let number = || rows.first()?.get::<Option<i64>>(0).ok().flatten();
        match self {
            Self::Log(_) => log(rows).map_or(Reached::Unknown, |here| Reached::At(Self::Log(here))),
            Self::Transactions { maria, .. } => match (number(), maria) {
                (Some(0), true) | (Some(1), false) => Reached::At(self.clone()),
                (Some(_), _) => Reached::NotYet,
                (None, _) => Reached::Unknown,
            },
        }
    }

    /// Returns whether a server at this position has everything up to `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Log(here), Self::Log(there)) => here >= there,
            (here, there) => here == there,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(bytes) => write!(f, "log:{bytes}"),
            Self::Transactions { maria: true, ids } => write!(f, "mariadb:{ids}"),
            Self::Transactions { maria: false, ids } => write!(f, "mysql:{ids}"),
        }
    }
}

/// Returns whether the text is `domain-server-sequence`.
fn is_maria_id(text: &str) -> bool {
    let mut numbers = text.split('-');
    let small = |number: Option<&str>| number.is_some_and(is_number::<u32>);
    small(numbers.next())
        && small(numbers.next())
        && numbers.next().is_some_and(is_number::<u64>)
        && numbers.next().is_none()
}

/// Returns whether the text is `uuid:interval:…`, in which tags may stand before intervals.
fn is_uuid_set(text: &str) -> bool {
    let mut parts = text.split(':').map(str::trim);
    let is_uuid = |uuid: &str| uuid.len() == UUID_LENGTH && uuid::Uuid::try_parse(uuid).is_ok();
    if !parts.next().is_some_and(is_uuid) {
        return false;
    }
    // The last part must be an interval.
    let mut complete = false;
    for part in parts {
        complete = is_interval(part);
        if !complete && !is_tag(part) {
            return false;
        }
    }
    complete
}

const UUID_LENGTH: usize = 36;

fn is_interval(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| is_number::<u64>(text.trim()) && text.trim() != "0";
    number(first) && number(last)
}

fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.len() <= 32 && bytes.next().is_some_and(letter) && bytes.all(|byte| letter(byte) || byte.is_ascii_digit())
}

fn is_number<N: std::str::FromStr>(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<N>().is_ok()
}

fn log(rows: &[Row]) -> Option<u64> {
    let bytes: Option<i64> = rows.first()?.get(0).ok()?;
    bytes.and_then(|bytes| bytes.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Dialect;

    #[test]
    fn r6_sets_of_global_ids_are_read_as_the_servers_write_them_found_v8() {
        const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let mysql = |text: &str| Position::transactions(false, &text.replace("UUID", UUID)).is_some();
        for text in [
            "UUID:1",
            "UUID:1-5",
            "UUID:1-5:7:9-11",
            "UUID:1-5,\nUUID:1",
            " UUID : 1 - 5 , UUID:2",
            "UUID:blue_sky:1-3",
            "UUID:1-5:_tag1:1-3:5:other:7",
            "UUID:18446744073709551615",
        ] {
            assert!(mysql(text), "{text}");
            assert!(mysql(&text.to_uppercase()), "{text}");
        }
        for text in [
            "",
            "UUID",
            "UUID:",
            "UUID:0",
            "UUID:1-",
            "UUID:tag",
            "UUID:1:tag",
            "UUID:1tag:1",
            "UUID:1,",
            "0-1-7",
            "UUID:+1",
            "UUID:1'",
            "3e11fa4771ca11e19e33c80aa9429562:1",
        ] {
            assert!(!mysql(text), "{text}");
        }
        assert!(!mysql(&format!("UUID:{}:1", "t".repeat(33))));
        let maria = |text: &str| Position::transactions(true, text).is_some();
        assert!(maria("0-1-7") && maria("0-1-7,1-1-3") && maria("4294967295-1-18446744073709551615"));
        for text in ["", "0-1", "0-1-7-9", "0-1-7,", "a-1-7", "0-1-+7", "4294967296-1-1"] {
            assert!(!maria(text), "{text}");
        }
    }

    #[test]
    fn r6_positions_of_a_log_are_ordered_and_those_of_transactions_are_not() {
        let (early, late) = (Position::Log(5), Position::Log(6));
        assert!(late.covers(&early) && late.covers(&late) && !early.covers(&late));
        let ids = |ids: &str| Position::Transactions {
            maria: true,
            ids: ids.into(),
        };
        assert!(ids("0-1-7").covers(&ids("0-1-7")));
        assert!(!ids("0-1-8").covers(&ids("0-1-7")), "only the server can compare them");
        assert!(!ids("0-1-7").covers(&early));
        let has = |dialect: Dialect, position: &Position| {
            dialect.rules().positions().is_some_and(|rules| (rules.has)(position))
        };
        assert!(has(Dialect::Postgres, &early) && !has(Dialect::MySql, &early));
        assert!(has(Dialect::MySql, &ids("0-1-7")) && !has(Dialect::Postgres, &ids("0-1-7")));
        assert!(!has(Dialect::Sqlite, &early));
    }
}
