//! Lists in the place of one parameter: `IN (:ids)`.

use super::lexer::TokenKind;
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

/// What a list can be in the place of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListPlace {
    /// It is a member of `IN (…)`.
    Members,
    /// It is an argument of a function.
    Argument,
    /// It is one value.
    Value,
}

/// The parentheses that are open at a place of a text.
#[derive(Debug, Default)]
pub(super) struct OpenParentheses(Vec<usize>);

impl OpenParentheses {
    /// Notes the token at `index`.
    pub(super) fn pass(&mut self, parts: &[Word<'_>], index: usize) {
        match parts[index].nesting() {
            1 => self.0.push(index),
            -1 => drop(self.0.pop()),
            _ => {}
        }
    }

    /// Returns what a list can be at `place`, the token after those that were noted.
    pub(super) fn list_place(&self, parts: &[Word<'_>], place: usize) -> ListPlace {
        let before = |index: usize| index.checked_sub(1).map(|index| &parts[index]);
        if before(place).is_some_and(|before| before.is("IN")) {
            return ListPlace::Members;
        }
        for (depth, opening) in self.0.iter().rev().enumerate() {
            let Some(before) = before(*opening) else { break };
            let queries = parts[opening + 1].is_one_of(&["SELECT", "WITH", "VALUES", "TABLE"]);
            if before.is("IN") && !queries {
                return ListPlace::Members;
            }
            if depth == 0 && calls(before) {
                return ListPlace::Argument;
            }
            // The members of `IN ((1, 2), (3, 4))` are rows.
            if !before.is_symbol(b'(') && !before.is_symbol(b',') {
                break;
            }
        }
        ListPlace::Value
    }
}

/// Returns whether a parenthesis after this token begins the arguments of a function.
fn calls(before: &Word<'_>) -> bool {
    const OTHERS: [&str; 14] = [
        "ANY", "ALL", "SOME", "VALUES", "VALUE", "AND", "OR", "NOT", "ROW", "WHERE", "SELECT", "USING", "AS", "SET",
    ];
    matches!(before.kind, TokenKind::Word | TokenKind::Quoted) && !before.is_one_of(&OTHERS)
}
