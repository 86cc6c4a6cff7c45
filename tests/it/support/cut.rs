//! A future dropped at one of its await points.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future `polls` times and then drops it: at once or, where `woken` is set, when it has been woken once more.
/// Returns `None` if it had not ended by then.
pub(crate) async fn cut<F: IntoFuture>(polls: usize, woken: bool, future: F) -> Option<F::Output> {
    let mut future = pin!(future.into_future());
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 && !woken => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
