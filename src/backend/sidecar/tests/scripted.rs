//! A process that dies, hangs or lies at every point.

use futures::StreamExt;

use super::super::connector::SidecarConnector;
use super::peer::{Dies, Script, Shared, slot};
use super::*;
use crate::backend::rules::BeginOptions;
use crate::error::{Error, ErrorKind};

const POSTGRES: Dialect = Dialect::Postgres;
const OPENED: [(&str, &str); 4] = [
    ("product", "PostgreSQL"),
    ("version", "15.3"),
    ("transactions", "api"),
    ("cancel", "1"),
];

fn script() -> Shared {
    Shared::new(parking_lot::Mutex::new(Script {
        opened: OPENED.to_vec(),
        ..Script::default()
    }))
}

fn connector(script: &Shared) -> SidecarConnector {
    SidecarConnector::new(dbapi(POSTGRES, &[]), slot(script))
}

/// Does one of everything. Returns the error, and the text of what was told as kept.
async fn everything(raw: &mut dyn RawConnection, told: &mut Vec<&'static str>) -> Result<()> {
    run(raw, POSTGRES, "INSERT alone").await?;
    told.push("INSERT alone");
    raw.begin(None).await?;
    run(raw, POSTGRES, "INSERT outer").await?;
    raw.begin(None).await?;
    run(raw, POSTGRES, "INSERT inner").await?;
    raw.commit(None).await?;
    raw.begin(None).await?;
    raw.rollback_to(1).await?;
    {
        let (statement, values) = statement(POSTGRES, "SELECT 1", vec![]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let mut stream = raw.stream(request);
        let mut sum = 0;
        while let Some(row) = stream.next().await {
            sum += Row::new(row?).get::<i64>(0)?;
        }
        assert_eq!(sum, 10);
    }
    raw.commit(None).await?;
    told.extend(["INSERT outer", "INSERT inner"]);
    raw.ping().await?;
    raw.begin(None).await?;
    run(raw, POSTGRES, "INSERT undone").await?;
    raw.rollback_to(0).await?;
    Ok(())
}

#[tokio::test]
async fn b6_a_process_that_dies_anywhere_is_an_error_and_the_next_one_works() {
    let healthy = script();
    let mut raw = connector(&healthy).connect().await.unwrap();
    everything(&mut *raw, &mut Vec::new()).await.unwrap();
    let all = healthy.lock().asked;
    assert!(all > 15, "{all}");
    for at in 1..=all {
        for how in [Dies::Before, Dies::After, Dies::HalfWay] {
            let script = script();
            script.lock().death = Some((at, how));
            let connector = connector(&script);
            let mut told = Vec::new();
            let result = match connector.connect().await {
                Ok(mut raw) => {
                    let result = everything(&mut *raw, &mut told).await;
                    if let Err(error) = &result {
                        assert!(error.is_fatal() && !raw.interrupted(false), "{at} {how:?}: {error}");
                        // Everything later says that nothing was sent.
                        let later = run(&mut *raw, POSTGRES, "INSERT later").await.unwrap_err();
                        assert!(!later.leaves_open() && later.is_retryable(), "{later}");
                    }
                    result
                }
                Err(error) => Err(error),
            };
            let error = result.expect_err("it dies");
            let kinds = [ErrorKind::ConnectionLost, ErrorKind::Connect];
            assert!(kinds.contains(&error.kind()), "{at} {how:?}: {error}");
            for told in told {
                assert!(
                    script.lock().kept.iter().any(|kept| kept == told),
                    "{at} {how:?}: {told}"
                );
            }
            assert!(!script.lock().kept.iter().any(|kept| kept == "INSERT undone"));
            let mut raw = connector.connect().await.unwrap();
            assert_eq!(rows(&mut *raw, POSTGRES, "SELECT 1", vec![]).await.unwrap().len(), 4);
            assert_eq!(script.lock().started, 2, "{at} {how:?}");
        }
    }
}

#[tokio::test]
async fn b6_all_that_wait_get_the_error() {
    let script = script();
    script.lock().hangs.push("INSERT hangs");
    let connector = connector(&script);
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut raw = connector.connect().await.unwrap();
        waiting.push(tokio::spawn(
            async move { run(&mut *raw, POSTGRES, "INSERT hangs").await },
        ));
    }
    let mut last = connector.connect().await.unwrap();
    while script.lock().log.iter().filter(|text| *text == "INSERT hangs").count() < 5 {
        tokio::task::yield_now().await;
    }
    let next = script.lock().asked + 1;
    script.lock().death = Some((next, Dies::Before));
    assert!(
        run(&mut *last, POSTGRES, "INSERT ends")
            .await
            .unwrap_err()
            .leaves_open()
    );
    for waiting in waiting {
        assert!(waiting.await.unwrap().unwrap_err().leaves_open());
    }
}

