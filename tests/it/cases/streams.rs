//! Q7 and T5: streams of rows, in constant memory, and beside other statements on their connection.

use std::process::Command;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Connection, Database, Error, ErrorKind, Row, RowStream, Transaction, params};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use crate::support::{Test, cases};

/// How long anything here may take that must not hang.
const LIMIT: Duration = Duration::from_secs(20);

/// Set in the process of its own in which memory is measured.
const ALONE: &str = "EBBTIDE_TEST_ALONE";

/// A million rows of some hundred bytes, without a table; `n` counts from 0.
const MILLION: &str = "with d as (select 0 as n union all select 1 union all select 2 union all select 3 union all select 4
        union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)
    select a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n + 100000 * g.n as n,
        '0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789' as filling
    from d a, d b, d c, d e, d f, d g";

/// A table `{numbered}` with the numbers from 1 to `count`.
async fn with_numbers(t: &Test, config: impl FnOnce(Config) -> Config, count: i64) -> Database {
    let config = config(Config::from_url(t.url().as_str()).unwrap());
    let database = Database::connect(config).await.unwrap();
    database
        .execute(t.sql("create table {numbered} (id {int} not null primary key)"), ())
        .await
        .unwrap();
    let insert = t.sql("insert into {numbered} (id) values (?)");
    database
        .execute_many(insert, (1..=count).map(|id| (id,)))
        .await
        .unwrap();
    database
}

fn as_it_is(config: Config) -> Config {
    config
}

/// The numbers in order.
fn numbers(t: &Test) -> AssertSqlSafe<String> {
    t.sql("select id from {numbered} order by id")
}

/// Takes the next `count` numbers, which must be the ones from `first` on.
async fn take(rows: &mut RowStream, first: i64, count: i64) {
    for wanted in first..first + count {
        let row = within(rows.try_next()).await.unwrap();
        assert_eq!(row.map(|row| row.get::<i64>("id").unwrap()), Some(wanted));
    }
}

/// Takes the rest of the numbers, which must go from `first` to `last`.
async fn take_rest(rows: &mut RowStream, first: i64, last: i64) {
    take(rows, first, last - first + 1).await;
    assert!(within(rows.try_next()).await.unwrap().is_none());
    // And it stays at its end.
    assert!(within(rows.try_next()).await.unwrap().is_none());
}

/// Fails instead of hanging.
#[track_caller]
fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let limited = tokio::time::timeout(LIMIT, future).await;
        limited.unwrap_or_else(|_| panic!("what began at {place} hangs"))
    }
}

#[track_caller]
fn assert_says(error: &Error, kind: ErrorKind, pieces: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in: {text}");
    }
}

/// A place in this file.
fn at(line: u32) -> String {
    format!("streams.rs:{line}")
}

/// Statements that fail at the fifth of the numbers, after the first four.
fn failing(t: &Test) -> AssertSqlSafe<String> {
    if t.backend().is_postgres() {
        t.sql("select id + 0 / (5 - id) as id from {numbered}")
    } else if t.backend().is_mysql() {
        t.sql("select id, 18446744073709551611 + id as big from {numbered}")
    } else {
        t.sql("select id, abs(-9223372036854775803 - id) as big from {numbered}")
    }
}

/// The resident memory of this process, in kilobytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads a million rows and returns by how many kilobytes the memory grew at most after the first thousand.
#[cfg(target_os = "linux")]
async fn growth(mut rows: RowStream) -> u64 {
    let (mut count, mut sum, mut before, mut most) = (0_u64, 0_i64, 0, 0);
    while let Some(row) = rows.try_next().await.unwrap() {
        sum += row.get::<i64>("n").unwrap();
        count += 1;
        if count == 1_000 {
            before = resident();
        } else if count % 10_000 == 0 {
            most = most.max(resident());
        }
    }
    assert_eq!((count, sum), (1_000_000, 499_999_500_000));
    most.saturating_sub(before)
}

