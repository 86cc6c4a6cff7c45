//! The position of a server in its history of writes, for comparing a replica with its primary. No I/O: this module has
//! the queries and reads their answers.

use std::sync::Arc;

use crate::error::Result;
use crate::sql::Dialect;
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

/// `pg_current_wal_insert_lsn()` lies after every acknowledged commit, even one that is not yet on disk
/// (`synchronous_commit = off`).
const LOG_WRITTEN: &str =
    "SELECT CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_insert_lsn() - '0/0')::bigint END";

/// Behind a load balancer the primary itself may answer; it has everything.
const LOG_REPLAYED: &str = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                            ELSE pg_current_wal_insert_lsn() END - '0/0')::bigint";

const TRANSACTIONS_WRITTEN: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('gtid_binlog_pos', 'gtid_executed')";

/// With a timeout of 0 it checks and does not wait.
const MARIA_REACHED: &str = "SELECT MASTER_GTID_WAIT(?, 0)";

const MYSQL_REACHED: &str = "SELECT GTID_SUBSET(?, @@global.gtid_executed)";

impl Position {
    /// Returns the query for the position of a primary; `None` for a database without positions.
    pub(crate) fn question(dialect: Dialect) -> Option<&'static str> {
        match dialect {
            Dialect::Postgres => Some(LOG_WRITTEN),
            Dialect::MySql => Some(TRANSACTIONS_WRITTEN),
            Dialect::Sqlite => None,
        }
    }

    /// Reads the primary's answer; `None` if the server keeps no position.
    pub(crate) fn read(dialect: Dialect, rows: &[Row]) -> Option<Self> {
        if dialect == Dialect::Postgres {
            return log(rows).map(Self::Log);
        }
        rows.iter().find_map(|row| {
            let (name, ids): (String, String) = (row.get(0).ok()?, row.get(1).ok()?);
            (!ids.is_empty()).then(|| Self::Transactions {
                maria: name.eq_ignore_ascii_case("gtid_binlog_pos"),
                ids: ids.into(),
            })
        })
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

    /// Returns whether servers of this kind have such positions.
    pub(crate) fn is_of(&self, dialect: Dialect) -> bool {
        match self {
            Self::Log(_) => dialect == Dialect::Postgres,
            Self::Transactions { .. } => dialect == Dialect::MySql,
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

fn log(rows: &[Row]) -> Option<u64> {
    let bytes: Option<i64> = rows.first()?.get(0).ok()?;
    bytes.and_then(|bytes| bytes.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(early.is_of(Dialect::Postgres) && !early.is_of(Dialect::MySql));
        assert!(ids("0-1-7").is_of(Dialect::MySql) && !ids("0-1-7").is_of(Dialect::Postgres));
    }
}
