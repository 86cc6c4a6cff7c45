//! The time limit of a read that waits for a server's position.

use std::sync::Arc;

use super::{engine, run};
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::config::Config;
use crate::session::engine::Engine;
use crate::session::replicas::{Reads, Replicas};
use crate::session::statement::run::Target;

#[tokio::test(start_paused = true)]
async fn r6_a_primary_that_does_not_say_how_far_it_is_keeps_no_read_waiting() {
    let (primary, replica) = (FakeConnector::default(), FakeConnector::default());
    let (alone, other) = (engine(&primary, false), engine(&replica, false));
    let config = Config::from_url("mysql://localhost/x").unwrap();
    let engine = Engine::new(
        Arc::clone(&alone.pool),
        Arc::clone(&alone.settings),
        Arc::clone(&alone.templates),
        Arc::default(),
        None,
        Replicas::new(vec![Arc::clone(&other.pool)], config.settings()),
    );
    let target = Target::Database(Arc::clone(&engine), Reads::Routed);
    run(&target, "insert into t values (1)").await.unwrap();
    // The first call of the read is the question.
    primary.gate("run", ScriptedStep::Never);
    run(&target, "select 1").await.unwrap();
    let texts: Vec<String> = primary
        .server
        .lock()
        .log
        .iter()
        .map(|(_, _, text)| text.clone())
        .collect();
    assert_eq!(texts.last().map(String::as_str), Some("select 1"), "{texts:?}");
    let first = primary.server.lock().depths[0];
    assert_eq!(
        (first, primary.open()),
        (None, 1),
        "the connection that was silent is closed"
    );
}
