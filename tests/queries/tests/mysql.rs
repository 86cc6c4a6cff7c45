//! The macros of sqlx on MySQL and MariaDB.

mod support;

use chrono::{DateTime, Utc};
use sqlx::{Executor, MySql};

type DB = MySql;

#[derive(Debug, PartialEq)]
struct Note {
    id: i64,
    text: String,
    done: bool,
    due: Option<DateTime<Utc>>,
}

async fn add(executor: impl Executor<'_, Database = DB>, text: &str, due: Option<DateTime<Utc>>) -> sqlx::Result<i64> {
    let done = sqlx::query!("INSERT INTO `note` (text, due) VALUES (?, ?)", text, due)
        .execute(executor)
        .await?;
    Ok(done.last_insert_id().cast_signed())
}

/// Returns a row of a type that only the macro knows.
async fn find(executor: impl Executor<'_, Database = DB>, text: &str) -> sqlx::Result<Option<(i64, String)>> {
    let found = sqlx::query!("SELECT id, text FROM `note` WHERE text = ?", text)
        .fetch_optional(executor)
        .await?;
    Ok(found.map(|note| (note.id, note.text)))
}

async fn finish(executor: impl Executor<'_, Database = DB>, id: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!("UPDATE `note` SET done = TRUE WHERE id = ?", id)
        .execute(executor)
        .await?;
    Ok(done.rows_affected())
}

async fn all(executor: impl Executor<'_, Database = DB>) -> sqlx::Result<Vec<Note>> {
    sqlx::query_as!(
        Note,
        r#"SELECT id, text, done AS "done: bool", due FROM `note` ORDER BY id"#
    )
    .fetch_all(executor)
    .await
}

async fn count(executor: impl Executor<'_, Database = DB>) -> sqlx::Result<i64> {
    sqlx::query_scalar!("SELECT count(*) FROM `note`")
        .fetch_one(executor)
        .await
}

support::cases!("mysql", "migrations/mysql", sea_query::MysqlQueryBuilder);
