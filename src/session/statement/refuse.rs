//! Refusals of statements that would begin or end a transaction unnoticed.

use super::run::BoundStatement;
use crate::error::{Error, ErrorKind, Result};
use crate::session::engine::Engine;
use crate::session::level::{Level, LevelKind};
use crate::sql::{Control, Setting, excerpt};

impl BoundStatement {
    /// Returns the part of a refusal that names the statement.
    fn unsent(&self) -> String {
        format!("it was not sent: `{}` of {}", excerpt(self.text()), self.caller)
    }
}

impl Engine {
    /// Records a statement that was not sent, for reports of what was done.
    pub(crate) fn write_refusal(&self, sql: &str, error: &Error) {
        if let Some(statement_log) = self.statement_log() {
            statement_log.refused(sql.trim(), error);
        }
    }

    pub(in crate::session) fn refusing(&self, work: &BoundStatement, admitted: Result<()>) -> Result<()> {
        admitted.inspect_err(|error| self.write_refusal(work.text(), error))
    }
}

/// Refuses SQL text that begins or ends a transaction on a connection that goes back to the pool right after it.
pub(in crate::session) fn needs_connection(control: Control, work: &BoundStatement) -> Result<()> {
    let what = match control {
        Control::None | Control::Implicit => return Ok(()),
        Control::Begin => "BEGIN",
        Control::Commit => "COMMIT",
        Control::Rollback => "ROLLBACK",
        Control::Savepoint => "SAVEPOINT",
        Control::Release => "RELEASE",
    };
    let message = format!(
        "`{what}` as SQL text is not allowed through `Database`, whose next statement may run on another connection; {}",
        work.unsent()
    );
    Err(Error::new(ErrorKind::Refused, message)
        .help("use `database.transaction()`, or send such text through one `database.connection()`"))
}

/// Refuses SQL text that would change what a commit means on its connection.
pub(in crate::session) fn unswitched(work: &BoundStatement) -> Result<()> {
    let (what, help) = match work.template.effect().switches {
        None => return Ok(()),
        Some(Setting::Autocommit) => (
            "may switch `autocommit` off, and what is written on its connection afterwards would be lost silently",
            "use `transaction()` to commit statements together; outside of it, each statement is committed by itself",
        ),
        Some(Setting::ImplicitTransactions) => (
            "may switch implicit transactions on, and what is written on its connection afterwards would be lost silently",
            "use `transaction()` to commit statements together; outside of it, each statement is committed by itself",
        ),
        Some(Setting::CompletionType) => (
            "may change `completion_type`, after which a COMMIT on its connection begins another transaction or ends the session",
            "leave the statement out: the library begins and ends transactions itself, by `transaction()`",
        ),
    };
    Err(Error::new(ErrorKind::Refused, format!("the statement {what}; {}", work.unsent())).help(help))
}

impl Level {
    /// Refuses SQL text that would end the transaction and bypass its guard.
    pub(in crate::session) fn admit(&self, work: &BoundStatement) -> Result<()> {
        if self.kind == LevelKind::Base {
            return Ok(());
        }
        let admitted = if self.engine.sandbox.is_some() && !work.template.effect().asks {
            self.admit_writing(work)
        } else {
            Ok(())
        };
        let admitted = admitted.and_then(|()| self.admit_control(work));
        self.engine.refusing(work, admitted)
    }

    fn admit_control(&self, work: &BoundStatement) -> Result<()> {
        let control = work.template.control();
        let sandboxed = matches!(self.kind, LevelKind::View | LevelKind::Sandbox);
        let (what, help) = match control {
            Control::Savepoint | Control::Release if sandboxed => return self.admit_savepoint(work),
            Control::None | Control::Savepoint | Control::Release => return Ok(()),
            Control::Begin | Control::Commit | Control::Rollback if sandboxed => (
                "end the outer transaction of the sandbox, or begin another inside it",
                "use `database.transaction()`, which becomes a savepoint here; or run this test with a database of its own",
            ),
            Control::Implicit if sandboxed => (
                "commit the outer transaction of the sandbox implicitly, as the server does for this statement",
                "create tables in a migration, before the sandbox; use CREATE TEMPORARY TABLE; or give this test a database of its own (`strategy = \"clone\"`, or `TestDatabase`)",
            ),
            Control::Begin => (
                "begin a transaction inside another",
                "use `transaction()`, which nests by savepoints",
            ),
            Control::Commit => ("commit the transaction as SQL text", "call `commit()` on its guard"),
            Control::Rollback => (
                "roll the transaction back as SQL text",
                "call `rollback()` on its guard, or drop it",
            ),
            Control::Implicit => (
                "commit the transaction implicitly, as the server does for this statement",
                "run it outside of the transaction",
            ),
        };
        let message = format!("the statement would {what}; {}", work.unsent());
        Err(Error::new(ErrorKind::Refused, message).help(help))
    }

    /// Treats a savepoint outside of a transaction as it is treated outside of the sandbox: refuses it if the server
    /// knows none there.
    fn admit_savepoint(&self, work: &BoundStatement) -> Result<()> {
        if self.kind == LevelKind::Sandbox && work.template.statements() == 1 {
            return needs_connection(work.template.control(), work);
        }
        let Some(code) = self.engine.transactions.savepoint_outside else {
            return Ok(());
        };
        let message = format!(
            "{} supports savepoints only in transactions, and the application has no transaction open here; {}",
            self.engine.rules().name(),
            work.unsent()
        );
        Err(Error::new(ErrorKind::Refused, message)
            .with_code(code)
            .help("use `transaction()`, and a `transaction()` inside it, which is a savepoint"))
    }

    /// Refuses to write in a read-only transaction that the server does not know to be one.
    fn admit_writing(&self, work: &BoundStatement) -> Result<()> {
        let mut at = self.state.lock().read_only.then_some(self.opened.place);
        let mut below = self.below();
        while let Some(level) = below.filter(|_| at.is_none()) {
            at = level.state.lock().read_only.then_some(level.opened.place);
            below = level.below();
        }
        match at {
            None => Ok(()),
            Some(place) => Err(Error::new(
                ErrorKind::ReadOnly,
                format!(
                    "the statement may write, but the transaction begun at {place} is read-only; {}",
                    work.unsent()
                ),
            )
            .with_code("25006")
            .help("leave `read_only()` out where the transaction begins")),
        }
    }
}
