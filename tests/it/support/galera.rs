//! Two nodes of a Galera cluster of MariaDB. The test starts them itself if the provider is installed, which CI may
//! lack.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::cluster::{User, folder_of, free_port};
use super::maria_replication::{MariaServer, maria_programs, run_on};
use super::{SideConnection, until};

/// The paths of the library in the packages of Galera.
const PROVIDERS: [&str; 4] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
];

/// Returns the path of the library, or the reason why there is no cluster.
pub(crate) fn galera_provider() -> Result<PathBuf, String> {
    maria_programs()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("rsync").is_file()) {
        return Err("the program rsync, by which a node of Galera joins, is not installed".to_owned());
    }
    let mut providers = PROVIDERS.iter().map(PathBuf::from);
    providers
        .find(|provider| provider.is_file())
        .ok_or_else(|| "Galera is not installed".to_owned())
}

/// The nodes. Dropping this stops them and removes their files.
#[derive(Debug)]
pub(crate) struct Galera {
    nodes: [MariaServer; 2],
    _folder: TempDir,
}

impl Galera {
    pub(crate) async fn start() -> Self {
        let provider = galera_provider().unwrap_or_else(|missing| panic!("{missing}"));
        let programs = maria_programs().unwrap_or_else(|missing| panic!("{missing}"));
        let user = User::choose("mysql");
        let folder = folder_of(user);
        let first = free_port();
        let settings = |port: u16, join: &str| node(&provider, port, join);
        let one = MariaServer::start(&programs, user, folder.path(), 1, &settings(first, "")).await;
        run_on(&one.url(""), "create database shop").await;
        let second = settings(free_port(), &format!("127.0.0.1:{first}"));
        let two = MariaServer::start(&programs, user, folder.path(), 2, &second).await;
        let galera = Self {
            nodes: [one, two],
            _folder: folder,
        };
        for node in &galera.nodes {
            let synced = "select count(*) from information_schema.global_status \
                          where variable_name = 'wsrep_local_state' and variable_value = '4'";
            let mut side = SideConnection::connect(&node.url("")).await.unwrap();
            until(async || side.number(synced).await.is_ok_and(|synced| synced == 1)).await;
            side.close().await.unwrap();
        }
        galera
    }

    /// Returns the URL of a node, counted from 0.
    pub(crate) fn node(&self, index: usize) -> String {
        self.nodes[index].url("shop")
    }
}

/// Returns the settings of a node that communicates on this port, and joins the node at `join`, if any.
fn node(provider: &Path, port: u16, join: &str) -> Vec<String> {
    let (transfer, copy) = (free_port(), free_port());
    let options = format!(
        "gmcast.listen_addr=tcp://127.0.0.1:{port};ist.recv_addr=127.0.0.1:{transfer};gcache.size=16M;pc.ignore_sb=true"
    );
    vec![
        "--wsrep-on=ON".to_owned(),
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
        "--wsrep-sst-method=rsync".to_owned(),
        "--wsrep-cluster-name=ebbtide".to_owned(),
        "--wsrep-node-address=127.0.0.1".to_owned(),
        format!("--wsrep-provider={}", provider.display()),
        format!("--wsrep-provider-options={options}"),
        format!("--wsrep-cluster-address=gcomm://{join}"),
        format!("--wsrep-sst-receive-address=127.0.0.1:{copy}"),
    ]
}
