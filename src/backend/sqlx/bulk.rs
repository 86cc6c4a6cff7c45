//! One statement for many rows, which come as one array for each column.

use sqlx::Executor;

use super::Native;
use super::answer::is_to_be_repeated;
use super::connection::SqlxConnection;
use super::pooled::Alone;
use crate::backend::{QueryResult, RawConnection, Request, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::BulkInsert;
use crate::value::Value;

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    DB::Row: 'static,
    DB::Connection: Send + Sync,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Sends the arrays, or, if the types of the columns are not known or mixed, statements with the rows in their text.
    pub(super) async fn run_bulk(
        &mut self,
        bulk: &BulkInsert,
        request: Request<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<QueryResult> {
        let Request { statement, values } = request;
        self.follow_definitions(false).await?;
        let sample = BulkInsert::sample(values);
        // The server is asked about one row, so that each value has the type that it would have alone.
        let single = Request {
            statement: bulk.single(),
            values: &sample,
        };
        match self.declare(single).await {
            Err(error) if is_to_be_repeated(&error) => self.declare(single).await?,
            declared => declared?,
        }
        let Some(arrays) = DB::of_arrays(bulk, &sample, values, &mut self.answers) else {
            return self.run_in_rows(bulk, values, sink).await;
        };
        let request = Request {
            statement: &arrays,
            values,
        };
        let result = self.run_prepared(request, sink).await;
        result.map_err(|error| {
            if error.kind() == ErrorKind::Parameter {
                return self.error_of_row(bulk, values, statement.first_row()).unwrap_or(error);
            }
            self.note_refusal(&error, single);
            error
        })
    }

    /// Returns the error of the first row with a value that cannot be sent. `first` is the number of the first row.
    fn error_of_row(&self, bulk: &BulkInsert, columns: &[Value], first: usize) -> Option<Error> {
        let rows = (0..).map_while(|index| BulkInsert::row(columns, index));
        rows.zip(first..).find_map(|(row, number)| {
            let bound = DB::arguments(bulk.single(), &row, &self.answers);
            bound.err().map(|error| error.context(format!("row {number}")))
        })
    }

    /// Sends the rows in the texts of several statements, all or none of them.
    async fn run_in_rows(
        &mut self,
        bulk: &BulkInsert,
        columns: &[Value],
        sink: &mut dyn RowSink,
    ) -> Result<QueryResult> {
        let chunks = bulk.in_rows(columns);
        let alone = if chunks.len() > 1 {
            self.begin_own().await?
        } else {
            Alone::No
        };
        let (mut done, mut result) = (QueryResult::default(), Ok(()));
        for chunk in &chunks {
            let request = Request {
                statement: &chunk.statement,
                values: &chunk.values,
            };
            match self.run_prepared(request, sink).await {
                Ok(more) => done.absorb(more),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if alone == Alone::No {
            return result.map(|()| done);
        }
        if result.is_ok() {
            result = self.commit(None).await;
        }
        if result.as_ref().is_err_and(|error| !error.is_fatal()) {
            self.rollback_to(0).await?;
        }
        result.map(|()| done)
    }
}
