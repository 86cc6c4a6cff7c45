//! X13: the writers of a SQLite database take turns in the order of their requests, across pools and databases.

mod connections;
mod crowds;
mod memory;
mod own;
mod read_only;
mod text;
mod turns;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ebbtide::{Database, Result};
use tokio::sync::oneshot;

use super::tasks::{add, config, in_task, notes_with};
use crate::support::{Case, Test};

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        connections::cases(),
        crowds::cases(),
        memory::cases(),
        own::cases(),
        read_only::cases(),
        text::cases(),
        turns::cases(),
    ]
    .concat()
}

/// Short enough to wait for it, long enough for running operations.
pub(super) const MOMENT: Duration = Duration::from_millis(30);

/// A transaction that is held open in its own task until it receives the signal to commit.
pub(super) struct Held {
    end: oneshot::Sender<()>,
    pub(super) task: tokio::task::JoinHandle<Result<()>>,
}

impl Held {
    pub(super) async fn new(database: &Database) -> Self {
        let (end, ended) = oneshot::channel();
        let (began, begun) = oneshot::channel();
        let database = database.clone();
        let task = tokio::spawn(async move {
            let transaction = database.transaction().await?;
            began.send(()).expect("the test waits");
            ended.await.expect("the test tells");
            transaction.commit().await
        });
        begun.await.expect("it begins");
        Self { end, task }
    }

    pub(super) async fn commit(self) {
        self.end.send(()).expect("the task waits");
        self.task.await.expect("no panic").expect("the commit");
    }
}

/// Polls a future once.
pub(super) async fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Polls a future at most `polls` times while other futures run in between, and then drops it. Returns whether it
/// ended.
pub(super) async fn at_most<T>(polls: usize, future: impl Future<Output = T>) -> bool {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Returns two pools of one file, each of which waits only briefly for the other's transactions.
pub(super) async fn two(t: &Test) -> (Database, Database) {
    let config = config(t).busy_timeout(MOMENT);
    (
        notes_with(t, config.clone()).await,
        Database::connect(config).await.expect("the second"),
    )
}

pub(super) async fn write(t: &Test, database: &Database, body: &str) -> Result<()> {
    let (database, sql) = (database.clone(), add(t, body));
    in_task(async move { database.execute(sql, ()).await.map(drop) }).await
}