#[tokio::test]
async fn b6_a_commit_after_a_failure_rolls_back_and_is_an_error() {
    let script = script();
    let mut raw = connector(&script).connect().await.unwrap();
    let raw = &mut *raw;
    raw.begin(None).await.unwrap();
    run(raw, POSTGRES, "INSERT lost").await.unwrap();
    assert!(run(raw, POSTGRES, "FAIL").await.is_err());
    assert!(raw.transaction_open().await.unwrap());
    assert_eq!(
        raw.commit(None).await.unwrap_err().kind(),
        ErrorKind::TransactionAborted
    );
    assert_eq!(raw.depth(), 0);
    assert!(script.lock().kept.iter().all(|text| text != "INSERT lost"));
    assert_eq!(script.lock().log.last().map(String::as_str), Some("ROLLBACK"));
    // One that was rolled back to a savepoint is not lost.
    raw.begin(None).await.unwrap();
    raw.begin(None).await.unwrap();
    assert!(run(raw, POSTGRES, "FAIL").await.is_err());
    raw.rollback_to(1).await.unwrap();
    run(raw, POSTGRES, "INSERT kept").await.unwrap();
    raw.commit(None).await.unwrap();
    assert!(script.lock().kept.iter().any(|text| text == "INSERT kept"));
}

/// Returns the script of a database that is not described here and has no savepoints.
fn undescribed() -> Shared {
    let script = script();
    script.lock().opened = vec![("product", "Exotic"), ("transactions", "api"), ("savepoints", "0")];
    script
}

#[tokio::test]
async fn b6_a_ping_without_an_answer_hides_no_error() {
    let script = undescribed();
    script.lock().hangs.push("PING");
    let mut target = dbapi(Dialect::Generic, &[]);
    target.limits.settle = std::time::Duration::from_millis(10);
    let mut raw = SidecarConnector::new(target, slot(&script)).connect().await.unwrap();
    let error = run(&mut *raw, Dialect::Generic, "FAIL").await.unwrap_err();
    assert!(error.to_string().contains("it fails") && error.is_fatal(), "{error}");
    assert!(!raw.interrupted(false));
}

#[tokio::test]
async fn b6_a_failed_savepoint_or_release_leaves_the_count() {
    let script = script();
    let mut raw = connector(&script).connect().await.unwrap();
    let raw = &mut *raw;
    raw.begin(None).await.unwrap();
    raw.begin(None).await.unwrap();
    let first = crate::backend::sqlx::own_sql("FAIL; ");
    assert!(raw.commit(Some(first)).await.is_err());
    assert_eq!(raw.depth(), 2);
    raw.rollback_to(0).await.unwrap();
    assert_eq!(raw.depth(), 0);
}

