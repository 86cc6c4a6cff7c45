//! What only the wire shows, on a scripted server.

mod dropping;
mod peer;

use std::sync::Arc;
use std::task::Poll;

use futures::{FutureExt, StreamExt};

use self::peer::{Peer, Script, Step, done, error, rows};
use super::connector;
use crate::backend::rules::BeginOptions;
use crate::backend::{Begin, Connector, OfferedRow, QueryResult, RawConnection, Request, RowSink, ServerRules};
use crate::config::{Config, IsolationLevel};
use crate::error::{ErrorKind, Result};
use crate::sql::{Dialect, Statement, Template};
use crate::value::{Params, Row, Value};

/// Keeps the numbers that it is offered.
#[derive(Default)]
struct Numbers(Vec<i64>);

impl RowSink for Numbers {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        let row = Row::new(row.take().unwrap());
        self.0.push(row.get(0)?);
        Ok(())
    }
}

fn statement(sql: &str, values: Vec<Value>) -> (Arc<Statement>, Vec<Value>) {
    let template = Template::parse(Dialect::SqlServer, sql).unwrap();
    let bound = template.bind(Params::positional(values)).unwrap();
    (bound.statement, bound.values)
}

async fn run(raw: &mut dyn RawConnection, sql: &str) -> Result<(QueryResult, Vec<i64>)> {
    let (statement, values) = statement(sql, Vec::new());
    let request = Request {
        statement: &statement,
        values: &values,
    };
    let mut numbers = Numbers::default();
    let result = raw.run(request, &mut numbers).await?;
    Ok((result, numbers.0))
}

fn connector_to(peer: &Peer, options: &str) -> Arc<dyn Connector> {
    let url = format!("mssql://sa:hunter2@127.0.0.1:{}/shop?{options}", peer.port);
    connector(&Config::from_url(&url).unwrap()).unwrap()
}

