use super::super::control::{Defines, Verb};
use super::super::{Control, Product, SeenServer, Server, Setting, SqlMode, TemplateCache};
use super::*;

fn control(dialect: Dialect, sql: &str) -> Control {
    parse(dialect, sql).control()
}

#[test]
fn control_is_read_on_every_dialect() {
    for dialect in STANDARD {
        for (sql, expected) in [
            ("SELECT 1", Control::None),
            ("", Control::None),
            ("begin", Control::Begin),
            ("/* c */ BEGIN IMMEDIATE", Control::Begin),
            ("START TRANSACTION READ ONLY", Control::Begin),
            (" -- c\n COMMIT", Control::Commit),
            ("COMMIT AND CHAIN", Control::Commit),
            (";; COMMIT ;", Control::Commit),
            ("ROLLBACK", Control::Rollback),
            ("ROLLBACK WORK", Control::Rollback),
            ("SAVEPOINT s", Control::Savepoint),
            ("ROLLBACK TO s", Control::Savepoint),
            ("ROLLBACK TRANSACTION TO SAVEPOINT s", Control::Savepoint),
            ("ROLLBACK WORK TO s", Control::Savepoint),
            ("RELEASE SAVEPOINT s", Control::Release),
            ("SELECT 'COMMIT'; SELECT 1 -- ; COMMIT", Control::None),
            ("SELECT 1; BEGIN; SELECT 2", Control::Begin),
            ("BEGIN; INSERT INTO t VALUES (1); COMMIT", Control::Commit),
            ("COMMIT; BEGIN", Control::Commit),
            ("SAVEPOINT a; ROLLBACK; SAVEPOINT b", Control::Rollback),
            ("UPDATE t SET commit = 1", Control::None),
        ] {
            assert_eq!(control(dialect, sql), expected, "{dialect}: {sql}");
        }
    }
}

#[test]
fn each_dialect_has_words_of_its_own() {
    let (pg, my, lite) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite);
    assert_eq!(control(pg, "END"), Control::Commit);
    assert_eq!(control(lite, "END TRANSACTION"), Control::Commit);
    assert_eq!(control(pg, "ABORT"), Control::Rollback);
    assert_eq!(control(pg, "PREPARE TRANSACTION 'x'"), Control::Commit);
    assert_eq!(control(pg, "COMMIT PREPARED 'x'"), Control::None);
    assert_eq!(control(pg, "PREPARE x AS SELECT 1"), Control::None);
    assert_eq!(control(my, "XA START 'x'"), Control::Begin);
    assert_eq!(control(my, "XA COMMIT 'x'"), Control::Commit);
    assert_eq!(control(my, "/*!40000 COMMIT */"), Control::Commit);
    assert_eq!(control(my, "/* COMMIT */"), Control::None);
    assert_eq!(control(my, "BEGIN NOT ATOMIC SELECT 1; COMMIT; END"), Control::None);
}

#[test]
fn mysql_commits_implicitly() {
    for sql in [
        "CREATE TABLE t (a int)",
        "CREATE OR REPLACE TABLE t (a int)",
        "DROP TABLE t",
        "ALTER TABLE t ADD b int",
        "TRUNCATE t",
        "LOCK TABLES t WRITE",
        "GRANT SELECT ON t TO u",
        "SET autocommit = 1",
        "SET @@session.autocommit=0",
        "SET a = 1, AUTOCOMMIT := 1",
        "ANALYZE TABLE t",
        "SELECT 1; RENAME TABLE a TO b",
        "BACKUP LOCK t",
        "CHECK VIEW v",
        "SET DEFAULT ROLE r FOR u",
        "START SLAVE",
        "CREATE TEMPORARY SEQUENCE s",
        "IMPORT TABLE FROM 't.sdi'",
        "CLONE LOCAL DATA DIRECTORY = 'd'",
        "SET @a = 1, PASSWORD = ''",
    ] {
        assert_eq!(control(Dialect::MySql, sql), Control::Implicit, "{sql}");
        assert_eq!(control(Dialect::Postgres, sql), Control::None, "{sql}");
        // SQLite takes `@session` for a parameter.
        if !sql.contains('@') {
            assert_eq!(control(Dialect::Sqlite, sql), Control::None, "{sql}");
        }
    }
    for sql in [
        "CREATE TEMPORARY TABLE t (a int)",
        "CREATE OR REPLACE TEMPORARY TABLE t (a int)",
        "DROP TEMPORARY TABLE t",
        "SET names utf8mb4",
        "SET @x = @@autocommit",
        "SET @autocommit = 0",
        "SET GLOBAL autocommit = 1",
        "SET ROLE r",
        "CHECKSUM TABLE t",
        "ANALYZE SELECT 1",
        "REPLACE INTO t VALUES (1)",
        "LOAD DATA INFILE 'f' INTO TABLE t",
        "SET @password = 1",
        "SET @a = 1, @password = 2",
        "DROP PREPARE p",
        "DEALLOCATE PREPARE p",
        "RESET PERSIST",
        "UNLOCK TABLES",
        "LOCK INSTANCE FOR BACKUP",
        "UNLOCK INSTANCE",
        "SET STATEMENT max_statement_time = 1 FOR SELECT 1",
    ] {
        assert_eq!(control(Dialect::MySql, sql), Control::None, "{sql}");
    }
}

