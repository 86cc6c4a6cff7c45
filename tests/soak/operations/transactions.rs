//! Transactions: guards, closures, savepoints.

use std::sync::Arc;

use ebbtide::{Config, Error, ErrorKind, IsolationLevel, Result, Transaction, params};
use futures::TryStreamExt as _;

use super::plain::read;
use crate::ledger::Record;
use crate::support::Dice;
use crate::world::{INSERT, LAST, ROWS, World, row};

/// A part that must never be kept.
const UNDONE: i64 = 9;

/// Returns an error to end a closure with.
fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

/// Queries the record's own number in the transaction.
async fn ask(world: &World, record: &Record, transaction: &Transaction) -> Result<()> {
    let answer = transaction
        .fetch_value::<i64>("select :id + 0", params! { id: record.id })
        .await?;
    world.same("an answer in a transaction", answer, record.id);
    Ok(())
}

fn call_after(record: &Arc<Record>, transaction: &Transaction) -> Result<()> {
    let called = Arc::clone(record);
    transaction.on_commit(async move || called.call())
}

/// Uses a guard, in whose transaction the plain calls of its task run.
pub(super) async fn guard(world: &World, record: &Arc<Record>, _: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    call_after(record, &transaction)?;
    transaction.execute(INSERT, row(record.id, 1)).await?;
    world.database.execute(INSERT, row(record.id, 2)).await?;
    ask(world, record, &transaction).await?;
    record.decides(&[1, 2], transaction.commit()).await
}

/// Drops a guard without ending it.
pub(super) async fn guard_dropped(world: &World, record: &Record, _: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(record.id, UNDONE)).await?;
    let inner = transaction.transaction().await?;
    inner.execute(INSERT, row(record.id, UNDONE)).await?;
    ask(world, record, &inner).await
}

/// Rolls a guard back.
pub(super) async fn guard_rolled_back(world: &World, record: &Record, _: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(record.id, UNDONE)).await?;
    transaction.rollback().await
}

/// Runs a closure that succeeds.
pub(super) async fn closure(world: &World, record: &Arc<Record>, _: Dice) -> Result<()> {
    let parts = [1, 2];
    let done = world.database.transaction().run(async |transaction: Transaction| {
        call_after(record, &transaction)?;
        transaction.execute(INSERT, row(record.id, 1)).await?;
        world.database.execute(INSERT, row(record.id, 2)).await?;
        ask(world, record, &transaction).await?;
        record.may_keep(&parts);
        Ok(())
    });
    let done = done.await;
    record.note_result(&done, &parts);
    done
}

/// Runs a closure that returns an error.
pub(super) async fn closure_undone(world: &World, record: &Record, _: Dice) -> Result<()> {
    let done = world
        .database
        .transaction()
        .run(async |transaction: Transaction| -> Result<()> {
            transaction.execute(INSERT, row(record.id, UNDONE)).await?;
            Err(undo())
        });
    match done.await {
        Err(error) if error.kind() == ErrorKind::Url => Ok(()),
        other => other,
    }
}

/// Uses savepoints: one undone, one dropped, one kept.
pub(super) async fn nested(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let outer = world.database.transaction().await?;
    outer.execute(INSERT, row(record.id, 1)).await?;
    let inner = world.database.transaction().await?;
    inner.execute(INSERT, row(record.id, UNDONE)).await?;
    let innermost = inner.transaction().await?;
    innermost.execute(INSERT, row(record.id, UNDONE)).await?;
    innermost.commit().await?;
    if dice.roll(2) == 0 {
        inner.rollback().await?;
    } else {
        drop((innermost, inner));
    }
    let kept = outer.transaction().await?;
    kept.execute(INSERT, row(record.id, 2)).await?;
    kept.commit().await?;
    ask(world, record, &outer).await?;
    record.decides(&[1, 2], outer.commit()).await
}

