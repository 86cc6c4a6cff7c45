//! The ODBC drivers of ebbtide. A [`Sidecar`] is a thread with one connection; it is asked and answers in the frames of
//! docs/SIDECARS.md, as the processes with the drivers of Java and Python are and do.
//!
//! All unsafe code is in `odbc`, which gives the calls of ODBC a safe form. This crate is a part of ebbtide and has no
//! interface for others.

mod answers;
mod canceller;
mod cells;
mod columns;
mod desk;
mod explained;
mod failure;
mod frames;
mod missing;
mod odbc;
mod opening;
mod parameters;
mod product;
mod refused;
mod session;
mod sidecar;
mod tag;
mod worker;

pub use refused::MAX_PARAMETERS;
pub use sidecar::Sidecar;
