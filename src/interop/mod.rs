//! Doors for other crates.

#[cfg(feature = "sea-query")]
mod sea_query;
#[cfg(feature = "sea-query")]
mod sea_schema;
