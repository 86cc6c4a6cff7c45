//! Work on the driver's own connection, done on the isolated side.

use std::ops::ControlFlow;

use tokio::sync::oneshot;

use super::actor::{Ending, Job, Shared};
use crate::backend::{Done, NativeJob, RawConnection};
use crate::error::Result;

/// Runs a job and sends what became of it.
pub(super) fn run(native: NativeJob, reply: oneshot::Sender<Result<Done>>) -> Job {
    Box::new(move |raw, shared| {
        Box::pin(async move {
            let result = watched(native, raw, shared).await?;
            shared.note(raw);
            let _ = reply.send(result);
            ControlFlow::Continue(())
        })
    })
}

/// Waits for the server no longer than the limit, where the job tells when it waits for the server.
async fn watched(native: NativeJob, raw: &mut dyn RawConnection, shared: &Shared) -> ControlFlow<Ending, Result<Done>> {
    let Some((pulse, limit)) = native.pulse().zip(shared.limit) else {
        return ControlFlow::Continue(raw.with_native(native).await);
    };
    let mut running = raw.with_native(native);
    loop {
        let before = pulse.beats();
        match tokio::time::timeout(limit, &mut running).await {
            Ok(result) => return ControlFlow::Continue(result),
            Err(_) if pulse.beats() != before || pulse.waits_for_reader() => {}
            Err(_) => return ControlFlow::Break(Ending::TimedOut),
        }
    }
}
