//! X13: many writers at once.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, Result, Transaction};
use futures::future::join_all;

use super::{Held, MOMENT, write};
use crate::cases::tasks::{config, count, in_use, notes_with, soon, until};
use crate::support::cases;

/// Does the work of one writer, which leaves its note.
async fn one(n: usize, database: Database, insert: String, read: String) -> Result<()> {
    let insert = || AssertSqlSafe(format!("{insert}'n{n}')"));
    match n % 5 {
        0 => database.execute(insert(), ()).await.map(drop),
        1 => {
            let transaction = database.transaction().await?;
            transaction.fetch_value::<i64>(AssertSqlSafe(read), ()).await?;
            let inner = transaction.transaction().await?;
            inner.execute(insert(), ()).await?;
            inner.commit().await?;
            transaction.commit().await
        }
        2 => {
            let work = async |transaction: Transaction| {
                transaction.fetch_value::<i64>(AssertSqlSafe(read.clone()), ()).await?;
                transaction.execute(insert(), ()).await.map(drop)
            };
            database.transaction().retry().run(work).await
        }
        3 => {
            let connection = database.connection();
            connection.execute("begin immediate", ()).await?;
            connection.execute(insert(), ()).await?;
            connection.execute("commit", ()).await.map(drop)
        }
        _ => {
            // A transaction that is left unfinished, and a reader.
            let transaction = database.transaction().await?;
            transaction.execute(insert(), ()).await?;
            drop(transaction);
            let reader = database.transaction().read_only().await?;
            reader.fetch_value::<i64>(AssertSqlSafe(read), ()).await?;
            reader.rollback().await?;
            database.execute(insert(), ()).await.map(drop)
        }
    }
}

cases! {
    /// The whole queue, not each writer, has the time that all of them take.
    #[only(sqlite)]
    #[limit(180)]
    async fn x13_a_thousand_writers_of_every_kind_meet_and_none_is_refused_as_busy(t: Test) -> Result<()> {
        let config = |size: u32| config(&t).pool_size(size).pool_timeout(Duration::from_secs(150)).busy_timeout(Duration::from_secs(30));
        let first = notes_with(&t, config(3)).await;
        let databases = if t.can_observe() {
            vec![first.clone(), Database::connect(config(1)).await?, Database::connect(config(10)).await?]
        } else {
            vec![first.clone()]
        };
        let [insert, read] = ["insert into {notes} (body) values (", "select count(*) from {notes}"].map(|sql| t.words(sql));
        let tasks = (0..1000).map(|n| tokio::spawn(one(n, databases[n % databases.len()].clone(), insert.clone(), read.clone())));
        let ended = join_all(tasks).await.into_iter().map(|ended| ended.expect("no panic"));
        let failed: Vec<_> = ended.filter_map(Result::err).collect();
        assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
        assert_eq!(first.fetch_value::<i64>(AssertSqlSafe(read), ()).await?, 1000);
        for database in &databases {
            until("nothing is in use", || in_use(database) == 0).await;
        }
        Ok(())
    }

    /// Relative and absolute paths, and the spelling of SQLAlchemy.
    #[only(sqlite_file)]
    async fn x13_a_file_has_one_gate_whatever_its_spelling(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t)).await;
        let file = database.url().sqlite_path().expect("a file");
        let here = std::env::current_dir().expect("a directory");
        let up: String = here.components().skip(1).map(|_| "../").collect();
        let relative = format!("{up}{}", file.strip_prefix("/").expect("an absolute path").display());
        let absolute = file.display().to_string();
        for url in [format!("sqlite:{relative}"), format!("sqlite://{absolute}"), format!("sqlite+aiosqlite:///{relative}")] {
            let other = Database::connect(Config::from_url(&*url)?.busy_timeout(MOMENT)).await?;
            let held = Held::new(&database).await;
            let refused = write(&t, &other, "refused").await.expect_err("it is locked");
            assert!(refused.to_string().contains("its only writer is the transaction begun by"), "{url}: {refused}");
            held.commit().await;
            soon("its turn", write(&t, &other, &url)).await?;
        }
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 3);
        Ok(())
    }
}
