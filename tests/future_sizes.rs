//! The sizes of the futures of the public API. A caller's task has room for the largest future it ever awaits, so every
//! task of a server pays for each of these bytes.
//!
//! **When this fails**, a future has grown: a new variable lives across one of its await points. Find it
//! (`RUSTFLAGS=-Zprint-type-sizes` on a nightly compiler lists each future's variables). Then, in this order: end its
//! life before the await (a block, `drop`); pass it by reference; put the rare branch into `Box::pin(…)`, as the
//! surrounding code does. Raise a limit only if the added code runs on every call, and say so in the commit. When a
//! future has become smaller, the test says so in its output and passes; then lower the limit.
//!
//! The limits are those of a build with all features; with fewer features a future may be smaller. The measured size of
//! a boxed future is the size inside its box. The layout does not depend on optimisation: debug and release builds have
//! the same limits.

#![cfg(all(
    feature = "sqlite",
    feature = "sqlx-interop",
    feature = "postgres",
    feature = "mysql"
))]
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test says what is wrong by panicking; what is measured is made for that alone"
)]

use std::fmt::Write as _;
use std::future::{IntoFuture, ready};
use std::ops::Deref;
use std::pin::Pin;

use ebbtide::testing::{create_database, database_exists, drop_database};
use ebbtide::{Config, Connections, Database, Result, RowStream, Schema, Transaction};
use futures::TryStreamExt as _;

