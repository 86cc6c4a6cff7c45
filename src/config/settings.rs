//! The settings besides the URL.

use std::path::PathBuf;
use std::time::Duration;

use super::bridge_settings::BridgeSettings;
use super::isolation_level::IsolationLevel;
use super::isolation_policy::IsolationPolicy;
use super::read_your_writes::ReadYourWrites;
use super::sqlite_mode::SqliteMode;
use super::ssl_mode::SslMode;

/// The settings of a database besides its URL, with the values after URL options, dictionary and setters.
///
/// Each field except `server_settings` and `warnings`, and each field of `bridge`, can be set by an option of the same name in the URL, by a key of
/// the same name in a dictionary, and by the setter of the same name on [`Config`](crate::Config); the later one wins.
/// Names are compared without `_`, `-` and case, so `pool_size`, `pool-size` and `poolSize` are the same option. A
/// duration is a plain number of seconds (fractions allowed) or a number with its unit: `250ms`, `10s`, `5min`, `1h`. A
/// flag is `true`, `1`, `yes`, `on`, or `false`, `0`, `no`, `off`.
///
/// ```
/// use std::time::Duration;
/// use ebbtide::Config;
///
/// let config = Config::from_url("postgres://localhost/shop?pool_size=3&pool_timeout=500ms")?.pool_size(4);
/// assert_eq!(config.settings().pool_size, 4);
/// assert_eq!(config.settings().pool_timeout, Duration::from_millis(500));
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "they are independent switches")]
pub struct Settings {
    /// Maximum number of connections that are kept open: 1 to 65,535, default 10. Also `max_size`, `max_connections`,
    /// `connection_limit`.
    pub pool_size: u32,
    /// Number of connections that may be opened beyond `pool_size`; they are closed after use. Default 0.
    pub max_overflow: u32,
    /// Time for which a call waits for a free connection. Default 30 seconds. Also `acquire_timeout`.
    pub pool_timeout: Duration,
    /// Time that opening a connection may take. Default 10 seconds; 0 in an option means no limit, as in libpq.
    pub connect_timeout: Duration,
    /// Age at which a connection is replaced by a new one. Default 30 minutes; `None` (0, -1 or `never` in an option)
    /// means never. Also `max_lifetime`.
    pub pool_recycle: Option<Duration>,
    /// Time for which a connection may be idle before it is closed. Default 10 minutes; `None` (0, -1 or `never`) means
    /// that it stays open.
    pub idle_timeout: Option<Duration>,
    /// Idle time after which a connection is pinged before its next use. Default 30 seconds.
    pub health_check_after: Duration,
    /// Time limit of statements without their own; for streams, of each wait for a row. Default `None`: no limit. Also
    /// `command_timeout`.
    pub statement_timeout: Option<Duration>,
    /// Time from which on a statement is reported as slow, by a warning of `tracing` with its text and place and without
    /// its values; see [`guides::observability`](crate::guides::observability). Default 1 second, as sqlx has it;
    /// `None` (0, -1, `off` or `never` in an option) means never.
    pub slow_statement: Option<Duration>,
    /// Number of prepared statements that each connection keeps. Default 100. On PostgreSQL, 0 is for a pooler such as
    /// `PgBouncer` that runs each transaction in another session (`pgbouncer=true` does the same): see
    /// [the guide](crate::guides::pgbouncer). On MySQL and MariaDB at least 32 are kept, because closing statements costs
    /// a delay of 40 ms on a TCP connection. Of drivers outside of the program, pgjdbc, psycopg and psycopg2 follow a 0 and
    /// prepare nothing on the server; the number that others keep is theirs.
    pub statement_cache_capacity: usize,
    /// Name of the pool in spans and metrics. Default `None`: built from host, port and database.
    pub pool_name: Option<String>,
    /// Name that the server shows for these connections.
    pub application_name: Option<String>,
    /// Encryption of the connection. Default [`SslMode::Prefer`], with which a driver outside of the program does as it
    /// does by itself. Also `ssl`, `sslmode`, `ssl-mode`, `tls`.
    pub ssl_mode: SslMode,
    /// A file with the certificates of trusted authorities. Default: the authorities of the web; a driver outside of the
    /// program has a default of its own. Such drivers take certificates only with `ssl_mode` of at least `require`. The
    /// option `system` stands for the authorities of the web, and implies `verify-full`. Also `sslrootcert`, `ssl-ca`.
    pub ssl_root_cert: Option<PathBuf>,
    /// A file with the client's certificate.
    pub ssl_cert: Option<PathBuf>,
    /// A file with the client's private key.
    pub ssl_key: Option<PathBuf>,
    /// SQL Server: `true` if the server's certificate is not checked, although `encrypt=true` or `ssl_mode` asks for it.
    /// Default false.
    pub trust_server_certificate: bool,
    /// Isolation level of transactions that request none, and of statements outside of transactions. Default `None`: the
    /// server's own. It is set as a session begins, at no round trip. Behind `PgBouncer` (`pgbouncer=true`) it holds for
    /// transactions only. Also `isolation`.
    pub isolation_level: Option<IsolationLevel>,
    /// `true` if statements are shown on standard error as they end, with the time they took. Their values are shown
    /// only with `show_parameters`. Default false.
    pub echo: bool,
    /// `true` if the values of parameters are shown too: by `echo`, and in the spans and events of `tracing`. Default
    /// false. Also `trace_parameters`.
    pub show_parameters: bool,
    /// `true` if the pool reports on standard error when it opens and closes connections and lets callers wait. Default
    /// false.
    pub echo_pool: bool,
    /// `true` if everything runs in one transaction that is rolled back at the end. Default false.
    pub force_rollback: bool,
    /// `true` if the connection of `force_rollback` has its own thread, so that any task, thread and runtime can use
    /// it. Default false. Sandboxes ([`Database::sandbox`](crate::Database::sandbox)) always have such a thread.
    pub full_isolation: bool,
    /// `true` if the first statement connects to the server, instead of `connect`. Default false.
    pub lazy: bool,
    /// Time for which a call waits for the one connection of `force_rollback`, and the end of a transaction for one that
    /// another task has open inside it. Default 5 seconds.
    pub lease_timeout: Duration,
    /// Time for which [`Database::disconnect`](crate::Database::disconnect) waits for transactions, connections and
    /// statements that are in use. Default 10 seconds; 0 means that it does not wait.
    pub disconnect_timeout: Duration,
    /// Time that one answer of a connection with its own thread may take, before the connection is closed. Default
    /// `None`: no limit. The server undoes its transaction, but only after it has finished the statement, because it
    /// does not check for its client meanwhile. If that matters, set a slightly shorter limit on the server:
    /// PostgreSQL's `options=-c statement_timeout=…`, MariaDB's `max_statement_time`, MySQL's `max_execution_time`
    /// (`server_settings`). PostgreSQL 14 and later can also check for the client: `client_connection_check_interval`.
    pub result_timeout: Option<Duration>,
    /// Handling of a transaction in a sandbox that requests another isolation level than the sandbox has. Default
    /// [`IsolationPolicy::Record`].
    pub isolation_policy: IsolationPolicy,
    /// With replicas: the scope whose reads avoid replicas that do not yet have what was written. Default
    /// [`ReadYourWrites::Task`].
    pub read_your_writes: ReadYourWrites,
    /// With replicas that cannot report their position (SQLite; MariaDB and MySQL without GTIDs): the time after a
    /// write in which the writer's reads go to the primary. Default 2 seconds.
    pub replica_window: Duration,
    /// With replicas: the pause before an unreachable replica is tried again. It doubles with each failure, up to 64
    /// times this value. Default 1 second.
    pub replica_retry: Duration,
    /// `true` if what SQL text changes in a session (roles, settings, temporary tables, locks, attached files …) is left
    /// there when its connection goes back to the pool, so that later users find it. Default false: see
    /// [the guide](crate::guides::transactions).
    pub keep_session: bool,
    /// Number of rows of an open stream that are buffered when another statement needs its connection. Default 65,536.
    pub stream_buffer_rows: usize,
    /// The Unix socket to connect to: PostgreSQL's directory, MySQL's file. It overrides host and port. Also
    /// `unix_socket`, and a `host` that starts with `/`.
    pub socket: Option<PathBuf>,
    /// Parameters set on the server when a connection is opened, by name: PostgreSQL's run-time parameters (libpq's
    /// `options=-c name=value`, `options[name]=value`, `search_path=…`), MySQL's session variables, SQLite's pragmas, SQL Server's
    /// options of `SET`, and what `SET` sets on H2 and DuckDB.
    /// In a dictionary: a table under `server_settings`. On [`Config`](crate::Config): `server_setting`, for one.
    pub server_settings: Vec<(String, String)>,
    /// MySQL: the character set of the connection. Default `None`: `utf8mb4`, which drivers outside of the program always
    /// have.
    pub charset: Option<String>,
    /// MySQL: the collation of the connection. Default `None`: the character set's own.
    pub collation: Option<String>,
    /// SQLite: the mode in which the file is opened (option `mode`). Default [`SqliteMode::ReadWriteCreate`].
    pub sqlite_mode: SqliteMode,
    /// SQLite: the time for which a writer waits for another writer of this or another program, and a reader for a
    /// lock. Default 5 seconds. Also `timeout`.
    pub busy_timeout: Duration,
    /// SQLite: the journal mode. Default `None`: `wal` for a file opened with `mode=rwc`, else the mode of the file.
    /// The mode `wal` stays with the file; `delete` is SQLite's own initial mode.
    pub journal_mode: Option<String>,
    /// SQLite: the moment at which writes reach the disk: `off`, `normal`, `full` or `extra`. Default `None`: `normal`
    /// if the journal mode is `wal`, else `full`.
    pub synchronous: Option<String>,
    /// SQLite: `true` if foreign keys are checked. Default true.
    pub foreign_keys: bool,
    /// SQLite: `true` if connections share one page cache (option `cache=shared` or `cache=private`). Default false;
    /// the whole pool always shares a database in memory.
    pub shared_cache: bool,
    /// SQLite: `true` if the file is known never to change, so that no lock is taken. Default false.
    pub immutable: bool,
    /// SQLite: the virtual file system to use. Default `None`: the operating system's.
    pub vfs: Option<String>,
    /// The settings of JDBC drivers and of modules of DB-API 2.
    pub bridge: Box<BridgeSettings>,
    /// Requests of the URL that cannot be fulfilled, one sentence each. They are logged as warnings when connecting. No
    /// option sets them.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pool_size: 10,
            max_overflow: 0,
            pool_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            pool_recycle: Some(Duration::from_mins(30)),
            idle_timeout: Some(Duration::from_mins(10)),
            health_check_after: Duration::from_secs(30),
            statement_timeout: None,
            slow_statement: Some(Duration::from_secs(1)),
            statement_cache_capacity: 100,
            pool_name: None,
            application_name: None,
            ssl_mode: SslMode::default(),
            ssl_root_cert: None,
            trust_server_certificate: false,
            ssl_cert: None,
            ssl_key: None,
            isolation_level: None,
            echo: false,
            show_parameters: false,
            echo_pool: false,
            force_rollback: false,
            full_isolation: false,
            lazy: false,
            lease_timeout: Duration::from_secs(5),
            disconnect_timeout: Duration::from_secs(10),
            result_timeout: None,
            isolation_policy: IsolationPolicy::default(),
            read_your_writes: ReadYourWrites::default(),
            replica_window: Duration::from_secs(2),
            replica_retry: Duration::from_secs(1),
            keep_session: false,
            stream_buffer_rows: 65_536,
            socket: None,
            server_settings: Vec::new(),
            charset: None,
            collation: None,
            sqlite_mode: SqliteMode::default(),
            busy_timeout: Duration::from_secs(5),
            journal_mode: None,
            synchronous: None,
            foreign_keys: true,
            shared_cache: false,
            immutable: false,
            vfs: None,
            bridge: Box::default(),
            warnings: Vec::new(),
        }
    }
}

impl Settings {
    /// Sets a parameter of the server. Parameters are sorted by name, so that equal settings compare equal.
    pub(super) fn set_on_server(&mut self, name: &str, value: &str) {
        match self
            .server_settings
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
        {
            Ok(at) => value.clone_into(&mut self.server_settings[at].1),
            Err(at) => self.server_settings.insert(at, (name.to_owned(), value.to_owned())),
        }
    }
}
