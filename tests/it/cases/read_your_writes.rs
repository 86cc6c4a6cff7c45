//! The reads of callers that have written, where no server reports its position.

use std::time::Duration;

use ebbtide::{Database, ReadYourWrites, params};

use super::replicas::{PRIMARY, READ, REPLICA, read, read_by_another, replicated, write};
use crate::support::cases;

cases! {
    #[only(sqlite_file, mysql)]
    async fn r6_without_positions_a_writer_stays_on_the_primary_for_a_while(t: Test) {
        let long = Duration::from_hours(1);
        let (database, _stand) = replicated(&t, |config| config.replica_window(long)).await;
        write(&t, &database, 0).await;
        assert_eq!(read(&t, &database).await, 0);
        assert_eq!(read(&t, &database).await, 0);
        assert_eq!(read_by_another(&t, &database).await, REPLICA);
        assert_eq!(read(&t, &database.stale()).await, REPLICA);
        let shared = database.share({
            let (database, sql) = (database.clone(), t.sql(READ));
            async move { database.fetch_value::<i64>(sql, ()).await }
        });
        assert_eq!(tokio::spawn(shared).await.unwrap().unwrap(), 0, "who is shared with is the same");

        let bookmark = database.bookmark().await.unwrap();
        assert!(bookmark.to_string().starts_with("until:"), "{bookmark}");
        let (next, sql) = (database.clone(), t.sql(READ));
        let next = tokio::spawn(async move {
            next.read_after(&bookmark);
            next.fetch_value::<i64>(sql, ()).await
        });
        assert_eq!(next.await.unwrap().unwrap(), 0, "a read with a bookmark");

        let soon = Database::connect(database.config().replica_window(Duration::ZERO)).await.unwrap();
        write(&t, &soon, 0).await;
        if t.backend().is_server() {
            assert_eq!(read(&t, &soon).await, 0, "the first read learns that no position is reported");
        }
        assert_eq!(read(&t, &soon).await, REPLICA);
    }

    #[only(sqlite_file, mysql)]
    async fn r6_what_counts_as_a_write(t: Test) {
        let (database, _stand) = replicated(&t, |config| config.replica_window(Duration::from_hours(1))).await;
        // Each in a separate task, which has written nothing before.
        macro_rules! after {
            ($database:ident, $t:ident, $work:expr) => {{
                let ($database, read) = (database.clone(), t.sql(READ));
                let $t = t.sql("insert into {things} values (7)");
                tokio::spawn(async move {
                    $work;
                    $database.fetch_value::<i64>(read, ()).await.unwrap()
                })
                .await
                .unwrap()
            }};
        }
        assert_eq!(after!(database, _insert, tokio::task::yield_now().await), REPLICA);
        assert_eq!(after!(database, insert, _ = database.execute(insert, ()).await.unwrap()), PRIMARY);
        assert_eq!(
            after!(database, insert, _ = database.connection().execute(insert, ()).await.unwrap()),
            PRIMARY
        );
        assert_eq!(
            after!(database, insert, {
                let all = database.transaction().run(async |transaction| transaction.execute(insert, ()).await);
                all.await.unwrap();
            }),
            PRIMARY,
            "a closure"
        );
        assert_eq!(
            after!(database, insert, {
                let transaction = database.transaction().await.unwrap();
                let inner = database.transaction().await.unwrap();
                database.execute(insert, ()).await.unwrap();
                inner.commit().await.unwrap();
                transaction.commit().await.unwrap();
            }),
            PRIMARY,
            "guards"
        );
        assert_eq!(
            after!(database, insert, {
                let transaction = database.transaction().await.unwrap();
                database.execute(insert, ()).await.unwrap();
                let commit = tokio::spawn(async move { transaction.commit().await });
                commit.await.unwrap().unwrap();
            }),
            PRIMARY,
            "a guard that another task commits"
        );
        assert_eq!(
            after!(database, insert, {
                let transaction = database.transaction().await.unwrap();
                database.execute(insert, ()).await.unwrap();
                transaction.rollback().await.unwrap();
            }),
            REPLICA,
            "nothing came of it"
        );
        assert_eq!(
            after!(database, insert, {
                let connection = database.connection();
                let transaction = connection.transaction().await.unwrap();
                connection.execute(insert, ()).await.unwrap();
                transaction.rollback().await.unwrap();
                connection.transaction().await.unwrap().commit().await.unwrap();
            }),
            REPLICA,
            "nor of the next one on that connection"
        );
        assert_eq!(
            after!(database, insert, {
                let connection = database.connection();
                let dropped = connection.transaction().await.unwrap();
                connection.execute(insert, ()).await.unwrap();
                drop(dropped);
                connection.transaction().await.unwrap().commit().await.unwrap();
            }),
            REPLICA,
            "nor after one that was dropped"
        );
        let sql = t.sql("insert into {things} values (:n)");
        assert_eq!(
            after!(database, _insert, {
                let rows = (10..2_000).map(|n| params! { n });
                drop(database.execute_many(sql, rows).await.unwrap());
            }),
            PRIMARY,
            "many"
        );
    }

    #[only(sqlite_file, mysql)]
    async fn r6_the_policy_says_who_reads_what_was_written(t: Test) {
        let (database, _stand) = replicated(&t, |config| {
            config
                .replica_window(Duration::from_hours(1))
                .read_your_writes(ReadYourWrites::Database)
        })
        .await;
        write(&t, &database, 5).await;
        assert_eq!(read_by_another(&t, &database).await, PRIMARY);
        let off = Database::connect(database.config().read_your_writes(ReadYourWrites::Off)).await.unwrap();
        write(&t, &off, 5).await;
        assert_eq!(read(&t, &off).await, REPLICA);
    }
}