/// A measurement: a name, the size in bytes, the limit in bytes.
#[derive(Default)]
struct Table(Vec<(&'static str, usize, usize)>);

impl Table {
    /// Measures a future as the caller has it.
    fn future<F: Future>(&mut self, name: &'static str, limit: usize, future: F) {
        self.value(name, limit, &future);
    }

    /// Measures a boxed future, for which the caller's own future needs no room.
    fn boxed<P: Deref<Target: Future>>(&mut self, name: &'static str, limit: usize, future: Pin<P>) {
        self.value(name, limit, &*future);
    }

    fn value<T: ?Sized>(&mut self, name: &'static str, limit: usize, value: &T) {
        self.0.push((name, size_of_val(value), limit));
    }

    /// Prints the whole table and fails if one of them has grown.
    fn check(&self) {
        let mut text = String::from("bytes  limit  future\n");
        for (name, bytes, limit) in &self.0 {
            let note = match bytes.cmp(limit) {
                std::cmp::Ordering::Less => "   smaller now: lower the limit",
                std::cmp::Ordering::Equal => "",
                std::cmp::Ordering::Greater => "   GROWN",
            };
            writeln!(text, "{bytes:>5}  {limit:>5}  {name}{note}").unwrap();
        }
        let grown = self.0.iter().any(|(_, bytes, limit)| bytes > limit);
        assert!(
            !grown,
            "a future has grown; the head of this file says what to do\n{text}"
        );
        println!("{text}");
    }
}

fn statements(table: &mut Table, database: &Database) {
    table.boxed("execute", 840, database.execute("select 1", ()).into_future());
    table.boxed(
        "execute_many",
        864,
        database.execute_many("select ?", [(1,), (2,)]).into_future(),
    );
    table.boxed("fetch_all", 864, database.fetch_all("select 1", ()).into_future());
    table.boxed(
        "fetch_all, decoded",
        864,
        database.fetch_all("select 1", ()).decode::<(i64,)>().into_future(),
    );
    table.boxed("fetch_one", 856, database.fetch_one("select 1", ()).into_future());
    table.boxed(
        "fetch_optional",
        856,
        database.fetch_optional("select 1", ()).into_future(),
    );
    table.boxed(
        "fetch_value",
        856,
        database.fetch_value::<i64>("select 1", ()).into_future(),
    );
    table.value(
        "a query that is not awaited yet",
        112,
        &database.execute("select 1", ()),
    );
    let mut rows: RowStream = database.iterate("select 1", ());
    table.value("a stream of rows", 24, &rows);
    table.future("the next row of a stream", 8, rows.try_next());
    let mut batches = database.batched_iterate("select 1", (), 9);
    table.value("a stream of batches", 64, &batches);
    table.future("the next batch of a stream", 8, batches.try_next());
}

async fn transactions(table: &mut Table, database: &Database) -> Result<()> {
    let run = database
        .transaction()
        .run(async |_: Transaction| Ok::<_, ebbtide::Error>(()));
    table.future("transaction().run", 912, run);
    let retry = database
        .transaction()
        .retry()
        .run(async |_: Transaction| Ok::<_, ebbtide::Error>(()));
    table.future("transaction().retry().run", 1120, retry);
    table.boxed("transaction()", 568, database.transaction().into_future());
    table.value("a transaction that is not begun yet", 64, &database.transaction());
    let transaction = database.transaction().await?;
    table.value("a transaction's guard", 24, &transaction);
    table.boxed("a savepoint", 568, transaction.transaction().into_future());
    table.future("commit", 64, transaction.commit());
    table.future("rollback", 64, transaction.rollback());
    transaction.rollback().await?;
    table.future("share", 24, database.share(ready(())));
    table.future("Connection::share", 24, database.connection().share(ready(())));
    table.future(
        "force_rollback(false).run",
        152,
        database.force_rollback(false).run(ready(())),
    );
    table.future("on_commit", 48, database.on_commit(async || {}));
    table.boxed("sandbox()", 64, database.sandbox().into_future());
    Ok(())
}

fn life_cycle(table: &mut Table, database: &Database) {
    table.future("Database::connect", 880, Database::connect("sqlite::memory:"));
    table.future("disconnect", 1608, database.disconnect());
    table.future("disconnect_now", 1608, database.disconnect_now());
    table.future("bookmark", 656, database.bookmark());
    table.boxed(
        "database_exists",
        2704,
        database_exists("sqlite::memory:").into_future(),
    );
    table.boxed(
        "create_database",
        2760,
        create_database("sqlite::memory:").into_future(),
    );
    table.boxed("drop_database", 2712, drop_database("sqlite::memory:").into_future());
}

async fn bridge(table: &mut Table, database: &Database) -> std::result::Result<(), sqlx::Error> {
    let sqlx = database.sqlx::<sqlx::Sqlite>()?;
    table.future("sqlx: execute", 88, sqlx::query("select 1").execute(&sqlx));
    table.boxed(
        "sqlx: execute, in its box",
        1024,
        sqlx::Executor::execute(&sqlx, "select 1"),
    );
    table.boxed(
        "sqlx: fetch_all, in its box",
        1024,
        sqlx::Executor::fetch_all(&sqlx, "select 1"),
    );
    table.boxed(
        "sqlx: fetch_optional, in its box",
        1024,
        sqlx::Executor::fetch_optional(&sqlx, "select 1"),
    );
    let mut rows = sqlx::query("select 1").fetch(&sqlx);
    table.future("sqlx: the next row of a stream", 8, rows.try_next());
    drop(rows);
    table.boxed("sqlx: begin", 96, sqlx.begin());
    table.future("sqlx: commit", 64, sqlx.begin().await?.commit());
    table.future("sqlx: rollback", 64, sqlx.begin().await?.rollback());
    let lent = database.with_sqlx(|_: &mut sqlx::SqliteConnection| Box::pin(ready(Ok(()))));
    table.boxed("with_sqlx", 848, lent);
    table.boxed("migrate", 1000, database.migrate(&sqlx::migrate::Migrator::DEFAULT));
    Ok(())
}

fn registry(table: &mut Table, connections: &Connections, database: &Database) {
    table.future("Connections::get", 1080, connections.get("default"));
    table.future("Connections::all", 176, connections.all());
    table.future("Connections::close_all", 128, connections.close_all());
    table.boxed("in_transaction", 1336, connections.in_transaction(None).into_future());
    let run = connections
        .in_transaction(None)
        .run(async |_: Transaction| Ok::<_, ebbtide::Error>(()));
    table.future("in_transaction().run", 1400, run);
    let schema = Schema::new();
    table.future("create_new", 2496, schema.create_new(database));
    table.future("create_all", 2496, schema.create_all(database));
    table.future("drop_all", 2496, schema.drop_all(database));
}

#[tokio::test]
async fn no_future_has_grown() {
    let database = Database::connect("sqlite::memory:").await.unwrap();
    let mut table = Table::default();
    statements(&mut table, &database);
    transactions(&mut table, &database).await.unwrap();
    life_cycle(&mut table, &database);
    bridge(&mut table, &database).await.unwrap();
    let one = Config::from_url("sqlite::memory:").unwrap();
    registry(&mut table, &Connections::init(one).unwrap(), &database);
    table.check();
}
