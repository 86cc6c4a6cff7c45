//! A connection: what is known of it, and how a text is sent and answered.

use std::borrow::Cow;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use tiberius::error::Error as Driver;
use tiberius::{Client, Command, CommandItem, QueryItem, Row};

use super::errors;
use super::parameters::Parameters;
use super::row::{SqlServerOffered, SqlServerRow};
use super::wire::{Wire, WireState};
use crate::backend::{QueryResult, Request, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Control, SessionChange, Statement};

/// A connection to SQL Server.
pub(super) struct SqlServerConnection {
    pub(super) client: Client<Wire>,
    pub(super) wire: Arc<WireState>,
    /// Number of open levels.
    pub(super) depth: usize,
    /// The text that restores the isolation level of the session.
    pub(super) usual_level: Arc<str>,
    /// Set if a transaction has changed that level.
    pub(super) level_changed: bool,
    pub(super) phase: Phase,
}

/// What is under way on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    /// A text was sent when so many bytes had been received.
    Waiting(u64),
    /// Its answer is being read; a part of a row may have been.
    Reading,
    /// A row was handed out, and nothing more is being read.
    BetweenRows,
    /// The connection must not be used again.
    Broken,
}

/// A piece of an answer.
pub(super) enum AnswerItem {
    /// The columns of the rows that follow.
    Columns,
    Row(Row),
    /// The number of rows that a statement has changed or returned.
    Count(u64),
    Other,
}

/// A text to send.
pub(super) enum OutgoingText<'t> {
    /// It runs in the session itself, so that settings and temporary tables stay. Its rows are not counted.
    Batch(Cow<'t, str>),
    /// It runs as the text of a procedure, with parameters.
    Text(&'t str, Parameters<'t>),
}

impl<'t> OutgoingText<'t> {
    pub(super) fn of(request: Request<'t>) -> Result<Self> {
        let statement = request.statement;
        if request.values.is_empty() && runs_in_session(statement) {
            return Ok(Self::Batch(statement.text().into()));
        }
        if statement.control() >= Control::Begin {
            // The server would report that only after it has run the text (266).
            let message = "a text with values begins or ends a transaction, which SQL Server allows only in a text without \
                           values; nothing was sent";
            return Err(Error::new(ErrorKind::Refused, message)
                .help("use `transaction()`, or give BEGIN TRANSACTION, COMMIT and ROLLBACK texts of their own"));
        }
        Ok(Self::Text(statement.text(), Parameters::of(request.values)?))
    }
}

/// Returns whether a statement has to run in the session itself: what it changes there would end with a procedure, and
/// a procedure must leave as many transactions open as it finds.
fn runs_in_session(statement: &Statement) -> bool {
    statement.effect().session != SessionChange::None || statement.controls()
}

impl SqlServerConnection {
    pub(super) fn new(client: Client<Wire>, wire: Arc<WireState>, usual_level: &Arc<str>) -> Self {
        Self {
            client,
            wire,
            depth: 0,
            usual_level: Arc::clone(usual_level),
            level_changed: false,
            phase: Phase::Idle,
        }
    }

    /// Reads what a dropped call has left, and checks that the connection can be used.
    pub(super) async fn ready(&mut self) -> Result<()> {
        match self.phase {
            Phase::Idle => Ok(()),
            Phase::Broken => Err(Error::connection_gone()),
            _ => self.settle_down().await,
        }
    }

    /// Ends the call that was dropped. Only a call of which nothing is half-read can be cancelled; the rest of another
    /// one is read.
    pub(super) async fn settle_down(&mut self) -> Result<()> {
        let between = match self.phase {
            Phase::Idle => return Ok(()),
            Phase::Broken => return Err(Error::connection_gone()),
            Phase::Waiting(received) => self.wire.received() == received,
            Phase::BetweenRows => true,
            Phase::Reading => false,
        };
        // Dropped half-way, it leaves the connection out of step.
        self.phase = Phase::Broken;
        let settled = if between {
            self.client.cancel_query().await
        } else {
            // The driver skips what it has not read before it sends.
            match self.client.simple_query("SELECT 1").await {
                Ok(rows) => rows.into_results().await.map(drop),
                Err(error) => Err(error),
            }
        };
        match settled {
            Ok(()) => {
                self.phase = Phase::Idle;
                Ok(())
            }
            Err(error) => Err(errors::on_connection(error).fatal()),
        }
    }

