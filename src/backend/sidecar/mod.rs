//! Drivers of other languages: JDBC drivers in a JVM and DB-API 2 modules in a Python interpreter. Each is a child
//! process that speaks the protocol of docs/SIDECARS.md.

mod target;

pub(in crate::backend) use target::{Limits, Sharing, SidecarKind, Target};
