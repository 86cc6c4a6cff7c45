//! Sends the statements of a plan.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::migrations::{self, SchemaMigrations};
use super::plan::Plan;
use super::step::{Step, StepAction};
use crate::backend::rules::{CircularKeys, DefinitionsInTransaction, SchemaRules};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::ObjectName;
use crate::value::Value;

/// Number of the lock that serializes programs that create tables at the same time, when they start.
const LOCK: i64 = 0x6562_6274_6964_6501;

/// The action of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SchemaAction {
    Create { safe: bool },
    Drop,
}

/// The definitions of one database and the action on them.
#[derive(Clone, Debug)]
pub(super) struct SchemaJob {
    pub(super) plan: Arc<Plan>,
    pub(super) work: SchemaAction,
    /// Alias of the database, if it has one.
    pub(super) alias: Option<String>,
}

impl SchemaJob {
    /// Runs the job, in one transaction if the dialect supports that.
    pub(super) async fn on(self, database: &Database) -> Result<()> {
        let kept = database.keeps_caller();
        if self.plan.rules.schema().in_transaction == DefinitionsInTransaction::Commit {
            return self.run(&database.connection(), kept).await;
        }
        // Immediate, because a SQLite transaction that reads before it writes does not wait for another's lock.
        let begin = database.transaction().immediate();
        begin
            .run(async move |transaction| self.run(&transaction, kept).await)
            .await
    }

    async fn run(&self, connection: &Connection, kept: bool) -> Result<()> {
        // A sandbox would keep the lock until its end, and others would wait for it.
        if let Some(lock) = self.plan.rules.schema().lock.filter(|_| !kept) {
            connection.execute(lock, (LOCK,)).await?;
        }
        match self.work {
            SchemaAction::Create { safe } => self.create(connection, safe).await,
            SchemaAction::Drop => self.drop(connection).await,
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
                names.extend(applied.iter().map(migrations::SchemaMigration::to_string));
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
            if let StepAction::Undo(migrations) = &step.act {
                migrations::check_reversible(&self.applied(connection, &**migrations).await?, &step.app)?;
            }
        }
        let circles = self.plan.circles();
        if circles.is_empty() {
            return self.drop_in_order(connection).await;
        }
        match self.plan.rules.schema().circular_keys {
            CircularKeys::Dropped { list } => {
                for (table, target) in circles {
                    drop_keys(connection, list, table, target).await?;
                }
                self.drop_in_order(connection).await
            }
            CircularKeys::Unchecked { off, on } => {
                connection.execute(off, ()).await?;
                let dropped = self.drop_in_order(connection).await;
                let restored = connection.execute(on, ()).await;
                dropped.and(restored.map(drop))
            }
            CircularKeys::Emptied { defer, restore } => {
                connection.execute(defer, ()).await?;
                let emptied = circles.iter().flat_map(|(table, target)| [*table, *target]);
                for table in self.present(connection, emptied).await? {
                    let sql = format!("DELETE FROM {}", table.written);
                    connection.execute(AssertSqlSafe(sql), ()).await?;
                }
                connection.execute(restore, ()).await?;
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

    /// Runs one step.
    async fn take(&self, connection: &Connection, step: &Step, verb: &str) -> Result<()> {
        let (taken, verb) = match &step.act {
            StepAction::Send(sql) => (self.send(connection, step, sql).await, verb),
            StepAction::Migrate(migrations) => (migrations.run(connection).await, "apply"),
            StepAction::Undo(migrations) => (self.undo(connection, &**migrations, true).await, "undo"),
            StepAction::Forget(migrations) => (self.undo(connection, &**migrations, false).await, "forget"),
        };
        match taken {
            Err(error) if step.may_be_present && error.kind() == ErrorKind::DuplicateObject => Ok(()),
            taken => taken.map_err(|error| {
                let app = format!("the app `{}`{}", step.app, self.place());
                in_step(&format!("cannot {verb} {} of {app}", step.object), error)
            }),
        }
    }

    async fn send(&self, connection: &Connection, step: &Step, sql: &str) -> Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        let transactions = self.plan.rules.transactions();
        if step.may_be_present && transactions.aborted.is_some() && transactions.savepoints {
            // A failed statement aborts the transaction, but not from inside a savepoint.
            let begin = connection.transaction();
            begin
                .run(async move |savepoint| savepoint.execute(sql, ()).await.map(drop))
                .await
        } else {
            connection.execute(sql, ()).await.map(drop)
        }
    }

    /// Undoes migrations. Without `by_their_own`, their objects were already dropped.
    async fn undo(&self, connection: &Connection, migrations: &dyn SchemaMigrations, by_their_own: bool) -> Result<()> {
        let table = migrations::migrations_table(self.plan.dialect, migrations)?;
        if !is_present(connection, self.plan.rules.schema(), &table).await? {
            return Ok(());
        }
        if by_their_own {
            migrations.undo(connection).await?;
        } else {
            migrations::forget(connection, migrations).await?;
        }
        migrations::drop_migrations_table(connection, migrations).await
    }

    /// Returns the applied migrations.
    async fn applied(
        &self,
        connection: &Connection,
        migrations: &dyn SchemaMigrations,
    ) -> Result<Vec<migrations::SchemaMigration>> {
        let table = migrations::migrations_table(self.plan.dialect, migrations)?;
        if is_present(connection, self.plan.rules.schema(), &table).await? {
            migrations::applied(connection, migrations).await
        } else {
            Ok(Vec::new())
        }
    }

    /// Returns the tables that exist in the database.
    async fn present<'n>(
        &self,
        connection: &Connection,
        names: impl Iterator<Item = &'n ObjectName>,
    ) -> Result<Vec<&'n ObjectName>> {
        let names: Vec<&ObjectName> = names.collect();
        let mut present: Vec<&ObjectName> = Vec::new();
        for name in names {
            if !present.contains(&name) && is_present(connection, self.plan.rules.schema(), name).await? {
                present.push(name);
            }
        }
        Ok(present)
    }

