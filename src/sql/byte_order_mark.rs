//! The byte order mark, with which some editors begin a file.

/// Returns the text of an SQL file without its byte order mark, which servers do not accept.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