async fn connected(steps: Vec<(&'static str, Step)>) -> (Peer, Box<dyn RawConnection>) {
    let peer = Peer::start(Script {
        steps,
        ..Script::default()
    })
    .await;
    let raw = connector_to(&peer, "ssl_mode=disable").connect().await.unwrap();
    assert!(peer.heard()[0].starts_with("SET QUOTED_IDENTIFIER"));
    (peer, raw)
}

/// Starts a stream, and drops it after its first row.
async fn first_row(raw: &mut dyn RawConnection, sql: &str) -> i64 {
    let (statement, values) = statement(sql, Vec::new());
    let mut stream = raw.stream(Request {
        statement: &statement,
        values: &values,
    });
    Row::new(stream.next().await.unwrap().unwrap()).get(0).unwrap()
}

/// Starts a call and drops it when the peer has heard its text.
async fn drop_once_heard(peer: &Peer, raw: &mut dyn RawConnection, sql: &str) {
    let mut call = Box::pin(run(raw, sql));
    futures::future::poll_fn(|context| {
        assert!(call.poll_unpin(context).is_pending());
        if peer.script.lock().heard.iter().any(|heard| heard == sql) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[tokio::test]
async fn b1_levels_are_sent_as_sql_server_has_them() {
    let (peer, mut raw) = connected(vec![]).await;
    raw.begin(None).await.unwrap();
    raw.begin(None).await.unwrap();
    raw.begin(None).await.unwrap();
    raw.rollback_to(2).await.unwrap();
    raw.commit(None).await.unwrap();
    assert_eq!(raw.depth(), 1);
    raw.commit(None).await.unwrap();
    let texts = [
        "BEGIN TRANSACTION",
        "SAVE TRANSACTION ebbtide_1",
        "SAVE TRANSACTION ebbtide_2",
        "ROLLBACK TRANSACTION ebbtide_2",
        super::SqlServerRules.levels().commit,
    ];
    assert_eq!(peer.heard(), texts);
    let options = BeginOptions {
        isolation: Some(IsolationLevel::Snapshot),
        ..BeginOptions::default()
    };
    let begin = Begin::with(&super::SqlServerRules as &dyn ServerRules, options).unwrap();
    raw.begin(Some(begin)).await.unwrap();
    raw.rollback_to(0).await.unwrap();
    raw.begin(None).await.unwrap();
    raw.commit(None).await.unwrap();
    let texts = [
        "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION",
        "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "BEGIN TRANSACTION",
        super::SqlServerRules.levels().commit,
    ];
    assert_eq!(peer.heard(), texts);
}

#[tokio::test]
async fn b1_a_commit_that_fails_leaves_no_transaction() {
    let steps = vec![("COMMIT", Step::Answer(error(3930, 16, "it is doomed")))];
    let (peer, mut raw) = connected(steps).await;
    raw.begin(None).await.unwrap();
    let failed = raw.commit(None).await.unwrap_err();
    assert_eq!(
        (failed.kind(), failed.is_fatal()),
        (ErrorKind::TransactionAborted, false)
    );
    assert_eq!(raw.depth(), 0);
    assert_eq!(peer.heard()[2], "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
}

#[tokio::test]
async fn b1_a_commit_that_leaves_a_transaction_open_is_no_commit() {
    let message = "the transaction was rolled back: something in it has begun another one and not ended it";
    let steps = vec![("COMMIT", Step::Answer(error(50_000, 16, message)))];
    let (_peer, mut raw) = connected(steps).await;
    raw.begin(None).await.unwrap();
    let failed = raw.commit(None).await.unwrap_err();
    assert_eq!(
        (failed.kind(), failed.message()),
        (ErrorKind::TransactionEnded, message)
    );
    assert!(failed.ends_transaction() && !failed.is_fatal());
    assert_eq!(raw.depth(), 0);
}

#[tokio::test]
async fn b1_what_changes_the_session_runs_in_it() {
    let (peer, mut raw) = connected(vec![]).await;
    for sql in [
        "CREATE TABLE #own (id int)",
        "SET NOCOUNT ON",
        "SELECT 1",
        "UPDATE note SET a = 1; SELECT 2",
    ] {
        run(&mut *raw, sql).await.unwrap();
    }
    let (statement, values) = statement("SELECT ?", vec![Value::Null]);
    let request = Request {
        statement: &statement,
        values: &values,
    };
    raw.run(request, &mut Numbers::default()).await.unwrap();
    let texts = [
        "CREATE TABLE #own (id int)",
        "SET NOCOUNT ON",
        "SELECT 1",
        "UPDATE note SET a = 1; SELECT 2",
        "DECLARE @P1 NVARCHAR(4000); SELECT @P1",
    ];
    assert_eq!(peer.heard(), texts);
}

#[tokio::test]
async fn b1_a_text_with_values_that_controls_a_transaction_is_not_sent() {
    let (peer, mut raw) = connected(vec![]).await;
    for (sql, sent) in [
        ("INSERT INTO note VALUES (?); COMMIT", false),
        ("BEGIN TRAN INSERT INTO note VALUES (?)", false),
        ("IF ? = 1 ROLLBACK", false),
        ("SAVE TRAN there INSERT INTO note VALUES (?)", true),
    ] {
        let (statement, values) = statement(sql, vec![Value::I64(1)]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let result = raw.run(request, &mut Numbers::default()).await;
        assert_eq!(
            result.err().map(|error| error.kind()),
            (!sent).then_some(ErrorKind::Refused),
            "{sql}"
        );
        assert_eq!(peer.heard().len(), usize::from(sent), "{sql}");
    }
    run(&mut *raw, "INSERT INTO note VALUES (1); COMMIT").await.unwrap();
    assert_eq!(peer.heard().len(), 1);
}

#[tokio::test]
async fn b1_changed_rows_are_counted_and_read_ones_are_not() {
    let steps = vec![
        ("SELECT", Step::Answer(rows(&[&[7], &[8]]))),
        ("INSERT", Step::Answer(done(0, 3))),
        ("DELETE", Step::Answer(rows(&[&[9]]))),
    ];
    let (_peer, mut raw) = connected(steps).await;
    let (result, numbers) = run(&mut *raw, "SELECT n FROM note").await.unwrap();
    assert_eq!((result.rows_affected, numbers), (0, vec![7, 8]));
    let (result, _) = run(&mut *raw, "INSERT INTO note VALUES (1), (2), (3)").await.unwrap();
    assert_eq!(result.rows_affected, 3);
    let (result, numbers) = run(&mut *raw, "DELETE FROM note OUTPUT deleted.n").await.unwrap();
    assert_eq!((result.rows_affected, numbers), (1, vec![9]));
}

#[tokio::test]
async fn b1_a_statement_that_is_dropped_while_it_runs_is_cancelled() {
    let steps = vec![
        ("WAITFOR", Step::Wait { own_message: false }),
        ("SELECT", Step::Answer(rows(&[&[5]]))),
    ];
    let (peer, mut raw) = connected(steps).await;
    for _ in 0..3 {
        drop_once_heard(&peer, &mut *raw, "WAITFOR DELAY '01:00'").await;
        assert!(raw.interrupted(false));
        raw.settle().await.unwrap();
        assert_eq!(run(&mut *raw, "SELECT 5").await.unwrap().1, [5]);
        peer.heard();
    }
    assert_eq!(peer.script.lock().attentions, 3);
}

#[tokio::test]
async fn b1_a_cancellation_that_leaves_the_connection_out_of_step_ends_it() {
    let steps = vec![("WAITFOR", Step::Wait { own_message: true })];
    let (peer, mut raw) = connected(steps).await;
    drop_once_heard(&peer, &mut *raw, "WAITFOR DELAY '01:00'").await;
    let settled = raw.settle().await;
    // Nothing that was left on the wire is ever taken for the next answer.
    if let Err(error) = settled {
        assert!(error.is_fatal() && !raw.interrupted(false), "{error}");
        let later = run(&mut *raw, "SELECT 5").await.unwrap_err();
        assert!(!later.leaves_open() && later.is_retryable(), "{later}");
    } else {
        panic!("the driver has learnt to read an acknowledgement in a message of its own");
    }
}

#[tokio::test]
async fn b1_a_stream_that_is_dropped_between_rows_is_cancelled() {
    let answer = rows(&[&[1], &[2], &[3]]);
    let begun = answer[..answer.len() - done(0, 3).len()].to_vec();
    let steps = vec![
        ("SELECT n", Step::Cancelled(begun)),
        ("SELECT 5", Step::Answer(rows(&[&[5]]))),
    ];
    let (peer, mut raw) = connected(steps).await;
    for _ in 0..3 {
        assert_eq!(first_row(&mut *raw, "SELECT n FROM note").await, 1);
        assert!(raw.interrupted(true));
        raw.settle().await.unwrap();
        assert_eq!(run(&mut *raw, "SELECT 5").await.unwrap().1, [5]);
    }
    assert_eq!(peer.script.lock().attentions, 3);
}

#[tokio::test]
async fn b1_an_answer_that_ends_before_its_cancellation_is_acknowledged_ends_the_connection() {
    let answer = rows(&[&[1], &[2], &[3]]);
    let cut = answer.len() - done(0, 3).len();
    let steps = vec![
        ("SELECT n", Step::Cut(answer, cut)),
        ("SELECT 5", Step::Answer(rows(&[&[5]]))),
    ];
    let (peer, mut raw) = connected(steps).await;
    assert_eq!(first_row(&mut *raw, "SELECT n FROM note").await, 1);
    assert!(raw.interrupted(true));
    peer.on.notify_one();
    let ended = raw.settle().await.unwrap_err();
    assert!(ended.is_fatal() && !raw.interrupted(true), "{ended}");
}

#[tokio::test]
async fn b1_a_stream_that_is_dropped_after_its_answer_has_arrived_leaves_the_connection_usable() {
    let steps = vec![
        ("SELECT n", Step::Answer(rows(&[&[1], &[2], &[3]]))),
        ("SELECT 5", Step::Answer(rows(&[&[5]]))),
    ];
    let (_peer, mut raw) = connected(steps).await;
    assert_eq!(first_row(&mut *raw, "SELECT n FROM note").await, 1);
    assert!(raw.interrupted(true));
    // The driver has read the end of the answer, so what comes next is the acknowledgement.
    raw.settle().await.unwrap();
    assert_eq!(run(&mut *raw, "SELECT 5").await.unwrap().1, [5]);
}

#[tokio::test]
async fn b1_the_rest_of_a_row_that_was_cut_is_read() {
    let answer = rows(&[&[1], &[2]]);
    let cut = answer.len() - done(0, 2).len() - 3;
    let steps = vec![
        ("SELECT n", Step::Cut(answer, cut)),
        ("SELECT 1", Step::Answer(rows(&[&[1]]))),
        ("SELECT 5", Step::Answer(rows(&[&[5]]))),
    ];
    let (peer, mut raw) = connected(steps).await;
    {
        let (statement, values) = statement("SELECT n FROM note", Vec::new());
        let mut stream = raw.stream(Request {
            statement: &statement,
            values: &values,
        });
        assert!(stream.next().await.unwrap().is_ok());
        assert!(futures::poll!(stream.next()).is_pending());
    }
    assert!(raw.interrupted(false));
    peer.on.notify_one();
    raw.settle().await.unwrap();
    assert_eq!(run(&mut *raw, "SELECT 5").await.unwrap().1, [5]);
}

#[tokio::test]
async fn b1_a_lost_connection_is_an_error_and_nothing_more_is_sent() {
    let (peer, mut raw) = connected(vec![("INSERT", Step::Close)]).await;
    let lost = run(&mut *raw, "INSERT INTO note VALUES (1)").await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::ConnectionLost);
    assert!(lost.leaves_open() && !raw.interrupted(false), "{lost}");
    peer.heard();
    let later = run(&mut *raw, "SELECT 1").await.unwrap_err();
    assert!(!later.leaves_open() && later.is_retryable(), "{later}");
    assert!(peer.heard().is_empty());
}

#[tokio::test]
async fn b1_a_connection_can_be_closed_from_outside() {
    let (peer, mut raw) = connected(vec![("WAITFOR", Step::Wait { own_message: false })]).await;
    let close = raw.close_handle().unwrap();
    let closed = async {
        while peer.script.lock().heard.is_empty() {
            tokio::task::yield_now().await;
        }
        close();
    };
    let (waited, ()) = futures::join!(run(&mut *raw, "WAITFOR DELAY '01:00'"), closed);
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::ConnectionLost);
}

#[tokio::test]
async fn b1_errors_say_what_they_mean_for_the_transaction() {
    let steps = vec![
        ("SELECT 1", Step::Answer(error(1205, 13, "deadlocked"))),
        (
            "SELECT 2",
            Step::Answer(error(
                2627,
                14,
                "Violation of UNIQUE KEY constraint 'UQ'. Cannot insert duplicate key in object 'dbo.note'.",
            )),
        ),
        ("SELECT 3", Step::Answer(error(21, 20, "a fatal error"))),
    ];
    let (_peer, mut raw) = connected(steps).await;
    let deadlock = run(&mut *raw, "SELECT 1").await.unwrap_err();
    assert!(deadlock.ends_transaction() && deadlock.is_retryable() && !deadlock.is_fatal());
    assert_eq!(
        (deadlock.kind(), deadlock.sqlstate()),
        (ErrorKind::Deadlock, Some("1205"))
    );
    let unique = run(&mut *raw, "SELECT 2").await.unwrap_err();
    assert!(!unique.is_of_statement() && !unique.ends_transaction());
    assert_eq!(unique.constraint().unwrap().name.as_deref(), Some("UQ"));
    assert!(run(&mut *raw, "SELECT 3").await.unwrap_err().is_fatal());
    assert!(!raw.interrupted(false));
}

#[tokio::test]
async fn b1_a_doomed_transaction_is_not_open() {
    const ASKED: &str = "SELECT @@TRANCOUNT";
    for (open, state, goes_on) in [(1, 1, true), (1, -1, false), (0, 0, false)] {
        let answer = Step::Answer(int_rows(open, state));
        let (_peer, mut raw) = connected(vec![(ASKED, answer)]).await;
        assert_eq!(raw.transaction_open().await.unwrap(), goes_on, "{open} {state}");
    }
}

/// Returns a row of two numbers of 32 bits.
fn int_rows(first: i32, second: i32) -> Vec<u8> {
    let wide = rows(&[&[0, 0]]);
    let narrow = wide.iter().position(|byte| *byte == 0xd1).unwrap();
    let mut tokens: Vec<u8> = wide[..narrow]
        .iter()
        .map(|byte| if *byte == 8 { 4 } else { *byte })
        .collect();
    tokens.push(0xd1);
    for number in [first, second] {
        tokens.push(4);
        tokens.extend(number.to_le_bytes());
    }
    tokens.extend(done(0, 1));
    tokens
}

#[tokio::test]
async fn b1_a_refused_login_says_why() {
    for (number, kind) in [(18456, ErrorKind::Authentication), (4060, ErrorKind::DatabaseNotFound)] {
        let peer = Peer::start(Script {
            login: Some(error(number, 14, "no")),
            ..Script::default()
        })
        .await;
        let refused = connector_to(&peer, "ssl_mode=disable").connect().await.err().unwrap();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(
            refused.to_string().contains("help: ") && !refused.to_string().contains("hunter2"),
            "{refused}"
        );
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn b1_a_server_without_tls_is_used_unless_tls_is_asked_for() {
    let peer = Peer::start(Script::default()).await;
    assert!(connector_to(&peer, "").connect().await.is_ok());
    assert_eq!(peer.script.lock().connections, 2);
    let refused = connector_to(&peer, "ssl_mode=require").connect().await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Connect);
    assert!(refused.to_string().contains("ssl_mode"), "{refused}");
}
