//! The setting `echo`: what is sent to the server, on standard error, with the time it took. Never a value.

use std::fmt::Display;
use std::time::Instant;

use super::Ground;
use crate::error::Error;

/// A statement that is shown when it has ended, if the setting is on.
#[derive(Debug)]
pub(super) struct Echo(Option<Instant>);

impl Echo {
    pub(super) fn start(ground: &Ground) -> Self {
        Self(ground.settings.echo.then(Instant::now))
    }

    pub(super) fn end(&self, what: impl Display, error: Option<&Error>) {
        let Some(started) = self.0 else { return };
        let took = started.elapsed();
        match error {
            None => eprintln!("ebbtide: {what} ({took:.1?})"),
            Some(error) => eprintln!("ebbtide: {what} ({took:.1?}) failed: {}", error.message()),
        }
    }
}
