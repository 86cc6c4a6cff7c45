//! The levels of a transaction: the transaction itself, and savepoints.
//!
//! The plain beginning of either waits for the next statement, unless an error of it is to be expected. So a transaction in
//! which nothing is run sends nothing.

use sqlx::SqlStr;

use super::connection::PostgresConnection;
use super::link::TransactionStatus;
use crate::backend::Begin;
use crate::backend::postgres::PostgresRules;
use crate::backend::rules::{LevelTexts, ServerRules as _};
use crate::error::{Error, ErrorKind, Result};

const TEXTS: LevelTexts = LevelTexts::STANDARD;

impl PostgresConnection {
    /// Begins a transaction, or sets a savepoint. A level counts before it is sent, so that a call dropped half-way leaves
    /// the count that the server will have.
    pub(super) async fn begin_level(&mut self, begin: Option<Begin>) -> Result<()> {
        self.link.ready().await?;
        if self.levels == 0 && self.link.status() == TransactionStatus::Open {
            // A text has begun one. The server would only warn, and the end of this one would be that of both.
            return Err(Error::from_sqlx(sqlx::Error::BeginFailed));
        }
        let plain = PostgresRules.transactions().begin;
        let (text, waits) = if self.levels == 0 {
            let text = begin.and_then(|begin| begin.into_text(plain));
            let waits = text.is_none() && self.link.status() == TransactionStatus::Idle;
            (
                text.map_or_else(|| plain.into(), |text| text.as_str().to_owned().into()),
                waits,
            )
        } else {
            let open = !self.preamble.is_empty() || self.link.status() == TransactionStatus::Open;
            let waits = open && self.link.status() != TransactionStatus::Failed;
            (std::borrow::Cow::Owned((TEXTS.savepoint)(self.levels)), waits)
        };
        self.levels += 1;
        if waits {
            self.preamble.begin(text);
            return Ok(());
        }
        let answer = self.run_own(&text).await;
        answer.map(drop).inspect_err(|_| self.levels -= 1)
    }

    /// Commits the innermost level; runs `first` before the release of a savepoint.
    pub(super) async fn commit_level(&mut self, first: Option<SqlStr>) -> Result<()> {
        if first.is_none() && self.preamble.release() {
            self.end_level(self.levels.saturating_sub(1));
            return Ok(());
        }
        if self.levels <= 1 {
            let answer = self.run_own(TEXTS.commit).await;
            self.end_level(0);
            return if answer?.rolled_back {
                Err(rolled_back())
            } else {
                Ok(())
            };
        }
        self.link.ready().await?;
        let level = self.levels - 1;
        let first = first.as_ref().map_or("", SqlStr::as_str);
        self.levels = level;
        let released = self.run_own(&format!("{first}{}", (TEXTS.release)(level))).await;
        released.inspect_err(|_| self.levels += 1)?;
        self.level_ended(level);
        Ok(())
    }

    /// Rolls back until `depth` levels are left, in one round trip if the server knows any of the others.
    pub(super) async fn undo_levels(&mut self, depth: usize) -> Result<()> {
        while self.levels > depth && self.preamble.undo() {
            self.end_level(self.levels - 1);
        }
        if self.levels <= depth {
            return Ok(());
        }
        self.link.ready().await?;
        // What waits would be undone.
        self.preamble.clear();
        let text = if depth == 0 {
            TEXTS.rollback.to_owned()
        } else {
            // The names count the levels.
            format!("{}; {}", (TEXTS.back)(depth), (TEXTS.release)(depth))
        };
        self.levels = depth;
        // The server may have ended it.
        if depth > 0 || self.link.status() != TransactionStatus::Idle {
            self.run_own(&text).await?;
        }
        self.level_ended(depth);
        Ok(())
    }

    /// Returns the text that ends a transaction before another text, if one is open.
    pub(super) fn rollback_first(&self) -> &'static str {
        match self.link.status() {
            TransactionStatus::Idle => "",
            TransactionStatus::Open | TransactionStatus::Failed => "ROLLBACK; ",
        }
    }

    fn end_level(&mut self, depth: usize) {
        self.levels = depth;
        self.level_ended(depth);
    }
}

/// Returns the error of a commit that the server has answered with a rollback.
fn rolled_back() -> Error {
    Error::new(
        ErrorKind::TransactionAborted,
        "the server has rolled the transaction back instead of committing it, because a statement in it failed",
    )
}