/// Runs this one test again in a process of its own, where no other test takes memory. Returns whether this is it.
#[cfg(target_os = "linux")]
fn alone(t: &Test) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", t.name()])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    false
}

/// A connection, in whichever shape it comes.
trait Shared {
    fn connection(&self) -> &Connection;
}

impl Shared for Connection {
    fn connection(&self) -> &Connection {
        self
    }
}

impl Shared for Transaction {
    fn connection(&self) -> &Connection {
        self
    }
}

/// What a stream that shares its connection must bear, one after the other.
async fn bear_others(t: &Test, database: &Database, on: &impl Shared) {
    let on = on.connection();
    let count = || t.sql("select count(*) from {numbered}");
    let mut rows = on.iterate(numbers(t), ());
    take(&mut rows, 1, 3).await;
    // On the same handle, and on the database, whose calls run on the same connection in this task.
    assert_eq!(
        within(on.fetch_value::<i64>(count(), ()).into_future()).await.unwrap(),
        1_000
    );
    take(&mut rows, 4, 3).await;
    assert_eq!(
        within(database.fetch_value::<i64>(count(), ()).into_future())
            .await
            .unwrap(),
        1_000
    );
    // What is written meanwhile is not among the rows any more.
    within(
        on.execute(t.sql("insert into {numbered} (id) values (2000)"), ())
            .into_future(),
    )
    .await
    .unwrap();
    within(
        on.execute(t.sql("delete from {numbered} where id = 2000"), ())
            .into_future(),
    )
    .await
    .unwrap();
    take_rest(&mut rows, 7, 1_000).await;
    assert_eq!(
        within(on.fetch_value::<i64>(count(), ()).into_future()).await.unwrap(),
        1_000
    );
}

#[derive(Debug, PartialEq, Deserialize, sqlx::FromRow)]
struct Numbered {
    id: i64,
}

/// What is the same for all streams: they may go from task to task.
fn is_send<S: Stream + Send + Unpin + 'static>(stream: S) -> S {
    stream
}

