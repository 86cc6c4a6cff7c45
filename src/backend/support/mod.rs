//! What several backends share.

pub(crate) mod definitions;
pub(crate) mod harbour;
pub(crate) mod moored;
pub(crate) mod sqlx;
pub(crate) mod worker;
