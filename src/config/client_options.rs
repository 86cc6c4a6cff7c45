//! The table of options that other clients define: libpq, MySQL's clients, `SQLAlchemy`, Prisma and hosting providers.
//! Long, because it is one table.

use std::borrow::Cow;
use std::time::Duration;

use super::option::{Expected, GivenValue, OptionKind, OptionSpec};
use super::settings::Settings;
use super::ssl_mode::SslMode;
use crate::url::OptionScope;

const fn also(
    name: &'static str,
    on: OptionScope,
    apply: fn(&mut Settings, &GivenValue<'_>) -> Result<(), Expected>,
) -> OptionSpec {
    OptionSpec {
        name,
        also: &[],
        on,
        kind: OptionKind::Also(apply),
    }
}

/// Makes the mode at least as strict as `mode` if the flag is set.
fn at_least(settings: &mut Settings, given: &GivenValue<'_>, mode: SslMode) -> Result<(), Expected> {
    if given.flag()? {
        settings.ssl_mode = settings.ssl_mode.max(mode);
    }
    Ok(())
}

/// Disables the statement cache if `prepares` is `false`. A proxy may send each statement over another connection,
/// which lacks the prepared statements.
fn prepares(settings: &mut Settings, prepares: bool) {
    if !prepares {
        settings.statement_cache_capacity = 0;
    }
}

const KEEP_ALIVE: &str = "the operating system's keep-alive is used";
const NO_KERBEROS: &str = "GSSAPI is not supported";
const NO_PINNING: &str = "certificates are checked against `sslrootcert` only";
const OPENED_WHEN_NEEDED: &str = "the pool opens connections when they are needed";
const PLAIN_JDBC: &str = "it is a setting of the JDBC driver";
const GO_ONLY: &str = "it is a setting of the Go driver";
const NOT_READ: &str = "give the user and the password in the URL";
const FLAG_OFF: [&str; 4] = ["false", "0", "no", "off"];
const FLAG_ON: [&str; 4] = ["true", "1", "yes", "on"];

/// Writes a table with one option in each row: its scope, its name, its other names, and what is done with it.
macro_rules! rows {
    ($($scope:ident $name:literal [$($also:literal),*] => $there:literal,)*) => {
        &[$(OptionSpec {
            name: $name,
            also: &[$($also),*],
            on: OptionScope::$scope,
            kind: OptionKind::Server($there),
        }),*]
    };
    ($($scope:ident $name:literal [$($also:literal),*] unless $fine:expr => $why:expr,)*) => {
        &[$(OptionSpec {
            name: $name,
            also: &[$($also),*],
            on: OptionScope::$scope,
            kind: OptionKind::Warn { fine: &$fine, why: $why },
        }),*]
    };
}

/// Returns the options of other clients, in the order in which they take effect.
pub(super) fn client_options() -> impl Iterator<Item = &'static OptionSpec> {
    APPLIED.iter().chain(SERVER).chain(IGNORED)
}

/// Options that set something of this library.
static APPLIED: &[OptionSpec] = &[
    also("ssl_accept", OptionScope::Servers, |settings, given| {
        match given.text()? {
            "strict" => {
                settings.ssl_mode = settings.ssl_mode.max(SslMode::VerifyFull);
                Ok(())
            }
            "accept_invalid_certs" => Ok(()),
            _ => Err(Cow::Borrowed("`strict` or `accept_invalid_certs`")),
        }
    }),
    also("require_ssl", OptionScope::Servers, |settings, given| {
        at_least(settings, given, SslMode::Require)
    }),
    also("ssl_verify_cert", OptionScope::MySql, |settings, given| {
        at_least(settings, given, SslMode::VerifyCa)
    }),
    also("verify_server_certificate", OptionScope::MySql, |settings, given| {
        at_least(settings, given, SslMode::VerifyCa)
    }),
    also("ssl_verify_identity", OptionScope::MySql, |settings, given| {
        at_least(settings, given, SslMode::VerifyFull)
    }),
    also("encrypt", OptionScope::SqlServer, |settings, given| {
        match given.text()? {
            // The words of ODBC's drivers; their check of the certificate is the default.
            "mandatory" | "Mandatory" | "strict" | "Strict" => {
                settings.ssl_mode = settings.ssl_mode.max(SslMode::VerifyFull);
            }
            "optional" | "Optional" => {}
            _ => at_least(settings, given, SslMode::VerifyFull)?,
        }
        Ok(())
    }),
    also("pgbouncer", OptionScope::Postgres, |settings, given| {
        prepares(settings, !given.flag()?);
        Ok(())
    }),
    also("prepared_statements", OptionScope::Postgres, |settings, given| {
        prepares(settings, given.flag()?);
        Ok(())
    }),
    also("prepare_threshold", OptionScope::Postgres, |settings, given| {
        prepares(settings, !matches!(given.text()?, "0" | "none" | "None"));
        Ok(())
    }),
    also("pool_pre_ping", OptionScope::Any, |settings, given| {
        if given.flag()? {
            settings.health_check_after = Duration::ZERO;
        }
        Ok(())
    }),
    also("fallback_application_name", OptionScope::Postgres, |settings, given| {
        let name = given.text()?;
        settings.application_name.get_or_insert_with(|| name.to_owned());
        Ok(())
    }),
    OptionSpec {
        name: "options",
        also: &[],
        on: OptionScope::Postgres,
        kind: OptionKind::Startup,
    },
];

