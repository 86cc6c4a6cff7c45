//! A connection: what is known of it, and how a statement is sent and answered.

use std::io;
use std::sync::{Arc, OnceLock};

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{CommandCompleteBody, DataRowBody, RowDescriptionBody};
use sqlx::SqlStr;

use super::foreign_types::ForeignTypes;
use super::link::{Received, SessionLink, TransactionStatus};
use super::messages::{self, MOST_PARAMETERS};
use super::preamble::Preamble;
use super::prepared::{NAMES, Statements};
use super::row::{PostgresRow, RowColumns};
use crate::backend::postgres::{Answers, refusal, refused, with_form, write};
use crate::backend::sqlx::schema_changes::Definitions;
use crate::backend::sqlx::{DriverRow, FirstTexts, Ignore, SearchPath, is_stale_plan};
use crate::backend::{QueryResult, Request, RowSink};
use crate::error::{Error, ErrorKind, Result};

/// A connection to PostgreSQL.
pub(super) struct PostgresConnection {
    pub(super) link: SessionLink,
    /// Number of open levels.
    pub(super) levels: usize,
    pub(super) preamble: Preamble,
    pub(super) statements: Statements,
    pub(super) types: ForeignTypes,
    pub(super) answers: Answers,
    /// Whether the server answers questions about types, once a connection knows.
    pub(super) answering: Arc<OnceLock<bool>>,
    pub(super) definitions: Definitions,
    pub(super) path: SearchPath,
    /// Set if the answer that was read last has given a row to its sink.
    pub(super) offered: bool,
}

/// What a text was answered with.
#[derive(Default)]
pub(super) struct GroupAnswer {
    pub(super) result: QueryResult,
    /// Set if the last command was a rollback.
    pub(super) rolled_back: bool,
}

/// Whether a statement could be bound.
enum Bound {
    /// It was written, and its rows have these columns.
    Written(Arc<RowColumns>),
    /// It has to be prepared first, with parameters of these types.
    Unprepared(SqlStr, Box<[u32]>),
}

impl PostgresConnection {
    /// Returns whether a transaction is open, or about to be.
    pub(super) fn is_inside(&self) -> bool {
        self.levels > 0 || self.link.status() != TransactionStatus::Idle
    }

    /// Sends what waits for the next statement, where that is no prepared one.
    pub(super) async fn send_preamble(&mut self) -> Result<()> {
        if self.preamble.is_empty() {
            return Ok(());
        }
        self.link.ready().await?;
        let riding = self.preamble.send(&mut self.link);
        self.link.end_group(riding);
        self.read(Arc::default(), &mut Ignore).await.map(drop)
    }

    /// Sends a text of the user without preparing it. The columns of its rows come with them.
    pub(super) async fn send_text(&mut self, sql: &str) -> Result<Arc<RowColumns>> {
        check_text(sql)?;
        self.send_preamble().await?;
        self.link.ready().await?;
        self.link.send_text(sql);
        Ok(Arc::default())
    }

    /// Runs a text of the user without preparing it.
    pub(super) async fn run_text(&mut self, sql: &str, sink: &mut dyn RowSink) -> Result<QueryResult> {
        let columns = self.send_text(sql).await?;
        let answer = self.read(columns, sink).await?;
        Ok(answer.result)
    }

    /// Runs a text of this library, together with what waits.
    pub(super) async fn run_own(&mut self, sql: &str) -> Result<GroupAnswer> {
        self.link.ready().await?;
        match self.preamble.take() {
            Some(first) => self.link.send_text(&format!("{first}; {sql}")),
            None => self.link.send_text(sql),
        }
        self.read(Arc::default(), &mut Ignore).await
    }

    /// Makes a session silent that code of the user has made listen: those who listen have connections of their own.
    pub(super) async fn unlisten(&mut self) -> Result<()> {
        if self.link.take_notified() && self.link.status() != TransactionStatus::Failed {
            // Boxed, because it is rare. The statement before it has succeeded, whatever becomes of this.
            match Box::pin(self.run_own("UNLISTEN *")).await {
                Err(error) if error.is_fatal() => return Err(error),
                // One may have come meanwhile.
                _ => self.link.take_notified(),
            };
        }
        Ok(())
    }

    /// Runs a prepared statement.
    pub(super) async fn run_prepared(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        self.follow_definitions();
        match self.run_once(request, sink).await {
            Err(error) if self.is_outdated(&error) && (!self.offered || sink.restart()) => {
                Box::pin(self.run_again(request, sink, error)).await
            }
            result => result,
        }
    }

