//! A group of definitions on one connection.

use super::Ddl;

/// A group of tables on one connection.
///
/// The configuration selects the connection, through the app of the same name (`apps.<name>.default_connection`).
/// Otherwise it is [`default_connection`](Self::default_connection), else `default`, or the only one.
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
    /// Creates an app without tables.
    ///
    /// ```
    /// assert_eq!(ebbtide::App::new("shop").name(), "shop");
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            connection: None,
            definitions: Vec::new(),
        }
    }

    /// Adds a definition: SQL text, a [`Ddl`], with the feature `sea-query` a `TableCreateStatement` or
    /// `IndexCreateStatement`, with `sqlx-interop` a `&Migrator` of sqlx. The order does not matter as far as the
    /// definitions declare their dependencies.
    ///
    /// ```
    /// use ebbtide::{App, Ddl, Dialect};
    /// let app = App::new("shop")
    ///     .define("CREATE TABLE item (id BIGINT PRIMARY KEY)")
    ///     .define(Ddl::only(Dialect::Postgres, "CREATE TYPE mood AS ENUM ('glad', 'sad')"));
    /// ```
    pub fn define(mut self, definition: impl Into<Ddl>) -> Self {
        self.definitions.push(definition.into());
        self
    }

    /// Sets the alias of its connection, used if the configuration has no app of this name.
    ///
    /// ```
    /// let audit = ebbtide::App::new("audit").default_connection("log");
    /// ```
    pub fn default_connection(mut self, alias: impl Into<String>) -> Self {
        self.connection = Some(alias.into());
        self
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes over the definitions and the connection of another app of the same name.
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
