use super::super::Local;
use super::*;

#[test]
fn what_certainly_only_reads() {
    for sql in [
        "SELECT 1",
        "select a, count(*) from t where b in (1, 2) group by a",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR NO KEY UPDATE",
        "(SELECT 1) UNION (SELECT 2)",
        "EXPLAIN SELECT 1",
        "VALUES (1)",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT n FROM c",
        "WITH a (x, y) AS (SELECT 1, 2), b AS (SELECT 1), d(z) AS (SELECT 3) SELECT * FROM a, b, d",
        "SELECT * FROM (WITH c(n) AS (SELECT 1) SELECT n FROM c) AS s(n)",
        "SELECT 'delete from t', \"into\" FROM t",
        "",
    ] {
        for dialect in STANDARD {
            assert!(parse(dialect, sql).effect().reads, "{dialect}: {sql}");
        }
    }
    for sql in [
        "INSERT INTO t VALUES (1)",
        "WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SELECT * INTO t2 FROM t",
        "SELECT nextval('s')",
        "SELECT count(*), my_function() FROM t",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
        "SELECT 1; DELETE FROM t",
        "CREATE TABLE t (a int)",
        "CALL p()",
    ] {
        for dialect in ALL {
            assert!(!parse(dialect, sql).effect().reads, "{dialect}: {sql}");
        }
    }
}

#[test]
fn functions_of_ones_own_may_write() {
    let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
    for sql in [
        // With a schema, any name may be a user-defined function, even the name of a harmless one.
        "SELECT billing.total(7)",
        "SELECT count(*), billing . lower(a) FROM t",
        "SELECT pg_catalog.setval('s', 1)",
        "SELECT pg_catalog.set_config('a.b', 'c', false)",
        // Functions that change something, or whose effect is unknown.
        "SELECT nextval('s'), lower('A')",
        "SELECT setval /* here */ ('s', 1)",
        "SELECT pg_notify('a', 'b')",
        "SELECT lo_import('/etc/hosts')",
        "SELECT query_to_xml('DELETE FROM t', true, true, '')",
        "SELECT * FROM book_all() AS b",
        "SELECT 1 OPERATOR(s.+) 2",
        "VALUES (nextval('s'))",
        "SELECT 1 ORDER BY charge(1)",
        "SELECT count(charge(1)) FROM t",
        "WITH a AS (SELECT charge(1)) SELECT * FROM a",
        // Neither a common table nor the name of a result, though it looks like one.
        "WITH a(x) AS (SELECT charge(1)) SELECT * FROM a",
        "WITH a(x) AS (SELECT 1) SELECT charge(x) FROM a",
        "WITH a AS (SELECT 1), charge(x) SELECT 1",
        "SELECT * FROM t, charge(x) AS (y int)",
        "SELECT * FROM charge(x) WITH ORDINALITY AS s(a, b)",
        "SELECT a AS b, charge(1)",
    ] {
        for dialect in [pg, my, lite] {
            let effect = parse(dialect, sql).effect().clone();
            assert!(!effect.reads, "{dialect}: {sql}");
            assert!(effect.asks, "the text itself writes nothing, {dialect}: {sql}");
        }
    }
    for (dialect, sql) in [
        (
            pg,
            "WITH \"c\"(n) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM \"c\" AS \"d\"(m)",
        ),
        (my, "WITH `c`(n) AS (SELECT 1) SELECT * FROM `c`"),
    ] {
        assert!(parse(dialect, sql).effect().reads, "{dialect}: {sql}");
    }
    for (dialect, sql) in [
        (pg, "SELECT \"billing\".\"total\"(7)"),
        (pg, "SELECT \"lower\"('A')"),
        (lite, "SELECT [lower]('A')"),
        (my, "SELECT `lower`('A')"),
        (my, "SELECT `billing`.`total`(7)"),
    ] {
        assert!(!parse(dialect, sql).effect().reads, "{dialect}: {sql}");
    }
    // PostgreSQL has no such functions, so they are user-defined there.
    for name in [
        "total",
        "hex",
        "ifnull",
        "printf",
        "json_array",
        "json_objectagg",
        "xor",
        "TypeOf",
    ] {
        assert!(!parse(pg, &format!("SELECT {name}(1)")).effect().reads, "{name}");
    }
    assert!(parse(lite, "SELECT total(1)").effect().reads);
    assert!(parse(my, "SELECT hex(1)").effect().reads);
}

