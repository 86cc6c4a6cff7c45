//! The bridge to sqlx: its statements run on the connections of this library, in the transactions and sandboxes that are
//! open there.

mod executor;
mod lend;
mod lock;
mod migrate;
#[cfg(feature = "mysql")]
mod named;
#[cfg(feature = "schema")]
mod schema;
mod transaction;
mod view;

pub use transaction::SqlxTransaction;
pub use view::Sqlx;

use std::any::Any;

use crate::backend::SqlxDatabase;
use crate::error::{Error, ErrorKind, Result};

/// The driver's own connection, as the one that it must be.
fn native<DB: SqlxDatabase>(connection: &mut (dyn Any + Send)) -> Result<&mut DB::Connection> {
    connection.downcast_mut().ok_or_else(|| {
        let message = format!("the connection is not one of {}", DB::NAME);
        Error::new(ErrorKind::Unsupported, message)
    })
}
