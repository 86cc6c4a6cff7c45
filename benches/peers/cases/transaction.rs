//! Begin, insert, commit.

use ebbtide::params;
use sqlx::{Connection, Pool};

use crate::Outcome;
use crate::contenders::Contenders;
use crate::effort::Effort;
use crate::peer::{ENTER, Peer};
use crate::race::{lane, race};
use crate::report::Report;

pub(crate) async fn run<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let database = &contenders.database;
    let mut bare = contenders.bare().await?;
    let mut lanes = [
        lane("bare sqlx connection, held", async |operations| {
            for number in 0..operations {
                let mut transaction = bare.begin().await?;
                P::enter(&mut transaction, number as i64).await?;
                transaction.commit().await?;
            }
            Ok(())
        }),
        lane("`sqlx::Pool`", async |operations| {
            pooled(&contenders.pool, operations).await
        }),
        lane("`sqlx::Pool`, test_before_acquire(false)", async |operations| {
            pooled(&contenders.unchecked, operations).await
        }),
        lane("ebbtide, guard", async |operations| {
            for number in 0..operations {
                let transaction = database.transaction().await?;
                let entry = params! { label: "an entry", amount: number as i64 };
                transaction.execute(ENTER, entry).await?;
                transaction.commit().await?;
            }
            Ok(())
        }),
        lane("ebbtide, `run`", async |operations| {
            for number in 0..operations {
                let entry = params! { label: "an entry", amount: number as i64 };
                let transaction = database.transaction();
                transaction
                    .run(async |transaction| transaction.execute(ENTER, entry).await)
                    .await?;
            }
            Ok(())
        }),
    ];
    let times = race(&mut lanes, effort, 1, 1, async || contenders.empty().await).await?;
    report.table("begin, insert, commit", "µs", &times);
    let [_, pool, _, guard, _] = times.as_slice() else {
        return Ok(());
    };
    if let Some(limit) = P::COMMITTED {
        report.faster("begin, insert, commit, beside sqlx::Pool", limit, pool.over(guard));
    }
    Ok(())
}

async fn pooled<P: Peer>(pool: &Pool<P>, operations: usize) -> Outcome {
    for number in 0..operations {
        let mut transaction = pool.begin().await?;
        P::enter(&mut transaction, number as i64).await?;
        transaction.commit().await?;
    }
    Ok(())
}
