//! `PgBouncer` in front of the server of the tests. The test starts it itself if it is installed, which CI may lack.
//! `EBBTIDE_TEST_PGBOUNCER` names another program.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use url::Url;

use super::cluster::{Keeper, User, command, folder_of, free_port, read, until};

/// Returns the program, or the reason why there is none.
pub(crate) fn pgbouncer() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("EBBTIDE_TEST_PGBOUNCER").filter(|program| !program.is_empty()) {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .ok_or_else(|| "PgBouncer is not installed".to_owned())
}

/// A pooler with few sessions of the server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Pooler {
    port: u16,
    database: String,
    _keeper: Keeper,
    _folder: TempDir,
}

impl Pooler {
    /// Starts one in a mode (`session`, `transaction`, `statement`) before the server with this URL.
    pub(crate) async fn start(url: &str, mode: &str, settings: &str) -> Self {
        let program = pgbouncer().unwrap_or_else(|missing| panic!("{missing}"));
        let user = User::choose("postgres");
        let folder = folder_of(user);
        let server = Url::parse(url).unwrap();
        let (port, database) = (free_port(), server.path().trim_start_matches('/').to_owned());
        let password = server
            .password()
            .map_or_else(String::new, |password| format!(" password={password}"));
        let config = format!(
            "[databases]\n* = host={} port={} user={}{password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = 3\nmax_client_conn = 100\n{settings}\n",
            server.host_str().unwrap(),
            server.port().unwrap_or(5432),
            server.username(),
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, config).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((id, group)) = user.map(User::numbers) {
            chown(&file, Some(id), Some(group)).unwrap();
        }
        let mut start = command(&program, user, folder.path());
        start.arg(&file);
        let log = folder.path().join("log");
        let keeper = Keeper::start(&start, user, &log).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port);
        until(async || tokio::net::TcpStream::connect(address).await.is_ok() || log_says_no(&log)).await;
        assert!(!log_says_no(&log), "PgBouncer does not start: {}", read(&log));
        Self {
            port,
            database,
            _keeper: keeper,
            _folder: folder,
        }
    }

    /// Returns the URL of the database behind it, with these options.
    pub(crate) fn url(&self, options: &str) -> String {
        format!("postgres://tester@127.0.0.1:{}/{}?{options}", self.port, self.database)
    }
}

fn log_says_no(log: &Path) -> bool {
    log.is_file() && read(log).contains("FATAL")
}
