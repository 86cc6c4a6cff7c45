//! X4: the answers of SQLite when it is interrupted, and when another program has the lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebbtide::{Database, ErrorKind, Result, Transaction};
use sqlx::SqliteConnection;

use crate::cases::tasks::{add, config, count, kept, kind, notes, notes_with, soon};
use crate::support::{Test, cases};

/// Interrupts every statement on a connection while it is switched on.
#[derive(Clone, Default)]
struct Interruption(Arc<AtomicBool>);

impl Interruption {
    async fn prepare(transaction: &Transaction) -> Result<Self> {
        let new = Self::default();
        let on = Arc::clone(&new.0);
        let prepare = transaction.with_sqlx(move |raw: &mut SqliteConnection| {
            Box::pin(async move {
                let mut handle = raw.lock_handle().await?;
                handle.set_progress_handler(1, move || !on.load(Ordering::Acquire));
                Ok(())
            })
        });
        let () = prepare.await?;
        Ok(new)
    }

    async fn during<T>(&self, statement: impl IntoFuture<Output = T>) -> T {
        self.0.store(true, Ordering::Release);
        let done = soon("the statement", statement.into_future()).await;
        self.0.store(false, Ordering::Release);
        done
    }
}

/// A file without a WAL, whose users wait for locks only a moment.
async fn impatient(t: &Test) -> Database {
    notes_with(
        t,
        config(t).journal_mode("delete").busy_timeout(Duration::from_millis(20)),
    )
    .await
}

cases! {
    /// SQLite rolls back a transaction in which it interrupts a statement that writes.
    #[only(sqlite_file)]
    #[sqlx]
    async fn x4_a_statement_that_sqlite_interrupts_leaves_what_sqlite_says_found_a17(t: Test) -> Result<()> {
        let _parent = notes(&t).await;
        let texts = [
            "insert into {notes} (body) values ('struck')",
            "update {notes} set body = body || '!'",
            "delete from {notes}",
            "select count(*) from {notes}",
            "create table {other} (i integer)",
        ];
        for text in texts {
            for nested in [false, true] {
                let what = format!("`{text}`, nested: {nested}");
                let database = Database::connect(config(&t)).await?;
                let outer = database.transaction().await?;
                outer.execute(add(&t, "before"), ()).await?;
                let interruption = Interruption::prepare(&outer).await?;
                if nested {
                    let inner = outer.transaction().await?;
                    interruption.during(inner.fetch_all(t.sql(text), ())).await.expect_err(&what);
                    drop(inner);
                } else {
                    interruption.during(outer.fetch_all(t.sql(text), ())).await.expect_err(&what);
                }
                // Inside the transaction or not at all.
                let later = soon(&what, outer.execute(add(&t, "later"), ())).await;
                assert_eq!(later.is_ok(), outer.is_open(), "{what}: {later:?}");
                drop(outer);
                soon(&what, database.execute("pragma user_version", ())).await?;
                assert_eq!(kept(&t, &database).await, "", "{what}: {later:?}");
            }
        }
        Ok(())
    }

    /// Nothing was written yet, and another program has the lock: the transaction goes on without the statement.
    #[only(sqlite_file)]
    async fn x4_a_busy_answer_to_a_statement_leaves_its_transaction_open(t: Test) -> Result<()> {
        let database = impatient(&t).await;
        for nested in [false, true] {
            let mut program = t.observer().await;
            let outer = database.transaction().deferred().await?;
            assert_eq!(outer.fetch_value::<i64>(count(&t), ()).await?, i64::from(nested));
            program.execute("begin immediate").await.expect("it locks");
            if nested {
                let inner = outer.transaction().await?;
                assert_eq!(kind(&inner.execute(add(&t, "refused"), ()).await), Some(ErrorKind::LockTimeout));
                inner.rollback().await?;
            } else {
                assert_eq!(kind(&outer.execute(add(&t, "refused"), ()).await), Some(ErrorKind::LockTimeout));
            }
            assert!(outer.is_open());
            program.execute("rollback").await.expect("it lets go");
            program.close().await.expect("it leaves");
            outer.execute(add(&t, format!("later {nested}")), ()).await?;
            outer.commit().await?;
        }
        assert_eq!(kept(&t, &database).await, "later false,later true");
        Ok(())
    }

    /// Another program reads, and there is no WAL.
    #[only(sqlite_file)]
    async fn x4_a_busy_answer_to_a_commit_rolls_back_and_leaves_nothing_open(t: Test) -> Result<()> {
        let database = impatient(&t).await;
        let mut program = t.observer().await;
        program.execute(&t.words("begin; select count(*) from {notes}")).await.expect("it reads");
        let connection = database.connection();
        let outer = connection.transaction().await?;
        outer.execute(add(&t, "refused"), ()).await?;
        let refused = outer.commit().await.expect_err("another connection reads");
        assert_eq!(refused.kind(), ErrorKind::LockTimeout, "{refused}");
        assert!(refused.is_retryable() && !outer.is_open(), "{refused}");
        drop(outer);
        let plain = connection.execute(add(&t, "refused too"), ()).await;
        assert_eq!(kind(&plain), Some(ErrorKind::LockTimeout), "{plain:?}");
        program.execute("rollback").await.expect("it lets go");
        program.close().await.expect("it leaves");
        soon("the next", connection.execute(add(&t, "next"), ())).await?;
        soon("another's", database.transaction().run(async |transaction| transaction.execute(add(&t, "last"), ()).await.map(drop))).await?;
        assert_eq!(kept(&t, &database).await, "last,next");
        Ok(())
    }
}
