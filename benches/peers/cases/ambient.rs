//! A statement inside a transaction that is open: what finding the transaction of the task costs.

use ebbtide::params;
use sqlx::Connection;

use super::point::check;
use crate::Outcome;
use crate::contenders::{Contenders, key};
use crate::effort::Effort;
use crate::peer::{ITEM, Peer};
use crate::race::{lane, nothing, race};
use crate::report::Report;

pub(crate) async fn run<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let database = &contenders.database;
    let mut bare = contenders.bare().await?;
    let mut open = bare.begin().await?;
    let transaction = database.transaction().await?;
    let mut lanes = [
        lane("sqlx transaction on a bare connection", async |operations| {
            for number in 0..operations {
                check(&P::item(&mut open, key(number)).await?, key(number))?;
            }
            Ok(())
        }),
        lane("ebbtide, through the guard", async |operations| {
            for number in 0..operations {
                let query = transaction.fetch_one(ITEM, params! { id: key(number) });
                check(&query.decode().await?, key(number))?;
            }
            Ok(())
        }),
        lane("ebbtide, through the database", async |operations| {
            for number in 0..operations {
                let query = database.fetch_one(ITEM, params! { id: key(number) });
                check(&query.decode().await?, key(number))?;
            }
            Ok(())
        }),
    ];
    let times = race(&mut lanes, effort, 1, 1, nothing).await?;
    report.table("select by primary key inside an open transaction", "µs", &times);
    drop(lanes);
    transaction.rollback().await?;
    Ok(())
}
