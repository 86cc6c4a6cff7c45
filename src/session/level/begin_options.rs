//! The options of a transaction, as they apply to a level.

use crate::backend::ServerRules;
use crate::backend::rules::{BeginOptions, Mode, ReadOnly, unsupported};
use crate::error::{Error, ErrorKind, Result};
use crate::session::engine::Engine;

impl BeginOptions {
    /// Returns the options that apply on a database. Where a transaction that turns into a writer later does not wait
    /// for its turn, it takes the write lock at once. A database in memory is an exception: there the lock keeps readers
    /// out, too.
    pub(in crate::session) fn settled(self, engine: &Engine) -> Self {
        let writes = engine.transactions.one_writer && !self.read_only && !engine.streams_block();
        let isolation = self.isolation.or(engine.settings.isolation_level);
        let mode = self.mode.or(writes.then_some(Mode::Immediate));
        Self {
            isolation,
            mode,
            ..self
        }
    }

    /// Checks the options of a savepoint. Inside the sandbox the application believes it begins a transaction, so
    /// options that a savepoint cannot grant pass there. The time of taking locks is a matter of the outermost
    /// transaction.
    pub(in crate::session) fn nested(self, rules: &dyn ServerRules, virtually_outermost: bool) -> Result<()> {
        if !rules.transactions().savepoints {
            return Err(unsupported(
                rules.name(),
                "savepoints, so that no transaction can begin inside another one",
                "run both as one transaction, or as one after the other",
            ));
        }
        if virtually_outermost {
            rules.begin(self)?;
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
        if self.read_only && rules.transactions().read_only == ReadOnly::AtBegin {
            return Err(unsupported(
                rules.name(),
                "read-only savepoints",
                "call `read_only()` where the outermost transaction begins",
            ));
        }
        Ok(())
    }
}
