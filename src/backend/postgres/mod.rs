//! PostgreSQL: its rules, what its drivers share, and the driver of sqlx.

mod admin;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod answer;
#[cfg(feature = "postgres")]
mod answers;
#[cfg(feature = "postgres")]
mod arguments;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only the driver needs all of it")
)]
mod array;
#[cfg(feature = "postgres")]
mod bulk;
#[cfg(feature = "postgres")]
mod copy;
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
mod listener;
#[cfg(feature = "postgres")]
mod literal;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only the driver needs all of it")
)]
mod numeric;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only the driver needs all of it")
)]
mod oid;
#[cfg(feature = "postgres")]
mod options;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod parameters;
#[cfg(feature = "postgres")]
mod question;
#[cfg(feature = "postgres")]
mod reset;
mod rules;
#[cfg(feature = "postgres")]
mod server_type;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only the driver needs all of it")
)]
pub(super) mod text;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod textual;
#[cfg(feature = "postgres")]
mod types;
#[cfg(any(feature = "postgres", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only the driver needs all of it")
)]
mod value_errors;

#[cfg(feature = "postgres")]
pub(super) use driver::connector;
pub(super) use rules::PostgresRules;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc", feature = "tokio-postgres"))]
pub(super) use {answer::PostgresAnswer, textual::textual};
#[cfg(feature = "tokio-postgres")]
pub(super) use {
    answers::Answers,
    arguments::{answered, question as type_question, refusal, refused, with_form},
    encode::write,
    errors::{connect_error, refused_session},
    listener::listen,
    oid::name as type_name,
    options::connect_options,
    reset::RESET_SESSION,
    types::{ForeignKind, ForeignType, binary, utf8},
};
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(super) use {
    numeric::parse as decimal, oid::is_known as type_is_known, oid::named as type_named, parameters::session,
};
