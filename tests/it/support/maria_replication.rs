//! Servers of MariaDB that a test starts itself, from the installed programs: a primary with a replica that follows it by global
//! transaction ids, or one with settings of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::SideConnection;
use super::cluster::{Keeper, User, answers, command, folder_of, free_port, read, run};

/// Returns the programs that set up and run MariaDB; or why they are missing.
pub(crate) fn maria_programs() -> Result<[PathBuf; 2], String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| {
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/libexec".into()]);
        let mut programs = folders
            .map(|folder| folder.join(name))
            .filter(|program| program.is_file());
        programs
            .next()
            .ok_or_else(|| format!("the program {name} of MariaDB is not installed"))
    };
    Ok([find("mariadb-install-db")?, find("mariadbd")?])
}

/// No settings of its own.
const NONE: &[&str] = &[];

/// The servers. Dropping it stops them and removes what they wrote; so does the end of this process, however it ends.
#[derive(Debug)]
pub(crate) struct MariaReplication {
    primary: MariaServer,
    replica: MariaServer,
    _folder: TempDir,
}

/// One server with settings of its own. Dropping it stops it as well.
#[derive(Debug)]
pub(crate) struct OwnMariaServer {
    server: MariaServer,
    _folder: TempDir,
}

impl OwnMariaServer {
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let programs = maria_programs().unwrap_or_else(|missing| panic!("{missing}"));
        let user = User::choose("mysql");
        let folder = folder_of(user);
        let own = Self {
            server: MariaServer::start(&programs, user, folder.path(), 1, settings).await,
            _folder: folder,
        };
        run_on(&own.server.url(""), "create database shop").await;
        own
    }

    pub(crate) fn url(&self) -> String {
        self.server.url("shop")
    }
}

/// A server.
#[derive(Debug)]
pub(super) struct MariaServer {
    port: u16,
    /// Ends the server when it is dropped.
    #[expect(dead_code, reason = "it only has to live")]
    keeper: Keeper,
}

impl MariaReplication {
    pub(crate) async fn start() -> Self {
        let programs = maria_programs().unwrap_or_else(|missing| panic!("{missing}"));
        let user = User::choose("mysql");
        let folder = folder_of(user);
        let servers = Self {
            primary: MariaServer::start(&programs, user, folder.path(), 1, NONE).await,
            replica: MariaServer::start(&programs, user, folder.path(), 2, NONE).await,
            _folder: folder,
        };
        let port = servers.primary.port;
        let follow = format!(
            "change master to master_host = '127.0.0.1', master_port = {port}, master_user = 'root', \
             master_use_gtid = slave_pos; start slave"
        );
        run_on(&servers.replica.url(""), &follow).await;
        run_on(&servers.primary.url(""), "create database shop").await;
        servers.caught_up().await;
        servers
    }

    pub(crate) fn primary(&self) -> String {
        self.primary.url("shop")
    }

    pub(crate) fn replica(&self) -> String {
        self.replica.url("shop")
    }

    /// Waits until the replica has all that the primary has so far.
    pub(crate) async fn caught_up(&self) {
        let mut side = SideConnection::connect(&self.primary.url("")).await.unwrap();
        let ids = side.text("select @@global.gtid_binlog_pos").await.unwrap();
        side.close().await.unwrap();
        let mut side = SideConnection::connect(&self.replica.url("")).await.unwrap();
        let waited = format!("select cast(master_gtid_wait('{ids}', 30) as signed)");
        assert_eq!(side.number(&waited).await.unwrap(), 0, "the replica does not follow");
        side.close().await.unwrap();
    }

    /// Stops the replica from showing new changes.
    pub(crate) async fn pause(&self) {
        self.caught_up().await;
        run_on(&self.replica.url(""), "stop slave sql_thread").await;
    }

    pub(crate) async fn resume(&self) {
        run_on(&self.replica.url(""), "start slave sql_thread").await;
    }
}

impl MariaServer {
    pub(super) async fn start(
        programs: &[PathBuf; 2],
        user: Option<User>,
        folder: &Path,
        id: u32,
        settings: &[impl AsRef<OsStr>],
    ) -> Self {
        let [install, program] = programs;
        let (data, log) = (folder.join(format!("data{id}")), folder.join(format!("log{id}")));
        let mut set_up = command(install, user, folder);
        set_up.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        // Without a folder of their own, two that are set up at the same time share temporary tables.
        set_up.arg(format!("--tmpdir={}", folder.display()));
        run(set_up.arg(format!("--datadir={}", data.display()))).await;
        for _ in 0..3 {
            let port = free_port();
            let mut start = command(program, user, folder);
            start.args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--socket=server.sock",
                "--skip-name-resolve",
            ]);
            start.args([
                "--log-bin=log",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=16M",
            ]);
            start.arg(format!("--datadir={}", data.display()));
            start.args([format!("--port={port}"), format!("--server-id={id}")]);
            start.args(settings);
            let keeper = Keeper::start(&start, user, &log).unwrap();
            let server = Self { port, keeper };
            if answers(&server.url(""), &log).await.is_ok() {
                return server;
            }
        }
        panic!("MariaDB does not start: {}", read(&log));
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }
}

pub(super) async fn run_on(url: &str, sql: &str) {
    let mut side = SideConnection::connect(url).await.unwrap();
    side.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    side.close().await.unwrap();
}
