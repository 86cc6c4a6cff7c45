//! SQLite's write lock: a transaction takes it when it begins, so that no transaction fails halfway because another
//! wrote.

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, Result, SqliteMode, params};
use futures::future::{join_all, try_join_all};

use crate::cases::tasks::{add, config, count, in_task, kept, kind, notes, notes_with};
use crate::support::{Test, cases};

/// Reads and then writes, in that many tasks at once. Returns the kinds of the errors.
async fn read_then_write(t: &Test, database: &Database, tasks: usize) -> Vec<ErrorKind> {
    database
        .execute(t.sql("insert into {notes} (id, body) values (1, 'a')"), ())
        .await
        .expect("a note");
    let (read, write) = (
        t.words("select length(body) from {notes} where id = 1"),
        t.words("update {notes} set body = body || 'a' where id = 1"),
    );
    let each = (0..tasks).map(|_| {
        let (database, read, write) = (database.clone(), read.clone(), write.clone());
        tokio::spawn(async move {
            let work = async |transaction: ebbtide::Transaction| {
                transaction.fetch_value::<i64>(AssertSqlSafe(read), ()).await?;
                transaction.execute(AssertSqlSafe(write), ()).await.map(drop)
            };
            database.transaction().run(work).await
        })
    });
    let ended = join_all(each).await;
    ended
        .into_iter()
        .filter_map(|ended| ended.expect("it did not panic").err().map(|error: Error| error.kind()))
        .collect()
}

/// Makes one booking. Returns `Ok(false)` if the slot is full.
async fn book(t: &Test, database: &Database, slot: i64) -> Result<bool> {
    let (taken, seats) = (t.sql("select count(*) from {bookings} where slot = :slot"), 10);
    database
        .transaction()
        .run(async |transaction| {
            let taken: i64 = transaction.fetch_value(taken, params! { slot }).await?;
            if taken < seats {
                transaction
                    .execute(t.sql("insert into {bookings} (slot) values (:slot)"), params! { slot })
                    .await?;
            }
            Ok(taken < seats)
        })
        .await
}

async fn bookings(t: &Test, config: Config) -> Result<()> {
    let database = Database::connect(config).await?;
    database
        .execute(t.sql("create table {bookings} (id {id}, slot bigint not null)"), ())
        .await?;
    let booked = try_join_all((0..60).map(|n| book(t, &database, n % 3))).await?;
    assert_eq!(booked.into_iter().filter(|booked| *booked).count(), 30);
    let most: i64 = database
        .fetch_value(
            t.sql("select max(n) from (select count(*) as n from {bookings} group by slot) as slots"),
            (),
        )
        .await?;
    assert_eq!(most, 10);
    Ok(())
}

cases! {
    #[only(sqlite_file)]
    async fn x13_transactions_that_read_and_then_write_all_succeed_found_n1(t: Test) {
        let database = notes(&t).await;
        assert_eq!(read_then_write(&t, &database, 40).await, []);
        assert_eq!(t.observe("select length(body) from {notes} where id = 1").await, 41);
    }

    #[only(sqlite_file)]
    async fn x13_the_same_with_a_wal_found_n1(t: Test) {
        let database = notes_with(&t, config(&t).journal_mode("wal")).await;
        assert_eq!(read_then_write(&t, &database, 40).await, []);
        assert_eq!(t.observe("select length(body) from {notes} where id = 1").await, 41);
    }

    #[only(sqlite_file)]
    async fn x13_requests_that_meet_book_what_there_is_found_n1(t: Test) -> Result<()> {
        bookings(&t, config(&t)).await
    }

    #[only(sqlite_file)]
    async fn x13_requests_that_meet_book_what_there_is_with_a_wal_found_n1(t: Test) -> Result<()> {
        bookings(&t, config(&t).journal_mode("wal")).await
    }

    /// Code that works with any URL need not check which database it has.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x13_wishes_about_locks_are_accepted_everywhere_found_f7(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for (body, begin) in [
            ("a", database.transaction().immediate()),
            ("b", database.transaction().deferred()),
            ("c", database.transaction().deferrable()),
            ("d", database.transaction().immediate().deferrable()),
        ] {
            let transaction = begin.await?;
            // Inside of a transaction, too: it has the lock that the outermost took.
            let inner = transaction.transaction().immediate().deferrable().await?;
            inner.execute(add(&t, body), ()).await?;
            inner.commit().await?;
            transaction.commit().await?;
        }
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        let sandbox = database.sandbox().await?;
        sandbox.transaction().immediate().run(async |inner| inner.execute(add(&t, "e"), ()).await).await?;
        assert_eq!(sandbox.fetch_value::<i64>(count(&t), ()).await?, 5);
        Ok(())
    }

    #[only(sqlite_file)]
    async fn x13_a_database_that_may_only_be_read_has_transactions_too(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        database.disconnect().await?;
        for (setting, config) in [
            ("mode=ro", config(&t).sqlite_mode(SqliteMode::ReadOnly)),
            ("immutable", config(&t).sqlite_mode(SqliteMode::ReadOnly).immutable(true)),
            ("query_only", config(&t).server_setting("query_only", "1")),
        ] {
            let database = Database::connect(config).await?;
            for begin in [database.transaction(), database.transaction().read_only(), database.transaction().deferred()] {
                let transaction = begin.await?;
                assert_eq!(transaction.fetch_value::<i64>(count(&t), ()).await?, 1, "{setting}");
                let refused = transaction.execute(add(&t, "b"), ()).await;
                assert_eq!(kind(&refused), Some(ErrorKind::ReadOnly), "{setting}: {refused:?}");
                transaction.commit().await?;
            }
            database.disconnect().await?;
        }
        Ok(())
    }

    /// The lock is held from the beginning, unless the transaction is deferred or read-only.
    #[only(sqlite_file)]
    async fn x13_the_lock_is_taken_at_the_beginning(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(2_u32).busy_timeout(std::time::Duration::from_millis(20))).await;
        for (held, begin) in [
            (true, database.transaction()),
            (false, database.transaction().read_only()),
            (false, database.transaction().deferred()),
        ] {
            let transaction = begin.await?;
            let (other, sql) = (database.clone(), add(&t, "beside"));
            let beside = in_task(async move { other.transaction().run(async |_| other.execute(sql, ()).await).await }).await;
            assert_eq!(kind(&beside), held.then_some(ErrorKind::LockTimeout), "{beside:?}");
            transaction.rollback().await?;
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }
}
