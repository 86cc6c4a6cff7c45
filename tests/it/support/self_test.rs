//! Tests of the harness itself, before it is used on the library.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use libtest_mimic::{Failed, Trial};

use super::{Case, Outcome as _, Proxy, SideConnection, SilentServer, Test, block_on_here, kill_backend, runner};
use crate::backends::Backend;

/// Returns one trial for each function below.
pub(crate) fn trials() -> Vec<Trial> {
    let alone: [(&str, fn()); 12] = [
        (
            "proxy::counts_one_round_trip_however_tcp_splits_it",
            counts_one_round_trip_however_tcp_splits_it,
        ),
        (
            "proxy::does_not_count_what_the_server_says_unasked",
            does_not_count_what_the_server_says_unasked,
        ),
        (
            "proxy::counts_each_connection_and_resets",
            counts_each_connection_and_resets,
        ),
        ("proxy::passes_nothing_on_while_paused", passes_nothing_on_while_paused),
        (
            "proxy::sees_a_client_leave_while_paused",
            sees_a_client_leave_while_paused,
        ),
        ("proxy::holds_answers_back", holds_answers_back),
        ("proxy::cuts_what_is_open", cuts_what_is_open),
        ("proxy::delays_each_way", delays_each_way),
        ("proxy::keeps_the_rest_of_the_url", keeps_the_rest_of_the_url),
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
    for backend in Backend::ALL.into_iter().filter(|backend| backend.left_out().is_none()) {
        let name = backend.name();
        trials.push(Trial::test(
            format!("support::test::words_and_tables_are_cleaned_up::{name}"),
            move || words_and_tables_are_cleaned_up(backend),
        ));
        if backend.is_server() {
            trials.push(Trial::test(
                format!("support::proxy::counts_a_servers_round_trips::{name}"),
                move || counts_a_servers_round_trips(backend),
            ));
            trials.push(Trial::test(
                format!("support::server::kills_a_connection::{name}"),
                move || kills_a_connection(backend),
            ));
        }
    }
    trials
}

/// Starts a server that sends `greeting`, then answers every line with `pieces` pieces and a line's end. Returns its
/// URL.
fn line_server(greeting: &'static [u8], pieces: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer_lines(stream.unwrap(), greeting, pieces));
        }
    });
    format!("mysql://user:p%40ss@{address}/base?a=1#end")
}

fn answer_lines(mut stream: TcpStream, greeting: &[u8], pieces: usize) {
    stream.set_nodelay(true).unwrap();
    stream.write_all(greeting).unwrap();
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() {
        if byte == *b"\n" {
            for _ in 0..pieces {
                let _ = stream.write_all(b"piece ");
                thread::sleep(Duration::from_millis(3));
            }
            let _ = stream.write_all(b"\n");
        }
    }
}

fn dial(proxy: &Proxy) -> TcpStream {
    let url = url::Url::parse(&proxy.url()).unwrap();
    let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends a line, a byte at a time, and reads the answering line.
fn ask(stream: &mut TcpStream) {
    for byte in b"who\n" {
        stream.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    read_line(stream);
}

fn read_line(stream: &mut TcpStream) {
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte).unwrap();
    }
}

/// Waits, with a limit, until a condition holds that another thread brings about.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "this did not happen: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn counts_one_round_trip_however_tcp_splits_it() {
    let proxy = Proxy::start(&line_server(b"", 5));
    let mut stream = dial(&proxy);
    for count in 1..=4 {
        ask(&mut stream);
        assert_eq!((proxy.round_trips(), proxy.requests()), (count, count));
    }
}

fn does_not_count_what_the_server_says_unasked() {
    let proxy = Proxy::start(&line_server(b"welcome\n", 1));
    let mut stream = dial(&proxy);
    read_line(&mut stream);
    assert_eq!(proxy.round_trips(), 0);
    ask(&mut stream);
    assert_eq!(proxy.round_trips(), 1);
}

