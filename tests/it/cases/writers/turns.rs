//! X13: the turns of the writers of a database: their order and their ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, Result, Transaction};
use futures::StreamExt as _;
use futures::future::{join_all, try_join_all};
use tokio::sync::oneshot;

use super::{Held, MOMENT, at_most, once, two, write};
use crate::cases::tasks::{add, config, count, in_task, in_use, kept, kind, notes, notes_with, soon, until};
use crate::support::{Test, cases};

async fn crowd(t: &Test, databases: [Database; 2]) {
    let [insert, read] =
        ["insert into {notes} (body) values (", "select count(*) from {notes}"].map(|sql| t.words(sql));
    let tasks = (0..200).map(|n| {
        let database = databases[n % 2].clone();
        let (insert, read) = (format!("{insert}'n{n}')"), read.clone());
        tokio::spawn(async move {
            if n % 3 == 0 {
                return database.execute(AssertSqlSafe(insert), ()).await.map(drop);
            }
            let work = async |transaction: Transaction| {
                transaction.fetch_value::<i64>(AssertSqlSafe(read), ()).await?;
                transaction.execute(AssertSqlSafe(insert), ()).await.map(drop)
            };
            database.transaction().run(work).await
        })
    });
    let ended: Vec<Result<()>> = join_all(tasks)
        .await
        .into_iter()
        .map(|ended| ended.expect("no panic"))
        .collect();
    let failed: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    assert_eq!(t.observe("select count(*) from {notes}").await, 200);
}

