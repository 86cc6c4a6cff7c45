//! Where the tables go.

use crate::connections::Connections;
use crate::database::Database;

#[derive(Clone, Debug)]
pub(super) enum Target {
    Connections(Connections),
    Database(Database),
}

/// Where the tables of a schema go: a `&Connections`, each app on its own connection, or a `&Database`, all on that one,
/// which must be connected.
///
/// ```
/// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
/// use ebbtide::SchemaTarget;
/// let all = SchemaTarget::from(&connections);
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SchemaTarget(pub(super) Target);

impl From<&Connections> for SchemaTarget {
    fn from(connections: &Connections) -> Self {
        Self(Target::Connections(connections.clone()))
    }
}

impl From<&Database> for SchemaTarget {
    fn from(database: &Database) -> Self {
        Self(Target::Database(database.clone()))
    }
}
