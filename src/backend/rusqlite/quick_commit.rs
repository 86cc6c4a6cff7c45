//! Whether a commit is short, by the settings of its session.

use rusqlite::Connection;

/// The number of `synchronous` up to which a commit to a write-ahead log does not wait for the disk: NORMAL.
const NORMAL: i64 = 1;

/// Returns whether a commit writes the changed pages to the write-ahead log, or to memory, and does not wait for the disk.
/// `in_memory` is `true` for a database without a file, and `hooked` if its log has the hook of this driver.
pub(super) fn commits_quickly(connection: &Connection, in_memory: bool, hooked: bool) -> rusqlite::Result<bool> {
    // A commit over several files writes a journal of its own.
    if files(connection)? > 1 || !(in_memory || hooked) {
        return Ok(false);
    }
    if in_memory {
        return Ok(true);
    }
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let mode: String = connection.query_row("PRAGMA journal_mode", (), |row| row.get(0))?;
    // With another number, SQLite's own hook has taken the place of this driver's.
    Ok(mode == "wal" && number("PRAGMA wal_autocheckpoint")? == 0 && number("PRAGMA synchronous")? <= NORMAL)
}

/// Returns the number of databases, without that of temporary tables.
fn files(connection: &Connection) -> rusqlite::Result<usize> {
    let mut prepared = connection.prepare("PRAGMA database_list")?;
    let mut databases = prepared.query(())?;
    let mut count = 0;
    while let Some(database) = databases.next()? {
        count += usize::from(database.get_ref(1)?.as_str().is_ok_and(|name| name != "temp"));
    }
    Ok(count)
}

/// Returns whether a text may change these settings, or how long locks are waited for.
pub(super) fn may_change_settings(sql: &str) -> bool {
    mentions(sql, "pragma") || mentions(sql, "attach")
}

/// Returns whether a text has a word in small letters anywhere, in whichever letters.
pub(super) fn mentions(sql: &str, word: &str) -> bool {
    sql.as_bytes()
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}
