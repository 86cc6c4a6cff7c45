//! The rules of Derby, tried on Derby 10.14.

use sqlx::SqlStr;

use super::error_kinds;
use crate::backend::rules::{
    BeginOptions, CircularKeys, DefinitionsInTransaction, GenericRules, LevelTexts, MadeByConnecting, ProbeTexts,
    SchemaRules, StatementSavepointTexts, StatementSavepoints, TransactionRules, refuse_levels,
};
use crate::config::IsolationLevel;
use crate::error::Result;
use crate::sql::ObjectName;
use crate::value::Params;

/// The levels that it has.
const LEVELS: [IsolationLevel; 4] = [
    IsolationLevel::ReadUncommitted,
    IsolationLevel::ReadCommitted,
    IsolationLevel::RepeatableRead,
    IsolationLevel::Serializable,
];

pub(in crate::backend) static RULES: GenericRules = GenericRules {
    transactions: &TRANSACTIONS,
    levels: &SAVEPOINTS,
    begin,
    kind: error_kinds::kind,
    ends: Some(&["40001", "40XC0", "40XD0", "40XL1", "40XL2", "40XT0"]),
    schema: &SCHEMA,
    administration: &ADMINISTRATION,
    ..GenericRules::new("Derby")
};

/// Returns no text: it has none for a beginning, and its driver switches level and access.
fn begin(name: &'static str, options: BeginOptions) -> Result<Option<SqlStr>> {
    options.refuse_exclusive(
        name,
        "execute `LOCK TABLE … IN EXCLUSIVE MODE` in the transaction instead",
    )?;
    refuse_levels(name, options, &LEVELS, "use one of the four levels of the SQL standard")?;
    Ok(None)
}

/// A savepoint must say what becomes of cursors, and a name can be set once.
static SAVEPOINTS: LevelTexts = LevelTexts {
    savepoint: |level| format!("SAVEPOINT ebbtide_{level} ON ROLLBACK RETAIN CURSORS"),
    ..LevelTexts::STANDARD
};

static TRANSACTIONS: TransactionRules = TransactionRules {
    statement_savepoints: StatementSavepoints::Never,
    statement_savepoint: StatementSavepointTexts {
        set: "SAVEPOINT ebbtide_statement ON ROLLBACK RETAIN CURSORS",
        renew: "RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement ON ROLLBACK RETAIN CURSORS",
        back: "ROLLBACK TO SAVEPOINT ebbtide_statement",
    },
    probe: ProbeTexts {
        set: "SAVEPOINT ebbtide_marker ON ROLLBACK RETAIN CURSORS",
        ask: "RELEASE SAVEPOINT ebbtide_marker; SAVEPOINT ebbtide_marker ON ROLLBACK RETAIN CURSORS",
        release: "RELEASE SAVEPOINT ebbtide_marker",
    },
    ..TransactionRules::STANDARD
};

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Undone,
    circular_keys: CircularKeys::Dropped {
        list: "SELECT '\"' || k.CONSTRAINTNAME || '\"' FROM SYS.SYSCONSTRAINTS k JOIN SYS.SYSTABLES t ON t.TABLEID = k.TABLEID \
               JOIN SYS.SYSFOREIGNKEYS f ON f.CONSTRAINTID = k.CONSTRAINTID JOIN SYS.SYSCONSTRAINTS p \
               ON p.CONSTRAINTID = f.KEYCONSTRAINTID JOIN SYS.SYSTABLES u ON u.TABLEID = p.TABLEID \
               WHERE LOWER(t.TABLENAME) = LOWER(CAST(? AS VARCHAR(128))) AND LOWER(u.TABLENAME) = LOWER(CAST(? AS VARCHAR(128)))",
    },
    find_table,
    ..SchemaRules::STANDARD
};

/// It has no `information_schema`.
fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let sql = "SELECT COUNT(*) FROM SYS.SYSTABLES t JOIN SYS.SYSSCHEMAS s ON s.SCHEMAID = t.SCHEMAID \
               WHERE LOWER(s.SCHEMANAME) = LOWER(COALESCE(CAST(? AS VARCHAR(128)), CURRENT SCHEMA)) \
               AND LOWER(t.TABLENAME) = LOWER(CAST(? AS VARCHAR(128)))";
    (sql, name.schema_and_table())
}

static ADMINISTRATION: MadeByConnecting = MadeByConnecting {
    name: "Derby",
    help: "connecting creates a database in memory or in a folder if its URL has `create=true`; `drop=true` drops one in memory",
    tables: "SELECT s.SCHEMANAME, t.TABLENAME FROM SYS.SYSTABLES t JOIN SYS.SYSSCHEMAS s ON s.SCHEMAID = t.SCHEMAID \
             WHERE t.TABLETYPE = 'T' ORDER BY 1, 2",
};
