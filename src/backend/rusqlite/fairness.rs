//! Time that statements take on the threads of their callers.

use std::cell::Cell;
use std::time::Duration;

/// Time after which a task that runs its statements itself lets others run.
const TURN: Duration = Duration::from_micros(100);

thread_local! {
    /// The time that statements have taken on this thread since a task has let others run.
    static TAKEN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Adds the time of a statement; lets other tasks of the thread run if a turn is over.
pub(super) async fn after(taken: Duration) {
    let total = TAKEN.get() + taken;
    if total < TURN {
        TAKEN.set(total);
        return;
    }
    TAKEN.set(Duration::ZERO);
    tokio::task::yield_now().await;
}