    /// Runs a statement again after a change of its tables. The server has refused to run it, so outside of a
    /// transaction it is just prepared again.
    async fn run_again(&mut self, request: Request<'_>, sink: &mut dyn RowSink, error: Error) -> Result<QueryResult> {
        self.forget_prepared();
        if self.is_inside() {
            return Err(error);
        }
        self.run_once(request, sink).await
    }

    async fn run_once(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        let columns = self.send(request).await?;
        let answer = self.read(columns, sink).await;
        answer
            .map(|answer| answer.result)
            .inspect_err(|error| self.note_refusal(error, request))
    }

    /// Sends a statement with its values. Returns the columns of its rows.
    pub(super) async fn send(&mut self, request: Request<'_>) -> Result<Arc<RowColumns>> {
        self.declare(request).await?;
        self.link.ready().await?;
        let mut kept = !has_late_columns(request.statement.text());
        loop {
            match self.bind(request, kept)? {
                Bound::Written(columns) => return Ok(columns),
                Bound::Unprepared(sql, types) => {
                    // Boxed, because it is once for each text.
                    let prepared = Box::pin(self.prepare(sql, &types)).await;
                    prepared.inspect_err(|error| self.note_refusal(error, request))?;
                    kept = true;
                }
            }
        }
    }

    /// Writes the group of a statement with its values, if the statement is prepared, and may be used as it was `kept`.
    fn bind(&mut self, request: Request<'_>, kept: bool) -> Result<Bound> {
        let Request { statement, values } = request;
        if values.len() > MOST_PARAMETERS {
            let message = format!(
                "the statement has {} parameters; the server takes {MOST_PARAMETERS}",
                values.len()
            );
            return Err(Error::new(ErrorKind::Parameter, message));
        }
        if values.is_empty() {
            return match self.statements.find(statement.text()).filter(|_| kept) {
                None => Ok(Bound::Unprepared(statement.sql(), Box::default())),
                Some(prepared) => {
                    let riding = self.preamble.send(&mut self.link);
                    let out = self.link.outgoing();
                    messages::bind_nothing(out, &prepared.name, &prepared.as_text);
                    messages::execute(out);
                    self.link.end_group(riding);
                    Ok(Bound::Written(Arc::clone(&prepared.columns)))
                }
            };
        }
        let Self {
            answers,
            statements,
            preamble,
            link,
            ..
        } = self;
        let bound = with_form(statement, values, answers, |form| {
            let Some(prepared) = statements.find(form.sql.as_str()).filter(|_| kept) else {
                let types = form.places.iter().map(|place| place.declared).collect();
                return Ok(Bound::Unprepared(form.sql.clone(), types));
            };
            // First, because a value may be refused, and then nothing of the preamble must have been sent.
            let start = link.outgoing().len();
            let (name, as_text) = (&prepared.name, &prepared.as_text);
            messages::bind(link.outgoing(), name, values.len(), as_text, |index, out| {
                let place = &form.places[index];
                let written = write(&values[index], place.declared, place.found.as_deref(), out);
                written.map_err(|why| refusal(index, &values[index], &why))
            })?;
            let bound = link.outgoing().len() - start;
            if !messages::has_room(bound) {
                link.outgoing().truncate(start);
                return Err(too_long("the values of the statement are"));
            }
            let riding = preamble.send(link);
            let out = link.outgoing();
            out[start..].rotate_left(bound);
            messages::execute(out);
            link.end_group(riding);
            Ok(Bound::Written(Arc::clone(&prepared.columns)))
        });
        bound.inspect_err(|_| {
            // The server may expect another type by now.
            refused(statement, values, &mut self.answers);
        })
    }

