//! Futures that run concurrently in one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Waits for a guard's beginning, and at least once. Sibling futures of the same task run meanwhile. So a second guard
/// in parallel is always refused, and not only when the server is slow.
pub(super) async fn beside_siblings<T>(mut beginning: Pin<&mut impl Future<Output = T>>) -> T {
    let mut waited = false;
    let begun = poll_fn(|context| {
        let polled = beginning.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    })
    .await;
    if !waited {
        yield_once().await;
    }
    begun
}

/// Lets the other futures of the task run once.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
