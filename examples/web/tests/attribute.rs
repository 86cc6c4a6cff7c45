//! The same with `#[ebbtide::test]`: migrations and fixtures are applied once, and each test has a sandbox of the
//! result.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

#[path = "suite/app.rs"]
#[allow(dead_code, reason = "the suite needs the rest of it")]
mod app;

use app::App;
use ebbtide::{Config, Database};
use serde_json::json;

/// Returns the database next to which those of the tests are created.
fn notes() -> Config {
    Config::from_url(format!("sqlite://{}/notes.db", env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

#[ebbtide::test(config = notes(), migrations = "migrations/sqlite", fixtures("users"))]
async fn fixtures_are_there(database: Database) {
    let app = App::start(database).await;
    assert_eq!(app.get("/users/1").await.expect(200)["name"], "Ada");
    app.stop().await;
}

#[ebbtide::test(config = notes(), migrations = "migrations/sqlite", fixtures("users"))]
async fn user_may_go(database: Database) {
    let app = App::start(database).await;
    app.delete("/users/1").await.expect(204);
    app.get("/users/1").await.expect(404);
    app.stop().await;
}

#[ebbtide::test(config = notes(), migrations = "migrations/sqlite", fixtures("users"), strategy = "clone")]
async fn note_is_written_into_a_database_of_its_own(database: Database) {
    let app = App::start(database).await;
    let new = json!({ "user_id": 2, "title": "really committed" });
    assert_eq!(app.post("/notes", new).await.key(), 1);
    app.stop().await;
}
