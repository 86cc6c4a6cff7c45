//! The options of others: libpq, MySQL's clients, `SQLAlchemy`, Prisma, and what hosting providers put into their
//! URLs. Long, because it is one table.

use std::borrow::Cow;
use std::time::Duration;

use super::known::{Expected, Given, Kind, Known, On};
use super::settings::Settings;
use super::ssl_mode::SslMode;

const fn also(name: &'static str, on: On, apply: fn(&mut Settings, &Given<'_>) -> Result<(), Expected>) -> Known {
    Known {
        name,
        also: &[],
        on,
        kind: Kind::Also(apply),
    }
}

const fn server(name: &'static str, names: &'static [&'static str], on: On, there: &'static str) -> Known {
    Known {
        name,
        also: names,
        on,
        kind: Kind::Server(there),
    }
}

const fn warn(
    name: &'static str,
    names: &'static [&'static str],
    on: On,
    fine: &'static [&'static str],
    why: &'static str,
) -> Known {
    Known {
        name,
        also: names,
        on,
        kind: Kind::Warn { fine, why },
    }
}

/// Makes the mode at least this strict.
fn at_least(settings: &mut Settings, given: &Given<'_>, mode: SslMode) -> Result<(), Expected> {
    if given.flag()? {
        settings.ssl_mode = settings.ssl_mode.max(mode);
    }
    Ok(())
}

/// A proxy between here and the server may hand each statement to another connection, which then lacks what was prepared.
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
const FLAG_OFF: &[&str] = &["false", "0", "no", "off"];
const FLAG_ON: &[&str] = &["true", "1", "yes", "on"];

