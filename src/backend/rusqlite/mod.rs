//! SQLite through rusqlite: `sqlite+rusqlite://…`.
//!
//! Each connection has a thread of its own. The driver's connection moves to it for a piece of work, and back to the
//! task that uses it. What is known to be short is done by the task itself.

mod bind;
mod checkpoint;
mod columns;
mod connection;
mod connector;
mod copy;
mod errors;
mod fairness;
mod gate;
mod inline;
mod known;
mod levels;
mod open_options;
mod quick_commit;
mod raw_connection;
mod row;
mod row_arena;
mod run;
mod schema_changes;
mod session;
mod session_state;
mod thread;

pub(super) use connector::connector;
