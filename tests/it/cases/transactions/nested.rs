//! X2: savepoints.

use ebbtide::{ErrorKind, Result};

use super::narrow;
use crate::cases::tasks::{add, in_use, kept, kind, list};
use crate::support::cases;

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x2_four_levels_commit_together(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        let two = one.transaction().await?;
        two.execute(add(&t, "b"), ()).await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "c"), ()).await?;
        let four = three.transaction().await?;
        four.execute(add(&t, "d"), ()).await?;
        for level in [four, three, two] {
            level.commit().await?;
            if t.can_observe() {
                assert_eq!(kept(&t, &database).await, "", "a savepoint's commit is no commit");
            }
        }
        one.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x2_an_inner_rollback_keeps_the_outer(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        let two = database.transaction().await?;
        two.execute(add(&t, "b"), ()).await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "c"), ()).await?;
        three.rollback().await?;
        two.execute(add(&t, "d"), ()).await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "e"), ()).await?;
        three.commit().await?;
        two.commit().await?;
        let two = database.transaction().await?;
        two.execute(add(&t, "f"), ()).await?;
        drop(two);
        one.execute(add(&t, "g"), ()).await?;
        assert_eq!(one.fetch_value::<String>(list(&t), ()).await?, "a,b,d,e,g");
        one.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,d,e,g");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x2_a_middle_rollback_undoes_what_was_committed_in_it(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        let two = database.transaction().await?;
        let three = database.transaction().await?;
        three.execute(add(&t, "b"), ()).await?;
        three.commit().await?;
        two.rollback().await?;
        one.commit().await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x2_an_outer_rollback_undoes_all(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let one = database.transaction().await?;
        one.execute(add(&t, "a"), ()).await?;
        for body in ["b", "c"] {
            let two = database.transaction().await?;
            two.execute(add(&t, body), ()).await?;
            let three = database.transaction().await?;
            three.execute(add(&t, format!("{body}{body}")), ()).await?;
            three.commit().await?;
            two.commit().await?;
        }
        one.rollback().await?;
        database.execute(add(&t, "d"), ()).await?;
        assert_eq!(kept(&t, &database).await, "d");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x2_a_failed_statement_is_undone_with_its_savepoint(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        for _ in 0..2 {
            let inner = outer.transaction().await?;
            inner.execute(add(&t, "b"), ()).await?;
            let twice = inner.execute(add(&t, "a"), ()).await;
            assert_eq!(kind(&twice), Some(ErrorKind::Constraint));
            inner.rollback().await?;
        }
        outer.execute(add(&t, "c"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,c");
        Ok(())
    }

    /// PostgreSQL aborts a transaction in which a statement failed; the others undo the statement only.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x2_commit_after_a_failed_statement_says_what_happened(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let twice = transaction.execute(add(&t, "a"), ()).await;
        assert_eq!(kind(&twice), Some(ErrorKind::Constraint));
        let next = transaction.execute(add(&t, "b"), ()).await;
        let committed = transaction.commit().await;
        if t.backend().is_postgres() {
            assert_eq!(kind(&next), Some(ErrorKind::TransactionAborted), "{next:?}");
            assert_eq!(kind(&committed), Some(ErrorKind::TransactionAborted), "{committed:?}");
            assert_eq!(kept(&t, &database).await, "");
        } else {
            next?;
            committed?;
            assert_eq!(kept(&t, &database).await, "a,b");
        }
        assert_eq!(kind(&transaction.execute(add(&t, "c"), ()).await), Some(ErrorKind::TransactionEnded));
        assert_eq!(in_use(&database), 0);
        Ok(())
    }
}
