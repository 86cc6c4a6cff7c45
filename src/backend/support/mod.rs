//! What several backends share.

pub(crate) mod definitions;
pub(crate) mod harbour;
pub(crate) mod moored;
pub(crate) mod sqlx;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) mod variants;
pub(crate) mod worker;
