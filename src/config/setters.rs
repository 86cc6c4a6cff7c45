//! The setters of [`Config`]. They take `self` by value, so that they can be chained.

use std::path::PathBuf;
use std::time::Duration;

use super::options::{self, Item};
use super::text::LONGEST;
use super::{Config, DbApiPool, IsolationLevel, IsolationPolicy, ReadYourWrites, SqliteMode, SslMode};
use crate::error::Result;
use crate::url::DatabaseUrl;

/// Defines setters that only set the field with the same name of [`Settings`](super::Settings), or of a part of them. They take the type of
/// the field, a text or `None`, or a path.
macro_rules! plain {
    ($place:tt $($(#[$doc:meta])* $name:ident: $($type:ident)*;)*) => {
        impl Config {
            $(plain! { @ $place $(#[$doc])* $name $($type)* })*
        }
    };
    (@ [$($place:ident).+] $(#[$doc:meta])* $name:ident text) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name<'a>(mut self, $name: impl Into<Option<&'a str>>) -> Self {
            self.$($place).+.$name = $name.into().map(str::to_owned);
            self
        }
    };
    (@ [$($place:ident).+] $(#[$doc:meta])* $name:ident path) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<PathBuf>) -> Self {
            self.$($place).+.$name = Some($name.into());
            self
        }
    };
    (@ [$($place:ident).+] $(#[$doc:meta])* $name:ident $type:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$($place).+.$name = $name;
            self
        }
    };
}

plain! {
    [settings]
    /// Sets the maximum number of connections that are kept open: 1 to 65,535.
    pool_size: u32;
    /// Sets the number of connections that may be opened beyond the pool's size: 0 to 65,535.
    max_overflow: u32;
    /// Sets how long a call waits for a free connection.
    pool_timeout: Duration;
    /// Sets the idle time after which a connection is pinged before its next use.
    health_check_after: Duration;
    /// Sets the number of prepared statements that each connection keeps; 0 keeps none.
    statement_cache_capacity: usize;
    /// Sets the name of the pool in spans and metrics.
    pool_name: text;
    /// Sets the name that the server shows for the connections.
    application_name: text;
    /// Sets whether the connection is encrypted, and what is checked of the server.
    ssl_mode: SslMode;
    /// Sets the file with the certificates of trusted authorities.
    ssl_root_cert: path;
    /// Sets the file with the client's certificate.
    ssl_cert: path;
    /// Sets the file with the client's private key.
    ssl_key: path;
    /// Sets whether statements are shown as they end.
    echo: bool;
    /// Sets whether `echo` and `tracing` also show the values of parameters.
    show_parameters: bool;
    /// Sets whether the pool shows what it does.
    echo_pool: bool;
    /// Sets whether everything runs in one transaction that is rolled back at the end.
    force_rollback: bool;
    /// Sets whether the connection of `force_rollback` has its own thread.
    full_isolation: bool;
    /// Sets whether the first statement connects to the server, instead of `connect`.
    lazy: bool;
    /// Sets how long a call waits for the one connection of `force_rollback`, and the end of a transaction for one that
    /// another task has open inside it.
    lease_timeout: Duration;
    /// Sets how long `disconnect` waits for transactions, connections and statements that are in use; zero means that it
    /// does not wait.
    disconnect_timeout: Duration;
    /// Sets what happens when a transaction in a sandbox requests another isolation level than the sandbox has.
    isolation_policy: IsolationPolicy;
    /// With replicas: sets whose reads avoid replicas that do not yet have what was written.
    read_your_writes: ReadYourWrites;
    /// With replicas that cannot report their position: sets how long after a write the writer's reads go to the
    /// primary.
    replica_window: Duration;
    /// With replicas: sets the pause before an unreachable replica is tried again.
    replica_retry: Duration;
    /// Sets whether what SQL text changes in a session is left there when its connection goes back to the pool.
    keep_session: bool;
    /// Sets how many rows of an open stream are buffered when another statement needs its connection: at least 1.
    stream_buffer_rows: usize;
    /// SQL Server: sets whether the server's certificate is accepted without a check.
    trust_server_certificate: bool;
    /// Sets the Unix socket to connect to: PostgreSQL's directory, MySQL's file.
    socket: path;
    /// MySQL: sets the character set of the connection.
    charset: text;
    /// MySQL: sets the collation of the connection.
    collation: text;
    /// SQLite: sets how long a writer waits for another writer to finish: at most one hour.
    busy_timeout: Duration;
    /// SQLite: sets the journal mode: `wal`, `delete`, `truncate`, `persist`, `memory` or `off`.
    journal_mode: text;
    /// SQLite: sets when writes reach the disk: `off`, `normal`, `full` or `extra`.
    synchronous: text;
    /// SQLite: sets whether foreign keys are checked.
    foreign_keys: bool;
    /// SQLite: sets whether connections share one page cache.
    shared_cache: bool;
    /// SQLite: sets whether the file is known never to change.
    immutable: bool;
    /// SQLite: sets the virtual file system to use.
    vfs: text;
}

plain! {
    [settings.bridge]
    /// JDBC: sets the class of the driver.
    jdbc_driver: text;
    /// JDBC: sets what stands after `jdbc:` in the driver's URLs, if the scheme does not say it.
    jdbc_dsn_driver: text;
    /// JDBC: sets the program that runs Java.
    java: path;
    /// DB-API 2: sets the module: `package.module`, or `package.module:attribute`.
    dbapi_path: text;
    /// DB-API 2: sets the scheme of the address that the module is given, if the scheme does not say it.
    dbapi_dsn_driver: text;
    /// DB-API 2: sets the processes in which the module runs.
    dbapi_pool: DbApiPool;
    /// DB-API 2: sets the Python interpreter.
    python: path;
}

/// Returns `None` for zero, which means "never" here as in options.
fn unless_zero(duration: impl Into<Option<Duration>>) -> Option<Duration> {
    duration.into().filter(|duration| !duration.is_zero())
}

impl Config {
    /// Sets how long opening a connection may take; zero means no limit.
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.settings.connect_timeout = unless_zero(connect_timeout).unwrap_or(LONGEST);
        self
    }

    /// Sets the age at which a connection is replaced by a new one; `None` or zero means never.
    #[must_use]
    pub fn pool_recycle(mut self, pool_recycle: impl Into<Option<Duration>>) -> Self {
        self.settings.pool_recycle = unless_zero(pool_recycle);
        self
    }

    /// Sets how long a connection may be idle before it is closed; `None` or zero means that it stays open.
    #[must_use]
    pub fn idle_timeout(mut self, idle_timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.idle_timeout = unless_zero(idle_timeout);
        self
    }

    /// Sets the time limit of statements without their own, and of each wait for a row of a stream; `None` or zero means
    /// no limit.
    #[must_use]
    pub fn statement_timeout(mut self, statement_timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.statement_timeout = unless_zero(statement_timeout);
        self
    }

    /// Sets from which time on a statement is reported as slow, by a warning of `tracing`; `None` or zero means never.
    #[must_use]
    pub fn slow_statement(mut self, slow_statement: impl Into<Option<Duration>>) -> Self {
        self.settings.slow_statement = unless_zero(slow_statement);
        self
    }

    /// Sets how long one answer of a connection with its own thread may take; `None` or zero means no limit.
    #[must_use]
    pub fn result_timeout(mut self, result_timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.result_timeout = unless_zero(result_timeout);
        self
    }

    /// Sets the isolation level of transactions that request none; `None` means the server's own.
    #[must_use]
    pub fn isolation_level(mut self, isolation_level: impl Into<Option<IsolationLevel>>) -> Self {
        self.settings.isolation_level = isolation_level.into();
        self
    }

    /// JDBC: adds a jar or a folder to the class path.
    ///
    /// ```
    /// use ebbtide::Config;
    ///
    /// let config = Config::from_url("jdbc+h2://mem:test?classpath=lib/h2.jar")?.classpath("lib/h2-extras.jar");
    /// assert_eq!(config.settings().bridge.classpath, ["lib/h2.jar", "lib/h2-extras.jar"]);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    #[must_use]
    pub fn classpath(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        if !self.settings.bridge.classpath.contains(&path) {
            self.settings.bridge.classpath.push(path);
        }
        self
    }

    /// JDBC: sets properties for the driver: a JSON object.
    #[must_use]
    pub fn jdbc_driver_args(mut self, jdbc_driver_args: impl Into<Option<serde_json::Value>>) -> Self {
        self.settings.bridge.jdbc_driver_args = jdbc_driver_args.into();
        self
    }

    /// DB-API 2: sets arguments of `connect`: a JSON object for keywords, an array for positions.
    #[must_use]
    pub fn dbapi_driver_args(mut self, dbapi_driver_args: impl Into<Option<serde_json::Value>>) -> Self {
        self.settings.bridge.dbapi_driver_args = dbapi_driver_args.into();
        self
    }

    /// SQLite: sets how the file is opened.
    #[must_use]
    pub fn sqlite_mode(mut self, sqlite_mode: SqliteMode) -> Self {
        self.settings.sqlite_mode = sqlite_mode;
        self.follow_mode();
        self
    }

    /// Sets a parameter on the server when a connection is opened: a run-time parameter of PostgreSQL, a session
    /// variable of MySQL, a pragma of SQLite.
    ///
    /// ```
    /// use ebbtide::Config;
    ///
    /// let config = Config::from_url("postgres://localhost/shop")?.server_setting("search_path", "shop, public");
    /// assert_eq!(config.settings().server_settings, [("search_path".to_owned(), "shop, public".to_owned())]);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    #[must_use]
    pub fn server_setting(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.settings.set_on_server(name.as_ref(), value.as_ref());
        self
    }

    /// Sets the user to log in as; `None` leaves it to the server's client library.
    #[must_use]
    pub fn username<'a>(self, username: impl Into<Option<&'a str>>) -> Self {
        self.change(|url| url.with_username(username))
    }

    /// Sets the password.
    #[must_use]
    pub fn password<'a>(self, password: impl Into<Option<&'a str>>) -> Self {
        self.change(|url| url.with_password(password))
    }

    /// Sets the host; one that starts with `/` is a Unix socket. A socket that was set separately stays.
    #[must_use]
    pub fn host<'a>(self, host: impl Into<Option<&'a str>>) -> Self {
        self.change(|url| url.with_host(host))
    }

    /// Sets the port.
    #[must_use]
    pub fn port(self, port: impl Into<Option<u16>>) -> Self {
        self.change(|url| url.with_port(port))
    }

    /// Sets the database; for SQLite, the path of the file.
    #[must_use]
    pub fn database<'a>(self, database: impl Into<Option<&'a str>>) -> Self {
        self.change(|url| url.with_database(database))
    }

    /// Sets an option by its name, as in a URL. Like every setter, it overrides earlier values.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the option does not exist or cannot have this value.
    ///
    /// ```
    /// use ebbtide::Config;
    ///
    /// let config = Config::from_url("postgres://localhost/shop")?.option("pool_size", "3")?;
    /// assert_eq!(config.settings().pool_size, 3);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn option(mut self, name: &str, value: &str) -> Result<Self> {
        let mut url = self.url.clone().with_option(name, value);
        url.take_parts_from_options()?;
        if url.option(name).is_none() {
            return Ok(self.change(|_| url));
        }
        let item = Item {
            kind: crate::error::ErrorKind::Config,
            ..Item::of_url(name, value)
        };
        let before = self.place();
        options::apply(&mut self.settings, before, &[item])?;
        if before.passes_on() && !options::is_own_of(name, before) {
            // It is the driver's, which finds it in the URL.
            self.url = url;
        }
        self.read_on(before)?;
        self.follow_mode();
        Ok(self)
    }

    /// Replaces the URL and keeps the settings. The options of the new URL are not read.
    pub(crate) fn change(mut self, change: impl FnOnce(DatabaseUrl) -> DatabaseUrl) -> Self {
        let before = self.url.host().map(str::to_owned);
        self.url = change(self.url);
        if self.url.host() != before.as_deref() {
            self.follow_socket(before.as_deref());
        }
        self
    }
}
