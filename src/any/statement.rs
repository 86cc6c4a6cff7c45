//! A statement with its text.

use sqlx::{ColumnIndex, Either, SqlStr};

use super::{Any, AnyArguments, AnyColumn, AnyTypeInfo};

/// A statement that was prepared for [`Any`]: its text and the number of its parameters. Its columns are known when it
/// has run.
#[derive(Clone, Debug)]
pub struct AnyStatement {
    sql: SqlStr,
    parameters: usize,
}

impl AnyStatement {
    pub(crate) fn new(sql: SqlStr, parameters: usize) -> Self {
        Self { sql, parameters }
    }
}

impl sqlx::Statement for AnyStatement {
    type Database = Any;

    fn into_sql(self) -> SqlStr {
        self.sql
    }

    fn sql(&self) -> &SqlStr {
        &self.sql
    }

    fn parameters(&self) -> Option<Either<&[AnyTypeInfo], usize>> {
        Some(Either::Right(self.parameters))
    }

    fn columns(&self) -> &[AnyColumn] {
        &[]
    }

    sqlx_core::impl_statement_query!(AnyArguments);
}

impl ColumnIndex<AnyStatement> for &str {
    fn index(&self, _statement: &AnyStatement) -> Result<usize, sqlx::Error> {
        Err(sqlx::Error::ColumnNotFound((*self).to_owned()))
    }
}

sqlx_core::impl_column_index_for_statement!(AnyStatement);
