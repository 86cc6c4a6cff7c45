//! The rules of HSQLDB, tried on HSQLDB 2.7.

use sqlx::SqlStr;

use super::error_kinds;
use crate::backend::rules::{
    BeginOptions, GenericRules, MadeByConnecting, StatementSavepoints, TransactionRules, level_words, refuse_levels,
};
use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::Result;

/// The levels that it has. It silently reads READ UNCOMMITTED as READ COMMITTED.
const LEVELS: [IsolationLevel; 3] = [
    IsolationLevel::ReadCommitted,
    IsolationLevel::RepeatableRead,
    IsolationLevel::Serializable,
];

pub(in crate::backend) static RULES: GenericRules = GenericRules {
    transactions: &TRANSACTIONS,
    begin,
    kind: error_kinds::kind,
    ends: Some(&["40001"]),
    administration: &ADMINISTRATION,
    ..GenericRules::new("HSQLDB")
};

fn begin(name: &'static str, options: BeginOptions) -> Result<Option<SqlStr>> {
    options.refuse_exclusive(name, "execute `LOCK TABLE … WRITE` in the transaction instead")?;
    refuse_levels(name, options, &LEVELS, "its lowest level is READ COMMITTED")?;
    let access = if options.read_only { "READ ONLY" } else { "READ WRITE" };
    Ok(match options.isolation {
        Some(level) => {
            let level = level_words(level, name)?;
            Some(own_sql(format!("START TRANSACTION ISOLATION LEVEL {level}, {access}")))
        }
        None => options
            .read_only
            .then(|| own_sql(format!("START TRANSACTION {access}"))),
    })
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "START TRANSACTION READ WRITE",
    code_may_commit: false,
    statement_savepoints: StatementSavepoints::Never,
    ..TransactionRules::STANDARD
};

static ADMINISTRATION: MadeByConnecting = MadeByConnecting {
    name: "HSQLDB",
    help: "connecting creates a database in memory or in a file, unless its URL has `ifexists=true`; `DROP SCHEMA PUBLIC CASCADE` empties it",
    tables: "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
             AND table_schema NOT IN ('INFORMATION_SCHEMA', 'SYSTEM_LOBS') ORDER BY 1, 2",
};
