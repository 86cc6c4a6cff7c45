//! Transactions that several tasks share.

use std::sync::Arc;

use ebbtide::{ErrorKind, Result};
use tokio::task::yield_now;

use crate::ledger::Record;
use crate::support::Dice;
use crate::world::{INSERT, World, row};

/// Lets a spawned task work in the caller's transaction.
pub(super) async fn shared_and_kept(world: &World, record: &Record, _: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(record.id, 1)).await?;
    let (database, id) = (world.database.clone(), record.id);
    let child = tokio::spawn(transaction.share(async move { database.execute(INSERT, row(id, 2)).await }));
    match child.await {
        Ok(done) => done?,
        // Its runtime ends, and this task with it.
        Err(_) => return Ok(()),
    };
    record.decides(&[1, 2], transaction.commit()).await
}

/// Ends the transaction before the spawned task, which must not write outside of it.
pub(super) async fn shared_and_dropped(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(record.id, 1)).await?;
    let (database, id) = (world.database.clone(), record.id);
    let child = tokio::spawn(transaction.share(async move {
        for part in 2..6 {
            database.execute(INSERT, row(id, part)).await?;
            yield_now().await;
        }
        Ok::<_, ebbtide::Error>(())
    }));
    for _ in 0..dice.roll(8) {
        yield_now().await;
    }
    if dice.roll(2) == 0 {
        transaction.rollback().await?;
    }
    drop(transaction);
    match child.await {
        Ok(Err(error)) if error.kind() != ErrorKind::TransactionEnded => Err(error),
        _ => Ok(()),
    }
}

/// Aborts a task in the middle of its transaction.
pub(super) async fn aborted_task(world: &World, record: &Arc<Record>, mut dice: Dice) -> Result<()> {
    let (database, own) = (world.database.clone(), Arc::clone(record));
    let child = tokio::spawn(async move {
        let transaction = database.transaction().await?;
        transaction.execute(INSERT, row(own.id, 1)).await?;
        own.decides(&[1], transaction.commit()).await
    });
    for _ in 0..dice.roll(20) {
        yield_now().await;
    }
    child.abort();
    match child.await {
        Ok(result) => result,
        Err(_) => Ok(()),
    }
}