    fn in_the_way(&self, names: &[String]) -> Error {
        let message = format!(
            "cannot create the tables{}: {} already {}",
            self.place(),
            names.join(", "),
            if names.len() == 1 { "exists" } else { "exist" }
        );
        Error::new(ErrorKind::DuplicateObject, message)
            .help("nothing was created; `create_all` leaves existing tables as they are, and `drop_all` drops them")
    }

    fn place(&self) -> String {
        let alias = self.alias.as_ref();
        alias.map_or_else(String::new, |alias| format!(" on the connection `{alias}`"))
    }
}

async fn is_present(connection: &Connection, rules: &SchemaRules, name: &ObjectName) -> Result<bool> {
    let (sql, params) = (rules.find_table)(name);
    let found: Value = connection.fetch_value(sql, params).await?;
    Ok(!matches!(found, Value::Null | Value::Bool(false) | Value::I64(0)))
}

/// Drops the foreign keys of a table to another, whose quoted names the query `list` returns.
async fn drop_keys(connection: &Connection, list: &'static str, table: &ObjectName, target: &ObjectName) -> Result<()> {
    let names = (table.written.as_str(), target.written.as_str());
    for row in connection.fetch_all(list, names).await? {
        let key: String = row.get(0)?;
        let sql = format!("ALTER TABLE {} DROP CONSTRAINT {key}", table.written);
        connection.execute(AssertSqlSafe(sql), ()).await?;
    }
    Ok(())
}

/// Prepends the failed operation to an error's message.
fn in_step(what: &str, error: Error) -> Error {
    let failed = Error::new(error.kind(), format!("{what}: {}", error.message()));
    let failed = match error.advice() {
        Some(help) => failed.help(help.to_owned()),
        None => failed,
    };
    let failed = match error.sqlstate() {
        Some(code) => failed.with_code(code.to_owned()),
        None => failed,
    };
    let failed = if error.is_retryable() {
        failed.retryable()
    } else {
        failed
    };
    failed.with_source(error)
}
