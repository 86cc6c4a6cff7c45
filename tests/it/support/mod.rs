//! The support of the cases: the macro that lists them, the `Test` they get, and helpers that observe and disturb a
//! server over separate connections.

#[cfg(target_os = "linux")]
mod alone;
mod case;
mod cluster;
mod cut;
mod deaf;
mod dice;
mod galera;
mod maria_replication;
mod native;
#[cfg(all(feature = "jdbc", feature = "dbapi2"))]
mod own_sidecar;
mod pooler;
mod proxy;
mod proxy_test;
mod relay;
mod runner;
mod self_test;
mod server;
mod side;
mod swap;
mod test;
mod watcher;

#[cfg(target_os = "linux")]
pub(crate) use alone::{alone, resident};
pub(crate) use case::{Case, Outcome, cases};
pub(crate) use cluster::{Cluster, Server, programs, until};
pub(crate) use cut::cut;
pub(crate) use dice::Dice;
pub(crate) use galera::{Galera, galera_provider};
pub(crate) use maria_replication::{MariaReplication, OwnMariaServer, maria_programs};
#[cfg(feature = "sqlx-interop")]
pub(crate) use native::with_db;
#[cfg(all(feature = "jdbc", feature = "dbapi2"))]
pub(crate) use own_sidecar::OwnSidecar;
pub(crate) use pooler::{Pooler, pgbouncer};
pub(crate) use proxy::Proxy;
pub(crate) use runner::{block_on_here, slowest};
pub(crate) use self_test::trials;
pub(crate) use server::{SilentServer, backend_pids_of_ports, kill_backend};
pub(crate) use side::SideConnection;
pub(crate) use swap::Swap;
pub(crate) use test::{Test, standard};
pub(crate) use watcher::Watcher;
