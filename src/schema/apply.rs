//! Sends the statements of a plan.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::migrations::{self, Migrations};
use super::plan::Plan;
use super::step::{Act, Step};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, ObjectName};

/// The number of the lock under which PostgreSQL makes and drops tables, so that programs that start at the same time do not
/// get into each other's way: there, `IF NOT EXISTS` fails where another transaction makes the same table.
const LOCK: i64 = 0x6562_6274_6964_6501;

/// What is done with the definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Create { safe: bool },
    Drop,
}

/// The definitions of one database, and what is done with them.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) plan: Arc<Plan>,
    pub(super) work: Work,
    /// The alias of the database, if it has one.
    pub(super) alias: Option<String>,
}

impl Job {
    /// Does everything, in one transaction where the dialect can.
    pub(super) async fn on(self, database: &Database) -> Result<()> {
        let kept = database.keeps_caller();
        if self.plan.dialect == Dialect::MySql {
            return self.run(&database.connection(), kept).await;
        }
        // What reads first and writes then does not wait for the lock of another.
        let begin = database.transaction().immediate();
        begin
            .run(async move |transaction| self.run(&transaction, kept).await)
            .await
    }

    async fn run(&self, connection: &Connection, kept: bool) -> Result<()> {
        // In a sandbox the lock would be kept to its end, and others wait for it.
        if self.plan.dialect == Dialect::Postgres && !kept {
            connection.execute("SELECT pg_advisory_xact_lock(?)", (LOCK,)).await?;
        }
        match self.work {
            Work::Create { safe } => self.create(connection, safe).await,
            Work::Drop => self.drop(connection).await,
        }
    }

    async fn create(&self, connection: &Connection, safe: bool) -> Result<()> {
        let steps = self.plan.create(safe);
        let mut there = Vec::new();
        if !safe {
            let tables = self.present(connection, self.plan.tables()).await?;
            let mut names: Vec<String> = tables.iter().map(|name| format!("`{}`", name.written)).collect();
            for (_, migrations) in self.plan.migrations() {
                let applied = self.applied(connection, migrations).await?;
                names.extend(applied.iter().map(migrations::Migration::to_string));
            }
            if !names.is_empty() {
                return Err(self.in_the_way(&names));
            }
        } else if steps.iter().any(|step| step.of.is_some()) {
            there = self
                .present(connection, steps.iter().filter_map(|step| step.of.as_ref()))
                .await?;
        }
        for step in &steps {
            if step.of.as_ref().is_some_and(|table| there.contains(&table)) {
                continue;
            }
            self.take(connection, step, "create").await?;
        }
        Ok(())
    }

    async fn drop(&self, connection: &Connection) -> Result<()> {
        for step in self.plan.removal() {
            if let Act::Undo(migrations) = &step.act {
                migrations::check_reversible(&self.applied(connection, &**migrations).await?, &step.app)?;
            }
        }
        let circles = self.plan.circles();
        if circles.is_empty() {
            return self.drop_in_order(connection).await;
        }
        match self.plan.dialect {
            Dialect::Postgres => {
                for (table, target) in circles {
                    drop_keys(connection, table, target).await?;
                }
                self.drop_in_order(connection).await
            }
            Dialect::MySql => {
                connection.execute("SET foreign_key_checks = 0", ()).await?;
                let dropped = self.drop_in_order(connection).await;
                let restored = connection.execute("SET foreign_key_checks = 1", ()).await;
                dropped.and(restored.map(drop))
            }
            Dialect::Sqlite => {
                // Dropping a table deletes its rows, which must not leave others without theirs.
                connection.execute("PRAGMA defer_foreign_keys = ON", ()).await?;
                let emptied = circles.iter().flat_map(|(table, target)| [*table, *target]);
                for table in self.present(connection, emptied).await? {
                    let sql = format!("DELETE FROM {}", table.written);
                    connection.execute(AssertSqlSafe(sql), ()).await?;
                }
                connection.execute("PRAGMA defer_foreign_keys = OFF", ()).await?;
                self.drop_in_order(connection).await
            }
        }
    }

    async fn drop_in_order(&self, connection: &Connection) -> Result<()> {
        for step in self.plan.removal() {
            self.take(connection, &step, "drop").await?;
        }
        Ok(())
    }

    /// Takes one step.
    async fn take(&self, connection: &Connection, step: &Step, verb: &str) -> Result<()> {
        let (taken, verb) = match &step.act {
            Act::Send(sql) => (self.send(connection, step, sql).await, verb),
            Act::Migrate(migrations) => (migrations.run(connection).await, "apply"),
            Act::Undo(migrations) => (self.undo(connection, &**migrations, true).await, "undo"),
            Act::Forget(migrations) => (self.undo(connection, &**migrations, false).await, "forget"),
        };
        match taken {
            Err(error) if step.may_be_present && error.kind() == ErrorKind::DuplicateObject => Ok(()),
            taken => taken.map_err(|error| {
                let app = format!("the app `{}`{}", step.app, self.place());
                told(&format!("cannot {verb} {} of {app}", step.object), error)
            }),
        }
    }

