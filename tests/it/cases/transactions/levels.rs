//! X7 and C5: isolation levels.

use ebbtide::{Config, Database, ErrorKind, IsolationLevel, Result, Transaction};

use super::narrow;
use crate::cases::tasks::{add, config, count, in_task, kept, kind, list, notes, notes_with};
use crate::support::{Proxy, Test, cases};

/// Returns the isolation level of a statement outside of transactions.
async fn plain_level(t: &Test, database: &Database) -> Result<String> {
    let sql = match t.backend().family() {
        "postgres" => "select current_setting('transaction_isolation')",
        _ if t.backend().is_mysql_itself() => "select @@session.transaction_isolation",
        _ => "select @@session.tx_isolation",
    };
    let level: String = database.fetch_value(sql, ()).await?;
    Ok(level.to_uppercase().replace('-', " "))
}

/// Returns whether a second read in the same transaction sees rows that another connection committed after the first
/// read.
async fn sees_later_commits(t: &Test, transaction: &Transaction, body: &str) -> Result<bool> {
    let before: i64 = transaction.fetch_value(count(t), ()).await?;
    t.observe_exec(&format!("insert into {{notes}} (body) values ('{body}')"))
        .await;
    let after: i64 = transaction.fetch_value(count(t), ()).await?;
    assert!(after == before || after == before + 1);
    Ok(after > before)
}

/// Returns whether the connection obeys `PRAGMA query_only`; SQLite only.
async fn query_only(database: &Database) -> Result<bool> {
    Ok(database.fetch_value::<i64>("pragma query_only", ()).await? == 1)
}

