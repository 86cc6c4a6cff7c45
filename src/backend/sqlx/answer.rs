//! Reading the answer of one text.

use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::{Database, Either};

use super::Native;
use super::last_insert_id::Tally;
use crate::backend::{OfferedRow, QueryResult, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::value::RawRow;

/// The items that sqlx yields: rows, and after them the result of the statement.
pub(super) type Steps<'a, DB> =
    BoxStream<'a, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// A row that is offered to a sink.
pub(crate) struct DriverRow<R>(pub(crate) Option<R>);

impl<R: RawRow + 'static> OfferedRow for DriverRow<R> {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_ref().map(|row| row as &dyn RawRow)
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take().map(|row| Box::new(row) as Box<dyn RawRow>)
    }
}

/// The result in an answer; none if the text was empty, or if the driver reported nothing.
pub(super) struct Answer {
    pub(super) done: Option<QueryResult>,
    /// `true` if a notification followed the answer.
    pub(super) notified: bool,
}

/// Reads an answer to its end. A sink that refuses a row does not stop the reading, so that the connection is left
/// idle.
pub(super) async fn drain<DB: Native>(
    mut steps: Steps<'_, DB>,
    sink: &mut dyn RowSink,
    tally: &mut Tally<'_>,
) -> Result<Answer> {
    let (mut refused, mut notified) = (None, false);
    while let Some(step) = steps.next().await {
        let step = match step.map_err(DB::error) {
            Err(error) if tally.done.is_some() && is_notification(&error) => {
                notified = true;
                break;
            }
            step => step?,
        };
        match step {
            Either::Left(result) => tally.add(DB::done(&result), DB::REPEATS),
            Either::Right(row) => {
                tally.has_rows = true;
                if refused.is_none() {
                    refused = sink.row(&mut DriverRow(Some(row))).err();
                }
            }
        }
    }
    let done = tally.done;
    refused.map_or(Ok(Answer { done, notified }), Err)
}

pub(super) const NOTHING_DONE: &str = "a notification came before the answer of a statement, which has changed nothing";

/// Returns whether the driver abandoned an answer because of a notification.
pub(super) fn is_notification(error: &Error) -> bool {
    error.kind() == ErrorKind::ConnectionLost && error.message().contains("NotificationResponse")
}

/// Returns whether a statement whose answer was given up has done nothing, so that it can be run again.
pub(super) fn is_to_be_repeated(error: &Error) -> bool {
    error.kind() == ErrorKind::ConnectionLost && error.message() == NOTHING_DONE
}
