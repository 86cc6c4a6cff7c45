//! Callers, and the connections that are bound to them.

pub(super) mod bindings;
pub(super) mod chain;
pub(super) mod guard;
pub(super) mod handle;
pub(super) mod unbound;
