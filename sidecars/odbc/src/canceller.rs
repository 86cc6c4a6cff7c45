//! Ending of a statement from another thread.

use std::rc::Rc;
use std::sync::Arc;

use crate::odbc::{CancelHandle, Connection, Encoding, Environment, Result};

/// What ends the statement that is under way.
#[derive(Debug)]
pub(crate) enum Canceller {
    /// The driver.
    Driver(CancelHandle),
    /// A statement on another connection.
    Server(Kill),
}

/// The session of a server whose statement is ended over another connection: `SQLCancel` of MariaDB's driver frees the rows
/// of the statement while its thread may be reading them.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    connection: Arc<str>,
    encoding: Encoding,
    session: i64,
}

impl Kill {
    pub(crate) fn new(connection: &str, encoding: Encoding, session: i64) -> Self {
        Self {
            connection: connection.into(),
            encoding,
            session,
        }
    }

    fn send(&self) -> Result<()> {
        let connection = Connection::open(Environment::new()?, &self.connection, self.encoding)?;
        let mut statement = Rc::new(connection).statement()?;
        statement
            .execute_text(&format!("KILL QUERY {}", self.session))
            .map(drop)
    }
}

impl Canceller {
    /// Asks for the end of what is under way. Nothing depends on whether it ends.
    pub(crate) fn cancel(&self) {
        match self {
            Self::Driver(handle) => handle.cancel(),
            Self::Server(kill) => drop(kill.send()),
        }
    }
}
