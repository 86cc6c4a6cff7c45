//! Shortened statements for messages.

/// The number of characters of a statement that are shown.
const SHOWN: usize = 160;

/// Returns the statement, shortened to a length that fits into a message.
pub(crate) fn excerpt(sql: &str) -> String {
    let sql = sql.trim();
    match sql.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &sql[..end]),
        None => sql.to_owned(),
    }
}
