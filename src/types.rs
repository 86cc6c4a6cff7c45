//! The crates whose types are part of this library's interface, in the versions that it uses.
//!
//! A program that names a type through this module needs no dependency of its own on the crate, and its version always
//! fits. Macros, such as `#[derive(sqlx::FromRow)]`, name their crate themselves and need it as a dependency.
//! [Dependencies][dependencies] lists what each of them is for.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
//! # let database = ebbtide::Database::connect("sqlite::memory:").await?;
//! use ebbtide::params;
//! use ebbtide::types::chrono::NaiveDate;
//! use ebbtide::types::serde_json::Value;
//! use ebbtide::types::uuid::Uuid;
//!
//! let (id, day) = (Uuid::from_u128(7), NaiveDate::from_ymd_opt(2026, 11, 30));
//! let row = database.fetch_one("SELECT :id AS id, :day AS day", params! { id, day }).await?;
//! assert_eq!((row.get::<Uuid>("id")?, row.get("day")?), (id, day));
//! let json: Value = row.to_json()?;
//! assert_eq!(json["day"], "2026-11-30");
//! # Ok(()) }
//! ```
#![doc = include_str!("guides/links.md")]

pub use ::url;
pub use bytes;
pub use chrono;
pub use futures;
pub use ipnetwork;
pub use rust_decimal;
#[cfg(feature = "sea-query")]
pub use sea_query;
pub use serde;
pub use serde_json;
pub use sqlx;
pub use uuid;
