//! Statements that other parts of the library send on their own connections: migrations, schemas, hooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ebbtide::{App, AssertSqlSafe, Database, ErrorKind, Result, Schema};

use super::ways::Behind;
use crate::cases::messages::assert_error;
use crate::cases::tasks::soon;
use crate::support::{Proxy, cases};

/// Loses the answer of the request of that number while `work` runs.
async fn losing<T>(proxy: &Proxy, request: usize, work: impl Future<Output = Result<T>>) -> Result<T> {
    proxy.hold_answers_from(request);
    let losing = async {
        proxy.until_requests(request).await;
        proxy.cut();
        proxy.resume();
    };
    let (done, ()) = soon("the work", async { tokio::join!(work, losing) }).await;
    done
}

cases! {
    /// The last request that creates tables is a COMMIT, or a statement that commits by itself.
    #[only(postgres, mysql)]
    async fn x12_the_end_of_making_tables_is_unknown_where_its_answer_is_lost_found_a1(t: Test) -> Result<()> {
        let on = Behind::new(&t, "pool_size=1").await;
        let app = App::new("notes").define(t.sql("create table {notes} (id bigint primary key)"));
        let schema = Schema::new().app(app);
        // Queries that are sent only once are sent the first time.
        let mut all = 0;
        for _ in 0..3 {
            on.proxy.reset();
            schema.create_all(&on.database).await?;
            all = on.proxy.requests();
            schema.drop_all(&on.database).await?;
        }
        let error = losing(&on.proxy, all, schema.create_all(&on.database)).await.unwrap_err();
        assert!(error.outcome_unknown() && !error.is_retryable(), "{error:?}");
        Ok(())
    }

    /// Whichever request of a migration is lost, the migration may have been applied; running it again does no harm.
    #[only(postgres, mysql)]
    #[sqlx]
    async fn x12_a_migration_whose_answer_is_lost_is_unknown_found_a1(t: Test) -> Result<()> {
        use ebbtide::SqlSafeStr as _;
        use sqlx::migrate::{Migration, MigrationType, Migrator};
        let on = Behind::new(&t, "pool_size=1").await;
        let sql = AssertSqlSafe(t.words("create table {notes} (id bigint primary key)")).into_sql_str();
        let migration = Migration::new(1, "notes".into(), MigrationType::Simple, sql, false);
        let mut migrator = Migrator::with_migrations(vec![migration]);
        migrator.dangerous_set_table_name(t.table("migrations"));
        for request in 1..4 {
            on.database.fetch_value::<i64>("select 1", ()).await?;
            let error = losing(&on.proxy, request, on.database.migrate(&migrator)).await.unwrap_err();
            assert_error(&error, ErrorKind::OutcomeUnknown, &["may have taken effect", file!()]);
        }
        soon("the migration", on.database.migrate(&migrator)).await?;
        on.database.execute(t.sql("insert into {notes} values (1)"), ()).await?;
        Ok(())
    }

    /// The error of a hook also reports that the outcome of its statement is unknown.
    #[only(postgres, mysql)]
    async fn x12_a_hook_whose_statement_is_lost_says_that_it_is_unknown_found_a1(t: Test) -> Result<()> {
        let proxy = Arc::new(Proxy::start(&t.url()));
        t.observe_exec("create table {notes} (body {key} primary key)").await;
        let (sql, armed) = (t.words("insert into {notes} values ('hook')"), Arc::new(AtomicBool::new(false)));
        let database = Database::new(proxy.url().as_str())?.after_connect({
            let (proxy, armed) = (Arc::clone(&proxy), Arc::clone(&armed));
            move |connection| {
                let (proxy, sql, armed) = (Arc::clone(&proxy), sql.clone(), Arc::clone(&armed));
                Box::pin(async move {
                    if armed.load(Ordering::SeqCst) {
                        losing(&proxy, 1, connection.execute(AssertSqlSafe(sql))).await?;
                    }
                    Ok(())
                })
            }
        });
        Database::connect(&database).await?;
        armed.store(true, Ordering::SeqCst);
        let held = database.transaction().await?;
        let other = database.clone();
        let asked = tokio::spawn(async move { other.fetch_value::<i64>("select 1", ()).await });
        let error = soon("the hook", asked).await.expect("no panic").unwrap_err();
        assert_error(&error, ErrorKind::Hook, &["after_connect", "may have taken effect"]);
        assert!(error.outcome_unknown() && !error.is_retryable(), "{error:?}");
        drop(held);
        Ok(())
    }
}
