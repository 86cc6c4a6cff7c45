//! Operations of sqlx, on the library's connections.

use ebbtide::{AssertSqlSafe, Error, Result};
use futures::TryStreamExt as _;
use sqlx::{Connection as _, Row as _};

use crate::ledger::Record;
use crate::support::{Dice, with_db};
use crate::world::{INSERT, LAST, World, row};

/// The driver's connection.
type Raw<DB> = <DB as sqlx::Database>::Connection;

/// A factor so large that the number needs 64 bits, and PostgreSQL infers that type.
const WIDE: i64 = 1 << 40;

/// Returns the statement with the placeholders of the backend.
fn marked(world: &World, sql: &str) -> AssertSqlSafe<String> {
    let (one, two) = if world.backend.is_mysql() {
        ("?", "?")
    } else {
        ("$1", "$2")
    };
    AssertSqlSafe(sql.replace(":id", one).replace(":part", two))
}

fn insert(world: &World) -> AssertSqlSafe<String> {
    marked(world, INSERT)
}

/// Runs a statement of sqlx, outside of transactions.
pub(super) async fn native_statement(world: &World, record: &Record, _: Dice) -> Result<()> {
    with_db!(world.backend, {
        let sqlx = world.database.sqlx::<DB>()?;
        let insert = sqlx::query(insert(world)).bind(record.id).bind(1_i64).execute(&sqlx);
        let done = record
            .decides(&[1], async { insert.await.map_err(Error::from) })
            .await?;
        world.same("rows of sqlx", done.rows_affected() as i64, 1);
    });
    Ok(())
}

/// Reads half of a stream of sqlx, then runs a statement on its connection.
pub(super) async fn native_stream(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let sql = marked(world, crate::world::ROWS);
    let connection = world.database.connection();
    with_db!(world.backend, {
        let sqlx = connection.sqlx::<DB>()?;
        let mut rows = sqlx::query(sql).bind(record.id).fetch(&sqlx);
        for _ in 0..dice.roll(LAST as u64 + 2) {
            let Some(row) = rows.try_next().await? else { break };
            world.same("a row of sqlx", row.try_get::<i64, _>(1)?, record.id);
        }
    });
    record
        .decides(&[1], connection.execute(INSERT, row(record.id, 1)))
        .await?;
    Ok(())
}

/// Runs a transaction of sqlx, with a stream in it.
pub(super) async fn native_transaction(world: &World, record: &Record, mut dice: Dice) -> Result<()> {
    let sql = marked(world, crate::world::ROWS);
    with_db!(world.backend, {
        let mut transaction = world.database.sqlx::<DB>()?.begin().await?;
        let one = sqlx::query(insert(world)).bind(record.id).bind(1_i64);
        one.execute(&mut *transaction).await?;
        {
            let mut rows = sqlx::query(sql).bind(record.id).fetch(&mut *transaction);
            for _ in 0..dice.roll(9) {
                let Some(row) = rows.try_next().await? else { break };
                world.same("a row of sqlx in a transaction", row.try_get::<i64, _>(1)?, record.id);
            }
        }
        if dice.roll(3) == 0 {
            transaction.rollback().await?;
        } else {
            record
                .decides(&[1], async { transaction.commit().await.map_err(Error::from) })
                .await?;
        }
    });
    Ok(())
}

/// Uses the driver's own connection, outside of transactions.
pub(super) async fn lent(world: &World, record: &Record, _: Dice) -> Result<()> {
    let (sql, id) = (insert(world), record.id);
    with_db!(world.backend, {
        let lent = world.database.with_sqlx(move |connection: &mut Raw<DB>| {
            Box::pin(async move {
                let answer: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select {}", id + WIDE)))
                    .fetch_one(&mut *connection)
                    .await?;
                sqlx::query(sql).bind(id).bind(1_i64).execute(connection).await?;
                Ok(answer)
            })
        });
        let answer = record.decides(&[1], lent).await?;
        world.same("an answer on a lent connection", answer, id + WIDE);
    });
    Ok(())
}

/// Uses the driver's own connection in a transaction.
pub(super) async fn lent_in_transaction(world: &World, record: &Record, _: Dice) -> Result<()> {
    let (sql, id) = (insert(world), record.id);
    let transaction = world.database.transaction().await?;
    transaction.execute(INSERT, row(id, 1)).await?;
    with_db!(world.backend, {
        let lent = world.database.with_sqlx(move |connection: &mut Raw<DB>| {
            Box::pin(async move {
                let mut nested = connection.begin().await?;
                sqlx::query(sql).bind(id).bind(2_i64).execute(&mut *nested).await?;
                nested.commit().await
            })
        });
        lent.await?;
    });
    record.decides(&[1, 2], transaction.commit()).await
}

/// Begins a transaction on the driver's own connection and leaves it open.
pub(super) async fn lent_and_left_open(world: &World, record: &Record, _: Dice) -> Result<()> {
    let (sql, id) = (insert(world), record.id);
    with_db!(world.backend, {
        let lent = world.database.with_sqlx(move |connection: &mut Raw<DB>| {
            Box::pin(async move {
                let mut open = connection.begin().await?;
                sqlx::query(sql).bind(id).bind(9_i64).execute(&mut *open).await?;
                Ok(())
            })
        });
        lent.await
    })
}
