//! The text of a definition, for all dialects or for each of them.

use std::fmt;
use std::sync::Arc;

use sqlx::SqlSafeStr;

use super::migrations::SchemaMigrations;
use crate::error::Result;
use crate::sql::{Dialect, without_byte_order_mark};

/// A function that writes a definition in a dialect.
type Writer = Arc<dyn Fn(Dialect) -> Result<String> + Send + Sync>;

#[derive(Clone)]
enum Text {
    Fixed(Arc<str>),
    Written(Writer),
    Migrated(Arc<dyn SchemaMigrations>),
}

/// The content of a definition in a dialect.
#[derive(Clone, Debug)]
pub(super) enum DdlContent {
    Text(String),
    Migrations(Arc<dyn SchemaMigrations>),
}

/// A definition of a table or another database object, as statements: `CREATE TABLE`, and optionally its indexes,
/// triggers and comments after it.
///
/// The text is one for all dialects ([`new`](Self::new)) or one for each ([`only`](Self::only), [`on`](Self::on)). With
/// the feature `sea-query`, its `CREATE TABLE` and `CREATE INDEX` statements are definitions too; with `sqlx-interop`,
/// so are the migrators of sqlx (`Ddl::from(&MIGRATOR)`).
///
/// The dependencies of a definition are read from it: the targets of its foreign keys, the table of an index, the
/// tables of a view. Dependencies that the text does not show, such as the tables a function uses, are declared with
/// [`depends_on`](Self::depends_on).
///
/// ```
/// use ebbtide::{App, Ddl, Dialect};
///
/// let note = Ddl::new("CREATE TABLE note (id BIGINT PRIMARY KEY, text VARCHAR(200)); CREATE INDEX note_text ON note (text)");
/// let mood = Ddl::only(Dialect::Postgres, "CREATE TYPE mood AS ENUM ('glad', 'sad')");
/// let log = Ddl::new("CREATE TABLE log (id BIGINT PRIMARY KEY)")
///     .on(Dialect::Sqlite, "CREATE TABLE log (id INTEGER PRIMARY KEY) STRICT");
/// let app = App::new("notes").define(mood).define(note).define(log);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Ddl {
    common: Option<Text>,
    special: Vec<(Dialect, Text)>,
    depends_on: Vec<String>,
    dropped_by: Option<Arc<str>>,
}

fn fixed(text: impl SqlSafeStr) -> Arc<str> {
    Arc::from(without_byte_order_mark(text.into_sql_str().as_str()))
}

impl Ddl {
    /// Creates a definition that is the same in every dialect. Text built at run time needs
    /// [`AssertSqlSafe`](crate::AssertSqlSafe).
    ///
    /// ```
    /// let note = ebbtide::Ddl::new("CREATE TABLE note (id BIGINT PRIMARY KEY); CREATE INDEX note_id ON note (id)");
    /// ```
    pub fn new(text: impl SqlSafeStr) -> Self {
        Self::with(Some(Text::Fixed(fixed(text))))
    }

    /// Creates a definition for one dialect alone. On others there is nothing to define, unless [`on`](Self::on) adds a
    /// text.
    ///
    /// ```
    /// use ebbtide::{Ddl, Dialect};
    /// let mood = Ddl::only(Dialect::Postgres, "CREATE TYPE mood AS ENUM ('glad', 'sad')");
    /// ```
    pub fn only(dialect: Dialect, text: impl SqlSafeStr) -> Self {
        Self::with(None).on(dialect, text)
    }

    /// Creates a definition that is written once the dialect is known.
    #[cfg_attr(not(feature = "sea-query"), allow(dead_code, reason = "only sea-query needs it"))]
    pub(crate) fn written(writer: impl Fn(Dialect) -> Result<String> + Send + Sync + 'static) -> Self {
        Self::with(Some(Text::Written(Arc::new(writer))))
    }

    /// Creates a definition from migrations, which are run instead of sent.
    #[cfg_attr(
        not(feature = "sqlx-interop"),
        allow(dead_code, reason = "only the bridge to sqlx has some")
    )]
    pub(crate) fn migrated(migrations: impl SchemaMigrations + 'static) -> Self {
        Self::with(Some(Text::Migrated(Arc::new(migrations))))
    }

    fn with(common: Option<Text>) -> Self {
        Self {
            common,
            special: Vec::new(),
            depends_on: Vec::new(),
            dropped_by: None,
        }
    }

    /// Sets another text for a dialect.
    ///
    /// ```
    /// use ebbtide::{Ddl, Dialect};
    /// let log = Ddl::new("CREATE TABLE log (id BIGINT PRIMARY KEY)").on(Dialect::Sqlite, "CREATE TABLE log (id INTEGER PRIMARY KEY)");
    /// ```
    pub fn on(mut self, dialect: Dialect, text: impl SqlSafeStr) -> Self {
        self.special.retain(|(known, _)| *known != dialect);
        self.special.push((dialect, Text::Fixed(fixed(text))));
        self
    }

    /// Names tables, views and other objects that must exist before this one and are dropped after it. Each must be
    /// defined on the same connection.
    ///
    /// ```
    /// use ebbtide::{App, Ddl, Dialect, Schema};
    /// let view = Ddl::new("CREATE VIEW newest AS SELECT max(id) AS id FROM note").depends_on(["note"]);
    /// let schema = Schema::new().app(App::new("notes").define(view).define("CREATE TABLE note (id BIGINT)"));
    /// assert!(schema.statements(Dialect::Sqlite)?[0].starts_with("CREATE TABLE"));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn depends_on<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.depends_on.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the statement that [`drop_all`](crate::Schema::drop_all) sends, instead of those that drop what the text
    /// creates. It must not fail if nothing is left to drop. For migrations it replaces the undo scripts.
    ///
    /// ```
    /// let seed = ebbtide::Ddl::new("INSERT INTO note VALUES (1)").dropped_by("DELETE FROM note WHERE id = 1");
    /// ```
    pub fn dropped_by(mut self, text: impl SqlSafeStr) -> Self {
        self.dropped_by = Some(fixed(text));
        self
    }

    /// Returns its content in a dialect, if any.
    pub(super) fn content(&self, dialect: Dialect) -> Result<Option<DdlContent>> {
        let special = self.special.iter().find(|(known, _)| *known == dialect);
        Ok(match special.map(|(_, text)| text).or(self.common.as_ref()) {
            Some(Text::Fixed(text)) => Some(DdlContent::Text(text.to_string())),
            Some(Text::Written(writer)) => Some(DdlContent::Text(writer(dialect)?)),
            Some(Text::Migrated(migrations)) => Some(DdlContent::Migrations(Arc::clone(migrations))),
            None => None,
        })
    }

    pub(super) fn needed(&self) -> &[String] {
        &self.depends_on
    }

    pub(super) fn drop_text(&self) -> Option<&str> {
        self.dropped_by.as_deref()
    }
}

impl From<&'static str> for Ddl {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl<T> From<crate::AssertSqlSafe<T>> for Ddl
where
    crate::AssertSqlSafe<T>: SqlSafeStr,
{
    fn from(text: crate::AssertSqlSafe<T>) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Ddl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents: Vec<DdlContent> = Dialect::ALL
            .into_iter()
            .filter_map(|dialect| self.content(dialect).ok().flatten())
            .collect();
        f.debug_struct("Ddl")
            .field("contents", &contents)
            .field("depends_on", &self.depends_on)
            .finish_non_exhaustive()
    }
}