#[test]
fn what_writes_is_never_taken_for_reading() {
    let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
    for (dialects, texts) in [
        (
            &ALL[..],
            &[
                "INSERT INTO t SELECT 1",
                "UPDATE t SET a = 1",
                "DELETE FROM t",
                "REPLACE INTO t VALUES (1)",
                "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
                "CALL p()",
                "SELECT a INTO u FROM t",
                "SELECT 1; UPDATE t SET a = 1",
                "((SELECT 1)); DELETE FROM t",
                "WITH a AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM a",
                "WITH a AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM a",
                "WITH a AS (DELETE FROM t RETURNING a), b AS (SELECT 1) SELECT * FROM b",
                "WITH a AS (MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1",
                "WITH a AS (SELECT 1) UPDATE t SET a = 1",
                "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
                "EXPLAIN ANALYZE SELECT 1",
                "EXPLAIN (ANALYZE, COSTS OFF) DELETE FROM t",
                "EXPLAIN (COSTS OFF, ANALYSE true) UPDATE t SET a = 1",
                "EXPLAIN DELETE FROM t",
                "/* SELECT */ DELETE FROM t",
                "-- SELECT\nDELETE FROM t",
                "SELECT * FROM t FOR UPDATE; UPDATE t SET a = 1",
            ][..],
        ),
        (
            &[pg],
            &[
                "DO $$ BEGIN DELETE FROM t; END $$",
                "COPY t FROM '/tmp/f'",
                "COPY t TO PROGRAM 'cat'",
                "COPY (DELETE FROM t RETURNING a) TO '/tmp/f'",
                "SELECT 1 AS a INTO TEMP u",
                "CREATE TABLE u AS SELECT 1",
                "EXECUTE p(1)",
                "REFRESH MATERIALIZED VIEW v",
                "TRUNCATE t",
                "NOTIFY a",
                "SET work_mem = '1MB'",
                "LOCK TABLE t",
                "FETCH 1 FROM c",
            ],
        ),
        (
            &[my],
            &[
                "HANDLER t OPEN",
                "LOAD DATA INFILE 'f' INTO TABLE t",
                "SET GLOBAL max_connections = 9",
                "XA START 'x'",
                "SELECT 1 INTO OUTFILE 'f'",
                "SELECT 1 INTO @a",
                "DO release_lock('a')",
                "ANALYZE SELECT 1",
                "EXECUTE IMMEDIATE 'DELETE FROM t'",
                "/*!50000 DELETE FROM t */",
                "SELECT 1; /*!50000 DELETE FROM t */",
            ],
        ),
        (
            &[lite],
            &[
                "PRAGMA user_version = 7",
                "PRAGMA user_version(7)",
                "VACUUM INTO 'f'",
                "ATTACH 'f' AS other",
                "DETACH other",
                "INSERT OR ROLLBACK INTO t VALUES (1)",
                "REINDEX",
                "ANALYZE",
            ],
        ),
    ] {
        for dialect in dialects {
            for sql in texts {
                let effect = parse(*dialect, sql).effect().clone();
                assert!(!effect.reads && !effect.asks, "{dialect}: {sql}: {effect:?}");
            }
        }
    }
}

#[test]
fn what_changes_the_session_for_good() {
    let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
    for (dialect, sql) in [
        (pg, "SELECT pg_advisory_lock(1)"),
        (pg, "SELECT pg_try_advisory_lock(1)"),
        (pg, "PREPARE x AS SELECT 1"),
        (my, "SET @a = 1"),
        (my, "SELECT @a := 1"),
        (my, "SET SESSION sql_mode = ''"),
        (my, "CREATE TEMPORARY TABLE t (a int)"),
        (my, "SELECT GET_LOCK('x', 1)"),
        (my, "USE other"),
        (my, "LOCK INSTANCE FOR BACKUP"),
        (my, "BACKUP LOCK t"),
        (pg, "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1"),
        (lite, "PRAGMA foreign_keys = off"),
        (lite, "PRAGMA foreign_keys(0)"),
        (lite, "ATTACH 'x' AS y"),
    ] {
        assert!(parse(dialect, sql).effect().taints_session, "{dialect}: {sql}");
    }
    for (dialect, sql) in [
        (pg, "SELECT pg_advisory_xact_lock(1)"),
        (pg, "SET search_path = x"),
        (pg, "PREPARE TRANSACTION 'x'"),
        (my, "SELECT @@version"),
        (my, "SELECT '@a'"),
        (lite, "PRAGMA table_info(t)"),
        (lite, "SELECT 1"),
    ] {
        assert!(!parse(dialect, sql).effect().taints_session, "{dialect}: {sql}");
    }
}

