//! Ten thousand rows of five columns into structs.

use crate::Outcome;
use crate::contenders::Contenders;
use crate::effort::Effort;
use crate::peer::{Peer, RECORDS, ROWS, Record, TIMELESS, Timeless};
use crate::race::{lane, nothing, race};
use crate::report::Report;

pub(crate) async fn run<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    whole(contenders, effort, report).await?;
    timeless(contenders, effort, report).await
}

async fn whole<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let database = &contenders.database;
    let mut bare = contenders.bare().await?;
    let mut lanes = [
        lane("sqlx `query_as`, bare connection", async |operations| {
            for _ in 0..operations {
                check(&P::records(&mut bare).await?)?;
            }
            Ok(())
        }),
        lane("ebbtide, `decode` (FromRow)", async |operations| {
            for _ in 0..operations {
                check(&database.fetch_all(RECORDS, ()).decode::<Record>().await?)?;
            }
            Ok(())
        }),
        lane("ebbtide, `deserialize` (serde)", async |operations| {
            for _ in 0..operations {
                check(&database.fetch_all(RECORDS, ()).deserialize::<Record>().await?)?;
            }
            Ok(())
        }),
        lane("ebbtide, rows as they are", async |operations| {
            for _ in 0..operations {
                check(&database.fetch_all(RECORDS, ()).await?)?;
            }
            Ok(())
        }),
    ];
    let times = race(&mut lanes, effort, ROWS as usize, 1, nothing).await?;
    report.table("10,000 rows of five columns", "µs a row", &times);
    if let [bare, decode, deserialize, _] = times.as_slice() {
        report.at_most("10,000 rows by FromRow, beside query_as", 1.05, decode.over(bare));
        report.at_most("10,000 rows by serde, beside query_as", 1.4, deserialize.over(bare));
    }
    Ok(())
}

/// Without the timestamp, which serde takes as text.
async fn timeless<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let database = &contenders.database;
    let mut bare = contenders.bare().await?;
    let mut lanes = [
        lane("sqlx `query_as`, bare connection", async |operations| {
            for _ in 0..operations {
                check(&P::timeless(&mut bare).await?)?;
            }
            Ok(())
        }),
        lane("ebbtide, `decode` (FromRow)", async |operations| {
            for _ in 0..operations {
                check(&database.fetch_all(TIMELESS, ()).decode::<Timeless>().await?)?;
            }
            Ok(())
        }),
        lane("ebbtide, `deserialize` (serde)", async |operations| {
            for _ in 0..operations {
                check(&database.fetch_all(TIMELESS, ()).deserialize::<Timeless>().await?)?;
            }
            Ok(())
        }),
    ];
    let times = race(&mut lanes, effort, ROWS as usize, 1, nothing).await?;
    report.table("10,000 rows of four columns, without the timestamp", "µs a row", &times);
    Ok(())
}

fn check<T>(rows: &[T]) -> Outcome {
    if rows.len() == ROWS as usize {
        return Ok(());
    }
    Err(format!("{} rows came", rows.len()).into())
}
