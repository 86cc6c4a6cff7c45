//! Statements of sea-query, built in the dialect of their database.

use sea_query::{
    DeleteStatement, InsertStatement, MysqlQueryBuilder, OptionEnum, PostgresQueryBuilder, QueryStatementBuilder,
    SelectStatement, SqliteQueryBuilder, UpdateStatement, Value as SeaValue, WithQuery,
};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, IntoSql};
use crate::value::{Params, Value};

fn build(statement: &impl QueryStatementBuilder, dialect: Dialect) -> Result<(SqlStr, Params)> {
    let (text, values) = match dialect {
        Dialect::Postgres => statement.build_any(&PostgresQueryBuilder),
        Dialect::MySql => statement.build_any(&MysqlQueryBuilder),
        Dialect::Sqlite => statement.build_any(&SqliteQueryBuilder),
    };
    let values = values.0.into_iter().map(value).collect::<Result<Vec<_>>>()?;
    // The builder quotes identifiers and passes every value as a parameter.
    Ok((AssertSqlSafe(text).into_sql_str(), Params::positional(values)))
}

fn value(value: SeaValue) -> Result<Value> {
    fn of<T: Into<Value>>(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
    Ok(match value {
        SeaValue::Bool(value) => of(value),
        SeaValue::TinyInt(value) => of(value),
        SeaValue::SmallInt(value) => of(value),
        SeaValue::Int(value) => of(value),
        SeaValue::BigInt(value) => of(value),
        SeaValue::TinyUnsigned(value) => of(value),
        SeaValue::SmallUnsigned(value) => of(value),
        SeaValue::Unsigned(value) => of(value),
        SeaValue::BigUnsigned(value) => of(value),
        SeaValue::Float(value) => of(value),
        SeaValue::Double(value) => of(value),
        SeaValue::String(value) => of(value),
        SeaValue::Char(value) => of(value),
        SeaValue::Bytes(value) => of(value),
        SeaValue::Json(value) => of(value.map(|json| *json)),
        SeaValue::ChronoDate(value) => of(value),
        SeaValue::ChronoTime(value) => of(value),
        SeaValue::ChronoDateTime(value) => of(value),
        SeaValue::ChronoDateTimeUtc(value) => of(value),
        SeaValue::ChronoDateTimeWithTimeZone(value) => of(value),
        SeaValue::Decimal(value) => of(value),
        SeaValue::Uuid(value) => of(value),
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
    ($($type:ty),*) => {$(
        impl IntoSql for &$type {
            fn into_sql(self, dialect: Dialect) -> Result<(SqlStr, Params)> {
                build(self, dialect)
            }
        }

        impl IntoSql for $type {
            fn into_sql(self, dialect: Dialect) -> Result<(SqlStr, Params)> {
                build(&self, dialect)
            }
        }
    )*};
}

statements!(
    SelectStatement,
    InsertStatement,
    UpdateStatement,
    DeleteStatement,
    WithQuery
);
