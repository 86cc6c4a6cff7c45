//! `listen` and `notify`: PostgreSQL's notifications, outside of sandboxes and inside.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, ErrorKind, ListenEvent, Notifications, Result, params};
use futures::{FutureExt as _, StreamExt as _};

use super::tasks::soon;
use crate::support::cases;

/// Returns the next event as `channel: payload`, or its name.
async fn next(events: &mut Notifications) -> String {
    match soon("an event", events.next()).await.expect("it has not ended") {
        ListenEvent::Notification(notification) => format!("{}: {}", notification.channel(), notification.payload()),
        other => format!("{other:?}"),
    }
}

/// Sends a last notification outside of transactions, and returns the events up to it.
async fn heard(events: &mut Notifications, database: &Database, channel: &str) -> Vec<String> {
    database.notify(channel, "last").await.expect("it is sent");
    let mut heard = Vec::new();
    loop {
        let event = next(events).await;
        if event.ends_with(": last") {
            return heard;
        }
        heard.push(event);
    }
}

/// Returns the processes of the sessions that listen to a channel.
async fn sessions(database: &Database, channel: &str) -> Vec<i64> {
    let sql = "select pid::bigint from pg_stat_activity where query ilike 'listen%' and strpos(query, :channel) > 0";
    database
        .fetch_all(sql, params! { channel })
        .value()
        .await
        .expect("the sessions")
}

