use serde_json::json;

use super::cases;
use crate::app::{App, address};

cases![
    answers_that_it_is_healthy,
    creates_a_user,
    lists_users_by_name,
    unknown_user_is_not_found,
    taken_address_is_a_conflict,
    conflict_leaves_the_database_usable,
    empty_name_is_invalid,
    long_name_is_invalid,
    wrong_address_is_invalid,
    missing_field_is_named,
    unknown_field_is_named,
    broken_json_is_not_understood,
    other_content_is_not_understood,
    key_that_is_no_number_is_not_understood,
    unknown_path_and_method_answer_in_json,
    removes_a_user,
    user_with_notes_stays,
    merging_moves_the_notes,
    merging_an_unknown_user_moves_nothing,
    merging_into_an_unknown_user_removes_nothing,
    merging_into_oneself_is_invalid,
];

async fn answers_that_it_is_healthy(app: &App) {
    assert_eq!(app.get("/health").await.expect(200), json!({ "database": true }));
}

async fn creates_a_user(app: &App) {
    let email = address();
    let new = json!({ "name": "Grace Hopper", "email": email });
    let id = app.post("/users", new).await.key();
    let user = app.get(&format!("/users/{id}")).await.expect(200);
    assert_eq!(user, json!({ "id": id, "name": "Grace Hopper", "email": email }));
}

async fn lists_users_by_name(app: &App) {
    for name in ["Charles", "Ada", "Blaise"] {
        app.post("/users", json!({ "name": name, "email": address() }))
            .await
            .key();
    }
    let users = app.get("/users").await.expect(200);
    let names: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["Ada", "Blaise", "Charles"]);
}

async fn unknown_user_is_not_found(app: &App) {
    let message = app.get("/users/404000").await.message(404);
    assert_eq!(message, "there is no user 404000");
}

async fn taken_address_is_a_conflict(app: &App) {
    let user = json!({ "name": "Ada", "email": address() });
    app.post("/users", user.clone()).await.key();
    let message = app.post("/users", user).await.message(409);
    assert_eq!(message, "this e-mail address is taken");
}

async fn conflict_leaves_the_database_usable(app: &App) {
    let user = json!({ "name": "Ada", "email": address() });
    app.post("/users", user.clone()).await.key();
    app.post("/users", user).await.expect(409);
    app.user().await;
    let users = app.get("/users").await.expect(200);
    assert_eq!(users.as_array().unwrap().len(), 2);
}

async fn empty_name_is_invalid(app: &App) {
    let new = json!({ "name": "  ", "email": address() });
    let body = app.post("/users", new).await.expect(422);
    let expected = json!({ "error": "invalid", "field": "name", "message": "must not be empty" });
    assert_eq!(body, expected);
}

async fn long_name_is_invalid(app: &App) {
    let user = |length| json!({ "name": "ä".repeat(length), "email": address() });
    app.post("/users", user(100)).await.key();
    let message = app.post("/users", user(101)).await.message(422);
    assert_eq!(message, "must not be longer than 100 characters");
}

async fn wrong_address_is_invalid(app: &App) {
    for email in ["ada", "@example.com", "ada@localhost"] {
        let body = app
            .post("/users", json!({ "name": "Ada", "email": email }))
            .await
            .expect(422);
        assert_eq!(body["field"], "email", "{email}");
    }
}

async fn missing_field_is_named(app: &App) {
    let message = app.post("/users", json!({ "name": "Ada" })).await.message(422);
    assert!(message.contains("missing field `email`"), "{message}");
}

async fn unknown_field_is_named(app: &App) {
    let user = json!({ "name": "Ada", "email": address(), "admin": true });
    let message = app.post("/users", user).await.message(422);
    assert!(message.contains("unknown field `admin`"), "{message}");
}

async fn broken_json_is_not_understood(app: &App) {
    let answer = app.post_text("/users", Some("application/json"), "{\"name\": ").await;
    assert_eq!(answer.expect(400)["error"], "not understood");
}

async fn other_content_is_not_understood(app: &App) {
    app.post_text("/users", Some("text/plain"), "Ada").await.expect(415);
    app.post_text("/users", None, "{}").await.expect(415);
}

async fn key_that_is_no_number_is_not_understood(app: &App) {
    let message = app.get("/users/ada").await.message(400);
    assert!(message.contains("ada"), "{message}");
}

async fn unknown_path_and_method_answer_in_json(app: &App) {
    app.get("/elsewhere").await.message(404);
    app.delete("/users").await.message(405);
}

async fn removes_a_user(app: &App) {
    let path = format!("/users/{}", app.user().await);
    app.delete(&path).await.expect(204);
    app.get(&path).await.expect(404);
    app.delete(&path).await.expect(404);
}

async fn user_with_notes_stays(app: &App) {
    let user = app.user().await;
    app.note_of(user, "a reason to stay", &[]).await;
    let path = format!("/users/{user}");
    app.delete(&path).await.expect(409);
    app.get(&path).await.expect(200);
}

async fn merging_moves_the_notes(app: &App) {
    let (from, into) = (app.user().await, app.user().await);
    for title in ["one", "two"] {
        app.note_of(from, title, &[]).await;
    }
    let merge = app.post(&format!("/users/{from}/merge"), json!({ "into": into })).await;
    let merged = merge.expect(200);
    assert_eq!(
        (&merged["notes_moved"], &merged["user"]["id"]),
        (&json!(2), &json!(into))
    );
    app.get(&format!("/users/{from}")).await.expect(404);
    assert_eq!(app.titles(&format!("?user={into}")).await, ["two", "one"]);
}

async fn merging_an_unknown_user_moves_nothing(app: &App) {
    let into = app.user().await;
    let merge = app.post("/users/404000/merge", json!({ "into": into })).await;
    assert_eq!(merge.message(404), "there is no user 404000");
}

async fn merging_into_an_unknown_user_removes_nothing(app: &App) {
    // Without notes no foreign key protects the user: only the rollback does.
    let user = app.user().await;
    let path = format!("/users/{user}");
    let merge = app.post(&format!("{path}/merge"), json!({ "into": 404_000 })).await;
    assert_eq!(merge.message(404), "there is no user 404000");
    app.get(&path).await.expect(200);
}

async fn merging_into_oneself_is_invalid(app: &App) {
    let user = app.user().await;
    let merge = app.post(&format!("/users/{user}/merge"), json!({ "into": user })).await;
    assert_eq!(merge.expect(422)["field"], "into");
}
