//! A statement of a connection.

use std::ptr::null_mut;
use std::rc::Rc;

use odbc_sys::{
    CDataType, Desc, FreeStmtOption, HStmt, HandleType, Len, NO_TOTAL, NULL_DATA, ParamType, Pointer, SQLBindParameter,
    SQLColAttribute, SQLColAttributeW, SQLExecDirect, SQLExecDirectW, SQLExecute, SQLFetch, SQLFreeHandle, SQLFreeStmt,
    SQLGetData, SQLMoreResults, SQLNumResultCols, SQLPrepare, SQLPrepareW, SQLRowCount, SqlDataType, SqlReturn,
};

use super::cancel::CancelHandle;
use super::diagnostic::{Diagnostic, Reporter};
use super::encoding::{Encoding, read_narrow, read_wide, wide};
use super::{Bound, Connection, Result};

/// Number of bytes of a value that are read at once.
const ROOM: usize = 16 * 1024;
/// Number of letters of the longest name of a column.
const NAME: usize = 512;

/// A statement.
#[derive(Debug)]
pub(crate) struct Statement {
    handle: HStmt,
    /// What the driver reads when it executes.
    bound: Vec<Bound>,
    connection: Rc<Connection>,
}

/// What a driver says of a column.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) sql_type: SqlDataType,
    pub(crate) unsigned: bool,
}

impl Statement {
    pub(super) fn new(connection: Rc<Connection>, handle: HStmt) -> Self {
        Self {
            handle,
            bound: Vec::new(),
            connection,
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            kind: HandleType::Stmt,
            handle: self.handle.as_handle(),
            encoding: self.connection.encoding(),
        }
    }

