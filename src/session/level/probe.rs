//! Questions to the server about whether the transaction is still open.

use crate::error::Result;
use crate::pool::{InFlight, Lease};

/// SQL that sets the probe savepoint. It is gone when a statement that runs others has ended the transaction.
pub(in crate::session) const SET_PROBE: &str = "SAVEPOINT ebbtide_marker";
/// SQL that asks for the probe savepoint. It is set again, so that it can be checked once more if the answer is not
/// awaited.
pub(super) const ASK_PROBE: &str = "RELEASE SAVEPOINT ebbtide_marker; SAVEPOINT ebbtide_marker";

/// Asks the server whether a transaction is open.
pub(super) async fn is_open(lease: &mut Lease, in_flight: InFlight) -> Result<bool> {
    lease.mark(in_flight);
    let open = match lease.raw() {
        Ok(raw) => raw.transaction_open().await,
        Err(error) => Err(error),
    };
    lease.mark(InFlight::None);
    open
}
