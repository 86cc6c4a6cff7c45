//! The records that a driver leaves at a handle.

use odbc_sys::{Handle, HandleType, SQLGetDiagRec, SQLGetDiagRecW, SqlReturn};

use super::Result;
use super::encoding::{Encoding, read_narrow, read_wide};

/// The most records of one call that are read.
const MOST: i16 = 8;
/// Number of letters of the longest message that is read whole.
const LONGEST: usize = 16 * 1024;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    pub(crate) state: String,
    pub(crate) native: i32,
    pub(crate) message: String,
}

/// A handle with its kind and the form of its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reporter {
    pub(super) kind: HandleType,
    pub(super) handle: Handle,
    pub(super) encoding: Encoding,
}

impl Reporter {
    /// Returns whether a call has returned data, or what it failed with. `false` stands for "no data".
    pub(super) fn check(self, returned: SqlReturn) -> Result<bool> {
        match returned {
            SqlReturn::SUCCESS | SqlReturn::SUCCESS_WITH_INFO => Ok(true),
            SqlReturn::NO_DATA => Ok(false),
            SqlReturn::ERROR => Err(self.records()),
            SqlReturn(other) => Err(vec![Diagnostic {
                state: "HY000".to_owned(),
                native: 0,
                message: format!("the driver returned {other}, which has no meaning here"),
            }]),
        }
    }

    /// Returns all records.
    pub(super) fn records(self) -> Vec<Diagnostic> {
        (1..=MOST).map_while(|number| self.record(number)).collect()
    }

    fn record(self, number: i16) -> Option<Diagnostic> {
        let (mut native, mut length) = (0, 0);
        let (state, message) = match self.encoding {
            Encoding::Wide => {
                let (mut state, mut text) = ([0_u16; 6], vec![0_u16; LONGEST]);
                // SAFETY: the handle is one of this kind that was not freed, and the buffers are as long as is said.
                let returned = unsafe {
                    SQLGetDiagRecW(
                        self.kind,
                        self.handle,
                        number,
                        state.as_mut_ptr(),
                        &raw mut native,
                        text.as_mut_ptr(),
                        LONGEST as i16,
                        &raw mut length,
                    )
                };
                found(returned)?;
                (read_wide(&state, 5), read_wide(&text, length))
            }
            Encoding::Narrow => {
                let (mut state, mut text) = ([0_u8; 6], vec![0_u8; LONGEST]);
                // SAFETY: the handle is one of this kind that was not freed, and the buffers are as long as is said.
                let returned = unsafe {
                    SQLGetDiagRec(
                        self.kind,
                        self.handle,
                        number,
                        state.as_mut_ptr(),
                        &raw mut native,
                        text.as_mut_ptr(),
                        LONGEST as i16,
                        &raw mut length,
                    )
                };
                found(returned)?;
                (read_narrow(&state, 5), read_narrow(&text, length))
            }
        };
        Some(Diagnostic { state, native, message })
    }
}

fn found(returned: SqlReturn) -> Option<()> {
    matches!(returned, SqlReturn::SUCCESS | SqlReturn::SUCCESS_WITH_INFO).then_some(())
}
