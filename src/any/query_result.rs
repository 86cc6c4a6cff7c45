//! The result of a statement.

/// The result of a finished statement: that of [`crate::QueryResult`], as sqlx names it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sqlx::Error> {
/// use ebbtide::any::{Any, AnyConnection};
/// use sqlx::Connection;
///
/// let mut connection = AnyConnection::connect("sqlite::memory:").await?;
/// sqlx::query::<Any>("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)").execute(&mut connection).await?;
/// let query = sqlx::query::<Any>("INSERT INTO note (text) VALUES (?)").bind("hello");
/// let done = query.execute(&mut connection).await?;
/// assert_eq!((done.rows_affected(), done.last_insert_id()), (1, Some(1)));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyQueryResult {
    rows_affected: u64,
    last_insert_id: Option<i64>,
}

impl AnyQueryResult {
    pub(crate) fn new(rows_affected: u64, last_insert_id: Option<i64>) -> Self {
        Self {
            rows_affected,
            last_insert_id,
        }
    }

    /// Returns the number of rows inserted, updated or deleted.
    pub fn rows_affected(&self) -> u64 {
        self.rows_affected
    }

    /// Returns the key of the last inserted row, as far as [`crate::QueryResult::last_insert_id`] tells it.
    pub fn last_insert_id(&self) -> Option<i64> {
        self.last_insert_id
    }
}

impl Extend<Self> for AnyQueryResult {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, results: T) {
        for result in results {
            self.rows_affected += result.rows_affected;
            self.last_insert_id = result.last_insert_id.or(self.last_insert_id);
        }
    }
}
