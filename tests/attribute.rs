//! Tests of `#[ebbtide::test]` from its user's point of view.
//!
//! The tests of `inner` are written as a user would write them. They run in separate processes, several at once, to
//! show how processes get along. So they are ignored here, and the tests of `outer` start them.

#![cfg(feature = "macros")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unused_async,
    reason = "a test says what is wrong by panicking"
)]

#[path = "attribute/inner.rs"]
mod inner;
#[path = "attribute/outer.rs"]
mod outer;
#[path = "attribute/server.rs"]
mod server;

#[ebbtide::test(url = "sqlite::memory:")]
async fn a_test_gets_a_database(database: ebbtide::Database) -> ebbtide::Result<()> {
    database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    assert!(database.recorded().iter().any(|entry| entry.sql.contains("note")));
    Ok(())
}

#[ebbtide::test(url = "sqlite::memory:")]
async fn a_test_of_the_same_database_sees_nothing_of_it(database: ebbtide::Database) {
    database.execute("CREATE TABLE note (text TEXT)", ()).await.unwrap();
}

#[ebbtide::test]
async fn a_test_may_take_no_database() -> Result<(), std::io::Error> {
    let flavor = tokio::runtime::Handle::current().runtime_flavor();
    assert_eq!(flavor, tokio::runtime::RuntimeFlavor::CurrentThread);
    Ok(())
}

#[ebbtide::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_may_have_threads() {
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 2);
}

#[ebbtide::test(config = ebbtide::Config::from_url("sqlite::memory:").unwrap(), crate = ::ebbtide)]
#[should_panic(expected = "this was wanted")]
async fn a_test_may_have_to_panic(mut database: ebbtide::Database) {
    database = database.clone();
    panic!("this was wanted, {}", database.is_connected());
}
