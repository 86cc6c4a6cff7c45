//! The driver's own connection, lent to a closure.

use std::panic::Location;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::native;
use super::view::{unanswered, within};
use crate::backend::{NativeJob, QueryResult, SqlxDatabase};
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::query::Addressee;
use crate::session::{BoundStatement, Target};
use crate::sql::{Bound, Effect, SessionChange, Template};

/// Placeholder for the closure where statements are shown.
const SHOWN: &str = "-- with_sqlx";

/// Returns a bound statement of which only `effect` is known.
pub(super) fn unknown(target: &Target, shown: &'static str, effect: Effect, caller: Caller) -> Result<BoundStatement> {
    let template = Arc::new(Template::standing_for(target.engine().dialect(), shown, effect)?);
    let bound = Bound {
        statement: Arc::clone(template.statement()),
        values: Vec::new(),
    };
    Ok(BoundStatement::new(template, bound, caller))
}

async fn lend<C, T, F>(addressee: Addressee, work: F, place: &'static Location<'static>) -> Result<T>
where
    C: sqlx::Connection<Database: SqlxDatabase<Connection = C>> + 'static,
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
{
    let target = addressee.into_target()?;
    let dialect = target.engine().dialect();
    if dialect != C::Database::DIALECT {
        let name = <C::Database as sqlx::Database>::NAME;
        let message = format!("the closure needs a connection of {name}, but the database is {dialect}");
        return Err(Error::new(ErrorKind::Unsupported, message)
            .help("the type of its argument must be the connection type of the database"));
    }
    let caller = Caller::at(place);
    let effect = Effect {
        taints_session: true,
        session: SessionChange::Changed,
        ..Effect::default()
    };
    let standing = unknown(&target, SHOWN, effect, caller)?;
    let (reply, mut answer) = oneshot::channel();
    let job = NativeJob::open_ended(move |connection| {
        Box::pin(async move {
            let connection = native::<C::Database>(connection)?;
            let value = work(connection).await.map_err(C::Database::explain)?;
            let _ = reply.send(value);
            Ok(QueryResult::default())
        })
    });
    within(&target, &standing, || target.lend(&standing, job)).await?;
    answer.try_recv().map_err(|_| unanswered())
}

macro_rules! with_sqlx {
    ($type:ty) => {
        impl $type {
            /// Lends the driver's own connection to a closure: the one a statement would run on, in the open
            /// transaction and sandbox.
            ///
            /// The type of the closure's argument selects the driver. Transactions that it begins with
            /// `connection.begin()` nest in the open one; those it leaves open are rolled back. What it
            /// changes in the session is unknown: when the connection is released it is reset, or closed, as
            /// [the guide](crate::guides::transactions) says, unless `keep_session` is set. In a sandbox the connection
            /// is closed at the sandbox's end.
            ///
            /// # Errors
            ///
            /// That of the closure, as the `source()` of the returned one; [`Unsupported`](ErrorKind::Unsupported) if
            /// the database is of another kind; [`TransactionEnded`](ErrorKind::TransactionEnded) or
            /// [`SandboxBroken`](ErrorKind::SandboxBroken) if the closure has ended the transaction it was in.
            ///
            /// # Cancel safety
            ///
            /// If dropped early, the connection stays usable on SQLite and if it has its own thread (there the closure
            /// runs to its end). Otherwise the connection is closed, and a transaction on it is lost. The setting
            /// `statement_timeout` applies to the whole closure.
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
                Box::pin(lend(self.addressee(), work, Location::caller()))
            }
        }
    };
}

with_sqlx!(Database);
with_sqlx!(Connection);
