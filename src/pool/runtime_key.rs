//! The runtime keys of connections.

use tokio::runtime;

/// The runtime that may use a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RuntimeKey {
    /// Any runtime: the driver has its own thread.
    Any,
    Runtime(runtime::Id),
}
