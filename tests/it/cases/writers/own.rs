//! X13: the live handles determine who has the turn. No caller waits for its own transaction, and none receives that
//! error for a transaction that is gone.

use ebbtide::{ErrorKind, Result};
use tokio::task::yield_now;

use super::{at_most, once, write};
use crate::cases::tasks::{add, in_use, kept, next_number, notes, numbers, soon, until};
use crate::support::cases;

cases! {
    /// The guard is gone, and an operation in its transaction is still running.
    #[only(sqlite)]
    async fn x13_a_dropped_transaction_in_which_something_is_under_way_is_waited_for_found_a16(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "undone"), ()).await?;
        let mut rows = transaction.iterate(numbers(900), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        drop(transaction);
        let mut next = Box::pin(database.transaction().into_future());
        assert!(once(&mut next).await.is_pending(), "it waits for what goes on there");
        drop(rows);
        let next = soon("the next transaction", next).await?;
        next.execute(add(&t, "a"), ()).await?;
        next.commit().await?;
        drop(next);
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    /// A cut-off transaction, shared with a task or not, is never taken for one that its task still has.
    #[only(sqlite)]
    async fn x13_the_next_transaction_of_a_task_that_was_cut_off_waits_found_a16(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for polls in 0..40 {
            let shared = async {
                let transaction = database.transaction().await?;
                let (other, sql) = (database.clone(), add(&t, format!("s{polls}")));
                let child = tokio::spawn(transaction.share(async move { other.execute(sql, ()).await.map(drop) }));
                for _ in 0..polls % 7 {
                    yield_now().await;
                }
                drop(transaction);
                child.await.expect("no panic")
            };
            at_most(polls, shared).await;
            soon("a transaction", database.transaction()).await?.rollback().await?;
            at_most(polls, async { database.transaction().await?.commit().await }).await;
            soon("a closure", database.transaction().run(async |_| Ok::<_, ebbtide::Error>(()))).await?;
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    /// A connection that is kept may have no next user for a long time.
    #[only(sqlite)]
    async fn x13_what_is_dropped_on_a_connection_that_is_kept_keeps_nobody_waiting(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        connection.execute("select 1", ()).await?;
        for polls in 0..30 {
            let cut = async {
                let transaction = connection.transaction().await?;
                transaction.execute(add(&t, format!("undone{polls}")), ()).await?;
                let inner = transaction.transaction().await?;
                inner.execute(add(&t, format!("undone{polls} too")), ()).await?;
                Ok::<_, ebbtide::Error>((transaction, inner))
            };
            at_most(polls, cut).await;
            soon("a writer", write(&t, &database, &format!("n{polls:02}"))).await?;
        }
        assert_eq!(kept(&t, &database).await, (0..30).map(|n| format!("n{n:02}")).collect::<Vec<_>>().join(","));
        connection.execute(add(&t, "after"), ()).await?;
        Ok(())
    }

    /// The owner is known while the transaction begins, and after another caller has used it.
    #[only(sqlite_file)]
    async fn x13_a_beginning_and_a_text_are_their_owners_too(t: Test) -> Result<()> {
        let (database, other) = super::two(&t).await;
        let connection = database.connection();
        connection.execute("begin immediate", ()).await?;
        let refused = other.execute(add(&t, "a"), ()).await.expect_err("it waits for itself");
        assert_eq!(refused.kind(), ErrorKind::ConcurrentUse, "{refused}");
        connection.execute("rollback", ()).await?;
        other.execute(add(&t, "b"), ()).await?;
        connection.execute("begin", ()).await?;
        connection.execute(add(&t, "c"), ()).await?;
        let refused = other.transaction().await.expect_err("it waits for itself");
        assert_eq!(refused.kind(), ErrorKind::ConcurrentUse, "{refused}");
        connection.execute("commit", ()).await?;
        other.transaction().await?.rollback().await?;
        assert_eq!(kept(&t, &database).await, "b,c");
        Ok(())
    }
}