/// What an option cannot do is told in a warning, so that nothing is dropped silently.
pub(super) static FOREIGN: &[Known] = &[
    also("ssl_accept", On::Servers, |settings, given| match given.text()? {
        "strict" => {
            settings.ssl_mode = settings.ssl_mode.max(SslMode::VerifyFull);
            Ok(())
        }
        "accept_invalid_certs" => Ok(()),
        _ => Err(Cow::Borrowed("`strict` or `accept_invalid_certs`")),
    }),
    also("require_ssl", On::Servers, |settings, given| {
        at_least(settings, given, SslMode::Require)
    }),
    also("ssl_verify_cert", On::MySql, |settings, given| {
        at_least(settings, given, SslMode::VerifyCa)
    }),
    also("verify_server_certificate", On::MySql, |settings, given| {
        at_least(settings, given, SslMode::VerifyCa)
    }),
    also("ssl_verify_identity", On::MySql, |settings, given| {
        at_least(settings, given, SslMode::VerifyFull)
    }),
    also("pgbouncer", On::Postgres, |settings, given| {
        prepares(settings, !given.flag()?);
        Ok(())
    }),
    also("prepared_statements", On::Postgres, |settings, given| {
        prepares(settings, given.flag()?);
        Ok(())
    }),
    also("prepare_threshold", On::Postgres, |settings, given| {
        prepares(settings, !matches!(given.text()?, "0" | "none" | "None"));
        Ok(())
    }),
    also("pool_pre_ping", On::Any, |settings, given| {
        if given.flag()? {
            settings.health_check_after = Duration::ZERO;
        }
        Ok(())
    }),
    also("fallback_application_name", On::Postgres, |settings, given| {
        let name = given.text()?;
        settings.application_name.get_or_insert_with(|| name.to_owned());
        Ok(())
    }),
    Known {
        name: "options",
        also: &[],
        on: On::Postgres,
        kind: Kind::Startup,
    },
    // Run-time parameters that are commonly set in a URL.
    server(
        "search_path",
        &["schema", "current_schema"],
        On::Postgres,
        "search_path",
    ),
    server("timezone", &[], On::Postgres, "TimeZone"),
    server("lock_timeout", &[], On::Postgres, "lock_timeout"),
    server(
        "idle_in_transaction_session_timeout",
        &[],
        On::Postgres,
        "idle_in_transaction_session_timeout",
    ),
    server(
        "default_transaction_isolation",
        &[],
        On::Postgres,
        "default_transaction_isolation",
    ),
    server(
        "default_transaction_read_only",
        &[],
        On::Postgres,
        "default_transaction_read_only",
    ),
    server("work_mem", &[], On::Postgres, "work_mem"),
    server("jit", &[], On::Postgres, "jit"),
    server("timezone", &["server_timezone"], On::MySql, "time_zone"),
    server("sql_mode", &[], On::MySql, "sql_mode"),
    server("storage_engine", &[], On::MySql, "default_storage_engine"),
    server("innodb_lock_wait_timeout", &[], On::MySql, "innodb_lock_wait_timeout"),
    server("wait_timeout", &[], On::MySql, "wait_timeout"),
    server("cache_size", &[], On::Sqlite, "cache_size"),
    server("temp_store", &[], On::Sqlite, "temp_store"),
    server("mmap_size", &[], On::Sqlite, "mmap_size"),
    server("auto_vacuum", &[], On::Sqlite, "auto_vacuum"),
    server("page_size", &[], On::Sqlite, "page_size"),
    server("locking_mode", &[], On::Sqlite, "locking_mode"),
    server("journal_size_limit", &[], On::Sqlite, "journal_size_limit"),
    server("recursive_triggers", &[], On::Sqlite, "recursive_triggers"),
    server("case_sensitive_like", &[], On::Sqlite, "case_sensitive_like"),
    // libpq.
    warn(
        "hostaddr",
        &[],
        On::Postgres,
        &[],
        "the address is found through the host name",
    ),
    warn(
        "channel_binding",
        &[],
        On::Postgres,
        &["disable", "prefer"],
        "channel binding is not supported; use `sslmode=verify-full`",
    ),
    warn(
        "target_session_attrs",
        &[],
        On::Postgres,
        &["any"],
        "only one host is connected to, whatever its role",
    ),
    warn(
        "load_balance_hosts",
        &[],
        On::Postgres,
        &["disable"],
        "only one host is connected to",
    ),
    warn("gss_enc_mode", &[], On::Postgres, &["disable", "prefer"], NO_KERBEROS),
    warn("krb_srv_name", &[], On::Postgres, &[], NO_KERBEROS),
    warn("gss_lib", &[], On::Postgres, &[], NO_KERBEROS),
    warn("gss_delegation", &[], On::Postgres, &["0"], NO_KERBEROS),
    warn("keepalives", &[], On::Postgres, &["1"], KEEP_ALIVE),
    warn("keepalives_idle", &[], On::Postgres, &["0"], KEEP_ALIVE),
    warn("keepalives_interval", &[], On::Postgres, &["0"], KEEP_ALIVE),
    warn("keepalives_count", &[], On::Postgres, &["0"], KEEP_ALIVE),
    warn(
        "tcp_user_timeout",
        &[],
        On::Postgres,
        &["0"],
        "the operating system's limit is used",
    ),
    warn(
        "client_encoding",
        &[],
        On::Postgres,
        &["utf8", "utf-8", "UTF8", "UTF-8", "auto"],
        "text is always sent and read as UTF-8",
    ),
    warn("passfile", &[], On::Postgres, &[], NOT_READ),
    warn("service", &[], On::Postgres, &[], NOT_READ),
    warn("servicefile", &[], On::Postgres, &[], NOT_READ),
    warn(
        "require_auth",
        &[],
        On::Postgres,
        &[],
        "the server chooses how to log in",
    ),
    warn(
        "require_peer",
        &[],
        On::Postgres,
        &[],
        "the owner of the server's process is not checked",
    ),
    warn(
        "replication",
        &[],
        On::Postgres,
        FLAG_OFF,
        "replication connections are not supported",
    ),
    warn(
        "ssl_password",
        &[],
        On::Servers,
        &[],
        "the client's key must not be encrypted",
    ),
    warn(
        "ssl_identity",
        &[],
        On::Servers,
        &[],
        "give the client's certificate as `sslcert` and `sslkey`",
    ),
    warn("ssl_crl", &[], On::Servers, &[], NO_PINNING),
    warn("ssl_crl_dir", &["ssl_crl_path"], On::Servers, &[], NO_PINNING),
    warn("ssl_ca_path", &[], On::Servers, &[], NO_PINNING),
    warn(
        "ssl_cert_mode",
        &[],
        On::Postgres,
        &["allow"],
        "the client's certificate is sent when it is given and asked for",
    ),
    warn("ssl_sni", &[], On::Postgres, &["1"], "the host name is always sent"),
    warn(
        "ssl_compression",
        &[],
        On::Postgres,
        &["0"],
        "compression is not supported",
    ),
    warn(
        "ssl_negotiation",
        &[],
        On::Postgres,
        &["postgres"],
        "encryption is asked for in PostgreSQL's own way",
    ),
    warn(
        "ssl_min_protocol_version",
        &[],
        On::Postgres,
        &["TLSv1", "TLSv1.1", "TLSv1.2"],
        "TLS 1.2 or 1.3 is used",
    ),
    warn(
        "ssl_max_protocol_version",
        &[],
        On::Postgres,
        &["TLSv1.3"],
        "TLS 1.2 or 1.3 is used",
    ),
    warn(
        "min_protocol_version",
        &[],
        On::Postgres,
        &["3.0"],
        "protocol 3.0 is used",
    ),
    warn(
        "max_protocol_version",
        &[],
        On::Postgres,
        &["3.0", "latest"],
        "protocol 3.0 is used",
    ),
    // Poolers, providers and clients of PostgreSQL.
    warn("supa", &[], On::Postgres, &[], "it is a note for Supabase's own tools"),
    warn("workaround", &[], On::Postgres, &[], "it is a note for another client"),
    warn(
        "single_use_connections",
        &[],
        On::Postgres,
        FLAG_OFF,
        "connections are kept in the pool",
    ),
    warn(
        "max_cached_statement_lifetime",
        &[],
        On::Postgres,
        &["0"],
        "prepared statements live as long as the connection",
    ),
    warn(
        "max_cacheable_statement_size",
        &[],
        On::Postgres,
        &["0"],
        "statements of any length are kept",
    ),
    warn("max_queries", &[], On::Postgres, &["0"], "use `pool_recycle`"),
    warn(
        "direct_tls",
        &[],
        On::Postgres,
        FLAG_OFF,
        "encryption is asked for in PostgreSQL's own way",
    ),
    warn(
        "min_size",
        &["min_connections", "min_pool_size", "min_idle"],
        On::Any,
        &["0"],
        OPENED_WHEN_NEEDED,
    ),
    warn(
        "pool_use_lifo",
        &[],
        On::Any,
        FLAG_ON,
        "the connection used last is always taken first",
    ),
    warn(
        "socket_timeout",
        &["read_timeout"],
        On::Servers,
        &["0"],
        "use `statement_timeout`",
    ),
    warn("write_timeout", &[], On::Servers, &["0"], "use `statement_timeout`"),
    // MySQL's clients.
    warn(
        "allow_public_key_retrieval",
        &[],
        On::MySql,
        FLAG_ON,
        "the server's key is asked for when it is needed",
    ),
    warn(
        "auto_reconnect",
        &[],
        On::MySql,
        FLAG_OFF,
        "a broken connection is replaced by the pool, never in the middle of a transaction",
    ),
    warn(
        "autocommit",
        &[],
        On::MySql,
        FLAG_ON,
        "statements outside of a transaction are always committed",
    ),
    warn("no_delay", &[], On::MySql, FLAG_ON, "what is sent is never held back"),
    warn(
        "install_regexp_functions",
        &[],
        On::Sqlite,
        FLAG_OFF,
        "REGEXP is not installed",
    ),
    warn("use_unicode", &[], On::MySql, FLAG_ON, "text is always read as UTF-8"),
    warn(
        "local_infile",
        &["allow_local_infile", "allow_load_local_infile"],
        On::MySql,
        FLAG_OFF,
        "LOAD DATA LOCAL is not supported",
    ),
    warn(
        "init_command",
        &["session_variables"],
        On::MySql,
        &[],
        "run it in an `after_connect` hook",
    ),
    warn(
        "compress",
        &["compression", "use_compression"],
        On::MySql,
        FLAG_OFF,
        "compression is not supported",
    ),
    warn(
        "default_auth",
        &["auth_plugin"],
        On::MySql,
        &[],
        "the server chooses how to log in",
    ),
    warn(
        "allow_cleartext_passwords",
        &["enable_cleartext_plugin"],
        On::MySql,
        FLAG_OFF,
        "passwords are never sent in clear text",
    ),
    warn(
        "allow_native_passwords",
        &[],
        On::MySql,
        FLAG_ON,
        "the server chooses how to log in",
    ),
    warn("read_default_file", &["defaults_file"], On::MySql, &[], NOT_READ),
    warn("read_default_group", &[], On::MySql, &[], NOT_READ),
    warn("named_pipe", &[], On::MySql, FLAG_OFF, "named pipes are not supported"),
    warn("client_flag", &[], On::MySql, &["0"], "the flags are chosen here"),
    warn(
        "cursorclass",
        &[],
        On::MySql,
        &[],
        "it is a setting of the Python driver",
    ),
    warn("conv", &[], On::MySql, &[], "it is a setting of the Python driver"),
    warn("sql_notes", &[], On::MySql, &[], "set it with `SET sql_notes`"),
    warn(
        "tls_version",
        &["tls_versions", "enabled_tls_protocols"],
        On::MySql,
        &[],
        "TLS 1.2 or 1.3 is used",
    ),
    warn(
        "server_public_key_path",
        &["server_rsa_public_key_file"],
        On::MySql,
        &[],
        "the server's key is asked for when it is needed",
    ),
    warn(
        "parse_time",
        &[],
        On::MySql,
        FLAG_ON,
        "dates and times are always read as such",
    ),
    warn("loc", &[], On::MySql, &["UTC"], GO_ONLY),
    warn(
        "multi_statements",
        &["allow_multi_queries"],
        On::MySql,
        FLAG_OFF,
        "several statements run only where they hold no parameters",
    ),
    warn(
        "interpolate_params",
        &[],
        On::MySql,
        FLAG_OFF,
        "parameters are always sent apart from the statement",
    ),
    warn(
        "client_found_rows",
        &["use_affected_rows"],
        On::MySql,
        &[],
        "rows that match are counted, changed or not",
    ),
    warn(
        "zero_datetime_behavior",
        &[],
        On::MySql,
        &["exception", "EXCEPTION"],
        "a zero date is an error",
    ),
    warn(
        "rewrite_batched_statements",
        &[],
        On::MySql,
        FLAG_ON,
        "`execute_many` does so by itself",
    ),
    warn(
        "use_server_prep_stmts",
        &["cache_prep_stmts"],
        On::MySql,
        FLAG_ON,
        "statements with parameters are always prepared on the server",
    ),
    warn(
        "prep_stmt_cache_sql_limit",
        &[],
        On::MySql,
        &[],
        "statements of any length are kept",
    ),
    warn("create_database_if_not_exist", &[], On::MySql, FLAG_OFF, PLAIN_JDBC),
    warn(
        "null_catalog_means_current",
        &["nullDatabaseMeansCurrent"],
        On::MySql,
        &[],
        PLAIN_JDBC,
    ),
    warn("tiny_int1_is_bit", &[], On::MySql, &[], PLAIN_JDBC),
    warn("use_legacy_datetime_code", &[], On::MySql, FLAG_OFF, PLAIN_JDBC),
    warn("use_jdbc_compliant_timezone_shift", &[], On::MySql, &[], PLAIN_JDBC),
    warn("fail_over_read_only", &[], On::MySql, &[], PLAIN_JDBC),
    // SQLite's.
    warn(
        "uri",
        &[],
        On::Sqlite,
        FLAG_ON,
        "a `file:` name is always read as a URI",
    ),
    warn(
        "check_same_thread",
        &[],
        On::Sqlite,
        FLAG_OFF,
        "connections are not bound to a thread",
    ),
    warn(
        "detect_types",
        &[],
        On::Sqlite,
        &["0"],
        "types are asked for where a row is read",
    ),
    warn(
        "nolock",
        &[],
        On::Sqlite,
        FLAG_OFF,
        "use `immutable=true` or `vfs=unix-none`",
    ),
    warn(
        "psow",
        &[],
        On::Sqlite,
        &["1"],
        "the default of the virtual file system is used",
    ),
    warn(
        "txlock",
        &[],
        On::Sqlite,
        &["deferred"],
        "choose it for each transaction",
    ),
];
