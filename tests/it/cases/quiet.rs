//! Warnings of the server that the library itself would cause.

use ebbtide::{Database, Result};
use sqlx::migrate::Migrator;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use super::bridge::Raw;
use super::pool::{open, with};
use super::tasks::{add, in_use, kept, notes_with};
use crate::support::{Proxy, Test, Watcher, cases};

/// Returns what the server has warned of.
fn notices(watcher: &Watcher) -> Vec<String> {
    let events = watcher.events("sqlx::postgres::notice");
    events.iter().map(|event| event.field("message").to_owned()).collect()
}

/// Records what is reported on this thread, which is the only one of its runtime, also by tasks of the library.
async fn listen() -> (Watcher, DefaultGuard) {
    let watcher = Watcher::default();
    watcher.watch(async {}).await;
    let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(watcher.clone()));
    (watcher, listening)
}

async fn narrow(t: &Test) -> Database {
    notes_with(t, super::tasks::config(t).pool_size(1_u32)).await
}

cases! {
    #[only(postgres)]
    #[sqlx]
    async fn q9_a_lent_connection_is_cleaned_without_a_warning_found_n2(t: Test) -> Result<()> {
        type DB = sqlx::Postgres;
        let database = narrow(&t).await;
        {
            let (watcher, _listening) = listen().await;
            let warned = database.with_sqlx(|connection: &mut Raw<DB>| Box::pin(async move {
                sqlx::raw_sql("rollback").execute(connection).await.map(drop)
            }));
            warned.await?;
            assert_eq!(notices(&watcher).len(), 1, "a warning would be seen");
        }
        let (watcher, _listening) = listen().await;
        let texts = [
            "select 1",
            "begin",
            "begin; select 1",
            "begin; select missing",
            "listen ears",
            "begin; listen ears",
            "begin; listen ears; commit",
        ];
        for (index, left) in texts.into_iter().enumerate() {
            let lent = database.with_sqlx(move |connection: &mut Raw<DB>| Box::pin(async move {
                sqlx::raw_sql(left).execute(connection).await.map(drop)
            }));
            assert_eq!(lent.await.is_err(), left.contains("missing"), "{left}");
            let heard: i64 = database.fetch_value("select count(*) from pg_listening_channels()", ()).await?;
            assert_eq!(heard, 0, "{left}");
            database.execute(add(&t, index), ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "0,1,2,3,4,5,6", "no transaction was left open");
        assert_eq!(notices(&watcher), Vec::<String>::new());
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn q9_a_lent_connection_costs_one_request_to_clean_found_n2(t: Test) -> Result<()> {
        type DB = sqlx::Postgres;
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(with(&proxy.url(), "pool_size=1")).await?;
        database.execute("select 1", ()).await?;
        proxy.reset();
        database.with_sqlx(|connection: &mut Raw<DB>| Box::pin(async move {
            sqlx::raw_sql("select 1").execute(connection).await.map(drop)
        })).await?;
        database.fetch_value::<i64>("select 1", ()).await?;
        // What was prepared may be for tables that are no longer seen, so the statement after it is prepared again.
        let anew = 3;
        assert_eq!(proxy.round_trips(), 2 + anew, "the closure's own, the cleaning, and the statement after it");
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn q9_migrations_cause_no_warning_found_n2(t: Test) -> Result<()> {
        let folder = t.folder().join("migrations");
        std::fs::create_dir(&folder).unwrap();
        let table = t.table("migrated");
        std::fs::write(folder.join("1_first.sql"), format!("create table {table} (id int)")).unwrap();
        std::fs::write(folder.join("2_second.sql"), format!("insert into {table} values (1)")).unwrap();
        let mut migrator = Migrator::new(folder.as_path()).await.expect("the migrations");
        migrator.dangerous_set_table_name(t.table("done"));
        let database = open(&t, "pool_size=1").await;
        let (watcher, _listening) = listen().await;
        database.migrate(&migrator).await?;
        database.execute("select 1", ()).await?;
        let unexpected: Vec<_> = notices(&watcher).into_iter().filter(|notice| notice.contains("transaction")).collect();
        assert_eq!(unexpected, Vec::<String>::new());
        Ok(())
    }

    #[only(postgres)]
    async fn x4_a_refused_commit_is_cleaned_without_a_warning_found_n2(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        database.execute(t.sql("create table {links} (note bigint references {notes} (id) deferrable initially deferred)"), ()).await?;
        let watcher = Watcher::default();
        watcher.watch(async {
            for round in 0..2 {
                let transaction = database.transaction().await?;
                transaction.execute(t.sql("insert into {links} values (-1)"), ()).await?;
                let error = transaction.commit().await.expect_err("the note is missing");
                assert!(error.constraint().is_some(), "{error}");
                assert_eq!(in_use(&database), 0);
                // The connection counts nothing as open.
                let transaction = database.transaction().await?;
                transaction.execute(add(&t, round), ()).await?;
                transaction.commit().await?;
                database.execute(add(&t, format!("plain {round}")), ()).await?;
            }
            Ok::<_, ebbtide::Error>(())
        }).await?;
        assert_eq!(notices(&watcher), Vec::<String>::new());
        assert_eq!(kept(&t, &database).await, "0,1,plain 0,plain 1");
        Ok(())
    }
}
