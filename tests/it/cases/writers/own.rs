//! X13: the live handles determine who has the turn. No caller waits for its own transaction, and none receives that
//! error for a transaction that is gone.

use ebbtide::{Error, ErrorKind, Result, Transaction};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::{at_most, once, write};
use crate::cases::tasks::{add, config, in_use, kept, next_number, notes, numbers, soon, until};
use crate::support::cases;

cases! {
    /// The guard is gone, and an operation in its transaction is still running.
    #[only(sqlite)]
    async fn x13_a_dropped_transaction_in_which_something_is_under_way_is_waited_for_found_a16(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "undone"), ()).await?;
        let mut rows = transaction.iterate(numbers(&t, 900), ());
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

    /// The next in the queue of the connection is cut off when it has just received the lock.
    #[only(sqlite)]
    async fn x13_a_dropped_transaction_ends_although_its_next_user_is_cut_off_found_a20(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        for polls in 0..8 {
            let (began, begun) = oneshot::channel();
            let mut writing = Box::pin(connection.transaction().run(async |transaction: Transaction| {
                transaction.execute(add(&t, "undone"), ()).await?;
                began.send(()).expect("the test waits");
                std::future::pending::<Result<(), Error>>().await
            }));
            tokio::select! {
                _ = &mut writing => panic!("it waits"),
                begun = begun => begun.expect("it writes"),
            }
            let mut next = Box::pin(connection.execute("select 1", ()).into_future());
            assert!(once(&mut next).await.is_pending());
            drop(writing);
            at_most(polls, next).await;
            soon("a writer", write(&t, &database, &format!("n{polls}"))).await?;
        }
        assert_eq!(kept(&t, &database).await, "n0,n1,n2,n3,n4,n5,n6,n7");
        connection.execute(add(&t, "after"), ()).await?;
        Ok(())
    }

    #[only(sqlite_file)]
    async fn x13_a_commit_as_text_that_is_cut_off_ends_its_turn_found_a20(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        let (mut cut, mut rows) = (0, 0);
        for n in 0..5 {
            connection.execute("begin immediate", ()).await?;
            let insert = "insert into {notes} (body) with recursive r(i) as (select 1 union all select i + 1 from r where i < 5000)";
            connection.execute(t.sql(&format!("{insert} select '{n} ' || i from r")), ()).await?;
            rows += 5000;
            {
                let mut commit = Box::pin(connection.execute("commit", ()).into_future());
                cut += i32::from(once(&mut commit).await.is_pending());
            }
            let mut observer = t.observer().await;
            while observer.number(&t.words("select count(*) from {notes}")).await.expect("a number") < rows {
                yield_now().await;
            }
            observer.close().await.expect("the observer leaves");
            soon("a writer", write(&t, &database, &format!("n{n}"))).await?;
            rows += 1;
        }
        assert!(cut > 0, "each of them was done at once");
        Ok(())
    }

    /// The transaction belongs to the task that uses its connection.
    #[only(sqlite_file)]
    async fn x13_a_transaction_of_text_moves_with_its_connection_found_a25(t: Test) -> Result<()> {
        let (database, other) = super::two(&t).await;
        let patient = ebbtide::Database::connect(config(&t)).await?;
        let connection = database.connection();
        connection.execute("begin immediate", ()).await?;
        let ((used, first_use), (end, ended)) = (oneshot::channel(), oneshot::channel::<()>());
        let (sql, refused) = (add(&t, "a"), add(&t, "refused"));
        let task = tokio::spawn(async move {
            connection.execute(sql, ()).await?;
            let own = other.execute(refused, ()).await.expect_err("it waits for itself");
            assert_eq!(own.kind(), ErrorKind::ConcurrentUse, "{own}");
            used.send(()).expect("the test waits");
            ended.await.expect("the test tells");
            connection.execute("commit", ()).await
        });
        first_use.await.expect("it is used");
        let mut writing = Box::pin(patient.execute(add(&t, "b"), ()).into_future());
        assert!(once(&mut writing).await.is_pending());
        end.send(()).expect("the task waits");
        soon("the other task's end", writing).await?;
        task.await.expect("no panic")?;
        assert_eq!(kept(&t, &database).await, "a,b");
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
