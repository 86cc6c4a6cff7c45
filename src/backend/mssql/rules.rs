//! The rules of SQL Server. Those of which docs/MSSQL.md does not say that they were tried are from its documentation.

use sqlx::SqlStr;

use super::admin::SqlServerAdministration;
use super::error_kinds;
use crate::backend::rules::{
    Administration, BeginOptions, CircularKeys, CommitCheck, DefinitionsInTransaction, LevelTexts, ProbeTexts,
    ReadOnly, SchemaRules, ServerAnswer, ServerRules, StatementSavepointTexts, StatementSavepoints, TransactionRules,
    level_words, unsupported,
};
use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::ObjectName;
use crate::value::Params;

#[derive(Debug)]
pub(in crate::backend) struct SqlServerRules;

impl ServerRules for SqlServerRules {
    fn name(&self) -> &'static str {
        "SQL Server"
    }

    fn transactions(&self) -> &'static TransactionRules {
        &TRANSACTIONS
    }

    fn levels(&self) -> &'static LevelTexts {
        &LEVELS
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        options.refuse_exclusive(
            self.name(),
            "lock the rows with `SELECT … WITH (UPDLOCK, HOLDLOCK)` instead",
        )?;
        if options.read_only {
            return Err(unsupported(
                self.name(),
                "read-only transactions",
                "log in as a user that may only read",
            ));
        }
        let Some(level) = options.isolation else {
            return Ok(None);
        };
        // The level stays with the session; the connection restores it with the end of the transaction.
        Ok(Some(own_sql(format!("{}; {}", set_level(level)?, TRANSACTIONS.begin))))
    }

    fn leaves_open(&self, _error: &Error, _plain: bool) -> bool {
        // A number does not tell: `XACT_ABORT`, which is on in triggers, makes nearly every error end the transaction.
        false
    }

    fn ends_transaction(&self, answer: ServerAnswer<'_>) -> bool {
        answer
            .number
            .is_some_and(|number| error_kinds::ends_transaction(number, answer.message))
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        error_kinds::kind(answer.number.unwrap_or_default(), answer.message)
    }

    fn schema(&self) -> &'static SchemaRules {
        &SCHEMA
    }

    fn administration(&self) -> &'static dyn Administration {
        &SqlServerAdministration
    }
}

/// Returns the text that sets the isolation level of a session.
pub(super) fn set_level(level: IsolationLevel) -> Result<String> {
    let words = match level {
        IsolationLevel::Snapshot => "SNAPSHOT",
        level => level_words(level, "SQL Server")?,
    };
    Ok(format!("SET TRANSACTION ISOLATION LEVEL {words}"))
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "BEGIN TRANSACTION",
    default_isolation: IsolationLevel::ReadCommitted,
    one_writer: false,
    aborted: None,
    savepoints: true,
    // The failure of a conversion ends the transaction; others do where `XACT_ABORT` is on.
    statements_may_end: true,
    code_may_commit: true,
    finishes_dropped_calls: false,
    settings_outlive_rollback: true,
    savepoint_outside: Some("628"),
    read_only: ReadOnly::AtBegin,
    statement_savepoints: StatementSavepoints::Never,
    statement_savepoint: StatementSavepointTexts {
        set: "SAVE TRANSACTION ebbtide_statement",
        renew: "SAVE TRANSACTION ebbtide_statement",
        back: "ROLLBACK TRANSACTION ebbtide_statement",
    },
    probe: ProbeTexts {
        // A savepoint can only be asked for by going back to it. A transaction has a number, which changes with its end.
        set: "DECLARE @ebbtide_transaction BIGINT = CURRENT_TRANSACTION_ID(); \
              EXEC sp_set_session_context N'ebbtide_transaction', @ebbtide_transaction",
        ask: ASK,
        release: ASK,
    },
    commit_check: CommitCheck::Nothing,
    at_commit: None,
};

