//! Values into parameters, rows into Rust.

mod binding;
mod deserializing;
mod reading;
