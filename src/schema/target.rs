//! The target of a schema.

use crate::connections::Connections;
use crate::database::Database;

#[derive(Clone, Debug)]
pub(super) enum Destination {
    Connections(Connections),
    Database(Database),
}

/// The target of a schema: a `&Connections`, with each app on its own connection, or a `&Database`, which contains all
/// apps and must be connected.
///
/// ```
/// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
/// use ebbtide::SchemaTarget;
/// let all = SchemaTarget::from(&connections);
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SchemaTarget(pub(super) Destination);

impl From<&Connections> for SchemaTarget {
    fn from(connections: &Connections) -> Self {
        Self(Destination::Connections(connections.clone()))
    }
}

impl From<&Database> for SchemaTarget {
    fn from(database: &Database) -> Self {
        Self(Destination::Database(database.clone()))
    }
}