    /// Returns what cancels it.
    pub(crate) fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(self.handle)
    }

    /// Runs a text without parameters. Returns `false` if it has changed nothing, and there is nothing to ask about.
    pub(crate) fn execute_text(&mut self, text: &str) -> Result<bool> {
        let returned = match self.connection.encoding() {
            Encoding::Wide => {
                let text = wide(text);
                // SAFETY: the statement is open, and the text is as long as is said.
                unsafe { SQLExecDirectW(self.handle, text.as_ptr(), (text.len() - 1) as i32) }
            }
            // SAFETY: the statement is open, and the text is as long as is said.
            Encoding::Narrow => unsafe { SQLExecDirect(self.handle, text.as_ptr(), text.len() as i32) },
        };
        self.reporter().check(returned)
    }

    /// Prepares a text.
    pub(crate) fn prepare(&mut self, text: &str) -> Result<()> {
        let returned = match self.connection.encoding() {
            Encoding::Wide => {
                let text = wide(text);
                // SAFETY: the statement is open, and the text is as long as is said.
                unsafe { SQLPrepareW(self.handle, text.as_ptr(), (text.len() - 1) as i32) }
            }
            // SAFETY: the statement is open, and the text is as long as is said.
            Encoding::Narrow => unsafe { SQLPrepare(self.handle, text.as_ptr(), text.len() as i32) },
        };
        self.reporter().check(returned).map(drop)
    }

    /// Runs the prepared text. Returns `false` as [`execute_text`](Self::execute_text) does.
    pub(crate) fn execute(&mut self, parameters: Vec<Bound>) -> Result<bool> {
        self.forget_parameters();
        self.bound = parameters;
        for (bound, number) in self.bound.iter().zip(1..) {
            let (value, length) = bound.value();
            // SAFETY: value and indicator lie in boxes that `bound` keeps, which are dropped only after the driver has
            // forgotten them.
            let returned = unsafe {
                SQLBindParameter(
                    self.handle,
                    number,
                    ParamType::Input,
                    bound.c_type(),
                    bound.sql_type,
                    bound.size(),
                    0,
                    value,
                    length,
                    bound.indicator(),
                )
            };
            self.reporter().check(returned)?;
        }
        // SAFETY: the statement is open, and what its parameters point at is alive.
        let returned = unsafe { SQLExecute(self.handle) };
        self.reporter().check(returned)
    }

    fn forget_parameters(&mut self) {
        if !self.bound.is_empty() {
            // SAFETY: the statement is open.
            let _ = unsafe { SQLFreeStmt(self.handle, FreeStmtOption::ResetParams) };
            self.bound.clear();
        }
    }

    /// Returns the number of columns; 0 if no rows come.
    pub(crate) fn width(&self) -> Result<u16> {
        let mut width = 0;
        // SAFETY: the statement is open.
        let returned = unsafe { SQLNumResultCols(self.handle, &raw mut width) };
        self.reporter().check(returned)?;
        Ok(u16::try_from(width).unwrap_or_default())
    }

    /// Returns the number of rows that were changed; `None` if the driver does not tell.
    pub(crate) fn changed(&self) -> Option<i64> {
        let mut count: Len = -1;
        // SAFETY: the statement is open.
        let returned = unsafe { SQLRowCount(self.handle, &raw mut count) };
        self.reporter().check(returned).ok()?;
        (count >= 0).then_some(count as i64)
    }

    /// Returns what the driver says of a column. Columns count from 1.
    pub(crate) fn describe(&self, column: u16) -> Result<Described> {
        Ok(Described {
            name: self.text_of(column, Desc::Label)?,
            type_name: self.text_of(column, Desc::TypeName)?,
            sql_type: SqlDataType(self.number_of(column, Desc::ConciseType)? as i16),
            unsigned: self.number_of(column, Desc::Unsigned)? != 0,
        })
    }

    fn text_of(&self, column: u16, field: Desc) -> Result<String> {
        let (mut length, mut number) = (0, 0);
        match self.connection.encoding() {
            Encoding::Wide => {
                // Twice as long as is said, for a driver that counts letters where it should count bytes.
                let mut text = [0_u16; 2 * NAME];
                // SAFETY: the statement has columns, and the buffer is as long as is said, in bytes.
                let returned = unsafe {
                    SQLColAttributeW(
                        self.handle,
                        column,
                        field,
                        text.as_mut_ptr().cast(),
                        (2 * NAME) as i16,
                        &raw mut length,
                        &raw mut number,
                    )
                };
                self.reporter().check(returned)?;
                // Some drivers count letters instead of bytes.
                let end = text.iter().position(|unit| *unit == 0).unwrap_or(text.len());
                Ok(read_wide(&text, end as i16))
            }
            Encoding::Narrow => {
                let mut text = [0_u8; NAME];
                // SAFETY: the statement has columns, and the buffer is as long as is said.
                let returned = unsafe {
                    SQLColAttribute(
                        self.handle,
                        column,
                        field,
                        text.as_mut_ptr().cast(),
                        NAME as i16,
                        &raw mut length,
                        &raw mut number,
                    )
                };
                self.reporter().check(returned)?;
                Ok(read_narrow(&text, length))
            }
        }
    }

    fn number_of(&self, column: u16, field: Desc) -> Result<Len> {
        let (mut length, mut number) = (0, 0);
        // SAFETY: the statement has columns, and a number is asked for.
        let returned = unsafe {
            SQLColAttribute(
                self.handle,
                column,
                field,
                null_mut(),
                0,
                &raw mut length,
                &raw mut number,
            )
        };
        self.reporter().check(returned)?;
        Ok(number)
    }

    /// Goes to the next row. Returns `false` after the last one.
    pub(crate) fn fetch(&mut self) -> Result<bool> {
        // SAFETY: the statement has rows, and no memory is bound to its columns.
        let returned = unsafe { SQLFetch(self.handle) };
        self.reporter().check(returned)
    }

    /// Reads the text of a cell of this row; `None` if it is NULL. A text that is none is an error in the inner result.
    pub(crate) fn text(&mut self, column: u16) -> Result<Option<std::result::Result<String, String>>> {
        match self.connection.encoding() {
            Encoding::Wide => {
                let units = self.pieces::<u16>(column, CDataType::WChar, 1)?;
                Ok(units.map(|units| String::from_utf16(&units).map_err(|why| why.to_string())))
            }
            Encoding::Narrow => {
                let bytes = self.pieces::<u8>(column, CDataType::Char, 1)?;
                Ok(bytes.map(|bytes| String::from_utf8(bytes).map_err(|why| why.to_string())))
            }
        }
    }

    /// Reads the bytes of a cell of this row; `None` if it is NULL.
    pub(crate) fn bytes(&mut self, column: u16) -> Result<Option<Vec<u8>>> {
        self.pieces(column, CDataType::Binary, 0)
    }

    /// Reads a cell of this row as a number of 64 bits; `None` if it is NULL.
    pub(crate) fn double(&mut self, column: u16) -> Result<Option<f64>> {
        self.fixed(column, CDataType::Double)
    }

    /// Reads a cell of this row as a number of 32 bits; `None` if it is NULL.
    pub(crate) fn float(&mut self, column: u16) -> Result<Option<f32>> {
        self.fixed(column, CDataType::Float)
    }

    fn fixed<T: Number>(&mut self, column: u16, kind: CDataType) -> Result<Option<T>> {
        let (mut value, mut indicator) = (T::default(), 0);
        // SAFETY: the statement is at a row, and the value has the type that is asked for.
        let returned = unsafe {
            SQLGetData(
                self.handle,
                column,
                kind,
                (&raw mut value).cast(),
                size_of::<T>() as Len,
                &raw mut indicator,
            )
        };
        self.reporter().check(returned)?;
        Ok((indicator != NULL_DATA).then_some(value))
    }

    /// Reads a cell in pieces, each of which ends with `ends` units that are no part of it.
    fn pieces<U: Unit>(&mut self, column: u16, kind: CDataType, ends: usize) -> Result<Option<Vec<U>>> {
        let (mut whole, mut room) = (Vec::new(), ROOM / size_of::<U>());
        loop {
            let start = whole.len();
            whole.resize(start + room, U::default());
            let mut indicator = 0;
            let target: Pointer = whole[start..].as_mut_ptr().cast();
            // SAFETY: the statement is at a row, and there is as much room as is said, in bytes.
            let returned = unsafe {
                SQLGetData(
                    self.handle,
                    column,
                    kind,
                    target,
                    (room * size_of::<U>()) as Len,
                    &raw mut indicator,
                )
            };
            if !self.reporter().check(returned)? {
                // The piece before was the last one.
                whole.truncate(start);
                return Ok(Some(whole));
            }
            if indicator == NULL_DATA {
                return Ok(None);
            }
            let left = usize::try_from(indicator).ok().map(|bytes| bytes / size_of::<U>());
            match left {
                Some(left) if left + ends <= room => {
                    whole.truncate(start + left);
                    return Ok(Some(whole));
                }
                None if indicator != NO_TOTAL => return Err(vec![misread()]),
                None if returned == SqlReturn::SUCCESS => {
                    let end = whole[start..].iter().position(|unit| *unit == U::default());
                    whole.truncate(start + end.unwrap_or(room));
                    return Ok(Some(whole));
                }
                left => {
                    whole.truncate(start + room - ends);
                    room = left.map_or(room, |left| left - (room - ends) + ends).max(room);
                }
            }
        }
    }

    /// Goes to the next result of a text that has several.
    pub(crate) fn next_result(&mut self) -> Result<bool> {
        // SAFETY: the statement is open.
        let returned = unsafe { SQLMoreResults(self.handle) };
        self.reporter().check(returned)
    }
}

#[cold]
fn misread() -> Diagnostic {
    Diagnostic {
        state: "HY000".to_owned(),
        native: 0,
        message: "the driver gives a value a negative length".to_owned(),
    }
}

/// A unit of text or bytes.
trait Unit: Copy + Default + PartialEq {}
impl Unit for u8 {}
impl Unit for u16 {}

/// A number of a fixed size.
trait Number: Copy + Default {}
impl Number for f32 {}
impl Number for f64 {}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle any more; the connection is alive, because this keeps it.
        let _ = unsafe { SQLFreeHandle(HandleType::Stmt, self.handle.as_handle()) };
    }
}
