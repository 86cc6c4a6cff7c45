//! Text, bytes, documents, UUIDs and enumerations.

use std::fmt::Debug;

use ebbtide::{Array, AssertSqlSafe, ErrorKind, Json, Value, bind, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{assert_says, on, survive, table_of, texts};
use crate::drivers::Driver;
use crate::support::cases;

cases! {
    // The longest text is above the 32,672 characters of a VARCHAR of Derby.
    #[except(jdbc_derby)]
    async fn q4_text_survives(t: Test) {
        let database = t.database().await;
        survive(&t, &database, on(&t, "text", "text", "longtext"), &texts()).await;
        survive(
            &t,
            &database,
            on(&t, "text", "varchar(100)", "varchar(100)"),
            &texts()[..10],
        )
        .await;
        survive(
            &t,
            &database,
            on(&t, "text", "text", "longtext"),
            &['a', 'ü', '世', '🦀', '\''],
        )
        .await;
        // Text that looks like a number is unchanged in a column of text.
        let numbers = ["1", "1.0", "01", "1e3", "0x10", " 7 "].map(str::to_owned);
        survive(&t, &database, on(&t, "text", "text", "longtext"), &numbers).await;
    }

    // The longest value is above the 32,672 bytes of a VARCHAR FOR BIT DATA of Derby.
    #[except(jdbc_derby)]
    async fn q4_bytes_survive(t: Test) {
        let database = t.database().await;
        let all: Vec<u8> = (0..=255).collect();
        let values = [
            vec![],
            vec![0],
            b"text".to_vec(),
            b"\\x00 'quoted'".to_vec(),
            vec![0xff; 3],
            all.clone(),
            all.repeat(4_000),
        ];
        survive(&t, &database, on(&t, "blob", "bytea", "longblob"), &values).await;
    }

    /// MySQL and SQLite could store one, but many of their own functions would stop at it.
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn q4_a_nul_in_text_is_refused_by_name(t: Test) {
        let database = t.database().await;
        let text = "before\0after";
        let transaction = database.transaction().await.unwrap();
        let one = || {
            if t.backend().is_postgres() {
                "select $1::text"
            } else {
                "select ?"
            }
        };
        let error = transaction.fetch_value::<String>(one(), (text,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["number 1", "NUL", "bytes"]);
        let error = transaction
            .fetch_value::<String>(one(), bind((text,)))
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["number 1", "NUL"]);
        let error = transaction
            .fetch_value::<String>("select :words", params! { words: vec!["a", text] })
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`words`", "NUL"]);
        let error = transaction
            .fetch_value::<Value>("select :words", params! { words: Array(vec!["a", text]) })
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`words`", "NUL"]);
        let error = transaction
            .execute_many("select :v", [params! { v: "a" }, params! { v: text }])
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`v`", "NUL"]);
        // Nothing was sent: the transaction continues, on PostgreSQL too.
        assert_eq!(transaction.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        // In bytes it is an ordinary byte.
        survive(
            &t,
            &database,
            on(&t, "blob", "bytea", "longblob"),
            &[text.as_bytes().to_vec()],
        )
        .await;
    }

    /// In a JSON document it is written as an escape, which everything except PostgreSQL's `jsonb` accepts.
    async fn q4_a_nul_in_json_survives_or_is_refused(t: Test) {
        let database = t.database().await;
        let document = json!({ "a": "before\0after" });
        if t.driver().is_some_and(Driver::is_foreign) && t.backend().is_postgres() {
            // The server decides by the type of the column, which drivers of other languages do not know before.
            survive(&t, &database, "json", std::slice::from_ref(&document)).await;
            let error = database.fetch_value::<Value>("select $1::jsonb", (document,)).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some("22P05"), "{error}");
        } else if t.backend().is_postgres() {
            let error = database
                .fetch_value::<Value>("select $1", (document,))
                .await
                .unwrap_err();
            assert_says(&error, ErrorKind::Parameter, &["parameter 1", "U+0000"]);
        } else {
            survive(&t, &database, on(&t, "text", "", "json"), &[document]).await;
        }
    }

    // It has no binary type of that name.
    #[except(jdbc_derby)]
    async fn q4_uuids_survive(t: Test) {
        let database = t.database().await;
        let values = [
            Uuid::nil(),
            Uuid::max(),
            Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788),
        ];
        survive(&t, &database, on(&t, "blob", "uuid", "binary(16)"), &values).await;
    }

    async fn q4_json_survives(t: Test) {
        let database = t.database().await;
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1.5),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(0.1),
            json!(1e100),
            json!(""),
            json!("it's \"quoted\" \\ \n ü 🦀"),
            json!([]),
            json!({}),
            json!([1, [2, [3, null]]]),
            json!({ "a": { "b": ["c", {}] }, "": 0 }),
        ];
        survive(&t, &database, on(&t, "text", "jsonb", "json"), &values).await;
        if t.backend().is_postgres() {
            survive(&t, &database, "json", &values).await;
        }
        let value = Json(vec![Some("a".to_owned()), None]);
        survive(&t, &database, on(&t, "text", "jsonb", "json"), &[value]).await;
    }

    // They have no such type.
    #[except(jdbc_hsqldb, jdbc_derby)]
    // Its driver calls an ENUM a CHAR.
    #[except(odbc_mariadb)]
    async fn q4_enum_text_survives(t: Test) {
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Mood {
            Happy,
            VerySad,
        }
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct Day {
            id: i64,
            v: Option<Mood>,
        }
        let database = t.database().await;
        let mood = format!("mood_{}", t.id());
        if t.backend().is_postgres() {
            database
                .execute(
                    AssertSqlSafe(format!("create type {mood} as enum ('happy', 'very_sad')")),
                    (),
                )
                .await
                .unwrap();
        }
        let column = on(&t, "text", &mood, "enum('happy', 'very_sad')").to_owned();
        let table = table_of(&t, &database, &column).await;
        let days = [
            Day {
                id: 1,
                v: Some(Mood::Happy),
            },
            Day { id: 2, v: None },
            Day {
                id: 3,
                v: Some(Mood::VerySad),
            },
        ];
        let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
        database.execute(insert(), bind(&days[0])).await.unwrap();
        database
            .execute_many(insert(), days[1..].iter().map(bind))
            .await
            .unwrap();
        let select = || AssertSqlSafe(format!("select id, v from {table} order by id"));
        let read: Vec<Day> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, days);
        let texts: Vec<(i64, Option<String>)> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(texts[2].1.as_deref(), Some("very_sad"));
        // Text bound as text needs a cast on PostgreSQL; `Untyped` needs none anywhere.
        let by = AssertSqlSafe(format!("select id from {table} where v = :v"));
        let id: i64 = database
            .fetch_value(by, params! { v: Value::Untyped("happy".into()) })
            .await
            .unwrap();
        assert_eq!(id, 1);
        let cast = if t.backend().is_postgres() {
            format!("cast(:v as {mood})")
        } else {
            ":v".to_owned()
        };
        let by = AssertSqlSafe(format!("select id from {table} where v = {cast}"));
        let id: i64 = database.fetch_value(by, params! { v: "very_sad" }).await.unwrap();
        assert_eq!(id, 3);
        let wrong = database
            .execute(insert(), params! { id: 4, v: Value::Untyped("angry".into()) })
            .await;
        assert_eq!(wrong.is_err(), !t.backend().is_sqlite());
        if t.backend().is_postgres() {
            database
                .execute(AssertSqlSafe(format!("drop table {table}; drop type {mood}")), ())
                .await
                .unwrap();
        }
    }
}
