//! Tests of the proxy itself.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use super::self_test::until;
use super::{Proxy, SideConnection, block_on_here};
use crate::backends::Backend;

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

pub(super) fn counts_one_round_trip_however_tcp_splits_it() {
    let proxy = Proxy::start(&line_server(b"", 5));
    let mut stream = dial(&proxy);
    for count in 1..=4 {
        ask(&mut stream);
        assert_eq!((proxy.round_trips(), proxy.requests()), (count, count));
    }
}

pub(super) fn does_not_count_what_the_server_says_unasked() {
    let proxy = Proxy::start(&line_server(b"welcome\n", 1));
    let mut stream = dial(&proxy);
    read_line(&mut stream);
    assert_eq!(proxy.round_trips(), 0);
    ask(&mut stream);
    assert_eq!(proxy.round_trips(), 1);
}

pub(super) fn counts_each_connection_and_resets() {
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

pub(super) fn passes_nothing_on_while_paused() {
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

pub(super) fn sees_a_client_leave_while_paused() {
    let proxy = Proxy::start(&line_server(b"", 1));
    proxy.pause();
    let mut stream = dial(&proxy);
    stream.write_all(b"who\n").unwrap();
    until("it is accepted", || proxy.open_connections() == 1);
    drop(stream);
    until("it is gone", || proxy.open_connections() == 0);
}

pub(super) fn holds_answers_back() {
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

pub(super) fn cuts_what_is_open() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let mut stream = dial(&proxy);
    ask(&mut stream);
    proxy.cut();
    let ended = matches!(stream.read(&mut [0]), Ok(0) | Err(_));
    assert!(ended && proxy.open_connections() == 0);
    ask(&mut dial(&proxy));
}

pub(super) fn resets_what_is_open() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let mut stream = dial(&proxy);
    ask(&mut stream);
    proxy.reset_connections();
    let ended = stream.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));
    ask(&mut dial(&proxy));
}

pub(super) fn delays_each_way() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let mut stream = dial(&proxy);
    proxy.delay(Duration::from_millis(40));
    let start = Instant::now();
    stream.write_all(b"who\n").unwrap();
    read_line(&mut stream);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(80), "it took {took:?}");
}

pub(super) fn keeps_the_rest_of_the_url() {
    let proxy = Proxy::start(&line_server(b"", 1));
    let url = proxy.url();
    assert!(
        url.starts_with("mysql://user:p%40ss@127.0.0.1:") && url.ends_with("/base?a=1#end"),
        "{url}"
    );
}

pub(super) fn counts_a_servers_round_trips(backend: Backend) -> Result<(), Failed> {
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
