//! The connections of [`Any`], and with them the database itself.

mod connection;
#[cfg(feature = "sqlx-interop")]
mod executor;
mod options;
#[cfg(feature = "sqlx-interop")]
mod sending;
mod transaction;

use sqlx::Database;

use crate::any::{
    Any, AnyArgumentBuffer, AnyArguments, AnyColumn, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo, AnyValue,
    AnyValueRef,
};
use connection::AnyConnection;
#[cfg(feature = "sqlx-interop")]
pub(super) use sending::{AnySending, Sent};
use transaction::AnyTransactionManager;

impl Database for Any {
    type Connection = AnyConnection;
    type TransactionManager = AnyTransactionManager;
    type Row = AnyRow;
    type QueryResult = AnyQueryResult;
    type Column = AnyColumn;
    type TypeInfo = AnyTypeInfo;
    type Value = AnyValue;
    type ValueRef<'r> = AnyValueRef<'r>;
    type Arguments = AnyArguments;
    type ArgumentBuffer = AnyArgumentBuffer;
    type Statement = AnyStatement;

    const NAME: &'static str = "Any";
    const URL_SCHEMES: &'static [&'static str] = &[];
}
