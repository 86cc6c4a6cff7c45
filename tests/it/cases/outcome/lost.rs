//! The connection breaks at each request of each way to write, before the request has reached the server and after.

use std::sync::atomic::Ordering;

use ebbtide::{ErrorKind, Result};

use super::ways::{Behind, Way, all};
use crate::cases::failure::{long_query, until_busy};
use crate::cases::messages::assert_error;
use crate::cases::tasks::{in_task, in_use, notes, soon, until};
use crate::support::{Test, cases, kill_backend, until as until_so};

/// Returns how many notes of this text are committed.
async fn there(t: &Test, body: &str) -> i64 {
    t.observe(&format!("select count(*) from {{notes}} where body = '{body}'"))
        .await
}

/// Writes a note with `way`, loses the connection at the request of that number, and returns the result that the writer
/// received.
async fn lose(t: &Test, on: &Behind, way: Way, body: &str, request: usize, reached: bool, last: bool) -> Result<()> {
    if reached {
        on.proxy.hold_answers_from(request);
    } else {
        on.proxy.pause_from(request);
    }
    let losing = async {
        on.proxy.until_requests(request).await;
        if reached && last {
            until_so(async || there(t, body).await == 1).await;
        }
        on.proxy.cut();
        on.proxy.resume();
    };
    let (written, ()) = soon(way.name, async { tokio::join!((way.write)(on, body), losing) }).await;
    written
}

async fn at_each_request(t: &Test, way: Way) {
    // So that a connection is not opened anew after code of others had it.
    let on = Behind::new(t, "keep_session=true").await;
    let (mut request, mut number) = (0, 0);
    let mut fresh = || {
        number += 1;
        format!("{} {number}", way.name.replace(' ', "_"))
    };
    loop {
        request += 1;
        for reached in [false, true] {
            // Twice: the second time after the lost connection was reopened and statements were prepared.
            for _ in 0..2 {
                on.proxy.reset();
                let written = soon(way.name, (way.write)(&on, &fresh())).await;
                written.unwrap_or_else(|error| panic!("{}: {error:?}", way.name));
                until("nothing is in use", || in_use(&on.database) == 0).await;
            }
            let all = on.proxy.requests() - usize::from(way.cleans);
            if request > all {
                return;
            }
            let (last, body) = (request == all, fresh());
            let place = format!("{}, request {request} of {all}, reached: {reached}", way.name);
            on.runs.store(0, Ordering::SeqCst);
            let written = lose(t, &on, way, &body, request, reached, last).await;
            let kept = there(t, &body).await;
            match written {
                Ok(()) => {
                    assert!(way.retries && !last, "{place}: it must fail");
                    assert_eq!(kept, 1, "{place}: it was run again");
                }
                Err(error) if last => {
                    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{place}: {error:?}");
                    assert_error(&error, ErrorKind::OutcomeUnknown, &["may have taken effect", "ways.rs"]);
                    assert!(error.outcome_unknown() && !error.is_retryable(), "{place}");
                    assert_eq!(kept, i64::from(reached), "{place}");
                    assert!(on.runs.load(Ordering::SeqCst) <= 1, "{place}: it was run again");
                }
                Err(error) if way.commits => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{place}: {error:?}");
                    assert!(error.is_retryable(), "{place}: {error:?}");
                    assert_error(&error, ErrorKind::ConnectionLost, &[]);
                    assert_eq!(kept, 0, "{place}: nothing has stayed");
                }
                Err(error) => assert!(error.outcome_unknown(), "{place}: {error:?}"),
            }
            until("nothing is in use", || in_use(&on.database) == 0).await;
        }
    }
}

