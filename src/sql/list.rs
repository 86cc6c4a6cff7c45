//! Lists in the place of one parameter: `IN (:ids)`.

use super::word::Word;

/// The `IN (…)` around a placeholder that is alone in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListContext {
    /// The start of `IN` or `NOT IN`.
    pub(super) start: usize,
    /// The end of the closing parenthesis.
    pub(super) end: usize,
    pub(super) negated: bool,
}

/// Returns the `IN (…)` around the placeholder at `place`, if the placeholder is alone in it.
pub(super) fn context(parts: &[Word<'_>], place: usize) -> Option<ListContext> {
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
