//! What is not sent, because it would begin or end a transaction behind somebody's back.

use super::report::shown;
use super::{Ground, Kind, Node, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Control, Dialect, Setting};

impl Work {
    /// What a refusal says of the statement.
    fn unsent(&self) -> String {
        format!("it was not sent: `{}` of {}", shown(self.text()), self.asker)
    }
}

impl Ground {
    /// Writes down what was not sent, for whoever wants to know what was done.
    pub(crate) fn write_refusal(&self, sql: &str, error: &Error) {
        if let Some(journal) = self.journal() {
            journal.refused(sql.trim(), error);
        }
    }

    pub(super) fn refusing(&self, work: &Work, admitted: Result<()>) -> Result<()> {
        admitted.inspect_err(|error| self.write_refusal(work.text(), error))
    }
}

/// Refuses SQL text that begins or ends a transaction on a connection that goes back to the pool right after it.
pub(super) fn homeless(control: Control, work: &Work) -> Result<()> {
    let what = match control {
        Control::None | Control::Implicit => return Ok(()),
        Control::Begin => "BEGIN",
        Control::Commit => "COMMIT",
        Control::Rollback => "ROLLBACK",
        Control::Savepoint => "SAVEPOINT",
        Control::Release => "RELEASE",
    };
    let message = format!(
        "`{what}` as SQL text means nothing through `Database`, whose next statement may run on another connection; {}",
        work.unsent()
    );
    Err(Error::new(ErrorKind::Refused, message)
        .help("use `database.transaction()`, or send such text through one `database.connection()`"))
}

/// Refuses SQL text that would change what a commit means on its connection.
pub(super) fn unswitched(work: &Work) -> Result<()> {
    let (what, help) = match work.template.effect().switches {
        None => return Ok(()),
        Some(Setting::Autocommit) => (
            "may switch `autocommit` off, and what is written on its connection afterwards would be lost without a word",
            "use `transaction()` for what is to be committed together; outside of it each statement commits itself",
        ),
        Some(Setting::CompletionType) => (
            "may change `completion_type`, after which a COMMIT on its connection begins another transaction or ends the session",
            "leave it out: the library begins and ends transactions itself, by `transaction()`",
        ),
    };
    Err(Error::new(ErrorKind::Refused, format!("the statement {what}; {}", work.unsent())).help(help))
}

impl Node {
    /// Refuses SQL text that would end the transaction behind the guard's back.
    pub(super) fn admit(&self, work: &Work) -> Result<()> {
        if self.kind == Kind::Base {
            return Ok(());
        }
        let admitted = if self.ground.sandbox.is_some() && !work.template.effect().asks {
            self.admit_writing(work)
        } else {
            Ok(())
        };
        let admitted = admitted.and_then(|()| self.admit_control(work));
        self.ground.refusing(work, admitted)
    }

    fn admit_control(&self, work: &Work) -> Result<()> {
        let control = work.template.control();
        let sandboxed = matches!(self.kind, Kind::View | Kind::Sandbox);
        let (what, help) = match control {
            Control::Savepoint | Control::Release if sandboxed => return self.admit_savepoint(work),
            Control::None | Control::Savepoint | Control::Release => return Ok(()),
            Control::Begin | Control::Commit | Control::Rollback if sandboxed => (
                "end the outer transaction of the sandbox, or begin another inside it",
                "use `database.transaction()`, which becomes a savepoint here; or run this test with a database of its own",
            ),
            Control::Implicit if sandboxed => (
                "commit the outer transaction of the sandbox implicitly, as MySQL does for this statement",
                "make tables in a migration, before the sandbox; use CREATE TEMPORARY TABLE; or give this test a database of its own (`strategy = \"clone\"`, or `TestClient`)",
            ),
            Control::Begin => (
                "begin a transaction inside one",
                "use `transaction()`, which nests by savepoints",
            ),
            Control::Commit => ("commit the transaction as SQL text", "call `commit()` on its guard"),
            Control::Rollback => (
                "roll the transaction back as SQL text",
                "call `rollback()` on its guard, or drop it",
            ),
            Control::Implicit => (
                "commit the transaction implicitly, as MySQL does for this statement",
                "run it outside of the transaction",
            ),
        };
        let message = format!("the statement would {what}; {}", work.unsent());
        Err(Error::new(ErrorKind::Refused, message).help(help))
    }

    /// A savepoint outside of a transaction is in the sandbox what it is outside of it, where the server knows none there.
    fn admit_savepoint(&self, work: &Work) -> Result<()> {
        if self.kind == Kind::Sandbox && work.template.statements() == 1 {
            return homeless(work.template.control(), work);
        }
        if self.ground.dialect() != Dialect::Postgres {
            return Ok(());
        }
        let message = format!(
            "PostgreSQL has savepoints in transactions only, and the application has none open here; {}",
            work.unsent()
        );
        Err(Error::new(ErrorKind::Refused, message)
            .with_code("25P01")
            .help("use `transaction()`, and a `transaction()` inside it, which is a savepoint"))
    }

    /// Refuses to write in a read-only transaction that the server does not know to be one.
    fn admit_writing(&self, work: &Work) -> Result<()> {
        let mut at = self.state.lock().read_only.then_some(self.opened.place);
        let mut below = self.below();
        while let Some(node) = below.filter(|_| at.is_none()) {
            at = node.state.lock().read_only.then_some(node.opened.place);
            below = node.below();
        }
        match at {
            None => Ok(()),
            Some(place) => Err(Error::new(
                ErrorKind::ReadOnly,
                format!(
                    "the statement may write, and the transaction begun at {place} is read-only; {}",
                    work.unsent()
                ),
            )
            .with_code("25006")
            .help("leave `read_only()` out where the transaction begins")),
        }
    }
}
