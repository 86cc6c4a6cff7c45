//! The operations of a contender, and their distribution over tasks.

use std::future::{Future, ready};
use std::iter::StepBy;
use std::ops::Range;

use crate::Outcome;
use crate::job::{Job, LIST, ROWS, WRITERS, Workload};
use crate::memory::Growth;

/// The row that is selected by its key, read by index.
pub(crate) type Item = (i64, String);

/// The database access of one task: a connection that it holds, or a handle to a pool. A contender implements the
/// operations that it takes part in.
pub(crate) trait Worker: Sized + Send + 'static {
    fn select(&mut self, id: i64) -> impl Future<Output = Outcome<Item>> + Send;

    fn held(&mut self, _id: i64) -> impl Future<Output = Outcome<Item>> + Send {
        ready(missing())
    }

    fn named(&mut self, _id: i64) -> impl Future<Output = Outcome<Item>> + Send {
        ready(missing())
    }

    fn transaction(&mut self, amount: i64) -> impl Future<Output = Outcome> + Send;

    /// Fetches all records into tuples by index, and returns their number.
    fn tuples(&mut self) -> impl Future<Output = Outcome<usize>> + Send {
        ready(missing())
    }

    /// Fetches all records into structs by name.
    fn structs(&mut self) -> impl Future<Output = Outcome<usize>> + Send {
        ready(missing())
    }

    /// Fetches all records as rows.
    fn rows(&mut self) -> impl Future<Output = Outcome<usize>> + Send {
        ready(missing())
    }

    /// Streams all records `factor` times.
    fn stream(&mut self, _factor: i64, _growth: &mut Growth) -> impl Future<Output = Outcome<usize>> + Send {
        ready(missing())
    }

    /// Inserts rows, and returns their number.
    fn batch(&mut self, _amounts: &[i64]) -> impl Future<Output = Outcome<u64>> + Send {
        ready(missing())
    }

    fn insert(&mut self, _amount: i64) -> impl Future<Output = Outcome> + Send {
        ready(missing())
    }

    /// Counts the items whose id is in the list.
    fn list(&mut self, _ids: &[i64]) -> impl Future<Output = Outcome<i64>> + Send {
        ready(missing())
    }

    /// Prepares a turn, outside of its time: empties the table before a batch, begins the transaction of inserts.
    fn before(&mut self, _workload: Workload) -> impl Future<Output = Outcome> + Send {
        ready(Ok(()))
    }

    /// Ends a turn, outside of its time.
    fn after(&mut self, _workload: Workload) -> impl Future<Output = Outcome> + Send {
        ready(Ok(()))
    }
}

fn missing<T>() -> Outcome<T> {
    Err("this lane does not take part in this workload".into())
}

/// Returns the key for the n-th select: scattered, so that no page is hot.
fn key(number: usize) -> i64 {
    (number as i64 * 7_919) % ROWS + 1
}

/// Returns an error for a wrong result, however fast.
fn check(outcome: bool, what: &str) -> Outcome {
    if outcome {
        return Ok(());
    }
    Err(format!("{what}: the answer is wrong").into())
}

/// Runs the operations, one task for each worker, and gives the workers back.
///
/// Where the job has several tasks, a single worker runs in a task too, so that everyone is scheduled in the same way.
pub(crate) async fn run<W: Worker>(
    mut workers: Vec<W>,
    job: &Job,
    operations: usize,
    growth: &mut Growth,
) -> Outcome<Vec<W>> {
    if job.tasks == 1 {
        for worker in &mut workers {
            alone(worker, job.workload, operations, growth).await?;
        }
        return Ok(workers);
    }
    let count = workers.len();
    let tasks: Vec<_> = workers
        .into_iter()
        .enumerate()
        .map(|(place, mut worker)| {
            let (workload, numbers) = share(job.workload, place, count, operations);
            tokio::spawn(async move {
                one_by_one(&mut worker, workload, numbers).await?;
                Outcome::Ok(worker)
            })
        })
        .collect();
    let mut workers = Vec::with_capacity(count);
    for task in tasks {
        workers.push(task.await??);
    }
    Ok(workers)
}