#[test]
fn f7_each_product_has_statements_of_its_own_that_commit_found_e9() {
    let maria = Server::read(Product::MariaDb, "10.11.19-MariaDB").unwrap();
    let mysql = Server::read(Product::MySql, "9.7.4").unwrap();
    let implicit = |server, sql: &str| {
        let template = Template::parse_in(Dialect::MySql, SqlMode::default().on(server), sql).unwrap();
        template.control() == Control::Implicit
    };
    for (sql, on_maria, on_mysql) in [
        ("CREATE TABLE t (a int)", true, true),
        ("CREATE TEMPORARY SEQUENCE s", true, false),
        ("CREATE OR REPLACE TEMPORARY SEQUENCE s", true, false),
        ("BACKUP LOCK t", true, false),
        ("CHECK VIEW v", true, false),
        ("REPAIR LOCAL TABLE t", true, true),
        ("ANALYZE NO_WRITE_TO_BINLOG TABLE t", true, true),
        ("SET @a = (SELECT 1, 2), PASSWORD FOR u = 'x'", true, false),
        ("SET STATEMENT max_statement_time = 1 FOR DROP TABLE t", true, false),
        ("IMPORT TABLE FROM 't.sdi'", false, true),
        ("CLONE LOCAL DATA DIRECTORY = 'd'", false, true),
        ("CHANGE MASTER TO MASTER_HOST = 'h'", false, true),
        ("START REPLICA", false, true),
        ("CACHE INDEX t IN c", false, true),
        ("LOAD INDEX INTO CACHE t", false, true),
        ("RESET REPLICA", true, true),
        ("/*!80000 DROP TABLE t */", false, true),
        ("/*M! DROP TABLE t */", true, false),
        ("/*!100100 DROP TABLE t */", true, false),
    ] {
        assert_eq!(implicit(Some(maria), sql), on_maria, "MariaDB: {sql}");
        assert_eq!(implicit(Some(mysql), sql), on_mysql, "MySQL: {sql}");
        assert!(implicit(None, sql), "either: {sql}");
    }
}

#[test]
fn f7_a_text_is_read_again_for_the_server_that_is_seen_found_e9() {
    let seen = SeenServer::default();
    let cache = TemplateCache::new(Dialect::MySql, 8).on(seen.clone());
    let control = || cache.get("/*!80000 DROP TABLE t */").unwrap().control();
    assert_eq!(control(), Control::Implicit, "before the first connection");
    seen.set(Server::read(Product::MariaDb, "11.8.9-MariaDB").unwrap());
    assert_eq!(control(), Control::None);
    let kept = cache.get("SELECT 1").unwrap();
    assert!(std::sync::Arc::ptr_eq(&kept, &cache.get("SELECT 1").unwrap()));
    seen.set(Server::read(Product::MySql, "9.7.4").unwrap());
    assert_eq!(control(), Control::Implicit);
}

#[test]
fn x4_what_switches_autocommit_off_is_known_by_its_words_found_w2() {
    let switches = |sql: &str| parse(Dialect::MySql, sql).effect().switches;
    for sql in [
        "SET autocommit = 0",
        "set AUTOCOMMIT=off",
        "SET autocommit := 0",
        "SET autocommit = :v",
        "SET autocommit = ?",
        "SET autocommit = DEFAULT",
        "SET autocommit = 1 - 1",
        "SET autocommit = (SELECT 0)",
        "SET `autocommit` = 0",
        "SET SESSION autocommit = 0",
        "SET LOCAL autocommit = 0",
        "SET @@autocommit = 0",
        "SET @@session.autocommit = 0",
        "SET @@`autocommit` = 0",
        "SET @a = 1, autocommit = 0",
        "SET @a = (SELECT 1, 2), SESSION autocommit = 0",
        "SET @@global.max_connections = 9, autocommit = 0",
        "SET GLOBAL max_connections = 9, SESSION autocommit = 0",
        "SET STATEMENT autocommit = 0 FOR INSERT INTO t VALUES (1)",
        "SET STATEMENT max_statement_time = 1 FOR SET autocommit = 0",
        "INSERT INTO t VALUES (1); SET autocommit = 0; COMMIT",
        "BEGIN NOT ATOMIC SET autocommit = 0; END",
        "IF 1 THEN SET autocommit = 0; END IF",
        "/*!40101 SET autocommit = 0 */",
    ] {
        assert_eq!(switches(sql), Some(Setting::Autocommit), "{sql}");
        assert_eq!(parse(Dialect::Postgres, sql).effect().switches, None, "{sql}");
    }
    for sql in [
        "SET completion_type = 1",
        "SET completion_type = 'CHAIN'",
        "SET SESSION completion_type = RELEASE",
        "SET @@completion_type = :v",
    ] {
        assert_eq!(switches(sql), Some(Setting::CompletionType), "{sql}");
    }
    for sql in [
        "SET autocommit = 1",
        "SET autocommit = ON",
        "SET @@session.autocommit = 'on', completion_type = NO_CHAIN",
        "SET completion_type = 0",
        "SET @autocommit = 0",
        "SET @a = 1, @autocommit = 0",
        "SET @x = @@autocommit",
        "SET @x = (SELECT a FROM t WHERE autocommit = 0)",
        "SET GLOBAL autocommit = 0",
        "SET @@global.autocommit = 0",
        "SET PERSIST autocommit = 0",
        "SET GLOBAL max_connections = 9, autocommit = 0",
        "SELECT @@autocommit = 0",
        "UPDATE t SET autocommit = 0",
        "INSERT INTO t SET autocommit = 0",
        "SET NAMES utf8mb4",
        "SET TRANSACTION READ ONLY",
        "CREATE PROCEDURE p() BEGIN SET autocommit = 0; END",
    ] {
        assert_eq!(switches(sql), None, "{sql}");
    }
}

