//! Statements of sea-query, passed to the verbs directly.

use chrono::{DateTime, Utc};
use ebbtide::{App, ErrorKind, Result, Schema, params};
use futures::TryStreamExt;
use sea_query::{
    Alias, ColumnDef, Expr, ExprTrait, ForeignKey, Index, IntoIden, OnConflict, Order, Query, Table, TableRef,
};

use crate::support::cases;

cases! {
    // It quotes all names, which these databases fold to upper case where they are not quoted.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // `at` is a word of DuckDB.
    #[except(dbapi2_duckdb)]
    async fn q5_sea_query_statements_are_taken_by_every_verb(t: Test) {
        let database = t.database().await;
        database
            .execute(t.sql("create table {notes} (id bigint primary key, body {text}, at {timestamp}, weight {float}, done {bool})"), ())
            .await
            .unwrap();
        let table = Alias::new(t.table("notes"));
        let name = Alias::new;
        let at: DateTime<Utc> = "2026-11-21T10:00:00.250Z".parse().unwrap();
        let mut insert = Query::insert();
        insert.into_table(table.clone()).columns(["id", "body", "at", "weight", "done"].map(name));
        for id in 1..=3_i64 {
            insert.values_panic([id.into(), format!("it's ? $1 :x {id}").into(), at.into(), 0.5.into(), (id == 2).into()]);
        }
        assert_eq!(database.execute(&insert, ()).await.unwrap().rows_affected, 3);

        let mut update = Query::update();
        update.table(table.clone()).value(name("body"), Option::<String>::None).and_where(Expr::col(name("id")).eq(3_i64));
        let transaction = database.transaction().await.unwrap();
        assert_eq!(transaction.execute(update, ()).await.unwrap().rows_affected, 1);
        transaction.commit().await.unwrap();

        let mut select = Query::select();
        select.columns(["id", "body", "at"].map(name)).from(table.clone()).and_where(Expr::col(name("id")).is_in([1_i64, 3]));
        select.order_by(name("id"), Order::Asc);
        let rows = database.fetch_all(&select, ()).await.unwrap();
        assert_eq!(rows[0].get::<String>("body").unwrap(), "it's ? $1 :x 1");
        assert_eq!(rows[0].get::<DateTime<Utc>>("at").unwrap(), at);
        assert_eq!(rows[1].get::<Option<String>>("body").unwrap(), None);
        assert_eq!(database.fetch_value::<i64>(&select, ()).await.unwrap(), 1);
        assert_eq!(database.iterate(&select, ()).try_collect::<Vec<_>>().await.unwrap().len(), 2);

        let error = database.fetch_all(&select, params! { id: 1 }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter, "{error}");
        let error = database.execute_many(&select, [params! { id: 1 }]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter, "{error}");

        let mut delete = Query::delete();
        delete.from_table(table).and_where(Expr::col(name("done")).eq(true));
        assert_eq!(database.execute(delete, ()).await.unwrap().rows_affected, 1);
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 2);
    }

    // It quotes all names, which these databases fold to upper case where they are not quoted.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB alters no table that has an index.
    #[except(dbapi2_duckdb)]
    async fn q5_sea_query_definitions_are_taken_by_execute_found_f12(t: Test) -> Result<()> {
        let database = t.database().await;
        let (plain, renamed) = (t.table("plain"), t.table("renamed"));
        let name = |name: &str| Alias::new(name);
        let mut create = Table::create();
        create.table(name(&plain)).col(ColumnDef::new("id").big_integer().not_null().primary_key());
        create.col(ColumnDef::new("text").string_len(20).default("a :b ? $1"));
        database.execute(&create, ()).await?;
        database.execute(Table::alter().table(name(&plain)).add_column(ColumnDef::new("n").integer()).take(), ()).await?;
        database.execute(Index::create().name(format!("{plain}_n")).table(name(&plain)).col("n").take(), ()).await?;
        database.execute(t.sql("insert into {plain} (id, n) values (1, 2)"), ()).await?;
        database.execute(Table::rename().table(name(&plain), name(&renamed)).take(), ()).await?;
        let row = database.fetch_one(t.sql("select text, n from {renamed}"), ()).await?;
        assert_eq!((row.get::<String>("text")?, row.get::<i64>("n")?), ("a :b ? $1".to_owned(), 2));
        database.execute(Table::drop().table(name(&renamed)).take(), ()).await?;

        let key = ForeignKey::create().name("k").from(name(&plain), "n").to(name(&plain), "id").take();
        if t.backend().is_sqlite() {
            let error = database.execute(&key, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            let many = database.execute_many(&key, [(1,)]).await.unwrap_err();
            for error in [&error, &many] {
                assert!(error.message().contains("sea.rs:"), "it names the place of the call: {error}");
            }
            assert!(error.to_string().contains("write it as SQL text for SQLite"), "{error}");
        } else {
            assert_eq!(database.execute(key, ()).await.unwrap_err().kind(), ErrorKind::UndefinedObject);
        }
        Ok(())
    }

    // It quotes all names, which these databases fold to upper case where they are not quoted.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB has no automatic keys.
    #[except(dbapi2_duckdb)]
    async fn r4_sea_query_tables_are_made_in_the_dialect_of_the_database(t: Test) -> Result<()> {
        let database = t.database().await;
        let (notes, tags) = (t.table("notes"), t.table("tags"));
        let name = |name: &str| Alias::new(name);
        let tag = Table::create()
            .table(name(&tags))
            .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new("note").big_integer().not_null())
            .col(ColumnDef::new("made").timestamp().null())
            .foreign_key(ForeignKey::create().from(name(&tags), "note").to(name(&notes), "id"))
            .take();
        let index = Index::create().name(format!("{tags}_note")).table(name(&tags)).col("note").take();
        let note = Table::create()
            .table(name(&notes))
            .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new("body").string_len(100).not_null().unique_key())
            .take();
        let schema = Schema::new().app(App::new("notes").define(index).define(tag).define(note));
        schema.create_new(&database).await?;
        schema.create_all(&database).await?;
        let insert = Query::insert().into_table(name(&notes)).columns(["body"]).values_panic(["a".into()]).take();
        database.execute(insert, ()).await?;
        let orphan = t.sql("insert into {tags} (note) values (7)");
        assert_eq!(database.execute(orphan, ()).await.unwrap_err().kind(), ErrorKind::Constraint);
        assert_eq!(schema.create_new(&database).await.unwrap_err().kind(), ErrorKind::DuplicateObject);
        schema.drop_all(&database).await?;
        let gone = database.fetch_all(t.sql("select * from {notes}"), ()).await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::UndefinedObject);
        Ok(())
    }

    // It quotes all names, which these databases fold to upper case where they are not quoted.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its driver loses the rows of RETURNING.
    #[except(odbc_sqlite)]
    async fn q5_a_returning_clause_of_sea_query_is_never_dropped_found_w12(t: Test) -> Result<()> {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id {id}, body {text})"), ()).await?;
        let table = || Alias::new(t.table("notes"));
        let insert = |body: &str| {
            Query::insert().into_table(table()).columns(["body"]).values_panic([body.into()]).returning_col("id").take()
        };
        let delete = Query::delete().from_table(table()).and_where(Expr::col("body").eq("a")).returning_all().take();
        let transaction = database.transaction().await?;
        if t.backend().is_mysql_itself() {
            for statement in [transaction.fetch_value::<i64>(insert("a"), ()).await, transaction.fetch_value(delete, ()).await] {
                let error = statement.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Syntax, "{error:?}");
                assert!(error.to_string().contains("MySQL has no RETURNING"), "{error}");
            }
            transaction.commit().await?;
            assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 0);
            return Ok(());
        }
        assert_eq!(transaction.fetch_value::<i64>(insert("a"), ()).await?, 1);
        assert_eq!(transaction.fetch_value::<i64>(&insert("b"), ()).await?, 2);
        assert_eq!(transaction.fetch_one(delete, ()).await?.get::<String>("body")?, "a");
        let update = Query::update().table(table()).value("body", "c").returning_col("id").take();
        let updated = transaction.fetch_value::<i64>(update, ()).await;
        if t.backend().is_mysql() {
            // MariaDB before 13.
            let error = updated.unwrap_err();
            assert!(error.to_string().contains("MariaDB only for INSERT"), "{error}");
        } else {
            assert_eq!(updated?, 2);
        }
        transaction.commit().await?;
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1);
        Ok(())
    }

    /// What a dialect lacks is an error, and nothing is sent: without it the statement would mean something else.
    // It quotes all names, which these databases fold to upper case where they are not quoted.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB has no FOR UPDATE.
    #[except(dbapi2_duckdb)]
    async fn q5_what_sea_query_would_leave_out_is_an_error_found_w12(t: Test) -> Result<()> {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id {id}, body {key} unique, place {int})"), ()).await?;
        database.execute(t.sql("insert into {notes} (id, body, place) values (1, 'a', 1), (2, 'b', 1)"), ()).await?;
        let table = || Alias::new(t.table("notes"));
        let select = || Query::select().columns(["body"]).from(table()).take();
        let lacks = async |statement: Result<u64>, what: &str, dialects: &[&str]| {
            let lacking = dialects.contains(&t.backend().family());
            match statement {
                Err(error) if lacking => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error:?}");
                    assert!(error.message().contains(what), "{what}: {error}");
                }
                other => assert!(!lacking, "{what}: {other:?}"),
            }
        };
        let rows = async |statement: sea_query::SelectStatement| {
            database.fetch_all(statement, ()).await.map(|rows| rows.len() as u64)
        };
        let mut on = select();
        on.distinct_on(["place"]);
        lacks(rows(on).await, "DISTINCT ON", &["mysql", "sqlite"]).await;
        let mut full = select();
        full.full_outer_join(Alias::new("other"), Expr::val(1).eq(1));
        lacks(rows(full).await, "FULL OUTER JOIN", &["mysql"]).await;
        let mut any = select();
        any.and_where(Expr::col("id").eq(Expr::any(select())));
        if t.backend().is_sqlite() {
            lacks(rows(any).await, "ANY", &["sqlite"]).await;
        }
        let mut conflict = OnConflict::column("body");
        conflict.update_column("place").action_and_where(Expr::col("place").gt(5));
        let upsert = Query::insert().into_table(table()).columns(["body", "place"]).values_panic(["a".into(), 7.into()]).on_conflict(conflict).take();
        if !t.backend().is_postgres() {
            let done = database.execute(upsert, ()).await.map(|done| done.rows_affected);
            lacks(done, "the condition of ON CONFLICT", &["mysql"]).await;
        }
        let defaults = Query::insert().into_table(table()).or_default_values_many(2).take();
        let done = database.execute(defaults, ()).await.map(|done| done.rows_affected);
        lacks(done, "several rows of default values", &["sqlite"]).await;
        let update = Query::update()
            .table(table())
            .value("place", 9)
            .from(TableRef::SubQuery(Box::new(select()), "x".into_iden()))
            .from(TableRef::SubQuery(Box::new(select()), "y".into_iden()))
            .take();
        let done = database.execute(update, ()).await.map(|done| done.rows_affected);
        lacks(done, "several tables in FROM of UPDATE", &["mysql"]).await;
        // A lock is left out where the whole database has one.
        let mut lock = select();
        lock.lock_exclusive();
        assert!(rows(lock).await? >= 2);
        Ok(())
    }
}
