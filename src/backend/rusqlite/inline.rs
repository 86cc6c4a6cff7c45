//! Runs short statements on the thread of their caller.
//!
//! A read runs for a number of steps; if it has not ended by then, its rows are discarded and the connection's thread
//! runs it again. A write cannot be stopped, because SQLite would undo the whole transaction with it, so only one that is
//! known to be short runs here. Nothing here waits for a lock: what meets one goes to the thread, which waits.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rusqlite::{ErrorCode, StatementStatus};

use super::bind;
use super::checkpoint::AfterCommit;
use super::errors::error;
use super::gate::Placement;
use super::known::{is_judged, statement_key};
use super::row_arena::RowArena;
use super::run::{Outlet, step};
use super::schema_changes;
use super::session::SqliteSession;
use crate::backend::QueryResult;
use crate::error::Result;
use crate::sql::Statement;
use crate::value::Value;

/// Time from which on a run is slow.
const SLOW: Duration = Duration::from_millis(1);

/// Number of statements of one row that a transaction may have run for its end to be short.
const SHORT_TRANSACTION: u32 = 64;

/// An attempt to do something on the thread of the caller.
pub(super) enum InlineAttempt<T> {
    Done(Result<T>),
    /// Nothing was done; the connection's thread has to do it.
    OnThread,
}

/// The rows of a statement that was run by its caller, and its result.
pub(super) struct InlineAnswer {
    pub(super) rows: Option<RowArena>,
    pub(super) result: QueryResult,
    pub(super) taken: Duration,
}

/// An outlet for the rows of a short answer.
#[derive(Default)]
struct ShortAnswer {
    rows: Option<RowArena>,
    is_too_long: bool,
}

impl Outlet for ShortAnswer {
    fn receive(&mut self, arena: RowArena) -> ControlFlow<()> {
        self.is_too_long = self.rows.is_some() || arena.is_full();
        self.rows = Some(arena);
        if self.is_too_long {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl SqliteSession {
    /// Runs a statement, if it is known to be short.
    pub(super) fn run_inline(&mut self, statement: &Statement, values: &[Value]) -> InlineAttempt<InlineAnswer> {
        let text = statement_key(statement);
        self.known.follow(schema_changes::count());
        let Some(known) = self.known.get(text).filter(|_| !statement.is_script()) else {
            return InlineAttempt::OnThread;
        };
        if !known.may_run_inline() {
            return InlineAttempt::OnThread;
        }
        let reads = known.placement == Placement::Reads;
        if !reads && !self.may_write_inline() {
            return InlineAttempt::OnThread;
        }
        if let Err(refused) = bind::check(values) {
            return InlineAttempt::Done(Err(refused));
        }
        let started = Instant::now();
        let before = self.before();
        if self.wait_for_locks(false).is_err() {
            return InlineAttempt::OnThread;
        }
        let Ok(mut prepared) = self.connection.prepare_cached(text) else {
            return InlineAttempt::OnThread;
        };
        if !is_judged(&prepared) {
            self.known.forget(text);
            return InlineAttempt::OnThread;
        }
        if let Err(refused) = bind::bind(&mut prepared, text, values) {
            return InlineAttempt::Done(Err(refused));
        }
        let Some(known) = self.known.get(text) else {
            return InlineAttempt::OnThread;
        };
        let limit = self.state.limited(reads);
        let mut answer = ShortAnswer::default();
        let stepped = step(&mut prepared, &mut known.columns, &mut answer);
        let is_stopped = self.state.is_out_of_steps();
        drop(limit);
        let is_prepared_again = prepared.get_status(StatementStatus::RePrepare) > 0;
        drop(prepared);
        match stepped {
            // What has written must not run twice.
            Ok(()) if reads && answer.is_too_long => {
                known.was_long();
                return InlineAttempt::OnThread;
            }
            Ok(()) => {}
            Err(why) => match why.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) if is_stopped => {
                    known.was_long();
                    return InlineAttempt::OnThread;
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => return InlineAttempt::OnThread,
                _ => return InlineAttempt::Done(Err(error(why))),
            },
        }
        let taken = started.elapsed();
        known.has_run(taken >= SLOW);
        if is_prepared_again {
            self.known.forget(text);
        }
        if !reads {
            self.note_short_write();
        }
        InlineAttempt::Done(Ok(InlineAnswer {
            rows: answer.rows,
            result: self.result_of_first(statement, before),
            taken,
        }))
    }

    /// Begins a transaction with this text, or sets a savepoint.
    pub(super) fn begin_inline(&mut self, sql: &str) -> InlineAttempt<()> {
        let is_short = sql == "BEGIN" || sql == "BEGIN IMMEDIATE";
        if self.state.depth() == 0 && !(is_short && self.may_write_inline()) {
            return InlineAttempt::OnThread;
        }
        self.attempt(|session| session.begin(sql))
    }

    /// Commits the innermost level, if that is short.
    pub(super) fn commit_inline(&mut self) -> InlineAttempt<()> {
        let is_outermost = self.state.depth() == 1;
        if is_outermost && !(self.ends_quickly() && self.commits_quickly) {
            return InlineAttempt::OnThread;
        }
        let attempt = self.attempt(|session| session.commit(""));
        self.note_commit();
        attempt
    }

    /// Rolls back until `depth` levels are left, if that is short.
    pub(super) fn rollback_inline(&mut self, depth: usize) -> InlineAttempt<()> {
        if !self.ends_quickly() {
            return InlineAttempt::OnThread;
        }
        self.attempt(|session| session.rollback_to(depth))
    }

    /// Does something without waiting for locks; on a lock, nothing is done.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> InlineAttempt<()> {
        if self.wait_for_locks(false).is_err() {
            return InlineAttempt::OnThread;
        }
        match work(self) {
            Err(error) if error.is_retryable() => InlineAttempt::OnThread,
            done => InlineAttempt::Done(done),
        }
    }

    /// Returns whether a write of one row is short, together with the commit that may come with it.
    fn may_write_inline(&self) -> bool {
        self.commits_quickly && !self.is_lagging
    }

    /// Returns whether the open transaction has done little enough to end it on the thread of a caller.
    fn ends_quickly(&self) -> bool {
        self.is_light && self.short_writes <= SHORT_TRANSACTION
    }

    /// Notes a write of one row, which is committed unless a transaction is open.
    fn note_short_write(&mut self) {
        if self.is_open() {
            self.short_writes += 1;
        } else {
            self.note_commit();
        }
    }

    /// Looks at the write-ahead log after a commit on this thread.
    pub(super) fn note_commit(&mut self) {
        if let Some(checkpoints) = &self.checkpoints {
            self.is_lagging |= checkpoints.after_commit() == AfterCommit::Checkpoint;
        }
    }
}
