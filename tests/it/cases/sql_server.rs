//! SQL Server: what only it has. The cases of `sql_server.txt` run on it, too.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ebbtide::{App, Config, Database, ErrorKind, IsolationLevel, Schema, Value, params};
use futures::StreamExt;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::support::cases;

cases! {
    #[only(mssql)]
    async fn b1_the_keys_of_new_rows_come_from_output(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id {id}, body {text})"), ()).await.unwrap();
        let insert = || t.sql("insert into {notes} (body) output inserted.id values (:body)");
        for number in 1..=3 {
            let id: i64 = database.fetch_value(insert(), params! { body: "a" }).await.unwrap();
            assert_eq!(id, number);
        }
        let done = database.execute(insert(), params! { body: "b" }).await.unwrap();
        assert_eq!((done.rows_affected, done.last_insert_id), (1, None));
        let deleted = t.sql("delete from {notes} output deleted.id where id > ?");
        assert_eq!(database.fetch_all(deleted, (2,)).await.unwrap().len(), 2);
    }

    #[only(mssql)]
    async fn b1_every_type_arrives_whole(t: Test) {
        let database = t.database().await;
        let create = "create table {all_types} (id int primary key, n decimal(38, 10), m money, s smallmoney, b varbinary(max), \
                      d date, ti time, d2 datetime2, o datetimeoffset, u uniqueidentifier, f float, r real, y tinyint, bi bit, \
                      t nvarchar(max), v varchar(20))";
        database.execute(t.sql(create), ()).await.unwrap();
        let insert = || t.sql(
            "insert into {all_types} values (:id, :n, :m, :m, :b, :d, :ti, :d2, :o, :u, :f, :r, :y, :bi, :t, :v)",
        );
        let (number, amount): (Decimal, Decimal) = ("123456789012345.0123456789".parse().unwrap(), "-1234.5678".parse().unwrap());
        let day: NaiveDate = "2024-02-29".parse().unwrap();
        let ti: NaiveTime = "23:59:59.123456".parse().unwrap();
        let d2: NaiveDateTime = "1700-01-01T01:02:03.123456".parse().unwrap();
        let instant: DateTime<Utc> = "2024-02-29T12:00:00.5Z".parse().unwrap();
        let (u, text) = (Uuid::from_u128(7), "ä\u{1F980}".repeat(5_000));
        let values = params! {
            id: 1, n: number, m: amount, b: vec![0_u8; 9_000], d: day, ti, d2, o: instant, u, f: 0.1_f64, r: 0.25_f32, y: 255_u8, bi: true, t: &text, v: "plain"
        };
        database.execute(insert(), values).await.unwrap();
        let row = database.fetch_one(t.sql("select * from {all_types}"), ()).await.unwrap();
        assert_eq!(row.get::<Decimal>("n").unwrap(), number);
        assert_eq!(row.get::<Decimal>("m").unwrap(), amount);
        assert_eq!(row.get::<Decimal>("s").unwrap(), amount);
        assert_eq!(row.get::<Vec<u8>>("b").unwrap(), vec![0; 9_000]);
        assert_eq!(row.get::<NaiveDate>("d").unwrap(), day);
        assert_eq!(row.get::<NaiveTime>("ti").unwrap(), ti);
        assert_eq!(row.get::<NaiveDateTime>("d2").unwrap(), d2);
        assert_eq!(row.get::<DateTime<Utc>>("o").unwrap(), instant);
        assert_eq!(row.get::<Uuid>("u").unwrap(), u);
        assert_eq!((row.get::<f64>("f").unwrap(), row.get::<f32>("r").unwrap()), (0.1, 0.25));
        assert_eq!((row.get::<u8>("y").unwrap(), row.get::<bool>("bi").unwrap()), (255, true));
        assert_eq!((row.get::<String>("t").unwrap(), row.get::<String>("v").unwrap()), (text, "plain".to_owned()));
        let nothing = params! {
            id: 2, n: None::<Decimal>, m: None::<Decimal>, b: None::<Vec<u8>>, d: None::<NaiveDate>, ti: None::<NaiveTime>,
            d2: None::<NaiveDateTime>, o: None::<DateTime<Utc>>, u: None::<Uuid>, f: None::<f64>, r: None::<f32>, y: None::<u8>,
            bi: None::<bool>, t: None::<String>, v: Value::Null
        };
        database.execute(insert(), nothing).await.unwrap();
        let row = database.fetch_one(t.sql("select * from {all_types} where id = 2"), ()).await.unwrap();
        assert!(row.values().unwrap()[1..].iter().all(Value::is_null), "{row:?}");
        let offset = "select cast('2024-01-01 12:00:00 +02:00' as datetimeoffset)";
        let offset: DateTime<Utc> = database.fetch_value(offset, ()).await.unwrap();
        assert_eq!(offset, "2024-01-01T10:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[only(mssql)]
    async fn b1_a_conversion_that_fails_ends_the_transaction(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id int primary key)"), ()).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        transaction.execute(t.sql("insert into {notes} values (1)"), ()).await.unwrap();
        transaction.execute("select cast('a' as int)", ()).await.unwrap_err();
        let ended = transaction.execute(t.sql("insert into {notes} values (2)"), ()).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::TransactionEnded, "{ended}");
        assert_eq!(transaction.commit().await.unwrap_err().kind(), ErrorKind::TransactionEnded);
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await.unwrap(), 0);
    }

    #[only(mssql)]
    async fn b1_savepoints_are_never_released(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id int primary key)"), ()).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        for id in 0..10 {
            let nested = transaction.transaction().await.unwrap();
            nested.execute(t.sql("insert into {notes} values (?)"), (id,)).await.unwrap();
            if id % 2 == 0 {
                nested.commit().await.unwrap();
            } else {
                nested.rollback().await.unwrap();
            }
        }
        transaction.commit().await.unwrap();
        let sum: i64 = database.fetch_value(t.sql("select sum(id) from {notes}"), ()).await.unwrap();
        assert_eq!(sum, 20);
    }

    #[only(mssql)]
    async fn b1_the_level_of_a_transaction_ends_with_it(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap().pool_size(1);
        let database = Database::connect(config).await.unwrap();
        let level = "select cast(transaction_isolation_level as int) from sys.dm_exec_sessions where session_id = @@spid";
        let usual: i64 = database.fetch_value(level, ()).await.unwrap();
        for (isolation, number) in [(IsolationLevel::RepeatableRead, 3), (IsolationLevel::Snapshot, 5)] {
            let transaction = database.transaction().isolation(isolation).await.unwrap();
            let found: i64 = transaction.fetch_value(level, ()).await.unwrap();
            transaction.rollback().await.unwrap();
            assert_eq!(found, number);
            assert_eq!(database.fetch_value::<i64>(level, ()).await.unwrap(), usual);
        }
    }

    #[only(mssql)]
    async fn b1_a_cancelled_statement_leaves_the_connection_usable(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap().pool_size(1);
        let database = Database::connect(config).await.unwrap();
        let session: i64 = database.fetch_value("select @@spid", ()).await.unwrap();
        let late = database
            .execute("waitfor delay '00:00:30'", ())
            .timeout(Duration::from_millis(100))
            .await
            .unwrap_err();
        assert!(matches!(late.kind(), ErrorKind::Timeout | ErrorKind::OutcomeUnknown), "{late}");
        let many = "select a.object_id from sys.all_objects a cross join sys.all_objects b";
        {
            let mut rows = database.iterate(many, ());
            assert!(rows.next().await.unwrap().is_ok());
        }
        assert_eq!(database.fetch_value::<i64>("select 5", ()).await.unwrap(), 5);
        assert_eq!(database.fetch_value::<i64>("select @@spid", ()).await.unwrap(), session);
    }

    #[only(mssql)]
    async fn b1_a_changed_session_is_not_passed_on(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap().pool_size(1);
        let database = Database::connect(config).await.unwrap();
        let connection = database.connection();
        connection.execute("create table #own (id int)", ()).await.unwrap();
        connection.execute("insert into #own values (?)", (1,)).await.unwrap();
        drop(connection);
        assert!(database.fetch_all("select * from #own", ()).await.is_err());
    }

    #[only(mssql)]
    async fn b1_rows_of_different_types_are_inserted_one_by_one(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id int primary key, body nvarchar(20), raw varbinary(9))"), ()).await.unwrap();
        let rows = [
            (1, Value::I64(7), Value::Null),
            (2, Value::Text("seven".to_owned()), Value::Bytes(vec![7])),
            (3, Value::Null, Value::Null),
        ];
        let done = database.execute_many(t.sql("insert into {notes} values (?, ?, ?)"), rows).await;
        // A NULL without a type does not go into a binary column by itself, but does beside bytes.
        assert!(done.is_err() || done.unwrap().rows_affected == 3);
        let many = (10..3_000).map(|id| (id, format!("{id}"), vec![1_u8]));
        let done = database.execute_many(t.sql("insert into {notes} values (?, ?, ?)"), many).await.unwrap();
        assert_eq!(done.rows_affected, 2_990);
    }

    #[only(mssql)]
    async fn b1_empty_lists_compare_with_every_type(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (i int, t varchar(9), u uniqueidentifier, d datetime2)"), ()).await.unwrap();
        database.execute(t.sql("insert into {notes} values (1, 'a', newid(), sysdatetime())"), ()).await.unwrap();
        for column in ["i", "t", "u", "d"] {
            let select = |not: &str| t.sql(&format!("select i from {{notes}} where {column} {not} in (:list)"));
            let none = || params! { list: Vec::<i64>::new() };
            assert!(database.fetch_all(select(""), none()).await.unwrap().is_empty(), "{column}");
            assert_eq!(database.fetch_all(select("not"), none()).await.unwrap().len(), 1, "{column}");
        }
    }

    #[only(mssql)]
    async fn b1_tables_in_code_are_created_and_dropped(t: Test) {
        let database = t.database().await;
        let (owner, note) = (t.table("owner"), t.table("note"));
        let app = App::new("notes")
            .define(ebbtide::Ddl::from(t.sql("create table {note} (id int primary key, owner int references {owner} (id))")))
            .define(ebbtide::Ddl::from(t.sql("create table {owner} (id int identity primary key, name nvarchar(50))")));
        let schema = Schema::new().app(app);
        for _ in 0..2 {
            schema.create_all(&database).await.unwrap();
        }
        database.execute(t.sql("insert into {owner} (name) values ('a')"), ()).await.unwrap();
        database.execute(t.sql("insert into {note} values (1, 1)"), ()).await.unwrap();
        schema.drop_all(&database).await.unwrap();
        for table in [owner, note] {
            let found = "select count(*) from information_schema.tables where table_name = ?";
            assert_eq!(database.fetch_value::<i64>(found, (table,)).await.unwrap(), 0);
        }
    }

    #[only(mssql)]
    async fn b1_databases_are_created_and_dropped(t: Test) {
        let config = Config::from_url(t.url().as_str()).unwrap().database(Some(&*format!("test_{}", t.id())));
        assert!(ebbtide::testing::create_database(config.clone()).await.is_ok());
        assert!(ebbtide::testing::database_exists(config.clone()).await.unwrap());
        let database = Database::connect(config.clone()).await.unwrap();
        database.execute("create table note (id int)", ()).await.unwrap();
        database.disconnect().await.unwrap();
        ebbtide::testing::drop_database(config.clone()).await.unwrap();
        assert!(!ebbtide::testing::database_exists(config).await.unwrap());
    }
}
