//! The driver's types for the backend of a test.

/// Runs the body with `DB` as sqlx's type of the database of a backend.
#[cfg(feature = "sqlx-interop")]
macro_rules! with_db {
    ($backend:expr, $body:block) => {
        match $backend.family() {
            "postgres" => {
                type DB = sqlx::Postgres;
                $body
            }
            "mysql" => {
                type DB = sqlx::MySql;
                $body
            }
            _ => {
                type DB = sqlx::Sqlite;
                $body
            }
        }
    };
}
#[cfg(feature = "sqlx-interop")]
pub(crate) use with_db;
