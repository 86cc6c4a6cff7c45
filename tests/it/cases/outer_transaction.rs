//! Statements that would end the outer transaction of a sandbox: nothing escapes silently.

use ebbtide::{Database, ErrorKind, Result};
use futures::FutureExt as _;

use super::sandbox::seen;
use super::tasks::{add, count, kept, kind, notes, soon};
use crate::support::{Test, cases};

/// Returns a sandbox that holds the note `before`.
pub(super) async fn begun(t: &Test) -> (Database, Database) {
    let parent = notes(t).await;
    let sandbox = parent.sandbox().await.expect("a sandbox");
    sandbox.execute(add(t, "before"), ()).await.expect("a note");
    (parent, sandbox)
}

/// Asserts that statements are refused before they are sent, and that nothing is lost by it.
async fn refused(t: &Test, parent: &Database, sandbox: &Database, statements: &[String]) {
    for (number, sql) in statements.iter().enumerate() {
        let sql = || t.sql(sql);
        let plain = sandbox.execute(sql(), ()).await.err().map(|error| error.to_string());
        assert!(
            plain.as_ref().is_some_and(|error| error.contains("not sent")),
            "{:?}: {plain:?}",
            sql().0
        );
        let fetched = sandbox.fetch_all(sql(), ()).await.err().map(|error| error.to_string());
        assert!(
            fetched.as_ref().is_some_and(|error| error.contains("not sent")),
            "{:?}: {fetched:?}",
            sql().0
        );
        let connection = sandbox.connection();
        connection
            .execute(sql(), ())
            .await
            .expect_err("it is refused on a connection");
        drop(connection);
        let transaction = sandbox.transaction().await.expect("it begins");
        transaction.execute(add(t, number), ()).await.expect("a note");
        let inside = transaction
            .execute(sql(), ())
            .await
            .err()
            .map(|error| error.to_string());
        assert!(
            inside.as_ref().is_some_and(|error| error.contains("not sent")),
            "{:?}: {inside:?}",
            sql().0
        );
        transaction.commit().await.expect("it commits");
        assert_eq!(
            sandbox.fetch_value::<i64>(count(t), ()).await.expect("a count"),
            2 + number as i64,
            "{:?}",
            sql().0
        );
        assert_eq!(kept(t, parent).await, "", "{:?}", sql().0);
    }
    sandbox.disconnect().await.expect("it ends");
    assert_eq!(kept(t, parent).await, "");
}