/// Fails if the transaction is not the one that it was.
const ASK: &str = "IF @@TRANCOUNT = 0 OR CURRENT_TRANSACTION_ID() <> \
                   ISNULL(CONVERT(BIGINT, SESSION_CONTEXT(N'ebbtide_transaction')), 0) \
                   RAISERROR('the transaction has ended', 16, 1)";

/// Savepoints cannot be released. A name that was used before is that of the savepoint set last.
static LEVELS: LevelTexts = LevelTexts {
    // What a procedure has begun and not ended would keep the transaction open.
    commit: "COMMIT TRANSACTION; IF @@TRANCOUNT > 0 BEGIN ROLLBACK TRANSACTION; \
             RAISERROR('the transaction was rolled back: something in it has begun another one and not ended it', 16, 1) END",
    rollback: "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",
    savepoint: |level| format!("SAVE TRANSACTION ebbtide_{level}"),
    release: |_| String::new(),
    back: |level| format!("ROLLBACK TRANSACTION ebbtide_{level}"),
};

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Undone,
    // Other objects must be the first of their text.
    if_not_exists: &["TABLE", "SEQUENCE"],
    lock: None,
    keys_to_missing_tables: false,
    circular_keys: CircularKeys::Dropped {
        list: "SELECT QUOTENAME(name) FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(?) \
               AND referenced_object_id = OBJECT_ID(?)",
    },
    find_table,
    time: "DATETIME2",
    bytes: "VARBINARY(MAX)",
};

fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let sql = "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = COALESCE(?, SCHEMA_NAME()) \
               AND TABLE_NAME = ?";
    (sql, name.schema_and_table())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::rules::Mode;

    #[test]
    fn b1_a_transaction_begins_with_its_level() {
        let begin = |isolation| {
            let options = BeginOptions {
                isolation,
                ..BeginOptions::default()
            };
            SqlServerRules
                .begin(options)
                .unwrap()
                .map(|sql| sql.as_str().to_owned())
        };
        assert_eq!(begin(None), None);
        assert_eq!(
            begin(Some(IsolationLevel::Snapshot)).unwrap(),
            "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION"
        );
        assert_eq!(
            begin(Some(IsolationLevel::Serializable)).unwrap(),
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRANSACTION"
        );
    }

    #[test]
    fn b1_a_commit_that_would_commit_nothing_is_an_error() {
        let message = LEVELS.commit.split('\'').nth(1).unwrap();
        let answer = |message| ServerAnswer {
            code: "50000",
            number: Some(50_000),
            message,
        };
        assert_eq!(SqlServerRules.error_kind(answer(message)), ErrorKind::TransactionEnded);
        assert!(SqlServerRules.ends_transaction(answer(message)));
        assert_eq!(SqlServerRules.error_kind(answer("the user's own")), ErrorKind::Database);
        assert!(!SqlServerRules.ends_transaction(answer("the user's own")));
    }

    #[test]
    fn b1_no_error_certainly_leaves_the_transaction_open() {
        for number in [207, 208, 229, 515, 547, 2601, 2627, 2812] {
            let error = Error::new(error_kinds::kind(number, "no"), "no").with_code(number.to_string());
            assert!(!SqlServerRules.leaves_open(&error, true), "{number}");
        }
    }

    #[test]
    fn b1_what_it_has_no_words_for_is_refused() {
        let read_only = BeginOptions {
            read_only: true,
            ..BeginOptions::default()
        };
        let exclusive = BeginOptions {
            mode: Some(Mode::Exclusive),
            ..BeginOptions::default()
        };
        for options in [read_only, exclusive] {
            assert_eq!(
                SqlServerRules.begin(options).unwrap_err().kind(),
                ErrorKind::Unsupported
            );
        }
    }

    #[test]
    fn b1_the_names_of_savepoints_fit_into_32_characters() {
        let texts = [
            (LEVELS.savepoint)(usize::MAX),
            TRANSACTIONS.statement_savepoint.set.to_owned(),
        ];
        for text in texts {
            let name = text.rsplit(' ').next().unwrap();
            assert!(name.len() <= 32, "{name}");
        }
    }
}
