//! Drivers of other languages: JDBC drivers in a JVM and DB-API 2 modules in a Python interpreter, which are child
//! processes, and drivers of ODBC on threads of this one. Each speaks the protocol of docs/SIDECARS.md.

mod batch;
mod casts;
mod channel;
mod codec;
mod connection;
mod connector;
mod driver;
mod encode;
mod errors;
mod frame;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod levels;
mod link;
mod mailbox;
mod process;
mod program;
mod raw_connection;
mod reading;
mod requests;
mod row;
mod server_text;
mod session;
mod slot;
mod stderr;
mod target;
mod text;
#[cfg(feature = "odbc")]
mod thread;
mod unreadable;
mod written;

#[cfg(test)]
mod tests;

pub(in crate::backend) use {
    connector::connector,
    session::SessionText,
    target::{Limits, Sharing, SidecarKind, Target},
};
