//! Locks that others hold, met inside a sandbox: a statement that waited too long fails alone, and may be run again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, Result};
use futures::FutureExt as _;
use tokio::sync::Mutex;

use super::sandbox::seen;
use super::tasks::{add, config, kept, kind, notes_with, soon};
use crate::support::{SideConnection, Test, cases};

/// Returns a database with a note that another session has locked, and which waits for locks only a moment.
async fn locked(t: &Test) -> (Database, SideConnection) {
    let config = config(t);
    let config = if t.backend().is_postgres() {
        config.server_setting("lock_timeout", "50ms")
    } else {
        config.server_setting("innodb_lock_wait_timeout", "1")
    };
    let parent = notes_with(t, config).await;
    let insert = t.sql("insert into {notes} (id, body) values (1001, 'one'), (1002, 'two')");
    parent.execute(insert, ()).await.expect("two notes");
    let mut rival = t.observer().await;
    lock(t, &mut rival).await;
    (parent, rival)
}

async fn lock(t: &Test, rival: &mut SideConnection) {
    let sql = t.words("begin; update {notes} set body = 'locked' where id = 1001");
    rival.execute(&sql).await.expect("it locks");
}

fn change(t: &Test) -> AssertSqlSafe<String> {
    t.sql("update {notes} set body = 'changed' where id = 1001")
}

