//! What a request failed with.

use crate::odbc::Diagnostic;

/// The answer `FAILED`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    /// 0 the driver, 1 this crate, 2 skipped.
    pub(crate) origin: u8,
    /// The connection is closed.
    pub(crate) closed: bool,
    pub(crate) class: &'static str,
    pub(crate) sqlstate: String,
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) details: Vec<(&'static str, String)>,
}

impl Failure {
    /// Creates one of this crate, with a word of the protocol.
    pub(crate) fn own(class: &'static str, message: impl Into<String>) -> Self {
        Self {
            origin: 1,
            class,
            message: message.into(),
            ..Self::default()
        }
    }

    pub(crate) fn cancelled() -> Self {
        Self::own("cancelled", "the statement was cancelled")
    }

    pub(crate) fn skipped() -> Self {
        Self {
            origin: 2,
            ..Self::default()
        }
    }

    pub(crate) fn closing(mut self) -> Self {
        self.closed = true;
        self
    }

    pub(crate) fn detail(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.details.push((name, text.into()));
        self
    }
}

impl From<Vec<Diagnostic>> for Failure {
    /// The first record is the error, unless it is a warning in front of one.
    fn from(mut records: Vec<Diagnostic>) -> Self {
        let at = records.iter().position(|record| !record.state.starts_with("01"));
        let mut failure = Self {
            class: "odbc",
            ..Self::default()
        };
        if records.is_empty() {
            "the driver reports an error without saying which".clone_into(&mut failure.message);
            return failure;
        }
        let record = records.remove(at.unwrap_or_default());
        failure.closed = record.state.starts_with("08");
        failure.code = record.native.into();
        failure.sqlstate = record.state;
        failure.message = record.message;
        failure.causes = records
            .into_iter()
            .map(|record| format!("[{}] {}", record.state, record.message))
            .collect();
        failure
    }
}
