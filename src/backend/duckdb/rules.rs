//! The rules of DuckDB, tried on DuckDB 2.0.

use sqlx::{SqlSafeStr, SqlStr};

use super::error_kinds;
use crate::backend::rules::{
    BeginOptions, DefinitionsInTransaction, GenericRules, MadeByConnecting, SchemaRules, TransactionRules,
    refuse_levels,
};
use crate::config::IsolationLevel;
use crate::error::Result;
use crate::sql::{Dialect, ObjectName};
use crate::value::Params;

pub(in crate::backend) static RULES: GenericRules = GenericRules {
    transactions: &TRANSACTIONS,
    begin,
    kind: error_kinds::kind,
    ends: Some(&[]),
    schema: &SCHEMA,
    parameter: |name, value| Some(format!("SET {name} = {}", Dialect::Generic.quote_text(value))),
    administration: &ADMINISTRATION,
    ..GenericRules::new("DuckDB")
};

fn begin(name: &'static str, options: BeginOptions) -> Result<Option<SqlStr>> {
    options.refuse_exclusive(
        name,
        "a transaction that changes what another one has changed fails at once",
    )?;
    refuse_levels(
        name,
        options,
        &[IsolationLevel::Snapshot],
        "every DuckDB transaction reads one SNAPSHOT",
    )?;
    Ok(options.read_only.then(|| "BEGIN TRANSACTION READ ONLY".into_sql_str()))
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "BEGIN TRANSACTION",
    default_isolation: IsolationLevel::Snapshot,
    aborted: Some("25P02"),
    savepoints: false,
    statements_may_end: false,
    code_may_commit: false,
    savepoint_outside: Some("42601"),
    ..TransactionRules::STANDARD
};

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Undone,
    if_not_exists: &["TABLE", "INDEX", "VIEW", "TYPE", "SEQUENCE", "FUNCTION", "SCHEMA"],
    find_table,
    time: "TIMESTAMPTZ",
    ..SchemaRules::STANDARD
};

fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let sql = "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_schema) = \
               LOWER(COALESCE(CAST(? AS VARCHAR), current_schema())) AND LOWER(table_name) = LOWER(CAST(? AS VARCHAR))";
    (sql, name.schema_and_table())
}

static ADMINISTRATION: MadeByConnecting = MadeByConnecting {
    name: "DuckDB",
    help: "connecting creates a database in memory or in a file, and deleting the file drops it",
    tables: "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY 1, 2",
};
