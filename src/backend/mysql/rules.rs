//! The rules of MySQL, of which MariaDB shares most. They also serve while the product is unknown.

use sqlx::SqlStr;

use super::admin::MySqlAdministration;
use super::error_kinds;
use crate::backend::position::Position;
use crate::backend::rules::{
    Administration, BeginOptions, CircularKeys, CommitCheck, DefinitionsInTransaction, PositionRules, ProbeTexts,
    ReadOnly, SchemaRules, ServerAnswer, ServerRules, StatementSavepointTexts, StatementSavepoints, TransactionRules,
    standard_begin,
};
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::ObjectName;
use crate::value::{Params, Row};

#[derive(Debug)]
pub(in crate::backend) struct MySqlRules;

impl ServerRules for MySqlRules {
    fn name(&self) -> &'static str {
        "MySQL"
    }

    fn transactions(&self) -> &'static TransactionRules {
        &TRANSACTIONS
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        // With `sql_mode=ORACLE`, `BEGIN` begins a block.
        standard_begin(self.name(), options).map(Some)
    }

    fn leaves_open(&self, error: &Error, plain: bool) -> bool {
        leaves_open(error, plain)
    }

    fn positions(&self) -> Option<&'static PositionRules> {
        Some(&POSITIONS)
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        let number = answer.number.and_then(|number| u16::try_from(number).ok());
        error_kinds::kind(number.unwrap_or_default(), answer.code, answer.message)
    }

    fn schema(&self) -> &'static SchemaRules {
        &SCHEMA
    }

    fn administration(&self) -> &'static dyn Administration {
        &MySqlAdministration
    }
}

/// Returns whether a transaction is certainly still open after an error.
pub(super) fn leaves_open(error: &Error, plain: bool) -> bool {
    // For a definition, or for a savepoint that is gone, the same error may indicate an end.
    plain && error.is_of_statement()
}

pub(super) static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "START TRANSACTION",
    default_isolation: IsolationLevel::RepeatableRead,
    one_writer: false,
    aborted: None,
    savepoints: true,
    // A deadlock ends it, and a trigger can replace the error that reports the deadlock.
    statements_may_end: true,
    code_may_commit: true,
    finishes_dropped_calls: false,
    settings_outlive_rollback: true,
    savepoint_outside: None,
    read_only: ReadOnly::AtBegin,
    statement_savepoints: StatementSavepoints::Never,
    statement_savepoint: StatementSavepointTexts::STANDARD,
    probe: ProbeTexts::STANDARD,
    commit_check: CommitCheck::Nothing,
    at_commit: None,
};

pub(super) static POSITIONS: PositionRules = PositionRules {
    question: "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('gtid_binlog_pos', 'gtid_executed')",
    read: read_position,
    has: |position| matches!(position, Position::Transactions { .. }),
};

fn read_position(rows: &[Row]) -> Option<Position> {
    rows.iter().find_map(|row| {
        let (name, ids): (String, String) = (row.get(0).ok()?, row.get(1).ok()?);
        (!ids.is_empty()).then(|| Position::Transactions {
            maria: name.eq_ignore_ascii_case("gtid_binlog_pos"),
            ids: ids.into(),
        })
    })
}

pub(super) static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Commit,
    if_not_exists: &["TABLE", "SCHEMA", "EVENT"],
    lock: None,
    keys_to_missing_tables: false,
    circular_keys: CircularKeys::Unchecked {
        off: "SET foreign_key_checks = 0",
        on: "SET foreign_key_checks = 1",
    },
    find_table,
    time: "TIMESTAMP",
    bytes: "BLOB",
};

fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let sql = "SELECT COUNT(*) FROM information_schema.tables \
               WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
    (sql, name.schema_and_table())
}
