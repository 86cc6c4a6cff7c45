//! Migrators of sqlx in a schema.

use ebbtide::{App, Config, Database, Ddl, Error, ErrorKind, Result, Schema, SqlSafeStr};
use futures::future::join_all;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::tasks::in_task;
use crate::support::{Test, cases};

/// A migration, and optionally the text that undoes it.
type Step<'s> = (i64, &'s str, Option<&'s str>);

/// Returns the migrator of a test, which keeps its migrations in a table of the test.
fn migrator(t: &Test, table: &str, steps: &[Step]) -> Migrator {
    let migration = |version, kind, sql: &str| {
        let sql = t.words(sql);
        let no_tx = sql.starts_with("-- no-transaction");
        Migration::new(
            version,
            "step".into(),
            kind,
            ebbtide::AssertSqlSafe(sql).into_sql_str(),
            no_tx,
        )
    };
    let mut migrations = Vec::new();
    for (version, up, down) in steps {
        let kind = if down.is_some() {
            MigrationType::ReversibleUp
        } else {
            MigrationType::Simple
        };
        migrations.push(migration(*version, kind, up));
        migrations.extend(down.map(|down| migration(*version, MigrationType::ReversibleDown, down)));
    }
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(t.table(table));
    migrator
}

const NOTES: Step<'static> = (
    1,
    "create table {notes} (id bigint primary key, body {key} not null)",
    Some("drop table {notes}"),
);
const FIRST: Step<'static> = (
    2,
    "insert into {notes} values (1, 'first')",
    Some("delete from {notes} where id = 1"),
);
const LINKS: &str = "create table {links} (note bigint not null, tag bigint not null, \
                     foreign key (note) references {notes} (id), foreign key (tag) references {tags} (id))";
const TAGS: &str = "create table {tags} (id bigint primary key)";
const TABLES: [&str; 4] = ["{notes}", "{links}", "{tags}", "{migrations}"];

/// Returns tables that need the migrations and are declared before them.
fn schema(t: &Test, steps: &[Step]) -> Schema {
    let app = App::new("notes").define(t.sql(LINKS)).define(t.sql(TAGS));
    Schema::new().app(app.define(migrator(t, "migrations", steps)))
}

async fn count(t: &Test, database: &Database, table: &str) -> Result<i64> {
    let sql = t.sql(&format!("select count(*) from {table}"));
    database.fetch_value(sql, ()).await
}

async fn none_is_there(t: &Test, database: &Database) {
    for table in TABLES {
        match count(t, database, table).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}"),
            Ok(_) => panic!("{table} is there"),
        }
    }
}

fn failed<T>(result: Result<T>) -> Error {
    result.map(drop).expect_err("it fails")
}

