//! The rules of PostgreSQL.

use sqlx::SqlStr;

use super::admin::PostgresAdministration;
use super::error_kinds;
use crate::backend::position::Position;
use crate::backend::rules::{
    Administration, AtCommitRules, BeginOptions, CircularKeys, CommitCheck, DefinitionsInTransaction, NamedSessions,
    PositionRules, ProbeTexts, ReadOnly, SchemaRules, ServerAnswer, ServerRules, StatementSavepointTexts,
    StatementSavepoints, TransactionRules, level_words,
};
use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, ObjectName};
use crate::value::{Params, Row, Value};

#[derive(Debug)]
pub(in crate::backend) struct PostgresRules;

impl ServerRules for PostgresRules {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn transactions(&self) -> &'static TransactionRules {
        &TRANSACTIONS
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        options.refuse_exclusive(
            self.name(),
            "only SQLite supports them; execute `LOCK TABLE … IN EXCLUSIVE MODE` in the transaction instead",
        )?;
        if options.isolation.is_none() && !options.read_only && !options.deferrable {
            return Ok(None);
        }
        let mut sql = "BEGIN".to_owned();
        if let Some(level) = options.isolation {
            sql.push_str(" ISOLATION LEVEL ");
            sql.push_str(level_words(level, self.name())?);
        }
        if options.read_only {
            sql.push_str(" READ ONLY");
        }
        if options.deferrable {
            sql.push_str(" DEFERRABLE");
        }
        Ok(Some(own_sql(sql)))
    }

    fn leaves_open(&self, _error: &Error, _plain: bool) -> bool {
        // An error aborts a transaction and never ends it, unless it ends the connection.
        true
    }

    fn named_sessions(&self) -> Option<&'static NamedSessions> {
        Some(&NAMED_SESSIONS)
    }

    fn positions(&self) -> Option<&'static PositionRules> {
        Some(&POSITIONS)
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        error_kinds::kind(answer.code, answer.message)
    }

    fn notify(&self) -> Option<&'static str> {
        Some("SELECT pg_notify($1, $2)")
    }

    fn schema(&self) -> &'static SchemaRules {
        &SCHEMA
    }

    fn administration(&self) -> &'static dyn Administration {
        &PostgresAdministration
    }
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "BEGIN",
    default_isolation: IsolationLevel::ReadCommitted,
    one_writer: false,
    aborted: Some("25P02"),
    savepoints: true,
    statements_may_end: false,
    code_may_commit: false,
    finishes_dropped_calls: false,
    settings_outlive_rollback: false,
    savepoint_outside: Some("25P01"),
    read_only: ReadOnly::Text("SET TRANSACTION READ ONLY"),
    statement_savepoints: StatementSavepoints::Always,
    statement_savepoint: StatementSavepointTexts::STANDARD,
    probe: ProbeTexts::STANDARD,
    commit_check: CommitCheck::Text {
        find: "WITH RECURSIVE f AS (SELECT p.oid, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l \
            ON l.oid = p.prolang WHERE CASE WHEN p.oid < 16384 THEN p.provolatile = 'v' AND p.proname NOT IN \
            ('clock_timestamp', 'currval', 'gen_random_uuid', 'lastval', 'nextval', 'pg_sleep', 'random', \
            'timeofday') ELSE p.provolatile = 'v' OR l.lanname NOT IN ('internal', 'c') END), code AS (SELECT \
            r.ev_class AS oid, r.ev_action::text AS code FROM pg_catalog.pg_rewrite r WHERE r.ev_type = '1' AND \
            r.ev_class >= 16384 UNION ALL SELECT p.polrelid, p.polqual::text FROM pg_catalog.pg_policy p WHERE \
            p.polcmd IN ('r', '*')), w AS (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'f' UNION \
            ALL SELECT c.oid FROM code c WHERE EXISTS (SELECT FROM pg_catalog.regexp_matches(c.code, \
            ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') AS m JOIN f ON f.oid = m[1]::oid)), n AS \
            (SELECT oid FROM w UNION SELECT above.oid FROM n JOIN LATERAL (SELECT r.ev_class AS oid FROM \
            pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid WHERE d.classid = \
            'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = \
            'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = n.oid UNION ALL SELECT i.inhparent FROM \
            pg_catalog.pg_inherits i WHERE i.inhrelid = n.oid) AS above ON true) SELECT (SELECT count(*) FROM \
            pg_catalog.pg_constraint WHERE condeferred), pg_catalog.array_to_string(\
            ARRAY(SELECT DISTINCT pg_catalog.lower(c.relname::text) FROM n JOIN pg_catalog.pg_class c ON c.oid = n.oid \
            UNION SELECT pg_catalog.lower(proname::text) || '(' FROM f WHERE oid >= 16384 \
            UNION SELECT o.oprname::text FROM pg_catalog.pg_operator o JOIN f ON f.oid = o.oprcode WHERE o.oid >= 16384), \
            pg_catalog.chr(1))",
        check: "SAVEPOINT ebbtide_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT ebbtide_check; ",
    },
    at_commit: Some(AtCommitRules {
        close_cursors: "DO $ebbtide$ DECLARE closing text; BEGIN \
            SELECT string_agg(format('CLOSE %I', name), '; ') INTO closing FROM pg_catalog.pg_cursors \
            WHERE NOT is_holdable AND name <> '' AND name NOT LIKE '<unnamed%'; \
            IF closing IS NOT NULL THEN EXECUTE closing; END IF; END $ebbtide$; ",
        table: "SELECT pg_catalog.to_regclass('pg_temp.' || $1::text)::oid::bigint",
        empty_tables: |oids| for_all("TRUNCATE", oids, ""),
        drop_tables: |oids| for_all("DROP TABLE", oids, " CASCADE"),
        usual_constraints: "DO $ebbtide$ DECLARE names text; BEGIN \
            SET CONSTRAINTS ALL IMMEDIATE; \
            SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names \
            FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred; \
            IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF; END $ebbtide$; ",
        deferred_constraints: "DO $ebbtide$ DECLARE names text; BEGIN \
            SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names \
            FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred; \
            IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF; END $ebbtide$",
        setting: "SELECT current_setting($1, true)",
        set: |name, value| {
            let (name, value) = (quote(name), quote(value));
            format!("SELECT pg_catalog.set_config({name}, {value}, true); ")
        },
    }),
};

