//! Questions to the server about whether the transaction is still open.

use crate::error::Result;
use crate::pool::{InFlight, Lease};

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
