//! X13: transactions begun as SQL text.

use ebbtide::{ErrorKind, Result};

use super::{MOMENT, two, write};
use crate::cases::tasks::{add, config, in_use, kept, notes_with, soon, until};
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
