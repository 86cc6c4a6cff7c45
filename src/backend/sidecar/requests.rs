//! Writing of requests.

use super::encode;
use super::frame::{HEAD, LENGTH, LONGEST, VERSION, flag, kind};
use super::written::{text, too_much};
use crate::error::Result;
use crate::sql::Dialect;
use crate::value::Value;

/// A statement to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    /// Flags of the protocol, besides those about rows.
    pub(super) flags: u8,
    /// The number of `ROWS` that may be sent; 0 if no rows are wanted.
    pub(super) credits: u32,
    pub(super) sql: &'a str,
}

/// Number of `ROWS` that may come before one is read, for rows that a sink takes as they arrive.
pub(super) const AHEAD: u32 = 16;
/// The same for rows that are read one by one, and not kept.
pub(super) const AHEAD_OF_STREAM: u32 = 2;

/// The requests of one channel that are sent at once.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) bytes: Vec<u8>,
    channel: u32,
    /// The number of the first request.
    first: u32,
    /// The number of the last request.
    last: u32,
}

impl Outbox {
    /// Starts after the request with the number `last`.
    pub(super) fn new(channel: u32, last: u32) -> Self {
        Self {
            bytes: Vec::with_capacity(64),
            channel,
            first: last + 1,
            last,
        }
    }

    /// Returns the number of the first request.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    /// Returns the number of the last request.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    pub(super) fn hello(&mut self) -> Result<()> {
        self.request(kind::HELLO, |out| {
            out.extend_from_slice(&VERSION.to_be_bytes());
            Ok(())
        })
    }

    pub(super) fn open(&mut self, pairs: &[(String, String)]) -> Result<()> {
        self.request(kind::OPEN, |out| {
            let count = u16::try_from(pairs.len()).map_err(|_| too_much("more than 65,535 settings of a driver"))?;
            out.extend_from_slice(&count.to_be_bytes());
            for (name, value) in pairs {
                text(out, name)?;
                text(out, value)?;
            }
            Ok(())
        })
    }

    /// Adds a statement with the values at the places of `order`.
    pub(super) fn run<'v>(
        &mut self,
        run: Run<'_>,
        dialect: Dialect,
        values: impl ExactSizeIterator<Item = &'v Value>,
    ) -> Result<()> {
        self.request(kind::RUN, |out| {
            out.push(
                run.flags
                    | match run.credits {
                        0 => 0,
                        AHEAD_OF_STREAM => flag::ROWS,
                        _ => flag::ROWS | flag::FEW,
                    },
            );
            out.extend_from_slice(&run.credits.to_be_bytes());
            text(out, run.sql)?;
            let count = u16::try_from(values.len()).map_err(|_| too_much("more than 65,535 parameters"))?;
            out.extend_from_slice(&count.to_be_bytes());
            for (index, value) in values.enumerate() {
                encode::value(dialect, value, index + 1, out)?;
            }
            Ok(())
        })
    }

    /// Adds the beginning of a transaction. `isolation` is a number of the protocol.
    pub(super) fn begin(&mut self, isolation: u8, read_only: bool, sql: &str) -> Result<()> {
        self.request(kind::BEGIN, |out| {
            out.extend_from_slice(&[isolation, u8::from(read_only)]);
            text(out, sql)?;
            text(out, "")
        })
    }

    pub(super) fn commit(&mut self, skip: bool) -> Result<()> {
        self.flagged(kind::COMMIT, skip)
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        self.flagged(kind::ROLLBACK, false)
    }

    fn flagged(&mut self, kind: u8, skip: bool) -> Result<()> {
        self.request(kind, |out| {
            out.push(if skip { flag::SKIP } else { 0 });
            Ok(())
        })
    }

    pub(super) fn ping(&mut self) -> Result<()> {
        self.request(kind::PING, |_| Ok(()))
    }

    pub(super) fn close(&mut self) -> Result<()> {
        self.request(kind::CLOSE, |_| Ok(()))
    }

    /// Adds a frame with the next number.
    fn request(&mut self, kind: u8, payload: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let number = self.last + 1;
        self.frame(number, kind, payload)?;
        self.last = number;
        Ok(())
    }

    /// Adds a frame, or nothing if its payload is an error.
    fn frame(&mut self, number: u32, kind: u8, payload: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.bytes.len();
        let out = &mut self.bytes;
        out.extend_from_slice(&[0; LENGTH]);
        out.extend_from_slice(&self.channel.to_be_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        out.push(kind);
        let written = payload(out).and_then(|()| match out.len() - start - LENGTH {
            length if length <= LONGEST => Ok(length as u32),
            _ => Err(too_much("a statement and parameters of more than 1 GiB")),
        });
        match written {
            Ok(length) => {
                out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }
}

/// Returns the frame that allows more `ROWS` of a request.
pub(super) fn more(channel: u32, request: u32, credits: u32) -> Vec<u8> {
    let mut out = notice(channel, request, kind::MORE, 4);
    out.extend_from_slice(&credits.to_be_bytes());
    out
}

/// Returns the frame that cancels a request.
pub(super) fn cancel(channel: u32, request: u32) -> Vec<u8> {
    notice(channel, request, kind::CANCEL, 0)
}

fn notice(channel: u32, request: u32, kind: u8, payload: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(LENGTH + HEAD + payload);
    out.extend_from_slice(&((HEAD + payload) as u32).to_be_bytes());
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&request.to_be_bytes());
    out.push(kind);
    out
}
