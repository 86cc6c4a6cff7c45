//! What goes ahead of the next request.

/// A text of the library's own that is sent with the request behind it, and what became of the last one.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The text that waits for a request.
    pub(super) text: Option<&'static str>,
    /// The last request of the text that was sent last; 0 if there was none.
    until: u32,
    failed: bool,
}

impl Ahead {
    /// Notes that requests are sent, of which those up to `until` are those of a text.
    pub(super) fn sent(&mut self, until: u32) {
        *self = Self {
            text: None,
            until,
            failed: false,
        };
    }

    /// Notes a failure. Returns `true` if it is that of the text.
    pub(super) fn heed_failure(&mut self, request: u32) -> bool {
        self.failed |= request <= self.until;
        self.failed
    }

    /// Returns the last request of the text.
    pub(super) fn until(&self) -> u32 {
        self.until
    }

    /// Returns whether the text has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }
}
