//! Text and bytes as they are written.

use super::frame::LONGEST;
use crate::error::{Error, ErrorKind, Result};

/// Writes text with its length in front.
pub(super) fn text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    bytes(out, text.as_bytes())
}

/// Writes bytes with their length in front.
pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    if bytes.len() > LONGEST {
        return Err(too_much("a value of more than 1 GiB"));
    }
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Returns the error of a statement that the protocol has no room for.
pub(super) fn too_much(what: &str) -> Error {
    Error::new(
        ErrorKind::Parameter,
        format!("the drivers of other languages cannot be sent {what}"),
    )
    .help("send less in one statement")
}