    /// Prepares a text, and keeps it.
    async fn prepare(&mut self, sql: SqlStr, types: &[u32]) -> Result<()> {
        check_text(sql.as_str())?;
        let out = self.link.outgoing();
        for closed in self.statements.closing() {
            messages::close(out, &closed);
        }
        let name = self.statements.name();
        let riding = self.preamble.send(&mut self.link);
        let out = self.link.outgoing();
        messages::parse(out, &name, sql.as_str(), types);
        messages::describe(out, &name);
        self.link.end_group(riding);
        let mut columns = RowColumns::default();
        let mut failed = None;
        loop {
            match self.link.receive().await? {
                Received::Columns(body) => columns = self.columns(&body)?,
                Received::Failed(error) => failed = failed.or(Some(error)),
                Received::Ready => break,
                Received::Row(_) | Received::Done(_) | Received::Other => {}
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(question) = self.types.question(columns.foreign()) {
            let mut rows = FirstTexts::default();
            self.link.send_text(&question);
            match Box::pin(self.read(Arc::default(), &mut rows)).await {
                Ok(_) => self.types.learn(&rows.0),
                // Outside of a transaction that concerns the question alone.
                Err(error) if error.is_fatal() || self.is_inside() => return Err(error),
                Err(_) => {}
            }
        }
        columns.know(&self.types);
        self.statements.keep(sql, name, columns);
        Ok(())
    }

    /// Reads the answer to one group to its end. A sink that refuses a row does not stop the reading, so that the
    /// connection is left idle.
    pub(super) async fn read(&mut self, mut columns: Arc<RowColumns>, sink: &mut dyn RowSink) -> Result<GroupAnswer> {
        let (mut answer, mut failed, mut rejected) = (GroupAnswer::default(), None, None);
        let one = sink.wants_one();
        self.offered = false;
        loop {
            match self.link.receive().await? {
                Received::Row(body) => {
                    if rejected.is_none() && !(one && self.offered) {
                        self.offered = true;
                        let row = self.row(&columns, body)?;
                        rejected = sink.row(&mut DriverRow(Some(row))).err();
                    }
                }
                Received::Columns(body) => columns = Arc::new(self.columns(&body)?),
                Received::Done(body) => answer.add(&body),
                Received::Failed(error) => failed = failed.or(Some(error)),
                Received::Ready => break,
                Received::Other => {}
            }
        }
        failed.or(rejected).map_or(Ok(answer), Err)
    }

    /// Reads a description of columns. If it cannot be read, neither can what follows.
    pub(super) fn columns(&mut self, body: &RowDescriptionBody) -> Result<RowColumns> {
        RowColumns::read(body).map_err(|error| self.link.lost(error))
    }

    /// Returns a row, which must have these columns: else it could be read as something else.
    pub(super) fn row(&mut self, columns: &Arc<RowColumns>, body: DataRowBody) -> Result<PostgresRow> {
        let count = body.ranges().size_hint().0;
        if count != columns.len() {
            let what = format!("the server sent a row of {count} values for {} columns", columns.len());
            return Err(self.link.lost(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        let columns = Arc::clone(columns);
        Ok(PostgresRow { columns, body })
    }

    /// Returns whether the server refused a statement because it has to be prepared again: its tables were changed, or the
    /// user has removed what was prepared.
    pub(super) fn is_outdated(&self, error: &Error) -> bool {
        let removed = error.sqlstate() == Some("26000") && error.message().contains(NAMES);
        removed || self.link.plan_was_stale() || is_stale_plan(error)
    }

    /// Notes that the server refused a statement. SQLSTATE class 42 concerns the text and the types in it, and class 22 a
    /// value, which may be of a type that has changed.
    pub(super) fn note_refusal(&mut self, error: &Error, request: Request<'_>) {
        let Request { statement, values } = request;
        let code = error.sqlstate();
        if !values.is_empty() && code.is_some_and(|code| code.starts_with("42") || code.starts_with("22")) {
            refused(statement, values, &mut self.answers);
        }
    }
}

impl GroupAnswer {
    /// Adds the result of a statement.
    pub(super) fn add(&mut self, body: &CommandCompleteBody) {
        let tag = body.tag().unwrap_or_default();
        let rows = tag.rsplit(' ').next().and_then(|rows| rows.parse().ok());
        self.result.absorb(QueryResult {
            rows_affected: rows.unwrap_or_default(),
            last_insert_id: None,
        });
        self.rolled_back = tag == "ROLLBACK";
    }
}

/// Returns whether the columns of a text depend on what an object of the session is when it is run: a cursor, a
/// procedure, or a statement that the user has prepared.
fn has_late_columns(sql: &str) -> bool {
    let first = sql
        .trim_start()
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .next();
    first.is_some_and(|first| {
        ["call", "execute", "fetch"]
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word))
    })
}

fn check_text(sql: &str) -> Result<()> {
    // Beside the text there are a name and the types.
    let room = messages::has_room(sql.len() + 8 * MOST_PARAMETERS);
    if room {
        Ok(())
    } else {
        Err(too_long("the text of the statement is"))
    }
}

fn too_long(what: &str) -> Error {
    let message = format!("{what} longer than 1 GiB, which is more than the server takes at once");
    Error::new(ErrorKind::Parameter, message)
}
