//! A connection to any database as an executor of sqlx.

use std::panic::Location;

use sqlx::{Execute, Executor, SqlStr};
use sqlx_core::describe::Describe;

use super::connection::AnyConnection;
use super::sending::{AnySteps, Reply, Sent};
use crate::any::{Any, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};

/// Splits a statement of sqlx into its parts.
fn parts<'q>(mut query: impl Execute<'q, Any>) -> Sent {
    let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
    Ok((query.sql(), arguments))
}

impl<'c> Executor<'c> for &'c mut AnyConnection {
    type Database = Any;

    #[track_caller]
    fn execute<'e, 'q: 'e, E>(self, query: E) -> Reply<'e, AnyQueryResult>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).execute(parts(query))
    }

    #[track_caller]
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> AnySteps<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).steps(parts(query))
    }

    #[track_caller]
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> Reply<'e, Vec<AnyRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).fetch_all(parts(query))
    }

    #[track_caller]
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> Reply<'e, Option<AnyRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.sending(Location::caller()).fetch_optional(parts(query))
    }

    #[track_caller]
    fn prepare_with<'e>(self, sql: SqlStr, _parameters: &'e [AnyTypeInfo]) -> Reply<'e, AnyStatement>
    where
        'c: 'e,
    {
        self.sending(Location::caller()).prepare(sql)
    }

    #[track_caller]
    fn describe<'e>(self, _sql: SqlStr) -> Reply<'e, Describe<Any>>
    where
        'c: 'e,
    {
        self.sending(Location::caller()).describe()
    }
}
