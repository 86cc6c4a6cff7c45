//! The frames of the protocol; see docs/SIDECARS.md.

use std::fmt;

/// The version of the protocol.
pub(super) const VERSION: u16 = 1;
/// The longest frame, without its length.
pub(super) const LONGEST: usize = 1 << 30;
/// Number of bytes of the length in front of a frame.
pub(super) const LENGTH: usize = 4;
/// Number of bytes of a frame before its payload: channel, request, kind.
pub(super) const HEAD: usize = 9;
/// The channel of the process itself.
pub(super) const OF_PROCESS: u32 = 0;

/// The numbers of the kinds of frames.
pub(super) mod kind {
    pub(in crate::backend::sidecar) const HELLO: u8 = 1;
    pub(in crate::backend::sidecar) const OPEN: u8 = 2;
    pub(in crate::backend::sidecar) const RUN: u8 = 3;
    pub(in crate::backend::sidecar) const BEGIN: u8 = 4;
    pub(in crate::backend::sidecar) const COMMIT: u8 = 5;
    pub(in crate::backend::sidecar) const ROLLBACK: u8 = 6;
    pub(in crate::backend::sidecar) const PING: u8 = 7;
    pub(in crate::backend::sidecar) const MORE: u8 = 8;
    pub(in crate::backend::sidecar) const CANCEL: u8 = 9;
    pub(in crate::backend::sidecar) const CLOSE: u8 = 10;
    pub(in crate::backend::sidecar) const WELCOME: u8 = 129;
    pub(in crate::backend::sidecar) const OPENED: u8 = 130;
    pub(in crate::backend::sidecar) const COLUMNS: u8 = 131;
    pub(in crate::backend::sidecar) const ROWS: u8 = 132;
    pub(in crate::backend::sidecar) const DONE: u8 = 133;
    pub(in crate::backend::sidecar) const FAILED: u8 = 134;
    pub(in crate::backend::sidecar) const BLOCK: u8 = 135;
}

/// The flags of `RUN`.
pub(super) mod flag {
    /// Skipped if the request before it failed.
    pub(in crate::backend::sidecar) const SKIP: u8 = 1;
    /// Rows are wanted.
    pub(in crate::backend::sidecar) const ROWS: u8 = 2;
    /// The text is not prepared.
    pub(in crate::backend::sidecar) const PLAIN: u8 = 4;
    /// The generated key is wanted.
    pub(in crate::backend::sidecar) const KEY: u8 = 8;
    /// All rows are kept anyway, so they may be read before the first is sent.
    pub(in crate::backend::sidecar) const FEW: u8 = 16;
}

/// The order of the values in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchOrder {
    /// `ROWS`: row after row.
    Rows,
    /// `BLOCK`: column after column.
    Columns,
}

/// What a sidecar answers.
#[derive(Debug, PartialEq)]
pub(super) enum AnswerFrame {
    Welcome {
        version: u16,
        pairs: Pairs,
    },
    Opened(Pairs),
    Columns(Vec<Column>),
    /// The payload of `ROWS` or `BLOCK`, which is read where the columns are known.
    Rows(BatchOrder, Vec<u8>),
    Done {
        /// `None` if the driver does not tell.
        rows: Option<u64>,
        key: Option<i64>,
    },
    Failed(Box<Failure>),
}

impl AnswerFrame {
    /// Returns whether it is the last one to its request.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Columns(_) | Self::Rows(..))
    }

    /// Returns its name in the protocol.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "WELCOME",
            Self::Opened(_) => "OPENED",
            Self::Columns(_) => "COLUMNS",
            Self::Rows(BatchOrder::Rows, _) => "ROWS",
            Self::Rows(BatchOrder::Columns, _) => "BLOCK",
            Self::Done { .. } => "DONE",
            Self::Failed(_) => "FAILED",
        }
    }
}

/// An answer with its address.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) channel: u32,
    pub(super) request: u32,
    pub(super) answer: AnswerFrame,
}

/// Pairs of a name and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl Pairs {
    /// Returns the value of the first pair with a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_name: String,
    /// Set if it is declared as one of booleans.
    pub(super) is_boolean: bool,
}

/// Who reports a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The driver, by an error of its own.
    Driver,
    /// The sidecar.
    Sidecar,
    /// Nobody: the request before it failed.
    Skipped,
    /// The driver, by an error that is none of its own. Nothing is known of the connection.
    Foreign,
}

/// The answer `FAILED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) origin: Origin,
    /// Set if the connection is closed.
    pub(super) closed: bool,
    pub(super) class: String,
    /// Empty if there is none.
    pub(super) sqlstate: String,
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) causes: Vec<String>,
    pub(super) details: Pairs,
}

/// What is wrong with bytes that should be a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl Malformed {
    #[cold]
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
