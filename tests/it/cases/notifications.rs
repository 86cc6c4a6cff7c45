//! Notifications of PostgreSQL, on connections that do not receive them.

use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, Transaction, params};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use crate::support::{Test, cases};

/// Returns a database of one connection, a table, a channel, and a function that makes its caller's session listen to
/// it.
async fn quiet(t: &Test) -> (Database, String) {
    let database = Database::connect(Config::from_url(t.url()).unwrap().pool_size(1).keep_session(true))
        .await
        .unwrap();
    let notes = t.table("notes");
    database
        .execute(t.sql("create table {notes} (id {int} primary key)"), ())
        .await
        .unwrap();
    let sql = format!(
        "create function pg_temp.ear() returns bigint language plpgsql as \
         $$ begin execute 'listen {notes}'; return 7; end $$"
    );
    database.execute(AssertSqlSafe(sql), ()).await.unwrap();
    (database, notes)
}

async fn insert(t: &Test, on: &ebbtide::Connection, id: i64) -> ebbtide::Result<()> {
    on.execute(t.sql("insert into {notes} values (:id)"), params! { id })
        .await
        .map(drop)
}

async fn count(t: &Test, database: &Database) -> i64 {
    database
        .fetch_value(t.sql("select count(*) from {notes}"), ())
        .await
        .unwrap()
}

async fn session(database: &Database) -> i64 {
    database
        .fetch_value("select pg_backend_pid()::bigint", ())
        .await
        .unwrap()
}

async fn ears(database: &Database) -> i64 {
    database
        .fetch_value("select count(*) from pg_listening_channels()", ())
        .await
        .unwrap()
}

/// Listens in a transaction, whose own commit sends the notification before the server is ready again.
async fn notified_by_itself(transaction: &Transaction, channel: &str) {
    assert_eq!(
        transaction
            .fetch_value::<i64>("select pg_temp.ear()", ())
            .await
            .unwrap(),
        7
    );
    transaction
        .execute(AssertSqlSafe(format!("notify {channel}")), ())
        .await
        .unwrap();
}

fn listen(connection: &mut PgConnection, channel: String) -> BoxFuture<'_, Result<(), sqlx::Error>> {
    Box::pin(async move {
        let sql = AssertSqlSafe(format!("listen {channel}"));
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    })
}

