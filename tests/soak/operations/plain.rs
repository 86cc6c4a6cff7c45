//! Statements outside of transactions, and streams.

use std::future::IntoFuture as _;
use std::time::Duration;

use ebbtide::{ErrorKind, Result, RowStream, params};
use futures::TryStreamExt as _;

use crate::ledger::Record;
use crate::support::Dice;
use crate::world::{INSERT, INSERT_EACH, LAST, ROWS, World, row};

/// Runs one INSERT.
pub(super) async fn statement(world: &World, record: &Record, _: Dice) -> Result<()> {
    let done = record
        .decides(&[1], world.database.execute(INSERT, row(record.id, 1)))
        .await?;
    world.same("rows of one INSERT", done.rows_affected as i64, 1);
    Ok(())
}

/// Reads all rows of a query.
pub(super) async fn rows(world: &World, record: &Record, _: Dice) -> Result<()> {
    let rows = world
        .database
        .fetch_all(ROWS, params! { id: record.id })
        .deserialize::<(i64, i64)>()
        .await?;
    world.same("rows of a query", rows.len() as i64, LAST);
    for (number, (at, id)) in rows.into_iter().enumerate() {
        world.same("a row's number", at, number as i64 + 1);
        world.same("a row's id", id, record.id);
    }
    Ok(())
}

/// Runs an INSERT that returns its row, where the server supports that.
pub(super) async fn returning(world: &World, record: &Record, dice: Dice) -> Result<()> {
    if !world.returning {
        return statement(world, record, dice).await;
    }
    let sql = "insert into ledger (id, part) values (:id, 1) returning id";
    let id: i64 = record
        .decides(&[1], world.database.fetch_value(sql, params! { id: record.id }))
        .await?;
    world.same("the row that was returned", id, record.id);
    Ok(())
}

/// Writes many rows in one statement.
pub(super) async fn many(world: &World, record: &Record, _: Dice) -> Result<()> {
    let rows = (1..=5).map(|part| row(record.id, part));
    let done = record
        .decides(&[1, 2, 3, 4, 5], world.database.execute_many(INSERT, rows))
        .await?;
    world.same("rows of many", done.rows_affected as i64, 5);
    Ok(())
}

/// Writes many rows in a transaction that `execute_many` begins.
pub(super) async fn many_one_by_one(world: &World, record: &Record, _: Dice) -> Result<()> {
    let rows = (1..=3).map(|part| row(record.id, part));
    let done = record
        .decides(&[1, 2, 3], world.database.execute_many(INSERT_EACH, rows))
        .await?;
    world.same("rows of many, one by one", done.rows_affected as i64, 3);
    Ok(())
}

/// Reads the rows from `from` to `to` of a stream of [`ROWS`].
pub(super) async fn read(world: &World, record: &Record, rows: &mut RowStream, from: i64, to: i64) -> Result<()> {
    for number in from..=to {
        let Some(row) = rows.try_next().await? else {
            world.same("the length of a stream", number, to);
            return Ok(());
        };
        world.same("a streamed row's number", row.get::<i64>(0)?, number);
        world.same("a streamed row's id", row.get::<i64>(1)?, record.id);
    }
    Ok(())
}

/// Drops a stream half-way, then runs a statement on its connection.
pub(super) async fn stream_then_statement(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let connection = world.database.connection();
    let mut stream = connection.iterate(ROWS, params! { id: record.id });
    read(world, record, &mut stream, 1, dice.roll(LAST as u64) as i64).await?;
    drop(stream);
    match record
        .decides(&[1], connection.execute(INSERT, row(record.id, 1)))
        .await
    {
        // MySQL's driver cannot always continue to read, and then the connection is given up.
        Err(error) if error.kind() == ErrorKind::ConnectionLost && world.backend.is_mysql() => Ok(()),
        result => result.map(drop),
    }
}

/// Runs a statement on the connection of an open stream, whose rows are buffered meanwhile.
pub(super) async fn statement_beside_stream(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let connection = world.database.connection();
    let mut stream = connection.iterate(ROWS, params! { id: record.id });
    let half = dice.roll(LAST as u64) as i64;
    read(world, record, &mut stream, 1, half).await?;
    record
        .decides(&[1], connection.execute(INSERT, row(record.id, 1)))
        .await?;
    read(world, record, &mut stream, half + 1, LAST).await?;
    world.same(
        "what comes after the last row",
        i64::from(stream.try_next().await?.is_some()),
        0,
    );
    Ok(())
}

/// Runs a statement with a time limit that may be too short.
pub(super) async fn time_limit(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let limit = Duration::from_micros(100 << dice.roll(9));
    record
        .decides(&[1], world.database.execute(INSERT, row(record.id, 1)).timeout(limit))
        .await?;
    Ok(())
}

/// Runs three queries of one task at the same time.
pub(super) async fn joined_reads(world: &World, record: &Record, _: Dice) -> Result<()> {
    let ask = |plus: i64| {
        world
            .database
            .fetch_value::<i64>("select :id + 0", params! { id: record.id * 3 + plus })
            .into_future()
    };
    let (one, two, three) = futures::try_join!(ask(0), ask(1), ask(2))?;
    for (plus, answer) in [one, two, three].into_iter().enumerate() {
        world.same("an answer beside others", answer, record.id * 3 + plus as i64);
    }
    Ok(())
}
