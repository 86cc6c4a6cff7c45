//! How a transaction is asked for, and the words that begin it on each server.

use sqlx::SqlStr;

use crate::backend::support::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// When SQLite takes its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Deferred,
    Immediate,
    Exclusive,
}

/// What a transaction is asked to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BeginOptions {
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) rollback_only: bool,
}

impl BeginOptions {
    /// The statement that begins an outermost transaction; `None` is the plain `BEGIN`.
    pub(super) fn begin(self, dialect: Dialect) -> Result<Option<SqlStr>> {
        if dialect != Dialect::Postgres && self.deferrable {
            return Err(unsupported(
                dialect,
                "DEFERRABLE transactions",
                "leave `deferrable()` out",
            ));
        }
        if dialect != Dialect::Sqlite && self.mode.is_some() {
            return Err(unsupported(
                dialect,
                "IMMEDIATE and EXCLUSIVE transactions",
                "they are SQLite's; leave them out",
            ));
        }
        let mut sql = String::new();
        match dialect {
            Dialect::Sqlite => {
                if let Some(level) = self.isolation.filter(|level| *level != IsolationLevel::Serializable) {
                    return Err(unsupported(
                        dialect,
                        &format!("isolation level {level}"),
                        "every SQLite transaction is SERIALIZABLE",
                    ));
                }
                match self.mode {
                    None => return Ok(None),
                    Some(Mode::Deferred) => sql.push_str("BEGIN DEFERRED"),
                    Some(Mode::Immediate) => sql.push_str("BEGIN IMMEDIATE"),
                    Some(Mode::Exclusive) => sql.push_str("BEGIN EXCLUSIVE"),
                }
            }
            Dialect::MySql => {
                if let Some(level) = self.isolation {
                    sql = format!("SET TRANSACTION ISOLATION LEVEL {}; ", level_sql(level, dialect)?);
                } else if !self.read_only {
                    return Ok(None);
                }
                sql.push_str(if self.read_only {
                    "START TRANSACTION READ ONLY"
                } else {
                    "START TRANSACTION"
                });
            }
            _ => {
                if self.isolation.is_none() && !self.read_only && !self.deferrable {
                    return Ok(None);
                }
                sql.push_str("BEGIN");
                if let Some(level) = self.isolation {
                    sql.push_str(" ISOLATION LEVEL ");
                    sql.push_str(level_sql(level, dialect)?);
                }
                if self.read_only {
                    sql.push_str(" READ ONLY");
                }
                if self.deferrable {
                    sql.push_str(" DEFERRABLE");
                }
            }
        }
        Ok(Some(own_sql(sql)))
    }

    /// What can be asked of a savepoint. Inside the sandbox the application believes it begins a transaction, so what a
    /// savepoint cannot give is let pass there.
    pub(super) fn nested(self, dialect: Dialect, virtually_outermost: bool) -> Result<()> {
        if virtually_outermost {
            self.begin(dialect)?;
            return Ok(());
        }
        if self.isolation.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a nested transaction cannot have an isolation level of its own",
            )
            .help("ask for it where the outermost transaction begins"));
        }
        if self.mode.is_some() || self.deferrable {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a nested transaction cannot be immediate, exclusive or deferrable",
            )
            .help("ask for it where the outermost transaction begins"));
        }
        if self.read_only && dialect == Dialect::MySql {
            return Err(unsupported(
                dialect,
                "read-only savepoints",
                "ask for `read_only()` where the outermost transaction begins",
            ));
        }
        Ok(())
    }
}

fn level_sql(level: IsolationLevel, dialect: Dialect) -> Result<&'static str> {
    match level {
        IsolationLevel::ReadUncommitted => Ok("READ UNCOMMITTED"),
        IsolationLevel::ReadCommitted => Ok("READ COMMITTED"),
        IsolationLevel::RepeatableRead => Ok("REPEATABLE READ"),
        IsolationLevel::Serializable => Ok("SERIALIZABLE"),
        #[allow(unreachable_patterns)]
        other => Err(unsupported(
            dialect,
            &format!("isolation level {other}"),
            "use one of the four levels of the SQL standard",
        )),
    }
}

fn unsupported(dialect: Dialect, what: &str, help: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{dialect} has no {what}")).help(help)
}
