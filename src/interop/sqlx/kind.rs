//! What the views of each database do with a statement.

use sqlx::SqlStr;
use sqlx_core::describe::Describe;

use super::view::{Given, ViewSteps, check, sealed};
use super::{Answer, Sqlx, SqlxView};
use crate::any::{Any, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use crate::backend::SqlxDatabase;
use crate::error::Result;
use crate::interop::any::{AnySending, Sent};
use crate::sql::Dialect;

impl<DB: SqlxDatabase> sealed::Sealed for DB {}

/// On the driver's own connection.
impl<DB: SqlxDatabase> SqlxView for DB {
    fn check_dialect(dialect: Dialect) -> Result<()> {
        check::<DB>(dialect)
    }

    fn execute(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Self::QueryResult> {
        view.execute_parts(parts)
    }

    fn fetch_many(view: &Sqlx<Self>, parts: Given<Self>) -> ViewSteps<Self> {
        view.steps(parts)
    }

    fn fetch_all(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Vec<Self::Row>> {
        view.fetch_all_parts(parts)
    }

    fn fetch_optional(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Option<Self::Row>> {
        view.fetch_optional_parts(parts)
    }

    fn prepare(view: &Sqlx<Self>, sql: SqlStr, types: &[Self::TypeInfo]) -> Answer<'static, Self::Statement> {
        view.prepare_parts(&sql, types)
    }

    fn describe(view: &Sqlx<Self>, sql: SqlStr) -> Answer<'static, Describe<Self>> {
        view.describe_parts(&sql)
    }
}

impl sealed::Sealed for Any {}

fn sent(parts: Given<Any>) -> Sent {
    parts.map(|parts| (parts.sql, parts.arguments))
}

impl Sqlx<Any> {
    fn sending(&self) -> AnySending {
        AnySending::new(self.source.addressee(), self.place)
    }
}

/// On whatever connection a verb would run.
impl SqlxView for Any {
    fn check_dialect(_dialect: Dialect) -> Result<()> {
        Ok(())
    }

    fn execute(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, AnyQueryResult> {
        view.sending().execute(sent(parts))
    }

    fn fetch_many(view: &Sqlx<Self>, parts: Given<Self>) -> ViewSteps<Self> {
        view.sending().steps(sent(parts))
    }

    fn fetch_all(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Vec<AnyRow>> {
        view.sending().fetch_all(sent(parts))
    }

    fn fetch_optional(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Option<AnyRow>> {
        view.sending().fetch_optional(sent(parts))
    }

    fn prepare(view: &Sqlx<Self>, sql: SqlStr, _types: &[AnyTypeInfo]) -> Answer<'static, AnyStatement> {
        view.sending().prepare(sql)
    }

    fn describe(view: &Sqlx<Self>, _sql: SqlStr) -> Answer<'static, Describe<Self>> {
        view.sending().describe()
    }
}
