//! Texts of this library that wait for the next statement, and go out in its group: the beginning of a transaction,
//! savepoints.

use std::borrow::Cow;

use super::link::{Riding, SessionLink};
use super::messages;

/// The texts that wait.
#[derive(Debug, Default)]
pub(super) struct Preamble(Vec<WaitingText>);

#[derive(Debug)]
struct WaitingText {
    sql: Cow<'static, str>,
    /// Set if it begins a level.
    level: bool,
}

impl Preamble {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a text that begins a level.
    pub(super) fn begin(&mut self, sql: impl Into<Cow<'static, str>>) {
        let sql = sql.into();
        self.0.push(WaitingText { sql, level: true });
    }

    /// Adds a text of statements that begin no level.
    pub(super) fn add(&mut self, sql: &'static str) {
        let texts = sql.split("; ").map(|sql| WaitingText {
            sql: sql.into(),
            level: false,
        });
        self.0.extend(texts);
    }

    /// Takes the last level out, and what was to come after it. Returns whether there was one.
    pub(super) fn undo(&mut self) -> bool {
        let last = self.0.iter().rposition(|text| text.level);
        if let Some(last) = last {
            self.0.truncate(last);
        }
        last.is_some()
    }

    /// Takes the last level out if nothing comes after it. Returns whether it did.
    pub(super) fn release(&mut self) -> bool {
        let is_last = self.0.last().is_some_and(|text| text.level);
        if is_last {
            self.0.pop();
        }
        is_last
    }

    /// Forgets the texts that wait.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the texts that wait as one, and forgets them.
    pub(super) fn take(&mut self) -> Option<String> {
        let texts: Vec<_> = self.0.drain(..).map(|text| text.sql).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// Writes them at the beginning of a group. They are not kept prepared, because a user may remove what is.
    pub(super) fn send(&mut self, link: &mut SessionLink) -> Riding {
        let riding = Riding {
            statements: self.0.len(),
            levels: self.0.iter().any(|text| text.level),
        };
        for WaitingText { sql, .. } in self.0.drain(..) {
            let out = link.outgoing();
            messages::parse(out, "", &sql, &[]);
            messages::bind_nothing(out, "", &[]);
            messages::execute(out);
        }
        riding
    }
}
