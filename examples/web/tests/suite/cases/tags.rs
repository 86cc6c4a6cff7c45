use serde_json::json;

use super::cases;
use crate::app::App;

cases![
    adds_tags,
    tag_that_is_there_does_not_take_the_others_along,
    tag_given_twice_is_added_once,
    tags_of_an_unknown_note_are_not_found,
    no_tags_are_invalid,
    tag_that_is_too_long_is_invalid,
    removes_a_tag,
    counts_notes,
];

async fn adds_tags(app: &App) {
    let id = app.note("note", &[]).await;
    let added = app
        .post(&format!("/notes/{id}/tags"), json!({ "tags": ["b", "a"] }))
        .await;
    assert_eq!(added.expect(200), json!({ "added": ["b", "a"], "there_already": [] }));
    let note = app.get(&format!("/notes/{id}")).await.expect(200);
    assert_eq!(note["tags"], json!(["a", "b"]));
}

async fn tag_that_is_there_does_not_take_the_others_along(app: &App) {
    let id = app.note("note", &["old"]).await;
    let path = format!("/notes/{id}/tags");
    let added = app
        .post(&path, json!({ "tags": ["first", "old", "last"] }))
        .await
        .expect(200);
    assert_eq!(added, json!({ "added": ["first", "last"], "there_already": ["old"] }));
    let note = app.get(&format!("/notes/{id}")).await.expect(200);
    assert_eq!(note["tags"], json!(["first", "last", "old"]));
}

async fn tag_given_twice_is_added_once(app: &App) {
    let id = app.note("note", &[]).await;
    let added = app
        .post(&format!("/notes/{id}/tags"), json!({ "tags": ["a", "a"] }))
        .await;
    assert_eq!(added.expect(200), json!({ "added": ["a"], "there_already": ["a"] }));
}

async fn tags_of_an_unknown_note_are_not_found(app: &App) {
    let added = app.post("/notes/404000/tags", json!({ "tags": ["a"] })).await;
    assert_eq!(added.message(404), "there is no note 404000");
}

async fn no_tags_are_invalid(app: &App) {
    let id = app.note("note", &[]).await;
    for tags in [json!([]), json!(["good", ""])] {
        let added = app.post(&format!("/notes/{id}/tags"), json!({ "tags": tags })).await;
        assert_eq!(added.expect(422)["field"], "tags");
    }
}

async fn tag_that_is_too_long_is_invalid(app: &App) {
    let id = app.note("note", &[]).await;
    let added = app
        .post(&format!("/notes/{id}/tags"), json!({ "tags": ["x".repeat(51)] }))
        .await;
    assert_eq!(added.message(422), "must not be longer than 50 characters");
}

async fn removes_a_tag(app: &App) {
    let id = app.note("note", &["a", "b c"]).await;
    app.delete(&format!("/notes/{id}/tags/b%20c")).await.expect(204);
    let message = app.delete(&format!("/notes/{id}/tags/b%20c")).await.message(404);
    assert_eq!(message, format!("the note {id} has no tag \"b c\""));
    let note = app.get(&format!("/notes/{id}")).await.expect(200);
    assert_eq!(note["tags"], json!(["a"]));
}

async fn counts_notes(app: &App) {
    app.note("one", &["red", "round"]).await;
    app.note("two", &["red"]).await;
    let tags = app.get("/tags").await.expect(200);
    let expected = json!([{ "name": "red", "notes": 2 }, { "name": "round", "notes": 1 }]);
    assert_eq!(tags, expected);
}
