//! Empties a database, for the strategy `truncate`.

use sqlx::AssertSqlSafe;

use super::ready::is_ours;
use crate::database::Database;
use crate::error::Result;
use crate::sql::Dialect;

/// Empties all tables but those of the runner and of sqlx, and restarts the key sequences.
pub(super) async fn empty(database: &Database) -> Result<()> {
    let dialect = database.dialect();
    let tables: Vec<(String, String)> = database.fetch_all(list(dialect), ()).decode().await?;
    let tables: Vec<String> = tables
        .iter()
        .filter(|(_, table)| !is_ours(table))
        .map(|(schema, table)| {
            format!(
                "{}.{}",
                dialect.quote_identifier(schema),
                dialect.quote_identifier(table)
            )
        })
        .collect();
    if tables.is_empty() {
        return Ok(());
    }
    let sql = match dialect {
        Dialect::Postgres => format!("TRUNCATE {} RESTART IDENTITY CASCADE", tables.join(", ")),
        Dialect::MySql => format!(
            "SET foreign_key_checks = 0; TRUNCATE TABLE {}; SET foreign_key_checks = 1",
            tables.join("; TRUNCATE TABLE ")
        ),
        Dialect::Sqlite => return empty_sqlite(database, &tables).await,
    };
    database.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
}

async fn empty_sqlite(database: &Database, tables: &[String]) -> Result<()> {
    let counted: i64 = database
        .fetch_value("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'", ())
        .await?;
    // The pragma has no effect inside a transaction.
    let mut sql = "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; ".to_owned();
    for table in tables {
        sql.extend(["DELETE FROM ", table, "; "]);
    }
    if counted > 0 {
        sql += "DELETE FROM sqlite_sequence; ";
    }
    sql += "COMMIT; ";
    if database.config().settings().foreign_keys {
        sql += "PRAGMA foreign_keys = ON";
    }
    database.execute(AssertSqlSafe(sql), ()).await.map(std::mem::drop)
}

/// Returns the query that lists the application's tables: neither system tables, nor those of extensions or behind
/// virtual tables.
fn list(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
             ORDER BY 1, 2"
        }
        Dialect::MySql => {
            "SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1, 2"
        }
        Dialect::Sqlite => {
            "SELECT schema, name FROM pragma_table_list \
             WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2"
        }
    }
}
