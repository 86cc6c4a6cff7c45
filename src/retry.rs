//! Transactions that are retried when the server requests it.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::error::Error;
use crate::session::Chain;
use crate::transaction::{Attempt, Transaction, TransactionBuilder};

/// The longest pause between two attempts, unless the first one is longer.
const LONGEST: Duration = Duration::from_secs(2);

/// A transaction that is retried after a serialization failure, a deadlock or a lock time-out. Returned by
/// [`TransactionBuilder::retry`].
#[must_use = "a transaction begins when this is run"]
pub struct Retry {
    begin: TransactionBuilder,
    attempts: u32,
    backoff: Duration,
}

impl TransactionBuilder {
    /// Retries the transaction from its beginning if the server aborted it in favour of others. These errors are
    /// serialization failures, deadlocks and lock timeouts ([`Error::is_retryable`]; SQLSTATE 40001 and 40P01, MySQL's
    /// 1213 and 1205, SQLite's `SQLITE_BUSY`). It makes at most five attempts.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Database, IsolationLevel};
    /// # let database = Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)", ()).await?;
    /// database
    ///     .transaction()
    ///     .isolation(IsolationLevel::Serializable)
    ///     .retry()
    ///     .run(async |transaction| {
    ///         let sql = "UPDATE account SET balance = balance - :amount WHERE id = :id";
    ///         transaction.execute(sql, ebbtide::params! { amount: 5, id: 1 }).await?;
    ///         Ok::<_, ebbtide::Error>(())
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn retry(self) -> Retry {
        Retry {
            begin: self,
            attempts: 5,
            backoff: Duration::from_millis(10),
        }
    }
}

impl Retry {
    /// Sets the maximum number of attempts; at least one. Default 5.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let retry = database.transaction().retry().attempts(3);
    /// let one: i64 = retry.run(async |transaction| transaction.fetch_value("SELECT 1", ()).await).await?;
    /// # assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the pause before the second attempt. It doubles with each further one, up to two seconds; a longer one stays
    /// as it is. It is shortened at random by up to a half, so that conflicting transactions do not meet again. Default
    /// 10 ms.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// use std::time::Duration;
    /// let retry = database.transaction().retry().backoff(Duration::from_millis(50));
    /// # retry.run(async |transaction| transaction.execute("SELECT 1", ()).await).await?;
    /// # Ok(()) }
    /// ```
    pub fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// Runs a closure in the transaction, as [`TransactionBuilder::run`] does, and retries it if that may help.
    ///
    /// The closure is written `async |transaction| …`, as for `run`. Each attempt runs a clone of it: what it borrows is
    /// borrowed again, and what it owns (`async move`) is cloned, so an attempt may give it away.
    ///
    /// It cannot borrow mutably, because the compiler cannot prove that the future of such a closure is `Send`. Return what
    /// an attempt found; where that does not suffice, share a `Mutex`, an atomic, or a `Cell` (on one thread):
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let attempts = AtomicU32::new(0); // `let mut attempts = 0` could not be changed in the closure
    /// let one: i64 = database
    ///     .transaction()
    ///     .retry()
    ///     .run(async |transaction| {
    ///         attempts.fetch_add(1, Ordering::Relaxed);
    ///         transaction.fetch_value("SELECT 1", ()).await
    ///     })
    ///     .await?;
    /// assert_eq!((one, attempts.into_inner()), (1, 1));
    /// # Ok(()) }
    /// ```
    ///
    /// A retry depends on the server's answers to the statements of the transaction, not on the closure's result. Other
    /// side effects of the closure are repeated: use [`on_commit`](crate::Transaction::on_commit) for mails. Inside
    /// another transaction it runs once, because the server aborts the whole transaction; run the outer one with
    /// `retry`.
    ///
    /// # Errors
    ///
    /// Those of [`TransactionBuilder::run`], from the last attempt.
    ///
    /// # Cancel safety
    ///
    /// As for [`TransactionBuilder::run`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let texts = vec!["one", "two"]; // borrowed, so that each attempt has it
    /// let rows = database.transaction().retry().run(async |transaction| {
    ///     for text in &texts {
    ///         transaction.execute("INSERT INTO note VALUES (:text)", ebbtide::params! { text: *text }).await?;
    ///     }
    ///     Ok::<_, ebbtide::Error>(texts.len())
    /// });
    /// assert_eq!(rows.await?, 2);
    /// # Ok(()) }
    /// ```
    pub async fn run<T, E, F>(self, work: F) -> Result<T, E>
    where
        // Not `AsyncFn` or `AsyncFnMut`, whose futures the compiler cannot prove to be `Send` if the closure borrows.
        F: AsyncFnOnce(Transaction) -> Result<T, E> + Clone,
        E: From<Error>,
    {
        let (begin, target) = self.begin.repeated()?;
        let mut pause = self.backoff;
        let mut attempt = 1;
        loop {
            let Attempt { result, retryable } = begin(&target).attempt(work.clone()).await;
            if result.is_ok() || !retryable || attempt >= self.attempts || target.in_transaction(&Chain::current()) {
                return result;
            }
            tracing::debug!(attempt, "the transaction is run again");
            let pausing = async { tokio::time::sleep(jittered(pause)).await };
            match target.sandboxed() {
                Some(engine) => engine.within(pausing).await,
                None => pausing.await,
            }
            pause = longer(pause, self.backoff);
            attempt += 1;
        }
    }
}

