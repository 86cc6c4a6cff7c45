//! A connection of a driver in a sidecar: what is known of it, and how its requests are sent and answered.

use std::sync::Arc;

use super::ahead::Ahead;
use super::batch::{BatchFrame, Columns};
use super::channel::{Cancelling, Channel};
use super::driver::Driver;
use super::errors::confused;
use super::frame::{AnswerFrame, Failure, Malformed, Origin, flag};
use super::requests::{AHEAD, Outbox, Run};
use super::row::{BatchRow, OfferedBatchRow};
use super::target::Target;
use crate::backend::rules::ServerRules;
use crate::backend::sqlx::Ignore;
use crate::backend::{QueryResult, RowSink};
use crate::error::{Error, ErrorKind, LOST, Result};
use crate::sql::{Control, Product, Statement, split};

/// A connection of a driver in a sidecar.
pub(super) struct SidecarConnection {
    pub(super) channel: Channel,
    pub(super) target: Arc<Target>,
    pub(super) driver: Driver,
    pub(super) rules: &'static dyn ServerRules,
    /// Number of open levels.
    pub(super) depth: usize,
    /// The depth at which a statement has failed since, where that aborts the transaction.
    pub(super) failed_at: Option<usize>,
    /// The request that changes the depth, and the depth if it fails.
    pub(super) step: Option<(u32, usize)>,
    /// Set if the statement under way must not be ended half-way.
    pub(super) runs_to_end: bool,
    /// Set if it is unknown whether a transaction is open.
    pub(super) unknown: bool,
    /// Set once the connection must not be used again.
    pub(super) lost: bool,
    pub(super) ahead: Ahead,
    columns: Option<Arc<Columns>>,
    /// The rows that came of a statement that writes, if it is one: some drivers do not count them.
    pub(super) returned: Option<u64>,
}

/// What a request was answered with, up to the next rows.
pub(super) enum Heard {
    Rows(Arc<BatchFrame>),
    /// The final answer to a request.
    Final(u32, Result<QueryResult, Box<Failure>>),
}

impl SidecarConnection {
    pub(super) fn new(channel: Channel, target: Arc<Target>, driver: Driver) -> Self {
        Self {
            channel,
            target,
            rules: driver.rules,
            driver,
            depth: 0,
            failed_at: None,
            step: None,
            runs_to_end: false,
            unknown: false,
            lost: false,
            ahead: Ahead::default(),
            columns: None,
            returned: None,
        }
    }

    /// Does what [`usable`](Self::usable) does, and sends alone what should go ahead of the next request.
    pub(super) async fn ready(&mut self) -> Result<()> {
        self.usable().await?;
        if self.ahead.text.is_some() {
            let mut outbox = self.channel.outbox();
            self.add_ahead(&mut outbox)?;
            self.send_behind(outbox).await?;
        }
        Ok(())
    }

    /// Reads what a dropped call has left, and checks that the connection can be used.
    pub(super) async fn usable(&mut self) -> Result<()> {
        if let Some(ending) = self.channel.ending() {
            self.lost = true;
            return Err(self.target.lost_before(&ending));
        }
        if self.lost {
            return Err(Self::gone());
        }
        if !self.channel.is_idle() {
            self.drain().await?;
        }
        Ok(())
    }

    /// Returns the error of a connection that an earlier error has ended.
    pub(super) fn gone() -> Error {
        let message = "the connection was closed, because nothing was known of it after an error";
        Error::new(ErrorKind::ConnectionLost, message)
            .help(LOST)
            .fatal()
            .refusing()
            .retryable()
    }

    /// Reads the answers of a dropped call.
    pub(super) async fn drain(&mut self) -> Result<()> {
        while !self.channel.is_idle() {
            if let Heard::Rows(_) = self.hear().await? {
                self.channel.more(1);
            }
        }
        Ok(())
    }

    /// Sends requests. Returns the number of the last one.
    pub(super) fn send(&mut self, outbox: Outbox) -> u32 {
        (self.columns, self.returned) = (None, None);
        self.ahead.sent(0);
        self.channel.send(outbox)
    }

    /// Adds the text that goes ahead, if there is one. Returns `true` if what follows has to be skipped should it fail.
    pub(super) fn add_ahead(&self, outbox: &mut Outbox) -> Result<bool> {
        match self.ahead.text {
            Some(text) => self.add_texts(outbox, text, 0, false),
            None => Ok(false),
        }
    }

