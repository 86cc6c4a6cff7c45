//! Every SQL text that the library itself sends, tried on the server at hand. The texts are read from its sources: a
//! new or changed text fails until it is in the list, with a way to try it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ebbtide::{AssertSqlSafe, Result};

use crate::support::{SideConnection, Test, cases};

/// A text as it is written in the sources.
struct Own {
    /// The destination: families of backends, drivers, or one product alone.
    to: &'static str,
    text: &'static str,
    /// The texts to try, in a row on one new connection and separated by `;; `. Empty: the text itself.
    tried: &'static str,
}

macro_rules! own {
    ($($to:literal { $($text:literal $(=> $tried:literal)?,)* })*) => {
        &[$($(Own { to: $to, text: $text, tried: concat!("", $($tried)?) },)*)*]
    };
}

/// Names in braces are created for the test: `{notes}` and `{links}` are tables, `{fk}` is a foreign key, `{migrations}`
/// is a table of migrations. `{new}` names an object that does not exist, `{session}` is another session, `{folder}` is
/// a folder.
const OWN: &[Own] = own! {
    "nowhere" {
        "DROP TABLE",
        "RELEASE SAVEPOINT",
        "ROLLBACK TO SAVEPOINT",
        "SAVEPOINT ebbtide_",
        "DROP TABLE IF EXISTS …",
        "CREATE TABLE …",
        // Every statement with text in its parameters sends it to PostgreSQL.
        "SELECT {};n{ASK}",
        // The cases of sql_server.rs send those of SQL Server.
        "ALTER DATABASE {quoted} SET {what}",
        "ALTER TABLE {table} NOCHECK CONSTRAINT ALL",
        "ALTER TABLE {table} WITH CHECK CHECK CONSTRAINT ALL",
        "CREATE DATABASE {}{collation}",
        "DROP DATABASE {quoted}",
        "ROLLBACK TRANSACTION ebbtide_statement",
        "ROLLBACK TRANSACTION ebbtide_{level}",
        "SELECT @@TRANCOUNT, CAST(XACT_STATE() AS INT)",
        "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = COALESCE(?, SCHEMA_NAME()) AND TABLE_NAME = ?",
        "SELECT DB_ID(?)",
        "SELECT QUOTENAME(name) FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(?) AND referenced_object_id = OBJECT_ID(?)",
        "SELECT s.name, t.name FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0 ORDER BY 1, 2",
        "SET QUOTED_IDENTIFIER, ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL ON; SET TEXTSIZE 2147483647; SET NOCOUNT, CURSOR_CLOSE_ON_COMMIT OFF",
        "SET TRANSACTION ISOLATION LEVEL {words}",
        // Drivers of other languages are never given these by a user; every transaction with them sends one.
        "BEGIN TRANSACTION",
        "BEGIN TRANSACTION READ ONLY",
        "RELEASE SAVEPOINT ebbtide_marker; SAVEPOINT ebbtide_marker ON ROLLBACK RETAIN CURSORS",
        "RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement ON ROLLBACK RETAIN CURSORS",
        "SAVEPOINT ebbtide_marker ON ROLLBACK RETAIN CURSORS",
        "SAVEPOINT ebbtide_statement ON ROLLBACK RETAIN CURSORS",
        "SAVEPOINT ebbtide_{level} ON ROLLBACK RETAIN CURSORS",
        "SET TRANSACTION ISOLATION LEVEL {level}; BEGIN",
        "START TRANSACTION ISOLATION LEVEL {level}, {access}",
        "START TRANSACTION READ WRITE",
        "START TRANSACTION {access}",
    }
    "jdbc_h2 jdbc_hsqldb" {
        "SELECT '\"' || r.constraint_name || '\"' FROM information_schema.referential_constraints r JOIN information_schema.table_constraints k ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name JOIN information_schema.table_constraints u ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name WHERE LOWER(k.table_name) = LOWER(?) AND LOWER(u.table_name) = LOWER(?)"
            => "SELECT '\"' || r.constraint_name || '\"' FROM information_schema.referential_constraints r JOIN information_schema.table_constraints k ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name JOIN information_schema.table_constraints u ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name WHERE LOWER(k.table_name) = LOWER('a') AND LOWER(u.table_name) = LOWER('a')",
        "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_schema) = LOWER(COALESCE(CAST(? AS VARCHAR(128)), CURRENT_SCHEMA)) AND LOWER(table_name) = LOWER(?)"
            => "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_schema) = LOWER(COALESCE(CAST(NULL AS VARCHAR(128)), CURRENT_SCHEMA)) AND LOWER(table_name) = LOWER('a')",
    }
    "jdbc_h2" {
        "SET {name} {value}" => "SET QUERY_TIMEOUT 0",
        "SET @ebbtide_transaction = TRANSACTION_ID()",
        "SELECT 1 / CASE WHEN @ebbtide_transaction IS NULL OR @ebbtide_transaction = TRANSACTION_ID() THEN 1 ELSE 0 END",
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema <> 'INFORMATION_SCHEMA' ORDER BY 1, 2",
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = CURRENT_SCHEMA ORDER BY 1, 2",
    }
    "jdbc_hsqldb" {
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('INFORMATION_SCHEMA', 'SYSTEM_LOBS') ORDER BY 1, 2",
    }
    "jdbc_derby" {
        "SELECT '\"' || k.CONSTRAINTNAME || '\"' FROM SYS.SYSCONSTRAINTS k JOIN SYS.SYSTABLES t ON t.TABLEID = k.TABLEID JOIN SYS.SYSFOREIGNKEYS f ON f.CONSTRAINTID = k.CONSTRAINTID JOIN SYS.SYSCONSTRAINTS p ON p.CONSTRAINTID = f.KEYCONSTRAINTID JOIN SYS.SYSTABLES u ON u.TABLEID = p.TABLEID WHERE LOWER(t.TABLENAME) = LOWER(CAST(? AS VARCHAR(128))) AND LOWER(u.TABLENAME) = LOWER(CAST(? AS VARCHAR(128)))"
            => "SELECT '\"' || k.CONSTRAINTNAME || '\"' FROM SYS.SYSCONSTRAINTS k JOIN SYS.SYSTABLES t ON t.TABLEID = k.TABLEID JOIN SYS.SYSFOREIGNKEYS f ON f.CONSTRAINTID = k.CONSTRAINTID JOIN SYS.SYSCONSTRAINTS p ON p.CONSTRAINTID = f.KEYCONSTRAINTID JOIN SYS.SYSTABLES u ON u.TABLEID = p.TABLEID WHERE LOWER(t.TABLENAME) = LOWER(CAST('a' AS VARCHAR(128))) AND LOWER(u.TABLENAME) = LOWER(CAST('a' AS VARCHAR(128)))",
        "SELECT COUNT(*) FROM SYS.SYSTABLES t JOIN SYS.SYSSCHEMAS s ON s.SCHEMAID = t.SCHEMAID WHERE LOWER(s.SCHEMANAME) = LOWER(COALESCE(CAST(? AS VARCHAR(128)), CURRENT SCHEMA)) AND LOWER(t.TABLENAME) = LOWER(CAST(? AS VARCHAR(128)))"
            => "SELECT COUNT(*) FROM SYS.SYSTABLES t JOIN SYS.SYSSCHEMAS s ON s.SCHEMAID = t.SCHEMAID WHERE LOWER(s.SCHEMANAME) = LOWER(COALESCE(CAST(NULL AS VARCHAR(128)), CURRENT SCHEMA)) AND LOWER(t.TABLENAME) = LOWER(CAST('a' AS VARCHAR(128)))",
        "SELECT s.SCHEMANAME, t.TABLENAME FROM SYS.SYSTABLES t JOIN SYS.SYSSCHEMAS s ON s.SCHEMAID = t.SCHEMAID WHERE t.TABLETYPE = 'T' ORDER BY 1, 2",
    }
    "dbapi2_duckdb" {
        "SET {name} = {}" => "SET default_null_order = 'nulls_last'",
        "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_schema) = LOWER(COALESCE(CAST(? AS VARCHAR), current_schema())) AND LOWER(table_name) = LOWER(CAST(? AS VARCHAR))"
            => "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_schema) = LOWER(COALESCE(CAST(NULL AS VARCHAR), current_schema())) AND LOWER(table_name) = LOWER(CAST('a' AS VARCHAR))",
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY 1, 2",
    }
    "jdbc_h2 jdbc_hsqldb jdbc_derby dbapi2_duckdb" {
        "DELETE FROM {table}"
            => "DELETE FROM {notes}",
    }
    "postgres mysql sqlite" {
        "SELECT 1",
        "SAVEPOINT ebbtide_{level}" => "BEGIN; SAVEPOINT ebbtide_1; COMMIT",
        "RELEASE SAVEPOINT ebbtide_{level}" => "BEGIN; SAVEPOINT ebbtide_1; RELEASE SAVEPOINT ebbtide_1; COMMIT",
        "ROLLBACK TO SAVEPOINT ebbtide_{level}"
            => "BEGIN; SAVEPOINT ebbtide_1; SAVEPOINT ebbtide_2; ROLLBACK TO SAVEPOINT ebbtide_1; RELEASE SAVEPOINT ebbtide_1; ROLLBACK",
        "SAVEPOINT ebbtide_marker" => "BEGIN; SAVEPOINT ebbtide_marker; ROLLBACK",
        "RELEASE SAVEPOINT ebbtide_marker" => "BEGIN; SAVEPOINT ebbtide_marker; RELEASE SAVEPOINT ebbtide_marker; ROLLBACK",
        "RELEASE SAVEPOINT ebbtide_marker; SAVEPOINT ebbtide_marker"
            => "BEGIN; SAVEPOINT ebbtide_marker; RELEASE SAVEPOINT ebbtide_marker; SAVEPOINT ebbtide_marker; ROLLBACK",
        "SAVEPOINT ebbtide_statement" => "BEGIN; SAVEPOINT ebbtide_statement; ROLLBACK",
        "RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement"
            => "BEGIN; SAVEPOINT ebbtide_statement; RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement; ROLLBACK",
        "ROLLBACK TO SAVEPOINT ebbtide_statement" => "BEGIN; SAVEPOINT ebbtide_statement; ROLLBACK TO SAVEPOINT ebbtide_statement; ROLLBACK",
        "SELECT version FROM {}" => "SELECT version FROM {migrations}",
        "DELETE FROM {} WHERE version IN (:versions)" => "DELETE FROM {migrations} WHERE version IN (1, 2)",
        "SELECT COUNT(*) FROM {name}" => "SELECT COUNT(*) FROM {migrations}",
        "DROP TABLE {name}" => "CREATE TABLE {new} (version BIGINT);; DROP TABLE {new}",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?, ?, TRUE, ?, ?)"
            => "INSERT INTO {migrations} (version, description, success, checksum, execution_time) VALUES (3, 'three', TRUE, 'c', 1);; DELETE FROM {migrations} WHERE version = 3",
        "CREATE TABLE _ebbtide_setup (hash VARCHAR(64) NOT NULL, done_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
            => "CREATE TABLE {new} (hash VARCHAR(64) NOT NULL, done_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);; DROP TABLE {new}",
        "INSERT INTO _ebbtide_setup (hash) VALUES (?)"
            => "CREATE TABLE {new} (hash VARCHAR(64), done_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);; INSERT INTO {new} (hash) VALUES ('h');; DROP TABLE {new}",
        "SELECT hash FROM _ebbtide_setup" => "SELECT description FROM {migrations}",
    }
    "postgres mysql" {
        "SAVEPOINT ebbtide_probe; RELEASE SAVEPOINT ebbtide_probe" => "BEGIN; SAVEPOINT ebbtide_probe; RELEASE SAVEPOINT ebbtide_probe; ROLLBACK",
    }
    "postgres" {
        "SELECT pg_notify($1, $2)" => "SELECT pg_notify('a', 'b')",
        "SET TRANSACTION DEFERRABLE" => "BEGIN; SET TRANSACTION DEFERRABLE; COMMIT",
        "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES {}) AS settings (name, value)"
            => "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES ('TimeZone', 'UTC'), ('DateStyle', 'ISO, MDY')) AS settings (name, value)",
        "SELECT r.constraint_name FROM information_schema.referential_constraints r JOIN information_schema.table_constraints k ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name JOIN information_schema.table_constraints u ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name WHERE k.table_name = ? AND u.table_name = ?"
            => "SELECT r.constraint_name FROM information_schema.referential_constraints r JOIN information_schema.table_constraints k ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name JOIN information_schema.table_constraints u ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name WHERE k.table_name = '{links}' AND u.table_name = '{notes}'",
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = COALESCE(?, CURRENT_SCHEMA) AND table_name = ?"
            => "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = COALESCE(NULL, CURRENT_SCHEMA) AND table_name = 'a'",
        "SELECT CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_insert_lsn() - '0/0')::bigint END",
        "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0')::bigint",
        "ROLLBACK; UNLISTEN *",
        "SELECT {};n{ASK}" => "BEGIN; SELECT pg_catalog.set_config('ebbtide.text', 'SELECT $1', true), pg_catalog.set_config('ebbtide.wanted', ARRAY[705]::text, true), pg_catalog.set_config('ebbtide.fallback', ARRAY[25]::text, true), pg_catalog.set_config('ebbtide.kinds', 't', true); <question>; COMMIT",
        "SAVEPOINT ebbtide_question" => "BEGIN; SAVEPOINT ebbtide_question; COMMIT",
        "RELEASE SAVEPOINT ebbtide_question" => "BEGIN; SAVEPOINT ebbtide_question; RELEASE SAVEPOINT ebbtide_question; COMMIT",
        "ROLLBACK TO SAVEPOINT ebbtide_question; RELEASE SAVEPOINT ebbtide_question"
            => "BEGIN; SAVEPOINT ebbtide_question; ROLLBACK TO SAVEPOINT ebbtide_question; RELEASE SAVEPOINT ebbtide_question; COMMIT",
        "DO $$DECLARE kept text; BEGIN FOR kept IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE name LIKE 'sqlx\\_s\\_%' LOOP EXECUTE 'DEALLOCATE ' || pg_catalog.quote_ident(kept); END LOOP; END$$",
        "ROLLBACK AND CHAIN; " => "BEGIN; ROLLBACK AND CHAIN; ROLLBACK",
        "BEGIN" => "BEGIN; ROLLBACK",
        "UNLISTEN *",
        "SELECT pg_advisory_xact_lock(?)" => "SELECT pg_advisory_xact_lock(7)",
        "SELECT to_regclass(?) IS NOT NULL" => "SELECT to_regclass('{notes}') IS NOT NULL",
        "SELECT quote_ident(conname::text) FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass(?) AND confrelid = to_regclass(?)"
            => "SELECT quote_ident(conname::text) FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass('{links}') AND confrelid = to_regclass('{notes}')",
        "ALTER TABLE {} DROP CONSTRAINT {key}" => "BEGIN; ALTER TABLE {links} DROP CONSTRAINT {fk}; ROLLBACK",
        "SET TRANSACTION READ ONLY" => "BEGIN; SAVEPOINT a; SET TRANSACTION READ ONLY; ROLLBACK;; BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; COMMIT",
        "SELECT b.pid, coalesce(b.application_name, ''), coalesce(b.state, 'unknown'), coalesce(round(extract(epoch FROM clock_timestamp() - b.xact_start)::numeric, 1)::text, '?'), b.query FROM pg_catalog.pg_stat_activity a CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(a.pid)) AS p(pid) JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid WHERE a.application_name = $1 LIMIT 5"
            => "SELECT b.pid, coalesce(b.application_name, ''), coalesce(b.state, 'unknown'), coalesce(round(extract(epoch FROM clock_timestamp() - b.xact_start)::numeric, 1)::text, '?'), b.query FROM pg_catalog.pg_stat_activity a CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(a.pid)) AS p(pid) JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid WHERE a.application_name = 'a' LIMIT 5",
        "SELECT pg_catalog.set_config(name, '0', true) FROM (VALUES ('idle_in_transaction_session_timeout'), ('transaction_timeout')) AS limits (name) WHERE pg_catalog.current_setting(name, true) <> '0'",
        "SELECT pg_catalog.current_database()::text",
        "SELECT pg_catalog.pg_try_advisory_lock($1)" => "SELECT pg_catalog.pg_try_advisory_lock(7)",
        "SELECT pg_catalog.pg_try_advisory_xact_lock($1)" => "SELECT pg_catalog.pg_try_advisory_xact_lock(7)",
        "SELECT pg_catalog.pg_advisory_unlock($1)" => "SELECT pg_catalog.pg_advisory_unlock(7)",
        "SELECT pg_catalog.string_agg(indexrelid::pg_catalog.regclass::text, ', ') FROM pg_catalog.pg_index i WHERE NOT indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)",
        "SET LOCAL application_name TO {}" => "BEGIN; SET LOCAL application_name TO 'a'; SAVEPOINT ebbtide_statement; ROLLBACK",
        "WITH RECURSIVE asked AS (…" => "SELECT NULL::point, NULL::int4multirange, NULL::aclitem, NULL::point[]",
        "WITH RECURSIVE f AS (SELECT p.oid, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE CASE WHEN p.oid < 16384 THEN p.provolatile = 'v' AND p.proname NOT IN ('clock_timestamp', 'currval', 'gen_random_uuid', 'lastval', 'nextval', 'pg_sleep', 'random', 'timeofday') ELSE p.provolatile = 'v' OR l.lanname NOT IN ('internal', 'c') END), code AS (SELECT r.ev_class AS oid, r.ev_action::text AS code FROM pg_catalog.pg_rewrite r WHERE r.ev_type = '1' AND r.ev_class >= 16384 UNION ALL SELECT p.polrelid, p.polqual::text FROM pg_catalog.pg_policy p WHERE p.polcmd IN ('r', '*')), w AS (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'f' UNION ALL SELECT c.oid FROM code c WHERE EXISTS (SELECT FROM pg_catalog.regexp_matches(c.code, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') AS m JOIN f ON f.oid = m[1]::oid)), n AS (SELECT oid FROM w UNION SELECT above.oid FROM n JOIN LATERAL (SELECT r.ev_class AS oid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = n.oid UNION ALL SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = n.oid) AS above ON true) SELECT (SELECT count(*) FROM pg_catalog.pg_constraint WHERE condeferred), pg_catalog.array_to_string(ARRAY(SELECT DISTINCT pg_catalog.lower(c.relname::text) FROM n JOIN pg_catalog.pg_class c ON c.oid = n.oid UNION SELECT pg_catalog.lower(proname::text) || '(' FROM f WHERE oid >= 16384 UNION SELECT o.oprname::text FROM pg_catalog.pg_operator o JOIN f ON f.oid = o.oprcode WHERE o.oid >= 16384), pg_catalog.chr(1))",
        "SAVEPOINT ebbtide_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT ebbtide_check; "
            => "BEGIN; SAVEPOINT ebbtide_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT ebbtide_check; ROLLBACK",
        "DO $ebbtide$ DECLARE names text; BEGIN SET CONSTRAINTS ALL IMMEDIATE; SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred; IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF; END $ebbtide$; ",
        "SELECT pg_catalog.set_config({name}, {value}, true); " => "SELECT pg_catalog.set_config('a.b', '', true)",
        "DO $ebbtide$ DECLARE closing text; BEGIN SELECT string_agg(format('CLOSE %I', name), '; ') INTO closing FROM pg_catalog.pg_cursors WHERE NOT is_holdable AND name <> '' AND name NOT LIKE '<unnamed%'; IF closing IS NOT NULL THEN EXECUTE closing; END IF; END $ebbtide$; ",
        "DO $ebbtide$ DECLARE tables text; checks text; BEGIN {now}SELECT string_agg(oid::pg_catalog.regclass::text, ', ') INTO tables FROM pg_catalog.pg_class WHERE oid IN ({oids}); IF tables IS NOT NULL THEN EXECUTE '{verb} ' || tables || '{rest}'; END IF; {again}END $ebbtide$; "
            => "DO $ebbtide$ DECLARE tables text; checks text; BEGIN SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO checks FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferrable AND (c.conrelid IN (0) OR c.confrelid IN (0)); IF checks IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || checks || ' IMMEDIATE'; END IF; SELECT string_agg(oid::pg_catalog.regclass::text, ', ') INTO tables FROM pg_catalog.pg_class WHERE oid IN (0); IF tables IS NOT NULL THEN EXECUTE 'TRUNCATE ' || tables || ''; END IF; SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO checks FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred AND (c.conrelid IN (0) OR c.confrelid IN (0)); IF checks IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || checks || ' DEFERRED'; END IF; END $ebbtide$;",
        "SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO checks FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.{which} AND (c.conrelid IN ({oids}) OR c.confrelid IN ({oids})); IF checks IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || checks || ' {when}'; END IF; "
            => "SELECT 1",
        "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; DO $ebbtide$ DECLARE ending text; BEGIN SELECT pg_catalog.string_agg(pg_catalog.format('DEALLOCATE %I', name), '; ') INTO ending FROM pg_catalog.pg_prepared_statements WHERE from_sql; IF ending IS NOT NULL THEN EXECUTE ending; END IF; END $ebbtide$",
        "DO $ebbtide$ DECLARE names text; BEGIN SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred; IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF; END $ebbtide$",
        "SELECT pg_catalog.to_regclass('pg_temp.' || $1::text)::oid::bigint" => "SELECT pg_catalog.to_regclass('pg_temp.' || 'a'::text)::oid::bigint",
        "SELECT current_setting($1, true)" => "SELECT current_setting('search_path', true)",
        "TRUNCATE {} RESTART IDENTITY CASCADE" => "BEGIN; TRUNCATE {notes}, {links} RESTART IDENTITY CASCADE; ROLLBACK",
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2",
        "SET lock_timeout = {}; SELECT pg_catalog.pg_advisory_lock({})" => "SET lock_timeout = 1000; SELECT pg_catalog.pg_advisory_lock(7)",
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1::text)"
            => "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'a'::text)",
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'template1' AND encoding = pg_catalog.pg_char_to_encoding($1::name))"
            => "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'template1' AND encoding = pg_catalog.pg_char_to_encoding('UTF8'::name))",
        "SELECT current_setting('server_version_num')::bigint",
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1::text AND pid <> pg_catalog.pg_backend_pid()"
            => "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = '{new}'::text AND pid <> pg_catalog.pg_backend_pid()",
        "DROP DATABASE {}{force}" => "CREATE DATABASE {new} TEMPLATE template0 ENCODING 'UTF8';; DROP DATABASE {new} WITH (FORCE)",
        "SET statement_timeout = {limit}" => "SET statement_timeout = 1000",
    }
    "mysql" {
        "SET SESSION TRANSACTION ISOLATION LEVEL {words}" => "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET {}" => "SET SESSION sql_mode = '', SESSION wait_timeout = 60",
        "SET completion_type='NO_CHAIN'; ROLLBACK; SET autocommit=1",
        "SET {of_replica}{MODES},{RELIED_ON},NAMES {charset}"
            => "SET /*!50720 transaction_read_only=1,*//*M! tx_read_only=1,*/sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')),time_zone='+00:00',autocommit=1,completion_type='NO_CHAIN',NAMES utf8mb4 COLLATE utf8mb4_general_ci; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT VERSION()/*M!,1*/",
        "SELECT VERSION()/*M!,1*/",
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('gtid_binlog_pos', 'gtid_executed')",
        "SELECT GET_LOCK(?, ?)" => "SELECT GET_LOCK('{new}', 31536000);; SELECT RELEASE_LOCK('{new}')",
        "SELECT RELEASE_LOCK(?)" => "SELECT RELEASE_LOCK('{new}')",
        "SELECT DATABASE()",
        "SET foreign_key_checks = 0" => "SET foreign_key_checks = 0; SET foreign_key_checks = 1",
        "SET foreign_key_checks = 1",
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?"
            => "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = COALESCE(NULL, DATABASE()) AND table_name = 'a'",
        "START TRANSACTION READ ONLY" => "START TRANSACTION READ ONLY; COMMIT",
        "START TRANSACTION" => "START TRANSACTION; COMMIT",
        "SET TRANSACTION ISOLATION LEVEL {level}; {start}"
            => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; START TRANSACTION; COMMIT;; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION READ ONLY; ROLLBACK",
        "SET foreign_key_checks = 0; TRUNCATE TABLE {}; SET foreign_key_checks = 1"
            => "SET foreign_key_checks = 0; TRUNCATE TABLE {notes}; SET foreign_key_checks = 1",
        "SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY 1, 2",
        "SELECT CAST(id AS SIGNED), db FROM information_schema.processlist WHERE id <> connection_id()",
        "KILL {id}" => "KILL {session}",
        "SET SESSION lock_wait_timeout = {seconds}" => "SET SESSION lock_wait_timeout = 5",
        "DROP DATABASE {}" => "CREATE DATABASE {new} CHARACTER SET utf8mb4;; DROP DATABASE {new};; CREATE DATABASE {new} COLLATE utf8mb4_general_ci;; DROP DATABASE {new}",
    }
    "postgres mysql" {
        "CREATE DATABASE {}{options}" => "CREATE DATABASE {new};; DROP DATABASE {new}",
    }
    "mariadb alone" {
        "SELECT MASTER_GTID_WAIT(?, 0)" => "SELECT MASTER_GTID_WAIT('0-1-1', 0)",
    }
    "mysql alone" {
        "SELECT GTID_SUBSET(?, @@global.gtid_executed)" => "SELECT GTID_SUBSET('', @@global.gtid_executed)",
    }
    "sqlite" {
        "PRAGMA busy_timeout",
        "PRAGMA database_list",
        "PRAGMA foreign_keys = {foreign_keys}; {}" => "PRAGMA foreign_keys = ON",
        "PRAGMA journal_mode",
        "PRAGMA synchronous",
        "PRAGMA synchronous = {synchronous}" => "PRAGMA synchronous = normal",
        "PRAGMA wal_autocheckpoint",
        "PRAGMA wal_checkpoint(PASSIVE)",
        "SELECT sqlite_version()",
        "PRAGMA data_version",
        "PRAGMA page_count",
        "PRAGMA schema_version",
        "SELECT 1 FROM sqlite_schema LIMIT 0",
        "PRAGMA {} = {}; " => "PRAGMA cache_size = 100",
        "PRAGMA {} = {}" => "PRAGMA cache_size = 100",
        "PRAGMA busy_timeout = {}" => "PRAGMA busy_timeout = 5000",
        "PRAGMA foreign_keys = {foreign_keys}" => "PRAGMA foreign_keys = ON",
        "SELECT last_insert_rowid()",
        "SELECT count(*) FROM pragma_table_list WHERE lower(name) = {name} AND wr" => "SELECT count(*) FROM pragma_table_list WHERE lower(name) = 'a' AND wr",
        "PRAGMA temp.synchronous = NORMAL",
        "BEGIN IMMEDIATE" => "BEGIN IMMEDIATE; COMMIT",
        "BEGIN EXCLUSIVE" => "BEGIN EXCLUSIVE; COMMIT",
        "PRAGMA defer_foreign_keys = ON" => "BEGIN; PRAGMA defer_foreign_keys = ON; ROLLBACK",
        "DELETE FROM {}" => "BEGIN; DELETE FROM {links}; ROLLBACK",
        "PRAGMA defer_foreign_keys = OFF" => "BEGIN; PRAGMA defer_foreign_keys = OFF; ROLLBACK",
        "SELECT COUNT(*) FROM pragma_table_list WHERE schema = COALESCE(?, 'main') COLLATE NOCASE AND name = ? COLLATE NOCASE"
            => "SELECT COUNT(*) FROM pragma_table_list WHERE schema = COALESCE(NULL, 'main') COLLATE NOCASE AND name = 'a' COLLATE NOCASE",
        "PRAGMA query_only = 0",
        "PRAGMA query_only = 1",
        "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%DEFERRED%'",
        "PRAGMA foreign_key_check",
        "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'",
        "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; " => "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; COMMIT; PRAGMA foreign_keys = ON",
        "DELETE FROM " => "BEGIN; DELETE FROM {links}; ROLLBACK",
        "DELETE FROM sqlite_sequence; " => "CREATE TABLE {new} (n INTEGER PRIMARY KEY AUTOINCREMENT); DELETE FROM sqlite_sequence; DROP TABLE {new}",
        "PRAGMA foreign_keys = ON",
        "SELECT schema, name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2",
        "PRAGMA user_version = 0",
        "PRAGMA encoding = '{encoding}'; CREATE TABLE first (x); DROP TABLE first; VACUUM"
            => "PRAGMA encoding = 'UTF-8'; CREATE TABLE {new} (x); DROP TABLE {new}; VACUUM",
        "VACUUM INTO ?" => "VACUUM INTO '{folder}/copy.db'",
    }
    "postgres mysql sqlite" {
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, execution_time BIGINT NOT NULL)"
            => "SELECT version, description, installed_on, success, checksum, execution_time FROM {migrations}",
    }
};

