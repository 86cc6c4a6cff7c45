//! Empties a database, for the strategy `truncate`.

use super::ready::is_ours;
use crate::database::Database;
use crate::error::Result;

/// Empties all tables but those of the runner and of sqlx, and restarts the key sequences.
pub(super) async fn empty(database: &Database) -> Result<()> {
    let dialect = database.dialect();
    let administration = database.target()?.engine().rules().administration();
    let tables: Vec<(String, String)> = database.fetch_all(administration.tables(), ()).decode().await?;
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
    administration
        .empty(database, database.config().settings(), &tables)
        .await
}
