//! F1: one transaction that is undone at the end.

use std::time::Duration;

use ebbtide::{Database, Error, ErrorKind, Result, params};
use futures::future::join_all;

use super::{sandbox, sandboxed};
use crate::cases::pool::select_one;
use crate::cases::tasks::{add, count, in_task, in_use, kept, kind, list, notes, soon};
use crate::support::cases;

cases! {
    #[except(sqlite_memory)]
    async fn f1_nothing_stays_after_the_last_disconnect(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        let sql = t.sql("insert into {notes} (body) values (:body)");
        database.execute_many(sql, ["b", "c"].map(|body| params! { body })).await?;
        database.transaction().run(async |_| database.execute(add(&t, "d"), ()).await).await?;
        let connection = database.connection();
        connection.execute(add(&t, "e"), ()).await?;
        drop(connection);
        let (other, sql) = (database.clone(), add(&t, "f"));
        in_task(async move { other.execute(sql, ()).await }).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c,d,e,f");
        assert_eq!(kept(&t, &database).await, "", "it is not visible outside");
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "");
        // After the next connect it begins empty.
        Database::connect(&database).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "");
        database.execute(add(&t, "a"), ()).await?;
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f1_every_task_shares_one_connection(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let tasks = (10..20).map(|number| {
            let (other, sql) = (database.clone(), add(&t, number));
            tokio::spawn(async move {
                other.execute(sql, ()).await?;
                let connection = other.connection();
                connection.fetch_value::<i64>(select_one(&other), ()).await?;
                Ok::<_, Error>(in_use(&other))
            })
        });
        for task in join_all(tasks).await {
            assert_eq!(task.expect("no panic")?, 1);
        }
        let connection = database.connection();
        assert_eq!(connection.fetch_value::<i64>(count(&t), ()).await?, 10);
        assert_eq!(in_use(&database), 1);
        drop(connection);
        assert_eq!(in_use(&database), 1, "the sandbox keeps it");
        assert!(database.disconnect().await?);
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f1_it_begins_at_first_use(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        assert_eq!(in_use(&database), 0, "connecting alone begins nothing");
        let connection = database.connection();
        let transaction = database.transaction();
        assert_eq!(in_use(&database), 0, "nor do handles");
        drop((connection, transaction));
        database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?;
        assert_eq!(in_use(&database), 1);
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f1_a_sandbox_never_used_ends_quietly(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        Database::connect(&database).await?;
        assert!(!database.disconnect().await?, "it was connected twice");
        assert!(database.disconnect().await?);
        assert_eq!(kind(&database.execute("select 1", ()).await), Some(ErrorKind::NotConnected));
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f1_an_earlier_disconnect_of_several_undoes_nothing(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        Database::connect(&database).await?;
        database.execute(add(&t, "a"), ()).await?;
        assert!(!database.disconnect().await?);
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(database.disconnect().await?);
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_dropping_everything_rolls_back(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let database = Database::connect(sandbox(&t)).await?;
        database.execute(add(&t, "a"), ()).await?;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        drop((transaction, database));
        // The same key: if the sandbox were still open on the server, this would wait for its end.
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_a_panic_rolls_back(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let (config, sql) = (sandbox(&t), [add(&t, "a"), add(&t, "b")]);
        let test = async move {
            let [a, b] = sql;
            let database = Database::connect(config).await.expect("it connects");
            database.execute(a, ()).await.expect("it writes");
            let _open = database.transaction().await.expect("it begins");
            database.execute(b, ()).await.expect("it writes");
            let nothing: Option<()> = std::hint::black_box(None);
            nothing.expect("a test that fails");
        };
        assert!(tokio::spawn(test).await.expect_err("it panicked").is_panic());
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_a_panic_that_ends_the_runtime_rolls_back(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let (config, sql) = (sandbox(&t), add(&t, "a"));
        let test = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let database = Database::connect(config).await.expect("it connects");
                database.execute(sql, ()).await.expect("it writes");
                let nothing: Option<()> = std::hint::black_box(None);
                nothing.expect("a test that fails");
            });
        };
        assert!(std::thread::spawn(test).join().is_err());
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_disconnecting_with_a_transaction_open_undoes_it_and_tells_its_user(t: Test) -> Result<()> {
        let database = Database::connect(sandbox(&t).lease_timeout(Duration::from_millis(100))).await?;
        let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
        database.force_rollback(false).run(database.execute(create, ()).into_future()).await?;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let _ = soon("disconnect", database.disconnect()).await;
        let after = soon("a statement", transaction.execute(add(&t, "b"), ())).await;
        assert!(after.is_err());
        assert!(soon("commit", transaction.commit()).await.is_err());
        drop(transaction);
        let plain = t.database().await;
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }
}
