//! What is still open: connections, transactions, and statements under way.

use std::fmt;
use std::panic::Location;

/// The kind of an [`OpenHandle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenHandleKind {
    /// A [`Connection`](crate::Connection).
    Connection,
    /// A transaction or a savepoint.
    Transaction,
    /// A statement, or the beginning or end of a transaction, that is under way in a sandbox.
    Operation,
}

/// Something that is still open; see [`Database::open_handles`](crate::Database::open_handles). `Display` describes it
/// in one line, with its place in the source and its last statement.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// use ebbtide::OpenHandleKind;
///
/// let transaction = database.transaction().await?;
/// let open = database.open_handles();
/// assert!(open.iter().any(|open| open.kind == OpenHandleKind::Transaction && open.place.line() > 0));
/// transaction.rollback().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenHandle {
    /// Its kind.
    pub kind: OpenHandleKind,
    /// The place in the source where it was opened or begun.
    pub place: &'static Location<'static>,
    pub(super) description: String,
}

impl fmt::Display for OpenHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}
