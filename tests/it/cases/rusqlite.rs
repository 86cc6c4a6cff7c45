//! What is particular about the driver over rusqlite.

use ebbtide::{Config, Database, ErrorKind};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

use crate::support::cases;

cases! {
    #[only(rusqlite)]
    async fn d1_what_needs_the_connection_of_sqlx_names_the_way_out(t: Test) {
        let database = t.database().await;
        let lent = database.with_sqlx(|_: &mut SqliteConnection| Box::pin(async { Ok(()) })).await.unwrap_err();
        let migrated = database.migrate(&Migrator::with_migrations(Vec::new())).await.unwrap_err();
        let view = database.sqlx::<sqlx::Sqlite>().unwrap();
        let asked: ebbtide::Error = sqlx::query("select 1").execute(&view).await.unwrap_err().into();
        for error in [lent, migrated, asked] {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("`sqlite://…`, which uses sqlx"), "{error}");
        }
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
    }

    /// An image that SQLite loads into a connection that knows `pragma_table_list` already leaves it with freed definitions.
    #[only(rusqlite)]
    async fn f10_a_copy_is_renewed_after_it_was_asked_about_its_tables(t: Test) {
        let config = Config::from_url(t.url()).unwrap().pool_size(1);
        let parent = Database::connect(config).await.unwrap();
        parent.execute(t.sql("create table {notes} (id integer primary key)"), ()).await.unwrap();
        let tables = "select count(*) from pragma_table_list where type = 'table' and name not like 'sqlite%'";
        for round in 1..4_i64 {
            let sandbox = parent.sandbox().await.unwrap();
            assert_eq!(sandbox.fetch_value::<i64>(tables, ()).await.unwrap(), round);
            sandbox.disconnect().await.unwrap();
            let name = t.table(&format!("more{round}"));
            parent.execute(ebbtide::AssertSqlSafe(format!("create table {name} (n integer)")), ()).await.unwrap();
        }
    }

    /// A text that was known to be short is judged again when its tables have changed.
    #[only(rusqlite)]
    async fn d1_a_statement_is_read_as_the_tables_are_now(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id integer primary key, n integer unique)"), ()).await.unwrap();
        let insert = || t.sql("insert into {notes} (n) values (?)");
        let select = || t.sql("select * from {notes} where n = ?");
        for n in 0..3_i64 {
            assert_eq!(database.execute(insert(), (n,)).await.unwrap().last_insert_id, Some(n + 1));
            assert_eq!(database.fetch_one(select(), (n,)).await.unwrap().len(), 2);
        }
        database.execute(t.sql("alter table {notes} add column body text default 'b'"), ()).await.unwrap();
        for _ in 0..3 {
            let row = database.fetch_one(select(), (1,)).await.unwrap();
            assert_eq!((row.len(), row.get::<String>("body").unwrap()), (3, "b".to_owned()));
        }
    }

    /// Texts that differ only in the blanks around them are one statement for the driver.
    #[only(rusqlite)]
    async fn d1_the_same_text_with_other_blanks_has_the_columns_of_now(t: Test) {
        let config = Config::from_url(t.url()).unwrap().pool_size(1);
        let database = Database::connect(config).await.unwrap();
        database.execute(t.sql("create table {notes} (a text, b text)"), ()).await.unwrap();
        database.execute(t.sql("insert into {notes} values ('a', 'b')"), ()).await.unwrap();
        let (plain, blank) = (|| t.sql("select * from {notes}"), || t.sql("select * from {notes}\n"));
        for _ in 0..3 {
            database.fetch_one(plain(), ()).await.unwrap();
            database.fetch_one(blank(), ()).await.unwrap();
        }
        database.execute(t.sql("alter table {notes} drop column a"), ()).await.unwrap();
        database.execute(t.sql("alter table {notes} add column a text default 'a'"), ()).await.unwrap();
        for sql in [plain(), plain(), plain(), blank(), blank()] {
            let row = database.fetch_one(sql, ()).await.unwrap();
            let read = |name| row.get::<String>(name).unwrap();
            assert_eq!((read("a"), read("b")), ("a".to_owned(), "b".to_owned()));
        }
    }

    /// The write-ahead log is written back beside the writers, so it does not grow without an end.
    #[only(rusqlite_file)]
    async fn d1_the_write_ahead_log_is_written_back(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id integer primary key, body text)"), ()).await.unwrap();
        let body = "x".repeat(3_000);
        for _ in 0..6_000 {
            database.execute(t.sql("insert into {notes} (body) values (?)"), (body.as_str(),)).await.unwrap();
        }
        let log = std::fs::metadata(t.folder().join("test.db-wal")).unwrap().len();
        assert!(log < 6_000 * 4_096, "the log has {log} bytes");
        let count: i64 = database.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
        assert_eq!(count, 6_000);
    }
}
