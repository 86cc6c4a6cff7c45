//! The database of the storm, which has no other users, and the view of its server.

use std::thread;
use std::time::Duration;

use ebbtide::DatabaseUrl;

use crate::backends::Backend;
use crate::support::{SideConnection, Test, block_on_here};

/// The time that a server may take to notice that a connection is gone.
const NOTICE: Duration = Duration::from_secs(15);

/// The pause between two checks. `InnoDB` shows its transactions as they were at the last query, as long as the queries
/// are less than a tenth of a second apart.
const PAUSE: Duration = Duration::from_millis(300);

/// A database of the storm's own, dropped with this value.
#[derive(Debug)]
pub(crate) struct Arena {
    backend: Backend,
    url: String,
    /// The URL where it was created, and the statement that drops it there.
    made: Option<(String, String)>,
}

impl Arena {
    pub(crate) async fn new(t: &Test) -> Self {
        let (backend, url) = (t.backend(), t.url());
        if backend.is_sqlite() {
            let made = None;
            return Self { backend, url, made };
        }
        let name = format!("ebbtide_soak_{}", t.id());
        let mut side = t.observer().await;
        side.execute(&format!("create database {name}"))
            .await
            .expect("a database for the storm");
        side.close().await.expect("the observer leaves");
        let force = if backend.is_postgres() { " with (force)" } else { "" };
        let own = DatabaseUrl::parse(&url)
            .expect("the URL of the test")
            .with_database(&*name)
            .expose();
        Self {
            backend,
            url: own,
            made: Some((url, format!("drop database {name}{force}"))),
        }
    }

    /// Uses a database that nobody else uses and that is not dropped.
    pub(crate) fn elsewhere(backend: Backend, url: String) -> Self {
        let made = None;
        Self { backend, url, made }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn side(&self) -> SideConnection {
        SideConnection::connect(&self.url).await.expect("a look from the side")
    }

    /// Waits until the server has no open transaction of ours and we hold no lock.
    pub(crate) async fn until_idle(&self) -> Result<(), String> {
        let questions: &[(&str, &str)] = match self.backend {
            Backend::SqliteMemory | Backend::SqlServer | Backend::Standard => return Ok(()),
            Backend::SqliteFile => &[],
            Backend::Postgres => &[
                (
                    "open transactions",
                    "select count(*) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null",
                ),
                (
                    "locks",
                    "select count(*) from pg_locks l join pg_database d on d.oid = l.database
                     where d.datname = current_database() and l.pid <> pg_backend_pid()",
                ),
            ],
            Backend::Mysql => &[(
                "open transactions",
                "select count(*) from information_schema.innodb_trx where trx_mysql_thread_id in
                 (select id from information_schema.processlist where db = database() and id <> connection_id())",
            )],
        };
        let mut side = self.side().await;
        for (what, question) in questions {
            none_is_left(&mut side, what, question).await?;
        }
        // Any session that still reads or writes the table blocks this statement.
        let alone = match self.backend {
            Backend::Postgres => "set lock_timeout = '5s'; begin; lock table ledger in access exclusive mode; rollback",
            Backend::Mysql => "set lock_wait_timeout = 5; lock tables ledger write; unlock tables",
            _ => "begin exclusive; rollback",
        };
        side.execute(alone)
            .await
            .map_err(|error| format!("a lock is still held: {error}"))?;
        side.close().await.map_err(|error| error.to_string())
    }

    /// Waits until the server has no session of ours left.
    pub(crate) async fn until_deserted(&self) -> Result<(), String> {
        let question = match self.backend {
            Backend::SqliteMemory | Backend::SqlServer | Backend::Standard => return Ok(()),
            Backend::SqliteFile => return files_are_closed(&self.url).await,
            Backend::Postgres => {
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                 and backend_type = 'client backend'"
            }
            Backend::Mysql => {
                "select count(*) from information_schema.processlist where db = database() and id <> connection_id()"
            }
        };
        let mut side = self.side().await;
        none_is_left(&mut side, "sessions", question).await?;
        side.close().await.map_err(|error| error.to_string())
    }
}

async fn none_is_left(side: &mut SideConnection, what: &str, question: &str) -> Result<(), String> {
    let looks = NOTICE.as_millis() / PAUSE.as_millis();
    let mut left = 0;
    for _ in 0..looks {
        left = side
            .number(question)
            .await
            .map_err(|error| format!("{what}: {error}"))?;
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let sessions = match side {
        SideConnection::Postgres(_) => {
            "select coalesce(string_agg(concat_ws(' ', pid, state, wait_event, now() - state_change, query), '; '), '')
             from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        }
        _ => {
            "select coalesce(group_concat(concat_ws(' ', p.id, p.command, p.time, p.state, p.info, t.trx_started, t.trx_state)
             separator '; '), '') from information_schema.processlist p left join information_schema.innodb_trx t
             on t.trx_mysql_thread_id = p.id where p.db = database() and p.id <> connection_id()"
        }
    };
    let sessions = side.text(sessions).await.unwrap_or_else(|error| error.to_string());
    Err(format!("the server still has {left} {what} of ours: {sessions}"))
}

/// Waits until this process has no file of the database open. Only Linux reports this.
async fn files_are_closed(url: &str) -> Result<(), String> {
    let path = DatabaseUrl::parse(url)
        .map_err(|error| error.to_string())?
        .sqlite_path();
    let path = path.ok_or("the database has no file")?;
    let mut left = 0;
    for _ in 0..NOTICE.as_millis() / PAUSE.as_millis() {
        let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
            return Ok(());
        };
        let files = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        left = files.filter(|file| *file == path).count();
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("the file is still open {left} times"))
}

impl Drop for Arena {
    fn drop(&mut self) {
        let Some((url, drop_database)) = self.made.take() else {
            return;
        };
        // On a separate thread, because this one may belong to a runtime.
        let dropped = thread::spawn(move || {
            block_on_here(async {
                let mut side = SideConnection::connect(&url).await?;
                side.execute(&drop_database).await?;
                side.close().await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the database of the storm was left behind: {error}");
        }
    }
}
