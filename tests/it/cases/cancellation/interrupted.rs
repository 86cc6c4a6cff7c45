//! SQLite runs a statement on a thread, and no server ends it there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ebbtide::{AssertSqlSafe, Database, ErrorKind, Result};
use futures::TryStreamExt;

use crate::cases::tasks::{add, config, notes_with};
use crate::support::{Test, cases};

/// A query that never ends and returns no row.
const ENDLESS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n where i < 0";
/// A query that returns one row and never ends.
const ONE_ROW: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n where i < 2";
const SHORT: Duration = Duration::from_millis(150);

/// Returns a parent with the table `notes` and one connection.
async fn one_connection(t: &Test) -> Database {
    let config = config(t).pool_size(1).pool_timeout(Duration::from_secs(5));
    notes_with(t, config).await
}

/// Ends an endless query in each way, and asserts that the next statement does not wait for it.
async fn ends(t: &Test, database: &Database) -> Result<()> {
    for text in [ENDLESS.to_owned(), format!("{ENDLESS}; select 1")] {
        let sql = || AssertSqlSafe(text.clone());
        let error = database.fetch_all(sql(), ()).timeout(SHORT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        at_once(t, database).await?;
        let dropped = tokio::time::timeout(SHORT, async { database.fetch_all(sql(), ()).await }).await;
        assert!(dropped.is_err());
        at_once(t, database).await?;
    }
    let mut rows = database.iterate(ONE_ROW, ()).timeout(SHORT);
    assert_eq!(rows.try_next().await?.unwrap().get::<i64>(0)?, 1);
    assert_eq!(rows.try_next().await.unwrap_err().kind(), ErrorKind::Timeout);
    drop(rows);
    at_once(t, database).await?;
    let mut rows = database.iterate(ONE_ROW, ());
    assert_eq!(rows.try_next().await?.unwrap().get::<i64>(0)?, 1);
    drop(rows);
    at_once(t, database).await
}

/// Asserts that the next statement runs at once.
async fn at_once(t: &Test, database: &Database) -> Result<()> {
    let since = Instant::now();
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    database
        .execute(add(t, NEXT.fetch_add(1, Ordering::Relaxed)), ())
        .await?;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    // A long one is not ended by what was meant for another.
    let long = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select count(*) from n";
    assert_eq!(database.fetch_value::<i64>(long, ()).await?, 20_000);
    Ok(())
}

cases! {
    #[only(sqlite)]
    async fn q8_a_query_that_timed_out_is_ended_found_a9(t: Test) -> Result<()> {
        let database = one_connection(&t).await;
        ends(&t, &database).await?;
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 6);
        Ok(())
    }

    #[only(sqlite)]
    async fn q8_a_transaction_outlives_its_query_that_timed_out_found_a9(t: Test) -> Result<()> {
        let database = one_connection(&t).await;
        let transaction = database.transaction().await?;
        // Plain calls of the task go to its transaction.
        transaction.execute(add(&t, "a"), ()).await?;
        ends(&t, &database).await?;
        transaction.commit().await?;
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 7);
        Ok(())
    }

    #[only(sqlite)]
    async fn f12_a_sandbox_outlives_its_query_that_timed_out_found_a9(t: Test) -> Result<()> {
        let database = one_connection(&t).await;
        let sandbox = database.sandbox().await?;
        ends(&t, &sandbox).await?;
        let transaction = sandbox.transaction().await?;
        ends(&t, &sandbox).await?;
        transaction.commit().await?;
        assert_eq!(sandbox.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 12);
        sandbox.disconnect().await?;
        let shared = Database::connect(config(&t).force_rollback(true)).await?;
        if t.can_observe() {
            ends(&t, &shared).await?;
        }
        Ok(())
    }

    /// SQLite undoes a whole transaction with a write that is ended, so only one that stands alone is.
    #[only(sqlite)]
    async fn x13_a_write_that_timed_out_alone_is_undone_and_the_next_writer_has_its_turn_found_a9(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_timeout(Duration::from_secs(5))).await;
        let endless = "insert into {notes} (body) select 'x' || i from (with recursive n(i) as (select 1 union all select i + 1 from n) select i from n)";
        let error = database.execute(t.sql(endless), ()).timeout(SHORT).await.unwrap_err();
        assert!(error.outcome_unknown(), "{error:?}");
        at_once(&t, &database).await?;
        let transaction = database.transaction().await?;
        transaction.execute(t.sql(endless), ()).timeout(SHORT).await.unwrap_err();
        drop(transaction);
        at_once(&t, &database).await?;
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 2);
        Ok(())
    }

    #[only(sqlite)]
    #[sqlx]
    async fn q9_a_query_of_sqlx_that_is_dropped_is_ended_found_a9(t: Test) -> Result<()> {
        #[cfg(feature = "sqlx-interop")]
        {
            let database = one_connection(&t).await;
            let sandbox = database.sandbox().await?;
            for database in [&database, &sandbox] {
                let view = database.sqlx::<sqlx::Sqlite>()?;
                let dropped = tokio::time::timeout(SHORT, sqlx::query(ENDLESS).fetch_all(&view)).await;
                assert!(dropped.is_err());
                at_once(&t, database).await?;
            }
        }
        drop(t);
        Ok(())
    }
}
