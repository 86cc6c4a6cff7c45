//! Concurrent access of the handlers and the test to the same data.

use ebbtide::params;
use futures::future::join_all;
use serde_json::json;

use super::cases;
use crate::app::App;

cases![
    test_sees_what_the_handlers_wrote,
    handlers_see_what_the_test_wrote,
    requests_at_once_all_succeed,
    requests_at_once_add_a_tag_once,
    transactions_at_once_do_not_mix,
];

async fn test_sees_what_the_handlers_wrote(app: &App) {
    let id = app.note("seen", &["a"]).await;
    let title: String = app
        .database
        .fetch_value("SELECT title FROM notes WHERE id = :id", params! { id })
        .await
        .unwrap();
    assert_eq!(title, "seen");
}

async fn handlers_see_what_the_test_wrote(app: &App) {
    let id = app.note("before", &[]).await;
    app.database
        .execute("UPDATE notes SET title = 'after' WHERE id = :id", params! { id })
        .await
        .unwrap();
    assert_eq!(app.get(&format!("/notes/{id}")).await.expect(200)["title"], "after");
}

async fn requests_at_once_all_succeed(app: &App) {
    let user = app.user().await;
    let titles: Vec<String> = (0..8).map(|number| format!("note {number}")).collect();
    join_all(titles.iter().map(|title| app.note_of(user, title, &["a", "b"]))).await;
    let mut found = app.titles(&format!("?user={user}&tag=a")).await;
    found.sort();
    assert_eq!(found, titles);
}

async fn requests_at_once_add_a_tag_once(app: &App) {
    let id = app.note("note", &[]).await;
    let path = format!("/notes/{id}/tags");
    let answers = join_all((0..4).map(|_| app.post(&path, json!({ "tags": ["same"] })))).await;
    let bodies: Vec<_> = answers.into_iter().map(|answer| answer.expect(200)).collect();
    let added = bodies.iter().filter(|body| body["added"] == json!(["same"])).count();
    assert_eq!(added, 1, "{bodies:?}");
}

async fn transactions_at_once_do_not_mix(app: &App) {
    // Half of them fail in the middle of their transaction, which must not affect the others.
    let user = app.user().await;
    let requests = (0..8).map(|number| {
        let tags = if number % 2 == 0 { ["a", "b"] } else { ["a", "a"] };
        let new = json!({ "user_id": user, "title": format!("note {number}"), "tags": tags });
        app.post("/notes", new)
    });
    let answers = join_all(requests).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 409, 201, 409, 201, 409, 201, 409]);
    assert_eq!(app.titles(&format!("?user={user}")).await.len(), 4);
}