/// Returns the share of one of `count` workers.
fn share(workload: Workload, place: usize, count: usize, operations: usize) -> (Workload, StepBy<Range<usize>>) {
    if workload != Workload::Beside {
        return (workload, (place..operations).step_by(count));
    }
    // The same number of each kind for every contender, however many workers it has.
    let (writers, written) = ((count / WRITERS).max(1), operations / WRITERS);
    match place.checked_sub(writers) {
        None => (Workload::Transaction, (place..written).step_by(writers)),
        Some(place) => (Workload::Select, (place..operations - written).step_by(count - writers)),
    }
}

/// The operations that are worth several tasks.
async fn one_by_one<W: Worker>(
    worker: &mut W,
    workload: Workload,
    numbers: impl Iterator<Item = usize> + Send,
) -> Outcome {
    match workload {
        Workload::Select => {
            for number in numbers {
                let (id, name) = worker.select(key(number)).await?;
                check(id == key(number) && name.len() > 5, "select")?;
            }
        }
        Workload::Held => {
            for number in numbers {
                let (id, name) = worker.held(key(number)).await?;
                check(id == key(number) && name.len() > 5, "held")?;
            }
        }
        Workload::Named => {
            for number in numbers {
                let (id, name) = worker.named(key(number)).await?;
                check(id == key(number) && name.len() > 5, "named")?;
            }
        }
        Workload::Transaction => {
            for number in numbers {
                worker.transaction(number as i64).await?;
            }
        }
        Workload::Insert | Workload::Autocommit => {
            for number in numbers {
                worker.insert(number as i64).await?;
            }
        }
        _ => return Err(format!("{} is for one task", workload.word()).into()),
    }
    Ok(())
}

async fn alone<W: Worker>(worker: &mut W, workload: Workload, operations: usize, growth: &mut Growth) -> Outcome {
    let all = ROWS as usize;
    match workload {
        Workload::Select
        | Workload::Held
        | Workload::Named
        | Workload::Transaction
        | Workload::Autocommit
        | Workload::Insert => {
            one_by_one(worker, workload, 0..operations).await?;
        }
        Workload::Beside => return Err("beside is for several tasks".into()),
        Workload::Tuples => {
            for _ in 0..operations {
                check(worker.tuples().await? == all, "tuples")?;
            }
        }
        Workload::Structs => {
            for _ in 0..operations {
                check(worker.structs().await? == all, "structs")?;
            }
        }
        Workload::Rows => {
            for _ in 0..operations {
                check(worker.rows().await? == all, "rows")?;
            }
        }
        Workload::Stream => {
            let count = worker.stream(operations as i64, growth).await?;
            check(count == all * operations, "stream")?;
        }
        Workload::Batch => {
            let amounts: Vec<i64> = (0..ROWS).collect();
            for _ in 0..operations {
                check(worker.batch(&amounts).await? == ROWS as u64, "batch")?;
            }
        }
        Workload::List => {
            let ids: Vec<i64> = (1..=LIST).collect();
            for _ in 0..operations {
                check(worker.list(&ids).await? == ROWS, "list")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::share;
    use crate::job::Workload;

    #[test]
    fn each_operation_is_done_once_and_one_of_eight_writes() {
        for (count, operations) in [(8, 64), (10, 64), (64, 256), (8, 37)] {
            let (mut reads, mut writes) = (Vec::new(), Vec::new());
            for place in 0..count {
                match share(Workload::Beside, place, count, operations) {
                    (Workload::Select, numbers) => reads.extend(numbers),
                    (_, numbers) => writes.extend(numbers),
                }
            }
            reads.sort_unstable();
            writes.sort_unstable();
            assert!(writes.into_iter().eq(0..operations / 8));
            assert!(reads.into_iter().eq(0..operations - operations / 8));
        }
    }
}