cases! {
    #[only(postgres, mysql)]
    #[limit(180)]
    #[sqlx]
    async fn x12_an_answer_lost_at_the_last_request_is_unknown_and_before_it_nothing_stays_found_a1(t: Test) {
        notes(&t).await;
        for way in all(&t) {
            at_each_request(&t, way).await;
        }
    }

    /// A read can be repeated, whatever its answer would have been.
    #[only(postgres, mysql)]
    async fn x12_a_lost_read_is_a_lost_connection_and_may_be_run_again_found_a1(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "").await;
        for reached in [false, true] {
            let sql = || t.sql("select count(*) from {notes}");
            on.database.fetch_value::<i64>(sql(), ()).await?;
            if reached {
                on.proxy.hold_answers_from(1);
            } else {
                on.proxy.pause_from(1);
            }
            let losing = async {
                on.proxy.until_requests(1).await;
                on.proxy.cut();
                on.proxy.resume();
            };
            let (read, ()) = soon("a read", async { tokio::join!(on.database.fetch_value::<i64>(sql(), ()), losing) }).await;
            let error = read.expect_err("its connection is lost");
            assert_error(&error, ErrorKind::ConnectionLost, &[]);
            assert!(error.is_retryable() && !error.outcome_unknown(), "{error:?}");
            assert_eq!(on.database.fetch_value::<i64>(sql(), ()).await?, 0);
        }
        Ok(())
    }

    /// The server itself ends the connection, while a statement runs or waits.
    #[only(postgres, mysql)]
    async fn x12_a_session_that_is_ended_by_the_server_tells_what_may_have_stayed_found_a1(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let pid = match t.backend().family() {
            "postgres" => "select pg_backend_pid()::bigint",
            _ => "select cast(connection_id() as signed)",
        };
        for inside in [false, true] {
            let connection = database.connection();
            let transaction = if inside { Some(connection.transaction().await?) } else { None };
            let victim: i64 = connection.fetch_value(pid, ()).await?;
            let (running, sql) = (connection.clone(), long_query(&t));
            let running = tokio::spawn(async move { running.execute(sql, ()).await });
            until_busy(&t, victim).await;
            kill_backend(&t.side_url(), victim).await.expect("it is killed");
            let error = soon("a statement", running).await.expect("no panic").expect_err("its session was ended");
            // A function may write; in a transaction that would be undone.
            let kind = if inside { ErrorKind::ConnectionLost } else { ErrorKind::OutcomeUnknown };
            assert_error(&error, kind, &[]);
            assert_eq!((error.is_retryable(), error.outcome_unknown()), (inside, !inside), "{error:?}");
            drop(transaction);
        }
        Ok(())
    }

    /// In a sandbox everything is lost with the connection, and nothing is unknown.
    #[only(postgres, mysql)]
    async fn x12_what_a_sandbox_loses_is_undone_found_a1(t: Test) -> Result<()> {
        notes(&t).await;
        for place in ["statement", "commit"] {
            let on = Behind::new(&t, "force_rollback=true").await;
            let insert = || t.sql("insert into {notes} (body) values ('lost')");
            on.database.execute(t.sql("delete from {notes}"), ()).await?;
            let transaction = if place == "commit" { Some(on.database.transaction().await?) } else { None };
            on.proxy.hold_answers_from(1);
            let losing = async {
                on.proxy.until_requests(1).await;
                on.proxy.cut();
                on.proxy.resume();
            };
            let work = async {
                match &transaction {
                    Some(transaction) => transaction.commit().await,
                    None => on.database.execute(insert(), ()).await.map(drop),
                }
            };
            let (done, ()) = soon(place, async { tokio::join!(work, losing) }).await;
            let error = done.expect_err("its connection is lost");
            assert_error(&error, ErrorKind::ConnectionLost, &[]);
            assert!(!error.outcome_unknown() && !error.is_retryable(), "{place}: {error:?}");
            assert_eq!(there(&t, "lost").await, 0);
            drop(transaction);
            let database = on.database.clone();
            let next = in_task(async move { database.fetch_value::<i64>("select 1", ()).await }).await;
            assert_eq!(next.expect_err("the sandbox is gone").kind(), ErrorKind::SandboxBroken);
        }
        Ok(())
    }
}
