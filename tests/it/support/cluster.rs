//! A primary of PostgreSQL and replicas that follow it by streaming replication, which the test itself starts from the
//! installed programs.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::SideConnection;

/// The time limit for a program, and for a server to answer or to stop.
const LIMIT: Duration = Duration::from_mins(1);

/// The programs that are needed.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];

/// Returns the folder of PostgreSQL's programs, of the newest installed version; or why there is none.
pub(crate) fn programs() -> Result<PathBuf, String> {
    let complete = |folder: &PathBuf| PROGRAMS.iter().all(|program| folder.join(program).is_file());
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(debian.into_iter().map(|(_, folder)| folder));
    folders.filter(complete).last().ok_or_else(|| {
        format!(
            "the programs {} of PostgreSQL are installed neither in /usr/lib/postgresql nor on the PATH",
            PROGRAMS.join(", ")
        )
    })
}

/// A user that the programs run as, because they refuse to run as root.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    id: u32,
    group: u32,
}

impl User {
    /// Returns `None` if the tests do not run as root.
    pub(super) fn choose(name: &str) -> Option<Self> {
        if number("id", &["-u"])? != 0 {
            return None;
        }
        [name, "nobody"].into_iter().find_map(|name| {
            Some(Self {
                id: number("id", &["-u", name])?,
                group: number("id", &["-g", name])?,
            })
        })
    }
}

impl User {
    /// Returns the numbers of the user and its group.
    pub(super) fn numbers(self) -> (u32, u32) {
        (self.id, self.group)
    }
}

/// Creates a folder for the servers of that user.
pub(super) fn folder_of(user: Option<User>) -> TempDir {
    let folder = tempfile::Builder::new().prefix("ebbtide-cluster-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if let Some(user) = user {
        chown(folder.path(), Some(user.id), Some(user.group)).unwrap();
    }
    folder
}

fn number(program: &str, arguments: &[&str]) -> Option<u32> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The servers. Dropping it stops them and removes their files; so does the end of this process, however it ends.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) primary: Server,
    pub(crate) replicas: Vec<Server>,
    _folder: TempDir,
}

impl Cluster {
    /// Starts a primary and `replicas` replicas.
    pub(crate) async fn start(replicas: usize) -> Self {
        let programs = programs().unwrap_or_else(|missing| panic!("{missing}"));
        let user = User::choose("postgres");
        let folder = folder_of(user);
        let data = folder.path().join("primary");
        let mut initdb = command(&programs.join("initdb"), user, folder.path());
        initdb.args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        run(initdb.arg(&data)).await;
        let primary = Server::start(&programs, user, data).await;
        let mut all = Vec::new();
        for index in 0..replicas {
            let data = folder.path().join(format!("replica{index}"));
            let mut copy = command(&programs.join("pg_basebackup"), user, folder.path());
            copy.args([
                "-c",
                "fast",
                "-X",
                "stream",
                "-R",
                "--no-sync",
                "-d",
                &primary.url(),
                "-D",
            ]);
            run(copy.arg(&data)).await;
            all.push(Server::start(&programs, user, data).await);
        }
        Self {
            primary,
            replicas: all,
            _folder: folder,
        }
    }

    /// Waits until a replica has replayed all that the primary has written so far.
    pub(crate) async fn caught_up(&self, replica: usize) {
        let written = self.primary.text("select pg_current_wal_insert_lsn()::text").await;
        let sql = format!("select count(*) from (select 1) x where pg_last_wal_replay_lsn() >= '{written}'");
        until(async || self.replicas[replica].number(&sql).await == 1).await;
    }

    /// Stops a replica from showing new changes. It still receives them and keeps them for later.
    pub(crate) async fn pause(&self, replica: usize) {
        self.caught_up(replica).await;
        let replica = &self.replicas[replica];
        replica.run("select pg_wal_replay_pause()").await;
        until(async || replica.text("select pg_get_wal_replay_pause_state()").await == "paused").await;
    }

    pub(crate) async fn resume(&self, replica: usize) {
        self.replicas[replica].run("select pg_wal_replay_resume()").await;
    }
}

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    programs: PathBuf,
    user: Option<User>,
    data: PathBuf,
    port: u16,
    keeper: Option<Keeper>,
}

