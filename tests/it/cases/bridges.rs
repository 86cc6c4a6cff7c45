//! What stands around a database knows the URLs of the drivers of other languages: test databases, the attribute,
//! dictionaries, the registry, routers and schemas.

use ebbtide::testing::TestDatabase;
use ebbtide::{Alias, App, Config, Connections, ConnectionsConfig, DatabaseUrl, Result, Router, Schema};
use serde_json::json;

use crate::support::cases;

/// Routes everything that is read to another database.
struct Reading;

impl Router for Reading {
    fn db_for_read(&self, _model: &str) -> Option<Alias> {
        Some("replica".into())
    }
}

/// Returns the configuration of a URL as a dictionary of its parts.
fn parts(url: &DatabaseUrl) -> serde_json::Value {
    let options: serde_json::Map<_, _> = url
        .options()
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    json!({
        "scheme": format!("{}+{}", url.scheme(), url.driver().unwrap_or_default()),
        "host": url.host(), "port": url.port(), "user": url.username(), "database": url.database(),
        "options": options,
    })
}

cases! {
    #[only(jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b5_parts_of_a_url_are_replaced_and_the_driver_stays(t: Test) -> Result<()> {
        let url: DatabaseUrl = t.url().parse()?;
        let other = url.clone().with_database("other").with_password("p").with_host("h").with_port(7);
        assert_eq!((other.scheme(), other.driver()), (url.scheme(), url.driver()));
        assert_eq!((other.bridge(), other.dialect(), other.options()), (url.bridge(), url.dialect(), url.options()));
        assert_eq!(other.clone().with_dialect(url.dialect()), other, "it has that dialect");
        assert_eq!(other.expose().parse::<DatabaseUrl>()?, other);
        let config = Config::from_url(&url)?.database("other");
        assert_eq!(config.url(), &url.with_database("other"));
        Ok(())
    }

    #[only(jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b5_a_test_database_is_made_and_dropped_through_the_driver(t: Test) -> Result<()> {
        let url = t.url().parse::<DatabaseUrl>()?.with_database(format!("bridged_{}", t.id()).as_str());
        let client = TestDatabase::builder(&url).await?;
        let expected = format!("test_bridged_{}", t.id());
        assert_eq!(client.url(), &url.with_database(expected.as_str()));
        client.execute("create table note (id integer)", ()).await?;
        assert_eq!(client.execute("insert into note values (1)", ()).await?.rows_affected, 1);
        assert!(client.close().await?, "it is dropped");
        Ok(())
    }

    #[only(jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b5_dictionary_registry_and_router_know_the_scheme(t: Test) -> Result<()> {
        let url: DatabaseUrl = t.url().parse()?;
        let config: ConnectionsConfig = serde_json::from_value(json!({
            "connections": {"default": t.url(), "replica": {"credentials": parts(&url)}},
        }))
        .expect("the configuration");
        let connections = Connections::init(config)?;
        connections.add_router(Reading);
        assert_eq!(connections.alias_for_read("note")?, "replica");
        for alias in ["default", "replica"] {
            let database = connections.get(alias).await?;
            assert_eq!(database.url(), &url, "{alias}");
            assert_eq!(database.fetch_value::<i64>("select 1", ()).await?, 1);
        }
        connections.close_all().await
    }

    #[only(jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b5_a_schema_is_made_and_dropped(t: Test) -> Result<()> {
        let database = t.database().await;
        let app = App::new("notes").define(t.sql("create table {notes} (id bigint primary key, body {key} not null)"));
        let schema = Schema::new().app(app);
        schema.create_new(&database).await?;
        database.execute(t.sql("insert into {notes} values (1, 'a')"), ()).await?;
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1);
        schema.drop_all(&database).await?;
        assert!(database.execute(t.sql("select * from {notes}"), ()).await.is_err());
        Ok(())
    }

    #[only(jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b5_the_attribute_takes_the_scheme(t: Test) -> Result<()> {
        #[cfg(feature = "macros")]
        {
            use ebbtide::testing::attribute::{Migrations, Runtime, Spec, Strategy, run};

            let database = t.database().await;
            database.execute(t.sql("create table {notes} (id bigint)"), ()).await?;
            let (source, insert) = (Config::from_url(t.url().as_str()), t.sql("insert into {notes} values (1)"));
            let spec = Spec {
                name: "it::bridges",
                manifest: env!("CARGO_MANIFEST_DIR"),
                source: Some(source),
                migrations: Migrations::none(),
                fixtures: &[],
                strategy: Strategy::Rollback,
                runtime: Runtime::CurrentThread,
                should_panic: false,
            };
            // It has a runtime of its own.
            let tested = std::thread::spawn(move || {
                run(spec, async move |database: ebbtide::Database| {
                    assert_eq!(database.execute(insert, ()).await.unwrap().rows_affected, 1);
                });
            });
            tokio::task::spawn_blocking(move || tested.join()).await.unwrap().unwrap();
            assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 0, "it is rolled back");
        }
        #[cfg(not(feature = "macros"))]
        assert!(t.driver().is_some());
        Ok(())
    }
}
