//! Faults for the library: connections ended by the server, and a server that never answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sqlx::Error;

use super::SideConnection;

/// Ends a connection from the server's side and waits until the server has forgotten it.
///
/// `backend_pid` is the result of `pg_backend_pid()` or `connection_id()`.
pub(crate) async fn kill_backend(url: &str, backend_pid: i64) -> Result<(), Error> {
    let mut side = SideConnection::connect(url).await?;
    let (kill, count) = match &side {
        SideConnection::Postgres(_) => (
            format!("select pg_terminate_backend({backend_pid})"),
            format!("select count(*) from pg_stat_activity where pid = {backend_pid}"),
        ),
        SideConnection::Mysql(_) => (
            format!("kill {backend_pid}"),
            format!("select count(*) from information_schema.processlist where id = {backend_pid}"),
        ),
        SideConnection::Sqlite(_) => return Err(Error::Protocol("SQLite has no server".to_owned())),
    };
    side.execute(&kill).await?;
    for _ in 0..1000 {
        if side.number(&count).await? == 0 {
            return side.close().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(Error::Protocol(format!("connection {backend_pid} lives on")))
}

/// Returns the server's ids of the connections that come from these ports.
pub(crate) async fn backend_pids_of_ports(url: &str, ports: &[u16]) -> Result<Vec<i64>, Error> {
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let mut side = SideConnection::connect(url).await?;
    let sql = match &side {
        SideConnection::Postgres(_) => {
            format!("select pid::bigint from pg_stat_activity where client_port in ({ports}) order by pid")
        }
        SideConnection::Mysql(_) => format!(
            "select cast(id as signed) from information_schema.processlist
             where cast(substring_index(host, ':', -1) as unsigned) in ({ports}) order by id"
        ),
        SideConnection::Sqlite(_) => return Err(Error::Protocol("SQLite has no server".to_owned())),
    };
    let pids = side.numbers(&sql).await?;
    side.close().await?;
    Ok(pids)
}

/// A server that accepts connections and never answers. Dropping it closes them.
#[derive(Debug)]
pub(crate) struct SilentServer {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SilentServer {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let (count, stop) = (Arc::clone(&accepted), Arc::clone(&stopping));
        let accept = move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                held.push(stream);
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let thread = thread::Builder::new().name("silent server".to_owned()).spawn(accept)?;
        Ok(Self {
            address,
            accepted,
            stopping,
            thread: Some(thread),
        })
    }

    /// Returns a URL of this server: `scheme` is `postgres` or `mysql`.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://somebody:secret@{}/nowhere", self.address)
    }

    /// Returns how many connections were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for SilentServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // A last connection ends the thread's wait.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}
