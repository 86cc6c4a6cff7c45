//! X4, F7: the real causes: deadlocks, lock wait time-outs, cancelled queries, killed sessions and session time-outs.

use ebbtide::{AssertSqlSafe, Database, Result, Transaction};
use tokio::task::JoinHandle;

use super::{End, Environment, Stage};
use crate::cases::failure::until_busy;
use crate::cases::tasks::{add, notes, soon};
use crate::support::{OwnMariaServer, SideConnection, Test, cases, kill_backend, until};

/// The cause of the failure of a statement in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Deadlock,
    LockTimeout,
    QueryKilled,
    SessionKilled,
    /// PostgreSQL ends sessions that are idle in a transaction.
    Idle,
    /// PostgreSQL checks some constraints at the commit.
    Deferred,
}

/// Opens another session, which locks all rows except the first.
async fn other(t: &Test) -> SideConnection {
    let mut other = t.observer().await;
    let begin = if t.backend().is_postgres() {
        // The other one is not to find the deadlock.
        "begin; set local deadlock_timeout = '60s'"
    } else {
        "start transaction"
    };
    other.execute(begin).await.unwrap();
    other
        .execute(&t.words("update {locked} set n = 2 where id > 1"))
        .await
        .unwrap();
    other
}

/// The other one goes for the first row; it goes on when the transaction that has it is undone.
async fn crosses(t: &Test, mut other: SideConnection) -> JoinHandle<()> {
    let pid = if t.backend().is_postgres() {
        Some(other.number("select pg_backend_pid()::bigint").await.unwrap())
    } else {
        None
    };
    let sql = t.words("update {locked} set n = 2 where id = 1");
    let task = tokio::spawn(async move {
        other.execute(&sql).await.expect("it is not the victim");
        other.execute("rollback").await.expect("it is there");
        other.close().await.expect("it leaves");
    });
    // InnoDB finds the deadlock with the second session, whichever it is, and ends the one that has changed less.
    // PostgreSQL looks for one after a session has waited for a while, and only once.
    if let Some(pid) = pid {
        let waits = format!("select count(*) from pg_locks where not granted and pid = {pid}");
        until(async || t.observe(&waits).await > 0).await;
    }
    task
}

async fn pid(t: &Test, transaction: &Transaction) -> i64 {
    let sql = if t.backend().is_postgres() {
        "select pg_backend_pid()::bigint"
    } else {
        "select cast(connection_id() as signed)"
    };
    transaction
        .fetch_value(AssertSqlSafe(sql.to_owned()), ())
        .await
        .expect("its number")
}

impl Cause {
    fn all(t: &Test) -> Vec<Self> {
        let mut all = vec![
            Self::Deadlock,
            Self::LockTimeout,
            Self::QueryKilled,
            Self::SessionKilled,
        ];
        if t.backend().is_postgres() {
            all.extend([Self::Idle, Self::Deferred]);
        }
        all
    }

    /// Has a statement of `transaction` fail for this cause, or its commit. The other one of a deadlock waits for its end.
    async fn strike(self, t: &Test, transaction: &Transaction) -> (Result<()>, Option<JoinHandle<()>>) {
        if self == Self::Deadlock {
            let (struck, crossing) = deadlock(t, transaction).await.expect("nothing else fails");
            return (struck, Some(crossing));
        }
        let struck = match self {
            Self::LockTimeout => lock_timeout(t, transaction).await,
            Self::Idle => idle(t, transaction).await,
            Self::Deferred => {
                let refers = transaction.execute(t.sql("insert into {referring} values (7)"), ());
                refers.await.map(drop)
            }
            _ => self.killed(t, transaction).await,
        };
        (struck, None)
    }

    /// Another session ends a long query, or its session.
    async fn killed(self, t: &Test, transaction: &Transaction) -> Result<()> {
        let postgres = t.backend().is_postgres();
        let pid = pid(t, transaction).await;
        let long = if postgres {
            "select pg_sleep(60)"
        } else {
            "update {notes} set body = concat(body, sleep(60))"
        };
        let kill = async {
            until_busy(t, pid).await;
            if self == Self::SessionKilled {
                kill_backend(&t.side_url(), pid).await.unwrap();
            } else if postgres {
                t.observe(&format!("select pg_cancel_backend({pid})::int::bigint"))
                    .await;
            } else {
                t.observe_exec(&format!("kill query {pid}")).await;
            }
        };
        let long = transaction.fetch_all(t.sql(long), ()).into_future();
        let struck = soon("the long query", async { tokio::join!(long, kill) });
        struck.await.0.map(drop)
    }
}

/// Returns a statement that needs a row which another session has locked.
fn locked(t: &Test) -> AssertSqlSafe<String> {
    t.sql("update {locked} set n = 1 where id = 2")
}