#[test]
fn which_settings_end_with_the_transaction() {
    let named = |name: &str| vec![Local::Named(name.into())];
    for (sql, expected) in [
        ("SET LOCAL work_mem = '1MB'", named("work_mem")),
        ("set local app.user_id to 7", named("app.user_id")),
        ("SET LOCAL \"app\".\"User\" TO 7", named("app.User")),
        ("SET LOCAL TIME ZONE 'UTC'", named("timezone")),
        ("SET LOCAL ROLE reader", named("role")),
        ("SELECT set_config('app.user_id', :id, true)", named("app.user_id")),
        ("SELECT :a, set_config(:b, :c, true)", vec![Local::Slot(1)]),
        ("SELECT set_config($2, $1, true)", vec![Local::Slot(1)]),
        ("SET work_mem = '1MB'", vec![]),
        ("SELECT 'set local x = 1'", vec![]),
    ] {
        assert_eq!(parse(Dialect::Postgres, sql).effect().local, expected, "{sql}");
    }
    assert!(
        parse(Dialect::MySql, "SET LOCAL sql_mode = ''")
            .effect()
            .local
            .is_empty()
    );
}

#[test]
fn deferred_constraints_and_procedures_are_noticed() {
    let table = "CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    assert!(parse(Dialect::Postgres, table).effect().deferrable);
    assert!(
        parse(Dialect::Sqlite, "PRAGMA defer_foreign_keys = on")
            .effect()
            .deferrable
    );
    assert!(!parse(Dialect::Postgres, "SELECT \"my function\"()").effect().reads);
    assert!(!parse(Dialect::Postgres, "SELECT 'DEFERRED'").effect().deferrable);
    assert!(parse(Dialect::MySql, "CALL p(1)").effect().opaque);
    assert!(parse(Dialect::MySql, "EXECUTE x").effect().opaque);
    assert!(!parse(Dialect::Postgres, "CALL p(1)").effect().opaque);
}

#[test]
fn r6_what_a_replica_can_answer() {
    let (pg, my) = (Dialect::Postgres, Dialect::MySql);
    for sql in [
        "SELECT 1",
        "SELECT share, forename FROM t WHERE update_time > :then",
        "WITH x AS (SELECT count(*) FROM t) SELECT * FROM x",
        "VALUES (1)",
        "(SELECT a FROM t) UNION (SELECT 'for update')",
    ] {
        for dialect in STANDARD {
            assert!(parse(dialect, sql).fits_replica(false), "{dialect}: {sql}");
        }
    }
    for sql in [
        "INSERT INTO t VALUES (1)",
        "WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SELECT * INTO t2 FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT * FROM t FOR SHARE",
        "SELECT * FROM t FOR KEY SHARE",
        "SELECT * FROM (SELECT * FROM t FOR UPDATE) AS s",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "SELECT 1; SELECT 2",
        "SHOW work_mem",
        "EXPLAIN SELECT 1",
        "PRAGMA user_version",
        "BEGIN",
        "SET x = 1",
        "",
    ] {
        for dialect in STANDARD {
            for trusting in [false, true] {
                assert!(!parse(dialect, sql).fits_replica(trusting), "{dialect}: {sql}");
            }
        }
    }
    // The effect of a function is unknown, unless its user vouches for it. Changes of the session are detected anyway.
    for (dialect, sql) in [(pg, "SELECT my_function(1)"), (my, "SELECT LAST_INSERT_ID()")] {
        let read = parse(dialect, sql);
        assert!(!read.fits_replica(false) && read.fits_replica(true), "{dialect}: {sql}");
    }
    for (dialect, sql) in [(pg, "SELECT pg_advisory_lock(1)"), (my, "SELECT GET_LOCK('x', 1)")] {
        assert!(!parse(dialect, sql).fits_replica(true), "{dialect}: {sql}");
    }
}

