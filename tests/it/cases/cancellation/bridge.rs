//! X4, Q9: the ways in which code for sqlx uses the library's connections, cut off at each of their await points.

use ebbtide::{AssertSqlSafe, Database, Error, Result};
use futures::TryStreamExt as _;
use sqlx::{Connection as _, Row as _};

use super::{Narrow, Points, may_have_ended, rows};
use crate::cases::tasks::{add, soon};
use crate::support::{Test, cases, with_db};

/// So large that the number needs 64 bits, and PostgreSQL chooses a type of 64 bits.
const WIDE: i64 = 1 << 40;

/// The driver's connection.
type Raw<DB> = <DB as sqlx::Database>::Connection;

/// A use of the connection through sqlx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A stream that is read to its end.
    Stream,
    /// One row of a stream, which is then dropped.
    Row,
    Execute,
    /// The driver's connection is lent to a closure that writes and reads.
    Lent,
    /// The same, in a transaction of the closure.
    LentForTransaction,
    /// The closure leaves its transaction open.
    LentAndLeftOpen,
}

impl Way {
    const ALL: [Self; 6] = [
        Self::Stream,
        Self::Row,
        Self::Execute,
        Self::Lent,
        Self::LentForTransaction,
        Self::LentAndLeftOpen,
    ];

    /// Uses the connection of the caller in `database` this way, and leaves at most one note.
    async fn go(self, t: &Test, database: &Database, number: u32) -> Result<()> {
        let (note, number) = (add(t, format!("s{number}")), WIDE + i64::from(number));
        let rows = rows(t, number);
        with_db!(t.backend(), {
            let view = database.sqlx::<DB>()?;
            match self {
                Self::Stream => {
                    let read: Vec<_> = sqlx::query(rows).fetch(&view).try_collect().await?;
                    assert_eq!(read.len(), 900);
                    assert!(read.iter().all(|row| row.get::<i64, _>(1) == number));
                    Ok(())
                }
                Self::Row => {
                    let row = sqlx::query(rows).fetch(&view).try_next().await?;
                    assert_eq!(row.expect("900 rows").get::<i64, _>(1), number);
                    Ok(())
                }
                Self::Execute => sqlx::query(note).execute(&view).await.map(drop).map_err(Error::from),
                Self::Lent => {
                    let lent = database.with_sqlx(move |raw: &mut Raw<DB>| {
                        Box::pin(async move {
                            sqlx::query(note).execute(&mut *raw).await?;
                            sqlx::query(rows).fetch_all(raw).await
                        })
                    });
                    assert_eq!(lent.await?.len(), 900);
                    Ok(())
                }
                Self::LentForTransaction | Self::LentAndLeftOpen => {
                    let ends = self == Self::LentForTransaction;
                    let lent = database.with_sqlx(move |raw: &mut Raw<DB>| {
                        Box::pin(async move {
                            let mut theirs = raw.begin().await?;
                            sqlx::query(note).execute(&mut *theirs).await?;
                            if ends {
                                return theirs.commit().await;
                            }
                            std::mem::forget(theirs);
                            Ok(())
                        })
                    });
                    lent.await
                }
            }
        })
    }

    /// Returns whether it leaves a note if it succeeds.
    fn writes(self) -> bool {
        matches!(self, Self::Execute | Self::Lent | Self::LentForTransaction)
    }
}

cases! {
    #[limit(180)]
    #[sqlx]
    async fn x4_each_way_of_the_bridge_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for way in Way::ALL {
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let done = points.cut(way.go(&t, &narrow.database, number)).await;
                let after = format!("{way:?}, cut at {}", points.polls);
                let done = done.transpose()?.is_some();
                narrow.assert_clean(&after).await;
                let there = narrow.has(&format!("s{number}")).await;
                assert!(way.writes() || !there, "{after}: what was left open was committed");
                assert!(there || !done || !way.writes(), "{after}: it is lost");
            }
        }
        Ok(())
    }

    #[limit(180)]
    #[sqlx]
    async fn x4_each_way_of_the_bridge_in_a_transaction_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for way in Way::ALL {
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let transaction = narrow.database.transaction().await?;
                transaction.execute(add(&t, format!("t{number}")), ()).await?;
                let done = points.cut(way.go(&t, &narrow.database, number)).await;
                let after = format!("{way:?} in a transaction, cut at {}", points.polls);
                let done = done.transpose()?.is_some();
                let question = AssertSqlSafe(format!("select {number}"));
                let next = soon("the next statement", transaction.fetch_value::<i64>(question, ())).await;
                let goes_on = may_have_ended(next, &after);
                assert!(goes_on.is_none_or(|answer| answer == i64::from(number)), "{after}: {goes_on:?}");
                let committed = may_have_ended(soon("the commit", transaction.commit()).await, &after).is_some();
                assert_eq!(goes_on.is_some(), committed, "{after}");
                assert!(committed || !done, "{after}: it was not cut at all");
                drop(transaction);
                narrow.assert_clean(&after).await;
                assert_eq!(narrow.has(&format!("t{number}")).await, committed, "{after}");
                let there = narrow.has(&format!("s{number}")).await;
                assert!(!there || committed && way.writes(), "{after}: it outlived its transaction");
                assert!(there || !done || !way.writes(), "{after}: it is lost");
            }
        }
        Ok(())
    }

    /// A transaction that was begun through sqlx, from its beginning to its commit.
    #[sqlx]
    async fn x4_a_transaction_of_the_bridge_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        with_db!(t.backend(), {
            let view = narrow.database.sqlx::<DB>()?;
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let work = async {
                    let transaction = view.begin().await?;
                    sqlx::query(add(&t, format!("a{number}"))).execute(&transaction).await?;
                    sqlx::query(add(&t, format!("b{number}"))).execute(&transaction).await?;
                    transaction.commit().await
                };
                let done = points.cut(work).await.transpose()?.is_some();
                let after = format!("a transaction of the bridge, cut at {}", points.polls);
                narrow.assert_clean(&after).await;
                let there = (narrow.has(&format!("a{number}")).await, narrow.has(&format!("b{number}")).await);
                assert_eq!(there.0, there.1, "{after}: half of it is there");
                assert!(there.0 || !done, "{after}: it is lost");
            }
        });
        Ok(())
    }
}
