//! What a server says about an error.

/// The answer of a server that refuses something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerAnswer<'a> {
    /// The SQLSTATE; SQLite's extended result code, in decimal.
    pub(crate) code: &'a str,
    /// The server's number for the error, which is finer (MySQL), or the driver's (JDBC).
    pub(crate) number: Option<i64>,
    pub(crate) message: &'a str,
}
