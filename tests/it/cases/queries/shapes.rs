//! Q3: the types that parameters are made of.

use std::collections::{BTreeMap, HashMap};

use ebbtide::{AssertSqlSafe, ErrorKind, Params, Value, bind, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{assert_says, ids, with_notes};
use crate::support::cases;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mood {
    Happy,
    Sad,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tags {
    words: Vec<String>,
    depth: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    id: i64,
    name: String,
    age: Option<i32>,
    mood: Mood,
    tags: Tags,
}

cases! {
    async fn q3_parameters_come_from_everything(t: Test) {
        #[derive(Serialize)]
        struct New<'a> {
            id: i64,
            body: &'a str,
            n: Option<i32>,
        }
        let database = with_notes(&t).await;
        let named = || t.sql("insert into {notes} (id, body, n) values (:id, :body, :n)");
        let places = || t.sql("insert into {notes} (id, body, n) values (?, ?, ?)");
        let (id, n) = (1, Some(7));
        database.execute(named(), params! { id, body: "b", n }).await.unwrap();
        database
            .execute(
                named(),
                bind(&New {
                    id: 2,
                    body: "b",
                    n: Some(7),
                }),
            )
            .await
            .unwrap();
        database
            .execute(
                named(),
                bind(New {
                    id: 3,
                    body: "b",
                    n: Some(7),
                }),
            )
            .await
            .unwrap();
        database
            .execute(named(), json!({ "id": 4, "body": "b", "n": 7 }))
            .await
            .unwrap();
        let map: HashMap<&'static str, Value> = [("id", 5.into()), ("body", "b".into()), ("n", 7.into())].into();
        database.execute(named(), map).await.unwrap();
        let map: BTreeMap<String, Value> = [
            ("id".to_owned(), 6.into()),
            ("body".to_owned(), "b".into()),
            ("n".to_owned(), 7.into()),
        ]
        .into();
        database.execute(named(), map).await.unwrap();
        let pairs = [
            ("id", Value::from(7)),
            ("body", Value::from("b")),
            ("n", Value::from(7)),
        ];
        database.execute(named(), pairs).await.unwrap();
        let map: HashMap<String, i64> = [("id".to_owned(), 8), ("n".to_owned(), 7)].into();
        database
            .execute(
                t.sql("insert into {notes} (id, body, n) values (:id, 'b', :n)"),
                bind(&map),
            )
            .await
            .unwrap();
        database
            .execute(
                named(),
                Params::from_serialize(&New {
                    id: 9,
                    body: "b",
                    n: Some(7),
                }),
            )
            .await
            .unwrap();
        database.execute(places(), (10, "b", 7)).await.unwrap();
        database
            .execute(places(), vec![Value::from(11), "b".into(), 7.into()])
            .await
            .unwrap();
        database
            .execute(places(), [Value::from(12), "b".into(), 7.into()])
            .await
            .unwrap();
        database.execute(places(), json!([13, "b", 7])).await.unwrap();
        database.execute(places(), bind((14, "b", 7))).await.unwrap();
        let kept = params! { id: 15, body: String::from("b"), n: &7_i64 };
        database.execute(named(), &kept).await.unwrap();
        let same = t.sql("select id from {notes} where body = 'b' and n = 7 order by id");
        assert_eq!(ids(&database, same, ()).await, (1..=15).collect::<Vec<i64>>());
        // NULL from all of them.
        database
            .execute(named(), params! { id: 21, body: None::<&str>, n: Value::Null })
            .await
            .unwrap();
        database
            .execute(named(), json!({ "id": 22, "body": null, "n": null }))
            .await
            .unwrap();
        database
            .execute(places(), (23, None::<String>, None::<i16>))
            .await
            .unwrap();
        let nulls = t.sql("select id from {notes} where body is null and n is null order by id");
        assert_eq!(ids(&database, nulls, ()).await, [21, 22, 23]);
    }

    async fn q3_conditions_and_their_values_are_added_one_by_one(t: Test) {
        let database = with_notes(&t).await;
        let found = async |least: Option<i64>, body: Option<&str>| {
            let mut sql = t.words("select id from {notes} where 1 = 1");
            let mut params = Params::new();
            if let Some(least) = least {
                sql += " and id >= :least";
                params.set("least", least);
            }
            if let Some(body) = body {
                sql += " and body = :body";
                params.set("body", body);
            }
            sql += " order by id";
            database.fetch_all(AssertSqlSafe(sql), params).value::<i64>().await.unwrap()
        };
        for (id, body) in [(1_i64, "one"), (2, "two"), (3, "two")] {
            let insert = t.sql("insert into {notes} (id, body) values (:id, :body)");
            database.execute(insert, params! { id, body }).await.unwrap();
        }
        assert_eq!(found(None, None).await, [1, 2, 3]);
        assert_eq!(found(Some(2), None).await, [2, 3]);
        assert_eq!(found(None, Some("two")).await, [2, 3]);
        assert_eq!(found(Some(3), Some("two")).await, [3]);
    }

    async fn q3_what_cannot_be_a_parameter_is_an_error_that_names_it(t: Test) {
        let database = with_notes(&t).await;
        let sql = || t.sql("insert into {notes} (id, n) values (:id, :n)");
        let error = database.execute(sql(), bind(7)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["struct", "map", "tuple"]);
        let error = database
            .execute(
                sql(),
                json!({ "id": 1, "n": u128::MAX.to_string().parse::<f64>().unwrap() }),
            )
            .await;
        // A float for an integer column: whatever the server does with it, the library does not break.
        drop(error);
        let numbers: BTreeMap<i32, i32> = [(1, 2)].into();
        let error = database.execute(sql(), bind(&numbers)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["keys", "text"]);
        #[derive(Serialize)]
        struct Large {
            id: i64,
            n: u128,
        }
        let error = database
            .execute(sql(), bind(Large { id: 1, n: u128::MAX }))
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`n`", "96 bits"]);
    }

    async fn q3_structs_with_enums_options_and_documents_go_there_and_back(t: Test) {
        let database = t.database().await;
        let create = "create table {people} (id {int} primary key, name {text}, age {int}, mood {key}, tags {json})";
        database.execute(t.sql(create), ()).await.unwrap();
        let people: Vec<Person> = (1..=3)
            .map(|id| Person {
                id,
                name: format!("Jürgen {id}"),
                age: (id != 2).then_some(id as i32 * 20),
                mood: if id == 3 { Mood::Sad } else { Mood::Happy },
                tags: Tags {
                    words: vec!["a \"b\" \\ c".to_owned(); id as usize - 1],
                    depth: id as u8,
                },
            })
            .collect();
        let insert =
            || t.sql("insert into {people} (id, name, age, mood, tags) values (:id, :name, :age, :mood, :tags)");
        database.execute(insert(), bind(&people[0])).await.unwrap();
        database
            .execute_many(insert(), people[1..].iter().map(bind))
            .await
            .unwrap();
        let select = || t.sql("select * from {people} order by id");
        let read: Vec<Person> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, people);
        let read: Person = database.fetch_one(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, people[0]);
        let moods: Vec<Mood> = database
            .fetch_all(t.sql("select mood from {people} order by id"), ())
            .deserialize()
            .await
            .unwrap();
        assert_eq!(moods, [Mood::Happy, Mood::Happy, Mood::Sad]);
        let tags: Vec<ebbtide::Json<Tags>> = database
            .fetch_all(t.sql("select tags from {people} order by id"), ())
            .value()
            .await
            .unwrap();
        assert_eq!(tags[2].0, people[2].tags);
        // Found again by one of its fields.
        let found: i64 = database
            .fetch_value(
                t.sql("select id from {people} where mood = :mood"),
                bind(json!({ "mood": "sad" })),
            )
            .await
            .unwrap();
        assert_eq!(found, 3);
    }
}
