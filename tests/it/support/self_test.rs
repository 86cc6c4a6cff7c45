//! Tests of the harness itself, before it is used on the library.

use std::io::Read as _;
use std::net::{Shutdown, TcpStream};
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use libtest_mimic::{Failed, Trial};

use super::{
    Case, Outcome as _, Proxy, SideConnection, SilentServer, Test, block_on_here, kill_backend, proxy_test, runner,
};
use crate::backends::Backend;

/// Returns one trial for each function below.
pub(crate) fn trials() -> Vec<Trial> {
    let alone: [(&str, fn()); 13] = [
        (
            "proxy::counts_one_round_trip_however_tcp_splits_it",
            proxy_test::counts_one_round_trip_however_tcp_splits_it,
        ),
        (
            "proxy::does_not_count_what_the_server_says_unasked",
            proxy_test::does_not_count_what_the_server_says_unasked,
        ),
        (
            "proxy::counts_each_connection_and_resets",
            proxy_test::counts_each_connection_and_resets,
        ),
        (
            "proxy::passes_nothing_on_while_paused",
            proxy_test::passes_nothing_on_while_paused,
        ),
        (
            "proxy::sees_a_client_leave_while_paused",
            proxy_test::sees_a_client_leave_while_paused,
        ),
        ("proxy::holds_answers_back", proxy_test::holds_answers_back),
        ("proxy::cuts_what_is_open", proxy_test::cuts_what_is_open),
        ("proxy::resets_what_is_open", proxy_test::resets_what_is_open),
        ("proxy::delays_each_way", proxy_test::delays_each_way),
        (
            "proxy::keeps_the_rest_of_the_url",
            proxy_test::keeps_the_rest_of_the_url,
        ),
        ("silent_server::accepts_and_says_nothing", accepts_and_says_nothing),
        ("case::attributes_choose_backends", attributes_choose_backends),
        (
            "runner::panics_errors_and_late_tests_fail",
            panics_errors_and_late_tests_fail,
        ),
    ];
    let mut trials: Vec<_> = alone
        .into_iter()
        .map(|(name, body)| {
            Trial::test(format!("support::{name}"), move || {
                body();
                Ok(())
            })
        })
        .collect();
    trials.extend(listed_by_the_macro::cases().iter().flat_map(Case::trials));
    for backend in Backend::NATIVE
        .into_iter()
        .filter(|backend| backend.left_out().is_none())
    {
        let name = backend.name();
        trials.push(Trial::test(
            format!("support::test::words_and_tables_are_cleaned_up::{name}"),
            move || words_and_tables_are_cleaned_up(backend),
        ));
        if backend.is_server() {
            trials.push(Trial::test(
                format!("support::proxy::counts_a_servers_round_trips::{name}"),
                move || proxy_test::counts_a_servers_round_trips(backend),
            ));
            trials.push(Trial::test(
                format!("support::server::kills_a_connection::{name}"),
                move || kills_a_connection(backend),
            ));
        }
    }
    trials
}

/// Waits, with a limit, until a condition holds that another thread brings about.
pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "this did not happen: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn accepts_and_says_nothing() {
    let server = SilentServer::start().unwrap();
    let url = url::Url::parse(&server.url("postgres")).unwrap();
    let mut stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).unwrap();
    until("it is accepted", || server.accepted() == 1);
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "it said something");
    drop(server);
    assert!(matches!(stream.read(&mut [0]), Ok(0)), "it is closed when dropped");
    let _ = stream.shutdown(Shutdown::Both);
}

