//! The views as executors of sqlx.

use futures::future::{BoxFuture, ready};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use sqlx::{Database, Either, Execute, Executor, SqlStr};
use sqlx_core::describe::Describe;

use super::{Sqlx, SqlxTransaction};
use crate::backend::{Parts, QueryResult, SqlxDatabase};

type Answer<'e, T> = BoxFuture<'e, Result<T, sqlx::Error>>;

impl<DB: SqlxDatabase> Sqlx<DB> {
    fn send<T, F>(&self, parts: Result<Parts<DB>, sqlx::Error>, send: F) -> Answer<'static, T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut DB::Connection, Parts<DB>) -> Answer<'c, (T, QueryResult)> + Clone + Send + 'static,
    {
        match parts {
            Ok(parts) => {
                let sql = parts.sql.clone();
                self.run(sql, move |connection| send(connection, parts))
            }
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn execute_parts(&self, parts: Result<Parts<DB>, sqlx::Error>) -> Answer<'static, DB::QueryResult> {
        self.send(parts, |connection, parts| {
            Box::pin(async move {
                let mut results = DB::fetch_many(connection, parts);
                let (mut all, mut done) = (DB::QueryResult::default(), QueryResult::default());
                while let Some(step) = results.try_next().await? {
                    if let Either::Left(result) = step {
                        done.absorb(DB::affected(&result));
                        all.extend([result]);
                    }
                }
                Ok((all, done))
            })
        })
    }

    fn fetch_all_parts(&self, parts: Result<Parts<DB>, sqlx::Error>) -> Answer<'static, Vec<DB::Row>> {
        self.send(parts, |connection, parts| {
            Box::pin(async move {
                let mut steps = DB::fetch_many(connection, parts);
                let (mut rows, mut done) = (Vec::new(), QueryResult::default());
                while let Some(step) = steps.try_next().await? {
                    match step {
                        Either::Left(result) => done.absorb(DB::affected(&result)),
                        Either::Right(row) => rows.push(row),
                    }
                }
                Ok((rows, done))
            })
        })
    }

    fn fetch_optional_parts(&self, parts: Result<Parts<DB>, sqlx::Error>) -> Answer<'static, Option<DB::Row>> {
        self.send(parts, |connection, parts| {
            Box::pin(async move { Ok((DB::fetch_optional(connection, parts).await?, QueryResult::default())) })
        })
    }

    fn prepare_parts(&self, sql: &SqlStr, types: &[DB::TypeInfo]) -> Answer<'static, DB::Statement> {
        let types = types.to_vec();
        let text = sql.clone();
        self.run(sql.clone(), move |connection| {
            Box::pin(async move {
                Ok((
                    DB::prepare_with(connection, text, &types).await?,
                    QueryResult::default(),
                ))
            })
        })
    }

    fn describe_parts(&self, sql: &SqlStr) -> Answer<'static, Describe<DB>> {
        let text = sql.clone();
        self.run(sql.clone(), move |connection| {
            Box::pin(async move { Ok((DB::describe(connection, text).await?, QueryResult::default())) })
        })
    }
}

macro_rules! executor {
    ($($view:ty),*) => {$(
        impl<'c, DB: SqlxDatabase> Executor<'c> for $view {
            type Database = DB;

            fn execute<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, DB::QueryResult>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                self.execute_parts(Parts::of(query))
            }

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                self.steps(Parts::of(query)).boxed()
            }

            fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Vec<DB::Row>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                self.fetch_all_parts(Parts::of(query))
            }

            fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Option<DB::Row>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                self.fetch_optional_parts(Parts::of(query))
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<DB as Database>::TypeInfo],
            ) -> Answer<'e, <DB as Database>::Statement>
            where
                'c: 'e,
            {
                self.prepare_parts(&sql, parameters)
            }

            fn describe<'e>(self, sql: SqlStr) -> Answer<'e, Describe<DB>>
            where
                'c: 'e,
            {
                self.describe_parts(&sql)
            }
        }
    )*};
}

executor!(
    Sqlx<DB>,
    &'c Sqlx<DB>,
    &'c mut Sqlx<DB>,
    &'c SqlxTransaction<DB>,
    &'c mut SqlxTransaction<DB>
);