cases! {
    #[only(sqlite_file)]
    async fn x13_two_hundred_writers_meet_and_none_is_refused_as_busy(t: Test) {
        let databases = [notes(&t).await, Database::connect(config(&t)).await.expect("the second")];
        crowd(&t, databases).await;
    }

    #[only(sqlite_file)]
    async fn x13_two_hundred_writers_meet_with_a_wal(t: Test) {
        let config = || config(&t).journal_mode("wal");
        let databases = [notes_with(&t, config()).await, Database::connect(config()).await.expect("the second")];
        crowd(&t, databases).await;
    }

    #[only(sqlite_memory)]
    async fn x13_in_memory_transactions_that_read_and_then_write_all_succeed_found_n1(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let bump = async |_: Transaction| {
            let n: i64 = database.fetch_value(count(&t), ()).await?;
            database.execute(add(&t, format!("n{n}")), ()).await.map(drop)
        };
        try_join_all((0..40).map(|_| database.transaction().run(bump))).await?;
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 40);
        Ok(())
    }

    /// The names of a file: another spelling, a symbolic link and a hard link.
    #[only(sqlite_file)]
    async fn x13_databases_that_are_one_file_share_the_turn_whatever_it_is_called(t: Test) -> Result<()> {
        // A WAL belongs to a name, so links and a WAL cannot be combined.
        let plain = |config: Config| config.busy_timeout(MOMENT).journal_mode("delete");
        let database = notes_with(&t, plain(config(&t))).await;
        let file = database.url().sqlite_path().expect("a file");
        let folder = file.parent().expect("its folder");
        let (soft, hard) = (folder.join("soft.db"), folder.join("hard.db"));
        std::fs::hard_link(&file, &hard).expect("a link");
        let mut names = vec![file.clone(), hard, folder.join(".").join(file.file_name().expect("its name"))];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, &soft).expect("a link");
            names.push(soft);
        }
        for name in names {
            let other = Database::connect(plain(Config::from_url(format!("sqlite:{}", name.display()))?)).await?;
            let held = Held::new(&database).await;
            let refused = write(&t, &other, "refused").await.expect_err("it is locked");
            assert_eq!(refused.kind(), ErrorKind::LockTimeout);
            assert!(refused.is_retryable() && refused.to_string().contains("its only writer is the transaction begun by"), "{refused}");
            held.commit().await;
            write(&t, &other, &name.display().to_string()).await?;
            other.disconnect().await?;
        }
        Ok(())
    }

    #[only(sqlite)]
    async fn x13_the_error_after_too_long_a_wait_names_the_writer_and_its_time(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).busy_timeout(MOMENT)).await;
        let held = Held::new(&database).await;
        let refused = write(&t, &database, "a").await.expect_err("it is locked").to_string();
        assert_eq!(refused.matches("/cases/writers/").count(), 2, "the holder and the waiter: {refused}");
        assert!(refused.contains("ms;") && refused.contains("`busy_timeout`"), "{refused}");
        let begin = in_task({
            let database = database.clone();
            async move { database.transaction().await.map(drop) }
        });
        assert_eq!(kind(&begin.await), Some(ErrorKind::LockTimeout));
        held.commit().await;
        // A queue that moves, but is still too long, is a time-out of another kind.
        let config = config(&t).pool_timeout(MOMENT).busy_timeout(Duration::from_secs(30));
        if t.backend().is_sqlite() && t.can_observe() {
            let database = Database::connect(config).await?;
            let held = Held::new(&database).await;
            let refused = write(&t, &database, "a").await.expect_err("it is locked");
            assert_eq!(refused.kind(), ErrorKind::Timeout, "{refused}");
            assert!(refused.to_string().contains("`pool_timeout`"), "{refused}");
            held.commit().await;
        }
        write(&t, &database, "b").await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    /// They write in the order of their requests, which the keys show.
    #[only(sqlite)]
    async fn x13_writers_have_their_turns_in_the_order_in_which_they_came(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let held = Held::new(&database).await;
        let insert = async |body: String| database.execute(add(&t, body), ()).await;
        let mut waiting: Vec<_> = (0..12).map(|n| Box::pin(insert(format!("n{n:02}")))).collect();
        for one in &mut waiting {
            assert!(once(one).await.is_pending());
        }
        held.commit().await;
        try_join_all(waiting).await?;
        let order: Vec<String> = database.fetch_all(t.sql("select body from {notes} order by id"), ()).value().await?;
        assert_eq!(order, (0..12).map(|n| format!("n{n:02}")).collect::<Vec<_>>());
        Ok(())
    }

    #[only(sqlite)]
    async fn x13_a_writer_that_stops_waiting_costs_the_others_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let held = Held::new(&database).await;
        let insert = async |body: String| database.execute(add(&t, body), ()).await;
        let mut waiting: Vec<_> = (0..6).map(|n| Some(Box::pin(insert(format!("n{n}"))))).collect();
        for one in waiting.iter_mut().flatten() {
            assert!(once(one).await.is_pending());
        }
        waiting[1] = None;
        waiting[4] = None;
        held.commit().await;
        // The first waiter has just received the turn, and has not noticed it yet.
        waiting[0] = None;
        soon("the others", try_join_all(waiting.into_iter().flatten())).await?;
        assert_eq!(kept(&t, &database).await, "n2,n3,n5");
        Ok(())
    }

    /// Waiting writers have no connection yet, so readers find one.
    #[only(sqlite_file)]
    async fn x13_writers_that_wait_keep_no_connection_from_readers(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).journal_mode("wal").pool_size(2_u32)).await;
        let held = Held::new(&database).await;
        let one = async |n: usize| {
            let sql = add(&t, n);
            if n.is_multiple_of(2) {
                return database.execute(sql, ()).await.map(drop);
            }
            database.transaction().run(async |_| database.execute(sql, ()).await.map(drop)).await
        };
        let mut waiting: Vec<_> = (0..8).map(|n| Box::pin(one(n))).collect();
        for one in &mut waiting {
            assert!(once(one).await.is_pending());
        }
        assert_eq!(in_use(&database), 1, "the writer's");
        assert_eq!(soon("a reader", database.fetch_value::<i64>(count(&t), ())).await?, 0);
        held.commit().await;
        try_join_all(waiting).await?;
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 8);
        Ok(())
    }

    #[only(sqlite_file)]
    async fn x13_a_wait_for_a_transaction_of_its_own_is_refused_at_once(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let transaction = database.transaction().await?;
        let closure: Result<()> = other.transaction().run(async |_| Ok(())).await;
        for refused in [other.execute(add(&t, "a"), ()).await.map(drop), other.transaction().await.map(drop), closure] {
            let error = refused.expect_err("it waits for itself");
            assert_eq!(error.kind(), ErrorKind::ConcurrentUse, "{error}");
            assert_eq!(error.to_string().matches("/cases/writers/").count(), 2, "{error}");
        }
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.commit().await?;
        other.execute(add(&t, "c"), ()).await?;
        let refused = database.transaction().run(async |_| other.execute(add(&t, "d"), ()).await.map(drop)).await;
        assert_eq!(kind(&refused), Some(ErrorKind::ConcurrentUse));
        // In a `join!` the transaction belongs to another future.
        let one = async |database: &Database, body| database.transaction().run(async |_| database.execute(add(&t, body), ()).await.map(drop)).await;
        let (first, second) = futures::join!(one(&database, "e"), one(&other, "f"));
        first.and(second)?;
        // A guard that was moved into a task belongs to it.
        let config = config(&t);
        let (patient, moved) = (Database::connect(config).await?, database.transaction().await?);
        let (used, first_use) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let (sql, task) = (add(&t, "g"), async move {
            moved.execute("select 1", ()).await?;
            used.send(()).expect("the test waits");
            ended.await.expect("the test tells");
            moved.commit().await
        });
        let task = tokio::spawn(task);
        first_use.await.expect("it is used");
        let mut writing = Box::pin(async { patient.execute(sql, ()).await });
        assert!(once(&mut writing).await.is_pending());
        end.send(()).expect("the task waits");
        writing.await?;
        task.await.expect("no panic")?;
        assert_eq!(kept(&t, &database).await, "b,c,e,f,g");
        Ok(())
    }

    /// A transaction or statement that is cut off after any number of steps passes the turn to the next.
    #[only(sqlite)]
    async fn x13_the_turn_is_free_however_its_holder_ends(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let bodies = AtomicUsize::new(0);
        let next = || add(&t, format!("n{}", bodies.fetch_add(1, Ordering::Relaxed)));
        let free = async |what: &str| soon(what, write(&t, &database, &format!("w{}", bodies.fetch_add(1, Ordering::Relaxed)))).await;
        database.transaction().await?.commit().await?;
        free("after a commit").await?;
        database.transaction().await?.rollback().await?;
        free("after a rollback").await?;
        drop(database.transaction().await?);
        free("after a drop").await?;
        let failed: Result<()> = database.transaction().run(async |_| database.execute("nonsense", ()).await.map(drop)).await;
        assert!(failed.is_err());
        free("after an error").await?;
        let aborted = Held::new(&database).await;
        aborted.task.abort();
        free("after an abort").await?;
        let connection = database.connection();
        connection.execute("begin immediate", ()).await?;
        connection.execute(next(), ()).await?;
        connection.execute("commit", ()).await?;
        free("after text").await?;
        connection.execute("begin immediate", ()).await?;
        drop(connection);
        free("after text that was left").await?;
        let mut rows = database.iterate(t.sql("insert into {notes} (body) values ('r1'), ('r2') returning id"), ());
        assert!(rows.next().await.is_some());
        free("beside a stream of rows that were written").await?;
        drop(rows);
        let other = database.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let transaction = runtime.block_on(async { other.transaction().await }).expect("a transaction");
            drop(runtime);
            drop(transaction);
        });
        tokio::task::spawn_blocking(move || thread.join()).await.expect("no panic").expect("no panic");
        free("after the end of a runtime").await?;
        for polls in 1..40 {
            at_most(polls, async {
                let transaction = database.transaction().await?;
                transaction.execute(next(), ()).await?;
                transaction.commit().await
            })
            .await;
            free("after a transaction was cut off").await?;
            at_most(polls, database.execute(next(), ()).into_future()).await;
            free("after a statement was cut off").await?;
            at_most(polls, database.transaction().run(async |_| database.execute(next(), ()).await)).await;
            free("after a closure was cut off").await?;
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    /// SQLite itself waits for a lock of another program.
    #[only(sqlite_file)]
    async fn x13_other_programs_are_waited_for_by_the_busy_timeout(t: Test) -> Result<()> {
        let (database, _) = two(&t).await;
        let mut program = t.observer().await;
        program.execute("begin immediate").await.expect("it locks");
        let refused = write(&t, &database, "a").await.expect_err("it is locked");
        assert_eq!((refused.kind(), refused.sqlstate()), (ErrorKind::LockTimeout, Some("5")), "{refused}");
        let patient = Database::connect(config(&t)).await?;
        let (writing, sql) = (patient.clone(), add(&t, "b"));
        let writing = tokio::spawn(async move { writing.execute(sql, ()).await });
        until("it has a connection", || in_use(&patient) == 1).await;
        program.execute("commit").await.expect("it lets go");
        writing.await.expect("no panic")?;
        program.close().await.expect("it leaves");
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    /// A transaction that began without the lock takes the turn with its first write.
    #[only(sqlite_file)]
    async fn x13_a_deferred_transaction_has_the_turn_from_its_first_write(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let transaction = database.transaction().deferred().await?;
        transaction.fetch_value::<i64>(count(&t), ()).await?;
        write(&t, &other, "beside").await?;
        transaction.rollback().await?;
        let transaction = database.transaction().deferred().await?;
        transaction.execute(add(&t, "mine"), ()).await?;
        let refused = write(&t, &other, "refused").await.expect_err("it is locked");
        assert!(refused.to_string().contains("its only writer is"), "{refused}");
        transaction.commit().await?;
        write(&t, &other, "after").await?;
        assert_eq!(kept(&t, &database).await, "after,beside,mine");
        Ok(())
    }

    /// The outer transaction of force rollback holds the write lock for as long as it lasts.
    #[only(sqlite_file)]
    async fn x13_the_outer_transaction_of_force_rollback_is_named(t: Test) -> Result<()> {
        let (database, _) = two(&t).await;
        let forced = Database::connect(config(&t).force_rollback(true)).await?;
        forced.execute(add(&t, "undone"), ()).await?;
        let refused = write(&t, &database, "refused").await.expect_err("it is locked");
        assert!(refused.to_string().contains("force rollback"), "{refused}");
        // Private copies lock nothing.
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "copied"), ()).await?;
        assert!(forced.disconnect().await?);
        write(&t, &database, "kept").await?;
        assert_eq!(kept(&t, &database).await, "kept");
        Ok(())
    }

    /// A beginning transaction is visible to its sibling even while it waits for its turn.
    #[only(sqlite_file)]
    async fn t8_a_second_guard_is_refused_while_the_first_waits_for_its_turn(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t)).await;
        let held = Held::new(&database).await;
        let mut first = Box::pin(database.transaction().into_future());
        assert!(once(&mut first).await.is_pending());
        let error = soon("the second guard", database.transaction()).await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::ConcurrentUse, "{error}");
        held.commit().await;
        first.await?.rollback().await
    }

    /// SQLite ends the transaction itself, and the ROLLBACK after it has no effect.
    #[only(sqlite_file)]
    async fn x13_a_rollback_as_text_ends_the_turn_although_it_fails(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let connection = database.connection();
        connection.execute("begin immediate", ()).await?;
        connection.execute(add(&t, "a"), ()).await?;
        let clash = t.sql("insert or rollback into {notes} (id, body) select id, body from {notes}");
        connection.execute(clash, ()).await.expect_err("a key that is there");
        connection.execute("rollback", ()).await.expect_err("nothing is open");
        soon("the next writer", write(&t, &other, "b")).await?;
        drop(connection);
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    /// A lock that cannot be taken leaves the session unchanged.
    #[only(sqlite_file)]
    async fn x13_a_beginning_that_is_busy_keeps_the_session(t: Test) -> Result<()> {
        let (database, _) = two(&t).await;
        let mut program = t.observer().await;
        let connection = database.connection();
        connection.execute("create temp table own (id integer)", ()).await?;
        program.execute("begin immediate").await.expect("it locks");
        let busy = connection.transaction().await.expect_err("it is locked");
        assert_eq!(busy.kind(), ErrorKind::LockTimeout, "{busy}");
        program.execute("commit").await.expect("it lets go");
        program.close().await.expect("it leaves");
        let transaction = connection.transaction().await?;
        transaction.execute("insert into own values (1)", ()).await?;
        transaction.commit().await
    }
}
