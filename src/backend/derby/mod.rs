//! Derby.

mod error_kinds;
mod rules;

pub(in crate::backend) use rules::RULES;
