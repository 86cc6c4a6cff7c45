//! How long statements stay prepared on a connection.

/// The time for which statements stay prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// As long as the driver's cache has room for them.
    Cached,
    /// Until there are more than this many, then all are closed together. (The driver of MySQL sends a request to close without
    /// waiting, and Nagle's algorithm holds the next request back until the server's delayed acknowledgement, 40 ms
    /// later.)
    #[cfg(feature = "mysql")]
    UpTo(usize),
    /// For one execution.
    Once,
    /// Until the end of the transaction: a pooler may run the next one in another session of the server.
    #[cfg(feature = "postgres")]
    InTransaction,
}

impl Keeping {
    /// Returns `Cached` if the configured capacity leaves room.
    pub(crate) fn cached(capacity: usize) -> Self {
        if capacity > 0 { Self::Cached } else { Self::Once }
    }

    /// Returns whether the driver keeps a statement for its next execution.
    pub(super) fn is_persistent(self) -> bool {
        match self {
            Self::Cached => true,
            #[cfg(feature = "mysql")]
            Self::UpTo(_) => true,
            Self::Once => false,
            #[cfg(feature = "postgres")]
            Self::InTransaction => false,
        }
    }

    /// Returns whether a pooler may run each transaction in another session.
    pub(super) fn is_pooled(self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::InTransaction => true,
            _ => false,
        }
    }

    /// Returns whether so many kept statements are too many.
    pub(super) fn is_full(self, kept: usize) -> bool {
        match (self, kept) {
            #[cfg(feature = "mysql")]
            (Self::UpTo(most), kept) => kept > most,
            _ => false,
        }
    }
}
