//! Checks after the storm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ebbtide::{AssertSqlSafe, Result};
use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use crate::arena::Arena;
use crate::backends::Backend;
use crate::operations::KINDS;
use crate::world::World;

/// The time that the pool may take to clean up.
const CLEANED: Duration = Duration::from_secs(15);

/// Checks everything after a round; an error lists all that is wrong.
pub(crate) async fn of_round(world: &Arc<World>, arena: &Arena) -> Result<(), String> {
    let looked = async {
        if let Some(weather) = &world.weather {
            weather.has_passed(world).await?;
        }
        nothing_is_in_use(world).await?;
        arena.until_idle().await?;
        let sql = format!(
            "select id * 100 + part from ledger where id >= {}",
            world.ledger.first()
        );
        world.ledger.settle(&numbers(world, arena, &sql).await?);
        all_serve_at_once(world).await?;
        nothing_has_changed(world, arena).await
    };
    let looked: Result<(), String> = looked.await;
    fail_on_faults(world, looked)
}

/// Checks what is left after the last round.
pub(crate) async fn of_all(world: &Arc<World>, arena: &Arena) -> Result<(), String> {
    let looked = async {
        if let Some(weather) = &world.weather {
            weather.was_felt()?;
        }
        for kind in KINDS
            .iter()
            .filter(|kind| world.weather.is_none() && (world.takes_sqlx() || !kind.sqlx))
        {
            let (kept, cut) = world.ledger.kept_and_cut(kind.name);
            if kind.keeps && kept == 0 || cut == 0 {
                let name = kind.name;
                return Err(format!(
                    "`{name}` was kept {kept} times and cut off {cut} times, so nothing is known of it"
                ));
            }
        }
        match timeout(CLEANED, world.database.disconnect()).await {
            Ok(Ok(true)) => arena.until_deserted().await?,
            other => return Err(format!("disconnect: {other:?}")),
        }
        match world.backend {
            // The database no longer exists.
            Backend::SqliteMemory => Ok(()),
            _ => nothing_has_changed(world, arena).await,
        }
    };
    let looked: Result<(), String> = looked.await;
    fail_on_faults(world, looked)
}

/// Checks that the rows are still those that were settled.
async fn nothing_has_changed(world: &World, arena: &Arena) -> Result<(), String> {
    let count = numbers(world, arena, "select count(*) from ledger").await?[0];
    if count as usize != world.ledger.rows() {
        let all = numbers(world, arena, "select id * 100 + part from ledger").await?;
        world.ledger.settle_late(&all);
        if all.len() != world.ledger.rows() {
            return Err("a row is there twice".to_owned());
        }
    }
    Ok(())
}

fn fail_on_faults(world: &World, looked: Result<(), String>) -> Result<(), String> {
    let mut faults = world.ledger.faults();
    faults.extend(looked.err());
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(20);
    faults.truncate(20);
    Err(format!("{}\n({more} more)", faults.join("\n")))
}

async fn nothing_is_in_use(world: &World) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let status = world.database.status().map_err(|error| error.to_string())?;
        if status.in_use == 0 && status.waiting == 0 && status.size == status.idle {
            return Ok(());
        }
        if began.elapsed() > CLEANED {
            return Err(format!(
                "a place in the pool is lost: {status:?} {:?}",
                world.database.open_handles()
            ));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Returns numbers computed from the committed rows.
async fn numbers(world: &World, arena: &Arena, sql: &str) -> Result<Vec<i64>, String> {
    if world.backend == Backend::SqliteMemory {
        let rows = world.database.fetch_all(AssertSqlSafe(sql), ()).decode::<(i64,)>();
        let rows = rows.await.map_err(|error| format!("{error:?}"))?;
        return Ok(rows.into_iter().map(|(number,)| number).collect());
    }
    let mut side = arena.side().await;
    let numbers = side.numbers(sql).await.map_err(|error| error.to_string())?;
    side.close().await.map_err(|error| error.to_string())?;
    Ok(numbers)
}

/// Checks that as many tasks as the pool has places can have a connection each at the same time.
async fn all_serve_at_once(world: &Arc<World>) -> Result<(), String> {
    let limit = world.database.status().map_err(|error| error.to_string())?.limit;
    let barrier = Arc::new(Barrier::new(limit));
    let tasks = (0..limit as i64).map(|number| {
        let (world, barrier) = (Arc::clone(world), Arc::clone(&barrier));
        tokio::spawn(async move {
            let connection = world.database.connection();
            let ask = || AssertSqlSafe(format!("select {number}"));
            let first: i64 = loop {
                match connection.fetch_value(ask(), ()).await {
                    // An idle connection may have been cut before the lines were good again.
                    Err(error) if world.weather.as_ref().is_some_and(|weather| weather.explains(&error)) => {}
                    first => break first?,
                }
            };
            world.same("the first of all at once", first, number);
            barrier.wait().await;
            let second: i64 = connection.fetch_value(ask(), ()).await?;
            world.same("the second of all at once", second, number);
            Ok::<_, ebbtide::Error>(())
        })
    });
    let all = futures::future::join_all(tasks.collect::<Vec<_>>());
    let all = timeout(CLEANED, all)
        .await
        .map_err(|_| format!("the pool does not serve {limit} at once"))?;
    for one in all {
        one.map_err(|error| error.to_string())?
            .map_err(|error| format!("{error:?}"))?;
    }
    nothing_is_in_use(world).await
}
