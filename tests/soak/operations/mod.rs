//! The kinds of operation. Each takes a record, and reports to it before any step that may keep its rows.

#[cfg(feature = "sqlx-interop")]
mod bridge;
mod plain;
mod sharing;
mod transactions;
mod whole;

use std::sync::Arc;

use ebbtide::{Error, ErrorKind, Result};
use futures::future::BoxFuture;

use crate::ledger::Record;
use crate::support::Dice;
use crate::world::World;

/// A running operation.
pub(crate) type Running = BoxFuture<'static, Result<()>>;

/// A kind of operation.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Arc<World>, Arc<Record>, Dice) -> Running,
    /// `true` if it keeps rows when it reaches its end.
    pub(crate) keeps: bool,
    /// `true` if it requests a callback after its commit.
    pub(crate) calls: bool,
    /// `true` if it needs a connection of sqlx's driver.
    pub(crate) sqlx: bool,
}

macro_rules! kinds {
    ($($(#[$cfg:meta])? $module:ident :: $name:ident $($word:ident)*,)*) => {
        /// All kinds.
        pub(crate) const KINDS: &[Kind] = &[$(
            $(#[$cfg])?
            Kind {
                name: stringify!($name),
                run: |world, record, dice| Box::pin(async move { $module::$name(&world, &record, dice).await }),
                keeps: false $(|| word!(keeps $word))*,
                calls: false $(|| word!(calls $word))*,
                sqlx: false $(|| word!(sqlx $word))*,
            },
        )*];
    };
}

macro_rules! word {
    (keeps keeps) => {
        true
    };
    (calls calls) => {
        true
    };
    (sqlx sqlx) => {
        true
    };
    ($one:ident $other:ident) => {
        false
    };
}

kinds! {
    plain::statement keeps,
    plain::rows,
    plain::returning keeps,
    plain::many keeps,
    plain::many_one_by_one keeps,
    plain::stream_then_statement keeps,
    plain::statement_beside_stream keeps,
    plain::time_limit keeps,
    plain::joined_reads,
    transactions::guard keeps calls,
    transactions::guard_dropped,
    transactions::guard_rolled_back,
    transactions::closure keeps calls,
    transactions::closure_undone,
    transactions::nested keeps,
    transactions::joined_closures keeps,
    transactions::failed_statement keeps,
    transactions::stream_in_transaction keeps,
    transactions::read_only,
    transactions::isolated keeps,
    transactions::retried keeps calls,
    transactions::by_hand,
    sharing::shared_and_kept keeps,
    sharing::shared_and_dropped,
    sharing::aborted_task,
    whole::sandbox,
    whole::sandbox_of_many,
    whole::own_pool,
    #[cfg(feature = "sqlx-interop")]
    bridge::native_statement keeps sqlx,
    #[cfg(feature = "sqlx-interop")]
    bridge::native_stream keeps sqlx,
    #[cfg(feature = "sqlx-interop")]
    bridge::native_transaction keeps sqlx,
    #[cfg(feature = "sqlx-interop")]
    bridge::lent keeps sqlx,
    #[cfg(feature = "sqlx-interop")]
    bridge::lent_in_transaction keeps sqlx,
    #[cfg(feature = "sqlx-interop")]
    bridge::lent_and_left_open sqlx,
}

/// Returns whether an operation may fail with this error although nothing is wrong.
pub(crate) fn may_fail_with(kind: &Kind, world: &World, error: &Error) -> bool {
    let backend = world.backend;
    if world.weather.as_ref().is_some_and(|weather| weather.explains(error)) {
        return true;
    }
    match error.kind() {
        ErrorKind::Timeout | ErrorKind::OutcomeUnknown => kind.name == "time_limit",
        // MySQL itself keeps a lock on the gap of an undone insert, and two that hold it and insert there wait for each other.
        ErrorKind::Deadlock => kind.name == "nested" && backend.is_mysql_itself(),
        _ => false,
    }
}
