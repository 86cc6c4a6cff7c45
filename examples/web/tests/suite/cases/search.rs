use serde_json::json;

use super::cases;
use crate::app::App;

cases![
    lists_the_newest_first,
    pages_by_limit_and_offset,
    finds_by_user,
    finds_by_tag,
    finds_what_is_done,
    finds_words_in_title_and_text,
    wildcards_mean_themselves,
    all_conditions_hold_at_once,
    unknown_condition_is_not_understood,
];

async fn three(app: &App) -> i64 {
    let user = app.user().await;
    for title in ["one", "two", "three"] {
        app.note_of(user, title, &[]).await;
    }
    user
}

async fn lists_the_newest_first(app: &App) {
    three(app).await;
    assert_eq!(app.titles("").await, ["three", "two", "one"]);
}

async fn pages_by_limit_and_offset(app: &App) {
    three(app).await;
    assert_eq!(app.titles("?limit=2").await, ["three", "two"]);
    assert_eq!(app.titles("?limit=2&offset=2").await, ["one"]);
    assert!(app.titles("?offset=3").await.is_empty());
}

async fn finds_by_user(app: &App) {
    three(app).await;
    let other = app.user().await;
    app.note_of(other, "of another", &[]).await;
    assert_eq!(app.titles(&format!("?user={other}")).await, ["of another"]);
}

async fn finds_by_tag(app: &App) {
    app.note("tagged", &["red", "round"]).await;
    app.note("tagged too", &["red"]).await;
    app.note("not tagged", &[]).await;
    assert_eq!(app.titles("?tag=red").await, ["tagged too", "tagged"]);
    assert_eq!(app.titles("?tag=round").await, ["tagged"]);
    assert!(app.titles("?tag=blue").await.is_empty());
}

async fn finds_what_is_done(app: &App) {
    three(app).await;
    let id = app.note("done", &[]).await;
    let done = json!({ "title": "done", "text": "", "done": true });
    app.put(&format!("/notes/{id}"), done).await.expect(200);
    assert_eq!(app.titles("?done=true").await, ["done"]);
    assert_eq!(app.titles("?done=false").await.len(), 3);
}

async fn finds_words_in_title_and_text(app: &App) {
    let user = app.user().await;
    for (title, text) in [
        ("Green Tea", ""),
        ("Shopping", "some green apples"),
        ("Nothing", "at all"),
    ] {
        let new = json!({ "user_id": user, "title": title, "text": text });
        app.post("/notes", new).await.expect(201);
    }
    assert_eq!(app.titles("?search=GREEN").await, ["Shopping", "Green Tea"]);
}

async fn wildcards_mean_themselves(app: &App) {
    let user = app.user().await;
    for title in ["100% sure", "1000 times", "snake_case", "snakes case", "wow!"] {
        app.note_of(user, title, &[]).await;
    }
    assert_eq!(app.titles("?search=100%25").await, ["100% sure"]);
    assert_eq!(app.titles("?search=snake_").await, ["snake_case"]);
    assert_eq!(app.titles("?search=!").await, ["wow!"]);
}

async fn all_conditions_hold_at_once(app: &App) {
    let user = three(app).await;
    app.note_of(user, "one more", &["red"]).await;
    app.note("one of another", &["red"]).await;
    let query = format!("?search=one&user={user}&tag=red&done=false");
    assert_eq!(app.titles(&query).await, ["one more"]);
}

async fn unknown_condition_is_not_understood(app: &App) {
    let message = app.get("/notes?colour=red").await.message(400);
    assert!(message.contains("colour"), "{message}");
}
