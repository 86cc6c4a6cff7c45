//! Conflicts and ended sessions in a sandbox.

use std::time::Duration;

use ebbtide::{Database, ErrorKind, Result};
use tokio::time::sleep;

use super::outer_transaction::{begun, broken};
use super::sandbox::seen;
use super::tasks::{add, config, kept, list, notes, notes_with, soon};
use crate::support::{SideConnection, Test, cases};

/// Commits two notes and many more, and opens another session that is to lock them and has much to lose.
async fn rivals(t: &Test, parent: &Database) -> SideConnection {
    parent
        .execute(
            t.sql("insert into {notes} (id, body) values (1001, 'one'), (1002, 'two')"),
            (),
        )
        .await
        .expect("two notes");
    let many: Vec<_> = (1100..1200).map(|id| format!("({id}, 'n{id}')")).collect();
    let many = t.sql(&format!("insert into {{notes}} (id, body) values {}", many.join(", ")));
    parent.execute(many, ()).await.expect("many notes");
    t.observer().await
}

cases! {
    #[only(mysql)]
    async fn f7_a_deadlock_on_mysql_breaks_the_sandbox_and_says_so(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let mut rival = rivals(&t, &parent).await;
        for inside in [false, true] {
            let sandbox = parent.sandbox().await?;
            sandbox.execute(t.sql("update {notes} set body = 'sandboxed' where id = 1001"), ()).await?;
            let heavy = t.words("start transaction; update {notes} set body = concat(body, 'x') where id >= 1002");
            rival.execute(&heavy).await.expect("the rival locks");
            let (blocked, sql) = (t.words("update {notes} set body = 'rival' where id = 1001"), t.sql("update {notes} set body = 'x' where id = 1002"));
            let waiting = tokio::spawn(async move {
                let done = rival.execute(&blocked).await;
                (rival, done)
            });
            let result = if inside {
                let transaction = sandbox.transaction().await?;
                let result = soon("the statement", transaction.execute(sql, ())).await;
                soon("the commit", transaction.commit()).await.expect_err("it is gone");
                result
            } else {
                soon("the statement", sandbox.execute(sql, ())).await
            };
            let done;
            (rival, done) = soon("the rival", waiting).await.expect("no panic");
            done.expect("it goes on");
            rival.execute("rollback").await.expect("it rolls back");
            assert!(result.as_ref().is_err_and(ebbtide::Error::is_retryable), "{result:?}");
            broken(&t, &parent, &sandbox, result, "eadlock").await;
        }
        rival.close().await.expect("it leaves");
        Ok(())
    }

    #[only(postgres)]
    async fn f7_a_deadlock_on_postgres_leaves_the_sandbox_usable(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t).server_setting("deadlock_timeout", "100ms")).await;
        let mut rival = rivals(&t, &parent).await;
        let name = format!("rival {}", t.id());
        rival.execute(&format!("set deadlock_timeout = '30s'; set application_name = '{name}'")).await.expect("its settings");
        for inside in [false, true] {
            let sandbox = parent.sandbox().await?;
            sandbox.execute(t.sql("update {notes} set body = 'sandboxed' where id = 1001"), ()).await?;
            rival.execute(&t.words("begin; update {notes} set body = 'rival' where id = 1002")).await.expect("it locks");
            let (blocked, sql) = (t.words("update {notes} set body = 'rival too' where id = 1001"), t.sql("update {notes} set body = 'x' where id = 1002"));
            let waiting = tokio::spawn(async move {
                let done = rival.execute(&blocked).await;
                (rival, done)
            });
            let waits = format!("select count(*) from pg_stat_activity where application_name = '{name}' and wait_event_type = 'Lock'");
            for _ in 0..500 {
                if t.observe(&waits).await > 0 {
                    break;
                }
                sleep(Duration::from_millis(5)).await;
            }
            let error = if inside {
                let transaction = sandbox.transaction().await?;
                let result = soon("the statement", transaction.execute(sql, ())).await;
                soon("the commit", transaction.commit()).await.expect_err("it was aborted");
                result
            } else {
                soon("the statement", sandbox.execute(sql, ())).await
            }
            .expect_err("it is the victim");
            assert_eq!(error.sqlstate(), Some("40P01"), "{error:?}");
            assert!(error.is_retryable());
            assert!(seen(&t, &sandbox).await.contains("sandboxed"), "what it did before is there");
            sandbox.execute(add(&t, "after"), ()).await?;
            sandbox.disconnect().await?;
            let done;
            (rival, done) = soon("the rival", waiting).await.expect("no panic");
            done.expect("it goes on");
            rival.execute("rollback").await.expect("it rolls back");
        }
        rival.close().await.expect("it leaves");
        Ok(())
    }

    /// A session that the server ends.
    #[only(postgres, mysql)]
    async fn f7_a_session_killed_by_the_server_breaks_the_sandbox(t: Test) -> Result<()> {
        let (parent, sandbox) = begun(&t).await;
        let sql = if t.backend().is_postgres() { "select pg_backend_pid()::bigint" } else { "select cast(connection_id() as signed)" };
        let pid: i64 = sandbox.fetch_value(sql, ()).await?;
        crate::support::kill_backend(&t.side_url(), pid).await.expect("it is killed");
        let result = soon("the statement", sandbox.execute(add(&t, "a"), ())).await;
        result.expect_err("the session is gone");
        let later = soon("a later one", sandbox.execute(add(&t, "a"), ())).await.expect_err("it is broken");
        assert_eq!(later.kind(), ErrorKind::SandboxBroken, "{later:?}");
        soon("its end", sandbox.disconnect()).await?;
        Database::connect(&sandbox).await?;
        assert_eq!(soon("a new one", sandbox.fetch_value::<String>(list(&t), ())).await?, "");
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }
}
