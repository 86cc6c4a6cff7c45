//! NULL of each type, and structs of many types.

use chrono::{DateTime, Utc};
use ebbtide::{ErrorKind, Value, params};
use uuid::Uuid;

use super::{assert_says, moment, on};
use crate::support::cases;

cases! {
    // Derby has no NULL without a type.
    #[except(jdbc_derby)]
    async fn q4_a_null_of_each_type_is_a_null(t: Test) {
        let database = t.database().await;
        let insert = "insert into {nulls} (id, a, b, c, d, e, f, g) values (:id, :a, :b, :c, :d, :e, :f, :g)";
        let create = format!(
            "create table {{nulls}} (id {{int}} primary key, a {{bool}}, b {{int}}, c {{float}}, d {{text}}, e {{bytes}}, f {{timestamp}} null, g {})",
            on(&t, "text", "uuid", "binary(16)")
        );
        database.execute(t.sql(&create), ()).await.unwrap();
        // First NULLs alone, whose types only the server knows; then values; then NULLs again with the same text.
        let null = |id: i64| {
            params! {
                id, a: None::<bool>, b: None::<i64>, c: None::<f64>, d: None::<String>, e: None::<Vec<u8>>, f: None::<DateTime<Utc>>, g: None::<Uuid>
            }
        };
        let full = |id: i64| {
            params! { id, a: true, b: 1, c: 1.5, d: "x", e: vec![1_u8], f: moment("2026-01-01T00:00:00Z"), g: Uuid::max() }
        };
        for row in [null(1), full(2), null(3), full(4)] {
            database.execute(t.sql(insert), row).await.unwrap();
        }
        database
            .execute_many(t.sql(insert), [null(5), full(6), null(7)])
            .await
            .unwrap();
        let rows = database
            .fetch_all(t.sql("select * from {nulls} order by id"), ())
            .await
            .unwrap();
        for row in &rows {
            let full = row.get::<i64>("id").unwrap() % 2 == 0;
            for (name, value) in row.iter().skip(1) {
                assert_eq!(value.unwrap() != Value::Null, full, "{name}");
            }
            assert_eq!(row.get::<Option<bool>>("a").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<i64>>("b").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<f64>>("c").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<String>>("d").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<Vec<u8>>>("e").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<DateTime<Utc>>>("f").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<Uuid>>("g").unwrap().is_some(), full);
            if !full {
                assert_says(
                    &row.get::<i64>("b").unwrap_err(),
                    ErrorKind::Decode,
                    &["`b`", "NULL", "i64", "Option<i64>"],
                );
                assert_says(
                    &row.get::<Uuid>("g").unwrap_err(),
                    ErrorKind::Decode,
                    &["`g`", "NULL", "Uuid"],
                );
            }
        }
        assert_eq!(rows.len(), 7);
    }
}
