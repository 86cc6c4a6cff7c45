//! X4, X10, F7: the end of a transaction that the library notices where a level begins or ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use ebbtide::{Database, Error, ErrorKind, Result, Transaction};

use super::{End, Environment, Stage};
use crate::cases::tasks::{add, kept, kind, notes};
use crate::support::{Proxy, Swap, Test, cases};

/// The step at which the end is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Savepoint,
    Release,
    RollbackTo,
    /// A guard is dropped, and the next statement rolls back.
    Dropped,
    /// A statement in the inner level.
    Statement,
}

impl Step {
    const ALL: [Self; 4] = [Self::Savepoint, Self::Release, Self::RollbackTo, Self::Dropped];

    fn words(self) -> &'static str {
        match self {
            Self::Savepoint => "SAVEPOINT ebbtide_",
            Self::Release => "RELEASE SAVEPOINT ebbtide_",
            Self::RollbackTo | Self::Dropped => "ROLLBACK TO SAVEPOINT ebbtide_",
            Self::Statement => "delete from ",
        }
    }

    /// Takes the step in `outer`, with the swap at the right time.
    async fn take(self, t: &Test, proxy: &Proxy, outer: &Transaction, swap: Swap) -> Result<()> {
        if self == Self::Savepoint {
            proxy.swap(swap);
            return outer.transaction().await.map(drop);
        }
        let inner = outer.transaction().await?;
        inner.execute(t.sql("update {notes} set body = body"), ()).await?;
        proxy.swap(swap);
        match self {
            Self::Release => inner.commit().await,
            Self::RollbackTo => inner.rollback().await,
            Self::Statement => inner
                .execute(t.sql("delete from {notes} where body = 'nobody'"), ())
                .await
                .map(drop),
            _ => {
                drop(inner);
                outer.execute("select 1", ()).await.map(drop)
            }
        }
    }
}

/// After what the server is asked whether the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Error,
    Procedure,
    #[cfg(feature = "sqlx-interop")]
    Lent,
}

impl Look {
    #[cfg(feature = "sqlx-interop")]
    const ALL: [Self; 3] = [Self::Error, Self::Procedure, Self::Lent];
    #[cfg(not(feature = "sqlx-interop"))]
    const ALL: [Self; 2] = [Self::Error, Self::Procedure];

    /// Returns the first words of the question.
    fn words(self) -> &'static str {
        match self {
            Self::Error => "SAVEPOINT ebbtide_probe",
            _ => "RELEASE SAVEPOINT ebbtide_marker",
        }
    }

    async fn provoke(self, t: &Test, transaction: &Transaction) -> Result<()> {
        let done = match self {
            Self::Error => {
                let signal = "signal sqlstate 'HY000' set mysql_errno = 1105";
                transaction.execute(signal, ()).await
            }
            Self::Procedure => transaction.execute(t.sql("call {nothing}()"), ()).await,
            #[cfg(feature = "sqlx-interop")]
            Self::Lent => {
                return transaction
                    .with_sqlx(|_: &mut sqlx::MySqlConnection| Box::pin(async { Ok(()) }))
                    .await;
            }
        };
        done.map(drop)
    }
}

async fn begun(t: &Test, database: &Database) -> Transaction {
    let outer = database.transaction().await.expect("it begins");
    outer.execute(add(t, "before"), ()).await.expect("a note");
    outer
}

