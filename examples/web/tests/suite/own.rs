//! What a sandbox cannot show, because it has one connection: transactions of several requests really at once. These run
//! in a database of their own.

use ebbtide::testing::TestClient;
use futures::future::join_all;
use serde_json::json;

use crate::app::App;

/// On MySQL some of these meet in a deadlock, and the server gives one up; the handler runs it again.
pub async fn transactions_really_at_once_add_a_tag_once(url: &str) {
    let prefix = format!("own_{}_", std::process::id());
    let client = TestClient::new(url).prefix(prefix).await.unwrap();
    ebbtide_example_web::migrate(&client).await.unwrap();
    let app = App::start(client.database().clone()).await;
    for _ in 0..10 {
        let path = format!("/notes/{}/tags", app.note("note", &[]).await);
        let answers = join_all((0..6).map(|_| app.post(&path, json!({ "tags": ["same", "other"] })))).await;
        let bodies: Vec<_> = answers.into_iter().map(|answer| answer.expect(200)).collect();
        let added = |body: &&serde_json::Value| body["added"].as_array().is_some_and(|tags| !tags.is_empty());
        assert_eq!(bodies.iter().filter(added).count(), 1, "{bodies:?}");
    }
    app.stop().await;
    client.close().await.unwrap();
}
