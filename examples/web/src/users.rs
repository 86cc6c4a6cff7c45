//! Users.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use ebbtide::{Database, params};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::input::{Check, Id, Valid, some_text};
use crate::store::insert;

pub(crate) fn routes() -> Router<Database> {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{id}", get(show).delete(remove))
        .route("/users/{id}/merge", post(merge))
}

#[derive(Debug, Serialize, sqlx::FromRow)]
struct User {
    id: i64,
    name: String,
    email: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    email: String,
}

impl Check for NewUser {
    fn check(&self) -> Result<(), Failure> {
        some_text("name", &self.name, 100)?;
        some_text("email", &self.email, 200)?;
        match self.email.split_once('@') {
            Some((name, host)) if !name.is_empty() && host.contains('.') => Ok(()),
            _ => Err(Failure::invalid("email", "must look like name@example.com")),
        }
    }
}

async fn list(State(database): State<Database>) -> Result<Json<Vec<User>>, Failure> {
    let users = database.fetch_all("SELECT id, name, email FROM users ORDER BY name, id", ());
    Ok(Json(users.decode().await?))
}

async fn create(
    State(database): State<Database>,
    Valid(new): Valid<NewUser>,
) -> Result<(StatusCode, Json<User>), Failure> {
    let NewUser { name, email } = new;
    // One statement needs no transaction. A second user with the same address is a `Conflict`, by `From`.
    let id = insert(
        &database,
        "INSERT INTO users (name, email) VALUES (:name, :email)",
        params! { name: name.as_str(), email: email.as_str() },
    )
    .await?;
    Ok((StatusCode::CREATED, Json(User { id, name, email })))
}

async fn show(State(database): State<Database>, Id(id): Id) -> Result<Json<User>, Failure> {
    Ok(Json(find(&database, id).await?))
}

async fn remove(State(database): State<Database>, Id(id): Id) -> Result<StatusCode, Failure> {
    // A user with notes is a `Conflict`: the foreign key forbids it.
    let done = database
        .execute("DELETE FROM users WHERE id = :id", params! { id })
        .await?;
    if done.rows_affected == 0 {
        return Err(Failure::no("user", id));
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    into: i64,
}

impl Check for Merge {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[derive(Debug, Serialize)]
struct Merged {
    user: User,
    notes_moved: u64,
}

/// Gives all notes of a user to another one, and removes the first.
async fn merge(
    State(database): State<Database>,
    Id(id): Id,
    Valid(Merge { into }): Valid<Merge>,
) -> Result<Json<Merged>, Failure> {
    if id == into {
        return Err(Failure::invalid("into", "must be another user"));
    }
    // The guard: leaving with `?` before the commit drops it, which rolls back.
    let transaction = database.transaction().await?;
    let moved = transaction
        .execute(
            "UPDATE notes SET user_id = :into WHERE user_id = :id",
            params! { into, id },
        )
        .await?;
    let removed = transaction
        .execute("DELETE FROM users WHERE id = :id", params! { id })
        .await?;
    if removed.rows_affected == 0 {
        return Err(Failure::no("user", id));
    }
    // It takes a `&Database` but runs in the transaction, because this task has one.
    let user = find(&database, into).await?;
    transaction.commit().await?;
    Ok(Json(Merged {
        user,
        notes_moved: moved.rows_affected,
    }))
}

async fn find(database: &Database, id: i64) -> Result<User, Failure> {
    database
        .fetch_optional("SELECT id, name, email FROM users WHERE id = :id", params! { id })
        .decode()
        .await?
        .ok_or_else(|| Failure::no("user", id))
}
