use serde_json::json;

use super::cases;
use crate::app::App;

cases![
    creates_a_note_with_tags,
    note_of_an_unknown_user_is_a_conflict,
    tag_given_twice_leaves_no_note,
    empty_title_is_invalid,
    unknown_note_is_not_found,
    text_comes_back_as_it_was,
    long_text_comes_back_as_it_was,
    update_writes_every_field,
    update_keeps_tags_that_are_not_given,
    update_replaces_tags,
    failed_update_changes_nothing,
    update_of_an_unknown_note_is_not_found,
    removes_a_note_with_its_tags,
];

async fn creates_a_note_with_tags(app: &App) {
    let user = app.user().await;
    let new = json!({ "user_id": user, "title": "Shopping", "text": "milk", "tags": ["home", "cheap"] });
    let created = app.post("/notes", new).await.expect(201);
    assert_eq!(created["tags"], json!(["cheap", "home"]));
    assert_eq!(
        (&created["title"], &created["done"]),
        (&json!("Shopping"), &json!(false))
    );
    let shown = app.get(&format!("/notes/{}", created["id"])).await.expect(200);
    assert_eq!(shown, created);
}

async fn note_of_an_unknown_user_is_a_conflict(app: &App) {
    let new = json!({ "user_id": 404_000, "title": "lost" });
    let message = app.post("/notes", new).await.message(409);
    assert!(message.contains("refers to something that is not there"), "{message}");
}

async fn tag_given_twice_leaves_no_note(app: &App) {
    let user = app.user().await;
    let new = json!({ "user_id": user, "title": "half-way", "tags": ["one", "two", "one"] });
    let message = app.post("/notes", new).await.message(409);
    assert_eq!(message, "it is there already");
    assert!(app.titles(&format!("?user={user}")).await.is_empty());
}

async fn empty_title_is_invalid(app: &App) {
    let user = app.user().await;
    let answer = app.post("/notes", json!({ "user_id": user, "title": "" })).await;
    assert_eq!(answer.expect(422)["field"], "title");
}

async fn unknown_note_is_not_found(app: &App) {
    assert_eq!(app.get("/notes/404000").await.message(404), "there is no note 404000");
    app.delete("/notes/404000").await.expect(404);
}

async fn text_comes_back_as_it_was(app: &App) {
    let user = app.user().await;
    for text in [
        "",
        "'; DROP TABLE notes; --",
        "a :name and a ?",
        "ünï©ödé ✓ 雪",
        "two\nlines\ttab \\ \"quotes\"",
    ] {
        let new = json!({ "user_id": user, "title": "text", "text": text });
        assert_eq!(app.post("/notes", new).await.expect(201)["text"], text);
    }
}

async fn long_text_comes_back_as_it_was(app: &App) {
    let user = app.user().await;
    let text = "0123456789".repeat(5_000);
    let new = json!({ "user_id": user, "title": "long", "text": text });
    let id = app.post("/notes", new).await.key();
    assert_eq!(app.get(&format!("/notes/{id}")).await.expect(200)["text"], json!(text));
}

async fn update_writes_every_field(app: &App) {
    let id = app.note("before", &[]).await;
    let new = json!({ "title": "after", "text": "new", "done": true });
    let updated = app.put(&format!("/notes/{id}"), new).await.expect(200);
    let fields = (&updated["title"], &updated["text"], &updated["done"]);
    assert_eq!(fields, (&json!("after"), &json!("new"), &json!(true)));
}

async fn update_keeps_tags_that_are_not_given(app: &App) {
    let id = app.note("tagged", &["kept"]).await;
    let new = json!({ "title": "tagged", "text": "", "done": false });
    let updated = app.put(&format!("/notes/{id}"), new).await.expect(200);
    assert_eq!(updated["tags"], json!(["kept"]));
}

async fn update_replaces_tags(app: &App) {
    let id = app.note("tagged", &["old", "both"]).await;
    let new = json!({ "title": "tagged", "text": "", "done": false, "tags": ["new", "both"] });
    let updated = app.put(&format!("/notes/{id}"), new).await.expect(200);
    assert_eq!(updated["tags"], json!(["both", "new"]));
}

async fn failed_update_changes_nothing(app: &App) {
    let id = app.note("before", &["kept"]).await;
    let path = format!("/notes/{id}");
    let before = app.get(&path).await.expect(200);
    let new = json!({ "title": "after", "text": "", "done": true, "tags": ["twice", "twice"] });
    app.put(&path, new).await.expect(409);
    assert_eq!(app.get(&path).await.expect(200), before);
}

async fn update_of_an_unknown_note_is_not_found(app: &App) {
    let new = json!({ "title": "after", "text": "", "done": true });
    app.put("/notes/404000", new).await.expect(404);
}

async fn removes_a_note_with_its_tags(app: &App) {
    let id = app.note("short-lived", &["gone"]).await;
    app.delete(&format!("/notes/{id}")).await.expect(204);
    app.get(&format!("/notes/{id}")).await.expect(404);
    assert_eq!(app.get("/tags").await.expect(200), json!([]));
}
