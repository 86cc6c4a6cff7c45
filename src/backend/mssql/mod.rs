//! SQL Server: its rules, and its driver, which is tiberius.

mod admin;
#[cfg(feature = "mssql")]
mod connection;
#[cfg(feature = "mssql")]
mod connector;
mod error_kinds;
#[cfg(feature = "mssql")]
mod errors;
#[cfg(feature = "mssql")]
mod levels;
#[cfg(feature = "mssql")]
mod options;
#[cfg(feature = "mssql")]
mod parameters;
#[cfg(feature = "mssql")]
mod raw_connection;
#[cfg(feature = "mssql")]
mod row;
mod rules;
#[cfg(test)]
#[cfg(feature = "mssql")]
mod tests;
#[cfg(feature = "mssql")]
mod times;
#[cfg(feature = "mssql")]
mod wire;

#[cfg(feature = "mssql")]
pub(super) use connector::connector;
pub(super) use rules::SqlServerRules;
