//! A commit that waits for an unavailable synchronous standby, and a server that stops at once.

use ebbtide::{Database, ErrorKind, Result};

use crate::cases::messages::assert_error;
use crate::cases::tasks::soon;
use crate::support::{Cluster, Server, Watcher, cases, until};

/// Counts the sessions that wait for the standby.
const WAITING: &str = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";

/// Runs a function of the server on the sessions that wait for the standby.
async fn those_waiting(primary: &Server, what: &str) {
    until(async || primary.number(WAITING).await == 1).await;
    primary
        .run(&format!(
            "select {what}(pid) from pg_stat_activity where wait_event = 'SyncRep'"
        ))
        .await;
}

async fn there(primary: &Server, body: &str) -> i64 {
    primary
        .number(&format!("select count(*) from note where body = '{body}'"))
        .await
}

/// Writes a note by a single statement, or by a transaction; both wait for the standby.
async fn write(database: &Database, body: &str, alone: bool) -> Result<()> {
    let sql = "insert into note values (:body)";
    if alone {
        return database.execute(sql, ebbtide::params! { body }).await.map(drop);
    }
    let transaction = database.transaction().await?;
    transaction.execute(sql, ebbtide::params! { body }).await?;
    transaction.commit().await
}

cases! {
    #[only(postgres)]
    #[cluster]
    #[limit(120)]
    async fn x12_a_session_ended_while_it_waits_for_a_standby_has_committed_and_says_so_found_c5(_t: Test) -> Result<()> {
        let mut cluster = Cluster::start(0).await;
        cluster.primary.run("create table note (body text primary key)").await;
        cluster.primary.run("alter system set synchronous_standby_names = 'nobody'").await;
        // The checkpointer tells commits whether to wait; after a reload, a commit could begin before the checkpointer
        // has read it.
        cluster.primary.stop();
        cluster.primary.restart().await;
        let primary = &cluster.primary;
        let database = Database::connect(primary.url()).await?;
        for alone in [false, true] {
            let body = format!("terminated, alone: {alone}");
            let written = async { tokio::join!(write(&database, &body, alone), those_waiting(primary, "pg_terminate_backend")) };
            let (written, ()) = soon(&body, written).await;
            let error = written.expect_err("its session was ended");
            assert_error(&error, ErrorKind::OutcomeUnknown, &["may have taken effect", file!()]);
            assert!(!error.is_retryable());
            assert_eq!(there(primary, &body).await, 1, "{body}: it has committed");

            // If only the wait is given up, it is done, with a warning of the server.
            let body = format!("cancelled, alone: {alone}");
            let watcher = Watcher::default();
            let written = watcher.watch(write(&database, &body, alone));
            let written = async { tokio::join!(written, those_waiting(primary, "pg_cancel_backend")) };
            let (written, ()) = soon(&body, written).await;
            written?;
            assert_eq!(there(primary, &body).await, 1, "{body}");
            let notices = watcher.events("sqlx::postgres::notice");
            let warned = notices.iter().any(|notice| notice.field("message").contains("synchronous replication"));
            assert!(warned, "{body}: the server's warning is reported: {notices:?}");
        }

        // A server that stops at once, as in a crash: nothing of the open transaction is kept.
        primary.run("alter system set synchronous_standby_names = ''").await;
        primary.run("select pg_reload_conf()").await;
        until(async || primary.text("show synchronous_standby_names").await.is_empty()).await;
        let transaction = database.transaction().await?;
        transaction.execute("insert into note values ('crashed')", ()).await?;
        cluster.primary.stop();
        let error = soon("a statement", transaction.execute("insert into note values ('crashed too')", ())).await.unwrap_err();
        assert_error(&error, ErrorKind::ConnectionLost, &[]);
        assert!(error.is_retryable());
        drop(transaction);
        cluster.primary.restart().await;
        assert_eq!(there(&cluster.primary, "crashed").await, 0);
        Ok(())
    }
}
