//! A connection of a driver.

use std::ptr::null_mut;
use std::rc::Rc;

use odbc_sys::{
    CompletionType, ConnectionAttribute, DriverConnectOption, HDbc, Handle, HandleType, InfoType, Pointer,
    SQLAllocHandle, SQLDisconnect, SQLDriverConnect, SQLDriverConnectW, SQLEndTran, SQLFreeHandle, SQLGetInfo,
    SQLGetInfoW, SQLSetConnectAttr,
};

use super::diagnostic::Reporter;
use super::encoding::{Encoding, read_narrow, read_wide, wide};
use super::{Environment, Result, Statement};

/// Number of letters of the longest information.
const INFO: usize = 256;
/// The number of `SQLCancel` in `SQLGetFunctions`.
const CANCEL: u16 = 5;

unsafe extern "system" {
    /// Tells whether a driver has a function. `odbc-sys` does not declare it.
    fn SQLGetFunctions(connection: HDbc, function: u16, supported: *mut u16) -> odbc_sys::SqlReturn;
}

/// A connection. Its statements keep it.
#[derive(Debug)]
pub(crate) struct Connection {
    handle: HDbc,
    encoding: Encoding,
    connected: bool,
    /// Keeps it, and is freed after this.
    _environment: Environment,
}

impl Connection {
    /// Connects with a connection string. `encoding` is that of the string; [`speak`](Self::speak) sets that of
    /// everything after.
    pub(crate) fn open(environment: Environment, text: &str, encoding: Encoding) -> Result<Self> {
        let mut handle = Handle::null();
        // SAFETY: the environment is open, and the handle can be written to.
        let returned = unsafe { SQLAllocHandle(HandleType::Dbc, environment.handle(), &raw mut handle) };
        Reporter {
            kind: HandleType::Env,
            handle: environment.handle(),
            encoding,
        }
        .check(returned)?;
        let mut connection = Self {
            handle: handle.as_hdbc(),
            encoding,
            connected: false,
            _environment: environment,
        };
        let mut length = 0;
        let returned = match encoding {
            Encoding::Wide => {
                let text = wide(text);
                // SAFETY: the handle is not connected yet, the text is as long as is said, and no answer is asked for.
                unsafe {
                    SQLDriverConnectW(
                        connection.handle,
                        null_mut(),
                        text.as_ptr(),
                        (text.len() - 1) as i16,
                        null_mut(),
                        0,
                        &raw mut length,
                        DriverConnectOption::NoPrompt,
                    )
                }
            }
            // SAFETY: the handle is not connected yet, the text is as long as is said, and no answer is asked for.
            Encoding::Narrow => unsafe {
                SQLDriverConnect(
                    connection.handle,
                    null_mut(),
                    text.as_ptr(),
                    text.len() as i16,
                    null_mut(),
                    0,
                    &raw mut length,
                    DriverConnectOption::NoPrompt,
                )
            },
        };
        connection.reporter().check(returned)?;
        connection.connected = true;
        Ok(connection)
    }

    /// Sets the form of text.
    pub(crate) fn speak(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.as_handle()
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn reporter(&self) -> Reporter {
        Reporter {
            kind: HandleType::Dbc,
            handle: self.handle(),
            encoding: self.encoding,
        }
    }

    /// Returns what the driver says of itself or of its server; empty if it says nothing.
    pub(crate) fn info(&self, kind: InfoType) -> String {
        let mut length = 0;
        match self.encoding {
            Encoding::Wide => {
                // Twice as long as is said, for a driver that counts letters where it should count bytes.
                let mut text = [0_u16; 2 * INFO];
                // SAFETY: it is connected, and the buffer is as long as is said, in bytes.
                let returned = unsafe {
                    SQLGetInfoW(
                        self.handle,
                        kind,
                        text.as_mut_ptr().cast(),
                        (2 * INFO) as i16,
                        &raw mut length,
                    )
                };
                match self.reporter().check(returned) {
                    Ok(true) => read_wide(&text, length / 2),
                    _ => String::new(),
                }
            }
            Encoding::Narrow => {
                let mut text = [0_u8; INFO];
                // SAFETY: it is connected, and the buffer is as long as is said.
                let returned = unsafe {
                    SQLGetInfo(
                        self.handle,
                        kind,
                        text.as_mut_ptr().cast(),
                        INFO as i16,
                        &raw mut length,
                    )
                };
                match self.reporter().check(returned) {
                    Ok(true) => read_narrow(&text, length),
                    _ => String::new(),
                }
            }
        }
    }

    /// Returns a number that the driver says of itself or of its server.
    pub(crate) fn number(&self, kind: InfoType) -> Option<u32> {
        // Some are of 16 bits, some of 32.
        let (mut number, mut length) = (0_u32, 0);
        // SAFETY: it is connected, and a number has at most 32 bits.
        let returned = unsafe {
            SQLGetInfo(
                self.handle,
                kind,
                (&raw mut number).cast(),
                size_of::<u32>() as i16,
                &raw mut length,
            )
        };
        matches!(self.reporter().check(returned), Ok(true)).then_some(number)
    }

    /// Returns whether the driver can cancel a statement.
    pub(crate) fn can_cancel(&self) -> bool {
        let mut supported = 0;
        // SAFETY: it is connected, and one number is written for the number of one function.
        let returned = unsafe { SQLGetFunctions(self.handle, CANCEL, &raw mut supported) };
        matches!(self.reporter().check(returned), Ok(true)) && supported != 0
    }

    /// Switches whether each statement is a transaction of its own.
    pub(crate) fn set_autocommit(&self, on: bool) -> Result<()> {
        let value = usize::from(on) as Pointer;
        // SAFETY: it is connected, and this attribute is a number in place of a pointer.
        let returned = unsafe { SQLSetConnectAttr(self.handle, ConnectionAttribute::AUTOCOMMIT, value, 0) };
        self.reporter().check(returned).map(drop)
    }

    /// Sets the level of transactions, as ODBC writes it.
    pub(crate) fn set_isolation(&self, level: u32) -> Result<()> {
        let value = level as usize as Pointer;
        // SAFETY: it is connected, and this attribute is a number in place of a pointer.
        let returned = unsafe { SQLSetConnectAttr(self.handle, ConnectionAttribute::TXN_ISOLATION, value, 0) };
        self.reporter().check(returned).map(drop)
    }

    /// Ends the transaction.
    pub(crate) fn end_transaction(&self, commit: bool) -> Result<()> {
        let how = if commit {
            CompletionType::Commit
        } else {
            CompletionType::Rollback
        };
        // SAFETY: it is connected.
        let returned = unsafe { SQLEndTran(HandleType::Dbc, self.handle(), how) };
        self.reporter().check(returned).map(drop)
    }

    /// Returns a new statement.
    pub(crate) fn statement(self: &Rc<Self>) -> Result<Statement> {
        let mut handle = Handle::null();
        // SAFETY: it is connected, and the handle can be written to.
        let returned = unsafe { SQLAllocHandle(HandleType::Stmt, self.handle(), &raw mut handle) };
        self.reporter().check(returned)?;
        Ok(Statement::new(Rc::clone(self), handle.as_hstmt()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.connected {
            // SAFETY: its statements are gone, because each keeps it. Without a transaction it cannot fail; one that is
            // open is rolled back by the server.
            let _ = unsafe { SQLDisconnect(self.handle) };
        }
        // SAFETY: nothing uses the handle any more.
        let _ = unsafe { SQLFreeHandle(HandleType::Dbc, self.handle()) };
    }
}
