//! Cases that a sandbox cannot cover, because it has one connection: really concurrent transactions of several
//! requests. These run in their own database.

use ebbtide::testing::TestDatabase;
use futures::future::join_all;
use serde_json::json;

use crate::app::App;

/// Adds the same tags from concurrent requests. On MySQL some of these deadlock, and the server aborts one; the handler
/// retries it.
pub async fn transactions_really_at_once_add_a_tag_once(url: &str) {
    let prefix = format!("own_{}_", std::process::id());
    let client = TestDatabase::builder(url).prefix(prefix).await.unwrap();
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
