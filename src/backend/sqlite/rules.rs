//! The rules of SQLite.

use sqlx::{SqlSafeStr, SqlStr};

use super::admin::SqliteAdministration;
use super::error_kinds;
use crate::backend::rules::{
    Administration, BeginOptions, CircularKeys, CommitCheck, DefinitionsInTransaction, Mode, ProbeTexts, ReadOnly,
    SchemaRules, ServerAnswer, ServerRules, StatementSavepointTexts, StatementSavepoints, TransactionRules,
    unsupported,
};
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::ObjectName;
use crate::value::Params;

#[derive(Debug)]
pub(in crate::backend) struct SqliteRules;

impl ServerRules for SqliteRules {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn transactions(&self) -> &'static TransactionRules {
        &TRANSACTIONS
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        if let Some(level) = options.isolation.filter(|level| *level != IsolationLevel::Serializable) {
            return Err(unsupported(
                self.name(),
                &format!("isolation level {level}"),
                "every SQLite transaction is SERIALIZABLE",
            ));
        }
        Ok(match options.mode {
            None | Some(Mode::Deferred) => None,
            Some(Mode::Immediate) => Some("BEGIN IMMEDIATE".into_sql_str()),
            Some(Mode::Exclusive) => Some("BEGIN EXCLUSIVE".into_sql_str()),
        })
    }

    fn leaves_open(&self, _error: &Error, _plain: bool) -> bool {
        // `OR ROLLBACK`, a full disk or a lack of memory end it. To ask costs no round trip.
        false
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        let code = answer.code.parse();
        code.map_or(ErrorKind::Database, |code| error_kinds::kind(code, answer.message))
    }

    fn schema(&self) -> &'static SchemaRules {
        &SCHEMA
    }

    fn administration(&self) -> &'static dyn Administration {
        &SqliteAdministration
    }
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "BEGIN",
    default_isolation: IsolationLevel::Serializable,
    one_writer: true,
    aborted: None,
    savepoints: true,
    // `OR ROLLBACK` in a statement ends it.
    statements_may_end: true,
    code_may_commit: false,
    finishes_dropped_calls: true,
    settings_outlive_rollback: false,
    savepoint_outside: None,
    read_only: ReadOnly::Setting {
        name: "query_only",
        set: "PRAGMA query_only = 1",
        restore: "PRAGMA query_only = 0",
    },
    statement_savepoints: StatementSavepoints::IfDeferred,
    statement_savepoint: StatementSavepointTexts::STANDARD,
    probe: ProbeTexts::STANDARD,
    // It does not check deferred keys when a savepoint is released, but reports which are violated.
    commit_check: CommitCheck::Violations {
        find: "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%DEFERRED%'",
        list: "PRAGMA foreign_key_check",
        code: "787",
    },
    at_commit: None,
};

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::UndoneOrIgnored,
    if_not_exists: &["TABLE", "INDEX", "VIEW", "TRIGGER"],
    lock: None,
    keys_to_missing_tables: true,
    circular_keys: CircularKeys::Emptied {
        defer: "PRAGMA defer_foreign_keys = ON",
        restore: "PRAGMA defer_foreign_keys = OFF",
    },
    find_table,
    time: "TIMESTAMP",
    bytes: "BLOB",
};

fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let sql = "SELECT COUNT(*) FROM pragma_table_list \
               WHERE schema = COALESCE(?, 'main') COLLATE NOCASE AND name = ? COLLATE NOCASE";
    (sql, name.schema_and_table())
}
