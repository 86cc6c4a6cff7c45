//! Statements of sqlx on any database, sent as those of the verbs.

use std::panic::Location;

use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::{Either, Execute, Executor, SqlStr};
use sqlx_core::describe::Describe;

use super::connection::AnyConnection;
use crate::any::{Any, AnyArguments, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use crate::backend::QueryResult;
use crate::error::{Error, ErrorKind};
use crate::query::{self, Addressee, AsRow, Optional, Query, Whole};
use crate::stream::RowStream;
use crate::value::{Params, Row};

type Answer<'e, T> = BoxFuture<'e, Result<T, sqlx::Error>>;
type Steps<'e> = BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>;

/// The text of a statement and its values.
pub(crate) type Sent = Result<(SqlStr, Option<AnyArguments>), sqlx::Error>;

/// The way of a statement: where it goes, and the place it is reported with.
#[derive(Clone)]
pub(crate) struct Sending {
    addressee: Addressee,
    place: &'static Location<'static>,
}

fn done(result: QueryResult) -> AnyQueryResult {
    AnyQueryResult::new(result.rows_affected, result.last_insert_id)
}

fn any(row: Row) -> AnyRow {
    AnyRow::new(row.into_raw())
}

/// Splits a statement of sqlx into its parts.
fn parts<'q>(mut query: impl Execute<'q, Any>) -> Sent {
    let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
    Ok((query.sql(), arguments))
}

impl Sending {
    pub(crate) fn new(addressee: Addressee, place: &'static Location<'static>) -> Self {
        Self { addressee, place }
    }

    fn query<S>(self, sql: SqlStr, arguments: Option<AnyArguments>) -> Query<S> {
        Query::new(self.addressee, sql, values(arguments), self.place)
    }

    pub(crate) fn execute(self, sent: Sent) -> Answer<'static, AnyQueryResult> {
        Box::pin(async move {
            let (sql, arguments) = sent?;
            let query = self.query::<query::Execute>(sql, arguments);
            Ok(done(query.await?))
        })
    }

    pub(crate) fn fetch_all(self, sent: Sent) -> Answer<'static, Vec<AnyRow>> {
        Box::pin(async move {
            let (sql, arguments) = sent?;
            let (rows, _) = self.query::<Whole>(sql, arguments).await?;
            Ok(rows.into_iter().map(any).collect())
        })
    }

    pub(crate) fn fetch_optional(self, sent: Sent) -> Answer<'static, Option<AnyRow>> {
        Box::pin(async move {
            let (sql, arguments) = sent?;
            let row = self.query::<Optional<AsRow>>(sql, arguments).await?;
            Ok(row.map(any))
        })
    }

    /// Streams the rows of a statement that writes nothing. Another one runs to its end first, so that its result is
    /// known; its rows come from memory.
    pub(crate) fn steps(self, sent: Sent) -> Steps<'static> {
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

    pub(crate) fn prepare(self, sql: SqlStr) -> Answer<'static, AnyStatement> {
        Box::pin(async move {
            let target = self.addressee.target()?;
            let parameters = target.engine().templates.get(sql.as_str())?.parameters();
            Ok(AnyStatement::new(sql, parameters))
        })
    }

    pub(crate) fn describe(self) -> Answer<'static, Describe<Any>> {
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
fn unless_failed(rows: Steps<'static>, end: Steps<'static>) -> Steps<'static> {
    let mut failed = false;
    let rows = rows.chain(end);
    let rows = rows.take_while(move |step| {
        let over = failed;
        failed |= step.is_err();
        ready(!over)
    });
    rows.boxed()
}

impl<'c> Executor<'c> for &'c mut AnyConnection {
    type Database = Any;

    #[track_caller]
    fn execute<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, AnyQueryResult>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).execute(parts(query))
    }

    #[track_caller]
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Steps<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).steps(parts(query))
    }

    #[track_caller]
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Vec<AnyRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).fetch_all(parts(query))
    }

    #[track_caller]
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Option<AnyRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).fetch_optional(parts(query))
    }

    #[track_caller]
    fn prepare_with<'e>(self, sql: SqlStr, _parameters: &'e [AnyTypeInfo]) -> Answer<'e, AnyStatement>
    where
        'c: 'e,
    {
        self.sending(Location::caller()).prepare(sql)
    }

    #[track_caller]
    fn describe<'e>(self, _sql: SqlStr) -> Answer<'e, Describe<Any>>
    where
        'c: 'e,
    {
        self.sending(Location::caller()).describe()
    }
}
