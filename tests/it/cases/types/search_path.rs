//! Names that mean other objects than before: after a change of the search path, or of the default database.

use ebbtide::{AssertSqlSafe, Config, Database, Queryable, params};
use futures::TryStreamExt as _;

use crate::support::{Test, cases};

/// Writes and reads in the schema at hand, whose type has values of its own.
async fn works(on: &impl Queryable, schema: &str) {
    let insert = "insert into tenant (status, n) values (:status, :n)";
    on.execute(insert, params! { status: schema, n: 1 }).await.unwrap();
    on.execute(insert, params! { status: "on", n: None::<i32> })
        .await
        .unwrap();
    let row = on
        .fetch_one(
            "select * from tenant where status = :status limit 1",
            params! { status: schema },
        )
        .await
        .unwrap();
    assert_eq!(row.get::<String>("status").unwrap(), schema);
    let all = on.iterate("select status from tenant where :n > 0", params! { n: 1 });
    let all: Vec<String> = all.value::<String>().try_collect().await.unwrap();
    assert!(all.iter().any(|status| status == schema), "{all:?}");
}

async fn one_connection(t: &Test) -> Database {
    Database::connect(Config::from_url(t.url()).unwrap().pool_size(1).max_overflow(0))
        .await
        .unwrap()
}

cases! {
    #[only(postgres)]
    async fn q4_types_are_those_of_the_current_search_path_found_w4(t: Test) {
        let database = one_connection(&t).await;
        let schemas = [t.table("one"), t.table("two")];
        for schema in &schemas {
            let create = format!(
                "create schema {schema}; create type {schema}.status as enum ('{schema}', 'on'); \
                 create table {schema}.tenant (status {schema}.status, n int)"
            );
            database.execute(AssertSqlSafe(create), ()).await.unwrap();
        }
        let [one, two] = &schemas;
        let set = |how: &str, schema: &str| AssertSqlSafe(format!("set {how} search_path = {schema}"));
        for (round, schema) in [one, two, two, one, two].into_iter().enumerate() {
            let transaction = database.transaction().await.unwrap();
            transaction.execute(set("local", schema), ()).await.unwrap();
            works(&transaction, schema).await;
            // A savepoint that is undone restores the path.
            let other = if schema == one { two } else { one };
            let inner = transaction.transaction().await.unwrap();
            inner.execute(set("local", other), ()).await.unwrap();
            works(&inner, other).await;
            inner.rollback().await.unwrap();
            works(&transaction, schema).await;
            if round % 2 == 0 { transaction.commit().await.unwrap() } else { transaction.rollback().await.unwrap() }
        }
        for schema in [one, two, one] {
            let transaction = database.transaction().await.unwrap();
            let value = params! { schema };
            transaction.execute("select set_config('search_path', :schema, true)", value).await.unwrap();
            works(&transaction, schema).await;
            transaction.commit().await.unwrap();
        }
        let connection = database.connection();
        for schema in [one, two, one] {
            connection.execute(set("session", schema), ()).await.unwrap();
            works(&connection, schema).await;
        }
        // A rollback restores the path of the session, also one as text.
        let transaction = connection.transaction().await.unwrap();
        transaction.execute(set("", two), ()).await.unwrap();
        works(&transaction, two).await;
        transaction.rollback().await.unwrap();
        works(&connection, one).await;
        for end in ["rollback", "commit"] {
            connection.execute("begin", ()).await.unwrap();
            connection.execute(set("local", two), ()).await.unwrap();
            works(&connection, two).await;
            connection.execute(end, ()).await.unwrap();
            works(&connection, one).await;
        }
        connection.execute(AssertSqlSafe(format!("drop schema {one}, {two} cascade")), ()).await.unwrap();
    }

    /// MySQL keeps the database in which a statement was prepared.
    #[only(mysql)]
    async fn q1_a_kept_statement_reads_the_tables_of_the_current_database_found_w4(t: Test) {
        let database = one_connection(&t).await;
        let other = t.table("other");
        let home: String = database.fetch_value("select database()", ()).await.unwrap();
        let create = format!(
            "create table {{notes}} (n int); insert into {{notes}} values (1); create database {other}; \
             create table {other}.{{notes}} (n int); insert into {other}.{{notes}} values (2)"
        );
        database.execute(t.sql(&create), ()).await.unwrap();
        let connection = database.connection();
        for (database, expected) in [(&home, 1), (&other, 2), (&other, 2), (&home, 1)] {
            connection.execute(AssertSqlSafe(format!("use {database}")), ()).await.unwrap();
            let read = t.sql("select n from {notes} where n > :n");
            assert_eq!(connection.fetch_value::<i64>(read, params! { n: 0 }).await.unwrap(), expected);
        }
        connection.execute(AssertSqlSafe(format!("drop database {other}")), ()).await.unwrap();
    }
}
