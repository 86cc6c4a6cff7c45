//! The same cases for every database; each database has its own queries.

use std::env;
use std::io::Write as _;

use ebbtide::testing::TestDatabase;

/// Creates a database of its own for a test. Returns `None`, with a warning on standard error, if there is no server.
pub async fn client(backend: &str, test: &str) -> Option<TestDatabase> {
    if backend == "sqlite" {
        return Some(
            TestDatabase::builder("sqlite::memory:")
                .await
                .expect("a database in memory"),
        );
    }
    let variable = format!("EBBTIDE_TEST_{}_URL", backend.to_uppercase());
    if let Some(url) = env::var(&variable).ok().filter(|url| !url.is_empty()) {
        let prefix = format!("queries_{test}_{}_", std::process::id());
        return Some(
            TestDatabase::builder(url)
                .prefix(prefix)
                .await
                .expect("a database of its own"),
        );
    }
    let listed = env::var("EBBTIDE_TEST_BACKENDS").unwrap_or_default();
    let must_run = listed.split(',').any(|name| name.trim() == backend);
    assert!(!must_run, "{variable} is not set");
    let loud = format!("\n!!! THE MACROS OF SQLX WERE NOT TESTED ON {backend}: {variable} is not set\n\n");
    // Written directly, because the harness would capture it.
    std::io::stderr().write_all(loud.as_bytes()).expect("standard error");
    None
}

