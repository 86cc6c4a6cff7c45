//! Types of the program.

use ebbtide::{Array, ErrorKind, FromValue, Mismatch, Result, Value, ValueRef, params};

use super::assert_says;
use crate::support::cases;

#[derive(Clone, Copy, Debug, PartialEq)]
struct UserId(i64);

impl From<UserId> for Value {
    fn from(id: UserId) -> Self {
        id.0.into()
    }
}

impl FromValue for UserId {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        i64::from_value(value).map(Self)
    }
}

#[derive(Debug, PartialEq)]
enum Mood {
    Calm,
    Happy,
}

impl FromValue for Mood {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match &*String::from_value(value)? {
            "calm" => Ok(Self::Calm),
            "happy" => Ok(Self::Happy),
            _ => Err(Mismatch::new("it is no mood").help("read it as String")),
        }
    }
}

cases! {
    async fn q4_a_type_of_the_program_is_bound_and_read_found_f11(t: Test) -> Result<()> {
        let database = t.database().await;
        let create = "create table {people} (id {int} primary key, boss {int}, mood {text})";
        database.execute(t.sql(create), ()).await?;
        let insert = t.sql("insert into {people} (id, boss, mood) values (:id, :boss, :mood)");
        database.execute(insert, params! { id: UserId(1), boss: None::<UserId>, mood: "happy" }).await?;
        let insert = t.sql("insert into {people} (id, boss, mood) values (:id, :boss, :mood)");
        database.execute(insert, params! { id: UserId(2), boss: UserId(1), mood: "sad" }).await?;

        let select = t.sql("select id, boss, mood from {people} order by id");
        let rows = database.fetch_all(select, ()).await?;
        assert_eq!(rows[0].get::<UserId>("id")?, UserId(1));
        assert_eq!(rows[0].get::<Option<UserId>>("boss")?, None);
        assert_eq!(rows[1].get::<Option<UserId>>("boss")?, Some(UserId(1)));
        assert_eq!(rows[0].get::<Mood>("mood")?, Mood::Happy);
        let null = rows[0].get::<UserId>("boss").unwrap_err();
        assert_says(&null, ErrorKind::Decode, &["`boss`", "is NULL, which UserId cannot hold", "Option<UserId>"]);
        let mood = rows[1].get::<Mood>("mood").unwrap_err();
        assert_says(&mood, ErrorKind::Decode, &["`mood`", "cannot be read as Mood", "it is no mood", "read it as String"]);
        let kind = rows[1].get::<Mood>("id").unwrap_err();
        assert_says(&kind, ErrorKind::Decode, &["`id`", "it holds an integer", "read it as i64"]);

        let ids: Vec<UserId> = database.fetch_all(t.sql("select id from {people} order by id"), ()).value().await?;
        assert_eq!(ids, [UserId(1), UserId(2)]);
        let one: UserId = database.fetch_value(t.sql("select id from {people} where mood = 'sad'"), ()).await?;
        assert_eq!(one, UserId(2));
        Ok(())
    }

    #[only(postgres)]
    async fn q4_arrays_of_a_type_of_the_program_are_read(t: Test) -> Result<()> {
        let database = t.database().await;
        let ids: Array<Option<UserId>> = database.fetch_value("select array[1, null, 3]", ()).await?;
        assert_eq!(ids.0, [Some(UserId(1)), None, Some(UserId(3))]);
        Ok(())
    }
}
