//! W2: warnings about slow statements.

use std::time::Duration;

use ebbtide::{Database, Result, params};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::{sleep, timeout};

use super::pool::{open, with};
use crate::support::{Test, Watcher, cases};

/// Returns a statement that takes a third of a second.
fn long(t: &Test) -> &'static str {
    if t.backend().is_mysql() {
        "select sleep(0.3), :secret"
    } else {
        "select pg_sleep(0.3)::text, :secret::text"
    }
}

fn warned(watcher: &Watcher) -> Vec<String> {
    let events = watcher.events("ebbtide::slow");
    events.iter().map(|event| format!("{:?}", event.fields)).collect()
}

cases! {
    // They have no recursive queries without FROM.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn w2_a_slow_statement_is_reported_without_its_values_found_n6(t: Test) -> Result<()> {
        let database = open(&t, "slow_statement=1ms").await;
        let watcher = Watcher::default();
        let deep = "with recursive up (n) as (select 1 union all select n + 1 from up where n < :last) \
                    select count(*) from up where n <> :secret";
        let (values, line) = (params! { last: 900_i64, secret: 471_147_i64 }, line!() + 1);
        watcher.watch(async { database.fetch_all(deep, values).await }).await?;
        if t.backend().is_sqlite() {
            // That may have been fast.
            let far = params! { last: 400_000_i64, secret: 471_147_i64 };
            watcher.watch(async { database.fetch_all(deep, far).await }).await?;
        }
        let warned = warned(&watcher);
        if t.backend().is_sqlite() || !warned.is_empty() {
            let last = warned.last().expect("it is slow");
            assert!(last.contains("with recursive up (n)") && last.contains("slow.rs:"), "{line}: {last}");
            assert!(last.contains("`slow_statement` (1ms)") && last.contains("duration"), "{last}");
            assert!(!last.contains("471147"), "{last}");
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn w2_every_slow_way_is_reported_once_and_a_fast_one_never_found_n6(t: Test) -> Result<()> {
        let database = open(&t, "slow_statement=200ms").await;
        let secret = || params! { secret: "hush-hush" };
        let watcher = Watcher::default();
        let line = line!() + 2;
        watcher.watch(async {
            database.execute(long(&t), secret()).await?;
            database.fetch_all(long(&t), secret()).await?;
            database.iterate(long(&t), secret()).try_collect::<Vec<_>>().await?;
            let transaction = database.transaction().await?;
            transaction.execute(long(&t), secret()).await?;
            transaction.commit().await
        }).await?;
        let slow = warned(&watcher);
        assert_eq!(slow.len(), 4, "{slow:#?}");
        for (warning, line) in slow.iter().zip([line, line + 1, line + 2, line + 4]) {
            assert!(warning.contains(&format!("slow.rs:{line}:")), "{line}: {warning}");
            assert!(warning.contains("sleep(0.3)") && !warning.contains("hush"), "{warning}");
        }

        let watcher = Watcher::default();
        watcher.watch(async {
            database.execute("select 1", ()).await?;
            let mut rows = database.iterate("select 1 union select 2", ());
            rows.next().await.expect("a row")?;
            // That its reader takes long is no fault of a stream.
            sleep(Duration::from_millis(250)).await;
            rows.next().await.expect("another row")?;
            Ok::<_, ebbtide::Error>(())
        }).await?;
        assert_eq!(warned(&watcher), Vec::<String>::new());
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn w2_a_slow_statement_that_is_given_up_is_reported_found_n6(t: Test) -> Result<()> {
        let database = open(&t, "slow_statement=50ms").await;
        let watcher = Watcher::default();
        let statement = async { timeout(Duration::from_millis(120), database.fetch_all(long(&t), params! { secret: "x" })).await };
        assert!(watcher.watch(statement).await.is_err());
        assert_eq!(warned(&watcher).len(), 1, "{:?}", warned(&watcher));
        // The other connection may still be busy with the statement that was given up.
        let database = open(&t, "slow_statement=50ms").await;
        database.execute("select 1", ()).await?;
        let stream = async { timeout(Duration::from_millis(200), database.iterate(long(&t), params! { secret: "x" }).next()).await };
        assert!(watcher.watch(stream).await.is_err());
        assert_eq!(warned(&watcher).len(), 2, "{:?}", warned(&watcher));
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn w2_slow_statements_are_not_reported_if_that_is_off_found_n6(t: Test) -> Result<()> {
        for off in ["slow_statement=off", "slow_statement=0", "slow_statement=never"] {
            let database = Database::connect(with(&t.url(), off)).await?;
            assert_eq!(database.config().settings().slow_statement, None);
            let watcher = Watcher::default();
            watcher.watch(async { database.fetch_all(long(&t), params! { secret: "x" }).await }).await?;
            assert_eq!(warned(&watcher), Vec::<String>::new());
        }
        assert_eq!(Database::new(t.url())?.config().settings().slow_statement, Some(Duration::from_secs(1)));
        Ok(())
    }
}