/// The cases, for a file that has `DB`, `Note`, `add`, `find`, `finish`, `all` and `count`.
macro_rules! cases {
    ($backend:literal, $migrations:literal, $builder:expr) => {
        static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!($migrations);

        /// Returns a database with the tables of the migrations.
        async fn migrated(test: &str) -> Option<ebbtide::testing::TestDatabase> {
            let client = support::client($backend, test).await?;
            client.migrate(&MIGRATOR).await.expect("the tables");
            Some(client)
        }

        /// Runs the results of the query macros and reads their rows.
        async fn use_all(sqlx: &ebbtide::Sqlx<DB>, text: &str) -> sqlx::Result<()> {
            let before = count(sqlx).await?;
            let due = DateTime::from_timestamp(1_800_000_000, 0);
            let id = add(sqlx, text, due).await?;
            assert_eq!(find(sqlx, text).await?, Some((id, text.to_owned())));
            assert_eq!(find(sqlx, "missing").await?, None);
            assert_eq!(finish(sqlx, id).await?, 1);
            let expected = Note {
                id,
                text: text.to_owned(),
                done: true,
                due,
            };
            assert_eq!(all(sqlx).await?.last(), Some(&expected));
            assert_eq!(count(sqlx).await?, before + 1);
            Ok(())
        }

        #[tokio::test]
        async fn q9_the_macros_run_in_the_transaction_of_the_task() -> Result<(), Box<dyn std::error::Error>> {
            let Some(client) = migrated("transaction").await else {
                return Ok(());
            };
            let sqlx = client.sqlx::<DB>()?;
            use_all(&sqlx, "kept").await?;

            let transaction = client.transaction().await?;
            use_all(&sqlx, "a note").await?;
            assert_eq!(count(&transaction.sqlx::<DB>()?).await?, 2);
            transaction.rollback().await?;
            assert_eq!(count(&sqlx).await?, 1);

            let mut transaction = sqlx.begin().await?;
            add(&mut *transaction, "committed", None).await?;
            let mut savepoint = transaction.begin().await?;
            add(&mut *savepoint, "undone", None).await?;
            savepoint.rollback().await?;
            transaction.commit().await?;
            let texts: Vec<String> = all(&sqlx).await?.into_iter().map(|note| note.text).collect();
            assert_eq!(texts, ["kept", "committed"]);

            let failed: sqlx::Result<()> = client
                .transaction()
                .run(async |_| {
                    add(&sqlx, "undone too", None).await?;
                    Err(sqlx::Error::RowNotFound)
                })
                .await;
            assert!(failed.is_err());
            assert_eq!(count(&sqlx).await?, 2);
            client.close().await?;
            Ok(())
        }

        #[tokio::test]
        async fn q9_the_macros_run_in_a_sandbox() -> Result<(), Box<dyn std::error::Error>> {
            let Some(client) = migrated("sandbox").await else {
                return Ok(());
            };
            let sandbox = client.sandbox().await?;
            // In a sandbox the application's own migration at its start has nothing left to do.
            sandbox.migrate(&MIGRATOR).await?;
            let sqlx = sandbox.sqlx::<DB>()?;
            use_all(&sqlx, "a note").await?;
            let mut transaction = sqlx.begin().await?;
            add(&mut *transaction, "committed to nothing", None).await?;
            transaction.commit().await?;
            assert_eq!(count(&sqlx).await?, 2);
            sandbox.disconnect().await?;
            assert_eq!(count(&client.sqlx::<DB>()?).await?, 0);
            client.close().await?;
            Ok(())
        }

        #[tokio::test]
        async fn q9_the_macros_run_on_the_lent_connection() -> Result<(), Box<dyn std::error::Error>> {
            let Some(client) = migrated("lent").await else {
                return Ok(());
            };
            let transaction = client.transaction().await?;
            let counted = client.with_sqlx(|connection: &mut <DB as sqlx::Database>::Connection| {
                Box::pin(async move {
                    add(&mut *connection, "lent", None).await?;
                    count(connection).await
                })
            });
            assert_eq!(counted.await?, 1);
            transaction.rollback().await?;
            assert_eq!(count(&client.sqlx::<DB>()?).await?, 0);
            client.close().await?;
            Ok(())
        }

        #[tokio::test]
        async fn q9_statements_of_sea_query_sqlx_run_through_the_bridge() -> Result<(), Box<dyn std::error::Error>> {
            use sea_query::{Expr, ExprTrait as _, Order, Query};
            use sea_query_sqlx::SqlxBinder as _;

            let Some(client) = migrated("sea").await else {
                return Ok(());
            };
            let sqlx = client.sqlx::<DB>()?;
            let transaction = client.transaction().await?;
            let mut insert = Query::insert();
            insert.into_table("note").columns(["text", "done"]);
            for text in ["it's one", "two ? $1 :x"] {
                insert.values_panic([text.into(), true.into()]);
            }
            let (sql, values) = insert.build_sqlx($builder);
            let done = sqlx::query_with(sqlx::AssertSqlSafe(sql), values)
                .execute(&sqlx)
                .await?;
            assert_eq!(done.rows_affected(), 2);
            let mut select = Query::select();
            select
                .column("text")
                .from("note")
                .and_where(Expr::col("text").like("two%"))
                .order_by("id", Order::Asc);
            let (sql, values) = select.build_sqlx($builder);
            let texts: Vec<String> = sqlx::query_scalar_with(sqlx::AssertSqlSafe(sql), values)
                .fetch_all(&sqlx)
                .await?;
            assert_eq!(texts, ["two ? $1 :x"]);
            transaction.rollback().await?;
            assert_eq!(count(&sqlx).await?, 0);
            client.close().await?;
            Ok(())
        }

        #[tokio::test]
        async fn r4_a_compiled_migrator_is_applied_and_undone_by_a_schema() -> Result<(), Box<dyn std::error::Error>> {
            use ebbtide::{App, Schema};

            let Some(client) = support::client($backend, "schema").await else {
                return Ok(());
            };
            let schema = Schema::new().app(App::new("notes").define(&MIGRATOR));
            schema.create_new(client.database()).await?;
            use_all(&client.sqlx::<DB>()?, "a note").await?;
            schema.create_all(client.database()).await?;
            schema.drop_all(client.database()).await?;
            assert!(count(&client.sqlx::<DB>()?).await.is_err());
            client.close().await?;
            Ok(())
        }
    };
}
pub(crate) use cases;
