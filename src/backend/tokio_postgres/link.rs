//! A session on its wire: which answers are awaited, and what the server says of the transaction.

use postgres_protocol::message::backend::{
    CommandCompleteBody, DataRowBody, Message, ParameterStatusBody, RowDescriptionBody,
};

use super::messages;
use super::server_error;
use super::wire::MessageSocket;
use crate::error::{Error, ErrorKind, Result};

/// The reason that the server is given why it gets no rows for a COPY.
const NO_COPY: &str = "the verbs of this library send no rows for COPY";

/// What the server says of the transaction of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransactionStatus {
    /// None is open.
    Idle,
    Open,
    /// It is open, and an error has aborted it.
    Failed,
}

/// A piece of an answer.
pub(super) enum Received {
    /// The columns of the rows that follow, or of a statement.
    Columns(RowDescriptionBody),
    Row(DataRowBody),
    /// The end of a statement.
    Done(CommandCompleteBody),
    /// The server has refused a statement, and runs nothing more of its group.
    Failed(Error),
    /// The end of a group.
    Ready,
    Other,
}

/// The statements of a preamble that are under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Riding {
    pub(super) statements: usize,
    /// Set if they begin a level.
    pub(super) levels: bool,
}

/// A session on its wire.
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct SessionLink {
    wire: MessageSocket,
    status: TransactionStatus,
    /// The number of groups that were sent, or are about to be, and whose answers were not read to their end.
    awaited: usize,
    /// The statements of the preamble whose answers come first.
    riding: Riding,
    /// Set if the last group failed with its preamble, which began no level.
    ahead_failed: bool,
    /// Set if the last group failed because a plan was made for other columns.
    stale_plan: bool,
    /// The number of bytes that had been sent before the last group.
    before: u64,
    /// Set if the group under way is of prepared statements.
    extended: bool,
    /// Set if a notification came: code of the user has made the session listen.
    notified: bool,
    /// Set if the connection must not be used again.
    broken: bool,
}

impl SessionLink {
    /// Creates the link of a session that has just begun.
    pub(super) fn new(wire: MessageSocket) -> Self {
        Self {
            wire,
            status: TransactionStatus::Idle,
            awaited: 0,
            riding: Riding::default(),
            ahead_failed: false,
            stale_plan: false,
            before: 0,
            extended: false,
            notified: false,
            broken: false,
        }
    }

    /// Returns what the server has said of the transaction at the end of the last group.
    pub(super) fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Returns whether a notification came, and forgets it.
    pub(super) fn take_notified(&mut self) -> bool {
        std::mem::take(&mut self.notified)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads the rest of answers that nobody reads, and checks that the connection can be used.
    pub(super) async fn ready(&mut self) -> Result<()> {
        if self.broken {
            return Err(Error::connection_gone());
        }
        while self.awaited > 0 {
            self.receive().await?;
        }
        Ok(())
    }

    /// Returns the buffer for the messages of a group.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        self.wire.outgoing()
    }

    /// Returns whether the last group failed with its preamble.
    pub(super) fn ahead_failed(&self) -> bool {
        self.ahead_failed
    }

    /// Returns whether the last group failed because a plan was made for other columns.
    pub(super) fn plan_was_stale(&self) -> bool {
        self.stale_plan
    }

    /// Ends a group of prepared statements, of which the first are the preamble's.
    pub(super) fn end_group(&mut self, riding: Riding) {
        messages::sync(self.wire.outgoing());
        self.group_written(riding, true);
    }

    fn group_written(&mut self, riding: Riding, extended: bool) {
        self.riding = riding;
        self.ahead_failed = false;
        self.stale_plan = false;
        self.before = self.wire.sent();
        self.extended = extended;
        self.awaited += 1;
    }

    /// Sends a text that is not prepared.
    pub(super) fn send_text(&mut self, sql: &str) {
        messages::query(self.wire.outgoing(), sql);
        self.group_written(Riding::default(), false);
    }

