//! What is measured.

pub(crate) mod ambient;
pub(crate) mod batch;
pub(crate) mod point;
pub(crate) mod rows;
pub(crate) mod stream;
pub(crate) mod transaction;