/// The question about types, which stands in a file of its own.
const QUESTION: &str = include_str!("../../../src/backend/postgres/question.sql");

/// The first words of SQL texts.
const VERBS: [&str; 22] = [
    "SELECT",
    "BEGIN",
    "START",
    "SET",
    "SAVEPOINT",
    "RELEASE",
    "ROLLBACK",
    "SHOW",
    "PRAGMA",
    "CREATE",
    "DROP",
    "ALTER",
    "INSERT",
    "DELETE",
    "UPDATE",
    "DO",
    "KILL",
    "TRUNCATE",
    "VACUUM",
    "UNLISTEN",
    "ATTACH",
    "LOCK",
];

/// Returns whether the library prepares a text, or sends it together with others that it prepares.
fn is_prepared(text: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["SELECT ", "SHOW ", "INSERT ", "DELETE ", "CREATE TABLE ", "DROP TABLE "];
    !text.contains(';') && BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// Finds the files of the library, without those that only know SQL and send none.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        match name {
            "sql" | "telemetry" | "tests" | "tests.rs" | "fake.rs" => {}
            _ if path.is_dir() => sources(&path, found),
            _ if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            _ => {}
        }
    }
}

/// Finds the SQL texts among the strings of a file, without its own tests and its comments.
fn texts(source: &str, found: &mut BTreeSet<String>) {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = source
        .lines()
        .map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .collect();
    let code = code.join("\n");
    let mut rest = &*code;
    while let Some(start) = rest.find('"') {
        let (before, behind) = (&rest[..start], &rest[start + 1..]);
        // A quotation mark as a character is no string.
        if before.ends_with(['\'', '\\']) {
            rest = behind;
            continue;
        }
        let (text, length) = string(behind);
        let verb = text.split(' ').next().unwrap_or_default();
        if VERBS.contains(&verb) && text.contains(' ') {
            found.insert(text);
        }
        rest = &behind[length..];
    }
}

