//! X4, X10, F7: errors of statements, sent in every way, and their effect on the transaction.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Result, Transaction};
use futures::TryStreamExt as _;

use super::{End, Environment, Stage};
use crate::cases::tasks::{add, kept, notes};
use crate::support::{Proxy, Test, cases};

/// The way in which a text is sent.
#[derive(Clone, Copy, Debug)]
enum Way {
    Execute,
    FetchAll,
    FetchOptional,
    Stream,
    Many,
    Bridge,
    Lent,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::Execute,
        Self::FetchAll,
        Self::FetchOptional,
        Self::Stream,
        Self::Many,
        Self::Bridge,
        Self::Lent,
    ];

    async fn send(self, t: &Test, transaction: &Transaction, sql: &str) -> Result<()> {
        let text = || AssertSqlSafe(sql.to_owned());
        match self {
            Self::Execute => transaction.execute(text(), ()).await.map(drop),
            Self::FetchAll => transaction.fetch_all(text(), ()).await.map(drop),
            Self::FetchOptional => transaction.fetch_optional(text(), ()).await.map(drop),
            Self::Stream => transaction.iterate(text(), ()).try_collect::<Vec<_>>().await.map(drop),
            Self::Many => transaction.execute_many(text(), [(), ()]).await.map(drop),
            #[cfg(feature = "sqlx-interop")]
            Self::Bridge => bridged(t, transaction, sql).await,
            #[cfg(feature = "sqlx-interop")]
            Self::Lent => lent(t, transaction, sql).await,
            #[cfg(not(feature = "sqlx-interop"))]
            Self::Bridge | Self::Lent => transaction.execute(text(), ()).await.map(drop),
        }
    }
}

#[cfg(feature = "sqlx-interop")]
async fn bridged(t: &Test, transaction: &Transaction, sql: &str) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    let sent = match t.backend().family() {
        "postgres" => sqlx::query(sql)
            .execute(transaction.sqlx::<sqlx::Postgres>()?)
            .await
            .map(drop),
        "mysql" => sqlx::query(sql)
            .execute(transaction.sqlx::<sqlx::MySql>()?)
            .await
            .map(drop),
        _ => sqlx::query(sql)
            .execute(transaction.sqlx::<sqlx::Sqlite>()?)
            .await
            .map(drop),
    };
    Ok(sent?)
}

#[cfg(feature = "sqlx-interop")]
async fn lent(t: &Test, transaction: &Transaction, sql: &str) -> Result<()> {
    use sqlx::{MySqlConnection, PgConnection, SqliteConnection};
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match t.backend().family() {
        "postgres" => transaction
            .with_sqlx(|raw: &mut PgConnection| Box::pin(sqlx::raw_sql(sql).execute(raw)))
            .await
            .map(drop),
        "mysql" => transaction
            .with_sqlx(|raw: &mut MySqlConnection| Box::pin(sqlx::raw_sql(sql).execute(raw)))
            .await
            .map(drop),
        _ => transaction
            .with_sqlx(|raw: &mut SqliteConnection| Box::pin(sqlx::raw_sql(sql).execute(raw)))
            .await
            .map(drop),
    }
}