/// Run-time parameters of the server that are commonly set in a URL, with their name there.
static SERVER: &[OptionSpec] = rows! {
    Postgres "search_path" ["schema", "current_schema"] => "search_path",
    Postgres "timezone" [] => "TimeZone",
    Postgres "lock_timeout" [] => "lock_timeout",
    Postgres "idle_in_transaction_session_timeout" [] => "idle_in_transaction_session_timeout",
    Postgres "default_transaction_isolation" [] => "default_transaction_isolation",
    Postgres "default_transaction_read_only" [] => "default_transaction_read_only",
    Postgres "work_mem" [] => "work_mem",
    Postgres "jit" [] => "jit",
    MySql "timezone" ["server_timezone"] => "time_zone",
    MySql "sql_mode" [] => "sql_mode",
    MySql "storage_engine" [] => "default_storage_engine",
    MySql "innodb_lock_wait_timeout" [] => "innodb_lock_wait_timeout",
    MySql "wait_timeout" [] => "wait_timeout",
    SqlServer "lock_timeout" [] => "LOCK_TIMEOUT",
    Sqlite "cache_size" [] => "cache_size",
    Sqlite "temp_store" [] => "temp_store",
    Sqlite "mmap_size" [] => "mmap_size",
    Sqlite "auto_vacuum" [] => "auto_vacuum",
    Sqlite "page_size" [] => "page_size",
    Sqlite "locking_mode" [] => "locking_mode",
    Sqlite "journal_size_limit" [] => "journal_size_limit",
    Sqlite "recursive_triggers" [] => "recursive_triggers",
    Sqlite "case_sensitive_like" [] => "case_sensitive_like",
};

