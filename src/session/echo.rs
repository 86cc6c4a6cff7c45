//! What is sent to the server, with the time it took: on standard error with the setting `echo`, and in the journal of a
//! test that keeps one. Never a value.

use std::fmt::Display;
use std::time::Instant;

use super::Ground;
use crate::error::Error;

/// A statement that is shown when it has ended, if anyone wants to see it.
#[derive(Debug)]
pub(super) struct Echo<'g>(Option<(Instant, &'g Ground)>);

impl<'g> Echo<'g> {
    pub(super) fn start(ground: &'g Ground) -> Self {
        let kept = ground.journal().is_some();
        Self((ground.settings.echo || kept).then(|| (Instant::now(), ground)))
    }

    /// Whether anyone wants to see it.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn end(&self, what: impl Display, error: Option<&Error>) {
        let Some((started, ground)) = self.0 else { return };
        let took = started.elapsed();
        if let Some(journal) = ground.journal() {
            journal.add(&what.to_string(), took, error);
        }
        if !ground.settings.echo {
            return;
        }
        match error {
            None => eprintln!("ebbtide: {what} ({took:.1?})"),
            Some(error) => eprintln!("ebbtide: {what} ({took:.1?}) failed: {}", error.message()),
        }
    }
}