cases! {
    #[only(postgres, mysql)]
    async fn f5_a_lock_timeout_undoes_its_statement_alone(t: Test) -> Result<()> {
        let (parent, mut rival) = locked(&t).await;
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "before"), ()).await?;
        let error = soon("the statement", sandbox.execute(change(&t), ())).await.expect_err("it is locked");
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(seen(&t, &sandbox).await, "before,one,two");

        // In a transaction the server decides the effect, and the sandbox continues.
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "inside"), ()).await?;
        let failed = soon("the statement", transaction.execute(change(&t), ())).await;
        assert_eq!(kind(&failed), Some(ErrorKind::LockTimeout), "{failed:?}");
        let committed = transaction.commit().await;
        drop(transaction);
        if t.backend().is_postgres() {
            assert_eq!(kind(&committed), Some(ErrorKind::TransactionAborted));
            assert_eq!(seen(&t, &sandbox).await, "before,one,two");
        } else {
            committed?;
            assert_eq!(seen(&t, &sandbox).await, "before,inside,one,two");
        }
        rival.execute("rollback").await.expect("it lets go");
        soon("the statement", sandbox.execute(change(&t), ())).await?;
        assert!(seen(&t, &sandbox).await.contains("before,changed"));
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "one,two");
        rival.close().await.expect("it leaves");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x10_in_a_sandbox_a_lock_timeout_is_run_again(t: Test) -> Result<()> {
        let (parent, rival) = locked(&t).await;
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "before"), ()).await?;
        let (rival, attempts) = (Mutex::new(rival), AtomicUsize::new(0));
        let ran = sandbox.transaction().retry().backoff(Duration::from_millis(1)).run(async |transaction| {
            if attempts.fetch_add(1, Ordering::Relaxed) == 1 {
                rival.lock().await.execute("rollback").await.expect("it lets go");
            }
            transaction.execute(add(&t, "inside"), ()).await?;
            transaction.execute(change(&t), ()).await?;
            Ok::<_, Error>(())
        });
        soon("the transaction", ran).await?;
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
        assert_eq!(seen(&t, &sandbox).await, "before,changed,inside,two", "the first attempt left nothing");

        // Inside another one it runs once.
        sandbox.disconnect().await?;
        lock(&t, &mut *rival.lock().await).await;
        let sandbox = parent.sandbox().await?;
        let outer = sandbox.transaction().await?;
        attempts.store(0, Ordering::Relaxed);
        let ran = sandbox.transaction().retry().run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(change(&t), ()).await
        });
        assert_eq!(kind(&soon("the transaction", ran).await), Some(ErrorKind::LockTimeout));
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
        outer.execute(add(&t, "outer"), ()).await?;
        outer.commit().await?;
        drop(outer);
        assert_eq!(seen(&t, &sandbox).await, "one,outer,two");
        let mut rival = rival.into_inner();
        rival.execute("rollback").await.expect("it lets go");
        rival.close().await.expect("it leaves");
        Ok(())
    }

    /// A deadlock loses the whole sandbox, and a second attempt cannot restore it.
    #[only(mysql)]
    async fn x10_in_a_sandbox_a_deadlock_is_not_run_again(t: Test) -> Result<()> {
        let (parent, mut rival) = locked(&t).await;
        rival.execute("rollback").await.expect("it lets go");
        let many: Vec<_> = (1100..1200).map(|id| format!("({id}, 'n{id}')")).collect();
        parent.execute(t.sql(&format!("insert into {{notes}} (id, body) values {}", many.join(", "))), ()).await?;
        let sandbox = parent.sandbox().await?;
        let (attempts, blocked) = (AtomicUsize::new(0), t.words("update {notes} set body = 'rival' where id = 1001"));
        let heavy = t.words("start transaction; update {notes} set body = concat(body, 'x') where id >= 1002");
        rival.execute(&heavy).await.expect("it locks");
        let rival = Mutex::new(Some(rival));
        let ran = sandbox.transaction().retry().run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(change(&t), ()).await?;
            let waiting = rival.lock().await.take().map(|mut rival| {
                let blocked = blocked.clone();
                tokio::spawn(async move {
                    rival.execute(&blocked).await.expect("it goes on");
                    rival.execute("rollback").await.expect("it lets go");
                })
            });
            let done = transaction.execute(t.sql("update {notes} set body = 'x' where id = 1002"), ()).await;
            if let Some(waiting) = waiting {
                soon("the rival", waiting).await.expect("no panic");
            }
            done
        });
        let error = soon("the transaction", ran).await.expect_err("it is the victim");
        assert_eq!(error.kind(), ErrorKind::Deadlock, "{error:?}");
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
        let later = sandbox.execute(add(&t, "later"), ()).await.expect_err("the sandbox is gone");
        assert_eq!(later.kind(), ErrorKind::SandboxBroken);
        assert!(later.to_string().contains("eadlock"), "{later}");
        Ok(())
    }

    /// A file has one writer; a sandbox on the file itself waits for its turn, and may try again.
    #[only(sqlite_file)]
    async fn f7_a_locked_file_is_a_lock_timeout_and_no_end(t: Test) -> Result<()> {
        let config = config(&t).busy_timeout(Duration::from_millis(20));
        let parent = notes_with(&t, config.clone()).await;
        let forced = Database::connect(config.force_rollback(true)).await?;
        let mut rival = t.observer().await;
        rival.execute(&t.words("begin immediate; insert into {notes} (body) values ('rival')")).await.expect("it locks");
        for _ in 0..2 {
            let error = soon("a statement", forced.execute(add(&t, "a"), ())).await.expect_err("it is locked");
            assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
            assert!(error.is_retryable());
        }
        // A copy is not shared.
        let sandbox = parent.sandbox().await?;
        soon("a sandbox with a copy", sandbox.execute(add(&t, "a"), ())).await?;
        let attempts = AtomicUsize::new(0);
        let retried = forced.transaction().retry().attempts(1000).backoff(Duration::from_millis(1)).run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(add(&t, "again"), ()).await
        });
        let mut retried = Box::pin(retried);
        assert!((&mut retried).now_or_never().is_none());
        rival.execute("rollback").await.expect("it lets go");
        soon("the transaction", retried).await?;
        assert_eq!(attempts.load(Ordering::Relaxed), 1, "it could not begin before");
        assert_eq!(seen(&t, &forced).await, "again");
        forced.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "");
        rival.close().await.expect("it leaves");
        Ok(())
    }
}
