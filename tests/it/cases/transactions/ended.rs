//! X5, X6: ends that come twice, in the wrong order or without the guard's knowledge, and two databases.

use ebbtide::{AssertSqlSafe, Database, ErrorKind, Result};

use super::narrow;
use crate::cases::tasks::{add, in_use, kept, kept_in, kind, line_below, notes};
use crate::support::cases;

cases! {
    async fn x5_finishing_twice_is_an_error_that_names_the_first_place(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for first_commits in [true, false] {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, if first_commits { "a" } else { "b" }), ()).await?;
            let place = if first_commits {
                let place = line_below();
                transaction.commit().await?;
                place
            } else {
                let place = line_below();
                transaction.rollback().await?;
                place
            };
            for second in [transaction.commit().await, transaction.rollback().await] {
                let error = second.expect_err("it has ended");
                assert_eq!(error.kind(), ErrorKind::TransactionEnded);
                assert!(error.message().contains(&place), "{place} is named: {error}");
            }
            assert_eq!(kind(&transaction.execute(add(&t, "c"), ()).await), Some(ErrorKind::TransactionEnded));
            assert_eq!(kind(&transaction.transaction().await), Some(ErrorKind::TransactionEnded));
            assert_eq!(in_use(&database), 0, "an ended guard holds no connection");
            // The task may begin another one, although the guard still exists.
            database.transaction().await?.commit().await?;
        }
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_the_outer_before_the_inner_is_an_error_and_both_stay_usable(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = database.transaction().await?;
        inner.execute(add(&t, "b"), ()).await?;
        for early in [outer.commit().await, outer.rollback().await] {
            let error = early.expect_err("the inner one is open");
            assert_eq!(error.kind(), ErrorKind::ConcurrentUse);
            assert!(error.message().matches(file!()).count() >= 2, "both places are named: {error}");
        }
        assert!(outer.is_open() && inner.is_open());
        inner.execute(add(&t, "c"), ()).await?;
        inner.commit().await?;
        outer.execute(add(&t, "d"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_a_savepoint_finished_twice_leaves_the_outer_usable(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        for first_commits in [true, false] {
            let inner = database.transaction().await?;
            inner.execute(add(&t, if first_commits { "a" } else { "b" }), ()).await?;
            if first_commits { inner.commit().await? } else { inner.rollback().await? }
            assert_eq!(kind(&inner.commit().await), Some(ErrorKind::TransactionEnded));
            assert_eq!(kind(&inner.rollback().await), Some(ErrorKind::TransactionEnded));
            outer.execute(add(&t, if first_commits { "c" } else { "d" }), ()).await?;
        }
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,c,d");
        Ok(())
    }

    async fn x5_statements_that_would_end_it_behind_the_guards_back_are_refused(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        for sql in ["commit", "rollback", "begin", "COMMIT;", "/* a comment */ rollback"] {
            let refused = transaction.execute(AssertSqlSafe(sql.to_owned()), ()).await;
            assert_eq!(kind(&refused), Some(ErrorKind::Refused), "{sql}: {refused:?}");
        }
        if t.backend().is_mysql() {
            let implicit = transaction.execute(t.sql("create table {more} (id {id})"), ()).await;
            assert_eq!(kind(&implicit), Some(ErrorKind::Refused), "{implicit:?}");
        }
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn x6_two_databases_are_independent(t: Test) -> Result<()> {
        let first = notes(&t).await;
        // On SQLite another file, because a file has one writer.
        let url = if t.backend().is_sqlite() { t.sqlite_url("second.db") } else { t.url() };
        let second = Database::connect(url).await?;
        second.execute(t.sql("create table {others} (id {id}, body {key} not null unique)"), ()).await?;
        let other = |body: &str| t.sql(&format!("insert into {{others}} (body) values ('{body}')"));
        let others = async |database: &Database| {
            if t.backend().is_sqlite() {
                let sql = t.sql("select coalesce(group_concat(body, ','), '') from {others}");
                database.fetch_value::<String>(sql, ()).await.expect("the other notes")
            } else {
                kept_in(&t, database, "others").await
            }
        };
        let transaction = first.transaction().await?;
        first.execute(add(&t, "a"), ()).await?;
        second.execute(other("b"), ()).await?;
        assert_eq!(others(&second).await, "b", "the second has no transaction, so that was committed");
        let within = second.transaction().await?;
        assert_eq!((in_use(&first), in_use(&second)), (1, 1));
        second.execute(other("c"), ()).await?;
        transaction.rollback().await?;
        within.commit().await?;
        assert_eq!((kept(&t, &first).await, others(&second).await), (String::new(), "b,c".to_owned()));
        let (one, two) = (first.transaction().await?, second.transaction().await?);
        first.execute(add(&t, "d"), ()).await?;
        second.execute(other("e"), ()).await?;
        one.commit().await?;
        two.rollback().await?;
        assert_eq!((kept(&t, &first).await, others(&second).await), ("d".to_owned(), "b,c".to_owned()));
        Ok(())
    }
}
