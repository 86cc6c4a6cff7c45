//! Futures dropped at each of their await points, and between a request and its answer: whatever happens, the next
//! user of the connection finds it clean.

#[cfg(feature = "sqlx-interop")]
mod bridge;
mod interrupted;
mod points;
mod statements;
mod wire;

use std::cell::Cell;
use std::fmt::Display;
use std::pin::pin;

use ebbtide::{AssertSqlSafe, Config, Connection, Database, ErrorKind, Result};

use crate::cases::pool::select_one;
use crate::cases::tasks::{add, config, in_task, in_use, notes_with, numbers, soon, until};
use crate::support::Case;
use crate::support::{Proxy, Test, cut};

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    #[cfg_attr(
        not(feature = "sqlx-interop"),
        expect(unused_mut, reason = "the bridge has cases too")
    )]
    let mut cases = [
        points::cases(),
        wire::cases(),
        statements::cases(),
        interrupted::cases(),
    ]
    .concat();
    #[cfg(feature = "sqlx-interop")]
    cases.extend(bridge::cases());
    cases
}

/// The places at which a future can be cut off: after a number of polls, at once or when it has been woken again.
pub(super) struct Points {
    pub(super) polls: usize,
    pub(super) woken: bool,
    /// Number of places in a row that came after the future's end. Answers can come so soon that one poll has several
    /// of them, so one place is not enough.
    pub(super) ends: usize,
}

impl Points {
    pub(super) fn new() -> Self {
        Self {
            polls: 0,
            woken: false,
            ends: 0,
        }
    }

    /// Advances to the next place. Returns `false` if the future has ended before every later one.
    pub(super) fn next(&mut self) -> bool {
        if self.ends < 4 {
            self.polls += 1;
            assert!(self.polls < 2000, "the future never ends");
            return true;
        }
        (self.polls, self.ends) = (1, 0);
        !std::mem::replace(&mut self.woken, true)
    }

    /// Runs a future up to this place and drops it there.
    pub(super) async fn cut<F: IntoFuture>(&mut self, future: F) -> Option<F::Output> {
        let output = cut(self.polls - 1, self.woken, future).await;
        self.ends = if output.is_some() { self.ends + 1 } else { 0 };
        output
    }
}

/// A database on one connection, which every caller has to use, and a separate connection that observes it.
pub(super) struct Narrow<'t> {
    pub(super) t: &'t Test,
    pub(super) database: Database,
    /// A second connection of the pool, where only the library can see the database.
    pub(super) side: Option<Connection>,
    pub(super) number: Cell<u32>,
}

impl<'t> Narrow<'t> {
    pub(super) async fn new(t: &'t Test) -> Self {
        Self::with(t, config(t)).await
    }

    pub(super) async fn with(t: &'t Test, config: Config) -> Self {
        let database = notes_with(t, config.pool_size(if t.can_observe() { 1_u32 } else { 2 })).await;
        let side = if t.can_observe() {
            None
        } else {
            let database = database.clone();
            let side = in_task(async move {
                let connection = database.connection();
                connection
                    .fetch_value::<i64>(select_one(&database), ())
                    .await
                    .map(|_| connection)
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

    /// Returns a number computed from committed rows.
    pub(super) async fn look(&self, sql: &str) -> i64 {
        match &self.side {
            Some(side) => side
                .fetch_value(self.t.sql(sql), ())
                .await
                .expect("a look from the side"),
            None => self.t.observe(sql).await,
        }
    }

    /// Returns whether a note is really committed.
    pub(super) async fn has(&self, body: &str) -> bool {
        self.look(&format!("select count(*) from {{notes}} where body = '{body}'"))
            .await
            == 1
    }

    pub(super) fn fresh(&self) -> u32 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Checks that the next user finds no open transaction, no foreign rows, and no leak.
    pub(super) async fn assert_clean(&self, after: &str) {
        let number = self.fresh();
        let question = self.t.sql(&format!("select {number} {{from}}"));
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

/// A database behind a proxy, on one connection that is already open.
pub(super) struct Proxied<'t> {
    pub(super) proxy: Proxy,
    pub(super) narrow: Narrow<'t>,
}

impl<'t> Proxied<'t> {
    pub(super) async fn new(t: &'t Test) -> Self {
        let proxy = Proxy::start(&t.url());
        let config = Config::from_url(proxy.url().as_str()).expect("the proxy's URL");
        Self {
            narrow: Narrow::with(t, config).await,
            proxy,
        }
    }

    /// Sends the request of a future, and drops the future before the answer comes.
    pub(super) async fn cut_between(&self, future: impl IntoFuture) {
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

/// Returns a query of 900 rows.
pub(super) fn rows(t: &Test, number: impl Display) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "select i, {number} from ({}) as rows_of_numbers",
        numbers(t, 900).0
    ))
}

/// Returns the value of a call after another was cut off in its transaction; `None` after an error that is allowed
/// there.
pub(super) fn may_have_ended<T>(result: Result<T>, after: &str) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let kinds = [ErrorKind::TransactionEnded, ErrorKind::ConnectionLost];
            assert!(kinds.contains(&error.kind()), "{after}: {error:?}");
            None
        }
    }
}
