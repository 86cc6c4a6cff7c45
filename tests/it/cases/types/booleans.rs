//! Booleans where the server has only integers, and its driver knows which columns are declared boolean.

use std::collections::BTreeMap;

use ebbtide::{Result, Value, params};
use serde::Deserialize;
use serde_json::json;

use crate::support::cases;

#[derive(Debug, Deserialize, PartialEq)]
struct Done(bool);

#[derive(Debug, Deserialize, PartialEq)]
struct Task {
    id: i64,
    done: Option<Done>,
    #[serde(flatten)]
    rest: BTreeMap<String, Option<serde_json::Value>>,
}

cases! {
    // Python's own module does not tell how a column was declared.
    #[except(dbapi2_sqlite3)]
    // Its driver does not tell the width of TINYINT(1).
    #[except(odbc_mariadb)]
    async fn q4_booleans_are_true_and_false_where_any_kind_is_taken_found_f9(t: Test) -> Result<()> {
        let database = t.database().await;
        let create = "create table {tasks} (id {int} primary key, done {bool}, late {bool}, n {int})";
        database.execute(t.sql(create), ()).await?;
        let insert = t.sql("insert into {tasks} (id, done, late, n) values (:id, :done, :late, 1)");
        database.execute_many(insert, [
            params! { id: 1, done: true, late: false },
            params! { id: 2, done: None::<bool>, late: true },
        ]).await?;
        let select = "select id, done, late, n from {tasks} order by id";
        let mut texts = vec![select.to_owned(), format!("{select}; {select}")];
        if !t.backend().is_mysql() {
            texts.push("select id, done, late, n from (select * from {tasks}) as inner_tasks order by id".to_owned());
        }
        for text in texts {
            let rows = database.fetch_all(t.sql(&text), ()).await?;
            let wanted = [json!({"id": 1, "done": true, "late": false, "n": 1}), json!({"id": 2, "done": null, "late": true, "n": 1})];
            for (row, wanted) in rows.iter().zip(&wanted) {
                assert_eq!(row.to_json()?, *wanted, "{text}");
                assert_eq!(row.deserialize::<serde_json::Value>()?, *wanted, "{text}");
            }
            let map = rows[0].to_map()?;
            assert_eq!((&map["done"], &map["late"], &map["n"]), (&Value::Bool(true), &Value::Bool(false), &Value::I64(1)));
            assert_eq!(rows[0].get::<Value>("done")?, Value::Bool(true));
            assert_eq!(rows[1].get::<Option<Value>>("done")?, None);
            assert!(rows[0].get::<bool>("done")?);
            assert!(format!("{:?}", rows[0].show()).contains("\"done\": Bool(true)"));
            let rest = |late: bool| BTreeMap::from([("late".to_owned(), Some(json!(late))), ("n".to_owned(), Some(json!(1)))]);
            assert_eq!(rows[0].deserialize::<Task>()?, Task { id: 1, done: Some(Done(true)), rest: rest(false) });
            assert_eq!(rows[1].deserialize::<Task>()?, Task { id: 2, done: None, rest: rest(true) });
        }
        Ok(())
    }

    /// A number in such a column is still one, and so is one that is asked for.
    #[except(postgres)]
    // Python's own module does not tell how a column was declared; a BOOLEAN of DuckDB holds no numbers.
    // Their truth values are no numbers.
    #[except(dbapi2_sqlite3, dbapi2_duckdb, jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its driver does not tell the width of TINYINT(1).
    #[except(odbc_mariadb)]
    async fn q4_a_boolean_column_holds_numbers_too_found_f9(t: Test) -> Result<()> {
        let database = t.database().await;
        database.execute(t.sql("create table {tasks} (id {int} primary key, done {bool})"), ()).await?;
        database.execute(t.sql("insert into {tasks} (id, done) values (1, 2), (2, 1)"), ()).await?;
        let rows = database.fetch_all(t.sql("select done from {tasks} order by id"), ()).await?;
        assert_eq!(rows[0].to_json()?, json!({"done": 2}));
        assert_eq!(rows[1].to_json()?, json!({"done": true}));
        assert_eq!(rows[1].get::<i64>("done")?, 1);
        assert_eq!(rows[1].get::<Option<u8>>("done")?, Some(1));
        assert_eq!(rows[1].deserialize::<Option<i64>>()?, Some(1));
        assert_eq!(rows[1].deserialize::<(Option<i32>,)>()?, (Some(1),));
        assert_eq!(rows[1].deserialize::<(Option<f64>,)>()?, (Some(1.0),));
        Ok(())
    }
}