cases! {
    /// Resident memory is told by Linux only; a debug build takes its time for a million rows.
    #[limit(300)]
    async fn q7_a_million_rows_take_constant_memory(t: Test) {
        #[cfg(target_os = "linux")]
        if alone(&t) {
            let database = t.database().await;
            let outside = growth(database.iterate(MILLION, ())).await;
            assert!(outside < 10_240, "{outside} kB outside of a transaction");
            let transaction = database.transaction().await.unwrap();
            let inside = growth(transaction.iterate(MILLION, ())).await;
            assert!(inside < 10_240, "{inside} kB in a transaction");
            transaction.commit().await.unwrap();
        }
    }

    async fn q7_a_stream_gives_all_rows_in_order_and_ends(t: Test) {
        let database = with_numbers(&t, as_it_is, 300).await;
        take_rest(&mut is_send(database.iterate(numbers(&t), ())), 1, 300).await;
        let connection = database.connection();
        take_rest(&mut connection.iterate(numbers(&t), ()), 1, 300).await;
        let transaction = database.transaction().await.unwrap();
        take_rest(&mut transaction.iterate(numbers(&t), ()), 1, 300).await;
        transaction.rollback().await.unwrap();
        let none = database.iterate(t.sql("select id from {numbered} where id < :id"), params! { id: 0 });
        assert_eq!(none.try_collect::<Vec<Row>>().await.unwrap().len(), 0);
        // A statement without rows is run all the same.
        let mut rows = database.iterate(t.sql("delete from {numbered} where id <= ?"), (100,));
        assert!(rows.try_next().await.unwrap().is_none());
        assert_eq!(t.committed(&database, "select count(*) from {numbered}").await, 200);
    }

    async fn q7_nothing_happens_before_the_first_poll(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 3).await;
        let unused = database.iterate(t.sql("delete from {numbered}"), ());
        assert_eq!(database.status().unwrap().in_use, 0);
        assert_eq!(
            database
                .fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ())
                .await
                .unwrap(),
            3
        );
        drop(unused);
        assert_eq!(
            database
                .fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ())
                .await
                .unwrap(),
            3
        );
    }

    async fn q7_rows_are_decoded_and_deserialized(t: Test) {
        let database = with_numbers(&t, as_it_is, 3).await;
        let wanted = [1, 2, 3].map(|id| Numbered { id });
        let read: Vec<Numbered> = is_send(database.iterate(numbers(&t), ()).decode())
            .try_collect()
            .await
            .unwrap();
        assert_eq!(read, wanted);
        let read: Vec<Numbered> = database
            .iterate(numbers(&t), ())
            .deserialize()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(read, wanted);
        let read: Vec<_> = database
            .iterate(numbers(&t), ())
            .decode::<(i64,)>()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(read, [(1,), (2,), (3,)]);
    }

    async fn q7_a_row_that_does_not_fit_does_not_end_the_stream(t: Test) {
        let database = with_numbers(&t, as_it_is, 4).await;
        let sql = t.sql("select case when id = 2 then null else id end as id from {numbered} order by id");
        let read: Vec<Result<Numbered, Error>> = database.iterate(sql, ()).deserialize().collect().await;
        let ids: Vec<Option<i64>> = read.iter().map(|row| row.as_ref().ok().map(|row| row.id)).collect();
        // Sorted at the place of the number they are made of.
        assert_eq!(ids.len(), 4);
        assert_eq!(ids.iter().filter(|id| id.is_none()).count(), 1);
        let error = read.into_iter().find_map(Result::err).unwrap();
        assert_says(&error, ErrorKind::Decode, &["`id`", "NULL", "i64"]);
    }

    async fn q7_dropping_half_way_leaves_the_connection_usable_at_once(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 5_000).await;
        let count = || t.sql("select count(*) from {numbered}");
        for taken in [0, 1, 60, 4_999, 5_000] {
            // Outside of everything: the only connection of the pool is free again.
            let mut rows = database.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            assert_eq!(
                within(database.fetch_value::<i64>(count(), ()).into_future())
                    .await
                    .unwrap(),
                5_000
            );
            assert_eq!(database.status().unwrap().size, 1);

            let connection = database.connection();
            let mut rows = connection.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            assert_eq!(
                within(connection.fetch_value::<i64>(count(), ()).into_future())
                    .await
                    .unwrap(),
                5_000
            );
            take_rest(&mut connection.iterate(numbers(&t), ()), 1, 5_000).await;
            drop(connection);

            // In a transaction its work is still there.
            let transaction = within(database.transaction().into_future()).await.unwrap();
            transaction
                .execute(t.sql("insert into {numbered} (id) values (?)"), (100_000 + taken,))
                .await
                .unwrap();
            let mut rows = transaction.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            assert_eq!(
                within(transaction.fetch_value::<i64>(count(), ()).into_future())
                    .await
                    .unwrap(),
                5_001
            );
            let inner = within(transaction.transaction().into_future()).await.unwrap();
            let mut rows = inner.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            within(inner.rollback()).await.unwrap();
            let mut rows = transaction.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            within(transaction.commit()).await.unwrap();
            let delete = t.sql("delete from {numbered} where id > ?");
            let done = within(database.execute(delete, (50_000,)).into_future()).await.unwrap();
            assert_eq!(done.rows_affected, 1);
        }
    }

    async fn q7_a_transaction_dropped_with_its_stream_is_rolled_back(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 500).await;
        let transaction = database.transaction().await.unwrap();
        transaction
            .execute(t.sql("delete from {numbered} where id > 400"), ())
            .await
            .unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 10).await;
        drop(transaction);
        drop(rows);
        let count = database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count.into_future()).await.unwrap(), 500);
        // The other way round.
        let transaction = within(database.transaction().into_future()).await.unwrap();
        transaction
            .execute(t.sql("delete from {numbered} where id > 400"), ())
            .await
            .unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 10).await;
        drop(rows);
        drop(transaction);
        let count = database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count.into_future()).await.unwrap(), 500);
    }

    async fn q7_batches_have_the_size_that_is_asked_for(t: Test) {
        let database = with_numbers(&t, as_it_is, 10).await;
        for (size, wanted) in [
            (0, &[1; 10][..]),
            (1, &[1; 10]),
            (3, &[3, 3, 3, 1]),
            (5, &[5, 5]),
            (10, &[10]),
            (1_000, &[10]),
        ] {
            let batches: Vec<Vec<Row>> = is_send(database.batched_iterate(numbers(&t), (), size))
                .try_collect()
                .await
                .unwrap();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), wanted);
            let ids: Vec<i64> = batches.iter().flatten().map(|row| row.get("id").unwrap()).collect();
            assert_eq!(ids, (1..=10).collect::<Vec<i64>>());
        }
        let none = t.sql("select id from {numbered} where id > :id");
        let batches: Vec<Vec<Row>> = database
            .batched_iterate(none, params! { id: 99 }, 4)
            .try_collect()
            .await
            .unwrap();
        assert!(batches.is_empty());
        let transaction = database.transaction().await.unwrap();
        let mut batches = transaction.batched_iterate(numbers(&t), (), 4);
        assert_eq!(batches.try_next().await.unwrap().unwrap().len(), 4);
        // In between a statement of the same transaction.
        within(
            transaction
                .execute(t.sql("delete from {numbered} where id = 10"), ())
                .into_future(),
        )
        .await
        .unwrap();
        let rest: Vec<Vec<Row>> = batches.try_collect().await.unwrap();
        assert_eq!(rest.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
        transaction.commit().await.unwrap();
    }

    async fn q7_a_mistake_is_the_first_item_and_the_last(t: Test) {
        let database = with_numbers(&t, as_it_is, 3).await;
        let connection = database.connection();
        for _ in 0..2 {
            let items: Vec<_> = connection
                .iterate(t.sql("select id from {numbered} where id = :id"), ())
                .collect()
                .await;
            assert_eq!(items.len(), 1);
            assert_says(items[0].as_ref().unwrap_err(), ErrorKind::Parameter, &[":id"]);
            let items: Vec<_> = connection
                .iterate(t.sql("select nonsense from {numbered}"), ())
                .collect()
                .await;
            assert_eq!(items.len(), 1);
            assert_eq!(items[0].as_ref().unwrap_err().kind(), ErrorKind::UndefinedObject);
            let batches: Vec<_> = connection
                .batched_iterate(t.sql("select nonsense from {numbered}"), (), 2)
                .collect()
                .await;
            assert_eq!(batches.len(), 1);
            take_rest(&mut connection.iterate(numbers(&t), ()), 1, 3).await;
        }
        let closed = Database::new(t.url().as_str()).unwrap();
        let items: Vec<_> = closed.iterate("select 1", ()).collect().await;
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].as_ref().unwrap_err().kind(), ErrorKind::NotConnected);
    }

    async fn q7_an_error_in_mid_stream_comes_after_the_rows_before_it(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 9).await;
        let good = |items: &[Result<Row, Error>]| -> Vec<i64> {
            items
                .iter()
                .filter_map(|item| item.as_ref().ok())
                .map(|row| row.get("id").unwrap())
                .collect()
        };
        for _ in 0..2 {
            let items: Vec<_> = within(database.iterate(failing(&t), ()).collect()).await;
            assert_eq!(good(&items), [1, 2, 3, 4]);
            assert_eq!(items.len(), 5);
            assert!(items[4].as_ref().unwrap_err().sqlstate().is_some());
            take_rest(&mut database.iterate(numbers(&t), ()), 1, 9).await;
        }
        // In a transaction: PostgreSQL aborts it, the others go on.
        let transaction = database.transaction().await.unwrap();
        transaction
            .execute(t.sql("delete from {numbered} where id = 9"), ())
            .await
            .unwrap();
        let items: Vec<_> = within(transaction.iterate(failing(&t), ()).collect()).await;
        assert_eq!(good(&items), [1, 2, 3, 4]);
        let after = within(transaction.fetch_value::<i64>("select 1", ()).into_future()).await;
        if t.backend().is_postgres() {
            assert_eq!(after.unwrap_err().kind(), ErrorKind::TransactionAborted);
            assert_eq!(
                within(transaction.commit()).await.unwrap_err().kind(),
                ErrorKind::TransactionAborted
            );
        } else {
            assert_eq!(after.unwrap(), 1);
            within(transaction.commit()).await.unwrap();
        }
        // A savepoint keeps the outer transaction out of it.
        let transaction = database.transaction().await.unwrap();
        let inner = transaction.transaction().await.unwrap();
        let items: Vec<_> = within(inner.iterate(failing(&t), ()).collect()).await;
        assert!(items[4].is_err());
        within(inner.rollback()).await.unwrap();
        take(&mut transaction.iterate(numbers(&t), ()), 1, 8).await;
        within(transaction.commit()).await.unwrap();
    }

    async fn q7_batches_before_an_error_come_before_it(t: Test) {
        let database = with_numbers(&t, as_it_is, 9).await;
        let items: Vec<_> = within(database.batched_iterate(failing(&t), (), 3).collect()).await;
        let sizes: Vec<Option<usize>> = items.iter().map(|item| item.as_ref().ok().map(Vec::len)).collect();
        assert_eq!(sizes, [Some(3), Some(1), None]);
    }

    async fn q7_streams_run_beside_each_other_on_connections_of_their_own(t: Test) {
        let database = with_numbers(&t, as_it_is, 500).await;
        let mut one = database.iterate(numbers(&t), ());
        let mut other = database.iterate(numbers(&t), ());
        for id in 1..=500 {
            take(&mut one, id, 1).await;
            take(&mut other, id, 1).await;
        }
        let count = database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count.into_future()).await.unwrap(), 500);
        take_rest(&mut one, 501, 500).await;
        take_rest(&mut other, 501, 500).await;
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    async fn t5_a_statement_on_the_connection_of_an_open_stream_works_and_the_stream_goes_on(t: Test) {
        let database = with_numbers(&t, as_it_is, 1_000).await;
        {
            let connection = database.connection();
            bear_others(&t, &database, &connection).await;
        }
        let transaction = database.transaction().await.unwrap();
        bear_others(&t, &database, &transaction).await;
        let inner = database.transaction().await.unwrap();
        bear_others(&t, &database, &inner).await;
        inner.commit().await.unwrap();
        transaction.commit().await.unwrap();
        database
            .transaction()
            .run(async |transaction| {
                bear_others(&t, &database, &transaction).await;
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    async fn t5_every_row_may_be_answered_with_a_statement(t: Test) {
        let database = with_numbers(&t, as_it_is, 200).await;
        database
            .execute(t.sql("create table {copied} (id {int} not null primary key)"), ())
            .await
            .unwrap();
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        while let Some(row) = within(rows.try_next()).await.unwrap() {
            let id: i64 = row.get("id").unwrap();
            let insert = t.sql("insert into {copied} (id) values (:id)");
            within(transaction.execute(insert, params! { id }).into_future())
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(t.committed(&database, "select count(*) from {copied}").await, 200);
    }

    async fn t5_a_plain_stream_may_be_answered_with_plain_statements(t: Test) {
        // More rows than any driver reads ahead.
        let database = with_numbers(&t, as_it_is, 5_000).await;
        database
            .execute(t.sql("create table {copied} (id {int} not null primary key)"), ())
            .await
            .unwrap();
        let mut rows = database.iterate(numbers(&t), ());
        while let Some(row) = within(rows.try_next()).await.unwrap() {
            let id: i64 = row.get("id").unwrap();
            if id % 500 == 0 {
                let insert = t.sql("insert into {copied} (id) values (:id)");
                within(database.execute(insert, params! { id }).into_future())
                    .await
                    .unwrap();
            }
        }
        assert_eq!(t.committed(&database, "select count(*) from {copied}").await, 10);
    }

    async fn t5_several_streams_on_one_connection_take_turns(t: Test) {
        let database = with_numbers(&t, as_it_is, 300).await;
        let transaction = database.transaction().await.unwrap();
        let mut streams: Vec<RowStream> = (0..4).map(|_| transaction.iterate(numbers(&t), ())).collect();
        for id in 1..=300 {
            for rows in &mut streams {
                take(rows, id, 1).await;
            }
        }
        for rows in &mut streams {
            take_rest(rows, 301, 300).await;
        }
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_a_stream_outlives_the_end_of_its_transaction(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 300).await;
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        within(transaction.commit()).await.unwrap();
        take_rest(&mut rows, 6, 300).await;
        let transaction = within(database.transaction().into_future()).await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        within(transaction.rollback()).await.unwrap();
        take_rest(&mut rows, 6, 300).await;
        // And a savepoint begun while it is open.
        let transaction = within(database.transaction().into_future()).await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let inner = within(database.transaction().into_future()).await.unwrap();
        take(&mut rows, 6, 5).await;
        within(inner.rollback()).await.unwrap();
        take_rest(&mut rows, 11, 300).await;
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_another_task_may_want_the_connection(t: Test) {
        let database = with_numbers(&t, as_it_is, 500).await;
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let count = t.sql("select count(*) from {numbered}");
        let task = tokio::spawn(transaction.share({
            let database = database.clone();
            async move { database.fetch_value::<i64>(count, ()).await }
        }));
        // The reader does not read while the other waits.
        assert_eq!(within(task).await.unwrap().unwrap(), 500);
        take(&mut rows, 6, 5).await;
        // The stream itself moves to another task and is read there.
        let task = tokio::spawn(async move {
            take_rest(&mut rows, 11, 500).await;
        });
        within(task).await.unwrap();
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_a_reader_that_waits_beside_other_statements_gets_every_row(t: Test) {
        let database = with_numbers(&t, as_it_is, 2_000).await;
        let connection = database.connection();
        let reader = {
            let mut rows = connection.iterate(numbers(&t), ());
            async move { take_rest(&mut rows, 1, 2_000).await }
        };
        let asker = {
            let connection = connection.clone();
            let count = t.words("select count(*) from {numbered}");
            async move {
                for _ in 0..50 {
                    let query = connection.fetch_value::<i64>(AssertSqlSafe(count.as_str()), ());
                    assert_eq!(query.await.unwrap(), 2_000);
                }
            }
        };
        let both = async { tokio::join!(tokio::spawn(reader), tokio::spawn(asker)) };
        let (reader, asker) = within(both).await;
        reader.unwrap();
        asker.unwrap();
    }

    async fn t5_more_rows_than_the_buffer_takes_are_an_error_that_names_the_stream(t: Test) {
        let database = with_numbers(&t, |config| config.stream_buffer_rows(10), 100).await;
        let transaction = database.transaction().await.unwrap();
        let line = line!() + 1;
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        for _ in 0..3 {
            let refused = within(transaction.fetch_value::<i64>("select 1", ()).into_future())
                .await
                .unwrap_err();
            assert_says(
                &refused,
                ErrorKind::ConcurrentUse,
                &[&at(line), "10 rows", "stream_buffer_rows"],
            );
        }
        let refused = within(database.transaction().into_future()).await.unwrap_err();
        assert_says(&refused, ErrorKind::ConcurrentUse, &[&at(line)]);
        // A commit is refused, too, and can be made up for.
        let refused = within(transaction.commit()).await.unwrap_err();
        assert_says(&refused, ErrorKind::ConcurrentUse, &[&at(line)]);
        // The stream has lost nothing, and near its end the others have their way.
        take(&mut rows, 6, 85).await;
        assert_eq!(
            within(transaction.fetch_value::<i64>("select 7", ()).into_future())
                .await
                .unwrap(),
            7
        );
        take_rest(&mut rows, 91, 100).await;
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_as_many_rows_as_the_buffer_takes_are_put_aside(t: Test) {
        let database = with_numbers(&t, |config| config.stream_buffer_rows(10), 15).await;
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        assert_eq!(
            within(transaction.fetch_value::<i64>("select 7", ()).into_future())
                .await
                .unwrap(),
            7
        );
        take_rest(&mut rows, 6, 15).await;
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 4).await;
        let refused = within(transaction.fetch_value::<i64>("select 7", ()).into_future()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConcurrentUse);
        drop(rows);
        // Dropped, it is in nobody's way.
        assert_eq!(
            within(transaction.fetch_value::<i64>("select 7", ()).into_future())
                .await
                .unwrap(),
            7
        );
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_an_error_in_a_stream_that_was_put_aside_is_the_streams(t: Test) {
        let database = with_numbers(&t, as_it_is, 9).await;
        let transaction = database.connection();
        let mut rows = transaction.iterate(failing(&t), ());
        take(&mut rows, 1, 1).await;
        assert_eq!(
            within(transaction.fetch_value::<i64>("select 7", ()).into_future())
                .await
                .unwrap(),
            7
        );
        take(&mut rows, 2, 3).await;
        assert!(within(rows.try_next()).await.unwrap_err().sqlstate().is_some());
        assert!(within(rows.try_next()).await.unwrap().is_none());
    }

    async fn t5_in_the_sandbox_streams_and_statements_share_the_connection(t: Test) {
        let database = with_numbers(&t, as_it_is, 1_000).await;
        let sandbox = database.force_rollback(true);
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let count = || database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count().into_future()).await.unwrap(), 1_000);
        within(
            database
                .execute(t.sql("delete from {numbered} where id > 900"), ())
                .into_future(),
        )
        .await
        .unwrap();
        take(&mut rows, 6, 5).await;
        let transaction = within(database.transaction().into_future()).await.unwrap();
        bear_some(&t, &transaction, &mut rows).await;
        within(transaction.commit()).await.unwrap();
        take_rest(&mut rows, 21, 1_000).await;
        // Dropped half-way, and one that fails half-way.
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        drop(rows);
        assert_eq!(within(count().into_future()).await.unwrap(), 900);
        let items: Vec<_> = within(database.iterate(failing(&t), ()).collect()).await;
        assert!(items[4].is_err());
        assert_eq!(within(count().into_future()).await.unwrap(), 900);
        drop(sandbox);
        database.disconnect().await.unwrap();
        if t.can_observe() {
            assert_eq!(t.observe("select count(*) from {numbered}").await, 1_000);
        }
    }

    async fn t5_an_exhausted_pool_is_an_error_that_names_the_stream(t: Test) {
        let limit = Duration::from_millis(300);
        let database = with_numbers(&t, |config| config.pool_size(1).pool_timeout(limit), 500).await;
        let line = line!() + 1;
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let error = within(database.fetch_value::<i64>("select 1", ()).into_future())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Timeout, &[&at(line)]);
        take_rest(&mut rows, 6, 500).await;
        assert_eq!(
            within(database.fetch_value::<i64>("select 1", ()).into_future())
                .await
                .unwrap(),
            1
        );
    }

    #[current_thread]
    async fn t5_on_one_thread_nothing_hangs_either(t: Test) {
        let database = with_numbers(&t, as_it_is, 1_000).await;
        let transaction = database.transaction().await.unwrap();
        bear_others(&t, &database, &transaction).await;
        within(transaction.commit()).await.unwrap();
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        drop(rows);
        assert_eq!(
            within(database.fetch_value::<i64>("select 1", ()).into_future())
                .await
                .unwrap(),
            1
        );
    }
}

/// Statements of a transaction that was begun while a stream of the sandbox is open.
async fn bear_some(t: &Test, transaction: &Transaction, rows: &mut RowStream) {
    take(rows, 11, 5).await;
    let count = transaction.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
    assert_eq!(within(count.into_future()).await.unwrap(), 900);
    take(rows, 16, 5).await;
}
