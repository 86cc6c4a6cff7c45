//! What a driver would do wrong without saying so.

use crate::failure::Failure;
use crate::frames::Run;
use crate::product::Product;

/// The most parameters of a statement: their number has 16 bits with a sign.
pub const MAX_PARAMETERS: u16 = i16::MAX as u16;

/// Refuses a statement that a driver would run in another way than it says.
pub(crate) fn refuse(product: Product, run: &Run) -> Result<(), Failure> {
    if run.sql.contains('\0') {
        return Err(Failure::own(
            "unsupported",
            "the text of the statement holds a NUL character, at which drivers of ODBC end a text",
        ));
    }
    if run.parameters.len() > MAX_PARAMETERS.into() {
        return Err(Failure::own(
            "unsupported",
            format!(
                "the statement has {} parameters; drivers of ODBC take at most {MAX_PARAMETERS}",
                run.parameters.len()
            ),
        )
        .detail(
            "hint",
            "send the values in several statements, or give a list as an array where the database has arrays",
        ));
    }
    if product == Product::Sqlite && run.rows && has_word(&run.sql, "returning") {
        return Err(Failure::own(
            "unsupported",
            "the statement was not sent: the driver of SQLite runs one with RETURNING, and loses its rows",
        )
        .detail(
            "hint",
            "leave RETURNING out, and select the rows afterwards or use `last_insert_id`",
        ));
    }
    Ok(())
}

/// Returns whether a text has a word outside of quotes and comments.
fn has_word(text: &str, wanted: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, is_letter) = (0, |byte: u8| {
        byte == b'_' || byte == b'$' || byte.is_ascii_alphanumeric() || byte > 127
    });
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = |close: &[u8]| {
            let found = rest[1..].windows(close.len()).position(|window| window == close);
            found.map_or(bytes.len(), |found| at + 1 + found + close.len())
        };
        at = match rest[0] {
            quote @ (b'\'' | b'"' | b'`') => end(&[quote]),
            b'[' => end(b"]"),
            b'-' if rest.starts_with(b"--") => end(b"\n"),
            b'/' if rest.starts_with(b"/*") => end(b"*/"),
            first if is_letter(first) => {
                let length = rest.iter().position(|byte| !is_letter(*byte)).unwrap_or(rest.len());
                if rest[..length].eq_ignore_ascii_case(wanted.as_bytes()) {
                    return true;
                }
                at + length
            }
            _ => at + 1,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b4_returning_is_seen_outside_of_quotes_and_comments() {
        for (text, expected) in [
            ("INSERT INTO t VALUES (1) RETURNING id", true),
            ("insert into t values ('x')\nreturning *", true),
            ("INSERT INTO t VALUES ('it''s returning')", false),
            (
                "SELECT \"returning\", [returning], `returning` FROM t -- returning",
                false,
            ),
            ("SELECT 1 /* returning */", false),
            ("SELECT returning_at FROM t", false),
            ("SELECT '", false),
        ] {
            assert_eq!(has_word(text, "returning"), expected, "{text}");
        }
    }
}
