//! Statements of sqlx on any database, sent as those of the verbs.

use std::panic::Location;

use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::{Either, SqlStr};
use sqlx_core::describe::Describe;

use crate::any::{Any, AnyArguments, AnyQueryResult, AnyRow, AnyStatement};
use crate::backend::QueryResult;
use crate::error::{Error, ErrorKind};
use crate::query::{self, Addressee, AsRow, Optional, Query, Whole};
use crate::stream::RowStream;
use crate::value::{Params, Row};

pub(super) type Reply<'e, T> = BoxFuture<'e, Result<T, sqlx::Error>>;
pub(super) type AnySteps<'e> = BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>;

/// The text of a statement and its values.
pub(crate) type Sent = Result<(SqlStr, Option<AnyArguments>), sqlx::Error>;

/// The way of a statement: where it goes, and the place it is reported with.
#[derive(Clone)]
pub(crate) struct AnySending {
    addressee: Addressee,
    place: &'static Location<'static>,
}

fn done(result: QueryResult) -> AnyQueryResult {
    AnyQueryResult::new(result.rows_affected, result.last_insert_id)
}

fn any(row: Row) -> AnyRow {
    AnyRow::new(row.into_raw())
}

impl AnySending {
    pub(crate) fn new(addressee: Addressee, place: &'static Location<'static>) -> Self {
        Self { addressee, place }
    }

    fn query<S>(self, sql: SqlStr, arguments: Option<AnyArguments>) -> Query<S> {
        Query::new(self.addressee, sql, values(arguments), self.place)
    }

    pub(crate) fn execute(self, sent: Sent) -> Reply<'static, AnyQueryResult> {
        Box::pin(async move {
            let (sql, arguments) = sent?;
            let query = self.query::<query::Execute>(sql, arguments);
            Ok(done(query.await?))
        })
    }

    pub(crate) fn fetch_all(self, sent: Sent) -> Reply<'static, Vec<AnyRow>> {
        Box::pin(async move {
            let (sql, arguments) = sent?;
            let (rows, _) = self.query::<Whole>(sql, arguments).await?;
            Ok(rows.into_iter().map(any).collect())
        })
    }

    pub(crate) fn fetch_optional(self, sent: Sent) -> Reply<'static, Option<AnyRow>> {
        Box::pin(async move {
            let (sql, arguments) = sent?;
            let row = self.query::<Optional<AsRow>>(sql, arguments).await?;
            Ok(row.map(any))
        })
    }

    /// Streams the rows of a statement that writes nothing. Another one runs to its end first, so that its result is
    /// known; its rows come from memory.
    pub(crate) fn steps(self, sent: Sent) -> AnySteps<'static> {
        let opened = async move {
            let (sql, arguments) = sent?;
            let reads = {
                let target = self.addressee.target()?;
                target.engine().templates.get(sql.as_str())?.effect().asks
            };
            if reads {
                let rows = RowStream::new(self.addressee, sql, values(arguments), self.place);
                let rows = rows.map(|row| Ok(Either::Right(any(row?))));
                let end = stream::once(ready(Ok(Either::Left(AnyQueryResult::default()))));
                return Ok::<_, sqlx::Error>(unless_failed(rows.boxed(), end.boxed()));
            }
            let (rows, result) = self.query::<Whole>(sql, arguments).await?;
            let rows = rows.into_iter().map(|row| Ok(Either::Right(any(row))));
            Ok(stream::iter(rows.chain([Ok(Either::Left(done(result)))])).boxed())
        };
        stream::once(opened).try_flatten().boxed()
    }

    pub(crate) fn prepare(self, sql: SqlStr) -> Reply<'static, AnyStatement> {
        Box::pin(async move {
            let target = self.addressee.target()?;
            let parameters = target.engine().templates.get(sql.as_str())?.parameters();
            Ok(AnyStatement::new(sql, parameters))
        })
    }

    pub(crate) fn describe(self) -> Reply<'static, Describe<Any>> {
        let error = Error::new(
            ErrorKind::Unsupported,
            "a statement on any database cannot be described before it has run",
        )
        .help("read the columns of a row, or ask the driver: `database.sqlx::<sqlx::Postgres>()`")
        .at(self.place);
        Box::pin(ready(Err(error.into())))
    }
}

fn values(arguments: Option<AnyArguments>) -> Params {
    Params::positional(arguments.map(AnyArguments::into_values).unwrap_or_default())
}

/// Adds the end to a stream that has no error.
fn unless_failed(rows: AnySteps<'static>, end: AnySteps<'static>) -> AnySteps<'static> {
    let mut failed = false;
    let rows = rows.chain(end);
    let rows = rows.take_while(move |step| {
        let over = failed;
        failed |= step.is_err();
        ready(!over)
    });
    rows.boxed()
}
