//! The storm: operations on several runtimes at once, each cut off at a random place.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ebbtide::Error;
use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::arena::Arena;
use crate::effort::{Effort, seed};
use crate::operations::{KINDS, Running};
use crate::support::{Cluster, Dice, Test, cut};
use crate::weather::Weather;
use crate::world::World;
use crate::{aftermath, operations};

/// The time after which an operation counts as hanging; longer than any wait for a connection.
const HANGS: Duration = Duration::from_mins(1);

/// Number of tasks on the runtime with several threads, and of operations of each in a round.
const MANY: (u64, u64) = (8, 40);
/// The same on a runtime with one thread.
const FEW: (u64, u64) = (5, 25);
/// Number of runtimes that are shut down, and of tasks on each of them.
const DYING: (u64, u64) = (12, 4);
/// Number of tasks that begin an operation at the same time.
const FLOOD: u64 = 5_000;

/// Runs the storm and the checks after each of its rounds.
pub(crate) async fn storm(t: Test) -> Result<(), String> {
    let arena = Arena::new(&t).await;
    under(t, &arena, None, Effort::from_environment()).await
}

/// Runs the storm over connections that are cut, reset, held up and ended by the server.
pub(crate) async fn over_bad_lines(t: Test) -> Result<(), String> {
    let arena = Arena::new(&t).await;
    let weather = Weather::of_lines(arena.url());
    under(t, &arena, Some(weather), Effort::from_environment().part()).await
}

/// Runs the storm on a server that is killed and started again.
pub(crate) async fn over_a_killed_server(t: Test) -> Result<(), String> {
    let cluster = Cluster::start(0).await;
    let arena = Arena::elsewhere(t.backend(), t.by_driver(&cluster.primary.url()));
    let weather = Weather::of_server(cluster);
    under(t, &arena, Some(weather), Effort::from_environment().part()).await
}

/// Lets thousands of tasks wait for few connections, and drops many of them.
pub(crate) async fn flood(t: Test) -> Result<(), String> {
    let arena = Arena::new(&t).await;
    let world = World::new(t.backend(), &arena, None)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let world = Arc::new(world);
    let mut dice = Dice::new(seed());
    println!("{}: EBBTIDE_SOAK_SEED={}", t.name(), seed());
    let tasks = (0..FLOOD).map(|_| tokio::spawn(work(Arc::clone(&world), fork(&mut dice), Some(1))));
    for task in join_all(tasks.collect::<Vec<_>>()).await {
        task.map_err(|error| format!("a task of the flood: {error}"))?;
    }
    aftermath::of_round(&world, &arena).await?;
    println!("{}: {FLOOD} tasks\n{}", t.name(), world.ledger.summary());
    Ok(())
}

async fn under(t: Test, arena: &Arena, weather: Option<Weather>, effort: Effort) -> Result<(), String> {
    let seed = seed();
    println!("{}: EBBTIDE_SOAK_SEED={seed}", t.name());
    let world = World::new(t.backend(), arena, weather)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let world = Arc::new(world);
    let (began, mut rounds) = (Instant::now(), 0);
    let mut result = Ok(());
    while effort.goes_on(rounds, began) && result.is_ok() {
        round(&world, Dice::new(seed.wrapping_add(rounds))).await?;
        result = aftermath::of_round(&world, arena).await;
        rounds += 1;
    }
    if result.is_ok() {
        result = aftermath::of_all(&world, arena).await;
    }
    println!(
        "{}: {rounds} rounds in {:.1?}\n{}",
        t.name(),
        began.elapsed(),
        world.ledger.summary()
    );
    result.map_err(|faults| format!("{faults}\nthe seed was {seed}, in round {rounds}"))
}

