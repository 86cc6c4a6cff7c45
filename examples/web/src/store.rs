//! The only difference in SQL between the databases: returning the key of a new row.

use ebbtide::{AssertSqlSafe, Database, Dialect, IntoParams, Result};

/// Inserts a row and returns its key.
pub(crate) async fn insert(database: &Database, sql: &'static str, params: impl IntoParams) -> Result<i64> {
    if database.dialect() == Dialect::MySql {
        let done = database.execute(sql, params).await?;
        return Ok(done.last_insert_id.unwrap_or_default());
    }
    // Safe: both parts are literals.
    database
        .fetch_value(AssertSqlSafe(format!("{sql} RETURNING id")), params)
        .await
}
