//! Tests of values as parameters, and of rows as Rust values.

mod binding;
mod deserializing;
mod mismatches;
mod reading;
mod serializing;
