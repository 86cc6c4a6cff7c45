//! The rules of H2, tried on H2 2.1.

use sqlx::SqlStr;

use super::error_kinds;
use crate::backend::rules::{
    BeginOptions, GenericRules, MadeByConnecting, ProbeTexts, StatementSavepoints, TransactionRules, level_words,
    unsupported,
};
use crate::backend::sqlx::own_sql;
use crate::error::Result;
use crate::sql::Dialect;

pub(in crate::backend) static RULES: GenericRules = GenericRules {
    transactions: &TRANSACTIONS,
    begin,
    kind: error_kinds::kind,
    ends: Some(&["40001"]),
    parameter: |name, value| {
        let is_word = value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let value = if is_word && !value.is_empty() {
            value.to_owned()
        } else {
            Dialect::Generic.quote_text(value)
        };
        Some(format!("SET {name} {value}"))
    },
    administration: &ADMINISTRATION,
    ..GenericRules::new("H2")
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
    statement_savepoints: StatementSavepoints::Never,
    probe: ProbeTexts {
        // The release of a savepoint that is gone is no error, and the number of a transaction changes with its end. One
        // that has changed nothing has no number, and nothing that could be lost.
        set: "SET @ebbtide_transaction = TRANSACTION_ID()",
        ask: ASK,
        release: ASK,
    },
    ..TransactionRules::STANDARD
};

/// Divides by zero if the transaction is not the one that it was.
const ASK: &str = "SELECT 1 / CASE WHEN @ebbtide_transaction IS NULL OR @ebbtide_transaction = TRANSACTION_ID() \
                   THEN 1 ELSE 0 END";

static ADMINISTRATION: MadeByConnecting = MadeByConnecting {
    name: "H2",
    help: "connecting creates a database in memory or in a file, unless its URL has `IFEXISTS=TRUE`; `DROP ALL OBJECTS` empties it",
    tables: "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
             AND table_schema <> 'INFORMATION_SCHEMA' ORDER BY 1, 2",
};
