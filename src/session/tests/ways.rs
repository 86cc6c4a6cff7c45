//! The four ways to run a statement, each dropped at every await point: a verb, a stream, a stream of the bridge, and
//! the driver's connection lent to other code.

use std::future::poll_fn;
use std::sync::Arc;

use futures::StreamExt;

use super::{assert_clean, at_every_point, begin, engine, here, polled, run};
use crate::backend::fake::{FakeConnection, FakeConnector, ROWS};
use crate::backend::{NativeJob, QueryResult, RawConnection};
use crate::error::{ErrorKind, Result};
use crate::session::level::Finish;
use crate::session::replicas::Reads;
use crate::session::statement::handoff::Handoff;
use crate::session::statement::run::{BoundStatement, Target};
use crate::session::statement::stream::{StreamCore, StreamReader};
use crate::value::Params;

/// The ways to run a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Verb,
    Stream,
    Bridged,
    Lent,
    /// Lent to code that begins a transaction there and leaves it open.
    LentAndLeftOpen,
}

const WAYS: [Way; 5] = [Way::Verb, Way::Stream, Way::Bridged, Way::Lent, Way::LentAndLeftOpen];

/// Reads a stream to its end, and returns the number of rows.
async fn read<T: Send + 'static>(stream: Arc<StreamCore<T>>) -> Result<i64> {
    let reader = StreamReader(stream);
    let mut rows = 0;
    while let Some(row) = poll_fn(|context| reader.0.poll_next(context)).await {
        row?;
        rows += 1;
    }
    Ok(rows)
}

fn work(target: &Target, sql: &str) -> Result<BoundStatement> {
    let template = target.engine().templates.get(sql)?;
    let bound = template.bind(Params::default())?;
    Ok(BoundStatement::new(template, bound, here()))
}

/// Returns a job that does what the bridge does. It puts the rows into a handoff as long as the reader is there, and
/// reads the rest of the answer.
fn stream_job(handoff: Arc<Handoff<i64>>) -> NativeJob {
    let pulse = handoff.pulse();
    NativeJob::statement(move |connection| {
        Box::pin(async move {
            let connection = connection.downcast_mut::<FakeConnection>().unwrap();
            {
                let mut rows = connection.rows("bridged".to_owned());
                let mut number = 0;
                while let Some(row) = rows.next().await {
                    row?;
                    number += 1;
                    if !handoff.put(number).await {
                        break;
                    }
                }
            }
            connection.settle().await?;
            Ok(QueryResult::default())
        })
    })
    .with_pulse(pulse)
}

/// Returns a job of two steps on the driver's own connection, in a transaction of their own that is ended, or not.
fn lent_job(left_open: bool) -> NativeJob {
    NativeJob::open_ended(move |connection| {
        Box::pin(async move {
            let connection = connection.downcast_mut::<FakeConnection>().unwrap();
            connection.begin(None).await?;
            connection.ping().await?;
            if !left_open {
                connection.commit(None).await?;
            }
            Ok(QueryResult::default())
        })
    })
}

impl Way {
    async fn go(self, target: &Target) -> Result<()> {
        match self {
            Self::Verb => run(target, "insert into t values (1)").await,
            Self::Stream => {
                let stream = StreamCore::new(target.clone(), work(target, "select number")?);
                assert_eq!(read(stream).await?, ROWS);
                Ok(())
            }
            Self::Bridged => {
                let work = work(target, "select number")?;
                let stream = StreamCore::of_native(target.clone(), work, stream_job);
                assert_eq!(read(stream).await?, ROWS);
                Ok(())
            }
            Self::Lent | Self::LentAndLeftOpen => {
                let job = lent_job(self == Self::LentAndLeftOpen);
                target.lend(&work(target, "-- lent")?, job).await
            }
        }
    }
}

#[tokio::test]
async fn x4_every_way_outside_of_transactions_dropped_at_every_point() {
    for way in WAYS {
        at_every_point(&format!("{way:?}"), async |engine| {
            way.go(&Target::Database(engine, Reads::Routed)).await
        })
        .await;
    }
}

#[tokio::test]
async fn x4_every_way_on_a_kept_connection_dropped_at_every_point() {
    for way in WAYS {
        at_every_point(&format!("{way:?} on a connection"), async |engine| {
            let connection = Target::Connection(engine.connection(here()));
            way.go(&connection).await?;
            run(&connection, "select 1").await
        })
        .await;
    }
}

#[tokio::test]
async fn x4_every_way_in_a_transaction_dropped_at_every_point() {
    for way in WAYS {
        at_every_point(&format!("{way:?} in a transaction"), async |engine| {
            let target = Target::Database(engine, Reads::Routed);
            let outer = begin(&target).await?;
            way.go(&target).await?;
            let inner = begin(&target).await?;
            way.go(&target).await?;
            inner.finish(Finish::Commit, here().place, None).await?;
            outer.finish(Finish::Commit, here().place, None).await
        })
        .await;
    }
}

/// Checks that the transaction goes on, or reports that it has ended. Its next statement never gets what was left of
/// the dropped one.
#[tokio::test]
async fn q8_a_transaction_in_which_any_way_was_dropped_at_any_point_goes_on_or_says_so() {
    for way in WAYS {
        for survives in [false, true] {
            for times in 0.. {
                assert!(times < 200, "{way:?} does not end");
                let connector = FakeConnector {
                    survives,
                    ..FakeConnector::default()
                };
                let engine = engine(&connector, false);
                let target = Target::Database(Arc::clone(&engine), Reads::Routed);
                let guard = begin(&target).await.unwrap();
                let what = format!("{way:?} in a transaction, dropped after {times} polls (survives: {survives})");
                let done = polled(way.go(&target), times);
                let next = run(&target, "select 1").await;
                let ended = guard.finish(Finish::Commit, here().place, None).await;
                match (&next, &ended) {
                    (Ok(()), Ok(())) => assert!(survives || times == 0 || done.is_some(), "{what}"),
                    (Err(next), Err(ended)) => {
                        assert!(times > 0 && done.is_none(), "{what}: {next}");
                        let kinds = [ErrorKind::TransactionEnded, ErrorKind::ConnectionLost];
                        assert!(
                            kinds.contains(&next.kind()) && kinds.contains(&ended.kind()),
                            "{what}: {next}, {ended}"
                        );
                    }
                    differ => panic!("{what}: {differ:?}"),
                }
                drop(guard);
                assert_clean(&connector, &engine, &what).await;
                if done.is_some() {
                    break;
                }
            }
        }
    }
}
