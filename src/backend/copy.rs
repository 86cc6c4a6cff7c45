//! COPY between a server and its client: what its user and the connection exchange.

#![cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL's driver has it")
)]

use bytes::Bytes;
use sqlx::SqlStr;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, ErrorKind};

/// A COPY that a connection is to run.
#[derive(Debug)]
pub(crate) struct CopyRequest {
    pub(crate) sql: SqlStr,
    /// Told when the server has begun.
    pub(crate) begun: oneshot::Sender<()>,
    pub(crate) data: CopyData,
}

/// The connection's end of the channel that the data takes. It has room for one piece, so the faster side waits.
#[derive(Debug)]
pub(crate) enum CopyData {
    /// To the server. Without [`CopyPiece::Finish`] at the end nothing is written.
    In(mpsc::Receiver<CopyPiece>),
    /// From the server.
    Out(mpsc::Sender<Bytes>),
}

/// A piece of what is sent to the server.
#[derive(Debug)]
pub(crate) enum CopyPiece {
    Data(Bytes),
    Finish,
    /// Undoes all of it, for this reason.
    Abort(String),
}

/// Returns the error of a driver without COPY.
pub(super) fn unsupported() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "COPY between the server and the client exists only on PostgreSQL, through its own driver",
    )
    .help("write many rows with `execute_many`, and read them with `iterate`; the driver is that of `postgres://…`")
}
