//! The tags of notes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use chrono::Utc;
use ebbtide::{ConstraintKind, Database, params};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::input::{Check, Id, Valid, some_text};
use crate::notes::find;

pub(crate) fn routes() -> Router<Database> {
    Router::new()
        .route("/tags", get(list))
        .route("/notes/{id}/tags", post(add))
        .route("/notes/{id}/tags/{name}", delete(remove))
}

/// A tag, and the number of notes that have it.
#[derive(Debug, Serialize, sqlx::FromRow)]
struct Tag {
    name: String,
    notes: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTags {
    tags: Vec<String>,
}

impl Check for NewTags {
    fn check(&self) -> Result<(), Failure> {
        if self.tags.is_empty() {
            return Err(Failure::invalid("tags", "must not be empty"));
        }
        check(&self.tags)
    }
}

pub(crate) fn check(tags: &[String]) -> Result<(), Failure> {
    tags.iter().try_for_each(|tag| some_text("tags", tag, 50))
}

async fn list(State(database): State<Database>) -> Result<Json<Vec<Tag>>, Failure> {
    let tags = database.fetch_all(
        "SELECT name, count(*) AS notes FROM tags GROUP BY name ORDER BY name",
        (),
    );
    Ok(Json(tags.decode().await?))
}

#[derive(Debug, Default, Serialize)]
struct Added {
    added: Vec<String>,
    there_already: Vec<String>,
}

/// Adds tags. Existing tags of the note are no error and do not affect the others.
async fn add(State(database): State<Database>, Id(id): Id, Valid(new): Valid<NewTags>) -> Result<Json<Added>, Failure> {
    // Two requests that add the same tags sometimes deadlock, and the server aborts one: `retry` repeats that one.
    let added = database
        .transaction()
        .retry()
        .run(async |transaction| {
            find(&database, id).await?;
            let mut answer = Added::default();
            for name in &new.tags {
                // A nested transaction is a savepoint: its errors undo only its own changes. Without it PostgreSQL
                // would refuse all following statements.
                let inner = transaction.transaction().run(async |inner| {
                    let sql = "INSERT INTO tags (note_id, name) VALUES (:id, :name)";
                    inner.execute(sql, params! { id, name: name.as_str() }).await
                });
                match inner.await {
                    Ok(_) => answer.added.push(name.clone()),
                    Err(error) if is_there_already(&error) => answer.there_already.push(name.clone()),
                    Err(error) => return Err(error.into()),
                }
            }
            if !answer.added.is_empty() {
                let sql = "UPDATE notes SET changed = :now WHERE id = :id";
                transaction.execute(sql, params! { now: Utc::now(), id }).await?;
            }
            Ok::<_, Failure>(answer)
        })
        .await?;
    Ok(Json(added))
}

fn is_there_already(error: &ebbtide::Error) -> bool {
    error
        .constraint()
        .is_some_and(|constraint| constraint.kind == ConstraintKind::Unique)
}

async fn remove(
    State(database): State<Database>,
    axum::extract::Path((id, name)): axum::extract::Path<(i64, String)>,
) -> Result<StatusCode, Failure> {
    let sql = "DELETE FROM tags WHERE note_id = :id AND name = :name";
    let done = database.execute(sql, params! { id, name: name.as_str() }).await?;
    if done.rows_affected == 0 {
        return Err(Failure::NotFound(format!("the note {id} has no tag {name:?}")));
    }
    Ok(StatusCode::NO_CONTENT)
}
