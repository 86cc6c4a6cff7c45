//! Limits, reports and repetitions, the same for all ways to run a statement: verbs, streams, batches, executors of sqlx
//! and their streams.

use std::time::{Duration, Instant};

use ebbtide::{AssertSqlSafe, Connection, Database, Error, ErrorKind, Transaction};
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::{Column as _, Row as _};

use super::{LIMIT, as_it_is, assert_says, at, numbers, take, with_numbers, within};
use crate::cases::replicas::{PRIMARY, READ, REPLICA, ReplicaStandIn, fill, read_by_another};
use crate::support::until as until_so;
use crate::support::{Proxy, Test, Watcher, cases, with_db};

/// Expires while the server is silent.
const SHORT: Duration = Duration::from_millis(300);

/// A way to read rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    All,
    Stream,
    Batches,
    SqlxAll,
    SqlxStream,
}

const WAYS: [Way; 5] = [Way::All, Way::Stream, Way::Batches, Way::SqlxAll, Way::SqlxStream];

/// Returns the library's error.
fn own(error: sqlx::Error) -> Error {
    error.into()
}

impl Way {
    /// Reads every row, and returns the names of the columns of each.
    async fn columns(self, t: &Test, on: &Connection, sql: AssertSqlSafe<String>) -> Result<Vec<Vec<String>>, Error> {
        let names = |row: &ebbtide::Row| row.columns().map(str::to_owned).collect::<Vec<_>>();
        match self {
            Self::All => Ok(on.fetch_all(sql, ()).await?.iter().map(names).collect()),
            Self::Stream => on.iterate(sql, ()).map_ok(|row| names(&row)).try_collect().await,
            Self::Batches => {
                let batches: Vec<_> = on.batched_iterate(sql, (), 2).try_collect().await?;
                Ok(batches.iter().flatten().map(names).collect())
            }
            Self::SqlxAll => with_db!(t.backend(), {
                let rows = sqlx::query(sql).fetch_all(&on.sqlx::<DB>()?).await.map_err(own)?;
                Ok(rows
                    .iter()
                    .map(|row| row.columns().iter().map(|column| column.name().to_owned()).collect())
                    .collect())
            }),
            Self::SqlxStream => with_db!(t.backend(), {
                let sqlx = on.sqlx::<DB>()?;
                let rows = sqlx::query(sql).fetch(&sqlx);
                let rows = rows.map_ok(|row| row.columns().iter().map(|column| column.name().to_owned()).collect());
                rows.try_collect().await.map_err(own)
            }),
        }
    }

    /// Reads one number.
    async fn number(self, t: &Test, database: &Database, sql: AssertSqlSafe<String>) -> Result<i64, Error> {
        match self {
            Self::All => database.fetch_value(sql, ()).await,
            Self::Stream => database.iterate(sql, ()).try_next().await?.expect("a row").get(0),
            Self::Batches => {
                let batch = database
                    .batched_iterate(sql, (), 2)
                    .deserialize::<(i64,)>()
                    .try_next()
                    .await?;
                Ok(batch.expect("a batch")[0].0)
            }
            Self::SqlxAll => with_db!(t.backend(), {
                sqlx::query_scalar(sql)
                    .fetch_one(&database.sqlx::<DB>()?)
                    .await
                    .map_err(own)
            }),
            Self::SqlxStream => with_db!(t.backend(), {
                let sqlx = database.sqlx::<DB>()?;
                let number = sqlx::query_scalar(sql).fetch(&sqlx).try_next().await.map_err(own)?;
                Ok(number.expect("a row"))
            }),
        }
    }
}

