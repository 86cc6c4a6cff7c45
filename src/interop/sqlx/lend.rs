//! The driver's own connection, lent to a closure.

use std::panic::Location;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::native;
use super::view::{unanswered, within};
use crate::backend::{Done, NativeJob, SqlxDatabase};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::session::{Target, Work};
use crate::sql::{Bound, Effect, Template};

/// What stands for the work of a closure where statements are shown.
const SHOWN: &str = "-- with_sqlx";

/// Work of which no more is known than `effect` says.
pub(super) fn unknown(target: &Target, shown: &'static str, effect: Effect, asker: Asker) -> Result<Work> {
    let template = Arc::new(Template::standing_for(target.ground().dialect(), shown, effect)?);
    let bound = Bound {
        statement: Arc::clone(template.statement()),
        values: Vec::new(),
    };
    Ok(Work::new(template, bound, asker))
}

async fn lend<C, T, F>(target: Result<Target>, work: F, place: &'static Location<'static>) -> Result<T>
where
    C: sqlx::Connection<Database: SqlxDatabase<Connection = C>> + 'static,
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
{
    let target = target?;
    let dialect = target.ground().dialect();
    if dialect != C::Database::DIALECT {
        let name = <C::Database as sqlx::Database>::NAME;
        let message = format!("a closure for a connection of {name} was given to a database that is {dialect}");
        return Err(Error::new(ErrorKind::Unsupported, message).help("the type of its argument says which it wants"));
    }
    let asker = Asker::at(place);
    let effect = Effect {
        soils: true,
        ..Effect::default()
    };
    let standing = unknown(&target, SHOWN, effect, asker)?;
    let (reply, mut answer) = oneshot::channel();
    let job = NativeJob::open_ended(move |connection| {
        Box::pin(async move {
            let connection = native::<C::Database>(connection)?;
            let value = work(connection).await.map_err(C::Database::explain)?;
            let _ = reply.send(value);
            Ok(Done::default())
        })
    });
    within(&target, &standing, || target.lend(&standing, job)).await?;
    answer.try_recv().map_err(|_| unanswered())
}

macro_rules! with_sqlx {
    ($type:ty) => {
        impl $type {
            /// Lends the driver's own connection to a closure: the one a statement would run on, in the transaction and the
            /// sandbox that are open.
            ///
            /// The type of the closure's argument says which driver is meant. Transactions that it begins with
            /// `connection.begin()` nest in the one that is open; those it leaves open are rolled back. In a sandbox the
            /// connection is closed at the sandbox's end, since nobody knows what was done to it.
            ///
            /// # Errors
            ///
            /// That of the closure, which is the `source()` of the one returned; [`Unsupported`](ErrorKind::Unsupported) if
            /// the database is of another kind; [`TransactionEnded`](ErrorKind::TransactionEnded) or
            /// [`SandboxBroken`](ErrorKind::SandboxBroken) if the closure has ended the transaction it was in.
            ///
            /// # Cancel safety
            ///
            /// Dropped half-way, it leaves the connection usable on SQLite and where the connection lives on a thread of its
            /// own (there the closure runs to its end); else the connection is closed, and a transaction on it is lost. The
            /// setting `statement_timeout` counts for all of the closure.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use sqlx::SqliteConnection;
            /// let one: i64 = database
            ///     .with_sqlx(|connection: &mut SqliteConnection| {
            ///         Box::pin(async move { sqlx::query_scalar("SELECT 1").fetch_one(connection).await })
            ///     })
            ///     .await?;
            /// assert_eq!(one, 1);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn with_sqlx<C, T, F>(&self, work: F) -> BoxFuture<'static, Result<T>>
            where
                C: sqlx::Connection<Database: SqlxDatabase<Connection = C>> + 'static,
                T: Send + 'static,
                F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
            {
                Box::pin(lend(self.target(), work, Location::caller()))
            }
        }
    };
}

with_sqlx!(Database);
with_sqlx!(Connection);