/// Options that have no effect here, with the values for which none is expected and the reason. A warning names any other value, so
/// that nothing is dropped silently.
static IGNORED: &[OptionSpec] = rows! {
    // libpq.
    Postgres "hostaddr" [] unless [] => "the address is found through the host name",
    Postgres "channel_binding" [] unless ["disable", "prefer"] => "channel binding is not supported; use `sslmode=verify-full`",
    Postgres "target_session_attrs" [] unless ["any"] => "only one host is connected to, whatever its role",
    Postgres "load_balance_hosts" [] unless ["disable"] => "only one host is connected to",
    Postgres "gss_enc_mode" [] unless ["disable", "prefer"] => NO_KERBEROS,
    Postgres "krb_srv_name" [] unless [] => NO_KERBEROS,
    Postgres "gss_lib" [] unless [] => NO_KERBEROS,
    Postgres "gss_delegation" [] unless ["0"] => NO_KERBEROS,
    Postgres "keepalives" [] unless ["1"] => KEEP_ALIVE,
    Postgres "keepalives_idle" [] unless ["0"] => KEEP_ALIVE,
    Postgres "keepalives_interval" [] unless ["0"] => KEEP_ALIVE,
    Postgres "keepalives_count" [] unless ["0"] => KEEP_ALIVE,
    Postgres "tcp_user_timeout" [] unless ["0"] => "the operating system's limit is used",
    Postgres "client_encoding" [] unless ["utf8", "utf-8", "UTF8", "UTF-8", "auto"] => "text is always sent and read as UTF-8",
    Postgres "passfile" [] unless [] => NOT_READ,
    Postgres "service" [] unless [] => NOT_READ,
    Postgres "servicefile" [] unless [] => NOT_READ,
    Postgres "require_auth" [] unless [] => "the server chooses the authentication method",
    Postgres "require_peer" [] unless [] => "the owner of the server's process is not checked",
    Postgres "replication" [] unless FLAG_OFF => "replication connections are not supported",
    Servers "ssl_password" [] unless [] => "the client's key must not be encrypted",
    Servers "ssl_identity" [] unless [] => "give the client's certificate as `sslcert` and `sslkey`",
    Servers "ssl_crl" [] unless [] => NO_PINNING,
    Servers "ssl_crl_dir" ["ssl_crl_path"] unless [] => NO_PINNING,
    Servers "ssl_ca_path" [] unless [] => NO_PINNING,
    Postgres "ssl_cert_mode" [] unless ["allow"] => "the client's certificate is sent if it is given and the server requests it",
    Postgres "ssl_sni" [] unless ["1"] => "the host name is always sent",
    Postgres "ssl_compression" [] unless ["0"] => "compression is not supported",
    Postgres "ssl_negotiation" [] unless ["postgres"] => "encryption is negotiated in PostgreSQL's own way",
    Postgres "ssl_min_protocol_version" [] unless ["TLSv1", "TLSv1.1", "TLSv1.2"] => "TLS 1.2 or 1.3 is used",
    Postgres "ssl_max_protocol_version" [] unless ["TLSv1.3"] => "TLS 1.2 or 1.3 is used",
    Postgres "min_protocol_version" [] unless ["3.0"] => "protocol 3.0 is used",
    Postgres "max_protocol_version" [] unless ["3.0", "latest"] => "protocol 3.0 is used",
    // Poolers, providers and clients of PostgreSQL.
    Postgres "supa" [] unless [] => "it is meant for Supabase's own tools",
    Postgres "workaround" [] unless [] => "it is meant for another client",
    Postgres "single_use_connections" [] unless FLAG_OFF => "connections are kept in the pool",
    Postgres "max_cached_statement_lifetime" [] unless ["0"] => "prepared statements live as long as the connection",
    Postgres "max_cacheable_statement_size" [] unless ["0"] => "statements of any length are cached",
    Postgres "max_queries" [] unless ["0"] => "use `pool_recycle`",
    Postgres "direct_tls" [] unless FLAG_OFF => "encryption is negotiated in PostgreSQL's own way",
    Any "min_size" ["min_connections", "min_pool_size", "min_idle"] unless ["0"] => OPENED_WHEN_NEEDED,
    Any "pool_class" [] unless [] => "there is one kind of pool; `pool_size` and `max_overflow` set its size",
    Any "pool_reset_on_return" [] unless ["rollback"] => "every connection is returned without an open transaction",
    Any "query_cache_size" [] unless [] => "a text is parsed once; `statement_cache_capacity` limits the prepared statements",
    Any "hide_parameters" [] unless FLAG_ON => "values are hidden unless `show_parameters` is set",
    Any "future" [] unless FLAG_ON => "it is a setting of SQLAlchemy",
    Any "pool_use_lifo" [] unless FLAG_ON => "the connection used last is always taken first",
    Servers "socket_timeout" ["read_timeout"] unless ["0"] => "use `statement_timeout`",
    Servers "write_timeout" [] unless ["0"] => "use `statement_timeout`",
    // MySQL's clients.
    MySql "allow_public_key_retrieval" [] unless FLAG_ON => "the server's key is requested when it is needed",
    MySql "auto_reconnect" [] unless FLAG_OFF => "a broken connection is replaced by the pool, never in the middle of a transaction",
    MySql "autocommit" [] unless FLAG_ON => "statements outside of a transaction are always committed",
    MySql "no_delay" [] unless FLAG_OFF => "the driver leaves Nagle's algorithm on; where that matters, prepared statements are closed in batches",
    Sqlite "install_regexp_functions" [] unless FLAG_OFF => "REGEXP is not installed",
    MySql "use_unicode" [] unless FLAG_ON => "text is always read as UTF-8",
    MySql "local_infile" ["allow_local_infile", "allow_load_local_infile"] unless FLAG_OFF => "LOAD DATA LOCAL is not supported",
    MySql "init_command" ["session_variables"] unless [] => "run it in an `after_connect` hook",
    MySql "compress" ["compression", "use_compression"] unless FLAG_OFF => "compression is not supported",
    MySql "default_auth" ["auth_plugin"] unless [] => "the server chooses the authentication method",
    MySql "allow_cleartext_passwords" ["enable_cleartext_plugin"] unless FLAG_OFF => "passwords are never sent in clear text",
    MySql "allow_native_passwords" [] unless FLAG_ON => "the server chooses the authentication method",
    MySql "read_default_file" ["defaults_file"] unless [] => NOT_READ,
    MySql "read_default_group" [] unless [] => NOT_READ,
    MySql "named_pipe" [] unless FLAG_OFF => "named pipes are not supported",
    MySql "client_flag" [] unless ["0"] => "the driver chooses the flags",
    MySql "cursorclass" [] unless [] => "it is a setting of the Python driver",
    MySql "conv" [] unless [] => "it is a setting of the Python driver",
    MySql "sql_notes" [] unless [] => "set it with `SET sql_notes`",
    MySql "tls_version" ["tls_versions", "enabled_tls_protocols"] unless [] => "TLS 1.2 or 1.3 is used",
    MySql "server_public_key_path" ["server_rsa_public_key_file"] unless [] => "the server's key is requested when it is needed",
    MySql "parse_time" [] unless FLAG_ON => "dates and times are always read as dates and times",
    MySql "loc" [] unless ["UTC"] => GO_ONLY,
    MySql "multi_statements" ["allow_multi_queries"] unless FLAG_OFF => "several statements in one text are accepted only without parameters",
    MySql "interpolate_params" [] unless FLAG_OFF => "parameters are always sent separately from the statement",
    MySql "client_found_rows" ["use_affected_rows"] unless [] => "matching rows are counted, whether they change or not",
    MySql "zero_datetime_behavior" [] unless ["exception", "EXCEPTION"] => "a zero date is an error",
    MySql "rewrite_batched_statements" [] unless FLAG_ON => "`execute_many` does so by itself",
    MySql "use_server_prep_stmts" ["cache_prep_stmts"] unless FLAG_ON => "statements with parameters are always prepared on the server",
    MySql "prep_stmt_cache_sql_limit" [] unless [] => "statements of any length are cached",
    MySql "create_database_if_not_exist" [] unless FLAG_OFF => PLAIN_JDBC,
    MySql "null_catalog_means_current" ["nullDatabaseMeansCurrent"] unless [] => PLAIN_JDBC,
    MySql "tiny_int1_is_bit" [] unless [] => PLAIN_JDBC,
    MySql "use_legacy_datetime_code" [] unless FLAG_OFF => PLAIN_JDBC,
    MySql "use_jdbc_compliant_timezone_shift" [] unless [] => PLAIN_JDBC,
    MySql "fail_over_read_only" [] unless [] => PLAIN_JDBC,
    // SQL Server's.
    SqlServer "driver" [] unless [] => "the library speaks to SQL Server itself; no driver of ODBC is used",
    SqlServer "mars_connection" ["multiple_active_result_sets"] unless ["no", "No", "false", "False", "0"] => "a connection runs one statement at a time",
    SqlServer "multi_subnet_failover" [] unless ["no", "No", "false", "False", "0"] => "the addresses of the host are tried in turn",
    SqlServer "application_intent" [] unless ["readwrite", "ReadWrite"] => "give replicas to the database instead",
    SqlServer "connect_retry_count" ["connect_retry_interval"] unless ["0"] => "a broken connection is replaced by the pool",
    SqlServer "fast_executemany" ["use_insertmanyvalues"] unless [] => "`execute_many` sends many rows at once",
    SqlServer "long_as_max" [] unless [] => "text that is long is always sent as such",
    // SQLite's.
    Sqlite "uri" [] unless FLAG_ON => "a `file:` name is always read as a URI",
    Sqlite "check_same_thread" [] unless FLAG_OFF => "connections are not bound to a thread",
    Sqlite "detect_types" [] unless ["0"] => "types are chosen where a row is read",
    Sqlite "nolock" [] unless FLAG_OFF => "use `immutable=true` or `vfs=unix-none`",
    Sqlite "psow" [] unless ["1"] => "the default of the virtual file system is used",
    Sqlite "txlock" [] unless ["deferred"] => "choose it for each transaction",
};
