//! The row of `INSERT … VALUES (…)` that may be repeated.

use std::ops::Range;

use super::Dialect;
use super::control::Verb;
use super::lexer::TokenKind;
use super::word::Word;

/// The one row of `INSERT … VALUES (…)` that may be repeated: it contains all placeholders, and nothing in it can depend on
/// the rows inserted before.
#[derive(Clone, Debug)]
pub(super) struct ValuesRow {
    /// The position of `VALUES`.
    pub(super) keyword: usize,
    /// The row, with its parentheses.
    pub(super) row: Range<usize>,
    /// Set if the members of the row mean the same in a `SELECT`.
    pub(super) selectable: bool,
}

impl ValuesRow {
    pub(super) fn find(dialect: Dialect, verb: Verb, parts: &[Word<'_>]) -> Option<Self> {
        if !matches!(verb, Verb::Insert | Verb::Replace) || !parts.first()?.is_one_of(&["INSERT", "REPLACE"]) {
            return None;
        }
        let mut depth = 0;
        let values = parts.iter().position(|part| {
            depth += part.nesting();
            depth == 0 && part.is_one_of(&["VALUES", "SELECT", "TABLE", "WITH", "SET"])
        })?;
        let (before, rest) = parts.split_at(values);
        let (keyword, rest) = rest.split_first()?;
        if !keyword.is("VALUES") || !rest.first()?.is_symbol(b'(') {
            return None;
        }
        depth = 0;
        let closing = rest.iter().position(|part| {
            depth += part.nesting();
            depth == 0
        })?;
        let (row, after) = (&rest[..=closing], &rest[closing + 1..]);
        let inside = row.iter().any(|part| part.hole) && !before.iter().chain(after).any(|part| part.hole);
        let ends = after
            .first()
            .is_none_or(|next| next.is_one_of(&["ON", "RETURNING", "AS"]) || next.is_symbol(b';'));
        // PostgreSQL refuses to update one row twice in one statement.
        let updates =
            dialect == Dialect::Postgres && after.windows(2).any(|two| two[0].is("DO") && two[1].is("UPDATE"));
        (inside && ends && !updates && is_plain(row)).then(|| Self {
            keyword: keyword.start,
            row: row[0].start..row[closing].end,
            selectable: is_selectable(row),
        })
    }
}

/// Returns whether a row contains only placeholders, constants, casts, and functions that depend on nothing else.
fn is_plain(row: &[Word<'_>]) -> bool {
    const CALLS: [&str; 20] = [
        "CAST",
        "COALESCE",
        "NULLIF",
        "LOWER",
        "UPPER",
        "TRIM",
        "NOW",
        "JSON",
        "JSONB",
        "NUMERIC",
        "DECIMAL",
        "CHAR",
        "VARCHAR",
        "VARYING",
        "BINARY",
        "TIME",
        "TIMESTAMP",
        "DATETIME",
        "BIT",
        "INTERVAL",
    ];
    row.iter().enumerate().all(|(index, part)| match part.kind {
        _ if part.hole || part.is_constant() => true,
        TokenKind::Word => !part.is_one_of(&["SELECT", "VALUES", "TABLE", "WITH"]),
        TokenKind::Symbol(b'(') => index == 0 || row[index - 1].is_one_of(&CALLS) || row[index - 1].is_symbol(b'('),
        TokenKind::Cast | TokenKind::Quoted | TokenKind::Symbol(b',' | b')' | b'[' | b']' | b'+' | b'-' | b'.') => true,
        _ => false,
    })
}

/// Returns whether a row means in a `SELECT` what it means in `VALUES`. `DEFAULT` is only in `VALUES`, the type of a row within
/// the row is decided by its place, and only a `SELECT` has `DISTINCT`, `ALL` and names of columns.
fn is_selectable(row: &[Word<'_>]) -> bool {
    let alike = row.windows(2).all(|two| {
        let opens = two[1].is_symbol(b'(') && two[0].kind != TokenKind::Word;
        !opens && !two[1].is_one_of(&["DEFAULT", "ROW", "DISTINCT", "ALL"])
    });
    alike && !names_a_column(row)
}

/// Returns whether the last word of a member would be the name of its column in a `SELECT`: with `AS`, or right behind a
/// value.
fn names_a_column(row: &[Word<'_>]) -> bool {
    let mut depth = 0;
    row.windows(3).any(|three| {
        let [before, last, after] = three else { return false };
        depth += before.nesting();
        let ends = depth == 1 && matches!(after.kind, TokenKind::Symbol(b',' | b')'));
        ends && is_name(last) && is_behind_value(before, last)
    })
}

fn is_name(part: &Word<'_>) -> bool {
    matches!(part.kind, TokenKind::Word | TokenKind::Quoted) && !part.hole && !part.is_constant()
}

/// Returns whether a word stands behind a value, and is not one of those that end an expression or the name of a type.
fn is_behind_value(before: &Word<'_>, last: &Word<'_>) -> bool {
    const ENDS: [(&str, &str); 13] = [
        ("IS", "NULL"),
        ("NOT", "NULL"),
        ("IS", "TRUE"),
        ("NOT", "TRUE"),
        ("IS", "FALSE"),
        ("NOT", "FALSE"),
        ("IS", "UNKNOWN"),
        ("NOT", "UNKNOWN"),
        ("AT", "LOCAL"),
        ("DOUBLE", "PRECISION"),
        ("CHARACTER", "VARYING"),
        ("BIT", "VARYING"),
        ("TIME", "ZONE"),
    ];
    let value =
        before.hole || before.is_constant() || is_name(before) || matches!(before.kind, TokenKind::Symbol(b')' | b']'));
    let ends = ENDS.iter().any(|(first, second)| before.is(first) && last.is(second));
    value && !ends && !before.is("COLLATE")
}
