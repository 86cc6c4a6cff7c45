//! X13: transactions begun as SQL text.

use std::time::Duration;

use ebbtide::{ErrorKind, Result};

use super::{Held, MOMENT, two, write};
use crate::cases::tasks::{add, config, count, in_use, kept, kind, notes_with, soon, until};
use crate::support::cases;

cases! {
    /// The error of a statement ends the transaction, and no ROLLBACK follows.
    #[only(sqlite_file)]
    async fn x13_an_error_that_ends_a_transaction_of_text_ends_its_turn(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let connection = database.connection();
        let clash = || t.sql("insert or rollback into {notes} (id, body) select id, body from {notes}");
        for begin in ["begin", "begin immediate"] {
            connection.execute(begin, ()).await?;
            connection.execute(add(&t, "a"), ()).await?;
            assert_eq!(write(&t, &other, "refused").await.expect_err("it has the turn").kind(), ErrorKind::LockTimeout);
            connection.execute(clash(), ()).await.expect_err("a key that is there");
            soon("the next writer", write(&t, &other, begin)).await?;
            // An error that does not end the transaction leaves the turn.
            connection.execute(begin, ()).await?;
            connection.execute(add(&t, "b"), ()).await?;
            connection.execute(add(&t, "b"), ()).await.expect_err("it is there");
            assert_eq!(write(&t, &other, "refused").await.expect_err("it has the turn").kind(), ErrorKind::LockTimeout);
            connection.execute("rollback", ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "begin,begin immediate");
        Ok(())
    }

    /// Whatever text leaves a transaction open, the writers that wait for it know it.
    #[only(sqlite_file)]
    async fn x13_a_transaction_that_text_leaves_open_has_the_turn_found_a19(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let connection = database.connection();
        let insert = t.words("insert into {notes} (body) values ('mine')");
        let texts = [
            // The second BEGIN fails.
            vec!["begin immediate".to_owned(), insert.clone(), "begin".to_owned()],
            vec!["savepoint outermost".to_owned(), insert.clone()],
            vec!["savepoint outermost".to_owned(), insert.clone(), "savepoint inner".to_owned(), "release inner".to_owned()],
            vec!["begin immediate".to_owned(), "commit; begin immediate".to_owned()],
            vec![format!("begin; {insert}")],
            // The second INSERT fails, so the script does not come to its end.
            vec![format!("begin; {insert}; {insert}; commit")],
        ];
        for (n, texts) in texts.iter().enumerate() {
            for text in texts {
                let failed = connection.execute(ebbtide::AssertSqlSafe(text.clone()), ()).await.is_err();
                assert_eq!(failed, text == "begin" || text.ends_with("; commit"), "{text}");
            }
            let refused = write(&t, &other, "refused").await.expect_err("a transaction is open");
            assert!(refused.to_string().contains("its only writer is the transaction begun by"), "{texts:?}: {refused}");
            connection.execute("rollback", ()).await?;
            soon("the next writer", write(&t, &other, &format!("n{n}"))).await?;
        }
        for text in [format!("begin; {insert}; commit"), "savepoint outermost".to_owned(), "release outermost".to_owned()] {
            connection.execute(ebbtide::AssertSqlSafe(text), ()).await?;
        }
        soon("the next writer", write(&t, &other, "after")).await?;
        assert_eq!(kept(&t, &database).await, "after,mine,n0,n1,n2,n3,n4,n5");
        Ok(())
    }

    /// The lock of another program keeps the transaction from beginning.
    #[only(sqlite_file)]
    async fn x13_a_begin_as_text_that_fails_has_no_turn(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let connection = database.connection();
        let mut program = t.observer().await;
        program.execute("begin immediate").await.expect("it locks");
        let busy = connection.execute("begin immediate", ()).await;
        assert_eq!(kind(&busy), Some(ErrorKind::LockTimeout));
        program.execute("commit").await.expect("it lets go");
        program.close().await.expect("it leaves");
        soon("the next writer", write(&t, &other, "a")).await?;
        connection.transaction().await?.commit().await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    /// Without a WAL, the writer that has the turn cannot commit before the transaction of text ends.
    #[only(sqlite_file)]
    async fn x13_a_transaction_of_text_that_has_read_waits_for_no_turn_found_a21(t: Test) -> Result<()> {
        let patient = config(&t).journal_mode("delete").busy_timeout(Duration::from_mins(1));
        let database = notes_with(&t, patient).await;
        let connection = database.connection();
        connection.execute("begin", ()).await?;
        assert_eq!(connection.fetch_value::<i64>(count(&t), ()).await?, 0);
        let held = Held::new(&database).await;
        let refused = soon("an answer", connection.execute(add(&t, "refused"), ())).await;
        assert_eq!(kind(&refused), Some(ErrorKind::LockTimeout));
        connection.execute("rollback", ()).await?;
        held.commit().await;
        // One that has not read waits for its turn.
        let held = Held::new(&database).await;
        connection.execute("begin", ()).await?;
        let mut waits = Box::pin(connection.execute(add(&t, "a"), ()).into_future());
        assert!(super::once(&mut waits).await.is_pending());
        held.commit().await;
        soon("its turn", waits).await?;
        connection.execute("commit", ()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    /// A plain BEGIN takes the turn with the first statement that writes, and keeps it until it ends.
    #[only(sqlite)]
    async fn x13_a_plain_begin_as_text_has_the_turn_from_its_first_write(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).busy_timeout(MOMENT)).await;
        let connection = database.connection();
        connection.execute("begin", ()).await?;
        write(&t, &database, "beside").await?;
        connection.execute(add(&t, "mine"), ()).await?;
        let refused = write(&t, &database, "refused").await.expect_err("it has the turn");
        assert!(refused.to_string().contains("its only writer is"), "{refused}");
        connection.execute(add(&t, "mine too"), ()).await?;
        connection.execute("commit", ()).await?;
        write(&t, &database, "after").await?;
        connection.execute("begin", ()).await?;
        connection.execute(add(&t, "left"), ()).await?;
        drop(connection);
        until("it was cleaned", || in_use(&database) == 0).await;
        write(&t, &database, "last").await?;
        assert_eq!(kept(&t, &database).await, "after,beside,last,mine,mine too");
        Ok(())
    }
}