    /// Sends a text, and gives its answer to a sink. A text that writes and returns rows counts them.
    pub(super) async fn run_sent(
        &mut self,
        sent: OutgoingText<'_>,
        counts_rows: bool,
        sink: &mut dyn RowSink,
    ) -> Result<QueryResult> {
        self.ready().await?;
        self.phase = Phase::Waiting(self.wire.received());
        let (mut result, mut refused) = (QueryResult::default(), None);
        // The rows since the last count, if some are under way.
        let mut rows = None;
        let outcome = async {
            let mut answer = send(&mut self.client, sent).await?;
            while let Some(item) = answer.try_next().await? {
                self.phase = Phase::Reading;
                match item {
                    AnswerItem::Columns => rows = Some(0),
                    AnswerItem::Row(row) => {
                        rows = rows.map(|count| count + 1);
                        if refused.is_none() {
                            refused = sink.row(&mut SqlServerOffered(Some(SqlServerRow(row)))).err();
                        }
                    }
                    AnswerItem::Count(count) => {
                        // Babelfish counts no rows of OUTPUT.
                        let counted = rows
                            .take()
                            .map_or(count, |rows| if counts_rows { count.max(rows) } else { 0 });
                        result.rows_affected += counted;
                    }
                    AnswerItem::Other => {}
                }
            }
            Ok(())
        };
        let outcome = outcome.await;
        self.judge(outcome)?;
        refused.map_or(Ok(result), Err)
    }

    /// Runs a text of this library in the session, and returns its rows.
    pub(super) async fn own_batch(&mut self, text: impl Into<Cow<'_, str>>) -> Result<Vec<Row>> {
        self.ready().await?;
        self.phase = Phase::Waiting(self.wire.received());
        let outcome = async {
            let mut answer = send(&mut self.client, OutgoingText::Batch(text.into())).await?;
            let mut rows = Vec::new();
            while let Some(item) = answer.try_next().await? {
                if let AnswerItem::Row(row) = item {
                    rows.push(row);
                }
            }
            Ok(rows)
        };
        let outcome = outcome.await;
        self.judge(outcome)
    }

    /// Notes how an answer has ended. After an error of the server the rest of the answer has been read.
    pub(super) fn judge<T>(&mut self, outcome: Result<T, Driver>) -> Result<T> {
        let outcome = outcome.map_err(errors::on_connection);
        self.phase = match &outcome {
            Err(error) if error.is_fatal() => Phase::Broken,
            _ => Phase::Idle,
        };
        outcome
    }
}

/// Sends a text, and returns its answer as it arrives.
pub(super) async fn send<'c>(
    client: &'c mut Client<Wire>,
    sent: OutgoingText<'_>,
) -> Result<BoxStream<'c, Result<AnswerItem, Driver>>, Driver> {
    match sent {
        OutgoingText::Batch(text) => {
            let items = client.simple_query(text).await?;
            Ok(items
                .map_ok(|item| match item {
                    QueryItem::Metadata(_) => AnswerItem::Columns,
                    QueryItem::Row(row) => AnswerItem::Row(row),
                })
                .boxed())
        }
        OutgoingText::Text(text, parameters) => {
            let Parameters { nulls, types, values } = parameters;
            let mut command = Command::new("sp_executesql");
            if nulls.is_empty() {
                command.bind_param("@stmt", text);
            } else {
                command.bind_param("@stmt", format!("{nulls}{text}"));
            }
            if !values.is_empty() {
                command.bind_param("@params", types);
            }
            for (name, value) in values {
                command.bind_param(name, EncodedValue(value));
            }
            let items = command.exec(client).await?;
            Ok(items
                .map_ok(|item| match item {
                    CommandItem::Metadata(_) => AnswerItem::Columns,
                    CommandItem::Row(row) => AnswerItem::Row(row),
                    CommandItem::RowsAffected(rows) => AnswerItem::Count(rows),
                    CommandItem::ReturnStatus(_) | CommandItem::ReturnValue(_) => AnswerItem::Other,
                })
                .boxed())
        }
    }
}

/// A value that has the driver's form already.
struct EncodedValue<'v>(tiberius::ColumnData<'v>);

impl<'v> tiberius::IntoSql<'v> for EncodedValue<'v> {
    fn into_sql(self) -> tiberius::ColumnData<'v> {
        self.0
    }
}
