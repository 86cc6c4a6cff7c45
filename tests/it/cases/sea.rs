//! Statements of sea-query, passed to the verbs directly.

use chrono::{DateTime, Utc};
use ebbtide::{App, ErrorKind, Result, Schema, params};
use futures::TryStreamExt;
use sea_query::{Alias, ColumnDef, Expr, ExprTrait, ForeignKey, Index, Order, Query, Table};

use crate::support::cases;

cases! {
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
}
