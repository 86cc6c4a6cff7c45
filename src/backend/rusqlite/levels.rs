//! Levels of a transaction: how deep the session is.

use super::session::SqliteSession;
use crate::backend::rules::LevelTexts;
use crate::error::Result;

const TEXTS: LevelTexts = LevelTexts::STANDARD;

impl SqliteSession {
    /// Begins a transaction with this text; inside one, sets a savepoint.
    pub(super) fn begin(&mut self, sql: &str) -> Result<()> {
        let depth = self.state.depth();
        if depth > 0 {
            self.run_own(&(TEXTS.savepoint)(depth))?;
        } else {
            let was_open = self.is_open();
            self.run_own(sql).inspect_err(|_| {
                // Its first statement has failed.
                if !was_open && self.is_open() {
                    let _ = self.run_own(TEXTS.rollback);
                }
            })?;
            self.is_light = !was_open;
            self.short_writes = 0;
        }
        self.state.set_depth(depth + 1);
        Ok(())
    }

    /// Commits the innermost level, of a savepoint after the text `first`.
    pub(super) fn commit(&mut self, first: &str) -> Result<()> {
        let depth = self.state.depth();
        if depth > 1 {
            self.run_own(&format!("{first}{}", (TEXTS.release)(depth - 1)))?;
        } else {
            self.run_own(TEXTS.commit)?;
        }
        self.note_end_of_changes();
        self.state.set_depth(depth.saturating_sub(1));
        Ok(())
    }

    /// Rolls back until `depth` levels are left.
    pub(super) fn rollback_to(&mut self, depth: usize) -> Result<()> {
        if depth >= self.state.depth() {
            return Ok(());
        }
        if depth > 0 {
            self.run_own(&format!("{}; {}", (TEXTS.back)(depth), (TEXTS.release)(depth)))?;
        } else if self.is_open() {
            self.run_own(TEXTS.rollback)?;
        }
        self.note_undone_changes();
        self.state.set_depth(depth);
        Ok(())
    }

    /// Rolls back what is open, also if raw SQL has opened it.
    pub(super) fn reset(&mut self) -> Result<()> {
        if self.is_open() {
            self.run_own(TEXTS.rollback)?;
        }
        self.note_undone_changes();
        self.state.set_depth(0);
        Ok(())
    }

    /// Returns whether a transaction is open.
    pub(super) fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }
}
