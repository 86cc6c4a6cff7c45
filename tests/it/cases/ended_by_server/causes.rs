//! X4, F7: the real causes: deadlocks, waiting too long, whoever ends a query, a session or its patience.

use ebbtide::{AssertSqlSafe, Database, Result, Transaction};
use tokio::task::JoinHandle;

use super::{End, Ground, agree};
use crate::cases::failure::until_busy;
use crate::cases::tasks::{add, notes, soon};
use crate::support::{SideConnection, Test, cases, kill_backend, until};

/// Why a statement in a transaction fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Deadlock,
    LockTimeout,
    QueryKilled,
    SessionKilled,
    /// PostgreSQL ends sessions that do nothing in a transaction.
    Idle,
    /// PostgreSQL checks some constraints at the commit.
    Deferred,
}

/// Somebody else, with locks on all rows but the first.
async fn other(t: &Test) -> SideConnection {
    let mut other = t.observer().await;
    let begin = if t.backend().is_postgres() {
        // The other one is to find the deadlock.
        "begin; set local deadlock_timeout = '30s'"
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

/// The other one goes for the first row.
async fn crosses(t: &Test, mut other: SideConnection) -> JoinHandle<()> {
    let sql = t.words("update {locked} set n = 2 where id = 1");
    let task = tokio::spawn(async move {
        let _ = other.execute(&sql).await;
        let _ = other.execute("rollback").await;
        let _ = other.close().await;
    });
    let waiting = if t.backend().is_postgres() {
        "select count(*) from pg_locks where not granted"
    } else {
        "select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'"
    };
    until(async || t.observe(waiting).await > 0).await;
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

    /// Has a statement of `transaction` fail for this cause, or its commit.
    async fn strike(self, t: &Test, transaction: &Transaction) -> Result<()> {
        let postgres = t.backend().is_postgres();
        let locked = || t.sql("update {locked} set n = 1 where id = 2");
        match self {
            Self::Deadlock => {
                if postgres {
                    transaction.execute("set local deadlock_timeout = '10ms'", ()).await?;
                }
                transaction
                    .execute(t.sql("update {locked} set n = 1 where id = 1"), ())
                    .await?;
                let other = other(t).await;
                let crossing = crosses(t, other).await;
                let struck = soon("the deadlock", transaction.execute(locked(), ())).await;
                // It goes on when this transaction is undone, which on PostgreSQL is the caller's.
                drop(crossing);
                struck.map(drop)
            }
            Self::LockTimeout => {
                let wait = if postgres {
                    "set local lock_timeout = '100ms'"
                } else {
                    "set innodb_lock_wait_timeout = 1"
                };
                transaction.execute(AssertSqlSafe(wait.to_owned()), ()).await?;
                let mut other = other(t).await;
                let struck = soon("the lock", transaction.execute(locked(), ())).await;
                other.execute("rollback").await.unwrap();
                other.close().await.unwrap();
                struck.map(drop)
            }
            Self::QueryKilled | Self::SessionKilled => {
                let pid = pid(t, transaction).await;
                let long = if postgres {
                    "select pg_sleep(30)"
                } else {
                    "update {notes} set body = concat(body, sleep(30))"
                };
                let kill = async {
                    until_busy(t, pid).await;
                    if self == Self::SessionKilled {
                        kill_backend(&t.url(), pid).await.unwrap();
                    } else if postgres {
                        t.observe(&format!("select pg_cancel_backend({pid})::int::bigint"))
                            .await;
                    } else {
                        t.observe_exec(&format!("kill query {pid}")).await;
                    }
                };
                let long = transaction.fetch_all(t.sql(long), ()).into_future();
                soon("the long query", async { tokio::join!(long, kill) })
                    .await
                    .0
                    .map(drop)
            }
            Self::Idle => {
                let pid = pid(t, transaction).await;
                transaction
                    .execute("set local idle_in_transaction_session_timeout = '20ms'", ())
                    .await?;
                until(async || {
                    t.observe(&format!("select count(*) from pg_stat_activity where pid = {pid}"))
                        .await
                        == 0
                })
                .await;
                transaction.execute("select 1", ()).await.map(drop)
            }
            Self::Deferred => transaction
                .execute(t.sql("insert into {referring} values (7)"), ())
                .await
                .map(drop),
        }
    }
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

cases! {
    #[only(postgres, mysql)]
    #[limit(1200)]
    #[by_hand]
    async fn x4_whatever_ends_a_statement_the_server_and_the_library_agree_found_c1(t: Test) -> Result<()> {
        let _parent = tables(&t).await;
        for cause in Cause::all(&t) {
            for (number, ground) in Ground::ALL.into_iter().enumerate() {
                for nested in [false, true] {
                    let end = End::ALL[(number + usize::from(nested)) % 3];
                    let what = format!("{cause:?} in {ground:?}, nested: {nested}");
                    let database = ground.open(&t, &t.url()).await;
                    let outer = database.transaction().await?;
                    outer.execute(add(&t, "before"), ()).await?;
                    let struck = if nested {
                        let inner = outer.transaction().await?;
                        let struck = cause.strike(&t, &inner).await;
                        if cause == Cause::Deferred {
                            inner.commit().await?;
                        }
                        struck
                    } else {
                        cause.strike(&t, &outer).await
                    };
                    assert_eq!(struck.is_err(), cause != Cause::Deferred, "{what}: {struck:?}");
                    let end = if cause == Cause::Deferred { End::Commit } else { end };
                    agree(&t, (ground, &database), outer, end, what).await;
                }
            }
        }
        Ok(())
    }
}
