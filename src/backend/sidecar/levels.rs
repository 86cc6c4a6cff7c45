//! The levels of a transaction: the transaction itself by the driver's interface or by text, and savepoints by text.

use std::sync::Arc;

use sqlx::SqlStr;

use super::connection::SidecarConnection;
use super::driver::Transactions;
use super::frame::flag;
use super::requests::Run;
use crate::backend::Begin;
use crate::backend::internal::{TRANSACTION_QUESTION, transaction_of_sqlite};
use crate::backend::sqlx::Ignore;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, split};

impl SidecarConnection {
    /// Begins a transaction.
    pub(super) async fn begin_outermost(&mut self, begin: Begin) -> Result<()> {
        if self.driver.transactions == Transactions::None {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the driver at {} has no transactions", self.target.place),
            )
            .help("run the statements without a transaction; each is kept as soon as it has ended"));
        }
        let plain = self.rules.transactions().begin;
        let sql = begin.sql.as_ref().map_or(plain, SqlStr::as_str);
        let texts = split(self.target.dialect, sql);
        let (last, before) = texts
            .split_last()
            .map_or(("", &[][..]), |(last, before)| (*last, before));
        let by_text = self.driver.transactions == Transactions::Text;
        if by_text && !before.is_empty() {
            // They are about the transaction that follows, which must not begin without them.
            let mut outbox = self.channel.outbox();
            self.add_texts(&mut outbox, &before.join("; "), 0, false)?;
            self.runs_to_end = true;
            let last = self.send(outbox);
            self.finish(last, &mut Ignore).await?;
        }
        let mut outbox = self.channel.outbox();
        let options = begin.options;
        outbox.begin(
            options.isolation.map_or(0, number),
            options.read_only,
            if by_text { last } else { "" },
        )?;
        if !by_text && options.deferrable && self.target.dialect == Dialect::Postgres {
            self.add_texts(&mut outbox, "SET TRANSACTION DEFERRABLE", 0, true)?;
        }
        if let Some(first) = &begin.first {
            self.add_texts(&mut outbox, first.as_str(), 0, true)?;
        }
        self.unknown = true;
        let last = outbox.last();
        self.send_step(outbox, 1);
        let result = self.finish(last, &mut Ignore).await;
        if result.is_ok() {
            self.unknown = false;
        } else {
            // What came after the beginning may have failed alone.
            self.depth = 0;
        }
        result.map(drop)
    }

    /// Sets a savepoint.
    pub(super) async fn savepoint(&mut self) -> Result<()> {
        let mut outbox = self.channel.outbox();
        let text = (self.rules.levels().savepoint)(self.depth);
        self.add_texts(&mut outbox, &text, 0, false)?;
        self.step(outbox, self.depth + 1).await
    }

    /// Runs `first`, and releases the innermost savepoint.
    pub(super) async fn release(&mut self, first: &str) -> Result<()> {
        let mut outbox = self.channel.outbox();
        let after = self.add_texts(&mut outbox, first, 0, false)?;
        let depth = self.depth - 1;
        let text = (self.rules.levels().release)(depth);
        if !self.add_texts(&mut outbox, &text, 0, after)? {
            // There is nothing to send where savepoints are not released.
            self.depth = depth;
            return Ok(());
        }
        self.step(outbox, depth).await
    }

    /// Commits the transaction. One in which a statement has failed is rolled back where that aborts it: drivers report
    /// success then.
    pub(super) async fn commit_outermost(&mut self, first: &str) -> Result<()> {
        if self.failed_at.is_some() {
            self.undo(0).await?;
            return Err(Error::new(
                ErrorKind::TransactionAborted,
                "the transaction was rolled back instead of committed, because a statement in it had failed",
            )
            .help("put a statement that may fail into a nested transaction"));
        }
        let mut outbox = self.channel.outbox();
        let after = self.add_texts(&mut outbox, first, 0, false)?;
        outbox.commit(after)?;
        self.unknown = true;
        let committed = self.step(outbox, 0).await;
        self.unknown = committed.is_err();
        committed
    }

    /// Rolls back until `depth` levels are left.
    pub(super) async fn undo(&mut self, depth: usize) -> Result<()> {
        let mut outbox = self.channel.outbox();
        if depth == 0 {
            outbox.rollback()?;
        } else {
            // The names count the levels, so this is one round trip for any number of them.
            let levels = self.rules.levels();
            self.add_texts(&mut outbox, &(levels.back)(depth), 0, false)?;
            self.add_texts(&mut outbox, &(levels.release)(depth), 0, true)?;
        }
        self.step(outbox, depth).await?;
        self.failed_at.take_if(|failed| *failed > depth);
        if depth == 0 {
            self.unknown = false;
        }
        Ok(())
    }

    /// Sends requests of which the last leaves `depth` levels.
    async fn step(&mut self, outbox: super::requests::Outbox, depth: usize) -> Result<()> {
        let last = outbox.last();
        self.send_step(outbox, depth);
        self.finish(last, &mut Ignore).await.map(drop)
    }

    /// Returns whether the transaction is still open on the server.
    pub(super) async fn is_open(&mut self) -> Result<bool> {
        let rules = self.rules.transactions();
        if self.failed_at.is_some() {
            return Ok(true);
        }
        if self.depth == 0 && !self.unknown {
            return Ok(false);
        }
        if rules.one_writer {
            return transaction_of_sqlite(self.ask(TRANSACTION_QUESTION).await);
        }
        // Of a database that is not described here, nobody says that an error aborts a transaction; one that it has aborted
        // takes no savepoint.
        if self.is_undescribed() && rules.savepoints && self.depth > 0 {
            return match self.ask(rules.probe.set).await {
                Err(error) if error.is_fatal() || error.ends_transaction() => Err(error),
                asked => Ok(asked.is_ok()),
            };
        }
        // A driver that is switched by its interface begins another one by itself; an error tells if one has ended.
        let silent = self.driver.transactions != Transactions::Text;
        if silent || !rules.statements_may_end || !rules.savepoints {
            return Ok(self.depth > 0);
        }
        // Where a savepoint outside of a transaction is accepted, it is gone as soon as it is set.
        let probe = format!("{}; {}", rules.probe.set, rules.probe.release);
        match self.ask(&probe).await {
            Err(error) if error.is_fatal() || error.ends_transaction() => Err(error),
            Err(error) => Ok(error.sqlstate() == rules.aborted && rules.aborted.is_some()),
            Ok(()) => Ok(true),
        }
    }

    /// Runs texts of this library for which no rows come.
    async fn ask(&mut self, text: &str) -> Result<()> {
        let mut outbox = self.channel.outbox();
        self.add_texts(&mut outbox, text, 0, false)?;
        self.runs_to_end = true;
        let last = self.send(outbox);
        self.finish(last, &mut Ignore).await.map(drop)
    }

    /// Sets up a new session, so that values mean the same on each connection, and as the configuration asks.
    pub(super) async fn set_up(&mut self) -> Result<()> {
        let target = Arc::clone(&self.target);
        let mut outbox = self.channel.outbox();
        for text in &target.session {
            let run = Run {
                flags: flag::PLAIN,
                credits: 0,
                sql: &text.sql,
            };
            outbox.run(run, target.dialect, [].iter())?;
        }
        // They are sent at once. Each may fail alone.
        let requests = outbox.first()..=outbox.last();
        if !target.session.is_empty() {
            self.send(outbox);
        }
        for (text, request) in target.session.iter().zip(requests) {
            match self.finish(request, &mut Ignore).await {
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) if text.asked => {
                    // The text has the values of all settings.
                    return Err(error.context("a session cannot be set up as the configuration asks"));
                }
                Err(error) => tracing::debug!(target: "ebbtide::sidecar", "`{}` failed: {error}", text.sql),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// Returns the number of a level in the protocol.
fn number(level: IsolationLevel) -> u8 {
    match level {
        IsolationLevel::ReadUncommitted => 1,
        IsolationLevel::ReadCommitted => 2,
        IsolationLevel::RepeatableRead => 3,
        IsolationLevel::Serializable => 4,
        #[allow(unreachable_patterns, reason = "it is not exhaustive outside of this crate")]
        _ => 5,
    }
}