/// Reads a string whose first quotation mark is read. Returns it with its length in the source.
fn string(source: &str) -> (String, usize) {
    let mut text = String::new();
    let mut letters = source.char_indices();
    while let Some((_, letter)) = letters.next() {
        match letter {
            '"' => return (text, source.len() - letters.as_str().len()),
            '\\' => match letters.next() {
                Some((_, '\n')) => {
                    let rest = letters.as_str();
                    letters = source[source.len() - rest.trim_start().len()..].char_indices();
                }
                Some((_, escaped)) => text.push(escaped),
                None => {}
            },
            letter => text.push(letter),
        }
    }
    (text, source.len())
}

fn all() -> BTreeSet<String> {
    let (mut files, mut found) = (Vec::new(), BTreeSet::new());
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    for file in files {
        texts(&std::fs::read_to_string(file).expect("a source"), &mut found);
    }
    found
}

/// Creates the tables that the texts are tried on.
async fn set_up(t: &Test, side: &mut SideConnection) {
    let (time, bytes) = if t.backend().is_postgres() {
        ("TIMESTAMPTZ", "BYTEA")
    } else {
        ("TIMESTAMP", "BLOB")
    };
    let migrations = format!(
        "CREATE TABLE IF NOT EXISTS {{migrations}} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on {time} NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, \
         execution_time BIGINT NOT NULL)"
    );
    // MySQL does not empty a table that another refers to, whatever the setting.
    let links = "CREATE TABLE {links} (note BIGINT, CONSTRAINT {fk} FOREIGN KEY (note) REFERENCES {parents} (id))";
    for sql in [
        "CREATE TABLE {notes} (id BIGINT PRIMARY KEY)",
        "CREATE TABLE {parents} (id BIGINT PRIMARY KEY)",
        links,
        &migrations,
    ] {
        side.execute(&t.words(sql))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

cases! {
    #[except(sqlite_memory)]
    async fn q1_every_text_of_the_library_itself_runs_on_this_server_found_w13(t: Test) -> Result<()> {
        let listed: BTreeSet<String> = OWN.iter().map(|own| own.text.to_owned()).collect();
        let sent = all();
        assert!(sent.contains("SELECT current_setting($1, true)"), "it stands behind texts of several lines");
        let new: Vec<_> = sent.difference(&listed).collect();
        assert!(new.is_empty(), "put into the list of tests/it/cases/own_texts.rs, with a way to try them: {new:#?}");
        let mut side = t.observer().await;
        set_up(&t, &mut side).await;
        let database = t.database().await;
        let family = t.backend().family();
        let maria = t.backend().is_mysql() && side.text("SELECT VERSION()").await?.contains("MariaDB");
        let alone = if maria { "mariadb alone" } else { "mysql alone" };
        let mut failed = Vec::new();
        for own in OWN {
            let here = own.to.split(' ').any(|to| to == family) && !own.to.ends_with("alone");
            if !(here || t.backend().is_mysql() && own.to == alone) {
                continue;
            }
            let mut other = t.observer().await;
            let session = if t.backend().is_mysql() { other.number("SELECT CAST(CONNECTION_ID() AS SIGNED)").await? } else { 0 };
            let tried = if own.tried.is_empty() { own.text } else { own.tried };
            let tried = tried.replace("{session}", &session.to_string()).replace("{folder}", &t.folder().display().to_string());
            let texts = tried.split(";; ").map(|text| t.words(text).replace("<question>", QUESTION));
            let texts: Vec<String> = texts.collect();
            // Servers do not prepare every statement that they run.
            if texts.iter().all(|text| is_prepared(text)) {
                let connection = database.connection();
                for text in &texts {
                    if let Err(error) = connection.fetch_all(AssertSqlSafe(text.clone()), ()).await {
                        failed.push(format!("{}, prepared: {error}", own.text));
                    }
                }
            }
            let mut fresh = t.observer().await;
            for text in &texts {
                if let Err(error) = fresh.execute(text).await {
                    failed.push(format!("{}: {error}", own.text));
                }
            }
        }
        assert!(failed.is_empty(), "this server does not run: {failed:#?}");
        Ok(())
    }

    #[only(jdbc_h2, jdbc_hsqldb, jdbc_derby, dbapi2_duckdb)]
    async fn q1_every_text_for_one_product_runs_on_it(t: Test) -> Result<()> {
        let database = t.database().await;
        database.execute(t.sql("CREATE TABLE {notes} (id BIGINT NOT NULL PRIMARY KEY)"), ()).await?;
        let driver = t.driver().expect("it is one").name();
        let mut tried = 0;
        for own in OWN.iter().filter(|own| own.to.split(' ').any(|to| to == driver)) {
            let text = if own.tried.is_empty() { own.text } else { own.tried };
            let run = database.fetch_all(t.sql(text), ()).await;
            run.unwrap_or_else(|error| panic!("{text}: {error}"));
            tried += 1;
        }
        assert!(tried > 2);
        Ok(())
    }
}
