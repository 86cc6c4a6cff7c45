//! The rules of DuckDB, tried on DuckDB 2.0.

use sqlx::{SqlSafeStr, SqlStr};

use super::error_kinds;
use crate::backend::rules::{
    BeginOptions, CommitCheck, DefinitionsInTransaction, GenericRules, LevelTexts, MadeByConnecting, ProbeTexts,
    ReadOnly, SchemaRules, StatementSavepointTexts, StatementSavepoints, TransactionRules, circular_keys,
    refuse_levels,
};
use crate::config::IsolationLevel;
use crate::error::Result;
use crate::sql::ObjectName;
use crate::value::Params;

pub(in crate::backend) static RULES: GenericRules = GenericRules {
    name: "DuckDB",
    transactions: &TRANSACTIONS,
    levels: &LevelTexts::STANDARD,
    begin,
    kind: error_kinds::kind,
    ends: Some(&[]),
    schema: &SCHEMA,
    administration: &ADMINISTRATION,
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
    one_writer: false,
    aborted: Some("25P02"),
    savepoints: false,
    statements_may_end: false,
    code_may_commit: false,
    finishes_dropped_calls: false,
    settings_outlive_rollback: true,
    savepoint_outside: Some("42601"),
    read_only: ReadOnly::AtBegin,
    statement_savepoints: StatementSavepoints::Always,
    statement_savepoint: StatementSavepointTexts::STANDARD,
    probe: ProbeTexts::STANDARD,
    commit_check: CommitCheck::Nothing,
    at_commit: None,
};

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Undone,
    if_not_exists: &["TABLE", "INDEX", "VIEW", "TYPE", "SEQUENCE", "FUNCTION", "SCHEMA"],
    lock: None,
    keys_to_missing_tables: false,
    circular_keys: circular_keys(),
    find_table,
    time: "TIMESTAMPTZ",
    bytes: "BLOB",
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