/// Asserts that a statement failed and broke its sandbox, and that later calls report why.
pub(super) async fn broken<T: std::fmt::Debug>(
    t: &Test,
    parent: &Database,
    sandbox: &Database,
    result: Result<T>,
    why: &str,
) {
    let error = result.expect_err("the guilty statement fails");
    assert!(error.to_string().contains(why), "{why}: {error}");
    for _ in 0..2 {
        let later = soon("a later statement", sandbox.execute(add(t, "later"), ()))
            .await
            .expect_err("it is broken");
        assert_eq!(later.kind(), ErrorKind::SandboxBroken, "{later:?}");
        assert!(later.to_string().contains(why), "{why}: {later}");
    }
    let later = soon("a transaction", sandbox.transaction())
        .await
        .expect_err("it is broken");
    assert_eq!(later.kind(), ErrorKind::SandboxBroken, "{later:?}");
    let later = soon("a read", sandbox.fetch_value::<i64>(count(t), ()))
        .await
        .expect_err("it is broken");
    assert_eq!(later.kind(), ErrorKind::SandboxBroken, "{later:?}");
    // The sandbox can be connected again, and others are unaffected.
    soon("its end", sandbox.disconnect()).await.expect("it ends");
    Database::connect(sandbox).await.expect("it begins again");
    assert!(!seen(t, sandbox).await.contains("later"));
    let next = parent.sandbox().await.expect("another");
    soon("another", next.execute(add(t, "next"), ()))
        .await
        .expect("it is usable");
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn f7_text_that_begins_or_ends_a_transaction_is_refused(t: Test) {
        let (parent, sandbox) = begun(&t).await;
        let mut statements = vec![
            "commit", "ROLLBACK", "begin", "  Commit ;", "/* a remark */ commit", "-- a remark\nrollback",
            "select 1; commit", "insert into {notes} (body) values ('lost'); rollback", "commit; select 1", ";;commit",
        ];
        statements.extend(match t.backend().family() {
            "postgres" => &[
                "abort", "end", "start transaction", "begin isolation level serializable", "commit and chain",
                "rollback work", "end transaction", "prepare transaction 'x'", "commit work",
            ][..],
            "mysql" => &["start transaction", "start transaction read only", "begin work", "commit work", "xa start 'x'",
                "rollback and chain", "start transaction with consistent snapshot", "commit release"],
            _ => &["end", "begin immediate", "begin exclusive transaction", "end transaction", "commit transaction"],
        });
        let statements: Vec<_> = statements.into_iter().map(str::to_owned).collect();
        refused(&t, &parent, &sandbox, &statements).await;
    }

    #[only(mysql)]
    async fn f7_what_commits_implicitly_on_mysql_is_refused_before_it_is_sent(t: Test) {
        let (parent, sandbox) = begun(&t).await;
        let statements = [
            "create table {made} (n int)", "create table if not exists {made} (n int)", "create or replace table {made} (n int)",
            "CREATE TABLE {made} AS SELECT 1", "create index made on {notes} (body)", "create view {made} as select 1",
            "alter table {notes} add column n int", "drop table if exists {made}", "drop index made on {notes}",
            "truncate table {notes}", "truncate {notes}", "rename table {notes} to {made}", "lock tables {notes} write",
            "set autocommit = 1", "set @@autocommit = 1", "set session autocommit = on", "set @@session.autocommit=1",
            "set @a = 1, autocommit = 1", "set autocommit := 0", "grant select on {notes} to nobody", "flush tables",
            "analyze table {notes}", "optimize table {notes}", "create database {made}", "drop database if exists {made}",
            "create user {made}", "drop user if exists {made}", "create procedure {made}() begin select 1; end",
            "drop procedure if exists {made}", "create trigger {made} before insert on {notes} for each row set @a = 1",
            "alter user current_user() identified by 'x'", "set password = ''", "create or replace view {made} as select 1",
            "/* remark */ create table {made} (n int)", "create /* temporary */ table {made} (n int)",
            "create function {made}() returns int return 1", "drop view if exists {made}",
            "select 1; create table {made} (n int)", "/*!create table {made} (n int) */", "/*!50000 commit */",
            "create unique index made on {notes} (body)", "alter database test character set utf8mb4",
        ];
        let own = if t.backend().is_mysql_itself() {
            ["import table from 'x.sdi'", "/*!80000 drop table {notes} */"]
        } else {
            ["create sequence {made}", "/*M! drop table {notes} */"]
        };
        let statements: Vec<_> = statements.into_iter().chain(own).map(str::to_owned).collect();
        refused(&t, &parent, &sandbox, &statements).await;
    }

    #[only(mysql)]
    async fn f7_temporary_tables_commit_nothing_and_are_let_pass(t: Test) -> Result<()> {
        let (parent, sandbox) = begun(&t).await;
        let replaced = if t.backend().is_mysql_itself() {
            "create temporary table {scratch} (n int)"
        } else {
            "create or replace temporary table {scratch} (n int)"
        };
        for sql in [
            "create temporary table {scratch} (n int)", "insert into {scratch} values (1)", "drop temporary table {scratch}",
            "create temporary table if not exists {scratch} as select 1 as n", "drop temporary table if exists {scratch}",
            replaced, "CREATE /* x */ TEMPORARY TABLE {other} LIKE {notes}",
            "set @a = 1", "set session sql_mode = ''", "set names utf8mb4",
        ] {
            sandbox.execute(t.sql(sql), ()).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(kept(&t, &parent).await, "", "{sql}");
        }
        assert_eq!(seen(&t, &sandbox).await, "before");
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }

    /// The effects of a procedure are seen only after it has run.
    #[only(mysql)]
    async fn f7_a_procedure_that_commits_breaks_the_sandbox(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let bodies = [
            ("commits", "commit"),
            ("rolls_back", "rollback"),
            ("begins_again", "commit; start transaction"),
            ("makes_a_table", "create table if not exists {made} (n int)"),
            ("fails_after_it", "commit; signal sqlstate '45000'"),
        ];
        let mut escaped = Vec::new();
        for (name, body) in bodies {
            t.observe_exec(&format!("create procedure {{{name}}}() begin {body}; end")).await;
            for inside in [false, true] {
                let sandbox = parent.sandbox().await?;
                sandbox.execute(add(&t, "before"), ()).await?;
                let call = t.sql(&format!("call {{{name}}}()"));
                let result = if inside {
                    let transaction = sandbox.transaction().await?;
                    let result = transaction.execute(call, ()).await;
                    drop(transaction);
                    result
                } else {
                    sandbox.execute(call, ()).await
                };
                // The rows it committed cannot be undone, but the commit is reported.
                t.observe_exec("delete from {notes}").await;
                let judged = std::panic::AssertUnwindSafe(broken(&t, &parent, &sandbox, result, if name == "fails_after_it" { "" } else { "call" }));
                if judged.catch_unwind().await.is_err() {
                    escaped.push(format!("{name}, {}", if inside { "in a transaction" } else { "outside" }));
                }
                sandbox.disconnect().await?;
                t.observe_exec("delete from {notes}").await;
            }
            t.observe_exec(&format!("drop procedure {{{name}}}")).await;
        }
        assert!(escaped.is_empty(), "unnoticed: {escaped:?}");
        Ok(())
    }

    #[only(mysql)]
    async fn f7_a_procedure_that_leaves_the_transaction_alone_is_fine(t: Test) -> Result<()> {
        let (parent, sandbox) = begun(&t).await;
        t.observe_exec("create procedure {adds}() begin insert into {notes} (body) values ('called'); end").await;
        let called = sandbox.execute(t.sql("call {adds}()"), ()).await;
        let transaction = sandbox.transaction().await?;
        let again = transaction.execute(t.sql("call {adds}()"), ()).await;
        transaction.rollback().await?;
        called?;
        assert_eq!(kind(&again), Some(ErrorKind::Constraint), "it is there already");
        assert_eq!(seen(&t, &sandbox).await, "before,called");
        sandbox.disconnect().await?;
        // MySQL keeps it from being dropped as long as a transaction is open that has called it.
        t.observe_exec("drop procedure {adds}").await;
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }

    /// Statements that contain others, as MariaDB supports them.
    #[only(mysql)]
    async fn f7_statements_that_hold_others_do_not_commit_silently(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let mut escaped = Vec::new();
        for sql in [
            "begin not atomic commit; end", "execute immediate 'commit'", "if 1 = 1 then commit; end if",
            "execute immediate 'create or replace table {made} (n int)'", "execute immediate concat('com', 'mit')",
            "set statement max_statement_time = 9 for commit", "case 1 when 1 then commit; end case",
            "set statement max_statement_time = 9 for create or replace table {made} (n int)",
            "while (select count(*) from {notes}) < 0 do commit; end while", "loop_it: loop commit; leave loop_it; end loop",
        ] {
            let sandbox = parent.sandbox().await?;
            sandbox.execute(add(&t, "before"), ()).await?;
            let result = sandbox.execute(t.sql(sql), ()).await;
            if !kept(&t, &parent).await.is_empty() && (result.is_ok() || kind(&sandbox.execute("select 1", ()).await).is_none()) {
                escaped.push(sql);
            }
            sandbox.disconnect().await?;
            t.observe_exec("delete from {notes}").await;
        }
        assert!(escaped.is_empty(), "unnoticed: {escaped:?}");
        Ok(())
    }

    #[only(sqlite)]
    async fn f7_or_rollback_breaks_the_sandbox_and_says_so(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let trigger = "create trigger no_x before insert on {notes} when new.body = 'x' begin select raise(rollback, 'no x here'); end";
        parent.execute(t.sql(trigger), ()).await?;
        for sql in ["insert or rollback into {notes} (body) values ('before')", "insert into {notes} (body) values ('x')"] {
            for inside in [false, true] {
                let sandbox = parent.sandbox().await?;
                sandbox.execute(add(&t, "before"), ()).await?;
                let guilty = t.sql(sql);
                let result = if inside {
                    let transaction = sandbox.transaction().await?;
                    let result = transaction.execute(guilty, ()).await;
                    assert!(transaction.commit().await.is_err());
                    result
                } else {
                    sandbox.execute(guilty, ()).await
                };
                let why = if sql.contains("or rollback") { "UNIQUE" } else { "no x here" };
                broken(&t, &parent, &sandbox, result, why).await;
            }
        }
        // Other ways to resolve a conflict do not end the transaction.
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "before"), ()).await?;
        for word in ["abort", "fail"] {
            let sql = t.sql(&format!("insert or {word} into {{notes}} (body) values ('before')"));
            assert_eq!(kind(&sandbox.execute(sql, ()).await), Some(ErrorKind::Constraint));
        }
        sandbox.execute(t.sql("insert or ignore into {notes} (body) values ('before')"), ()).await?;
        sandbox.execute(t.sql("insert or replace into {notes} (body) values ('before')"), ()).await?;
        assert_eq!(seen(&t, &sandbox).await, "before");
        Ok(())
    }

    /// A procedure, or a block, on PostgreSQL cannot end the transaction that calls it; the sandbox continues.
    #[only(postgres)]
    async fn f7_postgres_refuses_what_would_end_it_from_inside(t: Test) -> Result<()> {
        let (parent, sandbox) = begun(&t).await;
        t.observe_exec("create procedure {commits}() language plpgsql as $$ begin commit; end $$").await;
        for sql in ["do $$ begin commit; end $$", "do $$ begin rollback; end $$", "call {commits}()"] {
            sandbox.execute(t.sql(sql), ()).await.expect_err("the server refuses it");
            assert_eq!(seen(&t, &sandbox).await, "before", "{sql}");
        }
        for sql in ["vacuum {notes}", "create index concurrently {made} on {notes} (body)", "create database {made}"] {
            let error = sandbox.execute(t.sql(sql), ()).await.expect_err("the server refuses it");
            assert_eq!(error.sqlstate(), Some("25001"), "{sql}: {error:?}");
            assert_eq!(seen(&t, &sandbox).await, "before", "{sql}");
        }
        t.observe_exec("drop procedure {commits}").await;
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }

    /// Savepoints written by hand belong to the application, as long as it does not touch those of the library.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f7_savepoints_as_text_work(t: Test) -> Result<()> {
        let (parent, sandbox) = begun(&t).await;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        transaction.execute("savepoint mine", ()).await?;
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.execute("rollback to savepoint mine", ()).await?;
        transaction.execute("release savepoint mine", ()).await?;
        transaction.commit().await?;
        assert_eq!(seen(&t, &sandbox).await, "a,before");
        // Outside of a transaction they have no meaning on a server, and must not affect anything else.
        assert_eq!(kind(&sandbox.execute("savepoint mine", ()).await), Some(ErrorKind::Refused));
        sandbox.execute(add(&t, "c"), ()).await?;
        assert_eq!(kind(&sandbox.execute("rollback to savepoint mine", ()).await), Some(ErrorKind::Refused));
        assert_eq!(seen(&t, &sandbox).await, "a,before,c");
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }
}