cases! {
    #[only(mysql)]
    #[limit(180)]
    async fn x4_an_end_reported_where_a_level_begins_or_ends_is_believed_found_c1(t: Test) -> Result<()> {
        let _parent = notes(&t).await;
        let proxy = Proxy::start(&t.url());
        let mut stage = Stage::new(&t, &proxy.open_url());
        // Errors that end the transaction, whether the library knows it or not, and the same without that.
        for (number, instead) in [(1213, "ROLLBACK"), (1213, "DO 0"), (1180, "ROLLBACK"), (1180, "DO 0"), (1047, "DO 0"), (1205, "ROLLBACK")] {
            for step in Step::ALL.into_iter().chain([Step::Statement]) {
                for environment in Environment::ALL {
                    for end in End::ALL {
                        let what = format!("{number} for `{instead}` at {step:?} in {environment:?}");
                        let database = stage.database(environment).await;
                        let outer = begun(&t, &database).await;
                        let swap = Swap::mysql(step.words(), instead, number);
                        let result = step.take(&t, &proxy, &outer, swap).await;
                        assert!(proxy.swapped(), "{what}: it was not reached: {result:?}");
                        if number == 1213 && step != Step::RollbackTo && !environment.is_sandbox() {
                            let error = result.as_ref().expect_err(&what);
                            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Deadlock, true), "{what}: {error:?}");
                        }
                        stage.agree((environment, &database), outer, end, what).await;
                    }
                }
            }
        }
        Ok(())
    }

    #[only(postgres)]
    #[limit(180)]
    async fn x4_an_error_where_a_level_begins_or_ends_aborts_no_transaction_silently_found_c1(t: Test) -> Result<()> {
        let _parent = notes(&t).await;
        let proxy = Proxy::start(&t.url());
        let mut stage = Stage::new(&t, &proxy.open_url());
        for instead in ["select 1/0", "select pg_terminate_backend(pg_backend_pid())"] {
            // A savepoint that goes out with its statement ends as that does.
            let apart = |step: &Step| *step != Step::Savepoint || !t.begins_later();
            for step in Step::ALL.into_iter().filter(apart) {
                for environment in Environment::ALL {
                    for end in End::ALL {
                        let what = format!("`{instead}` at {step:?} in {environment:?}");
                        let database = stage.database(environment).await;
                        let outer = begun(&t, &database).await;
                        let result = step.take(&t, &proxy, &outer, Swap::postgres(step.words(), instead)).await;
                        assert!(proxy.swapped(), "{what}: it was not reached: {result:?}");
                        result.expect_err(&what);
                        stage.agree((environment, &database), outer, end, what).await;
                    }
                }
            }
        }
        Ok(())
    }

    #[only(mysql)]
    async fn x10_an_end_reported_at_a_savepoint_is_run_again_by_the_outermost_found_c1(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        for step in [Step::Savepoint, Step::Release] {
            for environment in Environment::ALL {
                let proxy = Proxy::start(&t.url());
                let database = environment.open(&t, &proxy.open_url()).await;
                let attempts = AtomicUsize::new(0);
                let ran = database.transaction().retry().run(async |outer| {
                    let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                    outer.execute(add(&t, attempt), ()).await?;
                    if attempt == 0 {
                        step.take(&t, &proxy, &outer, Swap::mysql(step.words(), "ROLLBACK", 1213)).await?;
                    }
                    Ok::<_, Error>(())
                });
                let ran = ran.await;
                let attempts = attempts.into_inner();
                if environment.is_sandbox() {
                    // The whole sandbox is lost with it.
                    assert_eq!((kind(&ran), attempts), (Some(ErrorKind::Deadlock), 1), "{step:?} in {environment:?}: {ran:?}");
                    assert_eq!(kind(&database.execute(add(&t, "later"), ()).await), Some(ErrorKind::SandboxBroken));
                } else {
                    assert_eq!((kind(&ran), attempts), (None, 2), "{step:?}: {ran:?}");
                }
                database.disconnect().await?;
                assert_eq!(kept(&t, &parent).await, if environment.is_sandbox() { "" } else { "1" });
                parent.execute(t.sql("delete from {notes}"), ()).await?;
            }
        }
        Ok(())
    }

    /// The server is asked whether the transaction stands after an error that does not tell, after a procedure, and after
    /// work on the driver's own connection.
    #[only(mysql)]
    async fn x10_a_conflict_reported_where_the_transaction_is_looked_for_is_run_again_found_a13(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        t.observe_exec("create procedure {nothing}() begin end").await;
        for look in Look::ALL {
            for environment in Environment::ALL {
                let what = format!("{look:?} in {environment:?}");
                let proxy = Proxy::start(&t.url());
                let database = environment.open(&t, &proxy.open_url()).await;
                let attempts = AtomicUsize::new(0);
                let ran = database.transaction().retry().run(async |outer| {
                    let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                    outer.execute(add(&t, attempt), ()).await?;
                    if attempt == 0 {
                        proxy.swap(Swap::mysql(look.words(), "ROLLBACK", 1213));
                        let outcome = look.provoke(&t, &outer).await;
                        assert!(proxy.swapped(), "{what}: it was not reached: {outcome:?}");
                        let error = outcome.expect_err(&what);
                        assert_eq!(error.is_retryable(), !environment.is_sandbox(), "{what}: {error:?}");
                        assert!(!outer.is_open(), "{what}");
                        return Err(error);
                    }
                    Ok::<_, Error>(())
                });
                let ran = ran.await;
                let attempts = attempts.into_inner();
                assert_eq!((ran.is_ok(), attempts), if environment.is_sandbox() { (false, 1) } else { (true, 2) }, "{what}: {ran:?}");
                database.disconnect().await?;
                assert_eq!(kept(&t, &parent).await, if environment.is_sandbox() { "" } else { "1" }, "{what}");
                parent.execute(t.sql("delete from {notes}"), ()).await?;
            }
            // By hand: the rollback has nothing left to do.
            let proxy = Proxy::start(&t.url());
            let database = Environment::Plain.open(&t, &proxy.open_url()).await;
            let outer = begun(&t, &database).await;
            proxy.swap(Swap::mysql(look.words(), "ROLLBACK", 1213));
            look.provoke(&t, &outer).await.expect_err("it was given up");
            outer.rollback().await?;
            assert_eq!(kept(&t, &parent).await, "", "{look:?}");
        }
        t.observe_exec("drop procedure {nothing}").await;
        Ok(())
    }

    #[only(mysql)]
    async fn x10_the_error_of_a_release_is_returned_and_not_its_consequence_found_c3(t: Test) -> Result<()> {
        let _parent = notes(&t).await;
        let proxy = Proxy::start(&t.url());
        let database = Environment::Plain.open(&t, &proxy.open_url()).await;
        let outer = begun(&t, &database).await;
        // An error not known as an end: the savepoint is missing when the level is undone.
        let swap = Swap::mysql(Step::Release.words(), "ROLLBACK", 1180);
        let error = Step::Release.take(&t, &proxy, &outer, swap).await.expect_err("it was refused");
        assert!(error.to_string().contains("1180"), "{error}");
        assert!(!outer.is_open());
        Ok(())
    }

    #[only(mysql)]
    async fn x5_a_rollback_of_what_the_server_rolled_back_is_done_found_c4(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let proxy = Proxy::start(&t.url());
        let database = Environment::Plain.open(&t, &proxy.open_url()).await;
        for (number, instead) in [(1213, "ROLLBACK"), (1213, "DO 0"), (1180, "ROLLBACK")] {
            let outer = begun(&t, &database).await;
            let inner = outer.transaction().await?;
            proxy.swap(Swap::mysql("SAVEPOINT ebbtide_", instead, number));
            inner.transaction().await.map(drop).expect_err("it was refused");
            assert!(proxy.swapped() && !inner.is_open() && !outer.is_open());
            inner.rollback().await?;
            // Nothing is left of the outer transaction either, and later calls in it are reported as such.
            assert_eq!(kind(&outer.execute(add(&t, "later"), ()).await), Some(ErrorKind::TransactionEnded));
            assert_eq!(kind(&database.execute(add(&t, "later"), ()).await), Some(ErrorKind::TransactionEnded));
            outer.rollback().await?;
            assert_eq!(kind(&outer.rollback().await), Some(ErrorKind::TransactionEnded), "a second time it is an error");
            // The same where the ROLLBACK itself reports the end.
            let outer = begun(&t, &database).await;
            proxy.swap(Swap::mysql("ROLLBACK", "ROLLBACK", 1213));
            outer.rollback().await?;
            assert!(proxy.swapped());
        }
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }

    #[only(mysql)]
    async fn x4_a_commit_that_was_refused_leaves_nothing_open_found_c1(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        for (number, instead) in [(1213, "ROLLBACK"), (1213, "DO 0"), (1180, "ROLLBACK"), (1180, "DO 0"), (1047, "DO 0")] {
            let proxy = Proxy::start(&t.url());
            let database = Environment::Plain.open(&t, &proxy.open_url()).await;
            let outer = begun(&t, &database).await;
            proxy.swap(Swap::mysql("COMMIT", instead, number));
            let error = outer.commit().await.expect_err("it was refused");
            assert!(proxy.swapped() && error.to_string().contains(&number.to_string()), "{error}");
            assert_eq!(error.is_retryable(), number == 1213, "{error}");
            drop(outer);
            database.execute(add(&t, "next"), ()).await?;
            assert_eq!(kept(&t, &parent).await, "next", "{number} for `{instead}`");
            parent.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }
}