impl Server {
    async fn start(programs: &Path, user: Option<User>, data: PathBuf) -> Self {
        let mut server = Self {
            programs: programs.to_owned(),
            user,
            data,
            port: 0,
            keeper: None,
        };
        for _ in 0..3 {
            server.port = free_port();
            if server.up().await.is_ok() {
                return server;
            }
        }
        panic!("PostgreSQL does not start: {}", server.log());
    }

    /// Returns the port that it listens on, on 127.0.0.1.
    pub(crate) fn port(&self) -> String {
        self.port.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again on the same port.
    pub(crate) async fn restart(&mut self) {
        if let Err(error) = self.up().await {
            panic!("PostgreSQL does not start again: {error}: {}", self.log());
        }
    }

    async fn up(&mut self) -> Result<(), String> {
        const SETTINGS: [&str; 9] = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=60",
            "wal_level=replica",
            "hot_standby_feedback=off",
            "max_standby_streaming_delay=0",
        ];
        self.stop();
        let mut server = command(&self.programs.join("postgres"), self.user, self.data.parent().unwrap());
        server.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        self.keeper = Some(Keeper::start(&server, self.user, &self.log_file())?);
        answers(&self.url(), &self.log_file())
            .await
            .inspect_err(|_| self.stop())
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        self.keeper = None;
    }

    fn log_file(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    fn log(&self) -> String {
        read(&self.log_file())
    }

    pub(crate) async fn run(&self, sql: &str) {
        let mut side = self.side().await;
        side.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        side.close().await.unwrap();
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut side = self.side().await;
        let number = side.number(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        side.close().await.unwrap();
        number
    }

    pub(crate) async fn text(&self, sql: &str) -> String {
        let mut side = self.side().await;
        let text = side.text(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        side.close().await.unwrap();
        text
    }

    pub(crate) async fn side(&self) -> SideConnection {
        SideConnection::connect(&self.url()).await.unwrap()
    }
}

/// A shell that runs a server and ends it as soon as its own standard input is closed: when this value is dropped, and
/// when this process ends in any way.
#[derive(Debug)]
pub(super) struct Keeper(Child);

impl Keeper {
    pub(super) fn start(server: &Command, user: Option<User>, log: &Path) -> Result<Self, String> {
        // PostgreSQL and MariaDB end at once after QUIT, PgBouncer after TERM.
        const KEEP: &str = "\"$@\" >>\"$LOG\" 2>&1 & server=$!; read _; kill -QUIT $server; \
            case $1 in *pgbouncer*) kill -TERM $server ;; esac; wait $server";
        let mut shell = command(Path::new("sh"), user, server.get_current_dir().unwrap());
        shell.env("LOG", log).args(["-c", KEEP, "sh"]);
        shell.arg(server.get_program()).args(server.get_args());
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map(Self).map_err(|error| error.to_string())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let end = Instant::now() + LIMIT;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > end {
                // The shell leaves its server behind, and the temporary folder is removed under it.
                let _ = self.0.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits until a server answers.
pub(super) async fn answers(url: &str, log: &Path) -> Result<(), String> {
    let end = Instant::now() + LIMIT;
    loop {
        let last = match SideConnection::connect(url).await {
            Ok(side) => return side.close().await.map_err(|error| error.to_string()),
            Err(error) => error.to_string(),
        };
        // Another process took the port first.
        let taken = [
            "could not create any TCP/IP sockets",
            "Can't start server: Bind on TCP/IP port",
        ];
        let log = read(log);
        if Instant::now() > end || taken.iter().any(|words| log.contains(words)) {
            return Err(last);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_else(|error| error.to_string())
}

/// Repeats the question until the answer is yes, with a time limit.
pub(crate) async fn until(mut question: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LIMIT / 2;
    while !question().await {
        assert!(Instant::now() < end, "that did not happen within {:?}", LIMIT / 2);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Returns a program that runs as that user, in a folder it may enter, and without the environment's settings for other
/// servers.
pub(super) fn command(program: &Path, user: Option<User>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
    command
}

pub(super) async fn run(command: &mut Command) {
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("true")));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?} took too long")).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