fn quote(text: &str) -> String {
    Dialect::Postgres.quote_text(text)
}

/// Returns the text that does something to those of the tables that still exist, all at once, because they may refer to
/// each other.
fn for_all(verb: &str, oids: &[i64], rest: &str) -> String {
    let oids: Vec<String> = oids.iter().map(ToString::to_string).collect();
    let oids = oids.join(", ");
    // Tables with checks that are still due could be neither emptied nor dropped.
    let checks = |which: &str, when: &str| {
        format!(
            "SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO checks \
             FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace \
             WHERE c.{which} AND (c.conrelid IN ({oids}) OR c.confrelid IN ({oids})); \
             IF checks IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || checks || ' {when}'; END IF; "
        )
    };
    let (now, again) = (checks("condeferrable", "IMMEDIATE"), checks("condeferred", "DEFERRED"));
    format!(
        "DO $ebbtide$ DECLARE tables text; checks text; BEGIN {now}\
         SELECT string_agg(oid::pg_catalog.regclass::text, ', ') INTO tables FROM pg_catalog.pg_class WHERE oid IN ({oids}); \
         IF tables IS NOT NULL THEN EXECUTE '{verb} ' || tables || '{rest}'; END IF; {again}END $ebbtide$; "
    )
}

static NAMED_SESSIONS: NamedSessions = NamedSessions {
    name: |label| format!("SET LOCAL application_name TO {}", quote(label)),
    lift_limits: "SELECT pg_catalog.set_config(name, '0', true) FROM (VALUES ('idle_in_transaction_session_timeout'), \
        ('transaction_timeout')) AS limits (name) WHERE pg_catalog.current_setting(name, true) <> '0'",
    blockers: "SELECT b.pid, coalesce(b.application_name, ''), coalesce(b.state, 'unknown'), \
        coalesce(round(extract(epoch FROM clock_timestamp() - b.xact_start)::numeric, 1)::text, '?'), b.query \
        FROM pg_catalog.pg_stat_activity a \
        CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(a.pid)) AS p(pid) \
        JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid \
        WHERE a.application_name = $1 LIMIT 5",
};

static POSITIONS: PositionRules = PositionRules {
    // It lies after every acknowledged commit, even one that is not yet on disk (`synchronous_commit = off`).
    question: "SELECT CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_insert_lsn() - '0/0')::bigint END",
    read: |rows: &[Row]| Position::log(rows),
    has: |position| matches!(position, Position::Log(_)),
};

static SCHEMA: SchemaRules = SchemaRules {
    in_transaction: DefinitionsInTransaction::Undone,
    if_not_exists: &[
        "TABLE",
        "FOREIGN TABLE",
        "INDEX",
        "SEQUENCE",
        "SCHEMA",
        "EXTENSION",
        "MATERIALIZED VIEW",
    ],
    lock: Some("SELECT pg_advisory_xact_lock(?)"),
    keys_to_missing_tables: false,
    circular_keys: CircularKeys::Dropped {
        list: "SELECT quote_ident(conname::text) FROM pg_constraint \
               WHERE contype = 'f' AND conrelid = to_regclass(?) AND confrelid = to_regclass(?)",
    },
    find_table,
    time: "TIMESTAMPTZ",
    bytes: "BYTEA",
};

fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let params = Params::positional(vec![Value::Text(name.written.clone())]);
    ("SELECT to_regclass(?) IS NOT NULL", params)
}
