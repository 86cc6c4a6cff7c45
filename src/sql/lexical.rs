//! The lexical rules in which servers differ: what is blank, what ends a comment, how long a number or a variable is.
//!
//! All functions read the start of `rest` and return a length in bytes.

use super::Dialect;

/// The byte order mark. SQLite takes it for white space where a token could begin.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Returns the length of the run of bytes from `from` on that `wanted` accepts.
fn run(rest: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let tail = rest.get(from..).unwrap_or_default();
    from + tail.iter().position(|&byte| !wanted(byte)).unwrap_or(tail.len())
}

fn byte(rest: &[u8], at: usize) -> u8 {
    rest.get(at).copied().unwrap_or(0)
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || matches!(byte, b'\t'..=b'\r')
}

/// Returns the length of the white space; 0 if there is none.
pub(super) fn space(dialect: Dialect, rest: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at = run(rest, at, is_blank);
        if dialect != Dialect::Sqlite || !rest[at..].starts_with(BYTE_ORDER_MARK) {
            return at;
        }
        at += BYTE_ORDER_MARK.len();
    }
}

/// Returns the length of the line comment, without the end of its line; 0 if none starts here.
pub(super) fn line_comment(dialect: Dialect, rest: &[u8]) -> usize {
    let starts = match (dialect, rest) {
        // So that `5--1` is a sum. The end of the text counts as a control character.
        (Dialect::MySql, [b'-', b'-', ..]) => byte(rest, 2) <= b' ' || byte(rest, 2) == 0x7f,
        (Dialect::MySql, [b'#', ..])
        | (Dialect::Postgres | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic, [b'-', b'-', ..]) => true,
        _ => false,
    };
    match dialect {
        _ if !starts => 0,
        Dialect::Postgres | Dialect::Generic => run(rest, 0, |byte| byte != b'\n' && byte != b'\r'),
        Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer => run(rest, 0, |byte| byte != b'\n'),
    }
}

/// Returns where a further piece of a string of PostgreSQL begins that has ended before `rest`: on another line, after
/// nothing but white space and line comments.
pub(super) fn continuation(rest: &[u8]) -> Option<usize> {
    let (mut at, mut on_another_line) = (0, false);
    loop {
        match byte(rest, at) {
            b'\n' | b'\r' => {
                on_another_line = true;
                at += 1;
            }
            blank if is_blank(blank) => at += 1,
            b'-' if byte(rest, at + 1) == b'-' => at += line_comment(Dialect::Postgres, &rest[at..]),
            b'\'' => return on_another_line.then_some(at),
            _ => return None,
        }
    }
}

/// Returns the length of the number, or of the word that starts with a digit.
pub(super) fn number(dialect: Dialect, rest: &[u8]) -> usize {
    let radix = byte(rest, 0) == b'0' && matches!(byte(rest, 1), b'x' | b'X' | b'o' | b'O' | b'b' | b'B');
    match dialect {
        // A word that follows directly makes it invalid.
        Dialect::Sqlite => run(rest, 1, |byte| byte == b'.' || is_name(byte)),
        Dialect::SqlServer if matches!(rest, [b'0', b'x' | b'X', ..]) => run(rest, 2, |byte| byte.is_ascii_hexdigit()),
        Dialect::Postgres | Dialect::Generic if radix => run(rest, 1, is_word),
        Dialect::SqlServer => {
            let whole = run(rest, 0, |byte| byte.is_ascii_digit());
            let decimal = byte(rest, whole) == b'.';
            let end = if decimal {
                run(rest, whole + 1, |byte| byte.is_ascii_digit())
            } else {
                whole
            };
            exponent(rest, end)
        }
        Dialect::Postgres | Dialect::Generic => {
            let whole = grouped(rest, 0);
            let decimal = byte(rest, whole) == b'.' && byte(rest, whole + 1) != b'.';
            let end = if decimal { grouped(rest, whole + 1) } else { whole };
            exponent(rest, end)
        }
        Dialect::MySql => {
            let whole = run(rest, 0, |byte| byte.is_ascii_digit());
            let float = exponent(rest, whole);
            if float > whole {
                return float;
            }
            if byte(rest, whole) == b'.' {
                let decimal = run(rest, whole + 1, |byte| byte.is_ascii_digit());
                return exponent(rest, decimal);
            }
            // Names may start with a digit.
            run(rest, whole, is_name)
        }
    }
}

/// Returns the end of the digits from `at` on, which single underscores may separate.
fn grouped(rest: &[u8], mut at: usize) -> usize {
    loop {
        at = run(rest, at, |byte| byte.is_ascii_digit());
        if byte(rest, at) != b'_' || !byte(rest, at + 1).is_ascii_digit() {
            return at;
        }
        at += 1;
    }
}