    /// Returns the next piece of the answer. After an error the connection must not be used again.
    pub(super) async fn receive(&mut self) -> Result<Received> {
        loop {
            let message = self.wire.receive().await.map_err(|error| self.lost(error))?;
            return Ok(match message {
                Message::DataRow(body) => Received::Row(body),
                Message::RowDescription(body) => Received::Columns(body),
                Message::CommandComplete(_) if self.riding.statements > 0 => {
                    self.riding.statements -= 1;
                    Received::Other
                }
                Message::CommandComplete(body) => Received::Done(body),
                Message::ErrorResponse(body) => {
                    self.stale_plan |= server_error::is_of_stale_plan(&body);
                    Received::Failed(self.refused(server_error::error(&body))?)
                }
                Message::ReadyForQuery(body) => {
                    self.awaited = self.awaited.saturating_sub(1);
                    self.status = match body.status() {
                        b'I' => TransactionStatus::Idle,
                        b'T' => TransactionStatus::Open,
                        _ => TransactionStatus::Failed,
                    };
                    Received::Ready
                }
                Message::NoticeResponse(body) => {
                    server_error::notice(&body);
                    continue;
                }
                Message::NotificationResponse(_) => {
                    self.notified = true;
                    continue;
                }
                Message::ParameterStatus(body) => {
                    self.check_parameter(&body)?;
                    continue;
                }
                Message::CopyInResponse(_) => {
                    messages::copy_fail(self.wire.outgoing(), NO_COPY);
                    if self.extended {
                        // While it waits for rows, the server skips the one that was sent.
                        messages::sync(self.wire.outgoing());
                    }
                    continue;
                }
                Message::CopyOutResponse(_) => Received::Failed(copies_out()),
                Message::CopyData(_)
                | Message::CopyDone
                | Message::ParseComplete
                | Message::BindComplete
                | Message::CloseComplete
                | Message::NoData
                | Message::ParameterDescription(_)
                | Message::EmptyQueryResponse
                | Message::PortalSuspended => Received::Other,
                _ => return Err(self.lost(std::io::ErrorKind::InvalidData.into())),
            });
        }
    }

    /// Checks a setting of which the server says that it has changed. What values are read by must not.
    fn check_parameter(&mut self, body: &ParameterStatusBody) -> Result<()> {
        let (name, value) = match (body.name(), body.value()) {
            (Ok(name), Ok(value)) => (name, value),
            (Err(error), _) | (_, Err(error)) => return Err(self.lost(error)),
        };
        if name != "client_encoding" || value.eq_ignore_ascii_case("UTF8") {
            return Ok(());
        }
        self.broken = true;
        let message = format!("`client_encoding` was set to {value}, so text could not be read any more");
        let error = Error::new(ErrorKind::Unsupported, message).fatal();
        Err(error.help("leave it out: text is always sent and read as UTF-8"))
    }

    /// Notes an error of the server. If the session ends with it, or a level that counts has not begun, it is the end of
    /// the connection. The server has run nothing that comes after it.
    fn refused(&mut self, error: Error) -> Result<Error> {
        if error.is_fatal() {
            self.broken = true;
            return Err(error);
        }
        if self.riding.statements > 0 {
            if self.riding.levels {
                self.broken = true;
                return Err(error.fatal().refusing());
            }
            self.riding = Riding::default();
            self.ahead_failed = true;
        }
        Ok(error)
    }

    /// Returns the error for a wire that has failed.
    pub(super) fn lost(&mut self, error: std::io::Error) -> Error {
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        self.broken = true;
        let lost = Error::from_sqlx(match error.kind() {
            InvalidInput | InvalidData => sqlx::Error::Protocol(error.to_string()),
            _ => sqlx::Error::Io(error),
        });
        // The server cannot have run what was not sent.
        if self.awaited == 1 && self.wire.sent() == self.before {
            lost.refusing()
        } else {
            lost
        }
    }

    /// Ends the session, and closes the socket. What a dropped call has left unsent is not sent any more.
    pub(super) async fn close(mut self) -> Result<()> {
        if self.wire.discard() {
            messages::terminate(self.wire.outgoing());
        }
        self.wire.close().await.map_err(|error| self.lost(error))
    }
}

fn copies_out() -> Error {
    let message = "the statement was executed, but it copies rows out, which the verbs of this library do not read";
    Error::new(ErrorKind::Unsupported, message).help("query the rows with SELECT")
}
