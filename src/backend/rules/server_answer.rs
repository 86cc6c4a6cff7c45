//! What a server says about an error.

/// The answer of a server that refuses something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerAnswer<'a> {
    /// The SQLSTATE; SQLite's extended result code, in decimal.
    pub(crate) code: &'a str,
    /// The server's number for the error, which is finer (MySQL).
    pub(crate) number: Option<u16>,
    pub(crate) message: &'a str,
}