async fn deadlock(t: &Test, transaction: &Transaction) -> Result<(Result<()>, JoinHandle<()>)> {
    let patience = if t.backend().is_postgres() {
        "set local deadlock_timeout = '10ms'"
    } else {
        "set innodb_lock_wait_timeout = 60"
    };
    transaction.execute(patience, ()).await?;
    let first = t.sql("update {locked} set n = 1 where id = 1");
    transaction.execute(first, ()).await?;
    let crossing = crosses(t, other(t).await).await;
    let struck = soon("the deadlock", transaction.execute(locked(t), ())).await;
    Ok((struck.map(drop), crossing))
}

async fn lock_timeout(t: &Test, transaction: &Transaction) -> Result<()> {
    let patience = if t.backend().is_postgres() {
        "set local lock_timeout = '100ms'"
    } else {
        "set innodb_lock_wait_timeout = 1"
    };
    transaction.execute(patience, ()).await?;
    let mut other = other(t).await;
    let struck = soon("the lock", transaction.execute(locked(t), ())).await;
    other.execute("rollback").await.unwrap();
    other.close().await.unwrap();
    struck.map(drop)
}

async fn idle(t: &Test, transaction: &Transaction) -> Result<()> {
    let pid = pid(t, transaction).await;
    let patience = "set local idle_in_transaction_session_timeout = '20ms'";
    transaction.execute(patience, ()).await?;
    let there = format!("select count(*) from pg_stat_activity where pid = {pid}");
    until(async || t.observe(&there).await == 0).await;
    transaction.execute("select 1", ()).await.map(drop)
}

async fn tables(t: &Test) -> Database {
    let parent = notes(t).await;
    parent
        .execute(t.sql("create table {locked} (id {int} primary key, n {int})"), ())
        .await
        .unwrap();
    for id in 1..20 {
        parent
            .execute(t.sql(&format!("insert into {{locked}} values ({id}, 0)")), ())
            .await
            .unwrap();
    }
    if t.backend().is_postgres() {
        let sql = "create table {referring} (id {int} references {locked} (id) deferrable initially deferred)";
        parent.execute(t.sql(sql), ()).await.unwrap();
        parent
            .execute(t.sql("delete from {locked} where id = 7"), ())
            .await
            .unwrap();
    }
    parent
}

/// Each of these causes on each environment. Returns how many transactions were open after it.
async fn matrix(t: &Test, causes: &[Cause]) -> Result<usize> {
    let _parent = tables(t).await;
    let mut stage = Stage::new(t, &t.url());
    let mut left_open = 0;
    for &cause in causes {
        for (number, environment) in Environment::ALL.into_iter().enumerate() {
            for nested in [false, true] {
                let end = End::ALL[(number + usize::from(nested)) % 3];
                let what = format!("{cause:?} in {environment:?}, nested: {nested}");
                let database = stage.database(environment).await;
                let outer = database.transaction().await?;
                outer.execute(add(t, "before"), ()).await?;
                let (struck, crossing) = if nested {
                    let inner = outer.transaction().await?;
                    let struck = cause.strike(t, &inner).await;
                    if cause == Cause::Deferred {
                        inner.commit().await?;
                    }
                    struck
                } else {
                    cause.strike(t, &outer).await
                };
                assert_eq!(struck.is_err(), cause != Cause::Deferred, "{what}: {struck:?}");
                left_open += usize::from(outer.is_open());
                let end = if cause == Cause::Deferred { End::Commit } else { end };
                stage.agree((environment, &database), outer, end, &what).await;
                if let Some(crossing) = crossing {
                    soon(&what, crossing).await.expect("the other one goes on");
                }
            }
        }
    }
    Ok(left_open)
}

cases! {
    #[only(postgres, mysql)]
    #[limit(180)]
    async fn x4_whatever_ends_a_statement_the_server_and_the_library_agree_found_c1(t: Test) -> Result<()> {
        matrix(&t, &Cause::all(&t)).await.map(drop)
    }

    /// By default InnoDB undoes the statement alone; a server may be set to undo the whole transaction.
    #[only(mysql)]
    #[cluster]
    #[limit(180)]
    async fn x4_a_lock_timeout_is_the_end_where_the_server_rolls_back_on_it_found_c1(t: Test) -> Result<()> {
        for (setting, left_open) in [("OFF", 6), ("ON", 0)] {
            let server = OwnMariaServer::start(&[&format!("--innodb-rollback-on-timeout={setting}")]).await;
            assert_eq!(matrix(&t.on(server.url()), &[Cause::LockTimeout]).await?, left_open, "{setting}");
        }
        Ok(())
    }
}
