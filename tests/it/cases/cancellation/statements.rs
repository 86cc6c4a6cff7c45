//! Q8: statements and streams that are cut off, and their time-outs.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, ErrorKind, Result, params};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::oneshot;

use super::{Narrow, Points, Proxied, may_have_ended, rows};
use crate::cases::tasks::{add, config, in_task, in_use, kind, soon, until};
use crate::drivers::Driver;
use crate::support::cases;

cases! {
    async fn q8_a_plain_statement_cut_off_at_every_point_never_answers_the_next(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for shape in 0..5 {
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let database = &narrow.database;
                let value = i64::from(number);
                let done = match shape {
                    0 => points.cut(database.fetch_all(rows(&t, number), ())).await.map(|rows| rows.map(|rows| rows.len())),
                    1 => {
                        let sql = t.sql("select count(*) from {notes} where id = :id or id <> :id");
                        points.cut(database.fetch_value::<i64>(sql, params! { id: value })).await.map(|n| n.map(|_| 900))
                    }
                    2 => points.cut(database.execute(add(&t, format!("q{number}")), ())).await.map(|done| done.map(|_| 900)),
                    3 => points.cut(database.iterate(rows(&t, number), ()).try_collect::<Vec<_>>()).await.map(|rows| rows.map(|rows| rows.len())),
                    _ => {
                        // Two statements in one text.
                        let sql = AssertSqlSafe(t.words(&format!("insert into {{notes}} (body) values ('p{number}'); select {number} {{from}}")));
                        points.cut(database.execute(sql, ())).await.map(|done| done.map(|_| 900))
                    }
                };
                if let Some(done) = done {
                    assert_eq!(done?, 900);
                }
                narrow.assert_clean(&format!("plain statement of shape {shape}, cut at {}", points.polls)).await;
            }
        }
        Ok(())
    }

    async fn q8_a_connection_kept_by_its_task_goes_on_after_a_cut(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let connection = narrow.database.connection();
        let mut points = Points::new();
        while points.next() {
            let number = narrow.fresh();
            drop(points.cut(connection.fetch_all(rows(&t, number), ())).await.transpose()?);
            let question = t.sql(&format!("select {number} {{from}}"));
            let answer = soon("the next", connection.fetch_value::<i64>(question, ())).await;
            // A discarded connection may be reported once; then there is a new one.
            let answer = match may_have_ended(answer, &format!("cut at {}", points.polls)) {
                Some(answer) => answer,
                None => connection.fetch_value(t.sql(&format!("select {number} {{from}}")), ()).await?,
            };
            assert_eq!(answer, i64::from(number));
        }
        drop(connection);
        narrow.assert_clean("the handle is gone").await;
        Ok(())
    }

    async fn q8_a_stream_dropped_after_each_row_leaves_the_connection_usable(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for taken in [0, 1, 2, 49, 50, 51, 899, 900] {
            let number = narrow.fresh();
            let mut stream = narrow.database.iterate(rows(&t, number), ());
            for row in 1..=taken {
                let read = stream.next().await.expect("900 rows")?;
                assert_eq!((read.get::<i64>(0)?, read.get::<i64>(1)?), (row, i64::from(number)));
            }
            drop(stream);
            narrow.assert_clean(&format!("a stream dropped after {taken} rows")).await;

            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, format!("before{number}")), ()).await?;
            let mut stream = transaction.iterate(rows(&t, number), ());
            for _ in 0..taken {
                stream.next().await.expect("900 rows")?;
            }
            drop(stream);
            transaction.execute(add(&t, format!("after{number}")), ()).await?;
            transaction.commit().await?;
            assert!(narrow.has(&format!("before{number}")).await && narrow.has(&format!("after{number}")).await);
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn q8_timeouts_of_every_verb_leave_a_usable_connection(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let database = &narrow.database;
        let limit = Duration::from_millis(40);
        for verb in ["execute", "execute_many", "fetch_all", "fetch_one", "fetch_optional", "fetch_value"] {
            for inside in [false, true] {
                let number = narrow.fresh();
                let transaction = if inside { Some(database.transaction().await?) } else { None };
                proxy.hold_answers();
                let error = match verb {
                    "execute" => database.execute(rows(&t, number), ()).timeout(limit).await.err(),
                    "execute_many" => {
                        let sql = t.sql("update {notes} set body = :new where id = :id");
                        let rows = (0..3).map(|id| params! { new: format!("{number}{id}"), id: i64::from(id) });
                        database.execute_many(sql, rows).timeout(limit).await.err()
                    }
                    "fetch_all" => database.fetch_all(rows(&t, number), ()).timeout(limit).await.err(),
                    "fetch_one" => database.fetch_one(rows(&t, number), ()).timeout(limit).await.err(),
                    "fetch_optional" => database.fetch_optional(rows(&t, number), ()).timeout(limit).await.err(),
                    _ => database.fetch_value::<i64>(rows(&t, number), ()).timeout(limit).await.err(),
                };
                proxy.resume();
                let error = error.expect("no answer came");
                // The statements only read, and `execute_many` got no further than its own transaction.
                assert_eq!(error.kind(), ErrorKind::Timeout, "{verb}");
                assert!(error.message().contains(file!()), "{verb} says where: {error}");
                if let Some(transaction) = transaction {
                    let question = t.sql(&format!("select {number} {{from}}"));
                    let next = soon("the next", transaction.fetch_value::<i64>(question, ())).await;
                    let answer = may_have_ended(next, verb);
                    assert!(answer.is_none_or(|answer| answer == i64::from(number)), "{verb}: {answer:?}");
                    drop(transaction);
                }
                narrow.assert_clean(verb).await;
            }
        }
        Ok(())
    }

    // Its long statements are sleeps of servers, and SQLite's turn to write; `capabilities` has time limits for all.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q8_a_timeout_of_a_statement_that_takes_long(t: Test) -> Result<()> {
        let by_setting = config(&t).statement_timeout(Duration::from_millis(60)).max_overflow(1_u32);
        for (config, limit) in [(config(&t).max_overflow(1_u32), Some(Duration::from_millis(60))), (by_setting, None)] {
            let mut blocker = None;
            let long = if t.backend().is_postgres() {
                "select pg_sleep(30)"
            } else if t.backend().is_mysql() {
                "select sleep(30)"
            } else if t.driver() == Some(Driver::DuckDb) {
                "select count(*) from range(1000000000) a, range(1000000000) b where a.range + b.range = 7"
            } else {
                // A writer that waits for another's lock, which is never released in time.
                "delete from {notes}"
            };
            let database = if t.backend().is_sqlite() {
                let database = Database::connect(config).await?;
                let create = t.sql("create table if not exists {notes} (id {id}, body {key} not null unique)");
                database.execute(create, ()).await?;
                let other = database.clone();
                let holder = in_task(async move { other.transaction().immediate().await }).await?;
                blocker = Some(holder);
                database
            } else {
                Database::connect(config).await?
            };
            let query = database.execute(t.sql(long), ());
            let timed_out = match limit {
                Some(limit) => query.timeout(limit).await,
                None => query.await,
            };
            // A writer of SQLite waits for its turn before its statement is sent.
            let sent = !t.backend().is_sqlite();
            let expected = if sent { ErrorKind::OutcomeUnknown } else { ErrorKind::Timeout };
            assert_eq!(kind(&timed_out), Some(expected), "{timed_out:?}");
            if let Some(blocker) = blocker {
                blocker.rollback().await?;
            }
            assert_eq!(soon("the next", database.fetch_value::<i64>("select 5", ()).timeout(Duration::from_secs(15))).await?, 5);
            until("nothing is in use", || in_use(&database) == 0).await;
            database.disconnect().await?;
        }
        Ok(())
    }

    async fn q8_timeout_counts_the_wait_for_a_connection(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let database = narrow.database.clone();
        let (begun, signal) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(async move {
            let transaction = database.transaction().await?;
            begun.send(()).expect("the test waits");
            let _ = gone.await;
            transaction.commit().await
        });
        signal.await.expect("it came so far");
        let waited = narrow.database.execute(t.sql("select 1 {from}"), ()).timeout(Duration::from_millis(30)).await;
        assert_eq!(kind(&waited), Some(ErrorKind::Timeout));
        assert_eq!(narrow.database.status()?.waiting, 0, "it left the queue");
        go.send(()).expect("the holder waits");
        holder.await.expect("no panic")?;
        narrow.assert_clean("it waited").await;
        Ok(())
    }
}
