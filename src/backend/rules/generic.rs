//! The rules of standard SQL. A server whose rules are not known is asked rather than trusted.

use sqlx::{SqlSafeStr, SqlStr};

use super::begin_options::{BeginOptions, level_words};
use crate::backend::sqlx::own_sql;
use crate::error::Result;

/// Returns the text that begins a transaction in standard SQL.
pub(crate) fn begin(server: &str, options: BeginOptions) -> Result<SqlStr> {
    options.refuse_exclusive(
        server,
        "only SQLite supports them; lock the rows with `SELECT … FOR UPDATE` instead",
    )?;
    let start = if options.read_only {
        "START TRANSACTION READ ONLY"
    } else {
        "START TRANSACTION"
    };
    Ok(match options.isolation {
        Some(level) => {
            let level = level_words(level, server)?;
            own_sql(format!("SET TRANSACTION ISOLATION LEVEL {level}; {start}"))
        }
        None => start.into_sql_str(),
    })
}

#[cfg(test)]
pub(crate) use described::GenericRules;
pub(crate) use described::STANDARD_SQL;

/// The rules as a whole, for a connector of a server that nobody has described.
mod described {
    use super::*;
    use crate::backend::rules::{
        Administration, CircularKeys, CommitCheck, DefinitionsInTransaction, ProbeTexts, ReadOnly, SchemaRules,
        ServerAnswer, ServerRules, StatementSavepointTexts, StatementSavepoints, TransactionRules,
    };
    use crate::config::IsolationLevel;
    use crate::error::{Error, ErrorKind};
    use crate::sql::Dialect;

    /// Rules of standard SQL.
    #[derive(Debug)]
    pub(crate) struct GenericRules {
        /// The name of the product, for messages.
        pub(crate) name: &'static str,
    }

    /// The rules of a database of which nothing is known.
    pub(crate) static STANDARD_SQL: GenericRules = GenericRules { name: "this database" };

    impl ServerRules for GenericRules {
        fn name(&self) -> &'static str {
            self.name
        }

        fn transactions(&self) -> &'static TransactionRules {
            &TRANSACTIONS
        }

        fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
            begin(self.name, options).map(Some)
        }

        fn leaves_open(&self, _error: &Error, _plain: bool) -> bool {
            false
        }

        fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
            kind(answer.code)
        }

        fn schema(&self) -> &'static SchemaRules {
            &SCHEMA
        }

        fn administration(&self) -> &'static dyn Administration {
            Dialect::MySql.rules().administration()
        }
    }

    /// Returns the kind that the standard gives to an SQLSTATE.
    fn kind(code: &str) -> ErrorKind {
        match code {
            "25006" => ErrorKind::ReadOnly,
            "40001" => ErrorKind::Serialization,
            _ => match code.get(..2) {
                Some("08") => ErrorKind::ConnectionLost,
                Some("0A") => ErrorKind::Unsupported,
                Some("23") => ErrorKind::Constraint,
                Some("28") => ErrorKind::Authentication,
                Some("3D") => ErrorKind::DatabaseNotFound,
                Some("3F") => ErrorKind::UndefinedObject,
                Some("42") => ErrorKind::Syntax,
                _ => ErrorKind::Database,
            },
        }
    }

    /// Of two ways the one that is right on every server.
    static TRANSACTIONS: TransactionRules = TransactionRules {
        begin: "START TRANSACTION",
        default_isolation: IsolationLevel::Serializable,
        one_writer: false,
        aborted: None,
        statements_may_end: true,
        code_may_commit: true,
        finishes_dropped_calls: false,
        settings_outlive_rollback: true,
        savepoint_outside: None,
        read_only: ReadOnly::AtBegin,
        statement_savepoints: StatementSavepoints::Always,
        statement_savepoint: StatementSavepointTexts::STANDARD,
        probe: ProbeTexts::STANDARD,
        commit_check: CommitCheck::Nothing,
        at_commit: None,
    };

    static SCHEMA: SchemaRules = SchemaRules {
        in_transaction: DefinitionsInTransaction::Commit,
        lock: None,
        keys_to_missing_tables: false,
        circular_keys: CircularKeys::Dropped {
            list: "SELECT r.constraint_name FROM information_schema.referential_constraints r \
                   JOIN information_schema.table_constraints k ON k.constraint_schema = r.constraint_schema \
                   AND k.constraint_name = r.constraint_name JOIN information_schema.table_constraints u \
                   ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name \
                   WHERE k.table_name = ? AND u.table_name = ?",
        },
        find_table: |name| {
            let sql = "SELECT COUNT(*) FROM information_schema.tables \
                       WHERE table_schema = COALESCE(?, CURRENT_SCHEMA) AND table_name = ?";
            (sql, name.schema_and_table())
        },
        time: "TIMESTAMP",
        bytes: "BLOB",
    };
}
