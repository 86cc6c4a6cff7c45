//! The bridge to sqlx: its statements run on connections of this library, in the transactions and sandboxes open there.

#[cfg(feature = "postgres")]
mod advisory;
mod executor;
mod kind;
mod lend;
mod lock;
mod migrate;
#[cfg(feature = "mysql")]
mod named;
mod pending;
#[cfg(feature = "schema")]
mod schema;
mod transaction;
mod view;

pub use transaction::SqlxTransaction;
pub use view::{Sqlx, SqlxView};

use std::any::Any;

use futures::future::BoxFuture;

use crate::backend::SqlxDatabase;
use crate::error::{Error, ErrorKind, Result};

type Answer<'e, T> = BoxFuture<'e, Result<T, sqlx::Error>>;

/// Returns the driver's own connection as its concrete type.
fn native<DB: SqlxDatabase>(connection: &mut (dyn Any + Send)) -> Result<&mut DB::Connection> {
    connection.downcast_mut().ok_or_else(|| {
        let message = format!("the connection is not a connection of {}", DB::NAME);
        Error::new(ErrorKind::Unsupported, message).help("this is a bug in ebbtide; please report it")
    })
}
