//! The position of a server in its history of writes, for comparing a replica with its primary. No I/O: this module has
//! the queries for a replica and reads their answers; the rules of a server have the query for a primary.

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

fn log(rows: &[Row]) -> Option<u64> {
    let bytes: Option<i64> = rows.first()?.get(0).ok()?;
    bytes.and_then(|bytes| bytes.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Dialect;

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
