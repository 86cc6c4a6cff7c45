//! How a transaction is asked for, and the words that begin it on each server.

use sqlx::{SqlSafeStr, SqlStr};

use super::Ground;
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
    /// What is meant on a database: SQLite takes its write lock at once, because a transaction that turns into a writer
    /// later does not wait for its turn. A database in memory is spared that:
    /// there the lock keeps readers out, too.
    pub(super) fn settled(self, ground: &Ground) -> Self {
        let writes = ground.dialect() == Dialect::Sqlite && !self.read_only && !ground.streams_block();
        let isolation = self.isolation.or(ground.settings.isolation_level);
        let mode = self.mode.or(writes.then_some(Mode::Immediate));
        Self {
            isolation,
            mode,
            ..self
        }
    }

    /// The statement that begins an outermost transaction; `None` is the plain `BEGIN`. Of wishes that the server grants
    /// anyway, or that only speak of when it takes its locks, no word is said where it has none for them.
    pub(super) fn begin(self, dialect: Dialect) -> Result<Option<SqlStr>> {
        if dialect != Dialect::Sqlite && self.mode == Some(Mode::Exclusive) {
            return Err(unsupported(
                dialect,
                "EXCLUSIVE transactions",
                "they are SQLite's; lock the tables in the transaction instead",
            ));
        }
        match dialect {
            Dialect::Sqlite => self.begin_sqlite(),
            Dialect::MySql => self.begin_mysql(),
            Dialect::Postgres => self.begin_postgres(),
        }
    }

    fn begin_sqlite(self) -> Result<Option<SqlStr>> {
        if let Some(level) = self.isolation.filter(|level| *level != IsolationLevel::Serializable) {
            return Err(unsupported(
                Dialect::Sqlite,
                &format!("isolation level {level}"),
                "every SQLite transaction is SERIALIZABLE",
            ));
        }
        Ok(match self.mode {
            None | Some(Mode::Deferred) => None,
            Some(Mode::Immediate) => Some("BEGIN IMMEDIATE".into_sql_str()),
            Some(Mode::Exclusive) => Some("BEGIN EXCLUSIVE".into_sql_str()),
        })
    }

    fn begin_mysql(self) -> Result<Option<SqlStr>> {
        let start = if self.read_only {
            "START TRANSACTION READ ONLY"
        } else {
            "START TRANSACTION"
        };
        Ok(match self.isolation {
            Some(level) => {
                let level = level_sql(level, Dialect::MySql)?;
                Some(own_sql(format!("SET TRANSACTION ISOLATION LEVEL {level}; {start}")))
            }
            None => self.read_only.then(|| start.into_sql_str()),
        })
    }

    fn begin_postgres(self) -> Result<Option<SqlStr>> {
        if self.isolation.is_none() && !self.read_only && !self.deferrable {
            return Ok(None);
        }
        let mut sql = "BEGIN".to_owned();
        if let Some(level) = self.isolation {
            sql.push_str(" ISOLATION LEVEL ");
            sql.push_str(level_sql(level, Dialect::Postgres)?);
        }
        if self.read_only {
            sql.push_str(" READ ONLY");
        }
        if self.deferrable {
            sql.push_str(" DEFERRABLE");
        }
        Ok(Some(own_sql(sql)))
    }

    /// What can be asked of a savepoint. Inside the sandbox the application believes it begins a transaction, so what a
    /// savepoint cannot give is let pass there. When locks are taken is a matter of the outermost transaction.
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
        if self.mode == Some(Mode::Exclusive) {
            return Err(
                Error::new(ErrorKind::Unsupported, "a nested transaction cannot be exclusive")
                    .help("ask for it where the outermost transaction begins"),
            );
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
