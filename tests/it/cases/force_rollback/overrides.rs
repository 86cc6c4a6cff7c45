//! F2: overrides of the flag.

use ebbtide::{Database, Error, Result};
use futures::poll;
use tokio::sync::Barrier;

use super::sandboxed;
use crate::cases::tasks::{add, in_task, in_use, kept, list, notes, soon};
use crate::support::cases;

cases! {
    #[except(sqlite_memory)]
    async fn f2_the_default_of_the_handle_holds_without_an_override(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        plain.execute(add(&t, "a"), ()).await?;
        let copy = Database::new(plain.config().force_rollback(true))?;
        Database::connect(&copy).await?;
        copy.execute(add(&t, "b"), ()).await?;
        assert_eq!(copy.fetch_value::<String>(list(&t), ()).await?, "a,b");
        assert_eq!(plain.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(copy.disconnect().await?);
        assert_eq!(kept(&t, &plain).await, "a");
        let back = Database::connect(copy.config().force_rollback(false)).await?;
        back.execute(add(&t, "c"), ()).await?;
        assert_eq!(kept(&t, &plain).await, "a,c");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_a_copy_takes_over_an_override_found_f4(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let on = database.force_rollback(true);
        let copy = Database::new(&database)?;
        drop(on);
        assert!(copy.is_force_rollback() && !database.is_force_rollback());
        Database::connect(&copy).await?;
        copy.execute(add(&t, "undone"), ()).await?;
        assert!(copy.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "");

        let _off = copy.force_rollback(false);
        assert!(!Database::new(&copy)?.is_force_rollback());
        assert!(Database::new(copy.config())?.is_force_rollback(), "the configuration itself is unchanged");
        Ok(())
    }

    async fn f13_the_default_can_be_asked_for_inside_an_override(t: Test) -> Result<()> {
        let database = Database::new(t.url())?;
        let sandbox = Database::new(database.config().force_rollback(true))?;
        for (database, usual) in [(&database, false), (&sandbox, true)] {
            assert_eq!(database.is_force_rollback(), usual);
            let other = database.force_rollback(!usual);
            assert_eq!(database.is_force_rollback(), !usual);
            let back = database.force_rollback(None);
            assert_eq!(database.is_force_rollback(), usual);
            let elsewhere = in_task({
                let database = database.clone();
                async move { database.is_force_rollback() }
            });
            assert_eq!(elsewhere.await, usual);
            drop(back);
            assert_eq!(database.is_force_rollback(), !usual);
            drop(other);
            assert_eq!(database.is_force_rollback(), usual);
        }
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_a_scoped_false_really_writes(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        {
            let _really = database.force_rollback(false);
            database.execute(add(&t, "a"), ()).await?;
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "b"), ()).await?;
            transaction.commit().await?;
            database.transaction().run(async |_| database.execute(add(&t, "c"), ()).await).await?;
            database.connection().execute(add(&t, "d"), ()).await?;
            assert_eq!(in_use(&database), 0, "the sandbox was not begun");
        }
        database.execute(add(&t, "undone"), ()).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c,d,undone");
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_a_scoped_true_is_a_sandbox_of_a_plain_database(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        {
            let _sandbox = database.force_rollback(true);
            database.execute(add(&t, "b"), ()).await?;
            database.transaction().run(async |_| database.execute(add(&t, "c"), ()).await).await?;
            assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
        }
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_nested_guards_restore_in_whatever_order_they_go(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "sandbox"), ()).await?;
        // The rows that a call sees show whether it runs inside.
        let inside = async || Ok::<_, Error>(database.fetch_value::<String>(list(&t), ()).await? == "sandbox");
        assert!(inside().await?);
        let off = database.force_rollback(false);
        assert!(!inside().await?);
        let on = database.force_rollback(true);
        assert!(inside().await?);
        let off_again = database.force_rollback(false);
        assert!(!inside().await?);
        drop(off_again);
        assert!(inside().await?);
        drop(on);
        assert!(!inside().await?);
        drop(off);
        assert!(inside().await?, "leaving removes the override");

        let off = database.force_rollback(false);
        let on = database.force_rollback(true);
        drop(off);
        assert!(inside().await?, "the later one still holds");
        drop(on);
        assert!(inside().await?);
        let (on, off) = (database.force_rollback(true), database.force_rollback(false));
        drop(on);
        assert!(!inside().await?);
        drop(off);
        assert!(inside().await?);
        assert!(database.disconnect().await?);
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_an_override_is_of_its_task_and_what_it_shares_with(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "sandbox"), ()).await?;
        let look = |database: &Database| {
            let (database, sql) = (database.clone(), list(&t));
            async move { database.fetch_value::<String>(sql, ()).await }
        };
        let off = database.force_rollback(false);
        assert_eq!(look(&database).await?, "");
        assert_eq!(in_task(look(&database)).await?, "sandbox", "another task keeps the default");
        assert_eq!(in_task(database.share(look(&database))).await?, "", "a shared one has the override");
        let transaction = database.transaction().deferred().await?;
        assert_eq!(in_task(transaction.share(look(&database))).await?, "");
        transaction.rollback().await?;
        let run = database.transaction().deferred().run(async |_| look(&database).await);
        assert_eq!(run.await?, "", "and so has a closure");
        drop(off);
        assert_eq!(look(&database).await?, "sandbox");
        assert!(database.disconnect().await?);
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_the_closure_form_binds_to_its_own_future(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "sandbox"), ()).await?;
        let both = Barrier::new(2);
        let look = async || {
            both.wait().await;
            let first: String = database.fetch_value(list(&t), ()).await?;
            both.wait().await;
            let second = database.connection().fetch_value::<String>(list(&t), ()).await?;
            both.wait().await;
            Ok::<_, Error>((first, second))
        };
        let scoped = database.force_rollback(false).run(look());
        let (scoped, plain) = soon("join!", async { futures::join!(scoped, look()) }).await;
        assert_eq!(scoped?, (String::new(), String::new()));
        assert_eq!(plain?, ("sandbox".to_owned(), "sandbox".to_owned()));
        // Nested closures, and a guard inside one, restore as well.
        let nested = database.force_rollback(false).run(async {
            let on = database.force_rollback(true).run(database.fetch_value::<String>(list(&t), ()).into_future()).await?;
            let guarded: String = {
                let _on = database.force_rollback(true);
                database.fetch_value(list(&t), ()).await?
            };
            Ok::<_, Error>((on, guarded, database.fetch_value::<String>(list(&t), ()).await?))
        });
        assert_eq!(nested.await?, ("sandbox".to_owned(), "sandbox".to_owned(), String::new()));
        // A closure that was dropped half-way leaves nothing behind.
        let mut dropped = Box::pin(database.force_rollback(false).run(async { look().await }));
        assert!(poll!(&mut dropped).is_pending());
        drop(dropped);
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "sandbox");
        assert!(database.disconnect().await?);
        Ok(())
    }
}
