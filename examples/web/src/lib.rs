//! A notes application on axum: users, notes, tags, over HTTP with JSON, on SQLite, PostgreSQL and MySQL or MariaDB
//! alike.
//!
//! See `main.rs` for start-up and shutdown, and `notes.rs` and `tags.rs` for transactions in handlers. `failure.rs`
//! converts database errors, and `tests/` runs the whole server inside a sandbox.

mod failure;
mod input;
mod notes;
mod schema;
mod store;
mod tags;
mod users;

use std::future::Future;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use ebbtide::Database;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use failure::Failure;
pub use schema::migrate;

/// Returns the routes. The database is their state: a handle that is cheap to clone.
pub fn router(database: Database) -> Router {
    Router::new()
        .route("/health", get(health))
        .merge(users::routes())
        .merge(notes::routes())
        .merge(tags::routes())
        .fallback(async || Failure::NotFound("there is nothing at this address".to_owned()))
        .method_not_allowed_fallback(async || Failure::method_not_allowed())
        .with_state(database)
}

/// Answers requests until `stop` is done, and finishes those in progress.
pub async fn serve(
    listener: TcpListener,
    database: Database,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(database))
        .with_graceful_shutdown(stop)
        .await
}

async fn health(State(database): State<Database>) -> Result<Json<Value>, Failure> {
    let answer: i64 = database.fetch_value("SELECT 1", ()).await?;
    Ok(Json(json!({ "database": answer == 1 })))
}

/// The examples of the guides are tested here, because they use axum or this application.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/LIFECYCLE.md")]
#[doc = include_str!("../../../docs/TESTING.md")]
struct Guides;
