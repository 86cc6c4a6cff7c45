//! T9: guards that move to other tasks.

use ebbtide::{AssertSqlSafe, Error, Result};
use tokio::sync::oneshot;

use super::{add, in_task, in_use, kept, notes, refused, soon};
use crate::cases::pool::select_one;
use crate::support::cases;

cases! {
    async fn t9_a_moved_guard_takes_its_binding_along_at_first_use(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().deferred().await?;
        let (used, first_use) = oneshot::channel();
        let (write, may_write) = oneshot::channel::<()>();
        let (other, inside) = (database.clone(), add(&t, "inside"));
        let task = tokio::spawn(async move {
            // This takes no lock, so that the other task can write on SQLite.
            transaction.fetch_value::<i64>(select_one(&other), ()).await?;
            used.send(()).expect("the test waits");
            may_write.await.expect("the test tells");
            other.execute(inside, ()).await?;
            assert_eq!(transaction.fetch_value::<i64>(select_one(&other), ()).await?, 1);
            transaction.rollback().await
        });
        first_use.await.expect("the task tells");
        refused(database.execute(add(&t, "outside"), ()).await, 2);
        write.send(()).expect("the task waits");
        task.await.expect("no panic")?;
        assert_eq!(kept(&t, &database).await, "", "the second has the binding, and the first none");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t9_guards_inside_each_other_move_together(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().await?;
        let (other, sql) = (database.clone(), ["a", "b", "c", "d"].map(|body| add(&t, body)));
        in_task(async move {
            let [a, b, c, d] = sql;
            inner.execute(a, ()).await?;
            other.execute(b, ()).await?;
            inner.rollback().await?;
            outer.execute(c, ()).await?;
            other.execute(d, ()).await?;
            outer.commit().await
        })
        .await?;
        assert_eq!(kept(&t, &database).await, "c,d");
        assert_eq!(in_use(&database), 0);
        database.execute(add(&t, "e"), ()).await?;
        assert_eq!(kept(&t, &database).await, "c,d,e");
        Ok(())
    }

    // Each has words of its own for a temporary table.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn t9_a_guard_moved_to_a_task_with_its_own_does_not_displace_it(t: Test) -> Result<()> {
        let database = t.database().await;
        let moved = database.transaction().deferred().await?;
        moved.execute(t.sql("create temporary table {moved} (id int)"), ()).await?;
        let other = database.clone();
        let create = t.sql("create temporary table {own} (id int)");
        let [see_moved, see_own] = ["moved", "own"].map(|name| t.words(&format!("select count(*) from {{{name}}}")));
        in_task(async move {
            let own = other.transaction().await?;
            own.execute(create, ()).await?;
            assert_eq!(moved.fetch_value::<i64>(AssertSqlSafe(see_moved), ()).await?, 0);
            assert_eq!(other.fetch_value::<i64>(AssertSqlSafe(see_own), ()).await?, 0, "plain calls stay in its own");
            moved.rollback().await?;
            own.rollback().await
        })
        .await
    }

    async fn t9_a_guard_given_back_to_its_task_binds_there_again(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let one = select_one(&database);
        let transaction = in_task(async move {
            transaction.fetch_value::<i64>(one, ()).await?;
            Ok::<_, Error>(transaction)
        })
        .await?;
        transaction.execute(add(&t, "a"), ()).await?;
        soon("a plain call", database.execute(add(&t, "b"), ())).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }
}
