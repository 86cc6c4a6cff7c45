//! Inserting ten thousand rows.

use ebbtide::params;
use sqlx::Connection;

use crate::Outcome;
use crate::contenders::Contenders;
use crate::effort::Effort;
use crate::peer::{ENTER, Peer, ROWS};
use crate::race::{lane, race};
use crate::report::Report;

/// How many rows sqlx is given at once: more are hardly faster, and this is far below every limit.
const AT_ONCE: usize = 1_000;

pub(crate) async fn run<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let database = &contenders.database;
    let amounts: Vec<i64> = (0..ROWS).collect();
    let mut bare = contenders.bare().await?;
    let mut chunked = contenders.bare().await?;
    let mut lanes = [
        lane("sqlx, a loop of `execute` in a transaction", async |operations| {
            for _ in 0..operations {
                let mut transaction = bare.begin().await?;
                for amount in &amounts {
                    P::enter(&mut transaction, *amount).await?;
                }
                transaction.commit().await?;
            }
            Ok(())
        }),
        lane("sqlx, `push_values` of 1,000 rows", async |operations| {
            for _ in 0..operations {
                let mut transaction = chunked.begin().await?;
                for amounts in amounts.chunks(AT_ONCE) {
                    P::enter_many(&mut transaction, amounts).await?;
                }
                transaction.commit().await?;
            }
            Ok(())
        }),
        lane("ebbtide, a loop of `execute` in a transaction", async |operations| {
            for _ in 0..operations {
                let transaction = database.transaction().await?;
                for amount in &amounts {
                    let entry = params! { label: "an entry", amount: *amount };
                    transaction.execute(ENTER, entry).await?;
                }
                transaction.commit().await?;
            }
            Ok(())
        }),
        lane("ebbtide, `execute_many`", async |operations| {
            for _ in 0..operations {
                let entries = amounts
                    .iter()
                    .map(|amount| params! { label: "an entry", amount: *amount });
                let done = database.execute_many(ENTER, entries).await?;
                if done.rows_affected != ROWS as u64 {
                    return Err(format!("{} rows were inserted", done.rows_affected).into());
                }
            }
            Ok(())
        }),
    ];
    let times = race(&mut lanes, effort, ROWS as usize, 1, async || contenders.empty().await).await?;
    report.table("inserting 10,000 rows", "µs a row", &times);
    Ok(())
}
