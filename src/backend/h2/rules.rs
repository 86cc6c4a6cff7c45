//! The rules of H2, tried on H2 2.1.

use sqlx::SqlStr;

use super::error_kinds;
use crate::backend::rules::{
    BeginOptions, CommitCheck, DefinitionsInTransaction, GenericRules, LevelTexts, MadeByConnecting, ProbeTexts,
    ReadOnly, SchemaRules, StatementSavepointTexts, StatementSavepoints, TransactionRules, circular_keys, find_table,
    level_words, unsupported,
};
use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::Result;

pub(in crate::backend) static RULES: GenericRules = GenericRules {
    name: "H2",
    transactions: &TRANSACTIONS,
    levels: &LevelTexts::STANDARD,
    begin,
    kind: error_kinds::kind,
    ends: Some(&["40001"]),
    schema: &SCHEMA,
    administration: &ADMINISTRATION,
};

fn begin(name: &'static str, options: BeginOptions) -> Result<Option<SqlStr>> {
    options.refuse_exclusive(name, "lock the rows with `SELECT … FOR UPDATE` instead")?;
    if options.read_only {
        // Its driver accepts the flag and ignores it.
        return Err(unsupported(
            name,
            "read-only transactions",
            "open the database with `ACCESS_MODE_DATA=r` in its URL",
        ));
    }
    // The level is one of the session. The statement that sets it commits, so that it cannot come after the beginning.
    Ok(match options.isolation {
        Some(level) => {
            let level = level_words(level, name)?;
            Some(own_sql(format!("SET TRANSACTION ISOLATION LEVEL {level}; BEGIN")))
        }
        None => None,
    })
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "BEGIN",
    default_isolation: IsolationLevel::ReadCommitted,
    one_writer: false,
    aborted: None,
    savepoints: true,
    statements_may_end: true,
    code_may_commit: true,
    finishes_dropped_calls: false,
    settings_outlive_rollback: true,
    savepoint_outside: None,
    read_only: ReadOnly::AtBegin,
    statement_savepoints: StatementSavepoints::Never,
    statement_savepoint: StatementSavepointTexts::STANDARD,
    probe: ProbeTexts {
        // The release of a savepoint that is gone is no error, and the number of a transaction changes with its end. One
        // that has changed nothing has no number, and nothing that could be lost.
        set: "SET @ebbtide_transaction = TRANSACTION_ID()",
        ask: ASK,
        release: ASK,
    },
    commit_check: CommitCheck::Nothing,
    at_commit: None,
};

/// Divides by zero if the transaction is not the one that it was.
const ASK: &str = "SELECT 1 / CASE WHEN @ebbtide_transaction IS NULL OR @ebbtide_transaction = TRANSACTION_ID() \
                   THEN 1 ELSE 0 END";

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Commit,
    if_not_exists: &[],
    lock: None,
    keys_to_missing_tables: false,
    circular_keys: circular_keys(),
    find_table,
    time: "TIMESTAMP",
    bytes: "BLOB",
};

static ADMINISTRATION: MadeByConnecting = MadeByConnecting {
    name: "H2",
    help: "connecting creates a database in memory or in a file, unless its URL has `IFEXISTS=TRUE`; `DROP ALL OBJECTS` empties it",
    tables: "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
             AND table_schema <> 'INFORMATION_SCHEMA' ORDER BY 1, 2",
};
