//! Support for other crates.

mod any;
#[cfg(feature = "sea-query")]
mod sea_builder;
#[cfg(feature = "sea-query")]
mod sea_query;
#[cfg(all(feature = "sea-query", feature = "schema"))]
mod sea_schema;
#[cfg(feature = "sqlx-interop")]
mod sqlx;

#[cfg(feature = "sqlx-interop")]
pub use self::sqlx::{Sqlx, SqlxTransaction, SqlxView};
