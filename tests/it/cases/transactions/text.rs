//! Transactions begun as SQL text, on a connection on which the library is asked for one as well.

use ebbtide::{Error, ErrorKind, Result, params};

use crate::cases::tasks::{add, config, in_task, kept, notes, notes_with, soon};
use crate::support::cases;

cases! {
    // A driver of another language is never sent the text of a transaction.
    #[native]
    async fn x4_no_transaction_is_begun_inside_one_of_sql_text_found_a18(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        let none = async |_| Ok::<_, Error>(());
        let delete = || t.sql("delete from {notes} where body = :body");
        let both = || ["commit a", "rollback a"].map(|body| params! { body });
        for end in ["commit", "rollback"] {
            connection.execute("begin", ()).await?;
            connection.execute(add(&t, format!("{end} a")), ()).await?;
            let guard = connection.transaction().await.map(drop);
            let closure = connection.transaction().run(none).await;
            let read_only = connection.transaction().read_only().run(none).await;
            let many = connection.execute_many(delete(), both()).await.map(drop);
            for refused in [guard, closure, read_only, many] {
                let error = refused.expect_err("a transaction is open");
                assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
                assert_eq!(error.to_string().matches("/cases/transactions/text.rs").count(), 2, "{error}");
                assert!(error.to_string().contains("COMMIT or ROLLBACK"), "{error}");
            }
            connection.execute(add(&t, format!("{end} b")), ()).await?;
            connection.execute(end, ()).await?;
            connection.transaction().run(none).await?;
        }
        connection.execute_many(delete(), both()).await?;
        assert_eq!(kept(&t, &database).await, "commit b");
        Ok(())
    }

    /// The words of a text do not always show whether a transaction is open after it; then the server is asked.
    // A driver of another language is never sent the text of a transaction.
    #[native]
    async fn x4_what_a_text_leaves_open_is_known_before_a_transaction_begins_found_a18(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        let backend = t.backend();
        let mut texts = vec![
            (vec!["begin; select 1"], true),
            (vec!["begin", "commit; begin"], true),
            (vec!["begin", "select 1; commit"], false),
            (vec!["begin; select 1; rollback"], false),
            (vec!["begin", "nonsense", "rollback"], false),
        ];
        if backend.is_sqlite() {
            texts.push((vec!["savepoint mine"], true));
            texts.push((vec!["savepoint mine", "release mine"], false));
        } else {
            texts.push((vec!["begin", "commit and chain"], true));
            texts.push((vec!["begin", "rollback and no chain"], false));
        }
        if backend.is_mysql() {
            texts.push((vec!["begin", "create or replace view {seen} as select 1", "drop view {seen}"], false));
        }
        for (texts, open) in texts {
            for text in &texts {
                let sent = connection.execute(t.sql(text), ()).await;
                assert_eq!(sent.is_err(), *text == "nonsense", "{text}: {sent:?}");
            }
            let begun = connection.transaction().run(async |_| Ok::<_, Error>(())).await;
            let kind = begun.map_err(|error| error.kind());
            assert_eq!(kind, if open { Err(ErrorKind::Refused) } else { Ok(()) }, "{texts:?}");
            if open {
                connection.execute("rollback", ()).await?;
            }
        }
        Ok(())
    }

    /// A connection that is kept may have no next use for a long time.
    #[only(postgres, mysql)]
    async fn x4_what_is_dropped_on_a_connection_that_is_kept_keeps_no_lock_found_a26(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t)).await;
        database.execute(add(&t, "a"), ()).await?;
        let connection = database.connection();
        let transaction = connection.transaction().await?;
        transaction.execute(t.sql("update {notes} set body = 'b'"), ()).await?;
        drop(transaction);
        let (other, sql) = (database.clone(), t.sql("update {notes} set body = 'c'"));
        soon("another writer", in_task(async move { other.execute(sql, ()).await })).await?;
        connection.execute("select 1", ()).await?;
        assert_eq!(kept(&t, &database).await, "c");
        Ok(())
    }
}