cases! {
    #[sqlx]
    async fn r4_migrations_run_in_order_with_the_tables(t: Test) -> Result<()> {
        let (database, schema) = (t.database().await, schema(&t, &[NOTES, FIRST]));
        schema.create_new(&database).await?;
        database.execute(t.sql("insert into {tags} values (1)"), ()).await?;
        database.execute(t.sql("insert into {links} values (1, 1)"), ()).await?;
        let orphan = failed(database.execute(t.sql("insert into {links} values (2, 1)"), ()).await);
        assert_eq!(orphan.kind(), ErrorKind::Constraint, "{orphan}");
        schema.create_all(&database).await?;
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1, "once");
        // sqlx finds the applied migrations.
        database.migrate(&migrator(&t, "migrations", &[NOTES, FIRST])).await?;
        assert_eq!(count(&t, &database, "{migrations}").await?, 2);
        schema.drop_all(&database).await?;
        none_is_there(&t, &database).await;
        schema.drop_all(&database).await?;
        schema.create_new(&database).await?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1, "and from the beginning");
        Ok(())
    }

    #[sqlx]
    async fn r4_safe_applies_what_is_new_and_unsafe_names_what_is_not(t: Test) -> Result<()> {
        let database = t.database().await;
        schema(&t, &[NOTES]).create_all(&database).await?;
        let schema = schema(&t, &[NOTES, FIRST]);
        let error = failed(schema.create_new(&database).await);
        assert_eq!(error.kind(), ErrorKind::DuplicateObject, "{error}");
        let parts = [&format!("`{}`", t.table("tags")), "migration 1 (step) already exist", "nothing was created"];
        assert!(parts.iter().all(|part| error.to_string().contains(*part)), "{error}");
        assert!(!error.to_string().contains("migration 2"), "{error}");
        assert_eq!(count(&t, &database, "{notes}").await?, 0);
        schema.create_all(&database).await?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        let changed = (1, "create table {notes} (id bigint)", None);
        let error = failed(self::schema(&t, &[changed, FIRST]).create_all(&database).await);
        assert!(error.kind() == ErrorKind::Config && error.message().contains("migration 1 was changed"), "{error}");
        Ok(())
    }

    #[except(mysql)]
    #[sqlx]
    async fn r4_migrations_belong_to_the_transaction_and_the_sandbox(t: Test) -> Result<()> {
        let (database, schema) = (t.database().await, schema(&t, &[NOTES, FIRST]));
        let transaction = database.transaction().await?;
        schema.create_new(&database).await?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        transaction.rollback().await?;
        none_is_there(&t, &database).await;

        let sandbox = database.sandbox().await?;
        schema.create_new(&sandbox).await?;
        schema.create_all(&sandbox).await?;
        assert_eq!(count(&t, &sandbox, "{notes}").await?, 1);
        schema.drop_all(&sandbox).await?;
        none_is_there(&t, &sandbox).await;
        schema.create_all(&sandbox).await?;
        sandbox.disconnect().await?;
        none_is_there(&t, &database).await;

        for isolated in [false, true] {
            let config = Config::from_url(t.url().as_str())?.force_rollback(true).full_isolation(isolated);
            let forced = Database::connect(config).await?;
            schema.create_all(&forced).await?;
            assert_eq!(count(&t, &forced, "{notes}").await?, 1);
            forced.disconnect().await?;
            none_is_there(&t, &database).await;
        }
        Ok(())
    }

    #[only(mysql)]
    async fn r4_in_a_sandbox_of_mysql_there_must_be_nothing_to_do(t: Test) -> Result<()> {
        let database = t.database().await;
        let schema = Schema::new().app(App::new("notes").define(migrator(&t, "migrations", &[NOTES, FIRST])));
        for committed in [false, true] {
            let sandbox = database.sandbox().await?;
            let made = schema.create_all(&sandbox).await;
            let transaction = database.transaction().await?;
            let within = schema.create_all(&database).await;
            if committed {
                made.and(within)?;
                let dropped = failed(schema.drop_all(&sandbox).await);
                assert!(dropped.kind() == ErrorKind::Unsupported && dropped.message().contains("migration 2"), "{dropped}");
            } else {
                for error in [failed(made), failed(within)] {
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                    assert!(error.message().contains("migration 1 (step) would commit"), "{error}");
                }
            }
            transaction.rollback().await?;
            sandbox.disconnect().await?;
            schema.create_all(&database).await?;
        }
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        Ok(())
    }

    #[sqlx]
    async fn r4_what_cannot_be_undone_is_not_dropped(t: Test) -> Result<()> {
        let database = t.database().await;
        let steps = [NOTES, (2, FIRST.1, None)];
        let stuck = schema(&t, &steps);
        stuck.create_all(&database).await?;
        let error = failed(stuck.drop_all(&database).await);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.message().contains("migration 2 (step) of the app `notes` cannot be undone"), "{error}");
        assert_eq!(count(&t, &database, "{links}").await?, 0, "nothing was dropped");

        let dropped = Ddl::from(migrator(&t, "migrations", &steps)).dropped_by(t.sql("drop table if exists {notes}"));
        let app = App::new("notes").define(t.sql(LINKS)).define(dropped).define(t.sql(TAGS));
        let schema = Schema::new().app(app);
        schema.drop_all(&database).await?;
        none_is_there(&t, &database).await;
        schema.drop_all(&database).await?;
        schema.create_all(&database).await?;
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        Ok(())
    }

    #[sqlx]
    async fn r4_a_migration_that_fails_is_named(t: Test) -> Result<()> {
        let database = t.database().await;
        let schema = schema(&t, &[NOTES, (2, "insert into {missing} values (1)", None)]);
        let error = failed(schema.create_all(&database).await);
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
        let parts = ["of the app `notes`", "migration 2: "];
        assert!(parts.iter().all(|part| error.message().contains(part)), "{error}");
        if !t.backend().is_mysql() {
            none_is_there(&t, &database).await;
        }
        Ok(())
    }

    #[sqlx]
    async fn r4_two_migrators_want_two_tables(t: Test) -> Result<()> {
        let database = t.database().await;
        let pair = |shares: bool, tables: [&str; 2]| {
            let tags: Step = (7, TAGS, Some("drop table {tags}"));
            let [mut first, mut second] = [migrator(&t, tables[0], &[NOTES]), migrator(&t, tables[1], &[tags])];
            first.set_ignore_missing(shares);
            second.set_ignore_missing(shares);
            Schema::new().app(App::new("notes").define(first)).app(App::new("tags").define(second))
        };
        let error = failed(pair(false, ["migrations", "migrations"]).create_all(&database).await);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let message = format!("the apps `notes` and `tags` are recorded in the same table, `{}`", t.table("migrations"));
        assert!(error.message().contains(&message), "{error}");
        for (shares, second) in [(false, "migrations2"), (true, "migrations")] {
            let schema = pair(shares, ["migrations", second]);
            schema.create_all(&database).await?;
            assert_eq!(count(&t, &database, "{tags}").await? + count(&t, &database, "{notes}").await?, 0);
            schema.drop_all(&database).await?;
            none_is_there(&t, &database).await;
        }
        Ok(())
    }

    #[sqlx]
    async fn r4_programs_that_start_together_migrate_once(t: Test) -> Result<()> {
        let database = t.database().await;
        let schema = schema(&t, &[NOTES, FIRST]);
        let starts = (0..6).map(|_| {
            let (database, schema) = (database.clone(), schema.clone());
            in_task(async move { schema.create_all(&database).await })
        });
        for started in join_all(starts).await {
            started?;
        }
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        Ok(())
    }

    #[sqlx]
    async fn q9_programs_that_migrate_together_do_it_once(t: Test) -> Result<()> {
        let database = t.database().await;
        let starts = (0..6).map(|_| {
            let (database, migrator) = (database.clone(), migrator(&t, "migrations", &[NOTES, FIRST]));
            in_task(async move { database.migrate(&migrator).await })
        });
        for started in join_all(starts).await {
            started?;
        }
        assert_eq!(count(&t, &database, "{notes}").await?, 1);
        Ok(())
    }

    #[sqlx]
    async fn r4_a_migration_without_a_transaction_runs_before_the_others(t: Test) -> Result<()> {
        let database = t.database().await;
        let alone = match t.backend().family() {
            "postgres" => "-- no-transaction\ncreate index concurrently {notes}_body on {notes} (body)",
            "mysql" => "-- no-transaction\ncreate index {notes}_body on {notes} (body)",
            _ => "-- no-transaction\npragma foreign_keys = off",
        };
        let steps = [NOTES, (2, alone, None)];
        let schema = schema(&t, &steps);
        if !t.backend().is_mysql() {
            let error = failed(schema.create_all(&database).await);
            assert!(error.message().contains("migration 2"), "{error}");
            assert!(error.to_string().contains("`database.migrate` before"), "{error}");
            none_is_there(&t, &database).await;
        }
        database.migrate(&migrator(&t, "migrations", &steps)).await?;
        schema.create_all(&database).await?;
        assert_eq!(count(&t, &database, "{links}").await?, 0);
        Ok(())
    }

    #[only(postgres)]
    #[limit(120)]
    #[sqlx]
    async fn q9_programs_that_start_together_create_indexes_concurrently_found_v6(t: Test) {
        let index = format!("body_{}", t.id());
        let create = format!("-- no-transaction\ncreate index concurrently {index} on {{notes}} (body)");
        let steps = [(1, "create table {notes} (id bigint primary key, body text)", None), (2, create.as_str(), None)];
        let migrator = migrator(&t, "migrations", &steps);
        let programs = (0..5).map(|_| async {
            let database = t.database().await;
            database.migrate(&migrator).await
        });
        for migrated in join_all(programs).await {
            migrated.unwrap();
        }
        let valid = format!("select count(*) from pg_index where indisvalid and indexrelid = '{index}'::regclass");
        assert_eq!(t.observe(&valid).await, 1);
    }

    #[only(postgres)]
    #[sqlx]
    async fn q9_an_index_that_a_failed_migration_left_is_named_found_v6(t: Test) {
        let index = format!("body_{}", t.id());
        let create = format!("-- no-transaction\ncreate unique index concurrently {index} on {{notes}} (body)");
        let steps = [
            (1, "create table {notes} (body text)", None),
            (2, "insert into {notes} values ('twice'), ('twice')", None),
            (3, create.as_str(), None),
        ];
        let (database, migrator) = (t.database().await, migrator(&t, "migrations", &steps));
        // The second run finds the name taken.
        for kind in [ErrorKind::Constraint, ErrorKind::DuplicateObject] {
            let error = database.migrate(&migrator).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error:?}");
            let text = error.to_string();
            for part in [index.as_str(), "INVALID", "DROP INDEX CONCURRENTLY", "migration 3"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        t.observe_exec(&format!("drop index concurrently {index}")).await;
        t.observe_exec(&t.words("truncate {notes}")).await;
        database.migrate(&migrator).await.unwrap();
    }
}