    async fn send(&self, connection: &Connection, step: &Step, sql: &str) -> Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        if step.may_be_present && self.plan.dialect == Dialect::Postgres {
            // There a statement that fails takes the transaction with it, but not from inside a savepoint.
            let begin = connection.transaction();
            begin
                .run(async move |savepoint| savepoint.execute(sql, ()).await.map(drop))
                .await
        } else {
            connection.execute(sql, ()).await.map(drop)
        }
    }

    /// Undoes what migrations made; without `by_their_own`, that was dropped already.
    async fn undo(&self, connection: &Connection, migrations: &dyn Migrations, by_their_own: bool) -> Result<()> {
        let journal = migrations::journal(self.plan.dialect, migrations)?;
        if !is_present(connection, self.plan.dialect, &journal).await? {
            return Ok(());
        }
        if by_their_own {
            migrations.undo(connection).await?;
        } else {
            migrations::forget(connection, migrations).await?;
        }
        migrations::drop_journal(connection, migrations).await
    }

    /// Those of the migrations that the database has.
    async fn applied(
        &self,
        connection: &Connection,
        migrations: &dyn Migrations,
    ) -> Result<Vec<migrations::Migration>> {
        let journal = migrations::journal(self.plan.dialect, migrations)?;
        if is_present(connection, self.plan.dialect, &journal).await? {
            migrations::applied(connection, migrations).await
        } else {
            Ok(Vec::new())
        }
    }

    /// Those of the tables that are in the database.
    async fn present<'n>(
        &self,
        connection: &Connection,
        names: impl Iterator<Item = &'n ObjectName>,
    ) -> Result<Vec<&'n ObjectName>> {
        let names: Vec<&ObjectName> = names.collect();
        let mut present: Vec<&ObjectName> = Vec::new();
        for name in names {
            if !present.contains(&name) && is_present(connection, self.plan.dialect, name).await? {
                present.push(name);
            }
        }
        Ok(present)
    }

    fn in_the_way(&self, names: &[String]) -> Error {
        let message = format!(
            "cannot create the tables{}: {} {} there already",
            self.place(),
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" }
        );
        Error::new(ErrorKind::DuplicateObject, message)
            .help("nothing was created; `create_all` leaves what is there as it is, and `drop_all` drops it")
    }

    fn place(&self) -> String {
        let alias = self.alias.as_ref();
        alias.map_or_else(String::new, |alias| format!(" on the connection `{alias}`"))
    }
}

async fn is_present(connection: &Connection, dialect: Dialect, name: &ObjectName) -> Result<bool> {
    let table = name.path.last().cloned().unwrap_or_default();
    let schema = name.path.len().checked_sub(2).and_then(|at| name.path.get(at)).cloned();
    match dialect {
        Dialect::Postgres => {
            let sql = "SELECT to_regclass(?) IS NOT NULL";
            connection.fetch_value(sql, (name.written.as_str(),)).await
        }
        Dialect::MySql => {
            let sql = "SELECT COUNT(*) FROM information_schema.tables \
                       WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
            let count: i64 = connection.fetch_value(sql, (schema, table)).await?;
            Ok(count > 0)
        }
        Dialect::Sqlite => {
            let sql = "SELECT COUNT(*) FROM pragma_table_list \
                       WHERE schema = COALESCE(?, 'main') COLLATE NOCASE AND name = ? COLLATE NOCASE";
            let count: i64 = connection.fetch_value(sql, (schema, table)).await?;
            Ok(count > 0)
        }
    }
}

/// Drops the foreign keys of a table to another (PostgreSQL).
async fn drop_keys(connection: &Connection, table: &ObjectName, target: &ObjectName) -> Result<()> {
    let sql = "SELECT quote_ident(conname::text) FROM pg_constraint \
               WHERE contype = 'f' AND conrelid = to_regclass(?) AND confrelid = to_regclass(?)";
    let names = (table.written.as_str(), target.written.as_str());
    for row in connection.fetch_all(sql, names).await? {
        let key: String = row.get(0)?;
        let sql = format!("ALTER TABLE {} DROP CONSTRAINT {key}", table.written);
        connection.execute(AssertSqlSafe(sql), ()).await?;
    }
    Ok(())
}

/// The same error, saying first what could not be done.
fn told(what: &str, error: Error) -> Error {
    let told = Error::new(error.kind(), format!("{what}: {}", error.message()));
    let told = match error.advice() {
        Some(help) => told.help(help.to_owned()),
        None => told,
    };
    let told = match error.sqlstate() {
        Some(code) => told.with_code(code.to_owned()),
        None => told,
    };
    let told = if error.is_retryable() { told.retryable() } else { told };
    told.with_source(error)
}
