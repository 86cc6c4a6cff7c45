//! The driver manager.

use std::ptr::null_mut;

use odbc_sys::{
    AttrOdbcVersion, EnvironmentAttribute, FetchOrientation, HEnv, Handle, HandleType, SQLAllocHandle, SQLDataSources,
    SQLDrivers, SQLFreeHandle, SQLSetEnvAttr, SqlReturn,
};

use super::Result;
use super::diagnostic::{Diagnostic, Reporter};
use super::encoding::{Encoding, read_narrow};

/// Number of bytes of the longest name.
const NAME: usize = 512;

/// The driver manager, for one connection: nothing is shared with another thread.
#[derive(Debug)]
pub(crate) struct Environment(HEnv);

impl Environment {
    pub(crate) fn new() -> Result<Self> {
        let mut handle = Handle::null();
        // SAFETY: an environment has no parent, and the handle can be written to.
        let returned = unsafe { SQLAllocHandle(HandleType::Env, Handle::null(), &raw mut handle) };
        if returned != SqlReturn::SUCCESS && returned != SqlReturn::SUCCESS_WITH_INFO {
            return Err(vec![Diagnostic {
                state: "HY001".to_owned(),
                native: 0,
                message: "the driver manager of ODBC cannot be started".to_owned(),
            }]);
        }
        let environment = Self(handle.as_henv());
        // SAFETY: the handle was just made, and this attribute is a number in place of a pointer.
        let returned = unsafe {
            SQLSetEnvAttr(
                environment.0,
                EnvironmentAttribute::OdbcVersion,
                AttrOdbcVersion::Odbc3_80.into(),
                0,
            )
        };
        environment.reporter().check(returned)?;
        Ok(environment)
    }

    pub(super) fn handle(&self) -> Handle {
        self.0.as_handle()
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            kind: HandleType::Env,
            handle: self.handle(),
            encoding: Encoding::Narrow,
        }
    }

    /// Returns the names of the drivers that are installed.
    pub(crate) fn drivers(&self) -> Vec<String> {
        names(|direction, name, length| {
            let mut rest = 0;
            // SAFETY: the environment is open, the name is as long as is said, and no attributes are asked for.
            unsafe {
                SQLDrivers(
                    self.0,
                    direction,
                    name.as_mut_ptr(),
                    NAME as i16,
                    length,
                    null_mut(),
                    0,
                    &raw mut rest,
                )
            }
        })
    }

    /// Returns the names of the data sources.
    pub(crate) fn data_sources(&self) -> Vec<String> {
        names(|direction, name, length| {
            let mut rest = 0;
            // SAFETY: the environment is open, the name is as long as is said, and no description is asked for.
            unsafe {
                SQLDataSources(
                    self.0,
                    direction,
                    name.as_mut_ptr(),
                    NAME as i16,
                    length,
                    null_mut(),
                    0,
                    &raw mut rest,
                )
            }
        })
    }
}

fn names(mut next: impl FnMut(FetchOrientation, &mut [u8; NAME], &mut i16) -> SqlReturn) -> Vec<String> {
    let (mut found, mut direction) = (Vec::new(), FetchOrientation::First);
    loop {
        let (mut name, mut length) = ([0; NAME], 0);
        let returned = next(direction, &mut name, &mut length);
        if returned != SqlReturn::SUCCESS && returned != SqlReturn::SUCCESS_WITH_INFO {
            break;
        }
        found.push(read_narrow(&name, length));
        direction = FetchOrientation::Next;
    }
    found.sort();
    found
}

impl Drop for Environment {
    fn drop(&mut self) {
        // SAFETY: its connection is gone, and nothing uses the handle any more.
        let _ = unsafe { SQLFreeHandle(HandleType::Env, self.handle()) };
    }
}
