//! PostgreSQL: its rules, and its driver, which is sqlx's.

mod admin;
#[cfg(feature = "postgres")]
mod answers;
#[cfg(feature = "postgres")]
mod arguments;
#[cfg(feature = "postgres")]
mod array;
#[cfg(feature = "postgres")]
mod driver;
#[cfg(feature = "postgres")]
mod encode;
mod error_kinds;
#[cfg(feature = "postgres")]
mod errors;
#[cfg(all(feature = "postgres", any(test, fuzzing)))]
pub(super) mod fuzzing;
#[cfg(feature = "postgres")]
mod literal;
#[cfg(feature = "postgres")]
mod numeric;
#[cfg(feature = "postgres")]
mod oid;
#[cfg(feature = "postgres")]
mod options;
#[cfg(feature = "postgres")]
mod question;
mod rules;
#[cfg(feature = "postgres")]
mod server_type;
#[cfg(feature = "postgres")]
mod text;
#[cfg(feature = "postgres")]
mod types;

#[cfg(feature = "postgres")]
pub(super) use driver::connector;
pub(super) use rules::PostgresRules;
