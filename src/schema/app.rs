//! A group of definitions on one connection.

use super::Ddl;

/// A group of tables that are on one connection.
///
/// Which one is said in the configuration, by the app of the same name (`apps.<name>.default_connection`); else by
/// [`default_connection`](Self::default_connection); else it is `default`, or the only one there is.
///
/// ```
/// let app = ebbtide::App::new("shop")
///     .define("CREATE TABLE item (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)")
///     .define("CREATE TABLE sale (id BIGINT PRIMARY KEY, item BIGINT NOT NULL, FOREIGN KEY (item) REFERENCES item (id))");
/// assert_eq!(app.name(), "shop");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct App {
    name: String,
    connection: Option<String>,
    definitions: Vec<Ddl>,
}

impl App {
    /// An app without tables.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            connection: None,
            definitions: Vec::new(),
        }
    }

    /// Adds a definition: SQL text, a [`Ddl`], with the feature `sea-query` a `TableCreateStatement` or
    /// `IndexCreateStatement`, with `sqlx-interop` a `&Migrator` of sqlx. They may be given in any order, as far as they
    /// tell what they need.
    pub fn define(mut self, definition: impl Into<Ddl>) -> Self {
        self.definitions.push(definition.into());
        self
    }

    /// The alias of its connection, where the configuration has no app of this name.
    pub fn default_connection(mut self, alias: impl Into<String>) -> Self {
        self.connection = Some(alias.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes over what another app of the same name has.
    pub(super) fn join(&mut self, other: Self) {
        self.definitions.extend(other.definitions);
        self.connection = other.connection.or(self.connection.take());
    }

    pub(super) fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }

    pub(super) fn definitions(&self) -> &[Ddl] {
        &self.definitions
    }
}
