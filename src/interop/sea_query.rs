//! Statements of sea-query, built in the dialect of their database.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sea_query::{
    DeleteStatement, ForeignKeyCreateStatement, ForeignKeyDropStatement, IndexCreateStatement, IndexDropStatement,
    InsertStatement, MysqlQueryBuilder, OptionEnum, PostgresQueryBuilder, QueryStatementBuilder,
    SchemaStatementBuilder, SelectStatement, SqliteQueryBuilder, TableAlterStatement, TableCreateStatement,
    TableDropStatement, TableRenameStatement, TableTruncateStatement, UpdateStatement, Value as SeaValue, WithQuery,
};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::sea_builder::{MySqlBuilder, SqliteBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, IntoSql};
use crate::value::{Params, Value};

fn build(statement: &impl QueryStatementBuilder, dialect: Dialect) -> Result<(SqlStr, Params)> {
    let (mysql, sqlite) = (MySqlBuilder::default(), SqliteBuilder::default());
    let build = || match dialect {
        // Its numbered placeholders are read like those of any text, and sent as `?`.
        Dialect::Postgres | Dialect::Generic => Ok(statement.build_any(&PostgresQueryBuilder)),
        Dialect::MySql => Ok(statement.build_any(&mysql)),
        Dialect::Sqlite => Ok(statement.build_any(&sqlite)),
        Dialect::SqlServer => Err(without_builder(dialect)),
    };
    let (text, values) = catch_unwind(AssertUnwindSafe(build)).map_err(|panic| cannot(dialect, &*panic))??;
    if let Some(what) = mysql.left_out().or(sqlite.left_out()) {
        let message = format!("sea-query has no {what} for {dialect}, so the statement was not sent");
        return Err(Error::new(ErrorKind::Unsupported, message).help(format!("write it as SQL text for {dialect}")));
    }
    let values = values.0.into_iter().map(value).collect::<Result<Vec<_>>>()?;
    // The builder quotes identifiers and passes every value as a parameter.
    Ok((AssertSqlSafe(text).into_sql_str(), Params::positional(values)))
}

/// Returns the text of a definition. The builder panics on features that a dialect lacks.
pub(super) fn written(statement: &impl SchemaStatementBuilder, dialect: Dialect) -> Result<String> {
    let build = || match dialect {
        Dialect::Postgres | Dialect::Generic => Ok(statement.build(PostgresQueryBuilder)),
        Dialect::MySql => Ok(statement.build(MysqlQueryBuilder)),
        Dialect::Sqlite => Ok(statement.build(SqliteQueryBuilder)),
        Dialect::SqlServer => Err(without_builder(dialect)),
    };
    catch_unwind(AssertUnwindSafe(build)).map_err(|panic| cannot(dialect, &*panic))?
}

fn without_builder(dialect: Dialect) -> Error {
    let message = format!("sea-query writes no statements for {dialect}");
    Error::new(ErrorKind::Unsupported, message).help(format!("write it as SQL text for {dialect}"))
}

fn cannot(dialect: Dialect, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = format!(
        "sea-query cannot write this statement for {dialect}: {}",
        text.as_deref().unwrap_or("it gave no reason")
    );
    Error::new(ErrorKind::Unsupported, message).help(format!("write it as SQL text for {dialect}"))
}

fn define(statement: &impl SchemaStatementBuilder, dialect: Dialect) -> Result<(SqlStr, Params)> {
    // The builder quotes identifiers and literals.
    Ok((
        AssertSqlSafe(written(statement, dialect)?).into_sql_str(),
        Params::default(),
    ))
}

fn value(value: SeaValue) -> Result<Value> {
    Ok(match value {
        SeaValue::Bool(value) => value.into(),
        SeaValue::TinyInt(value) => value.into(),
        SeaValue::SmallInt(value) => value.into(),
        SeaValue::Int(value) => value.into(),
        SeaValue::BigInt(value) => value.into(),
        SeaValue::TinyUnsigned(value) => value.into(),
        SeaValue::SmallUnsigned(value) => value.into(),
        SeaValue::Unsigned(value) => value.into(),
        SeaValue::BigUnsigned(value) => value.into(),
        SeaValue::Float(value) => value.into(),
        SeaValue::Double(value) => value.into(),
        SeaValue::String(value) => value.into(),
        SeaValue::Char(value) => value.into(),
        SeaValue::Bytes(value) => value.into(),
        SeaValue::Json(value) => value.map(|json| *json).into(),
        SeaValue::ChronoDate(value) => value.into(),
        SeaValue::ChronoTime(value) => value.into(),
        SeaValue::ChronoDateTime(value) => value.into(),
        SeaValue::ChronoDateTimeUtc(value) => value.into(),
        SeaValue::ChronoDateTimeWithTimeZone(value) => value.into(),
        SeaValue::Decimal(value) => value.into(),
        SeaValue::Uuid(value) => value.into(),
        // The server knows its enums; it converts the label to the expected one.
        SeaValue::Enum(OptionEnum::Some(label)) => Value::Untyped(label.value.to_string()),
        SeaValue::Enum(OptionEnum::None(_)) => Value::Null,
        other => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("sea-query's value {other:?} cannot be bound"),
            )
            .help("convert it to one of the types in `ebbtide::guides::types` first"));
        }
    })
}

macro_rules! statements {
    ($build:ident: $($type:ty),*) => {$(
        impl IntoSql for &$type {
            fn into_sql(self, dialect: Dialect) -> Result<(SqlStr, Params)> {
                $build(self, dialect)
            }
        }

        impl IntoSql for $type {
            fn into_sql(self, dialect: Dialect) -> Result<(SqlStr, Params)> {
                $build(&self, dialect)
            }
        }
    )*};
}

statements!(
    define: TableCreateStatement,
    TableAlterStatement,
    TableDropStatement,
    TableRenameStatement,
    TableTruncateStatement,
    IndexCreateStatement,
    IndexDropStatement,
    ForeignKeyCreateStatement,
    ForeignKeyDropStatement
);

statements!(
    build: SelectStatement,
    InsertStatement,
    UpdateStatement,
    DeleteStatement,
    WithQuery
);