    /// Sends requests behind the text that goes ahead, and reads its answers. Returns the number of the last request.
    pub(super) async fn send_behind(&mut self, outbox: Outbox) -> Result<u32> {
        let ahead = self.ahead.text.map_or(0, |text| {
            let texts = split(self.target.dialect, text).len();
            outbox.first() - 1 + u32::try_from(texts).unwrap_or_default()
        });
        let last = self.send(outbox);
        self.ahead.sent(ahead);
        if ahead == 0 {
            return Ok(last);
        }
        match self.answers(ahead, &mut Ignore).await? {
            Ok(_) => Ok(last),
            Err(failure) => {
                // The rest was skipped.
                self.drain().await?;
                Err(self.error(&failure).await)
            }
        }
    }

    /// Reads the answers to the text that went ahead, which is not ended half-way.
    pub(super) async fn pass_ahead(&mut self) -> Result<()> {
        while !self.channel.has_answered(self.ahead.until()) {
            self.hear().await?;
        }
        Ok(())
    }

    /// Sends requests of which the last changes the depth.
    pub(super) fn send_step(&mut self, outbox: Outbox, depth: usize) {
        self.step = Some((outbox.last(), self.depth));
        self.depth = depth;
        self.runs_to_end = true;
        self.send(outbox);
    }

    /// Waits for rows or a final answer.
    pub(super) async fn hear(&mut self) -> Result<Heard> {
        loop {
            let (request, answer) = self.channel.answer().await.map_err(|ending| {
                self.lost = true;
                self.target.lost(&ending)
            })?;
            match answer {
                AnswerFrame::Columns(list) => {
                    let columns = Columns::new(self.target.dialect, list, self.driver.folds_up);
                    self.columns = Some(Arc::new(columns));
                }
                AnswerFrame::Rows(order, payload) => {
                    let Some(columns) = &self.columns else {
                        return Err(self.is_confused("ROWS came before COLUMNS"));
                    };
                    let batch = BatchFrame::read(columns, order, payload);
                    let batch = batch.map_err(|Malformed(why)| self.is_confused(&why))?;
                    if let Some(returned) = &mut self.returned {
                        *returned += u64::from(batch.rows());
                    }
                    return Ok(Heard::Rows(Arc::new(batch)));
                }
                AnswerFrame::Done { rows, key } => {
                    self.note_done(request);
                    let result = QueryResult {
                        rows_affected: rows.or(self.returned.take()).unwrap_or_default(),
                        last_insert_id: key,
                    };
                    return Ok(Heard::Final(request, Ok(result)));
                }
                AnswerFrame::Failed(failure) => {
                    self.note_failure(request, &failure);
                    return Ok(Heard::Final(request, Err(failure)));
                }
                other => return Err(self.is_confused(&format!("{} came for a statement", other.name()))),
            }
        }
    }

    #[cold]
    fn is_confused(&mut self, what: &str) -> Error {
        self.lost = true;
        confused(what)
    }

    fn note_done(&mut self, request: u32) {
        self.step.take_if(|(step, _)| *step <= request);
        // What says that a transaction is aborted accepts nothing but a rollback to a savepoint then.
        if self.rules.transactions().aborted.is_some() {
            self.failed_at = None;
        }
    }

    fn note_failure(&mut self, request: u32, failure: &Failure) {
        if let Some((_, depth)) = self.step.take_if(|(step, _)| *step == request) {
            self.depth = depth;
        }
        // Nothing is certain any more without the savepoint that the text would have set.
        let uncertain = self.ahead.heed_failure(request);
        self.lost |= failure.closed || failure.origin == Origin::Foreign || uncertain;
        let rules = self.rules.transactions();
        // Without savepoints, there is no way to ask a database that is not described here.
        let aborts = rules.aborted.is_some() || (self.is_undescribed() && !rules.savepoints);
        if failure.origin == Origin::Driver && self.depth > 0 && aborts {
            self.failed_at.get_or_insert(self.depth);
        }
    }

    /// Returns whether nothing is known of the database but the standard and what its driver says.
    pub(super) fn is_undescribed(&self) -> bool {
        self.driver.server.product == Product::Other
    }

    /// Returns the library's error for a failure. If nobody knows whether it means the end of the connection, the driver
    /// is asked for a sign of life.
    pub(super) async fn error(&mut self, failure: &Failure) -> Error {
        let error = self.target.error(self.rules, failure);
        self.lost |= error.is_fatal();
        let unclear = error.kind() == ErrorKind::Database && !is_about_values(&failure.sqlstate);
        if !unclear || self.lost || self.depth > 0 || !self.is_undescribed() || !self.channel.is_idle() {
            return error;
        }
        // Silence is no sign of life.
        let limit = self.target.limits.settle;
        let alive = tokio::time::timeout(limit, self.pinged())
            .await
            .is_ok_and(|answer| answer.is_ok());
        self.lost |= !alive;
        if self.lost { error.fatal() } else { error }
    }