cases! {
    /// SQLite has one level.
    #[only(postgres, mysql)]
    async fn x7_an_isolation_level_holds_for_its_transaction_only(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let by_default = t.backend().is_postgres();
        let mut number = 100;
        let mut next = || {
            number += 1;
            number.to_string()
        };
        for (level, sees) in [
            (None, by_default),
            (Some(IsolationLevel::ReadCommitted), true),
            (None, by_default),
            (Some(IsolationLevel::RepeatableRead), false),
            (None, by_default),
            (Some(IsolationLevel::ReadUncommitted), true),
            (None, by_default),
        ] {
            for end in ["commit", "rollback", "drop"] {
                let begin = database.transaction();
                let transaction = match level {
                    Some(level) => begin.isolation(level).await?,
                    None => begin.await?,
                };
                assert_eq!(sees_later_commits(&t, &transaction, &next()).await?, sees, "{level:?}, then {end}");
                match end {
                    "commit" => transaction.commit().await?,
                    "rollback" => transaction.rollback().await?,
                    _ => drop(transaction),
                }
            }
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x7_a_level_whose_begin_was_cancelled_does_not_stay(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let by_default = t.backend().is_postgres();
        let other_level = if by_default { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        for (round, body) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let mut begin = database.transaction().isolation(other_level).into_future();
            for _ in 0..round {
                if futures::poll!(&mut begin).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(begin);
            let transaction = database.transaction().await?;
            assert_eq!(sees_later_commits(&t, &transaction, body).await?, by_default, "after {round} polls");
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Only PostgreSQL reports the level of the transaction itself.
    #[only(postgres)]
    async fn x7_the_server_shows_each_level(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for level in [
            IsolationLevel::ReadUncommitted,
            IsolationLevel::ReadCommitted,
            IsolationLevel::RepeatableRead,
            IsolationLevel::Serializable,
        ] {
            let transaction = database.transaction().isolation(level).await?;
            let shown: String = transaction.fetch_value("show transaction_isolation", ()).await?;
            assert_eq!(shown.to_uppercase(), level.to_string());
            drop(transaction);
            let shown: String = database.fetch_value("show transaction_isolation", ()).await?;
            assert_eq!(shown, "read committed", "restored after {level}");
        }
        Ok(())
    }

    /// Serializable reads lock what they read on MySQL, so a writer has to wait.
    #[only(mysql)]
    async fn x7_serializable_locks_what_it_reads_on_mysql(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        for (level, locks) in [(IsolationLevel::Serializable, true), (IsolationLevel::RepeatableRead, false)] {
            let transaction = database.transaction().isolation(level).await?;
            transaction.fetch_value::<String>(list(&t), ()).await?;
            let (other, sql) = (database.clone(), t.sql("select body from {notes} for update nowait"));
            let locked = in_task(async move { other.fetch_all(sql, ()).await }).await;
            assert_eq!(locked.is_err(), locks, "{level}: {locked:?}");
            transaction.rollback().await?;
        }
        Ok(())
    }

    // DuckDB has one isolation level.
    #[except(dbapi2_duckdb)]
    async fn x7_serializable_is_known_everywhere(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let transaction = database.transaction().isolation(IsolationLevel::Serializable).await?;
        transaction.execute(add(&t, "a"), ()).await?;
        transaction.commit().await?;
        let closure = database.transaction().isolation(IsolationLevel::Serializable);
        closure.run(async |_| database.execute(add(&t, "b"), ()).await).await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    #[only(sqlite)]
    async fn x7_a_level_the_backend_lacks_is_an_error(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for level in [IsolationLevel::ReadUncommitted, IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead] {
            let refused = database.transaction().isolation(level).await;
            let error = refused.expect_err("SQLite has one level");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains(&level.to_string()), "{error}");
            assert!(!query_only(&database).await?);
            database.execute(add(&t, level), ()).await?;
        }
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 3);
        Ok(())
    }

    async fn x7_a_nested_transaction_cannot_have_a_level_of_its_own(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let nested = database.transaction().isolation(IsolationLevel::Serializable).await;
        assert_eq!(kind(&nested), Some(ErrorKind::Unsupported));
        drop(nested);
        outer.execute(add(&t, "b"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x7_the_configured_level_holds_where_none_is_asked_for(t: Test) -> Result<()> {
        let by_default = t.backend().is_postgres();
        let other = if by_default { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        let own = if by_default { IsolationLevel::ReadCommitted } else { IsolationLevel::RepeatableRead };
        let database = notes_with(&t, config(&t).pool_size(1_u32).isolation_level(other)).await;
        let transaction = database.transaction().await?;
        assert_eq!(sees_later_commits(&t, &transaction, "a").await?, !by_default);
        transaction.rollback().await?;
        let transaction = database.transaction().isolation(own).await?;
        assert_eq!(sees_later_commits(&t, &transaction, "b").await?, by_default, "asking beats the setting");
        transaction.rollback().await?;
        let transaction = database.transaction().await?;
        let nested = database.transaction().await?;
        nested.commit().await?;
        assert_eq!(sees_later_commits(&t, &transaction, "c").await?, !by_default);
        transaction.commit().await
    }

    /// SQLite has one level, which is accepted.
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    // DuckDB has one isolation level.
    #[except(dbapi2_duckdb)]
    // It asks for the level as MySQL does, and HSQLDB has no READ UNCOMMITTED.
    #[except(jdbc_h2, jdbc_hsqldb)]
    async fn c5_the_level_of_the_url_holds_for_plain_statements(t: Test) -> Result<()> {
        let separator = if t.url().contains('?') { '&' } else { '?' };
        let levels: &[&str] = match t.backend().family() {
            "sqlite" => &["SERIALIZABLE"],
            _ => &["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"],
        };
        for level in levels {
            let option = level.to_lowercase().replace(' ', "_");
            let database = Database::connect(format!("{}{separator}isolation_level={option}&pool_size=1", t.url())).await?;
            assert_eq!(database.fetch_value::<i64>("select 1", ()).await?, 1);
            if t.backend().is_sqlite() {
                continue;
            }
            assert_eq!(plain_level(&t, &database).await?, *level);
            database.transaction().isolation(IsolationLevel::ReadCommitted).await?.commit().await?;
            assert_eq!(plain_level(&t, &database).await?, *level, "after a transaction of another level");
            let sandbox = database.sandbox().await?;
            assert_eq!(plain_level(&t, &sandbox).await?, *level, "in a sandbox");
        }
        Ok(())
    }

    /// SQLite has no round trips.
    #[only(postgres, mysql)]
    async fn c5_the_level_of_plain_statements_costs_no_round_trip(t: Test) -> Result<()> {
        let mut spent = Vec::new();
        for level in [None, Some(IsolationLevel::Serializable)] {
            let proxy = Proxy::start(&t.url());
            let database = Database::connect(Config::from_url(proxy.url())?.isolation_level(level)).await?;
            database.execute("select 1", ()).await?;
            spent.push((proxy.round_trips(), proxy.requests()));
        }
        assert_eq!(spent[0], spent[1]);
        Ok(())
    }

    // DuckDB's only isolation level is SNAPSHOT.
    #[except(dbapi2_duckdb)]
    async fn c5_a_level_that_the_backend_lacks_is_refused_when_connecting(t: Test) -> Result<()> {
        let mut lacking = vec![IsolationLevel::Snapshot];
        if t.backend().is_sqlite() {
            lacking.push(IsolationLevel::ReadCommitted);
        }
        for level in lacking {
            let connected = Database::connect(config(&t).isolation_level(level)).await;
            assert_eq!(kind(&connected), Some(ErrorKind::Unsupported), "{level}");
        }
        Ok(())
    }
}
