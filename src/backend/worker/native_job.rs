//! Jobs on the driver's own connection, run on the isolated side.

use std::ops::ControlFlow;

use tokio::sync::oneshot;

use super::actor::{ConnectionEnd, Job, Shared};
use crate::backend::{NativeJob, QueryResult, RawConnection};
use crate::error::Result;

/// Runs a job and sends its result.
pub(super) fn run(native: NativeJob, mut reply: oneshot::Sender<Result<QueryResult>>) -> Job {
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let text = native.text().cloned();
            let result = tokio::select! {
                biased;
                result = watched(native, raw, shared) => result?,
                never = shared.interrupt_without(reply.closed(), text.as_deref()) => match never {},
            };
            shared.note(raw);
            let _ = reply.send(result);
            ControlFlow::Continue(())
        })
    })
}

/// Runs a job, and waits for the server no longer than the limit if the job has a pulse.
async fn watched(
    native: NativeJob,
    raw: &mut dyn RawConnection,
    shared: &Shared,
) -> ControlFlow<ConnectionEnd, Result<QueryResult>> {
    let Some((pulse, limit)) = native.pulse().zip(shared.limit) else {
        return ControlFlow::Continue(raw.with_native(native).await);
    };
    let mut running = raw.with_native(native);
    loop {
        let before = pulse.beats();
        match tokio::time::timeout(limit, &mut running).await {
            Ok(result) => return ControlFlow::Continue(result),
            Err(_) if pulse.beats() != before || pulse.waits_for_reader() => {}
            Err(_) => return ControlFlow::Break(ConnectionEnd::TimedOut),
        }
    }
}
