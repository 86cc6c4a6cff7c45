//! Whole databases: sandboxes, and pools that come and go.

use ebbtide::{Database, Result, Transaction, params};

use crate::backends::Backend;
use crate::ledger::Record;
use crate::support::Dice;
use crate::world::{COUNT, INSERT, World, row};

/// Uses a sandbox, of which nothing may be kept.
pub(super) async fn sandbox(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let sandbox = world.database.sandbox().await?;
    sandbox.execute(INSERT, row(record.id, 1)).await?;
    let inside = sandbox.transaction().run(async |transaction: Transaction| {
        transaction.execute(INSERT, row(record.id, 2)).await?;
        sandbox.execute(INSERT, row(record.id, 3)).await
    });
    inside.await?;
    let undone = sandbox.transaction().await?;
    undone.execute(INSERT, row(record.id, 4)).await?;
    drop(undone);
    let count: i64 = sandbox.fetch_value(COUNT, params! { id: record.id }).await?;
    world.same("rows in a sandbox", count, 3);
    if dice.roll(2) == 0 {
        sandbox.disconnect().await?;
    }
    Ok(())
}

/// Lets several tasks use a sandbox.
pub(super) async fn sandbox_of_many(world: &World, record: &Record, _: Dice) -> Result<()> {
    let sandbox = world.database.sandbox().await?;
    let mut tasks = tokio::task::JoinSet::new();
    for part in 1..=4 {
        let (sandbox, id) = (sandbox.clone(), record.id);
        tasks.spawn(async move {
            let transaction = sandbox.transaction().await?;
            transaction.execute(INSERT, row(id, part)).await?;
            transaction.commit().await
        });
    }
    while let Some(task) = tasks.join_next().await {
        match task {
            Ok(done) => done?,
            // Its runtime ends, and this task with it.
            Err(_) => return Ok(()),
        }
    }
    let count: i64 = sandbox.fetch_value(COUNT, params! { id: record.id }).await?;
    world.same("rows of many in a sandbox", count, 4);
    Ok(())
}

/// Uses a database with a pool of its own, which is then closed or dropped.
pub(super) async fn own_pool(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let own = Database::connect(&world.config).await?;
    let answer: i64 = own.fetch_value("select :id + 0", params! { id: record.id }).await?;
    world.same("an answer of a new pool", answer, record.id);
    // In memory it is another database.
    if world.backend != Backend::SqliteMemory {
        let transaction = own.transaction().await?;
        transaction.execute(INSERT, row(record.id, 1)).await?;
        record.decides(&[1], transaction.commit()).await?;
    }
    if dice.roll(2) == 0 {
        own.disconnect().await?;
    }
    Ok(())
}
