//! A separate database for each test, as with `#[sqlx::test]`: the expansion of that attribute, with one migration of
//! ten tables.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_bench::Outcome;
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::pool::PoolOptions;
use sqlx::testing::{TestArgs, TestFn, TestSupport};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use crate::tables::{Options, Peer, STATEMENTS, create};

/// Returns the migrations, which sqlx requires to be `'static`.
pub(crate) fn migrator<P: Peer>() -> &'static Migrator {
    let sql = AssertSqlSafe(create::<P>("bench")).into_sql_str();
    let tables = Migration::new(1, Cow::Borrowed("tables"), MigrationType::Simple, sql, false);
    Box::leak(Box::new(Migrator {
        migrations: Cow::Owned(vec![tables]),
        ..Migrator::DEFAULT
    }))
}

/// Runs one test, in the runtime that sqlx creates for it.
pub(crate) fn test<P: Peer + TestSupport>(migrator: &'static Migrator) -> Outcome
where
    P::Connection: Migrate,
    for<'c> &'c mut P::Connection: Executor<'c, Database = P>,
{
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let path = format!("bench::test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut arguments = TestArgs::new(path.leak());
    arguments.migrator(migrator);
    let test: fn(PoolOptions<P>, Options<P>) -> _ = body::<P>;
    Ok(test.run_test(arguments)?)
}

async fn body<P: Peer + TestSupport>(pool: PoolOptions<P>, options: Options<P>) -> sqlx::Result<()>
where
    P::Connection: Migrate,
    for<'c> &'c mut P::Connection: Executor<'c, Database = P>,
{
    let pool = pool.connect_with(options).await?;
    let mut connection = pool.acquire().await?;
    three::<P>(&mut connection).await?;
    drop(connection);
    pool.close().await;
    Ok(())
}

/// Runs the statements of a test, with sqlx.
pub(crate) async fn three<P: Peer>(connection: &mut P::Connection) -> sqlx::Result<()>
where
    P::Connection: Migrate,
    for<'c> &'c mut P::Connection: Executor<'c, Database = P>,
{
    for sql in STATEMENTS {
        connection.execute(sql).await?;
    }
    Ok(())
}