#[test]
fn what_a_commit_ends() {
    let local = |sql: &str| parse(Dialect::Postgres, sql).effect().local.clone();
    for (sql, expected) in [
        ("CREATE TEMP TABLE a (n int) ON COMMIT DROP", Local::Dropped("a".into())),
        (
            "create local temporary table if not exists pg_temp.\"B c\" on commit drop as select 1",
            Local::Dropped("\"B c\"".into()),
        ),
        (
            "CREATE TEMPORARY TABLE a (n int) ON COMMIT DELETE ROWS",
            Local::Emptied("a".into()),
        ),
        ("DECLARE c NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1", Local::Cursor),
    ] {
        assert_eq!(local(sql), [expected], "{sql}");
    }
    for sql in [
        "CREATE TEMP TABLE a (n int) ON COMMIT PRESERVE ROWS",
        "CREATE TABLE a (n int)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "SELECT 'CREATE TEMP TABLE a () ON COMMIT DROP'",
    ] {
        assert_eq!(local(sql), [], "{sql}");
    }
}

#[test]
fn definitions_of_code_are_known_from_those_of_tables_found_w9() {
    let defines = |dialect, sql: &str| parse(dialect, sql).effect().defines_code;
    for sql in [
        "CREATE OR REPLACE VIEW v AS SELECT f()",
        "create function f() returns int language sql as 'select 1'",
        "CREATE RULE r AS ON SELECT TO t DO INSTEAD SELECT 1",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t RENAME TO v",
        "CREATE EXTENSION dblink",
        "DO $$ BEGIN CREATE VIEW v AS SELECT 1; END $$",
        "SELECT 1; CREATE POLICY p ON t USING (f())",
    ] {
        assert!(defines(Dialect::Postgres, sql), "{sql}");
        assert!(!defines(Dialect::Sqlite, sql), "{sql}");
    }
    for sql in [
        "CREATE TABLE t (n int)",
        "CREATE INDEX i ON t (n)",
        "DROP VIEW v",
        "INSERT INTO view VALUES (1)",
        "SELECT 'CREATE VIEW'",
    ] {
        assert!(!defines(Dialect::Postgres, sql), "{sql}");
    }
}

#[test]
fn m2_a_copy_out_reads_as_its_query_does() {
    let reads = |sql: &str, direction| {
        Template::copying(Dialect::Postgres, sql, direction)
            .unwrap()
            .effect()
            .reads
    };
    for (sql, only) in [
        ("COPY t TO STDOUT", true),
        ("COPY a.t (x, y) TO STDOUT (FORMAT csv, HEADER)", true),
        ("copy (select a from t where b in (1, 2)) to stdout", true),
        ("COPY (INSERT INTO t VALUES (1) RETURNING a) TO STDOUT", false),
        ("COPY (SELECT my_function()) TO STDOUT", false),
    ] {
        assert_eq!(reads(sql, CopyDirection::Out), only, "{sql}");
    }
    assert!(!reads("COPY t (a, b) FROM STDIN", CopyDirection::In));
    assert!(!reads("COPY public.from FROM STDIN", CopyDirection::In));
    assert!(!reads("COPY \"to\" FROM STDIN WHERE a > 1", CopyDirection::In));
    for (sql, direction) in [
        ("COPY t FROM '/a/file'", CopyDirection::In),
        ("COPY t (stdin) FROM '/a/file'", CopyDirection::In),
        ("COPY t FROM PROGRAM 'stdin' WHERE stdin = 1", CopyDirection::In),
        ("COPY (SELECT 1 AS stdout) TO PROGRAM 'cat'", CopyDirection::Out),
        ("COPY t TO STDOUT", CopyDirection::In),
        ("COPY t FROM STDIN", CopyDirection::Out),
        ("COPY t FROM STDIN; SELECT 1", CopyDirection::In),
        ("SELECT 1", CopyDirection::Out),
    ] {
        assert!(Template::copying(Dialect::Postgres, sql, direction).is_err(), "{sql}");
    }
}