/// Runs closures side by side in a closure.
pub(super) async fn joined_closures(world: &World, record: &Record, _: Dice) -> Result<()> {
    let parts = [1, 2, 3];
    let inner = async |part: i64| {
        let run = world.database.transaction().run(async |transaction: Transaction| {
            transaction.execute(INSERT, row(record.id, part)).await?;
            ask(world, record, &transaction).await
        });
        run.await
    };
    let done = world.database.transaction().run(async |transaction: Transaction| {
        transaction.execute(INSERT, row(record.id, 1)).await?;
        futures::try_join!(inner(2), inner(3))?;
        record.may_keep(&parts);
        Ok(())
    });
    let done = done.await;
    record.note_result(&done, &parts);
    done
}

/// Runs a failing statement in a nested transaction, and one in the outer.
pub(super) async fn failed_statement(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(record.id, 1)).await?;
    let inner = transaction.transaction().await?;
    let failed = inner.execute("select no_such_column from ledger", ()).await;
    world.same("whether a wrong statement failed", i64::from(failed.is_err()), 1);
    drop(inner);
    let fails = dice.roll(2) == 0;
    if fails {
        let _ = transaction.execute("select no_such_column from ledger", ()).await;
    }
    match record.decides(&[1], transaction.commit()).await {
        Err(error) if fails && error.kind() == ErrorKind::TransactionAborted && world.backend.is_postgres() => Ok(()),
        result => result,
    }
}

/// Reads half of a stream in a transaction.
pub(super) async fn stream_in_transaction(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(record.id, 1)).await?;
    let mut stream = transaction.iterate(ROWS, params! { id: record.id });
    read(world, record, &mut stream, 1, dice.roll(LAST as u64) as i64).await?;
    drop(stream);
    transaction.execute(INSERT, row(record.id, 2)).await?;
    record.decides(&[1, 2], transaction.commit()).await
}

/// Tries to write in a read-only transaction.
pub(super) async fn read_only(world: &World, record: &Record, _: Dice) -> Result<()> {
    let transaction = world.database.transaction().read_only().await?;
    let rows: Vec<_> = transaction
        .iterate(ROWS, params! { id: record.id })
        .try_collect()
        .await?;
    world.same("rows of a reader", rows.len() as i64, LAST);
    match transaction.execute(INSERT, row(record.id, UNDONE)).await {
        Ok(_) => world.ledger.fault("a reader has written"),
        Err(error) if error.kind() == ErrorKind::ReadOnly => {}
        Err(error) => return Err(error),
    }
    transaction.rollback().await
}

/// Runs a transaction with an isolation level of its own.
pub(super) async fn isolated(world: &World, record: &Record, _: Dice) -> Result<()> {
    let begin = world.database.transaction().isolation(IsolationLevel::Serializable);
    let transaction = begin.await?;
    transaction.execute(INSERT, row(record.id, 1)).await?;
    record.decides(&[1], transaction.commit()).await
}

/// Runs a closure that is repeated if the server aborts it.
pub(super) async fn retried(world: &World, record: &Arc<Record>, _: Dice) -> Result<()> {
    let parts = [1, 2];
    let done = world
        .database
        .transaction()
        .retry()
        .attempts(5)
        .run(async |transaction: Transaction| {
            call_after(record, &transaction)?;
            transaction.execute(INSERT, row(record.id, 1)).await?;
            transaction.execute(INSERT, row(record.id, 2)).await?;
            record.may_keep(&parts);
            Ok(())
        });
    let done = done.await;
    record.note_result(&done, &parts);
    done
}

/// Begins a transaction by SQL text on a connection that is then released.
pub(super) async fn by_hand(world: &World, record: &Record, _: Dice) -> Result<()> {
    let connection = world.database.connection();
    connection.execute("begin", ()).await?;
    connection.execute(INSERT, row(record.id, UNDONE)).await?;
    let answer = connection
        .fetch_value::<i64>("select :id + 0", params! { id: record.id })
        .await?;
    world.same("an answer in a transaction by hand", answer, record.id);
    Ok(())
}
