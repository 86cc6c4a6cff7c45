//! The content of a test's database: tables from migrations, rows from fixtures. Its digest is part of the database's
//! name.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha384};
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;

use crate::backend::rules::SchemaRules;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, without_byte_order_mark};

/// A compiled-in SQL file.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Name for messages.
    pub name: &'static str,
    /// SQL text.
    pub sql: &'static str,
}

/// A compiled-in migration.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Version number.
    pub version: i64,
    /// Name without the number.
    pub description: &'static str,
    /// SQL text.
    pub sql: &'static str,
}

/// The migrations of a test, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct Migrations {
    steps: Vec<Step>,
    folder: Option<(&'static str, &'static [&'static str])>,
}

#[derive(Clone, Debug)]
struct Step {
    version: i64,
    description: String,
    sql: Arc<str>,
    /// Checksum as sqlx computes it.
    checksum: Vec<u8>,
}

impl Migrations {
    /// Returns an empty set of migrations.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the migrations of a folder, which contained files of these names when the test was compiled.
    pub fn folder(path: &'static str, names: &'static [&'static str], migrations: &[Migration]) -> Self {
        let step = |migration: &Migration| Step {
            version: migration.version,
            description: migration.description.to_owned(),
            sql: migration.sql.into(),
            checksum: Sha384::digest(migration.sql).to_vec(),
        };
        Self {
            steps: migrations.iter().map(step).collect(),
            folder: Some((path, names)),
        }
    }

    /// Returns the migrations of a sqlx migrator.
    pub fn of(migrator: &Migrator) -> Self {
        let up = migrator
            .iter()
            .filter(|migration| !migration.migration_type.is_down_migration());
        let steps = up.map(|migration| Step {
            version: migration.version,
            description: migration.description.to_string(),
            sql: migration.sql.as_str().into(),
            checksum: migration.checksum.to_vec(),
        });
        Self {
            steps: steps.collect(),
            folder: None,
        }
    }

    /// Returns an error if the folder's files have changed since the test was compiled. Cargo notices changed files,
    /// but not added ones; an outdated test would silently run on old tables.
    fn check(&self) -> Result<()> {
        let Some((path, compiled)) = self.folder else {
            return Ok(());
        };
        // If the tests run on another machine than they were compiled on, the folder is missing.
        let Ok(entries) = std::fs::read_dir(path) else {
            return Ok(());
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sql") && path.is_file());
        let mut names: Vec<String> = paths
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect();
        names.sort();
        if names == compiled {
            return Ok(());
        }
        let message = format!("the files in {path} are not the same as when this test was compiled");
        Err(Error::new(ErrorKind::Config, message).help(
            "compile the test again (save its file, or `touch` it); a build.rs that prints \
             `cargo:rerun-if-changed=migrations` makes Cargo do so automatically",
        ))
    }
}

/// The content of a test's database.
#[derive(Clone, Debug)]
pub(super) struct TestContent {
    migrations: Migrations,
    fixtures: &'static [Script],
}

impl TestContent {
    pub(super) fn new(migrations: Migrations, fixtures: &'static [Script]) -> Result<Self> {
        migrations.check()?;
        Ok(Self { migrations, fixtures })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.migrations.steps.is_empty() && self.fixtures.is_empty()
    }

    /// Returns the first twelve hexadecimal digits of a hash over the whole content and the name of the test's
    /// database. The name is included because derived names may truncate it.
    pub(super) fn digest(&self, database: &str) -> String {
        let mut hash = Sha384::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(database.as_bytes());
        for step in &self.migrations.steps {
            part(&step.version.to_le_bytes());
            part(step.description.as_bytes());
            part(step.sql.as_bytes());
        }
        part(b"fixtures");
        for fixture in self.fixtures {
            part(fixture.name.as_bytes());
            part(fixture.sql.as_bytes());
        }
        hash.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Creates the tables and fills them.
    pub(super) async fn apply(&self, database: &Database) -> Result<()> {
        if !self.migrations.steps.is_empty() {
            let dialect = database.dialect();
            database.execute(migrations_table(dialect), ()).await?;
        }
        for step in &self.migrations.steps {
            let what = format!("the migration {} ({})", step.version, step.description);
            let began = Instant::now();
            script(database, &what, Arc::clone(&step.sql)).await?;
            enter(database, step, began).await?;
        }
        self.fill(database).await
    }

    /// Runs the fixtures.
    pub(super) async fn fill(&self, database: &Database) -> Result<()> {
        for fixture in self.fixtures {
            script(database, &format!("the fixture `{}`", fixture.name), fixture.sql.into()).await?;
        }
        Ok(())
    }
}

async fn script(database: &Database, what: &str, sql: Arc<str>) -> Result<()> {
    let sql = match without_byte_order_mark(&sql) {
        text if text.len() < sql.len() => text.into(),
        _ => sql,
    };
    let done = database.execute(AssertSqlSafe(sql), ()).await;
    done.map(std::mem::drop)
        .map_err(|error| error.context(format_args!("{what} failed")))
}

/// Returns the definition of sqlx's table of applied migrations. With it, an application that runs its migrations at
/// startup finds nothing to do.
fn migrations_table(dialect: Dialect) -> AssertSqlSafe<String> {
    let SchemaRules { time, bytes, .. } = dialect.rules().schema();
    AssertSqlSafe(format!(
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, \
         execution_time BIGINT NOT NULL)"
    ))
}

async fn enter(database: &Database, step: &Step, began: Instant) -> Result<()> {
    let took = i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let values = (step.version, step.description.as_str(), step.checksum.as_slice(), took);
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (?, ?, TRUE, ?, ?)";
    database.execute(sql, values).await.map(std::mem::drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[&str] = &["0001_a.sql"];

    fn content(sql: &'static str, fixtures: &'static [Script]) -> TestContent {
        let migration = Migration {
            version: 1,
            description: "a",
            sql,
        };
        TestContent::new(Migrations::folder("/nowhere/at/all", FILES, &[migration]), fixtures).unwrap()
    }

    #[test]
    fn the_digest_tells_apart_what_differs() {
        const USERS: &[Script] = &[Script {
            name: "users",
            sql: "x",
        }];
        let all = [
            content("a", &[]).digest("shop"),
            content("b", &[]).digest("shop"),
            content("a", &[]).digest("other"),
            content("a", USERS).digest("shop"),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], content("a", &[]).digest("shop"));
        assert!(all.iter().all(|digest| digest.len() == 12));
    }

    #[test]
    fn a_folder_that_has_changed_since_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path: &'static str = folder.path().to_str().unwrap().to_owned().leak();
        std::fs::write(folder.path().join("0001_a.sql"), "").unwrap();
        assert!(TestContent::new(Migrations::folder(path, FILES, &[]), &[]).is_ok());
        std::fs::write(folder.path().join("0002_b.sql"), "").unwrap();
        let error = TestContent::new(Migrations::folder(path, FILES, &[]), &[]).unwrap_err();
        assert!(error.to_string().contains("rerun-if-changed"), "{error}");
    }
}
