//! Q7: rows one by one, in constant memory.

use ebbtide::{Row, RowStream, params};
use futures::{Stream, TryStreamExt as _};

use super::{Numbered, as_it_is, numbers, take, take_rest, with_numbers, within};
use crate::support::cases;
#[cfg(target_os = "linux")]
use crate::support::{alone, resident};

/// A million rows of some hundred bytes, without a table; `n` counts from 0.
const MILLION: &str = "with d as (select 0 as n {from} union all select 1 {from} union all select 2 {from} union all
        select 3 {from} union all select 4 {from} union all select 5 {from} union all select 6 {from} union all
        select 7 {from} union all select 8 {from} union all select 9 {from})
    select a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n + 100000 * g.n as n,
        '0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789' as filling
    from d a, d b, d c, d e, d f, d g";

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

/// Checks a property of all streams: they may move between tasks.
fn is_send<S: Stream + Send + Unpin + 'static>(stream: S) -> S {
    stream
}

cases! {
    /// Only Linux reports resident memory; a debug build is slow on a million rows.
    #[limit(300)]
    // Derby has no common table expressions.
    #[except(jdbc_derby)]
    // They read all rows before the first, and take minutes for a million.
    #[except(odbc)]
    async fn q7_a_million_rows_take_constant_memory(t: Test) {
        #[cfg(target_os = "linux")]
        if alone(&t) {
            let database = t.database().await;
            let outside = growth(database.iterate(t.sql(MILLION), ())).await;
            assert!(outside < 10_240, "{outside} kB outside of a transaction");
            let transaction = database.transaction().await.unwrap();
            let inside = growth(transaction.iterate(t.sql(MILLION), ())).await;
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
        // A statement without rows is executed as well.
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
        // Meanwhile a statement of the same transaction runs.
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
}