/// Returns the end of the exponent that begins at `at`, or `at`.
fn exponent(rest: &[u8], at: usize) -> usize {
    let sign = usize::from(matches!(byte(rest, at + 1), b'+' | b'-'));
    if matches!(byte(rest, at), b'e' | b'E') && byte(rest, at + 1 + sign).is_ascii_digit() {
        run(rest, at + 1 + sign, |byte| byte.is_ascii_digit())
    } else {
        at
    }
}

/// Returns the length of a variable of SQLite that has a suffix in parentheses, as those of Tcl may: `$name(anything)`.
pub(super) fn variable_with_suffix(rest: &[u8]) -> Option<usize> {
    if !matches!(byte(rest, 0), b'$' | b'@' | b'#' | b':') {
        return None;
    }
    let mut at = run(rest, 1, is_name);
    while at > 1 && rest[at..].starts_with(b"::") {
        at = run(rest, at + 2, is_name);
    }
    if at == 1 || byte(rest, at) != b'(' {
        return None;
    }
    let end = run(rest, at + 1, |byte| byte != b')' && !is_blank(byte));
    Some(if byte(rest, end) == b')' { end + 1 } else { end })
}

/// Returns whether a byte can start a name. All bytes beyond ASCII can, as on the servers.
pub(super) fn is_word_start(byte: u8) -> bool {
    byte == b'_' || byte >= 0x80 || byte.is_ascii_alphabetic()
}

/// Returns whether a byte can occur in the name of a parameter, or in the tag of a dollar quote.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_digit() || is_word_start(byte)
}

/// Returns whether a byte can occur in a name of SQL Server after the first one.
pub(super) fn is_name_of_sql_server(byte: u8) -> bool {
    matches!(byte, b'@' | b'#') || is_name(byte)
}

/// Returns whether a byte can occur in a name after the first one.
pub(super) fn is_name(byte: u8) -> bool {
    byte == b'$' || is_word(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{MySql, Postgres, Sqlite};

    #[test]
    fn q2_numbers_end_where_the_server_ends_them_found_w1() {
        for (dialect, text, length) in [
            (Postgres, "1INTO", 1),
            (Postgres, "1.5e3INTO", 5),
            (Postgres, "1e'x'", 1),
            (Postgres, "1..2", 1),
            (Postgres, "1_000_", 5),
            (Postgres, "0x1Fz", 5),
            (MySql, "1INTO", 5),
            (MySql, "1.0INTO", 3),
            (MySql, "1e5INTO", 3),
            (MySql, "1e+5INTO", 4),
            (MySql, "1ea.b", 3),
            (MySql, "0x1FINTO", 8),
            (Sqlite, "1.5INTO", 7),
        ] {
            assert_eq!(number(dialect, text.as_bytes()), length, "{dialect}: {text}");
        }
    }

    #[test]
    fn q2_blanks_and_comments_end_where_the_server_ends_them_found_w1() {
        for (dialect, text, blank, comment) in [
            (Postgres, "-- a\rb", 0, 4),
            (Sqlite, "-- a\rb\n", 0, 6),
            (MySql, "-- a\rb\n", 0, 6),
            (MySql, "--\u{7f}a", 0, 4),
            (MySql, "--a", 0, 0),
            (MySql, "--", 0, 2),
            (MySql, "#a\rb\n", 0, 4),
            (Postgres, "#a", 0, 0),
            (Sqlite, "\u{feff} \u{feff}\u{b}x", 8, 0),
            (Postgres, " \u{feff}", 1, 0),
        ] {
            assert_eq!(space(dialect, text.as_bytes()), blank, "{dialect}: {text:?}");
            assert_eq!(line_comment(dialect, text.as_bytes()), comment, "{dialect}: {text:?}");
        }
    }

    #[test]
    fn q2_a_string_goes_on_on_another_line_found_w1() {
        for (text, at) in [
            ("\n'", Some(1)),
            ("\r'", Some(1)),
            (" -- a\n -- b\n  '", Some(14)),
            (" '", None),
            (" /* */\n'", None),
            ("\n,'", None),
            ("", None),
        ] {
            assert_eq!(continuation(text.as_bytes()), at, "{text:?}");
        }
    }

    #[test]
    fn q2_a_variable_of_sqlite_takes_its_parentheses_along_found_w1() {
        for (text, length) in [
            ("$a(')", Some(5)),
            ("@a::b(x y", Some(7)),
            (":a", None),
            ("$(a)", None),
            ("a(b)", None),
        ] {
            assert_eq!(variable_with_suffix(text.as_bytes()), length, "{text}");
        }
    }
}