cases! {
    #[only(postgres)]
    async fn q1_listen_as_a_statement_is_refused_with_the_way_out_found_v7(t: Test) {
        let (database, channel) = quiet(&t).await;
        let listen = || AssertSqlSafe(format!("listen {channel}"));
        let refuse = |error: ebbtide::Error| {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("database.listen"), "{error}");
        };
        refuse(database.execute(listen(), ()).await.unwrap_err());
        refuse(database.execute(AssertSqlSafe(format!("select 1; /* */ LISTEN \"{channel}\"")), ()).await.unwrap_err());
        let sqlx = database.sqlx::<sqlx::Postgres>().unwrap();
        refuse(sqlx::raw_sql(listen()).execute(&sqlx).await.unwrap_err().into());
        let transaction = database.transaction().await.unwrap();
        refuse(transaction.execute(listen(), ()).await.unwrap_err());
        insert(&t, &transaction, 1).await.unwrap();
        transaction.commit().await.unwrap();
        drop(transaction);
        let sandbox = database.sandbox().await.unwrap();
        refuse(sandbox.execute(listen(), ()).await.unwrap_err());
        assert_eq!(count(&t, &sandbox).await, 1);
        drop(sandbox);
        database.execute(AssertSqlSafe(format!("notify {channel}")), ()).await.unwrap();
        database.execute("unlisten *", ()).await.unwrap();
        assert_eq!(ears(&database).await, 0);
    }

    #[only(postgres)]
    async fn x5_a_commit_that_is_followed_by_a_notification_is_done_found_v3(t: Test) {
        let (database, channel) = quiet(&t).await;
        let before = session(&database).await;
        for id in 0..3 {
            let transaction = database.transaction().await.unwrap();
            notified_by_itself(&transaction, &channel).await;
            insert(&t, &transaction, id).await.unwrap();
            transaction.commit().await.unwrap();
            drop(transaction);
            assert_eq!(count(&t, &database).await, id + 1);
            assert_eq!((session(&database).await, ears(&database).await), (before, 0));
        }
        // Outside of transactions, after a statement's own answer; and after that of a block.
        let both = AssertSqlSafe(format!("select pg_temp.ear() as ear, pg_notify('{channel}', '') is null as sent"));
        let rows = database.fetch_all(both, ()).await.unwrap();
        assert_eq!(rows[0].get::<i64>("ear").unwrap(), 7);
        let block = format!("do $$ begin execute 'listen {channel}'; perform pg_notify('{channel}', ''); end $$");
        database.execute(AssertSqlSafe(block), ()).await.unwrap();
        assert_eq!((count(&t, &database).await, session(&database).await, ears(&database).await), (3, before, 0));
        let stream = AssertSqlSafe(format!("select pg_temp.ear() as ear, pg_notify('{channel}', '') is null as sent"));
        let mut rows = database.iterate(stream, ());
        let row = rows.try_next().await.unwrap().unwrap();
        assert_eq!(row.get::<i64>("ear").unwrap(), 7);
        assert!(rows.try_next().await.unwrap().is_none());
        drop(rows);
        assert_eq!((session(&database).await, ears(&database).await), (before, 0));
    }

    #[only(postgres)]
    async fn x4_a_notification_between_statements_costs_no_connection_found_v7(t: Test) {
        let (database, channel) = quiet(&t).await;
        let before = session(&database).await;
        let mut other = t.observer().await;
        for id in 0..10 {
            assert_eq!(database.fetch_value::<i64>("select pg_temp.ear()", ()).await.unwrap(), 7);
            other.execute(&format!("notify {channel}")).await.unwrap();
            // It comes before the answer, after it, or later: the insert is done, and its reported result is correct.
            let connection = database.connection();
            match insert(&t, &connection, id).await {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}"),
            }
            drop(connection);
            assert_eq!(other.number(&t.words("select count(*) from {notes}")).await.unwrap(), id + 1);
            let quiet = database.execute("unlisten *", ()).await;
            assert!(quiet.is_ok() || quiet.unwrap_err().kind() == ErrorKind::OutcomeUnknown);
            assert_eq!((session(&database).await, ears(&database).await), (before, 0));
        }
    }

    /// However it is sent; through the bridge, whose statements are sent once, the error says that it may be run again.
    #[only(postgres)]
    #[sqlx]
    async fn x12_a_read_whose_answer_is_lost_to_a_notification_is_run_again_found_a14(t: Test) {
        let (database, channel) = quiet(&t).await;
        let before = session(&database).await;
        let mut other = t.observer().await;
        let connection = database.connection();
        insert(&t, &connection, 1).await.unwrap();
        drop(connection);
        let view = database.sqlx::<sqlx::Postgres>().unwrap();
        let read = || t.sql("select id from {notes}");
        let script = || t.sql("select 1; select id from {notes}");
        let mut bridged = Vec::new();
        for round in 0..50 {
            assert_eq!(database.fetch_value::<i64>("select pg_temp.ear()", ()).await.unwrap(), 7);
            other.execute(&format!("notify {channel}")).await.unwrap();
            match round % 5 {
                0 => assert_eq!(database.fetch_all(read(), ()).await.unwrap().len(), 1),
                1 => assert_eq!(database.fetch_value::<i64>(read(), ()).await.unwrap(), 1),
                2 => assert_eq!(database.iterate(read(), ()).try_collect::<Vec<_>>().await.unwrap().len(), 1),
                3 => assert_eq!(database.fetch_all(script(), ()).await.unwrap().len(), 2),
                _ => bridged.push(sqlx::query(read()).fetch_all(&view).await),
            }
            assert_eq!((session(&database).await, ears(&database).await), (before, 0), "{round}");
        }
        for read in bridged {
            match read {
                Ok(rows) => assert_eq!(rows.len(), 1),
                Err(error) => {
                    let error = ebbtide::Error::from(error);
                    assert!(error.kind() == ErrorKind::ConnectionLost && error.is_retryable(), "{error:?}");
                }
            }
        }
    }

    #[only(postgres)]
    #[sqlx]
    async fn t6_a_lent_connection_comes_back_silent_found_v7(t: Test) {
        let (database, channel) = quiet(&t).await;
        let before = session(&database).await;
        let mut other = t.observer().await;
        let name = channel.clone();
        database.with_sqlx(move |connection: &mut PgConnection| listen(connection, name)).await.unwrap();
        // One that comes before the connection is silent may cost it.
        assert_eq!(ears(&database).await, 0);
        other.execute(&format!("notify {channel}")).await.unwrap();
        assert_eq!((ears(&database).await, session(&database).await), (0, before));
        let transaction = database.transaction().await.unwrap();
        let name = channel.clone();
        transaction.with_sqlx(move |connection: &mut PgConnection| listen(connection, name)).await.unwrap();
        insert(&t, &transaction, 1).await.unwrap();
        transaction.commit().await.unwrap();
        drop(transaction);
        assert_eq!(ears(&database).await, 0);
        other.execute(&format!("notify {channel}")).await.unwrap();
        assert_eq!((ears(&database).await, session(&database).await, count(&t, &database).await), (0, before, 1));
        // If the closure listens and notifies, sqlx reports the notification, and no later user of the connection
        // receives it.
        let both = AssertSqlSafe(format!("notify {channel}"));
        let name = channel.clone();
        let error = database
            .with_sqlx(move |connection: &mut PgConnection| Box::pin(async move {
                listen(&mut *connection, name).await?;
                sqlx::raw_sql(both).execute(connection).await.map(drop)
            }))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
        assert_eq!(ears(&database).await, 0);
    }

    #[only(postgres)]
    async fn q1_a_stream_is_not_lost_to_a_notification_before_its_question_found_a14(t: Test) {
        let (database, channel) = quiet(&t).await;
        let before = session(&database).await;
        let mut other = t.observer().await;
        let connection = database.connection();
        insert(&t, &connection, 1).await.unwrap();
        drop(connection);
        for round in 0..10 {
            assert_eq!(database.fetch_value::<i64>("select pg_temp.ear()", ()).await.unwrap(), 7);
            other.execute(&format!("notify {channel}")).await.unwrap();
            let read = t.sql(&format!("select id from {{notes}} where :word = 'word' and {round} = {round}"));
            let word = params! { word: "word" };
            let ids: Vec<i64> = if round % 2 == 0 {
                database.iterate(read, word).value::<i64>().try_collect().await.unwrap()
            } else {
                vec![database.fetch_value(read, word).await.unwrap()]
            };
            assert_eq!(ids, [1]);
            assert_eq!((session(&database).await, ears(&database).await), (before, 0), "{round}");
        }
    }
}