cases! {
    /// The server falls silent before the first row.
    #[only(postgres, mysql)]
    #[sqlx]
    async fn q8_the_limit_of_the_settings_holds_for_every_way_found_e7(t: Test) {
        drop(with_numbers(&t, as_it_is, 9).await);
        let proxy = Proxy::start(&t.url());
        let config = ebbtide::Config::from_url(proxy.url().as_str()).unwrap().pool_size(1).statement_timeout(SHORT);
        let database = Database::connect(config).await.unwrap();
        for way in WAYS {
            for inside in [false, true] {
                let transaction = if inside { Some(database.transaction().await.unwrap()) } else { None };
                let on = transaction.as_ref().map_or_else(|| database.connection(), Transaction::connection);
                assert_eq!(way.columns(&t, &on, numbers(&t)).await.unwrap().len(), 9, "{way:?}");
                proxy.hold_answers();
                let began = Instant::now();
                let error = within(way.columns(&t, &on, numbers(&t))).await.unwrap_err();
                assert_says(&error, ErrorKind::Timeout, &[file!(), "300ms"]);
                assert!(began.elapsed() < LIMIT / 2, "{way:?}: {:?}", began.elapsed());
                proxy.resume();
                drop((transaction, on));
                assert_eq!(within(database.fetch_value::<i64>("select 42", ()).into_future()).await.unwrap(), 42);
            }
        }
    }

    /// Each wait has the whole limit, and the time in which the reader does something else is not counted.
    #[only(postgres, mysql)]
    async fn q8_the_limit_of_a_stream_is_that_of_each_row_found_e7(t: Test) {
        let database = with_numbers(&t, as_it_is, 8).await;
        // Each row fills the server's buffer.
        let pause = if t.backend().is_mysql() { "sleep(0.3)" } else { "pg_sleep(0.3)::text" };
        let sql = t.words(&format!("select id, {pause}, '{}' from {{numbered}}", "x".repeat(20_000)));
        let mut rows = database.iterate(AssertSqlSafe(sql), ()).timeout(Duration::from_millis(1_100));
        for number in 1..=8_i64 {
            let row = within(rows.try_next()).await.unwrap().unwrap();
            assert_eq!(row.get::<i64>(0).unwrap(), number);
            if number == 1 {
                // Four rows come meanwhile, and then there is more to wait for.
                tokio::time::sleep(Duration::from_millis(1_300)).await;
            }
        }
        assert!(within(rows.try_next()).await.unwrap().is_none());
    }

    /// After some rows.
    #[only(postgres, mysql)]
    async fn q8_a_stream_that_waits_too_long_half_way_ends_with_an_error_found_e7(t: Test) {
        let filler = "x".repeat(1_000);
        let wide = t.sql(&format!("select id, '{filler}' as filler from {{numbered}} order by id"));
        drop(with_numbers(&t, as_it_is, 20_000).await);
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(ebbtide::Config::from_url(proxy.url().as_str()).unwrap().pool_size(1)).await.unwrap();
        let mut rows = database.iterate(wide, ()).timeout(SHORT);
        let here = at(line!() - 1);
        take(&mut rows, 1, 5).await;
        proxy.hold_answers();
        let mut last = Ok(5);
        while let Some(row) = within(rows.next()).await {
            last = row.map(|row| row.get::<i64>(0).unwrap());
        }
        let error = last.unwrap_err();
        assert_says(&error, ErrorKind::Timeout, &[&here, "300ms", "next row", "statement_timeout"]);
        assert!(within(rows.next()).await.is_none(), "it has ended");
        proxy.resume();
        assert_eq!(within(database.fetch_value::<i64>("select 42", ()).into_future()).await.unwrap(), 42);
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    /// Its row may stay.
    #[only(postgres)]
    async fn x12_a_stream_that_writes_and_waits_too_long_has_an_unknown_outcome_found_e7(t: Test) {
        drop(with_numbers(&t, as_it_is, 3).await);
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(proxy.url().as_str()).await.unwrap();
        let insert = |id: i64| database.iterate(t.sql("insert into {numbered} (id) values (?) returning id"), (id,)).timeout(SHORT);
        assert!(within(insert(10).try_next()).await.unwrap().is_some());
        proxy.hold_answers_from(1);
        let error = within(insert(11).try_next()).await.unwrap_err();
        assert_says(&error, ErrorKind::OutcomeUnknown, &[file!(), "insert into"]);
        proxy.resume();
        until_so(async || t.observe("select count(*) from {numbered} where id = 11").await == 1).await;
    }

    #[only(postgres, mysql)]
    async fn q8_a_stream_can_be_without_the_limit_of_the_settings(t: Test) {
        let config = ebbtide::Config::from_url(t.url().as_str()).unwrap().statement_timeout(SHORT);
        let database = Database::connect(config).await.unwrap();
        let long = if t.backend().is_mysql() { "select sleep(0.6)" } else { "select pg_sleep(0.6)" };
        let error = within(database.iterate(long, ()).try_collect::<Vec<_>>()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "a function may write: {error}");
        let rows: Vec<_> = within(database.iterate(long, ()).timeout(Duration::ZERO).try_collect()).await.unwrap();
        assert_eq!(rows.len(), 1);
    }

    #[only(sqlite)]
    async fn q8_a_stream_of_a_long_query_ends_at_its_limit_found_e7(t: Test) {
        let database = Database::connect(ebbtide::Config::from_url(t.url().as_str()).unwrap().pool_size(1)).await.unwrap();
        let long = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000000) select count(*) from n";
        let error = within(database.iterate(long, ()).timeout(SHORT).try_next()).await.unwrap_err();
        assert_says(&error, ErrorKind::Timeout, &[file!(), "300ms"]);
        assert_eq!(within(database.fetch_value::<i64>("select 42", ()).into_future()).await.unwrap(), 42);
    }

    /// Limits without an end, and readers that move to another runtime while they wait.
    #[only(sqlite_file)]
    async fn q8_the_clock_of_a_stream_follows_its_reader(t: Test) {
        let database = with_numbers(&t, as_it_is, 20_000).await;
        for limit in [Duration::from_secs(20), Duration::MAX] {
            let mut rows = database.iterate(numbers(&t), ()).timeout(limit);
            let first = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let read = async {
                    take(&mut rows, 1, 5_000).await;
                    // The next wait begins here and is left.
                    let _ = futures::poll!(rows.try_next());
                    rows
                };
                runtime.block_on(read)
            });
            let mut rows = first.join().unwrap();
            let mut read = 0;
            while within(rows.try_next()).await.unwrap().is_some() {
                read += 1;
            }
            assert!((14_999..=15_000).contains(&read), "{read}");
        }
    }

    /// The plan of a statement that SQL text has prepared stays stale.
    #[only(postgres)]
    async fn q7_a_stale_plan_of_the_user_is_an_error_and_no_endless_stream(t: Test) {
        let database = with_numbers(&t, as_it_is, 3).await;
        let on = database.connection();
        on.execute(t.sql("prepare stale as select * from {numbered}"), ()).await.unwrap();
        assert_eq!(within(on.iterate("execute stale", ()).try_collect::<Vec<_>>()).await.unwrap().len(), 3);
        database.execute(t.sql("alter table {numbered} add column more text"), ()).await.unwrap();
        let error = within(on.iterate("execute stale", ()).try_collect::<Vec<_>>()).await.unwrap_err();
        assert!(error.to_string().contains("cached plan"), "{error}");
    }

    /// A function changes the table, which the driver cannot see.
    #[only(postgres)]
    #[sqlx]
    async fn f5_every_way_in_a_sandbox_reads_a_table_that_was_changed_unseen(t: Test) {
        let parent = with_numbers(&t, as_it_is, 3).await;
        for way in WAYS {
            let sandbox = parent.sandbox().await.unwrap();
            let on = sandbox.connection();
            let all = || t.sql("select * from {numbered}");
            assert_eq!(way.columns(&t, &on, all()).await.unwrap(), vec![vec!["id"]; 3], "{way:?}");
            let change = t.words("alter table {numbered} add column more text");
            sandbox.execute(AssertSqlSafe(format!("do $do$ begin execute '{change}'; end $do$")), ()).await.unwrap();
            // Another statement waits for the connection meanwhile.
            let waiting = on.fetch_value::<i64>("select 42", ()).into_future();
            let (columns, waited) = within(futures::future::join(way.columns(&t, &on, all()), waiting)).await;
            assert_eq!(columns.unwrap(), vec![vec!["id", "more"]; 3], "{way:?}");
            assert_eq!(waited.unwrap(), 42);
            drop(on);
            sandbox.disconnect().await.unwrap();
        }
    }

    // It needs sqlx's own driver.
    #[sqlx]
    async fn f6_a_sandbox_reports_every_way_that_takes_long(t: Test) {
        let parent = with_numbers(&t, |config| config.lease_timeout(Duration::from_millis(60)), 3).await;
        for way in WAYS {
            let sandbox = parent.sandbox().await.unwrap();
            let watcher = Watcher::default();
            let long = AssertSqlSafe(match t.backend().family() {
                "postgres" => "select count(*) from (select pg_sleep(0.3)) as s".to_owned(),
                "mysql" => "select sleep(0.3)".to_owned(),
                _ => "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000000) select count(*) from n".to_owned(),
            });
            let on = sandbox.connection();
            within(watcher.watch(way.columns(&t, &on, long))).await.unwrap();
            let seen = watcher.everything();
            assert!(seen.contains("has not finished after 60ms"), "{way:?}: {seen}");
            drop(on);
            sandbox.disconnect().await.unwrap();
        }
    }

    /// The connections to the replica are lost while they are idle.
    #[only(postgres, mysql)]
    #[sqlx]
    async fn r6_every_way_reads_from_the_primary_if_the_replica_fails(t: Test) {
        let stand_in = ReplicaStandIn::new(&t, REPLICA).await;
        let plain = Database::connect(t.url()).await.unwrap();
        fill(&t, &plain, PRIMARY).await;
        for way in WAYS {
            let proxy = Proxy::start(&stand_in.url());
            let config = ebbtide::Config::from_url(t.url()).unwrap().replica(proxy.url()).unwrap();
            let database = Database::connect(config).await.unwrap();
            assert_eq!(read_by_another(&t, &database).await, REPLICA, "{way:?}");
            assert_eq!(way.number(&t, &database, t.sql(READ)).await.unwrap(), REPLICA, "{way:?}");
            proxy.cut();
            assert_eq!(within(way.number(&t, &database, t.sql(READ))).await.unwrap(), PRIMARY, "{way:?}");
        }
    }

    async fn q7_batches_are_decoded(t: Test) {
        let database = with_numbers(&t, as_it_is, 5).await;
        let batches: Vec<_> = database.batched_iterate(numbers(&t), (), 2).decode::<(i64,)>().try_collect().await.unwrap();
        assert_eq!(batches, [vec![(1,), (2,)], vec![(3,), (4,)], vec![(5,)]]);
        let batches = database.batched_iterate(numbers(&t), (), 3).deserialize::<super::Numbered>();
        let sizes: Vec<usize> = batches.map_ok(|batch| batch.len()).try_collect().await.unwrap();
        assert_eq!(sizes, [3, 2]);
    }
}