fn attributes_choose_backends() {
    let case = || Case::new("it::cases::things", "works", |_| Box::pin(async { ().outcome() }));
    let names = |case: Case| {
        case.trials()
            .iter()
            .map(|trial| trial.name().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(case()).len(), 4 + 18);
    assert_eq!(names(case().option("native")).len(), 4 + 3);
    assert_eq!(names(case().option("sqlx")).len(), 4);
    assert_eq!(names(case().option("except(tokio_postgres)")).len(), 4 + 17);
    assert_eq!(
        names(case().option("only(postgres, jdbc_h2)")),
        [
            "things::works::postgres",
            "things::works::tokio_postgres",
            "things::works::jdbc_h2"
        ]
    );
    assert_eq!(names(case().option("only(dbapi2)")).len(), 6);
    assert_eq!(
        names(case().option("only(postgres, mysql)")),
        [
            "things::works::postgres",
            "things::works::mysql",
            "things::works::tokio_postgres"
        ]
    );
    // Nor drivers of SQLite, nor those whose database nothing else sees.
    assert_eq!(names(case().option("except(sqlite)")).len(), 2 + 8);
    assert_eq!(
        names(
            case()
                .option("except(sqlite_memory)")
                .option("doc = \"Says why.\"")
                .option("limit(5)")
        )
        .len(),
        3 + 13
    );
}

fn panics_errors_and_late_tests_fail() {
    let run = |body, seconds| {
        runner::run(
            "inner",
            Backend::SqliteMemory,
            None,
            body,
            true,
            Duration::from_millis(seconds),
        )
    };
    let passed = run(|_| Box::pin(async { ().outcome() }), 5000);
    let failed = run(|_| Box::pin(async { Err("went wrong").outcome() }), 5000);
    let late = run(|_| Box::pin(std::future::pending()), 20);
    assert_eq!(passed, Ok(()));
    assert_eq!(failed, Err("\"went wrong\"".to_owned()));
    assert_eq!(late, Err("inner did not end within 0.02 s".to_owned()));
    let blocks = |_| -> LocalBoxFuture<'static, _> {
        Box::pin(async {
            thread::sleep(Duration::from_millis(100));
            Ok(())
        })
    };
    assert_eq!(run(blocks, 20), late, "a test that blocks its thread is late too");
    assert_eq!(
        run(|_| resume_unwind(Box::new("it panicked")), 5000),
        Err("it panicked".to_owned())
    );
}

/// Cases as they are written in the files of `cases/`.
mod listed_by_the_macro {
    use crate::support::cases;

    cases! {
        /// Explains why.
        #[only(sqlite)]
        #[current_thread]
        async fn a_case_may_return_a_result(t: Test) -> Result<(), String> {
            assert!(t.backend().is_sqlite());
            Ok(())
        }

        async fn a_case_may_return_nothing(t: Test) {
            let runtime = tokio::runtime::Handle::current();
            assert_eq!(runtime.metrics().num_workers(), 2, "{}", t.name());
        }
    }
}

fn words_and_tables_are_cleaned_up(backend: Backend) -> Result<(), Failed> {
    let test = Test::new("words", backend, None)?;
    let table = test.table("notes");
    assert_eq!(
        test.words("select * from {notes} where x = '{\"a\": 1}'"),
        format!("select * from {table} where x = '{{\"a\": 1}}'")
    );
    if !test.can_observe() {
        return Ok(());
    }
    let count = format!("select count(*) from {table}");
    block_on_here(async {
        test.observe_exec(
            "create table {notes} (id {id}, k {key} not null unique, body {text}, i {int}, f {float}, b {bool},
             d {bytes}, at {timestamp}, local_at {datetime}, doc {json})",
        )
        .await;
        test.observe_exec("insert into {notes} (k, b) values ('x', true)").await;
        assert_eq!(test.observe("select count(*) from {notes}").await, 1);
        Ok(())
    })?;
    let (url, cleanup) = (test.url(), test.cleanup());
    drop(test);
    cleanup.empty()?;
    drop(cleanup);
    block_on_here(async {
        let gone = match SideConnection::connect(&url).await {
            Ok(mut side) => side.number(&count).await.is_err(),
            Err(_) => backend.is_sqlite(),
        };
        assert!(gone, "{table} is still there");
        Ok(())
    })?;
    Ok(())
}

fn kills_a_connection(backend: Backend) -> Result<(), Failed> {
    let url = backend.server_url()?;
    let proxy = Proxy::start(&url);
    let mut side = None;
    let connection = block_on_here(async {
        let mut connected = SideConnection::connect(&proxy.url()).await?;
        connected.execute("select 1").await?;
        side = Some(connected);
        Ok(())
    });
    connection?;
    let pids = proxy.backend_pids();
    assert_eq!(pids.len(), 1, "the server knows the proxy's one connection");
    block_on_here(kill_backend(&url, pids[0]))?;
    until("the proxy sees the end", || proxy.open_connections() == 0);
    assert!(proxy.backend_pids().is_empty());
    Ok(())
}
