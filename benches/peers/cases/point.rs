//! A select by primary key: what a pool costs beside the query itself.

use std::future::Future;

use ebbtide::params;

use crate::contenders::{CONNECTIONS, Contenders, key};
use crate::effort::Effort;
use crate::peer::{ITEM, Item, Peer};
use crate::race::{lane, nothing, race};
use crate::report::Report;
use crate::{Failure, Outcome};

/// How many tasks share a pool in the crowded case.
const TASKS: usize = 64;

/// One task after the other.
pub(crate) async fn run<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let Contenders {
        pool,
        unchecked,
        database,
        ..
    } = contenders;
    let mut bare = contenders.bare().await?;
    let mut lanes = [
        lane("bare sqlx connection, held", async |operations| {
            for number in 0..operations {
                check(&P::item(&mut bare, key(number)).await?, key(number))?;
            }
            Ok(())
        }),
        lane("`sqlx::Pool`", async |operations| {
            for number in 0..operations {
                check(&P::item_pooled(pool, key(number)).await?, key(number))?;
            }
            Ok(())
        }),
        lane("`sqlx::Pool`, test_before_acquire(false)", async |operations| {
            for number in 0..operations {
                check(&P::item_pooled(unchecked, key(number)).await?, key(number))?;
            }
            Ok(())
        }),
        lane("ebbtide", async |operations| {
            for number in 0..operations {
                let query = database.fetch_one(ITEM, params! { id: key(number) });
                check(&query.decode().await?, key(number))?;
            }
            Ok(())
        }),
    ];
    let times = race(&mut lanes, effort, 1, 1, nothing).await?;
    report.table("select by primary key, one task", "µs", &times);
    let [bare, pool, _, ebbtide] = times.as_slice() else {
        return Ok(());
    };
    report.at_most("pooled select, beside the bare connection", 1.05, ebbtide.over(bare));
    report.faster("pooled select, beside sqlx::Pool", P::POOLED, pool.over(ebbtide));
    Ok(())
}

/// Many tasks on ten connections.
pub(crate) async fn run_crowded<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(contenders.bare().await?);
    }
    let pooled = |pool: &sqlx::Pool<P>, operations| {
        let pool = pool.clone();
        crowd(operations, move |numbers| {
            let pool = pool.clone();
            async move {
                for number in numbers {
                    check(&P::item_pooled(&pool, key(number)).await?, key(number))?;
                }
                Ok(())
            }
        })
    };
    let mut lanes = [
        lane("10 bare sqlx connections, one task each", async |operations| {
            let mut tasks = Vec::new();
            for (index, mut connection) in held.drain(..).enumerate() {
                tasks.push(tokio::spawn(async move {
                    for number in (index..operations).step_by(CONNECTIONS) {
                        check(&P::item(&mut connection, key(number)).await?, key(number))?;
                    }
                    Ok::<_, Failure>(connection)
                }));
            }
            for task in tasks {
                held.push(task.await??);
            }
            Ok(())
        }),
        lane("`sqlx::Pool`, 64 tasks", async |operations| {
            pooled(&contenders.pool, operations).await
        }),
        lane(
            "`sqlx::Pool`, test_before_acquire(false), 64 tasks",
            async |operations| pooled(&contenders.unchecked, operations).await,
        ),
        lane("ebbtide, 64 tasks", async |operations| {
            let database = contenders.database.clone();
            let tasks = crowd(operations, move |numbers| {
                let database = database.clone();
                async move {
                    for number in numbers {
                        let query = database.fetch_one(ITEM, params! { id: key(number) });
                        check(&query.decode().await?, key(number))?;
                    }
                    Ok(())
                }
            });
            tasks.await
        }),
    ];
    let times = race(&mut lanes, effort, 1, 10 * TASKS, nothing).await?;
    report.table("select by primary key, 64 tasks on 10 connections", "µs", &times);
    Ok(())
}

/// Shares the operations out to the tasks, and waits for them.
async fn crowd<F>(operations: usize, work: impl Fn(std::iter::StepBy<std::ops::Range<usize>>) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(work((task..operations).step_by(TASKS))))
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// A fast wrong answer would be no achievement.
pub(crate) fn check(item: &Item, id: i64) -> Outcome {
    if item.id == id && item.name.len() > 5 {
        return Ok(());
    }
    Err(format!("item {id} was asked for, {item:?} came").into())
}
