//! The row of five columns.

use chrono::{DateTime, Utc};

/// The row, read by index.
pub(crate) type Tuple = (i64, String, f64, bool, DateTime<Utc>);

/// The row that is selected by its key, by name.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct NamedItem {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// The row, read by name.
#[derive(Debug, serde::Deserialize, sqlx::FromRow)]
#[expect(dead_code, reason = "read for the sake of reading")]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: f64,
    pub(crate) active: bool,
    pub(crate) at: DateTime<Utc>,
}
