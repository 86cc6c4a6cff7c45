//! Drivers of other languages: JDBC drivers in a JVM and DB-API 2 modules in a Python interpreter, which are child
//! processes, and drivers of ODBC on threads of this one. Each speaks the protocol of docs/SIDECARS.md.

mod ahead;
mod answer_queue;
mod batch;
mod casts;
mod cell;
mod channel;
mod codec;
mod connection;
mod connector;
mod driver;
mod encode;
mod encryption;
mod errors;
mod frame;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod levels;
mod link;
mod open_channel;
mod process;
mod program;
mod raw_connection;
mod reading;
mod requests;
mod row;
mod secrets;
mod server_text;
mod session;
mod shared_link;
mod slot;
mod stderr;
mod target;
mod text;
#[cfg(feature = "odbc")]
mod thread;
mod transport;
mod unreadable;
mod written;

#[cfg(test)]
mod tests;

pub(in crate::backend) use {
    connector::connector,
    encryption::of as encryption,
    secrets::of as secrets_of,
    session::{SessionText, check_charset},
    target::{Limits, Sharing, SidecarKind, Target},
    transport::{check as check_transport, no_word},
};