#[tokio::test]
async fn b6_a_dropped_call_is_cancelled_and_the_connection_stays() {
    let script = script();
    script.lock().hangs.push("UPDATE hangs");
    let mut raw = connector(&script).connect().await.unwrap();
    {
        let (statement, values) = statement(POSTGRES, "UPDATE hangs", vec![]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let mut sink = Rows::default();
        let mut call = raw.run(request, &mut sink);
        assert!(futures::poll!(&mut call).is_pending());
    }
    assert!(raw.interrupted(false));
    raw.settle().await.unwrap();
    assert!(script.lock().cancelled);
    assert_eq!(rows(&mut *raw, POSTGRES, "SELECT 1", vec![]).await.unwrap().len(), 4);
}

#[tokio::test]
async fn b6_what_would_abort_a_transaction_is_not_cancelled() {
    let script = script();
    let mut raw = connector(&script).connect().await.unwrap();
    raw.begin(None).await.unwrap();
    {
        let (statement, values) = statement(POSTGRES, "SELECT 1", vec![]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let mut stream = raw.stream(request);
        stream.next().await.unwrap().unwrap();
    }
    raw.settle().await.unwrap();
    assert!(!script.lock().cancelled);
    raw.commit(None).await.unwrap();
}

#[tokio::test]
async fn b6_the_first_texts_of_a_transaction_ride_along() {
    let script = script();
    let mut raw = connector(&script).connect().await.unwrap();
    let options = BeginOptions {
        isolation: Some(crate::IsolationLevel::Serializable),
        deferrable: true,
        ..BeginOptions::default()
    };
    let mut begin = Begin::with(POSTGRES.rules(), options).unwrap();
    begin.first = Some(crate::backend::sqlx::own_sql("SET LOCAL a = ';'; SAVEPOINT b"));
    raw.begin(Some(begin)).await.unwrap();
    let log = script.lock().log.clone();
    let expected = [
        "BEGIN",
        "SET TRANSACTION DEFERRABLE",
        "SET LOCAL a = ';'",
        "SAVEPOINT b",
    ];
    assert_eq!(log[log.len() - 4..], expected);
    raw.rollback_to(0).await.unwrap();
}

#[tokio::test]
async fn b6_one_start_serves_all_that_come_meanwhile() {
    let script = script();
    let connector = Arc::new(connector(&script));
    let all = (0..20).map(|_| {
        let connector = Arc::clone(&connector);
        tokio::spawn(async move { connector.connect().await.map(drop) })
    });
    for connected in all.collect::<Vec<_>>() {
        connected.await.unwrap().unwrap();
    }
    assert_eq!(script.lock().started, 1);
}

#[tokio::test]
async fn b6_a_connection_is_closed_from_outside() {
    let script = script();
    script.lock().hangs.push("UPDATE hangs");
    let mut raw = connector(&script).connect().await.unwrap();
    let close = raw.close_handle().unwrap();
    let call = tokio::spawn(async move {
        let result = run(&mut *raw, POSTGRES, "UPDATE hangs").await;
        (raw, result)
    });
    while script.lock().log.last().map(String::as_str) != Some("UPDATE hangs") {
        tokio::task::yield_now().await;
    }
    close();
    let (raw, result) = call.await.unwrap();
    assert!(result.as_ref().is_err_and(Error::leaves_open));
    assert!(!raw.interrupted(false));
}

#[tokio::test]
async fn b6_a_connection_that_ended_by_itself_is_sent_nothing_more() {
    let script = script();
    script.lock().ends = Some("INSERT last");
    let mut raw = connector(&script).connect().await.unwrap();
    run(&mut *raw, POSTGRES, "INSERT last").await.unwrap();
    while raw.interrupted(false) {
        tokio::task::yield_now().await;
    }
    let error = run(&mut *raw, POSTGRES, "INSERT more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.is_retryable() && !error.leaves_open(), "{error}");
    assert!(error.message().contains("*** has gone"), "{error}");
    assert_eq!(script.lock().log.last().map(String::as_str), Some("INSERT last"));
}

#[tokio::test]
async fn b6_what_met_the_end_of_its_connection_was_not_run() {
    let script = script();
    script.lock().ends = Some("INSERT last");
    for _ in 0..50 {
        let mut raw = connector(&script).connect().await.unwrap();
        run(&mut *raw, POSTGRES, "INSERT last").await.unwrap();
        let error = run(&mut *raw, POSTGRES, "INSERT more").await.unwrap_err();
        assert!(error.is_retryable() && !error.leaves_open(), "{error}");
    }
    assert!(!script.lock().kept.iter().any(|text| text == "INSERT more"));
}

#[tokio::test]
async fn b6_a_call_dropped_as_its_connection_ends_ends_no_other() {
    let script = script();
    script.lock().late.push("UPDATE late");
    script.lock().ends = Some("INSERT last");
    let connector = connector(&script);
    let mut other = connector.connect().await.unwrap();
    for text in ["INSERT last", "UPDATE late"].repeat(50) {
        let mut raw = connector.connect().await.unwrap();
        let (statement, values) = statement(POSTGRES, text, vec![]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let mut sink = Rows::default();
        let mut call = raw.run(request, &mut sink);
        let _ = futures::poll!(&mut call);
        drop(call);
        drop(raw);
        assert_eq!(rows(&mut *other, POSTGRES, "SELECT 1", vec![]).await.unwrap().len(), 4);
    }
    assert_eq!(script.lock().started, 1);
}

#[tokio::test]
async fn b6_a_forgotten_connection_is_closed_in_a_process_of_others() {
    let script = script();
    script.lock().hangs.push("UPDATE hangs");
    let connector = connector(&script);
    let mut other = connector.connect().await.unwrap();
    for busy in [false, true] {
        let mut raw = connector.connect().await.unwrap();
        let close = raw.close_handle().unwrap();
        if busy {
            let (statement, values) = statement(POSTGRES, "UPDATE hangs", vec![]);
            let request = Request {
                statement: &statement,
                values: &values,
            };
            let mut sink = Rows::default();
            assert!(futures::poll!(raw.run(request, &mut sink)).is_pending());
        }
        close();
        assert!(
            run(&mut *raw, POSTGRES, "INSERT more")
                .await
                .unwrap_err()
                .is_retryable()
        );
        std::mem::forget(raw);
        // An answer to what was sent later shows that the other was heard.
        other.ping().await.unwrap();
        assert_eq!(script.lock().log.last().map(String::as_str), Some("CLOSE"));
        assert_eq!(script.lock().cancelled, busy);
    }
}

#[tokio::test]
async fn b6_the_texts_of_a_session_are_sent_at_once_and_fail_alone() {
    let script = script();
    let text = |sql: &str, asked| SessionText {
        sql: sql.to_owned(),
        asked,
    };
    let mut target = dbapi(POSTGRES, &[]);
    target.session = vec![
        text("FAIL unknown", false),
        text("SET b", true),
        // The last one: a process answers in order, so nothing comes after what hangs.
        text("UPDATE hangs", true),
    ];
    script.lock().hangs.push("UPDATE hangs");
    let connector = SidecarConnector::new(target.clone(), slot(&script));
    let mut connecting = connector.connect();
    while script.lock().log.len() < 3 {
        assert!(futures::poll!(&mut connecting).is_pending());
        tokio::task::yield_now().await;
    }
    drop(connecting);
    target.session = vec![text("FAIL unknown", false), text("SET b", true)];
    let connector = SidecarConnector::new(target.clone(), slot(&script));
    connector.connect().await.unwrap();
    target.session.push(text("FAIL asked", true));
    let connector = SidecarConnector::new(target, slot(&script));
    let error = connector.connect().await.err().unwrap();
    assert!(error.message().contains("it fails"), "{error}");
}

#[tokio::test]
async fn b6_what_goes_ahead_is_sent_with_the_next_request() {
    let script = script();
    let mut raw = connector(&script).connect().await.unwrap();
    let raw = &mut *raw;
    raw.begin(None).await.unwrap();
    let asked = script.lock().asked;
    assert!(raw.send_ahead("RELEASE SAVEPOINT a; SAVEPOINT a"));
    assert_eq!(script.lock().asked, asked);
    assert_eq!(rows(raw, POSTGRES, "SELECT 1", vec![]).await.unwrap().len(), 4);
    assert_eq!(
        script.lock().log.last_chunk(),
        Some(&["RELEASE SAVEPOINT a", "SAVEPOINT a", "SELECT 1"].map(str::to_owned))
    );
    // Once, and before whatever comes next.
    run(raw, POSTGRES, "INSERT alone").await.unwrap();
    assert!(raw.send_ahead("SAVEPOINT b"));
    raw.ping().await.unwrap();
    assert_eq!(
        script.lock().log.last_chunk(),
        Some(&["INSERT alone", "SAVEPOINT b"].map(str::to_owned))
    );
    assert!(!raw.ahead_failed());
    raw.commit(None).await.unwrap();
    // An empty script sends nothing but that.
    assert!(raw.send_ahead("SAVEPOINT c"));
    run(raw, POSTGRES, "; ;").await.unwrap();
    assert_eq!(script.lock().log.last().map(String::as_str), Some("SAVEPOINT c"));
}

#[tokio::test]
async fn b6_nothing_is_run_behind_what_fails_ahead_of_it() {
    for follows in ["INSERT behind", "INSERT a; INSERT b", ""] {
        let script = script();
        let mut raw = connector(&script).connect().await.unwrap();
        let raw = &mut *raw;
        raw.begin(None).await.unwrap();
        assert!(raw.send_ahead("FAIL; SAVEPOINT a"));
        let error = match follows {
            "" => raw.ping().await.unwrap_err(),
            follows => run(raw, POSTGRES, follows).await.unwrap_err(),
        };
        assert!(error.message().contains("it fails") && raw.ahead_failed(), "{error}");
        // Its transaction is not what it was taken for.
        assert!(run(raw, POSTGRES, "INSERT later").await.unwrap_err().is_fatal());
        assert!(!script.lock().kept.iter().any(|text| text.starts_with("INSERT")));
    }
}

#[tokio::test]
async fn b6_what_goes_ahead_of_a_dropped_statement_is_not_cancelled() {
    let script = undescribed();
    script.lock().hangs.push("UPDATE hangs");
    let mut raw = connector(&script).connect().await.unwrap();
    assert!(raw.send_ahead("SAVEPOINT a"));
    {
        let (statement, values) = statement(POSTGRES, "UPDATE hangs", vec![]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let mut sink = Rows::default();
        let mut call = raw.run(request, &mut sink);
        assert!(futures::poll!(&mut call).is_pending());
    }
    raw.settle().await.unwrap();
    let script = script.lock();
    assert!(script.cancelled);
    assert_eq!(
        script.log.last_chunk(),
        Some(&["SAVEPOINT a", "UPDATE hangs"].map(str::to_owned))
    );
}
