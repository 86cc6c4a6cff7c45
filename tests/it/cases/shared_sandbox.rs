//! Many users of one sandbox at once: an operation that fails or is cancelled anywhere loses none of the others' work.

use std::collections::BTreeSet;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, Result, Transaction};
use futures::future::join_all;
use tokio::time::timeout;

use super::pool::polled;
use super::sandbox::{seen, slow};
use super::tasks::{add, kept, kind, list, notes, soon};
use crate::support::{Test, cases};

/// Number of times that a test repeats an operation that may be cut off anywhere.
const ROUNDS: usize = 12;

/// The work of one task in a sandbox with others: the rows that must exist in the end, and those that may.
#[derive(Default)]
struct ExpectedRows {
    there: Vec<String>,
    maybe: Vec<Vec<String>>,
}

impl ExpectedRows {
    /// Runs one round, whose kind depends on the numbers.
    async fn round(&mut self, t: &Test, database: &Database, task: usize, round: usize) -> Result<()> {
        let name = |part: &str| format!("{task:02}-{round:02}{part}");
        let brief = Duration::from_micros((task * 131 + round * 377) as u64 % 4000);
        match (task + round) % 7 {
            0 => {
                database.execute(add(t, name("")), ()).await?;
                self.there.push(name(""));
            }
            1 => {
                let error = database
                    .execute(add(t, "taken"), ())
                    .await
                    .expect_err("it is there already");
                assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
            }
            2 => {
                let work = async |transaction: Transaction| {
                    transaction.execute(add(t, name("a")), ()).await?;
                    database.execute(add(t, name("b")), ()).await?;
                    Ok::<_, Error>(())
                };
                database.transaction().run(work).await?;
                self.there.extend([name("a"), name("b")]);
            }
            3 => {
                let work = async |transaction: Transaction| {
                    transaction.execute(add(t, name("undone")), ()).await?;
                    transaction.execute(add(t, "taken"), ()).await.map(drop)
                };
                let failed = database.transaction().run(work).await;
                assert_eq!(kind(&failed), Some(ErrorKind::Constraint), "{failed:?}");
            }
            4 => {
                let cut = timeout(brief, database.execute(add(t, name("cut")), ()).into_future()).await;
                self.perhaps(cut.ok(), vec![name("cut")])?;
            }
            5 => {
                let _ = timeout(brief, database.fetch_all(slow(t), ()).into_future()).await;
                let (other, sql) = (database.clone(), add(t, name("aborted")));
                let aborted = tokio::spawn(async move { other.execute(sql, ()).await });
                for _ in 0..task % 4 {
                    tokio::task::yield_now().await;
                }
                aborted.abort();
                self.perhaps(aborted.await.ok(), vec![name("aborted")])?;
            }
            _ => {
                let work = async |transaction: Transaction| {
                    transaction.execute(add(t, name("x")), ()).await?;
                    transaction.execute(add(t, name("y")), ()).await?;
                    Ok::<_, Error>(())
                };
                let cut = timeout(brief, database.transaction().run(work)).await;
                self.perhaps(cut.ok(), vec![name("x"), name("y")])?;
            }
        }
        Ok(())
    }

    /// Records an operation that may have been cut off.
    fn perhaps<T>(&mut self, done: Option<Result<T>>, names: Vec<String>) -> Result<()> {
        match done {
            Some(done) => {
                done?;
                self.there.extend(names);
            }
            None => self.maybe.push(names),
        }
        Ok(())
    }
}

/// An operation that can be cut off in a sandbox.
#[derive(Clone, Copy, Debug)]
enum Shape {
    FirstUse,
    Statement,
    Failure,
    Read,
    Begin,
    Run,
    Commit,
    Rollback,
    /// A statement after which the library checks the session: settings on PostgreSQL, a procedure on MySQL.
    Careful,
}

const SHAPES: [Shape; 9] = [
    Shape::FirstUse,
    Shape::Statement,
    Shape::Failure,
    Shape::Read,
    Shape::Begin,
    Shape::Run,
    Shape::Commit,
    Shape::Rollback,
    Shape::Careful,
];

impl Shape {
    /// Cuts the operation off after this many polls. Returns `true` if it has ended; then its rows exist.
    async fn cut(self, t: &Test, sandbox: &Database, body: &str, polls: usize) -> Result<bool> {
        let add = || add(t, body);
        let ended = match self {
            Self::FirstUse | Self::Statement => polled(sandbox.execute(add(), ()).into_future(), polls)
                .await
                .transpose()?
                .is_some(),
            Self::Failure => {
                let failed = polled(sandbox.execute(super::tasks::add(t, "taken"), ()).into_future(), polls).await;
                assert!(!matches!(failed, Some(Ok(_))), "it is there already");
                return Ok(false);
            }
            Self::Read => {
                polled(sandbox.fetch_value::<String>(list(t), ()).into_future(), polls)
                    .await
                    .transpose()?;
                return Ok(false);
            }
            Self::Begin => {
                polled(sandbox.transaction().into_future(), polls).await.transpose()?;
                return Ok(false);
            }
            Self::Run => {
                let run = sandbox.transaction().run(async |_| sandbox.execute(add(), ()).await);
                polled(Box::pin(run), polls).await.transpose()?.is_some()
            }
            Self::Commit => {
                let transaction = sandbox.transaction().await?;
                transaction.execute(add(), ()).await?;
                polled(Box::pin(transaction.commit()), polls)
                    .await
                    .transpose()?
                    .is_some()
            }
            Self::Rollback => {
                let transaction = sandbox.transaction().await?;
                transaction.execute(add(), ()).await?;
                polled(Box::pin(transaction.rollback()), polls).await.transpose()?;
                return Ok(false);
            }
            Self::Careful => {
                let sql = AssertSqlSafe(match t.backend().family() {
                    "postgres" => t.words(&format!(
                        "with added as (insert into {{notes}} (body) values ('{body}') returning body) \
                         select set_config('app.note', body, true) from added"
                    )),
                    "mysql" => t.words(&format!("call {{adds}}('{body}')")),
                    _ => t.words(&format!("insert or abort into {{notes}} (body) values ('{body}')")),
                });
                polled(sandbox.execute(sql, ()).into_future(), polls)
                    .await
                    .transpose()?
                    .is_some()
            }
        };
        Ok(ended)
    }
}