async fn round(world: &Arc<World>, mut dice: Dice) -> Result<(), String> {
    let (few, dying) = (fork(&mut dice), fork(&mut dice));
    let bad_weather = world.weather.as_ref().map(|weather| weather.begin(fork(&mut dice)));
    let (on_one, on_dying) = (Arc::clone(world), Arc::clone(world));
    let threads = [
        thread::spawn(move || one_thread(&on_one, few)),
        thread::spawn(move || dying_runtimes(&on_dying, dying)),
    ];
    let tasks = (0..MANY.0).map(|_| tokio::spawn(work(Arc::clone(world), fork(&mut dice), Some(MANY.1))));
    for task in join_all(tasks.collect::<Vec<_>>()).await {
        task.map_err(|error| format!("a task of the storm: {error}"))?;
    }
    for thread in threads {
        let joined = tokio::task::spawn_blocking(move || thread.join());
        joined
            .await
            .map_err(|error| error.to_string())?
            .map_err(|_| "a thread of the storm panicked")?;
    }
    if let Some(bad) = bad_weather {
        tokio::task::spawn_blocking(|| bad.end())
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Runs several tasks on a runtime that has one thread.
fn one_thread(world: &Arc<World>, mut dice: Dice) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = (0..FEW.0).map(|_| tokio::spawn(work(Arc::clone(world), fork(&mut dice), Some(FEW.1))));
        for task in join_all(tasks.collect::<Vec<_>>()).await {
            task.unwrap();
        }
    });
}

/// Starts one runtime after the other, and shuts each down while its tasks are busy.
fn dying_runtimes(world: &Arc<World>, mut dice: Dice) {
    for _ in 0..DYING.0 {
        let runtime = match dice.roll(2) {
            0 => Builder::new_current_thread().enable_all().build().unwrap(),
            _ => Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        };
        runtime.block_on(async {
            for _ in 0..DYING.1 {
                tokio::spawn(work(Arc::clone(world), fork(&mut dice), None));
            }
            sleep(Duration::from_micros(dice.roll(40_000))).await;
        });
        end(runtime, &mut dice);
    }
}

fn end(runtime: Runtime, dice: &mut Dice) {
    match dice.roll(3) {
        0 => drop(runtime),
        1 => runtime.shutdown_background(),
        _ => runtime.shutdown_timeout(Duration::from_millis(1)),
    }
}

/// Returns another generator, whose numbers depend on this one.
fn fork(dice: &mut Dice) -> Dice {
    Dice::new(dice.roll(1 << 32) << 32 | dice.roll(1 << 32))
}

/// Runs one task: this many operations, or as many as it can before its runtime ends.
async fn work(world: Arc<World>, mut dice: Dice, operations: Option<u64>) {
    for _ in 0..operations.unwrap_or(u64::MAX) {
        if world.ledger.has_faults() {
            // The storm has failed; the rest is not needed.
            return;
        }
        let kind = &KINDS[dice.roll(KINDS.len() as u64) as usize];
        if kind.sqlx && !world.takes_sqlx() {
            continue;
        }
        let record = world.ledger.open(kind.name, kind.calls);
        let running = (kind.run)(Arc::clone(&world), Arc::clone(&record), fork(&mut dice));
        let began = Instant::now();
        let limited = timeout(HANGS, somewhere(running, &mut dice)).await;
        let result = limited.unwrap_or_else(|_| {
            world.ledger.fault(format!("{} {} hangs", kind.name, record.id));
            Some(Ok(()))
        });
        world.ledger.ended(kind.name, began.elapsed(), result.is_none());
        let Some(Err(error)) = result else { continue };
        // Tasks on a runtime that ends see their connections end before they end themselves.
        let ends_too = operations.is_none() && error.message().contains("the tokio runtime");
        if !ends_too && !operations::may_fail_with(kind, &world, &error) {
            world
                .ledger
                .fault(format!("{} {} failed: {error:?}", kind.name, record.id));
        }
    }
}

/// Runs an operation to its end, or drops it at a random place.
async fn somewhere(running: Running, dice: &mut Dice) -> Option<Result<(), Error>> {
    match dice.roll(10) {
        0..3 => Some(running.await),
        // Most interesting places are among the first; long operations have many.
        3..8 => {
            let most = 1 << (1 + dice.roll(7));
            cut(dice.roll(most) as usize, dice.roll(2) == 0, running).await
        }
        _ => timeout(Duration::from_micros(dice.roll(5_000)), running).await.ok(),
    }
}