fn counts_each_connection_and_resets() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let (mut first, mut second) = (dial(&proxy), dial(&proxy));
    ask(&mut first);
    ask(&mut second);
    ask(&mut second);
    let mut each = proxy.round_trips_by_connection();
    each.sort_unstable();
    assert_eq!(
        (each, proxy.connections(), proxy.open_connections()),
        (vec![1, 2], 2, 2)
    );
    proxy.reset();
    assert_eq!((proxy.round_trips(), proxy.requests(), proxy.connections()), (0, 0, 2));
    drop(first);
    until("the first connection is closed", || proxy.open_connections() == 1);
    ask(&mut second);
    assert_eq!(proxy.round_trips(), 1);
}

fn passes_nothing_on_while_paused() {
    let proxy = Proxy::start(&line_server(b"welcome\n", 1));
    proxy.pause();
    let mut stream = dial(&proxy);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    stream.write_all(b"who\n").unwrap();
    assert!(stream.read(&mut [0]).is_err(), "a paused proxy passes nothing on");
    assert_eq!((proxy.round_trips(), proxy.requests()), (0, 0));
    proxy.resume();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    read_line(&mut stream);
    read_line(&mut stream);
    assert_eq!(proxy.requests(), 1);
}

fn sees_a_client_leave_while_paused() {
    let proxy = Proxy::start(&line_server(b"", 1));
    proxy.pause();
    let mut stream = dial(&proxy);
    stream.write_all(b"who\n").unwrap();
    until("it is accepted", || proxy.open_connections() == 1);
    drop(stream);
    until("it is gone", || proxy.open_connections() == 0);
}

fn holds_answers_back() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let mut stream = dial(&proxy);
    proxy.hold_answers();
    stream.write_all(b"who\n").unwrap();
    block_on_here(async {
        proxy.until_requests(1).await;
        Ok(())
    })
    .unwrap();
    assert_eq!(proxy.round_trips(), 0);
    proxy.resume();
    read_line(&mut stream);
    assert_eq!(proxy.round_trips(), 1);
}

fn cuts_what_is_open() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let mut stream = dial(&proxy);
    ask(&mut stream);
    proxy.cut();
    let ended = matches!(stream.read(&mut [0]), Ok(0) | Err(_));
    assert!(ended && proxy.open_connections() == 0);
    ask(&mut dial(&proxy));
}

fn delays_each_way() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let mut stream = dial(&proxy);
    proxy.delay(Duration::from_millis(40));
    let start = Instant::now();
    stream.write_all(b"who\n").unwrap();
    read_line(&mut stream);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(80), "it took {took:?}");
}

fn keeps_the_rest_of_the_url() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let url = proxy.url();
    assert!(
        url.starts_with("mysql://user:p%40ss@127.0.0.1:") && url.ends_with("/base?a=1#end"),
        "{url}"
    );
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
    assert_eq!(names(case()).len(), 4);
    assert_eq!(
        names(case().option("only(postgres, mysql)")),
        ["things::works::postgres", "things::works::mysql"]
    );
    assert_eq!(names(case().option("except(sqlite)")).len(), 2);
    assert_eq!(
        names(
            case()
                .option("except(sqlite_memory)")
                .option("doc = \"Says why.\"")
                .option("limit(5)")
        )
        .len(),
        3
    );
}

fn panics_errors_and_late_tests_fail() {
    let run = |body, seconds| {
        runner::run(
            "inner",
            Backend::SqliteMemory,
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
    let test = Test::new("words", backend)?;
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

fn counts_a_servers_round_trips(backend: Backend) -> Result<(), Failed> {
    let proxy = Proxy::start(&backend.server_url()?);
    block_on_here(async {
        let mut side = SideConnection::connect(&proxy.url()).await?;
        proxy.reset();
        for count in 1..=3 {
            side.execute("select 1").await?;
            assert_eq!(proxy.round_trips(), count);
        }
        let wide = format!("select '{}'", "x".repeat(300_000));
        side.execute(&wide).await?;
        assert_eq!(proxy.round_trips(), 4);
        side.close().await
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
