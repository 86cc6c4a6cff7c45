//! C1 on a cluster of Galera, which answers whatever comes next when another node has changed the same row. Where its library is
//! not installed, as where the tests run for each change, these cases are ignored; `boundaries.rs` plays the same answers.

use ebbtide::{ErrorKind, Result, Transaction};

use super::{End, Environment, Stage};
use crate::cases::tasks::{add, kind, notes};
use crate::support::{Galera, SideConnection, Test, cases, until};

/// The next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Savepoint,
    Release,
    RollbackTo,
    /// A guard is dropped, and the next statement goes back.
    Dropped,
    Statement,
    Commit,
}

impl Step {
    const ALL: [Self; 6] = [
        Self::Savepoint,
        Self::Release,
        Self::RollbackTo,
        Self::Dropped,
        Self::Statement,
        Self::Commit,
    ];

    /// Changes a row, has the other node change it too, and takes the step.
    async fn take(self, t: &Test, outer: &Transaction, other: &mut SideConnection, round: i64) -> Result<()> {
        let inner = match self {
            Self::Release | Self::RollbackTo | Self::Dropped => Some(outer.transaction().await?),
            _ => None,
        };
        let innermost = inner.as_ref().unwrap_or(outer);
        innermost
            .execute(t.sql("update {hot} set n = -1 where id = 1"), ())
            .await?;
        let wins = format!("update {{hot}} set n = {round} where id = 1");
        other
            .execute(&t.words(&wins))
            .await
            .expect("the other node commits first");
        // Here it is applied only when this transaction has lost its lock.
        let applied = format!("select count(*) from {{hot}} where id = 1 and n = {round}");
        until(async || t.observe(&applied).await == 1).await;
        match (self, inner) {
            (Self::Release, Some(inner)) => inner.commit().await,
            (Self::RollbackTo, Some(inner)) => inner.rollback().await,
            (Self::Dropped, inner) => {
                drop(inner);
                outer.execute("select 1", ()).await.map(drop)
            }
            (Self::Savepoint, _) => outer.transaction().await.map(drop),
            (Self::Commit, _) => outer.commit().await,
            _ => outer.fetch_value::<i64>("select 1", ()).await.map(drop),
        }
    }
}

cases! {
    #[only(mysql)]
    #[galera]
    #[limit(180)]
    async fn x4_a_conflict_between_nodes_is_believed_wherever_it_is_reported(t: Test) -> Result<()> {
        let galera = Galera::start().await;
        let t = t.on(galera.node(0));
        let parent = notes(&t).await;
        parent.execute(t.sql("create table {hot} (id {int} primary key, n {int})"), ()).await?;
        parent.execute(t.sql("insert into {hot} values (1, 0)"), ()).await?;
        let mut other = SideConnection::connect(&galera.node(1)).await.expect("the other node");
        until(async || other.number(&t.words("select count(*) from {hot}")).await.is_ok_and(|rows| rows == 1)).await;
        let mut stage = Stage::new(&t, &t.url());
        let mut round = 0;
        for step in Step::ALL {
            for environment in Environment::ALL {
                if step == Step::Commit && environment.is_sandbox() {
                    continue; // It commits nothing.
                }
                for end in End::ALL {
                    round += 1;
                    let what = format!("{step:?} in {environment:?}");
                    let database = stage.database(environment).await;
                    let outer = database.transaction().await?;
                    outer.execute(add(&t, "before"), ()).await?;
                    let taken = step.take(&t, &outer, &mut other, round).await;
                    // A rollback has what it wants, and a sandbox says what has become of it.
                    if step != Step::RollbackTo {
                        let reported = kind(&taken);
                        let lost = environment.is_sandbox() && reported == Some(ErrorKind::TransactionEnded);
                        assert!(lost || reported == Some(ErrorKind::Deadlock), "{what}: {taken:?}");
                    }
                    assert!(!outer.is_open(), "{what}: {taken:?}");
                    if step == Step::Commit {
                        continue; // It was ended by hand, so plain calls are no longer its own.
                    }
                    stage.agree((environment, &database), outer, end, what).await;
                }
            }
        }
        other.close().await.expect("it leaves");
        Ok(())
    }
}
