//! Time limits that run out while an answer is on its way.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, ErrorKind, Result, params};

use super::ways::Behind;
use crate::cases::messages::assert_error;
use crate::cases::tasks::{in_use, notes, soon, until};
use crate::support::{cases, until as until_so, with_db};

/// Expires while the server is silent.
const SHORT: Duration = Duration::from_millis(300);

cases! {
    /// The outcome of a statement that was sent and not answered in time is unknown, unless it certainly only reads.
    #[only(postgres, mysql)]
    async fn x12_a_time_limit_that_runs_out_after_the_statement_was_sent_is_unknown_found_a1(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "pool_size=1").await;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        let many = || t.sql("insert into {notes} (body) select :body");
        on.database.execute(insert(), params! { body: "warm" }).await?;
        on.database.execute_many(many(), [params! { body: "a" }, params! { body: "b" }]).await?;

        on.proxy.hold_answers_from(1);
        let error = on.database.execute(insert(), params! { body: "sent" }).timeout(SHORT).await.unwrap_err();
        assert_error(&error, ErrorKind::OutcomeUnknown, &["took longer", file!()]);
        until_so(async || t.observe("select count(*) from {notes} where body = 'sent'").await == 1).await;
        on.proxy.resume();

        // BEGIN, two rows, COMMIT.
        let last = 3 + t.begin();
        for (request, kind) in [(last, ErrorKind::OutcomeUnknown), (last - 1, ErrorKind::Timeout)] {
            let rows = [params! { body: format!("e{request}") }, params! { body: format!("f{request}") }];
            on.database.execute_many(many(), rows).await?;
            on.proxy.hold_answers_from(request);
            let rows = [params! { body: format!("c{request}") }, params! { body: format!("d{request}") }];
            let error = on.database.execute_many(many(), rows).timeout(SHORT).await.unwrap_err();
            assert_error(&error, kind, &["took longer", file!()]);
            assert_eq!(on.proxy.requests(), request);
            on.proxy.resume();
            let kept = i64::from(kind == ErrorKind::OutcomeUnknown);
            let sql = format!("select count(*) from {{notes}} where body = 'c{request}'");
            until_so(async || t.observe(&sql).await == kept).await;
        }

        on.proxy.hold_answers();
        let read = on.database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).timeout(SHORT).await;
        assert_error(&read.unwrap_err(), ErrorKind::Timeout, &["none of it was committed"]);
        on.proxy.resume();
        until("nothing is in use", || in_use(&on.database) == 0).await;
        assert_eq!(soon("the next", on.database.fetch_value::<i64>("select 42", ())).await?, 42);
        Ok(())
    }

    /// COMMIT and ROLLBACK keep to the limit they are given, or to that of the settings.
    #[only(postgres, mysql)]
    async fn q8_a_commit_that_runs_out_of_time_is_unknown_and_a_rollback_is_not_found_a2(t: Test) -> Result<()> {
        notes(&t).await;
        for options in ["pool_size=1", "pool_size=1&statement_timeout=0.3"] {
            let on = Behind::new(&t, options).await;
            let limit = (!options.contains("statement_timeout")).then_some(SHORT);
            for (how, reached) in [("commit", true), ("commit", false), ("rollback", true), ("rollback", false)] {
                let body = format!("{how} {reached} {}", limit.is_some());
                let transaction = on.database.transaction().await?;
                transaction.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body: &*body }).await?;
                if reached {
                    on.proxy.hold_answers();
                } else {
                    on.proxy.pause();
                }
                let end = if how == "commit" { transaction.commit() } else { transaction.rollback() };
                let ended = soon(&body, async {
                    match limit {
                        Some(limit) => end.timeout(limit).await,
                        None => end.await,
                    }
                });
                let error = ended.await.unwrap_err();
                if how == "commit" {
                    assert_error(&error, ErrorKind::OutcomeUnknown, &["may have taken effect", "took longer", file!()]);
                } else {
                    assert_error(&error, ErrorKind::Timeout, &["took longer", "its connection was closed", file!()]);
                }
                assert!(!transaction.is_open() && !error.is_retryable(), "{body}");
                assert_eq!(in_use(&on.database), 0, "{body}: its place is free at once");
                until("the connection is closed", || on.proxy.open_connections() == 0).await;
                on.proxy.resume();
                let kept = i64::from(how == "commit" && reached);
                let sql = format!("select count(*) from {{notes}} where body = '{body}'");
                until_so(async || t.observe(&sql).await == kept).await;
                let error = transaction.execute("select 1", ()).await.unwrap_err();
                assert_error(&error, ErrorKind::TransactionEnded, &[file!()]);
                drop(transaction);
                assert_eq!(soon("the next", on.database.fetch_value::<i64>("select 42", ())).await?, 42);
            }
        }
        Ok(())
    }

    /// The closure form commits within the limit of the settings.
    #[only(postgres, mysql)]
    async fn q8_the_commit_of_a_closure_has_the_limit_of_the_settings_found_a2(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "pool_size=1&statement_timeout=0.3").await;
        let run = on.database.transaction().run(async |transaction| {
            transaction.execute(t.sql("insert into {notes} (body) values ('run')"), ()).await?;
            on.proxy.hold_answers();
            Ok::<_, ebbtide::Error>(())
        });
        let error = soon("the closure", run).await.unwrap_err();
        assert_error(&error, ErrorKind::OutcomeUnknown, &["may have taken effect", "took longer", file!()]);
        on.proxy.resume();
        assert_eq!(in_use(&on.database), 0);
        until_so(async || t.observe("select count(*) from {notes}").await == 1).await;
        Ok(())
    }

    /// A call that only waits for a statement of the same transaction leaves the transaction open.
    #[only(postgres, mysql)]
    async fn q8_an_end_that_was_not_sent_in_time_leaves_the_transaction_open_found_a2(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "").await;
        let transaction = on.database.transaction().await?;
        on.proxy.hold_answers_from(1);
        let (connection, sql) = (transaction.connection(), t.sql("insert into {notes} (body) values ('late')"));
        let running = tokio::spawn(async move { connection.execute(sql, ()).await });
        on.proxy.until_requests(1).await;
        for end in [transaction.commit(), transaction.rollback()] {
            let error = soon("the end", end.timeout(SHORT)).await.unwrap_err();
            assert_error(&error, ErrorKind::Timeout, &["took longer", file!()]);
            assert!(transaction.is_open());
        }
        on.proxy.resume();
        soon("the statement", running).await.expect("no panic")?;
        transaction.commit().timeout(Duration::ZERO).await?;
        assert_eq!(t.observe("select count(*) from {notes}").await, 1);
        Ok(())
    }

    /// The end of a savepoint has a limit too; the outer transaction decides whether its work is kept.
    #[only(postgres, mysql)]
    async fn q8_a_savepoint_that_is_not_released_in_time_leaves_the_outer_one_to_decide_found_a2(t: Test) -> Result<()> {
        notes(&t).await;
        for how in ["commit", "rollback"] {
            let on = Behind::new(&t, "pool_size=1").await;
            let outer = on.database.transaction().await?;
            let inner = outer.transaction().await?;
            inner.execute(t.sql(&format!("insert into {{notes}} (body) values ('{how}')")), ()).await?;
            on.proxy.hold_answers();
            let end = if how == "commit" { inner.commit() } else { inner.rollback() };
            let error = soon(how, end.timeout(SHORT)).await.unwrap_err();
            assert_error(&error, ErrorKind::Timeout, &["took longer", file!()]);
            on.proxy.resume();
            drop(inner);
            // The driver of MySQL cannot continue to read after an interruption.
            match soon("the outer", outer.commit()).await {
                Ok(()) => assert!(t.backend().is_postgres()),
                Err(error) => assert_eq!((error.kind(), t.backend().is_mysql()), (ErrorKind::TransactionEnded, true), "{error:?}"),
            }
            let kept = i64::from(how == "commit" && t.backend().is_postgres());
            assert_eq!(t.observe(&format!("select count(*) from {{notes}} where body = '{how}'")).await, kept);
        }
        Ok(())
    }

    /// The rollback of a dropped transaction has a limit, for any next user.
    #[only(postgres, mysql)]
    async fn q8_a_level_that_was_dropped_is_not_rolled_back_for_ever_found_a2(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "pool_size=1").await;
        let outer = on.database.transaction().await?;
        let inner = outer.transaction().await?;
        inner.execute("select 1", ()).await?;
        drop(inner);
        on.proxy.pause();
        let error = soon("the next", outer.execute("select 1", ())).await.unwrap_err();
        assert_error(&error, ErrorKind::TransactionEnded, &["could not be rolled back", file!()]);
        drop(outer);
        assert_eq!(in_use(&on.database), 0);
        on.proxy.resume();
        assert_eq!(soon("the next", on.database.fetch_value::<i64>("select 42", ())).await?, 42);
        Ok(())
    }

    /// The procedure may have been answered; what it left of the transaction was not known yet.
    #[only(mysql)]
    async fn x12_a_limit_that_expires_while_a_procedure_is_checked_is_unknown(t: Test) -> Result<()> {
        notes(&t).await;
        t.observe_exec("create procedure {commits}(note text) begin insert into {notes} (body) values (note); commit; end").await;
        for request in [2, 3] {
            let on = Behind::new(&t, "pool_size=1").await;
            let before = t.observe("select count(*) from {notes}").await;
            let transaction = on.database.transaction().await?;
            // A savepoint, the call, the question whether the savepoint is still there.
            on.proxy.hold_answers_from(request);
            let call = t.sql(&format!("call {{commits}}('{request}')"));
            let error = soon("the call", transaction.execute(call, ()).timeout(SHORT)).await.unwrap_err();
            assert_error(&error, ErrorKind::OutcomeUnknown, &["took longer", file!()]);
            assert_eq!(on.proxy.requests(), request);
            on.proxy.resume();
            until_so(async || t.observe("select count(*) from {notes}").await == before + 1).await;
        }
        Ok(())
    }

    /// The closure could have committed.
    #[only(postgres, mysql)]
    #[sqlx]
    async fn x12_a_connection_lost_while_lent_work_is_checked_is_unknown(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "pool_size=1").await;
        let transaction = on.database.transaction().await?;
        let sql = t.words("insert into {notes} (body) values ('lent')");
        // A savepoint, the statement, the release of the savepoint.
        on.proxy.hold_answers_from(3);
        with_db!(t.backend(), {
            let work = transaction.with_sqlx(move |connection: &mut <DB as sqlx::Database>::Connection| {
                Box::pin(async move { sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop) })
            });
            let cut = async {
                on.proxy.until_requests(3).await;
                on.proxy.cut();
            };
            let (done, ()) = soon("the closure", futures::future::join(work, cut)).await;
            assert_error(&done.unwrap_err(), ErrorKind::OutcomeUnknown, &[file!()]);
        });
        assert!(!transaction.is_open());
        Ok(())
    }

    async fn q8_a_limit_of_zero_is_none_found_f6(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let none = Duration::ZERO;
        for number in 0..20 {
            let transaction = database.transaction().timeout(none).await?;
            let sql = t.sql("insert into {notes} (body) values (:body)");
            transaction.execute(sql, params! { body: number.to_string() }).timeout(none).await?;
            transaction.commit().timeout(none).await?;
        }
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).timeout(none).await?, 20);
        Ok(())
    }
}