    /// Asks the driver for a sign of life.
    pub(super) async fn pinged(&mut self) -> Result<()> {
        let mut outbox = self.channel.outbox();
        outbox.ping()?;
        let last = self.send(outbox);
        let answer = self.answers(last, &mut Ignore).await?;
        answer
            .map(drop)
            .map_err(|failure| self.target.error(self.rules, &failure))
    }

    /// Reads the answers to all requests up to `last`. The first failure is the result.
    pub(super) async fn finish(&mut self, last: u32, sink: &mut dyn RowSink) -> Result<QueryResult> {
        match self.answers(last, sink).await? {
            Ok(result) => Ok(result),
            Err(failure) => Err(self.error(&failure).await),
        }
    }

    /// Does the same, and returns the first failure as it came.
    async fn answers(&mut self, last: u32, sink: &mut dyn RowSink) -> Result<Result<QueryResult, Box<Failure>>> {
        let (mut sum, mut failed, mut refused, mut unread) = (QueryResult::default(), None, None, 0);
        loop {
            match self.hear().await? {
                Heard::Rows(batch) => {
                    unread += 1;
                    if unread * 2 >= AHEAD {
                        self.channel.more(unread);
                        unread = 0;
                    }
                    if refused.is_none() {
                        refused = offer(&batch, sink).err();
                    }
                }
                Heard::Final(request, result) => {
                    unread = 0;
                    match result {
                        Ok(result) => sum.absorb(result),
                        Err(failure) if failure.origin == Origin::Skipped && failed.is_some() => {}
                        Err(failure) => {
                            failed.get_or_insert(failure);
                        }
                    }
                    if request >= last {
                        break;
                    }
                }
            }
        }
        match (failed, refused) {
            (Some(failure), _) => Ok(Err(failure)),
            (None, Some(refused)) => Err(refused),
            (None, None) => Ok(Ok(sum)),
        }
    }

    /// Adds the statements of a text without parameters; each is skipped if the one before it fails. `after` is `true`
    /// if there is one before the first.
    pub(super) fn add_texts(&self, outbox: &mut Outbox, text: &str, credits: u32, after: bool) -> Result<bool> {
        let mut skip = after;
        for sql in split(self.target.dialect, text) {
            let run = Run {
                flags: flag::PLAIN | if skip { flag::SKIP } else { 0 },
                credits,
                sql,
            };
            outbox.run(run, self.target.dialect, [].iter())?;
            skip = true;
        }
        Ok(skip)
    }

    /// Refuses a text that begins or ends a transaction, of which the driver would know nothing, or too much.
    pub(super) fn check(statement: &Statement) -> Result<()> {
        match statement.control() {
            Control::None | Control::Release | Control::Savepoint | Control::Implicit => Ok(()),
            Control::Begin | Control::Rollback | Control::Commit => Err(Error::new(
                ErrorKind::Unsupported,
                "the statement was not sent: its text begins or ends a transaction, which a driver of another language \
                 does not notice",
            )
            .help("use `transaction()`, or `begin()` with `commit()` and `rollback()`")),
        }
    }

    /// Returns whether a statement may be ended half-way. SQLite undoes the whole transaction with a statement that may
    /// write, and PostgreSQL aborts it with any.
    pub(super) fn may_end(&self, statement: &Statement) -> bool {
        let rules = self.rules.transactions();
        match self.channel.cancelling {
            Cancelling::Nothing | Cancelling::Connection => self.depth == 0,
            Cancelling::Statement => {
                self.depth == 0 || (rules.aborted.is_none() && (!rules.one_writer || statement.asks()))
            }
        }
    }
}

/// Returns whether an SQLSTATE is about values and rows, so that the connection is surely alive.
fn is_about_values(sqlstate: &str) -> bool {
    sqlstate.starts_with("21") || sqlstate.starts_with("22")
}

/// Offers the rows of a batch to a sink.
fn offer(batch: &Arc<BatchFrame>, sink: &mut dyn RowSink) -> Result<()> {
    (0..batch.rows()).try_for_each(|row| sink.row(&mut OfferedBatchRow(Some(BatchRow::new(batch, row)))))
}