#[test]
fn the_body_of_a_trigger_is_not_a_script() {
    let trigger =
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = CASE WHEN 1 THEN 2 END; DELETE FROM u; END;";
    assert_eq!(control(Dialect::Sqlite, trigger), Control::None);
    assert_eq!(control(Dialect::Sqlite, &format!("{trigger} COMMIT")), Control::Commit);
    let procedure = "CREATE DEFINER=`a`@`b` PROCEDURE p() BEGIN IF 1 THEN COMMIT; END IF; CASE 1 WHEN 1 THEN SELECT 1; END CASE; END";
    assert_eq!(control(Dialect::MySql, procedure), Control::Implicit);
    let function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END";
    assert_eq!(control(Dialect::Postgres, function), Control::None);
    assert_eq!(
        control(
            Dialect::Postgres,
            "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)"
        ),
        Control::None
    );
}

#[test]
fn verbs_are_found_behind_common_tables() {
    for dialect in ALL {
        for (sql, verb) in [
            ("select 1", Verb::Select),
            ("((SELECT 1) UNION SELECT 2)", Verb::Select),
            (
                "WITH a AS (SELECT 1), b (c) AS (DELETE FROM t) INSERT INTO t SELECT 1",
                Verb::Insert,
            ),
            ("with recursive a as (select 1) update t set b = 1", Verb::Update),
            ("EXPLAIN DELETE FROM t", Verb::Explain),
            ("PRAGMA x", Verb::Pragma),
            ("CALL p()", Verb::Call),
            ("VACUUM", Verb::Other),
            ("", Verb::Other),
        ] {
            assert_eq!(parse(dialect, sql).verb(), verb, "{sql}");
        }
    }
}

#[test]
fn returning_is_found() {
    for dialect in ALL {
        assert!(parse(dialect, "INSERT INTO t (a) VALUES (:a) RETURNING id").has_returning());
        assert!(parse(dialect, "WITH x AS (SELECT 1) DELETE FROM t returning *;").has_returning());
        assert!(!parse(dialect, "INSERT INTO t (a) VALUES ('RETURNING')").has_returning());
        assert!(!parse(dialect, "SELECT returning FROM t").has_returning());
    }
}

#[test]
fn columns_that_depend_on_the_table_are_noticed() {
    let starred = |sql: &str| parse(Dialect::Sqlite, sql).statement().is_starred();
    for sql in [
        "SELECT * FROM t",
        "SELECT a, * FROM t",
        "select distinct * from t",
        "SELECT /* all */ t.* FROM t",
        "WITH a AS (SELECT * FROM t) SELECT 1",
        "INSERT INTO t VALUES (:a) RETURNING *",
        "SELECT 1; SELECT * FROM t",
        "SELECT * FROM t WHERE a IN (:list)",
    ] {
        assert!(starred(sql), "{sql}");
    }
    for sql in [
        "SELECT count(*) FROM t",
        "SELECT 2 * 3, a*b, (a)*b",
        "SELECT '*', \"*\" -- *",
        "DELETE FROM t",
    ] {
        assert!(!starred(sql), "{sql}");
    }
}

#[test]
fn definitions_are_noticed() {
    let defines = |sql: &str| parse(Dialect::Postgres, sql).statement().defines();
    for sql in [
        "DROP TABLE t; CREATE TABLE t (a int)",
        "ALTER TABLE t ADD a int",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE TABLE t (a int)",
        "SELECT 1; ALTER TABLE t DROP a",
        "DO $$ BEGIN EXECUTE 'x'; END $$",
    ] {
        assert_eq!(defines(sql), Defines::All, "{sql}");
    }
    for sql in [
        "CREATE TEMP TABLE t (a int)",
        "CREATE OR REPLACE TEMPORARY VIEW t AS SELECT 1",
        "DROP TABLE t",
    ] {
        assert_eq!(defines(sql), Defines::Own, "{sql}");
    }
    for sql in ["SELECT 'ALTER'", "INSERT INTO t VALUES (1)", "SET a = 1"] {
        assert_eq!(defines(sql), Defines::Nothing, "{sql}");
    }
}
