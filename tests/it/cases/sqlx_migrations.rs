//! Migrators of sqlx, run by `migrate`.

use std::error::Error as _;

use ebbtide::{AssertSqlSafe, ErrorKind, SqlSafeStr};
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::bridge::{COUNT, CREATE};
use crate::support::{Test, cases};

fn migrator(t: &Test) -> Migrator {
    let step = |version, sql: &str| {
        let sql = t.sql(sql).into_sql_str();
        Migration::new(version, "step".into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(vec![
        step(1, CREATE),
        step(2, "insert into {notes} (id, body) values (1, 'first')"),
    ]);
    migrator.dangerous_set_table_name(t.table("migrations"));
    // The lock covers the whole database, which other tests use as well.
    migrator.set_locking(false);
    migrator
}

cases! {
    #[sqlx]
    async fn q9_migrations_run_for_good_outside_of_a_sandbox(t: Test) {
        let database = t.database().await;
        let migrator = migrator(&t);
        database.migrate(&migrator).await.unwrap();
        database.migrate(&migrator).await.unwrap();
        assert_eq!(t.committed(&database, COUNT).await, 1);
        // Nothing is left to do, so it may be requested in a sandbox and in a transaction of every backend.
        let sandbox = database.sandbox().await.unwrap();
        sandbox.migrate(&migrator).await.unwrap();
        drop(sandbox);
        let transaction = database.transaction().await.unwrap();
        transaction.migrate(&migrator).await.unwrap();
        transaction.commit().await.unwrap();

        let mut changed = Migrator::with_migrations(vec![Migration::new(1, "step".into(), MigrationType::Simple, "select 1".into_sql_str(), false)]);
        changed.dangerous_set_table_name(t.table("migrations"));
        changed.set_locking(false);
        changed.set_ignore_missing(true);
        let error = database.migrate(&changed).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.message().contains("migration 1 was changed"), "{error}");
    }

    #[sqlx]
    async fn q9_a_byte_order_mark_is_no_part_of_a_migration_found_f15(t: Test) {
        let database = t.database().await;
        let mut migrator = migrator(&t);
        for migration in migrator.migrations.to_mut() {
            let text = format!("\u{feff}{}", migration.sql.as_str());
            let sql = AssertSqlSafe(text).into_sql_str();
            *migration = Migration::new(migration.version, "step".into(), MigrationType::Simple, sql, false);
        }
        for _ in 0..2 {
            database.migrate(&migrator).await.unwrap();
        }
        assert_eq!(t.committed(&database, COUNT).await, 1);
        // The checksum is that of the file, mark included.
        let checksum: Vec<u8> = database
            .fetch_value(t.sql("select checksum from {migrations} where version = 1"), ())
            .await
            .unwrap();
        assert_eq!(checksum, &*migrator.iter().next().unwrap().checksum);
    }

    #[sqlx]
    async fn q9_migrations_in_a_sandbox_leave_nothing(t: Test) {
        let database = t.database().await;
        let sandbox = database.sandbox().await.unwrap();
        let migrated = sandbox.migrate(&migrator(&t)).await;
        if t.backend().is_mysql() {
            let error = migrated.unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("nothing was sent"), "{error}");
        } else {
            migrated.unwrap();
            assert_eq!(sandbox.fetch_value::<i64>(t.sql(COUNT), ()).await.unwrap(), 1);
        }
        assert_eq!(sandbox.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        drop(sandbox);
        for table in ["{notes}", "{migrations}"] {
            let error = database.fetch_all(t.sql(&format!("select * from {table}")), ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        }
    }

    #[sqlx]
    async fn q9_a_migration_that_fails_is_named_and_undone(t: Test) {
        let database = t.database().await;
        let mut migrator = Migrator::with_migrations(vec![
            Migration::new(7, "bad".into(), MigrationType::Simple, "select * from missing".into_sql_str(), false),
        ]);
        migrator.dangerous_set_table_name(t.table("migrations"));
        let error = database.migrate(&migrator).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        assert!(error.message().starts_with("migration 7: "), "{error}");
        assert!(error.source().is_some_and(<dyn std::error::Error>::is::<sqlx::Error>));
        // The lock was released.
        let error = database.migrate(&migrator).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::UndefinedObject | ErrorKind::Config), "{error}");
    }
}
