//! Futures dropped at each of their await points, and between a request and its answer: whatever happens, the next
//! user of the connection finds it clean.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use ebbtide::{
    AssertSqlSafe, Config, Connection, Database, Error, ErrorKind, IsolationLevel, Result, Transaction, params,
};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::oneshot;

use super::tasks::{add, config, count, in_task, in_use, kept, kind, list, notes_with, soon, until};
use crate::support::{Proxy, Test, cases};

/// The places at which a future can be cut off: after so many polls, at once or when it has been woken again.
struct Points {
    polls: usize,
    woken: bool,
    /// How many places in a row came after the future's end. Answers can come so soon that a poll has several of
    /// them, so one is not enough.
    ends: usize,
}

impl Points {
    fn new() -> Self {
        Self {
            polls: 0,
            woken: false,
            ends: 0,
        }
    }

    /// Goes on to the next place; false when the future came to its end before every later one.
    fn next(&mut self) -> bool {
        if self.ends < 4 {
            self.polls += 1;
            assert!(self.polls < 2000, "the future never comes to its end");
            return true;
        }
        (self.polls, self.ends) = (1, 0);
        !std::mem::replace(&mut self.woken, true)
    }

    /// Runs a future up to this place and drops it there.
    async fn cut<F: IntoFuture>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future.into_future());
        let mut left = self.polls - 1;
        let woken = self.woken;
        let output = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if left == 0 && !woken => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        self.ends = if output.is_some() { self.ends + 1 } else { 0 };
        output
    }
}

/// A database on one connection, which everyone has to use, and a look from the side.
struct Narrow<'t> {
    t: &'t Test,
    database: Database,
    /// Where nothing but the library sees the database, a second connection of the pool.
    side: Option<Connection>,
    number: Cell<u32>,
}

impl<'t> Narrow<'t> {
    async fn new(t: &'t Test) -> Self {
        Self::with(t, config(t)).await
    }

    async fn with(t: &'t Test, config: Config) -> Self {
        let database = notes_with(t, config.pool_size(if t.can_observe() { 1_u32 } else { 2 })).await;
        let side = if t.can_observe() {
            None
        } else {
            let database = database.clone();
            let side = in_task(async move {
                let connection = database.connection();
                connection.fetch_value::<i64>("select 1", ()).await.map(|_| connection)
            });
            Some(side.await.expect("a connection to look from"))
        };
        Self {
            t,
            database,
            side,
            number: Cell::new(1000),
        }
    }

    /// The number in what is really committed.
    async fn look(&self, sql: &str) -> i64 {
        match &self.side {
            Some(side) => side
                .fetch_value(self.t.sql(sql), ())
                .await
                .expect("a look from the side"),
            None => self.t.observe(sql).await,
        }
    }

    /// Whether a note is really committed.
    async fn has(&self, body: &str) -> bool {
        self.look(&format!("select count(*) from {{notes}} where body = '{body}'"))
            .await
            == 1
    }

    fn fresh(&self) -> u32 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// The next user finds no transaction open, no rows of someone else, and nothing leaked.
    async fn assert_clean(&self, after: &str) {
        let number = self.fresh();
        let question = AssertSqlSafe(format!("select {number}"));
        let answer = soon("the next query", self.database.fetch_value::<i64>(question, ())).await;
        assert_eq!(
            answer.unwrap_or_else(|error| panic!("{after}: {error:?}")),
            i64::from(number),
            "{after}"
        );
        let written = soon("the next user", self.database.execute(add(self.t, number), ())).await;
        assert_eq!(
            written
                .unwrap_or_else(|error| panic!("{after}: {error:?}"))
                .rows_affected,
            1,
            "{after}"
        );
        assert!(
            self.has(&number.to_string()).await,
            "{after}: the next user's write was not committed"
        );
        let resting = usize::from(self.side.is_some());
        until("nothing is in use", || in_use(&self.database) == resting).await;
        let status = self.database.status().expect("it is connected");
        assert!(
            status.size <= status.limit && status.waiting == 0,
            "{after}: {status:?}"
        );
    }
}

/// A database behind a proxy, on one connection that is open already.
struct Proxied<'t> {
    proxy: Proxy,
    narrow: Narrow<'t>,
}

