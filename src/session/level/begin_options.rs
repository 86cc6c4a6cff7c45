//! The options of a transaction, and the SQL that begins it on each server.

use sqlx::{SqlSafeStr, SqlStr};

use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::session::engine::Engine;
use crate::sql::Dialect;

/// The time at which SQLite takes its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Deferred,
    Immediate,
    Exclusive,
}

/// The requested properties of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BeginOptions {
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) rollback_only: bool,
}

impl BeginOptions {
    /// Returns the options that apply on a database. SQLite takes its write lock at once, because a transaction that
    /// turns into a writer later does not wait for its turn. A database in memory is an exception: there the lock keeps
    /// readers out, too.
    pub(in crate::session) fn settled(self, engine: &Engine) -> Self {
        let writes = engine.dialect() == Dialect::Sqlite && !self.read_only && !engine.streams_block();
        let isolation = self.isolation.or(engine.settings.isolation_level);
        let mode = self.mode.or(writes.then_some(Mode::Immediate));
        Self {
            isolation,
            mode,
            ..self
        }
    }

    /// Returns the statement that begins an outermost transaction; `None` is the plain `BEGIN`. A server may have no
    /// words for an option. Such an option is left out if the server grants it anyway, or if it only concerns when
    /// locks are taken.
    pub(in crate::session) fn begin(self, dialect: Dialect) -> Result<Option<SqlStr>> {
        if dialect != Dialect::Sqlite && self.mode == Some(Mode::Exclusive) {
            let help = if dialect == Dialect::Postgres {
                "only SQLite supports them; execute `LOCK TABLE … IN EXCLUSIVE MODE` in the transaction instead"
            } else {
                "only SQLite supports them; lock the rows with `SELECT … FOR UPDATE` instead"
            };
            return Err(unsupported(dialect, "EXCLUSIVE transactions", help));
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

    /// Checks the options of a savepoint. Inside the sandbox the application believes it begins a transaction, so
    /// options that a savepoint cannot grant pass there. The time of taking locks is a matter of the outermost
    /// transaction.
    pub(in crate::session) fn nested(self, dialect: Dialect, virtually_outermost: bool) -> Result<()> {
        if virtually_outermost {
            self.begin(dialect)?;
            return Ok(());
        }
        if self.isolation.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a nested transaction cannot have an isolation level of its own",
            )
            .help("set it where the outermost transaction begins"));
        }
        if self.mode == Some(Mode::Exclusive) {
            return Err(
                Error::new(ErrorKind::Unsupported, "a nested transaction cannot be exclusive")
                    .help("set it where the outermost transaction begins"),
            );
        }
        if self.read_only && dialect == Dialect::MySql {
            return Err(unsupported(
                dialect,
                "read-only savepoints",
                "call `read_only()` where the outermost transaction begins",
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
    Error::new(ErrorKind::Unsupported, format!("{dialect} does not support {what}")).help(help)
}