/// Returns statements that fail: those that end the transaction, and those that do not.
async fn failing(t: &Test) -> Vec<String> {
    let texts: Vec<String> = match t.backend().family() {
        "postgres" => {
            let function = "create or replace function {raises}(code text) returns int language plpgsql as \
                            $$ begin raise exception using errcode = code; end $$";
            t.observe_exec(function).await;
            let codes = [
                "40001", "40P01", "57014", "57P01", "25P02", "55P03", "23505", "08006", "0A000", "XX000",
            ];
            let raised = codes.map(|code| format!("select {{raises}}('{code}')"));
            let others = [
                "select 1/0",
                "select * from {nothing}",
                "nonsense",
                "select pg_terminate_backend(pg_backend_pid())",
            ];
            raised.into_iter().chain(others.map(str::to_owned)).collect()
        }
        "mysql" => {
            let set_up = [
                "create procedure {says}(n int) begin signal sqlstate 'HY000' set mysql_errno = n; end",
                "create procedure {ends}(n int) begin rollback; signal sqlstate 'HY000' set mysql_errno = n; end",
                "create procedure {begins}(n int) begin rollback; start transaction; signal sqlstate 'HY000' set mysql_errno = n; end",
                "create trigger {says}_t before insert on {notes} for each row begin declare n int default 0; \
                 if new.body like 'E%' then set n = substr(new.body, 2); signal sqlstate 'HY000' set mysql_errno = n; end if; end",
            ];
            for sql in set_up {
                t.observe_exec(sql).await;
            }
            let numbers = [1213, 1205, 1180, 1047, 1020, 1206, 1062, 1317, 1105];
            let signalled = numbers.iter().flat_map(|number| {
                [
                    "call {says}(N)",
                    "call {ends}(N)",
                    "call {begins}(N)",
                    "insert into {notes} (body) values ('EN')",
                ]
                .map(|text| text.replace('N', &number.to_string()))
            });
            let others = [
                "select * from {nothing}",
                "nonsense",
                "insert into {notes} (id, body) values (1, null)",
            ];
            signalled.chain(others.map(str::to_owned)).collect()
        }
        _ => [
            "insert or rollback into {notes} (body) values (null)",
            "insert or abort into {notes} (body) values (null)",
            "insert or fail into {notes} (body) values (null)",
            "insert into {notes} (body) values ('raise rollback')",
            "insert into {notes} (body) values ('raise abort')",
            "insert into {notes} (body) values ('raise fail')",
            "insert into {notes} (body) values (zeroblob(3000000))",
            "select * from {nothing}",
            "nonsense",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    texts.iter().map(|text| t.words(text)).collect()
}

/// Drops the objects created in addition to the tables.
async fn tear_down(t: &Test) {
    match t.backend().family() {
        "postgres" => t.observe_exec("drop function {raises}").await,
        "mysql" => {
            for name in ["says", "ends", "begins"] {
                t.observe_exec(&format!("drop procedure {{{name}}}")).await;
            }
        }
        _ => {}
    }
}

async fn triggers(t: &Test, database: &ebbtide::Database) -> Result<()> {
    for action in ["rollback", "abort", "fail"] {
        let sql = format!(
            "create trigger {{raises}}_{action} before insert on {{notes}} when new.body = 'raise {action}' \
             begin select raise({action}, 'said by a trigger'); end"
        );
        database.execute(t.sql(&sql), ()).await?;
    }
    Ok(())
}

cases! {
    #[limit(600)]
    // Its errors are those of PostgreSQL, MySQL and SQLite.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // SQLite's INSERT OR ROLLBACK is a syntax error to DuckDB.
    #[except(dbapi2_duckdb)]
    async fn x4_an_error_of_a_statement_leaves_what_the_server_says_found_c1(t: Test) -> Result<()> {
        let parent = notes(&t).await;
        let texts = failing(&t).await;
        if t.backend().is_sqlite() {
            triggers(&t, &parent).await?;
        }
        let sqlite = t.backend().is_sqlite();
        let mut stage = if t.can_observe() { Stage::new(&t, &t.url()) } else { Stage::on(&t, &parent) };
        for environment in Environment::ALL {
            if sqlite && (environment == Environment::ForceRollback || (environment.is_sandbox() && !t.can_observe())) {
                continue; // No separate connection could observe the database.
            }
            for (number, text) in texts.iter().enumerate() {
                for (index, way) in Way::ALL.into_iter().enumerate() {
                    for nested in [false, true] {
                        let end = End::ALL[(number + index) % 3];
                        let what = format!("`{text}` by {way:?} in {environment:?}, nested: {nested}");
                        let database = stage.database(environment).await;
                        let outer = database.transaction().await?;
                        if sqlite {
                            outer.execute("pragma max_page_count = 400", ()).await?;
                        }
                        outer.execute(add(&t, "before"), ()).await?;
                        if nested {
                            let inner = outer.transaction().await?;
                            way.send(&t, &inner, text).await.expect_err(&what);
                            drop(inner);
                        } else {
                            way.send(&t, &outer, text).await.expect_err(&what);
                        }
                        stage.agree((environment, &database), outer, end, what).await;
                    }
                }
            }
        }
        tear_down(&t).await;
        Ok(())
    }

    /// Errors that certainly concern the statement alone cost no extra query; others cost one.
    #[only(mysql)]
    async fn x4_only_errors_that_may_end_the_transaction_cost_a_question_found_c2(t: Test) -> Result<()> {
        let _parent = notes(&t).await;
        let proxy = Proxy::start(&t.url());
        let database = Environment::Plain.open(&t, &proxy.url()).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "before"), ()).await?;
        for (sql, questions) in [
            ("insert into {notes} (body) values ('before')", 0),
            ("insert into {notes} (body) values (null)", 0),
            // Its number is not conclusive, because the statement does not read or change rows.
            ("signal sqlstate 'HY000' set mysql_errno = 1062", 1),
            ("signal sqlstate 'HY000' set mysql_errno = 1180", 1),
            ("signal sqlstate 'HY000' set mysql_errno = 1105", 1),
        ] {
            // Prepared, where possible.
            outer.execute(t.sql(sql), ()).await.expect_err(sql);
            proxy.reset();
            outer.execute(t.sql(sql), ()).await.expect_err(sql);
            assert_eq!(proxy.round_trips(), 1 + questions, "{sql}");
            assert!(outer.is_open(), "{sql}");
        }
        outer.rollback().await
    }

    /// A savepoint may be missing because a statement has committed: the library queries the server.
    #[only(mysql)]
    async fn x4_a_missing_savepoint_is_the_sign_of_an_end_found_c2(t: Test) -> Result<()> {
        let database = notes(&t).await;
        t.observe_exec("create procedure {commits}() begin commit; start transaction; end").await;
        let outer = database.transaction().await?;
        outer.execute("savepoint ebbtide_probe_of_test", ()).await?;
        // The end of a transaction that is not noticed where it happens.
        let gone = outer.execute(t.sql("call {commits}()"), ()).await;
        let missing = outer.execute("rollback to ebbtide_probe_of_test", ()).await;
        assert!(gone.is_err() && missing.is_err(), "{gone:?} {missing:?}");
        outer.execute(add(&t, "outside"), ()).await.expect_err("nothing runs outside of it");
        drop(outer);
        t.observe_exec("drop procedure {commits}").await;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// A statement that may have been committed is not run again, even if its answer was not awaited.
    #[only(mysql)]
    async fn x10_what_may_have_been_committed_is_not_run_again_found_a1(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for sql in [
            "create procedure {busy}() begin signal sqlstate 'HY000' set mysql_errno = 1205; end",
            "create procedure {slow}() begin commit; do sleep(30); end",
        ] {
            t.observe_exec(sql).await;
        }
        let attempts = AtomicUsize::new(0);
        let ran = database.transaction().retry().run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let busy = transaction.execute(t.sql("call {busy}()"), ()).await;
            assert!(busy.is_err_and(|error| error.is_retryable()));
            transaction.execute(add(&t, "once"), ()).await?;
            let slow = transaction.execute(t.sql("call {slow}()"), ());
            slow.timeout(Duration::from_millis(300)).await.map(drop)
        });
        let error = ran.await.expect_err("it takes too long");
        assert!(error.outcome_unknown(), "{error}");
        assert_eq!(attempts.load(Ordering::Relaxed), 1, "{error}");
        assert_eq!(kept(&t, &database).await, "once");
        for sql in ["drop procedure {busy}", "drop procedure {slow}"] {
            t.observe_exec(sql).await;
        }
        Ok(())
    }
}