async fn left(database: &Database, channel: &str, count: usize) {
    for _ in 0..400 {
        if sessions(database, channel).await.len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{count} sessions should listen to {channel}");
}

cases! {
    #[only(postgres)]
    async fn m1_notifications_arrive_after_the_commit(t: Test) -> Result<()> {
        let database = t.database().await;
        let channel = format!("{} \"A\"", t.table("channel"));
        let (mut events, mut other) = (database.listen([&channel]).await?, database.listen([&channel, "other"]).await?);
        database.notify(&channel, "alone").await?;
        assert_eq!(next(&mut events).await, format!("{channel}: alone"));

        let transaction = database.transaction().await?;
        database.notify(&channel, "committed").await?;
        let savepoint = transaction.transaction().await?;
        database.notify(&channel, "undone").await?;
        savepoint.rollback().await?;
        assert!(events.next().now_or_never().is_none(), "it is not committed");
        transaction.commit().await?;
        let transaction = database.transaction().await?;
        database.notify(&channel, "rolled back").await?;
        transaction.rollback().await?;
        assert_eq!(heard(&mut events, &database, &channel).await, [format!("{channel}: committed")]);
        assert_eq!(heard(&mut other, &database, &channel).await.len(), 2);

        let pid: i64 = database.fetch_value("select pg_backend_pid()::bigint, pg_notify(:channel, 'x')", params! { channel: &channel }).await?;
        let Some(ListenEvent::Notification(sent)) = soon("it", events.next()).await else { panic!("a notification") };
        assert!(sent.process_id().is_some_and(|by| i64::from(by) == pid), "{sent:?}");
        assert!(!format!("{sent:?}").contains("payload: \"x\""), "{sent:?}");
        Ok(())
    }

    #[only(postgres)]
    async fn m1_a_lost_connection_is_made_again_and_told(t: Test) -> Result<()> {
        let database = t.database().await;
        let channel = t.table("channel");
        let mut events = database.listen([&channel]).await?;
        for pid in sessions(&database, &channel).await {
            database.execute("select pg_terminate_backend(:pid::int)", params! { pid }).await?;
        }
        assert_eq!(next(&mut events).await, "Reconnected");
        assert_eq!(heard(&mut events, &database, &channel).await, [""; 0]);
        Ok(())
    }

    #[only(postgres)]
    async fn m1_the_stream_ends_with_the_database_and_its_session_with_the_stream(t: Test) -> Result<()> {
        let (database, observer) = (t.database().await, t.database().await);
        let channel = t.table("channel");
        let dropped = database.listen([&channel]).await?;
        let mut events = database.listen([&channel]).await?;
        left(&observer, &channel, 2).await;
        drop(dropped);
        left(&observer, &channel, 1).await;
        database.disconnect().await?;
        assert_eq!(soon("the end", events.next()).await, None);
        drop(events);
        left(&observer, &channel, 0).await;
        let error = database.listen([&channel]).await.expect_err("it is disconnected");
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        Ok(())
    }

    #[only(postgres)]
    async fn m1_a_sandbox_delivers_at_the_outermost_virtual_commit(t: Test) -> Result<()> {
        let database = t.database().await;
        let channel = t.table("channel");
        let mut outside = database.listen([&channel]).await?;
        let (sandbox, neighbour) = (database.sandbox().await?, database.sandbox().await?);
        let mut events = sandbox.listen([channel.clone()]).await?;
        let mut beside = neighbour.listen([channel.clone()]).await?;

        sandbox.notify(&channel, "alone").await?;
        assert_eq!(next(&mut events).await, format!("{channel}: alone"));

        let transaction = sandbox.transaction().await?;
        let text = AssertSqlSafe(format!("notify \"{channel}\", 'it''s'"));
        transaction.execute(text, ()).await?;
        for _ in 0..2 {
            sandbox.notify(&channel, "once").await?;
        }
        let savepoint = sandbox.transaction().await?;
        savepoint.execute("select pg_notify(:channel::text, 'kept')", params! { channel: &channel }).await?;
        savepoint.commit().await?;
        let savepoint = sandbox.transaction().await?;
        sandbox.notify(&channel, "undone").await?;
        savepoint.rollback().await?;
        assert!(events.next().now_or_never().is_none(), "it is not committed");
        transaction.commit().await?;
        let result: Result<()> = sandbox.transaction().run(async |_| {
            sandbox.notify(&channel, "rolled back").await?;
            sandbox.execute("select 1 / 0", ()).await.map(drop)
        }).await;
        result.expect_err("a division by zero");
        sandbox.execute("select pg_notify(:channel, :channel || 1 / 0)", params! { channel: &channel }).await.expect_err("it fails");
        let sent = ["it's", "once", "kept"].map(|payload| format!("{channel}: {payload}"));
        assert_eq!(heard(&mut events, &sandbox, &channel).await, sent);

        // Captured callbacks are the application's alone.
        let captured = sandbox.capture_on_commit()?;
        sandbox.transaction().run(async |_| sandbox.notify(&channel, "captured").await).await?;
        assert_eq!((captured.len(), next(&mut events).await), (0, format!("{channel}: captured")));
        drop(captured);

        sandbox.disconnect().await?;
        drop(sandbox);
        assert_eq!(soon("the end", events.next()).await, None);
        assert_eq!(heard(&mut beside, &neighbour, &channel).await, [""; 0]);
        assert_eq!(heard(&mut outside, &database, &channel).await, [""; 0]);
        Ok(())
    }

    #[only(postgres)]
    #[except(tokio_postgres)]
    async fn m1_what_cannot_listen_says_so(t: Test) -> Result<()> {
        let database = t.database().await;
        let error = database.listen([""; 0]).await.expect_err("no channel");
        assert!(error.kind() == ErrorKind::Parameter && error.to_string().contains("no channel"), "{error}");
        for name in ["", "a\0b", &"n".repeat(64)] {
            let error = database.listen([name]).await.expect_err("no such name");
            assert!(error.kind() == ErrorKind::Parameter && error.to_string().contains("1 to 63 bytes"), "{error}");
        }
        let error = database.execute("LISTEN a", ()).await.expect_err("it is refused");
        assert!(error.to_string().contains("database.listen"), "{error}");
        let joint = if t.url().contains('?') { '&' } else { '?' };
        let pooled = Database::connect(format!("{}{joint}pgbouncer=true", t.url())).await?;
        let error = pooled.listen(["a"]).await.expect_err("its sessions are others'");
        assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("PgBouncer"), "{error}");
        Ok(())
    }

    /// sqlx starts a task as it drops a listener.
    #[only(postgres)]
    async fn m1_a_stream_may_be_dropped_outside_of_a_runtime(t: Test) -> Result<()> {
        let database = t.database().await;
        let events = database.listen([t.table("channel")]).await?;
        std::thread::spawn(move || drop(events)).join().expect("no panic");
        Ok(())
    }

    #[only(postgres)]
    async fn m1_a_server_that_is_away_is_told_at_once(t: Test) -> Result<()> {
        let away = Database::new("postgres://ada@127.0.0.1:1/shop")?;
        let lazy = Database::connect(away.config().lazy(true)).await?;
        let began = std::time::Instant::now();
        let error = lazy.listen([t.table("channel")]).await.expect_err("nobody is there");
        assert!(error.kind() == ErrorKind::Connect && began.elapsed() < Duration::from_secs(5), "{error}");
        Ok(())
    }

    #[except(postgres)]
    async fn m1_other_databases_have_no_notifications(t: Test) -> Result<()> {
        let database = t.database().await;
        let error = database.listen(["a"]).await.expect_err("it has none");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        if !t.backend().is_postgres() {
            let error = database.notify("a", "b").await.expect_err("it has none");
            assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("PostgreSQL"), "{error}");
        }
        Ok(())
    }
}