impl<'t> Proxied<'t> {
    async fn new(t: &'t Test) -> Self {
        let proxy = Proxy::start(&t.url());
        let config = Config::from_url(proxy.url().as_str()).expect("the proxy's URL");
        Self {
            narrow: Narrow::with(t, config).await,
            proxy,
        }
    }

    /// Sends the request of a future, and drops the future before the answer comes.
    async fn cut_between(&self, future: impl IntoFuture) {
        self.proxy.reset();
        self.proxy.hold_answers();
        let mut future = pin!(future.into_future());
        tokio::select! {
            biased;
            _ = &mut future => panic!("it ended without an answer"),
            () = self.proxy.until_requests(1) => {}
        }
    }
}

fn rows(number: u32) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 900) select i, {number} from n"
    ))
}

/// What may be said about a transaction in which a call was cut off.
fn may_have_ended<T>(result: Result<T>, after: &str) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let kinds = [ErrorKind::TransactionEnded, ErrorKind::ConnectionLost];
            assert!(kinds.contains(&error.kind()), "{after}: {error:?}");
            None
        }
    }
}

cases! {
    async fn x4_a_begin_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let begun = points.cut(narrow.database.transaction()).await;
            let after = format!("begin, cut at {}", points.polls);
            if let Some(transaction) = begun {
                let transaction = transaction?;
                transaction.execute(add(&t, "dropped"), ()).await?;
            }
            narrow.assert_clean(&after).await;
        }
        assert!(!narrow.has("dropped").await);
        Ok(())
    }

    async fn x4_a_begin_with_options_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let begin = narrow.database.transaction().isolation(IsolationLevel::Serializable).read_only();
            drop(points.cut(begin).await);
            // Writing works: a read-only setting did not stay either.
            narrow.assert_clean(&format!("begin read-only, cut at {}", points.polls)).await;
        }
        Ok(())
    }

    async fn x4_a_commit_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let body = format!("c{}", narrow.fresh());
            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, &body), ()).await?;
            let committed = points.cut(transaction.commit()).await;
            let after = format!("commit, cut at {}", points.polls);
            if points.polls == 1 {
                assert!(transaction.is_open(), "it was never asked for");
            }
            drop(transaction);
            narrow.assert_clean(&after).await;
            let there = narrow.has(&body).await;
            if let Some(committed) = committed {
                committed?;
                assert!(there, "{after}");
            } else if points.polls == 1 {
                assert!(!there, "{after}");
            }
            narrow.assert_clean(&after).await;
            assert_eq!(narrow.has(&body).await, there, "{after}: what became of it is settled");
        }
        Ok(())
    }

    async fn x4_after_a_cut_commit_the_guard_says_so(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, format!("c{}", narrow.fresh())), ()).await?;
            let committed = points.cut(transaction.commit()).await;
            let after = format!("commit, cut at {}", points.polls);
            if committed.is_none() && points.polls > 1 {
                let used = soon("a statement", transaction.execute(add(&t, "silent"), ())).await;
                assert_eq!(kind(&used), Some(ErrorKind::TransactionEnded), "{after}");
                let used = soon("a plain call", narrow.database.execute(add(&t, "autocommitted"), ())).await;
                assert_eq!(kind(&used), Some(ErrorKind::TransactionEnded), "{after}: the task still holds the guard");
                assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::TransactionEnded), "{after}");
            }
            drop(transaction);
            narrow.assert_clean(&after).await;
        }
        assert!(!narrow.has("silent").await && !narrow.has("autocommitted").await);
        Ok(())
    }

    async fn x4_a_rollback_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, "undone"), ()).await?;
            let rolled_back = points.cut(transaction.rollback()).await;
            drop(transaction);
            narrow.assert_clean(&format!("rollback, cut at {}", points.polls)).await;
            rolled_back.transpose()?;
            assert!(!narrow.has("undone").await);
        }
        Ok(())
    }

    async fn x4_a_run_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let body = format!("r{}", narrow.fresh());
            let done = points
                .cut(narrow.database.transaction().run(async |transaction: Transaction| {
                    transaction.execute(add(&t, &body), ()).await?;
                    let nested = narrow.database.transaction().run(async |_| {
                        narrow.database.execute(add(&t, format!("{body}n")), ()).await
                    });
                    nested.await
                }))
                .await;
            let after = format!("run, cut at {}", points.polls);
            narrow.assert_clean(&after).await;
            let there = narrow.has(&body).await;
            assert_eq!(narrow.has(&format!("{body}n")).await, there, "{after}: all or nothing");
            if let Some(done) = done {
                done?;
                assert!(there, "{after}");
            }
        }
        Ok(())
    }

    async fn x4_a_savepoints_begin_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let body = format!("o{}", narrow.fresh());
            let outer = narrow.database.transaction().await?;
            outer.execute(add(&t, &body), ()).await?;
            let inner = points.cut(outer.transaction()).await;
            let after = format!("savepoint, cut at {}", points.polls);
            drop(inner.transpose()?);
            let next = soon("the outer", outer.execute(add(&t, format!("{body}x")), ())).await;
            let goes_on = may_have_ended(next, &after).is_some();
            let committed = may_have_ended(soon("its commit", outer.commit()).await, &after).is_some();
            assert_eq!(goes_on, committed, "{after}");
            drop(outer);
            narrow.assert_clean(&after).await;
            assert_eq!((narrow.has(&body).await, narrow.has(&format!("{body}x")).await), (committed, committed), "{after}");
        }
        Ok(())
    }

    async fn x4_a_savepoints_end_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for commits in [true, false] {
            let mut points = Points::new();
            while points.next() {
                let body = format!("o{}", narrow.fresh());
                let outer = narrow.database.transaction().await?;
                outer.execute(add(&t, &body), ()).await?;
                let inner = outer.transaction().await?;
                inner.execute(add(&t, format!("{body}i")), ()).await?;
                let ended = if commits { points.cut(inner.commit()).await } else { points.cut(inner.rollback()).await };
                let after = format!("savepoint's end (commit: {commits}), cut at {}", points.polls);
                drop(inner);
                let next = soon("the outer", outer.execute(add(&t, format!("{body}x")), ())).await;
                let goes_on = may_have_ended(next, &after).is_some();
                let committed = may_have_ended(soon("its commit", outer.commit()).await, &after).is_some();
                assert_eq!(goes_on, committed, "{after}");
                drop(outer);
                narrow.assert_clean(&after).await;
                assert_eq!((narrow.has(&body).await, narrow.has(&format!("{body}x")).await), (committed, committed), "{after}");
                let inner_there = narrow.has(&format!("{body}i")).await;
                if !commits || points.polls == 1 && ended.is_none() {
                    assert!(!inner_there, "{after}: it was rolled back");
                } else if ended.transpose()?.is_some() {
                    assert_eq!(inner_there, committed, "{after}");
                }
            }
        }
        Ok(())
    }

    async fn x4_a_statement_in_a_transaction_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for shape in 0..4 {
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let transaction = narrow.database.transaction().await?;
                transaction.execute(add(&t, format!("t{number}")), ()).await?;
                let done = match shape {
                    0 => points.cut(transaction.execute(add(&t, format!("s{number}")), ())).await.is_some(),
                    1 => {
                        let sql = t.sql("insert into {notes} (body) values (:body)");
                        points.cut(transaction.execute(sql, params! { body: format!("s{number}") })).await.is_some()
                    }
                    2 => points.cut(transaction.fetch_all(rows(number), ())).await.is_some(),
                    _ => points.cut(transaction.iterate(rows(number), ()).try_collect::<Vec<_>>()).await.is_some(),
                };
                let after = format!("statement of shape {shape} in a transaction, cut at {}", points.polls);
                let question = AssertSqlSafe(format!("select {number}"));
                let next = soon("the next statement", transaction.fetch_value::<i64>(question, ())).await;
                let goes_on = may_have_ended(next, &after);
                assert!(goes_on.is_none_or(|answer| answer == i64::from(number)), "{after}: {goes_on:?}");
                let committed = may_have_ended(soon("the commit", transaction.commit()).await, &after).is_some();
                assert_eq!(goes_on.is_some(), committed, "{after}");
                assert!(committed || !done, "{after}: it was not cut at all");
                drop(transaction);
                narrow.assert_clean(&after).await;
                assert_eq!(narrow.has(&format!("t{number}")).await, committed, "{after}");
                assert!(committed || !narrow.has(&format!("s{number}")).await, "{after}");
            }
        }
        Ok(())
    }

    async fn x4_many_rows_at_once_cut_off_at_every_point_are_all_or_nothing(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        // An update cannot be sent as one statement with many tuples, so it takes a transaction of its own.
        let names = 10..16;
        for name in names.clone() {
            narrow.database.execute(add(&t, name), ()).await?;
        }
        let mut points = Points::new();
        while points.next() {
            let mark = format!("{}-", narrow.fresh());
            let sql = t.sql("update {notes} set body = :new where id = :id");
            let rows = (1..=6).map(|id| params! { new: format!("{mark}{id}"), id: i64::from(id) });
            let done = points.cut(narrow.database.execute_many(sql, rows)).await;
            let after = format!("execute_many, cut at {}", points.polls);
            narrow.assert_clean(&after).await;
            let changed = narrow.look(&format!("select count(*) from {{notes}} where body like '{mark}%'")).await;
            assert!(changed == 0 || changed == 6, "{after}: {changed} of 6");
            if let Some(done) = done {
                assert_eq!((done?.rows_affected, changed), (6, 6), "{after}");
            }
        }
        Ok(())
    }

    async fn x4_waiting_for_a_connection_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let (release, released) = oneshot::channel::<()>();
            let (held, holds) = oneshot::channel();
            let database = narrow.database.clone();
            let holder = tokio::spawn(async move {
                let transaction = database.transaction().await.expect("it begins");
                held.send(()).expect("the test waits");
                let _ = released.await;
                drop(transaction);
            });
            holds.await.expect("the holder tells");
            let mut release = Some(release);
            // The connection becomes free between the first and the second poll.
            let begin = async {
                let mut begin = narrow.database.transaction().into_future();
                poll_fn(|context| {
                    let polled = begin.as_mut().poll(context);
                    drop(release.take());
                    polled
                })
                .await
            };
            drop(points.cut(begin).await.transpose()?);
            drop(release);
            holder.await.expect("no panic");
            narrow.assert_clean(&format!("waiting, cut at {}", points.polls)).await;
        }
        Ok(())
    }

    async fn x3_the_next_users_statement_cut_off_while_it_cleans_up(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for kept_by_a_handle in [false, true] {
            let mut points = Points::new();
            while points.next() {
                let handle = kept_by_a_handle.then(|| narrow.database.connection());
                let transaction = narrow.database.transaction().await?;
                transaction.execute(add(&t, "dropped"), ()).await?;
                let inner = transaction.transaction().await?;
                inner.execute(add(&t, "dropped too"), ()).await?;
                drop((inner, transaction));
                let question = narrow.database.fetch_value::<i64>("select 77", ());
                if let Some(answer) = points.cut(question).await {
                    assert_eq!(answer?, 77);
                }
                if let Some(handle) = &handle {
                    let again = soon("the handle", handle.fetch_value::<i64>("select 78", ())).await;
                    let again = may_have_ended(again, "the handle's connection");
                    assert!(again.is_none_or(|answer| answer == 78));
                }
                drop(handle);
                narrow.assert_clean(&format!("the next user, cut at {}", points.polls)).await;
            }
        }
        assert!(!narrow.has("dropped").await && !narrow.has("dropped too").await);
        Ok(())
    }

    async fn q8_a_plain_statement_cut_off_at_every_point_never_answers_the_next(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for shape in 0..5 {
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let database = &narrow.database;
                let value = i64::from(number);
                let done = match shape {
                    0 => points.cut(database.fetch_all(rows(number), ())).await.map(|rows| rows.map(|rows| rows.len())),
                    1 => {
                        let sql = t.sql("select count(*) from {notes} where id = :id or id <> :id");
                        points.cut(database.fetch_value::<i64>(sql, params! { id: value })).await.map(|n| n.map(|_| 900))
                    }
                    2 => points.cut(database.execute(add(&t, format!("q{number}")), ())).await.map(|done| done.map(|_| 900)),
                    3 => points.cut(database.iterate(rows(number), ()).try_collect::<Vec<_>>()).await.map(|rows| rows.map(|rows| rows.len())),
                    _ => {
                        // Two statements in one text.
                        let sql = AssertSqlSafe(t.words(&format!("insert into {{notes}} (body) values ('p{number}'); select {number}")));
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
            drop(points.cut(connection.fetch_all(rows(number), ())).await.transpose()?);
            let question = AssertSqlSafe(format!("select {number}"));
            let answer = soon("the next", connection.fetch_value::<i64>(question, ())).await;
            // A connection thrown away may be told once; then there is a new one.
            let answer = match may_have_ended(answer, &format!("cut at {}", points.polls)) {
                Some(answer) => answer,
                None => connection.fetch_value(AssertSqlSafe(format!("select {number}")), ()).await?,
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
            let mut stream = narrow.database.iterate(rows(number), ());
            for row in 1..=taken {
                let read = stream.next().await.expect("900 rows")?;
                assert_eq!((read.get::<i64>(0)?, read.get::<i64>(1)?), (row, i64::from(number)));
            }
            drop(stream);
            narrow.assert_clean(&format!("a stream dropped after {taken} rows")).await;

            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, format!("before{number}")), ()).await?;
            let mut stream = transaction.iterate(rows(number), ());
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
    async fn x4_dropped_between_request_and_answer(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let database = &narrow.database;
        for round in 0..2 {
            proxied.cut_between(database.transaction()).await;
            proxy.resume();
            narrow.assert_clean("begin").await;

            proxied.cut_between(database.transaction().isolation(IsolationLevel::RepeatableRead)).await;
            proxy.resume();
            narrow.assert_clean("begin with a level").await;

            proxied.cut_between(database.execute(add(&t, format!("plain{round}")), ())).await;
            proxy.resume();
            narrow.assert_clean("a plain statement").await;

            let transaction = database.transaction().await?;
            transaction.execute(add(&t, format!("commit{round}")), ()).await?;
            proxied.cut_between(transaction.commit()).await;
            proxy.resume();
            drop(transaction);
            narrow.assert_clean("commit").await;

            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "rollback"), ()).await?;
            proxied.cut_between(transaction.rollback()).await;
            proxy.resume();
            drop(transaction);
            narrow.assert_clean("rollback").await;
            assert!(!narrow.has("rollback").await);

            for inner_commits in [true, false] {
                let body = format!("outer{round}{inner_commits}");
                let outer = database.transaction().await?;
                outer.execute(add(&t, &body), ()).await?;
                proxied.cut_between(outer.transaction()).await;
                proxy.resume();
                let inner = may_have_ended(soon("a savepoint", outer.transaction()).await, "a savepoint");
                if let Some(inner) = inner {
                    inner.execute(add(&t, "inner"), ()).await?;
                    if inner_commits {
                        proxied.cut_between(inner.commit()).await;
                    } else {
                        proxied.cut_between(inner.rollback()).await;
                    }
                    proxy.resume();
                    drop(inner);
                }
                may_have_ended(soon("the outer", outer.rollback()).await, "the outer");
                drop(outer);
                narrow.assert_clean("savepoints").await;
                assert!(!narrow.has(&body).await && !narrow.has("inner").await);
            }

            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "in it"), ()).await?;
            proxied.cut_between(transaction.fetch_all(rows(7), ())).await;
            proxy.resume();
            drop(transaction);
            narrow.assert_clean("a statement in a transaction").await;
            assert!(!narrow.has("in it").await);
        }
        until("one connection is open", || proxy.open_connections() == 1).await;
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x4_the_next_user_waits_while_the_answer_is_still_out(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let transaction = narrow.database.transaction().await?;
        transaction.execute(add(&t, "dropped"), ()).await?;
        proxied.cut_between(transaction.execute(add(&t, "dropped too"), ())).await;
        drop(transaction);
        let (database, sql) = (narrow.database.clone(), add(&t, "next"));
        let next = tokio::spawn(async move { database.execute(sql, ()).await });
        until("the next user waits, or opens another", || {
            let status = narrow.database.status().expect("it is connected");
            status.waiting == 1 || proxy.connections() > 1
        })
        .await;
        proxy.resume();
        soon("the next user", next).await.expect("no panic")?;
        narrow.assert_clean("it waited").await;
        assert!(narrow.has("next").await && !narrow.has("dropped").await && !narrow.has("dropped too").await);
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn q8_a_connection_whose_answer_never_comes_is_thrown_away(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let transaction = narrow.database.transaction().await?;
        transaction.execute(add(&t, "dropped"), ()).await?;
        proxied.cut_between(transaction.execute(add(&t, "dropped too"), ())).await;
        drop(transaction);
        let (database, sql) = (narrow.database.clone(), add(&t, "next"));
        let next = tokio::spawn(async move { database.execute(sql, ()).await });
        until("the old connection is given up for a new one", || proxy.connections() >= 2).await;
        proxy.resume();
        soon("the next user", next).await.expect("no panic")?;
        narrow.assert_clean("a new connection").await;
        assert!(narrow.has("next").await && !narrow.has("dropped").await);
        until("the old one is closed", || proxy.open_connections() == 1).await;
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
                    "execute" => database.execute(rows(number), ()).timeout(limit).await.err(),
                    "execute_many" => {
                        let sql = t.sql("update {notes} set body = :new where id = :id");
                        let rows = (0..3).map(|id| params! { new: format!("{number}{id}"), id: i64::from(id) });
                        database.execute_many(sql, rows).timeout(limit).await.err()
                    }
                    "fetch_all" => database.fetch_all(rows(number), ()).timeout(limit).await.err(),
                    "fetch_one" => database.fetch_one(rows(number), ()).timeout(limit).await.err(),
                    "fetch_optional" => database.fetch_optional(rows(number), ()).timeout(limit).await.err(),
                    _ => database.fetch_value::<i64>(rows(number), ()).timeout(limit).await.err(),
                };
                proxy.resume();
                let error = error.expect("no answer came");
                assert_eq!(error.kind(), ErrorKind::Timeout, "{verb}");
                assert!(error.message().contains("cancellation.rs:"), "{verb} says where: {error}");
                if let Some(transaction) = transaction {
                    let question = AssertSqlSafe(format!("select {number}"));
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

    async fn q8_a_timeout_of_a_statement_that_takes_long(t: Test) -> Result<()> {
        let by_setting = config(&t).statement_timeout(Duration::from_millis(60)).max_overflow(1_u32);
        for (config, limit) in [(config(&t).max_overflow(1_u32), Some(Duration::from_millis(60))), (by_setting, None)] {
            let mut blocker = None;
            let long = if t.backend().is_postgres() {
                "select pg_sleep(30)"
            } else if t.backend().is_mysql() {
                "select sleep(30)"
            } else {
                // A writer that waits for another's lock, which is never given back in time.
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
            assert_eq!(kind(&timed_out), Some(ErrorKind::Timeout), "{timed_out:?}");
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
        let (begun, told) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(async move {
            let transaction = database.transaction().await?;
            begun.send(()).expect("the test waits");
            let _ = gone.await;
            transaction.commit().await
        });
        told.await.expect("it came so far");
        let waited = narrow.database.execute("select 1", ()).timeout(Duration::from_millis(30)).await;
        assert_eq!(kind(&waited), Some(ErrorKind::Timeout));
        assert_eq!(narrow.database.status()?.waiting, 0, "it left the queue");
        go.send(()).expect("the holder waits");
        holder.await.expect("no panic")?;
        narrow.assert_clean("it waited").await;
        Ok(())
    }

    async fn x4_tasks_aborted_at_any_time_leave_what_they_committed_and_nothing_else(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(3_u32)).await;
        let mut tasks = Vec::new();
        for number in 100..180_u64 {
            let committing = Arc::new(AtomicBool::new(false));
            let (other, sql, nested, begun) =
                (database.clone(), add(&t, number), add(&t, format!("{number}n")), Arc::clone(&committing));
            let task = tokio::spawn(async move {
                let transaction = other.transaction().await?;
                transaction.execute(sql, ()).await?;
                other.transaction().run(async |_| other.execute(nested, ()).await).await?;
                begun.store(true, Ordering::SeqCst);
                transaction.commit().await
            });
            tasks.push((number, task, committing));
            // Some are aborted early, some late, some never.
            if number % 4 != 0 {
                tokio::time::sleep(Duration::from_micros(number * 37 % 900)).await;
                tasks[tasks.len() / 2..].iter().step_by(3).for_each(|(_, task, _)| task.abort());
            }
        }
        let mut must = Vec::new();
        let mut may = Vec::new();
        for (number, task, committing) in tasks {
            match soon("a task", task).await {
                Ok(Ok(())) => must.push(number.to_string()),
                Ok(Err(error)) => panic!("{number}: {error:?}"),
                Err(error) => {
                    assert!(error.is_cancelled(), "{number}: {error}");
                    if committing.load(Ordering::SeqCst) {
                        may.push(number.to_string());
                    }
                }
            }
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        let there = kept(&t, &database).await;
        let there: Vec<_> = there.split(',').filter(|body| !body.is_empty()).collect();
        for body in &must {
            assert!(there.contains(&body.as_str()), "{body} was committed");
        }
        for body in there {
            let number = body.trim_end_matches('n').to_owned();
            assert!(must.contains(&number) || may.contains(&number), "{body} was never committed");
        }
        database.execute(add(&t, "next"), ()).await?;
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes} where body = 'next'"), ()).await?, 1);
        Ok(())
    }

    /// In the sandbox, too, a cut-off call of one task disturbs no other.
    async fn x4_in_the_sandbox_cut_off_at_every_point(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t)).await;
        let sandbox = if t.can_observe() {
            Database::connect(config(&t).force_rollback(true)).await?
        } else {
            plain.clone()
        };
        // Nobody else sees a database in memory, so there it is the plain one's own sandbox.
        let on = sandbox.force_rollback(true);
        let mut number = 100;
        let mut expected = Vec::new();
        for shape in 0..4 {
            let mut points = Points::new();
            while points.next() {
                number += 1;
                let body = number.to_string();
                let done = match shape {
                    0 => points.cut(sandbox.execute(add(&t, &body), ())).await.map(|done| done.map(drop)),
                    1 => points.cut(sandbox.transaction()).await.map(|begun| begun.map(drop)),
                    2 => {
                        let run = sandbox.transaction().run(async |_| sandbox.execute(add(&t, &body), ()).await);
                        points.cut(run).await.map(|done| done.map(drop))
                    }
                    _ => points.cut(sandbox.fetch_all(rows(number), ())).await.map(|rows| rows.map(drop)),
                };
                let after = format!("shape {shape}, cut at {}", points.polls);
                let next = format!("next{number}");
                match soon("the next", sandbox.execute(add(&t, &next), ())).await {
                    Ok(_) => {}
                    // The driver cannot always save the connection; then the whole sandbox is gone, and says so.
                    Err(error) => {
                        assert!(t.backend().is_mysql(), "{after}: {error:?}");
                        assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{after}: {error:?}");
                        sandbox.disconnect().await?;
                        Database::connect(&sandbox).await?;
                        expected.clear();
                        done.transpose()?;
                        continue;
                    }
                }
                if done.transpose()?.is_some() && matches!(shape, 0 | 2) {
                    expected.push(body);
                }
                expected.push(next);
                let (other, sql) = (sandbox.clone(), list(&t));
                let there = in_task(sandbox.share(async move { other.fetch_value::<String>(sql, ()).await })).await?;
                let there: Vec<_> = there.split(',').collect();
                for body in &expected {
                    assert!(there.contains(&body.as_str()), "{after}: {body} was lost");
                }
            }
        }
        drop(on);
        sandbox.disconnect().await?;
        if t.can_observe() {
            assert_eq!(kept(&t, &plain).await, "");
        }
        Ok(())
    }

    /// SQLite ends the transaction and does not say so. The look whether it is still there must not be taken in by what an
    /// earlier look left behind when it was cut off.
    #[only(sqlite)]
    async fn x4_a_statement_that_ends_the_sandbox_cut_off_at_every_point(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t)).await;
        let ends = || t.sql("insert or rollback into {notes} (body) values ('before')");
        let mut points = Points::new();
        while points.next() {
            let sandbox = parent.sandbox().await?;
            sandbox.execute(add(&t, "before"), ()).await?;
            let done = points.cut(sandbox.execute(ends(), ())).await;
            // The next one looks, and is cut off too.
            let again = Points { ends: 0, ..points }.cut(sandbox.execute(add(&t, "next"), ())).await;
            let done = (done.is_some(), again.is_some());
            let after = format!("cut at {}, ended: {done:?}", points.polls);
            match soon("what comes later", sandbox.fetch_value::<String>(list(&t), ())).await {
                Ok(there) => assert!(there.starts_with("before"), "{after}: what was there is lost: {there:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{after}: {error:?}"),
            }
            sandbox.disconnect().await?;
        }
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }
}
