//! The tables: plain SQL, one folder for each database.

use ebbtide::{Database, Dialect, Result};

macro_rules! migrations {
    ($folder:literal) => {
        [
            include_str!(concat!("../migrations/", $folder, "/0001_users_and_notes.sql")),
            include_str!(concat!("../migrations/", $folder, "/0002_tags.sql")),
        ]
    };
}

/// Creates the missing tables; may run at every start.
pub async fn migrate(database: &Database) -> Result<()> {
    let migrations = match database.dialect() {
        Dialect::Postgres => migrations!("postgres"),
        Dialect::MySql => migrations!("mysql"),
        _ => migrations!("sqlite"),
    };
    for sql in migrations {
        database.execute(sql, ()).await?;
    }
    Ok(())
}
