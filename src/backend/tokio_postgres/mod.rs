//! The second driver of PostgreSQL: `tokio-postgres` opens the sessions, and its crate of the wire protocol,
//! `postgres-protocol`, reads what the server sends. The messages to the server are written here.
//!
//! That is what the driver is for: several statements go out before one Sync, so the beginning of a transaction or a
//! savepoint costs no round trip of its own, and none of them runs after one that failed. The client of tokio-postgres has
//! a Sync after each, does not show the state of the transaction, and leaves out the types of rows of unprepared texts.
//!
//! What PostgreSQL itself is like, its values and its errors, is shared with [`postgres`](super::postgres).

mod connection;
mod connector;
mod foreign_types;
mod levels;
mod link;
mod messages;
mod preamble;
mod prepared;
mod question;
mod raw_connection;
mod row;
mod server_error;
mod session;
mod startup;
mod wire;

pub(super) use connector::connector;
