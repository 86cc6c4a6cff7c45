//! Notes, with their tags.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use ebbtide::{AssertSqlSafe, Database, Params, Transaction, Value, params};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::input::{Asked, Check, Id, Valid, some_text};
use crate::store::insert;
use crate::tags;

pub(crate) fn routes() -> Router<Database> {
    Router::new()
        .route("/notes", get(list).post(create))
        .route("/notes/{id}", get(show).put(update).delete(remove))
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Note {
    id: i64,
    user_id: i64,
    title: String,
    text: String,
    done: bool,
    changed: DateTime<Utc>,
    /// Tags, from a separate table.
    #[sqlx(skip)]
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNote {
    user_id: i64,
    title: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl Check for NewNote {
    fn check(&self) -> Result<(), Failure> {
        some_text("title", &self.title, 200)?;
        tags::check(&self.tags)
    }
}

/// An update of a note; its tags stay unless new ones are given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedNote {
    title: String,
    text: String,
    done: bool,
    tags: Option<Vec<String>>,
}

impl Check for ChangedNote {
    fn check(&self) -> Result<(), Failure> {
        some_text("title", &self.title, 200)?;
        tags::check(self.tags.as_deref().unwrap_or_default())
    }
}

async fn create(
    State(database): State<Database>,
    Valid(new): Valid<NewNote>,
) -> Result<(StatusCode, Json<Note>), Failure> {
    // The closure: committed if it returns `Ok`, rolled back if it returns `Err` or panics, or if the client
    // disconnects.
    let note = database
        .transaction()
        .run(async |transaction| {
            let note =
                params! { user_id: new.user_id, title: new.title, text: new.text, done: false, changed: Utc::now() };
            let id = insert(
                &database,
                "INSERT INTO notes (user_id, title, text, done, changed) \
                 VALUES (:user_id, :title, :text, :done, :changed)",
                note,
            )
            .await?;
            add_tags(&transaction, id, &new.tags).await?;
            find(&database, id).await
        })
        .await?;
    Ok((StatusCode::CREATED, Json(note)))
}

async fn update(
    State(database): State<Database>,
    Id(id): Id,
    Valid(new): Valid<ChangedNote>,
) -> Result<Json<Note>, Failure> {
    let note = database
        .transaction()
        .run(async |transaction| {
            let note = params! { id, title: new.title, text: new.text, done: new.done, changed: Utc::now() };
            let sql = "UPDATE notes SET title = :title, text = :text, done = :done, changed = :changed WHERE id = :id";
            if transaction.execute(sql, note).await?.rows_affected == 0 {
                return Err(Failure::no("note", id));
            }
            if let Some(tags) = &new.tags {
                transaction
                    .execute("DELETE FROM tags WHERE note_id = :id", params! { id })
                    .await?;
                add_tags(&transaction, id, tags).await?;
            }
            find(&database, id).await
        })
        .await?;
    Ok(Json(note))
}

async fn show(State(database): State<Database>, Id(id): Id) -> Result<Json<Note>, Failure> {
    Ok(Json(find(&database, id).await?))
}

async fn remove(State(database): State<Database>, Id(id): Id) -> Result<StatusCode, Failure> {
    // ON DELETE CASCADE also deletes the tags.
    let done = database
        .execute("DELETE FROM notes WHERE id = :id", params! { id })
        .await?;
    if done.rows_affected == 0 {
        return Err(Failure::no("note", id));
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Words to find in the title or the text, ignoring case.
    #[serde(rename = "search")]
    words: Option<String>,
    tag: Option<String>,
    user: Option<i64>,
    done: Option<bool>,
    limit: Option<u32>,
    offset: Option<u32>,
}

impl Search {
    /// Returns the requested conditions and their values.
    fn conditions(self) -> (String, Params) {
        let limit = i64::from(self.limit.unwrap_or(50).min(200));
        let offset = i64::from(self.offset.unwrap_or(0));
        let mut sql = String::from("1 = 1");
        let mut values: Vec<(&'static str, Value)> = vec![("limit", limit.into()), ("offset", offset.into())];
        let mut also = |condition, name, value| {
            sql.push_str(condition);
            values.push((name, value));
        };
        if let Some(words) = self.words {
            let pattern = format!("%{}%", escape(&words.to_lowercase()));
            also(
                " AND (lower(title) LIKE :pattern ESCAPE '!' OR lower(text) LIKE :pattern ESCAPE '!')",
                "pattern",
                pattern.into(),
            );
        }
        if let Some(tag) = self.tag {
            also(
                " AND id IN (SELECT note_id FROM tags WHERE name = :tag)",
                "tag",
                tag.into(),
            );
        }
        if let Some(user) = self.user {
            also(" AND user_id = :user", "user", user.into());
        }
        if let Some(done) = self.done {
            also(" AND done = :done", "done", done.into());
        }
        (sql, values.into_iter().collect())
    }
}

/// Escapes the wildcards of LIKE.
fn escape(words: &str) -> String {
    words.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

async fn list(State(database): State<Database>, Asked(search): Asked<Search>) -> Result<Json<Vec<Note>>, Failure> {
    let (conditions, values) = search.conditions();
    // Built from literals only; the client's input is in the parameters.
    let sql = format!(
        "SELECT id, user_id, title, text, done, changed FROM notes WHERE {conditions} \
         ORDER BY changed DESC, id DESC LIMIT :limit OFFSET :offset"
    );
    let notes = database.fetch_all(AssertSqlSafe(sql), values).decode().await?;
    Ok(Json(with_tags(&database, notes).await?))
}

pub(crate) async fn find(database: &Database, id: i64) -> Result<Note, Failure> {
    let note = database
        .fetch_optional(
            "SELECT id, user_id, title, text, done, changed FROM notes WHERE id = :id",
            params! { id },
        )
        .decode()
        .await?
        .ok_or_else(|| Failure::no("note", id))?;
    let mut notes = with_tags(database, vec![note]).await?;
    notes.pop().ok_or_else(|| Failure::no("note", id))
}

/// Adds the tags of all notes with one statement: a list is expanded in `IN (:ids)`.
async fn with_tags(database: &Database, mut notes: Vec<Note>) -> Result<Vec<Note>, Failure> {
    let ids: Vec<i64> = notes.iter().map(|note| note.id).collect();
    let rows: Vec<(i64, String)> = database
        .fetch_all(
            "SELECT note_id, name FROM tags WHERE note_id IN (:ids) ORDER BY name",
            params! { ids },
        )
        .decode()
        .await?;
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    for (note, name) in rows {
        tags.entry(note).or_default().push(name);
    }
    for note in &mut notes {
        note.tags = tags.remove(&note.id).unwrap_or_default();
    }
    Ok(notes)
}

/// Adds all tags or, if one is given twice, none.
async fn add_tags(transaction: &Transaction, id: i64, tags: &[String]) -> Result<(), Failure> {
    let rows = tags.iter().map(|name| (id, name.as_str()));
    transaction
        .execute_many("INSERT INTO tags (note_id, name) VALUES (?, ?)", rows)
        .await?;
    Ok(())
}
