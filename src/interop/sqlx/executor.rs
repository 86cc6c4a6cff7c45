//! The views as executors of sqlx.

use futures::future::ready;
use futures::stream::{BoxStream, TryStreamExt};
use sqlx::{Database, Either, Execute, Executor, SqlStr};
use sqlx_core::describe::Describe;

use super::{Answer, Sqlx, SqlxTransaction, SqlxView};
use crate::backend::{Parts, QueryResult, SqlxDatabase};

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

    pub(super) fn execute_parts(&self, parts: Result<Parts<DB>, sqlx::Error>) -> Answer<'static, DB::QueryResult> {
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

    pub(super) fn fetch_all_parts(&self, parts: Result<Parts<DB>, sqlx::Error>) -> Answer<'static, Vec<DB::Row>> {
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

    pub(super) fn fetch_optional_parts(
        &self,
        parts: Result<Parts<DB>, sqlx::Error>,
    ) -> Answer<'static, Option<DB::Row>> {
        self.send(parts, |connection, parts| {
            Box::pin(async move { Ok((DB::fetch_optional(connection, parts).await?, QueryResult::default())) })
        })
    }

    pub(super) fn prepare_parts(&self, sql: &SqlStr, types: &[DB::TypeInfo]) -> Answer<'static, DB::Statement> {
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

    pub(super) fn describe_parts(&self, sql: &SqlStr) -> Answer<'static, Describe<DB>> {
        let text = sql.clone();
        self.run(sql.clone(), move |connection| {
            Box::pin(async move { Ok((DB::describe(connection, text).await?, QueryResult::default())) })
        })
    }
}

macro_rules! executor {
    ($($view:ty),*) => {$(
        impl<'c, DB: SqlxView> Executor<'c> for $view {
            type Database = DB;

            fn execute<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, DB::QueryResult>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                DB::execute(&self, Parts::of(query))
            }

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                DB::fetch_many(&self, Parts::of(query))
            }

            fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Vec<DB::Row>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                DB::fetch_all(&self, Parts::of(query))
            }

            fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Answer<'e, Option<DB::Row>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                DB::fetch_optional(&self, Parts::of(query))
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<DB as Database>::TypeInfo],
            ) -> Answer<'e, <DB as Database>::Statement>
            where
                'c: 'e,
            {
                DB::prepare(&self, sql, parameters)
            }

            fn describe<'e>(self, sql: SqlStr) -> Answer<'e, Describe<DB>>
            where
                'c: 'e,
            {
                DB::describe(&self, sql)
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