/// Returns the pause that follows `pause`. None is shorter than the first one.
fn longer(pause: Duration, first: Duration) -> Duration {
    pause.saturating_mul(2).min(LONGEST.max(first))
}

/// Returns a random pause between half of `pause` and all of it.
fn jittered(pause: Duration) -> Duration {
    // The standard library seeds each of these differently.
    let random = RandomState::new().build_hasher().finish() >> 11;
    let share = random as f64 / (1_u64 << 53) as f64;
    pause.mul_f64(1.0 - share / 2.0)
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::backend::fake::{FakeConnector, ScriptedStep};
    use crate::error::ErrorKind;
    use crate::query::Addressee;
    use crate::session::{Reads, Target, tests as session};

    fn begin(target: &Target) -> TransactionBuilder {
        TransactionBuilder::new(Addressee::Known(target.clone()), Location::caller())
    }

    #[tokio::test]
    async fn x10_a_begin_inside_another_transaction_is_not_run_again() {
        for elsewhere in [false, true] {
            let connector = FakeConnector::default();
            let target = Target::Database(session::engine(&connector, false), Reads::Routed);
            let outer = begin(&target).await.unwrap();
            let connection = outer.connection().target().unwrap();
            connector.gate("begin", ScriptedStep::Deadlock);
            let result = if elsewhere {
                tokio::spawn(begin(&connection).retry().run(async |_| Ok::<_, Error>(())))
                    .await
                    .unwrap()
            } else {
                begin(&target).retry().run(async |_| Ok::<_, Error>(())).await
            };
            let kind = result.unwrap_err().kind();
            assert_eq!(
                kind,
                ErrorKind::Deadlock,
                "and not the end of the outer one: {elsewhere}"
            );
        }
    }

    #[tokio::test]
    async fn x10_the_begin_of_the_outermost_transaction_is_run_again() {
        let connector = FakeConnector::default();
        let target = Target::Database(session::engine(&connector, false), Reads::Routed);
        connector.gate("begin", ScriptedStep::Signal);
        begin(&target).retry().run(async |_| Ok::<_, Error>(())).await.unwrap();
    }

    #[test]
    fn x10_pauses_grow_and_are_never_shorter_than_the_first() {
        let (short, long) = (Duration::from_millis(10), Duration::from_secs(5));
        assert_eq!(longer(short, short), short * 2);
        assert_eq!(longer(LONGEST, short), LONGEST);
        assert_eq!(longer(long, long), long);
    }

    #[test]
    fn x10_pauses_are_jittered_downwards() {
        let pause = Duration::from_millis(100);
        let pauses: Vec<_> = (0..100).map(|_| jittered(pause)).collect();
        assert!(pauses.iter().all(|one| *one <= pause && *one >= pause / 2));
        assert!(pauses.iter().any(|one| *one != pauses[0]));
    }
}
