//! The text of a definition, for every dialect or for each of them.

use std::fmt;
use std::sync::Arc;

use sqlx::SqlSafeStr;

use super::migrations::Migrations;
use crate::error::Result;
use crate::sql::Dialect;

/// What writes a definition in a dialect.
type Writer = Arc<dyn Fn(Dialect) -> Result<String> + Send + Sync>;

#[derive(Clone)]
enum Text {
    Fixed(Arc<str>),
    Written(Writer),
    Migrated(Arc<dyn Migrations>),
}

/// What a definition is in a dialect.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(String),
    Migrations(Arc<dyn Migrations>),
}

/// A table, or whatever else a database holds, as statements that define it: `CREATE TABLE`, and perhaps its indexes,
/// triggers and comments behind it.
///
/// A text is one for all dialects ([`new`](Self::new)) or one for each ([`only`](Self::only), [`on`](Self::on)). With the
/// feature `sea-query`, its `CREATE TABLE` and `CREATE INDEX` statements are definitions too; with `sqlx-interop`, so are the
/// migrators of sqlx (`Ddl::from(&MIGRATOR)`).
///
/// What a definition needs is read from it: the targets of its foreign keys, the table of an index, the tables of a view.
/// What the text does not tell, such as the tables a function uses, is said with [`depends_on`](Self::depends_on).
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
    Arc::from(text.into_sql_str().as_str())
}

impl Ddl {
    /// A definition that is the same in every dialect. Text made at run time needs [`AssertSqlSafe`](crate::AssertSqlSafe).
    pub fn new(text: impl SqlSafeStr) -> Self {
        Self::with(Some(Text::Fixed(fixed(text))))
    }

    /// A definition for one dialect alone. On others there is nothing to define, unless [`on`](Self::on) says so.
    pub fn only(dialect: Dialect, text: impl SqlSafeStr) -> Self {
        Self::with(None).on(dialect, text)
    }

    /// A definition that is written when the dialect is known.
    #[cfg_attr(not(feature = "sea-query"), allow(dead_code, reason = "only sea-query needs it"))]
    pub(crate) fn written(writer: impl Fn(Dialect) -> Result<String> + Send + Sync + 'static) -> Self {
        Self::with(Some(Text::Written(Arc::new(writer))))
    }

    /// Migrations, which run where the others are sent.
    #[cfg_attr(
        not(feature = "sqlx-interop"),
        allow(dead_code, reason = "only the bridge to sqlx has some")
    )]
    pub(crate) fn migrated(migrations: impl Migrations + 'static) -> Self {
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

    /// Gives another text for a dialect.
    pub fn on(mut self, dialect: Dialect, text: impl SqlSafeStr) -> Self {
        self.special.retain(|(known, _)| *known != dialect);
        self.special.push((dialect, Text::Fixed(fixed(text))));
        self
    }

    /// Names tables, views and so on that must be there before, and are dropped after, this one. Each must be defined on the
    /// same connection.
    pub fn depends_on<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.depends_on.extend(names.into_iter().map(Into::into));
        self
    }

    /// The statement that [`drop_all`](crate::Schema::drop_all) sends, instead of those that drop what the text creates. It
    /// must not fail where nothing is left to drop. Of migrations it is sent instead of what undoes them.
    pub fn dropped_by(mut self, text: impl SqlSafeStr) -> Self {
        self.dropped_by = Some(fixed(text));
        self
    }

    /// What it is in a dialect, if there is something to define in it.
    pub(super) fn content(&self, dialect: Dialect) -> Result<Option<Content>> {
        let special = self.special.iter().find(|(known, _)| *known == dialect);
        Ok(match special.map(|(_, text)| text).or(self.common.as_ref()) {
            Some(Text::Fixed(text)) => Some(Content::Text(text.to_string())),
            Some(Text::Written(writer)) => Some(Content::Text(writer(dialect)?)),
            Some(Text::Migrated(migrations)) => Some(Content::Migrations(Arc::clone(migrations))),
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
        let contents: Vec<Content> = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite]
            .into_iter()
            .filter_map(|dialect| self.content(dialect).ok().flatten())
            .collect();
        f.debug_struct("Ddl")
            .field("contents", &contents)
            .field("depends_on", &self.depends_on)
            .finish_non_exhaustive()
    }
}