cases! {
    /// One after the other, at every place.
    #[limit(150)]
    // Its statements are those of PostgreSQL, MySQL and SQLite.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f5_cut_off_anywhere_a_sandbox_stays_whole(t: Test) -> Result<()> {
        let database = notes(&t).await;
        if t.backend().is_mysql() {
            t.observe_exec("create procedure {adds}(note text) insert into {notes} (body) values (note)").await;
        }
        for shape in SHAPES {
            let mut sandbox = database.sandbox().await?;
            let mut expected = Vec::new();
            let mut ends = 0;
            for polls in 1.. {
                if matches!(shape, Shape::FirstUse) && polls > 1 {
                    sandbox = database.sandbox().await?;
                    expected.clear();
                } else if polls == 1 && !matches!(shape, Shape::FirstUse) {
                    sandbox.execute(add(&t, "taken"), ()).await?;
                    expected.push("taken".to_owned());
                }
                let body = format!("b{polls}");
                let after = format!("{shape:?} cut off after {polls} polls");
                match shape.cut(&t, &sandbox, &body, polls).await {
                    Ok(true) => {
                        expected.push(body);
                        ends += 1;
                    }
                    Ok(false) => {}
                    Err(error) => panic!("{after}: {error:?}"),
                }
                let next = format!("next{polls}");
                let wrote = soon(&after, sandbox.execute(add(&t, &next), ())).await;
                assert!(wrote.is_ok(), "{after}: {wrote:?}");
                expected.push(next);
                let there = seen(&t, &sandbox).await;
                for body in &expected {
                    assert!(there.split(',').any(|there| there == body), "{after}: {body} was lost of {there}");
                }
                if ends > 3 || polls > 24 {
                    break;
                }
            }
            if t.backend().is_postgres() {
                let sql = "select coalesce(nullif(current_setting('app.note', true), ''), 'unset')";
                assert_eq!(sandbox.fetch_value::<String>(sql, ()).await?, "unset");
            }
            soon("its end", sandbox.disconnect()).await?;
            assert_eq!(kept(&t, &database).await, "");
        }
        if t.backend().is_mysql() {
            t.observe_exec("drop procedure {adds}").await;
        }
        Ok(())
    }

    /// A statement that was cut off outside of a transaction never undoes the work of others, nor blocks them.
    #[limit(120)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn f5_tasks_that_fail_and_are_cancelled_lose_nothing_of_each_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "taken"), ()).await?;
        let tasks = (0..10).map(|task| {
            let sandbox = sandbox.clone();
            let t = &t;
            async move {
                let mut expected = ExpectedRows::default();
                for round in 0..ROUNDS {
                    expected.round(t, &sandbox, task, round).await.unwrap_or_else(|error| panic!("{task}/{round}: {error:?}"));
                }
                expected
            }
        });
        let rows = join_all(tasks).await;
        let there: BTreeSet<String> = seen(&t, &sandbox).await.split(',').map(str::to_owned).collect();
        let mut known: BTreeSet<String> = rows.iter().flat_map(|rows| rows.there.clone()).collect();
        known.insert("taken".to_owned());
        let lost: Vec<_> = known.difference(&there).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        for names in rows.iter().flat_map(|rows| &rows.maybe) {
            let kept = names.iter().filter(|name| there.contains(*name)).count();
            assert!(kept == 0 || kept == names.len(), "half of {names:?} is there");
            known.extend(names.iter().cloned());
        }
        let extra: Vec<_> = there.difference(&known).collect();
        assert!(extra.is_empty(), "undone, and there all the same: {extra:?}");
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// The same from real tasks on several threads.
    #[limit(120)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f5_spawned_tasks_that_are_aborted_lose_nothing_of_each_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let mut there = BTreeSet::new();
        for round in 0..15_u64 {
            let tasks: Vec<_> = (0..6)
                .map(|task| {
                    let (other, name) = (sandbox.clone(), format!("{round:02}-{task}"));
                    let (sql, slow) = (add(&t, &name), slow(&t));
                    let job = tokio::spawn(async move {
                        match task % 3 {
                            0 => other.execute(sql, ()).await.map(drop),
                            1 => other.transaction().run(async |_| other.execute(sql, ()).await.map(drop)).await,
                            _ => {
                                let _ = timeout(Duration::from_millis(round % 5), other.execute(slow, ()).into_future()).await;
                                other.execute(sql, ()).await.map(drop)
                            }
                        }
                    });
                    (name, task, job)
                })
                .collect();
            tokio::time::sleep(Duration::from_micros(round * 300)).await;
            for (name, task, job) in tasks {
                if task >= 3 {
                    job.abort();
                }
                match job.await {
                    Ok(done) => {
                        done?;
                        there.insert(name);
                    }
                    Err(error) => assert!(error.is_cancelled(), "{error:?}"),
                }
            }
        }
        let seen: BTreeSet<String> = seen(&t, &sandbox).await.split(',').map(str::to_owned).collect();
        let lost: Vec<_> = there.difference(&seen).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        Ok(())
    }
}
