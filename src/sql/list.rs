//! Lists in the place of one parameter: `IN (:ids)`.

use super::Dialect;
use super::control::Part;
use super::lexer::Kind;
use super::order::{Order, width};
use super::template::Template;

/// The width of a slot that holds no list.
pub(super) const SCALAR: u32 = u32::MAX;

/// The `IN (…)` around a placeholder that stands alone in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListContext {
    /// Where `IN` or `NOT IN` begins.
    start: usize,
    /// Where the closing parenthesis ends.
    end: usize,
    negated: bool,
}

/// The `IN (…)` around the placeholder at `place`, if it stands alone in it.
pub(super) fn context(parts: &[Part<'_>], place: usize) -> Option<ListContext> {
    let word = place.checked_sub(2)?;
    let closing = parts.get(place + 1).filter(|part| part.is_symbol(b')'))?;
    if !parts[place - 1].is_symbol(b'(') || !parts[word].is("IN") {
        return None;
    }
    let before = word
        .checked_sub(1)
        .map(|index| &parts[index])
        .filter(|part| part.is("NOT"));
    let start = before.unwrap_or(&parts[word]).start;
    Some(ListContext {
        start,
        end: closing.end,
        negated: before.is_some(),
    })
}

/// An `IN` that holds for nothing, whatever the type of the other side, null or not.
fn empty(dialect: Dialect, negated: bool) -> &'static str {
    match (dialect, negated) {
        // A subquery would have to have the type of the other side; an empty array takes it on.
        (Dialect::Postgres, false) => "= ANY('{}')",
        (Dialect::Postgres, true) => "<> ALL('{}')",
        (Dialect::MySql, false) => "IN (SELECT NULL FROM DUAL WHERE 1 = 0)",
        (Dialect::MySql, true) => "NOT IN (SELECT NULL FROM DUAL WHERE 1 = 0)",
        (Dialect::Sqlite, false) => "IN ()",
        (Dialect::Sqlite, true) => "NOT IN ()",
    }
}

/// Writes the text with as many placeholders for each slot as `widths` says. Returns where the rest begins.
pub(super) fn render(template: &Template, out: &mut String, order: &Order, widths: &[u32]) -> usize {
    let mut from = 0;
    for hole in &template.holes {
        if let (0, Some(list)) = (widths[hole.slot], hole.list) {
            out.push_str(&template.text[from..list.start]);
            out.push_str(empty(template.dialect, list.negated));
            from = list.end;
            continue;
        }
        template.fill(out, from, std::slice::from_ref(hole), |out, hole| {
            for member in 0..width(widths, hole.slot) {
                if member > 0 {
                    out.push_str(", ");
                }
                order.write(out, hole.slot, member);
            }
        });
        from = hole.at;
    }
    from
}

/// The number of placeholders written for a list: few different numbers make few different texts.
pub(super) fn padded(length: usize) -> usize {
    if length == 0 { 0 } else { length.next_power_of_two() }
}

impl Part<'_> {
    /// Whether the token is a constant.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::Literal | Kind::Number)
    }
}
