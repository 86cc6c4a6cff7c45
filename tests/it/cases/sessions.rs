//! What one user leaves in a session of the pool, and the next one must not find.

use ebbtide::{AssertSqlSafe, Config, Database, Result};
use futures::TryStreamExt as _;
use sqlx::Executor as _;

use crate::cases::tasks::in_task;
use crate::drivers::Driver;
use crate::support::with_db;
use crate::support::{Proxy, Test, cases};

/// A change of the session, and the question whose answer it changes.
type Change = (&'static str, &'static str);

#[rustfmt::skip]
const POSTGRES: &[Change] = &[
    ("SET ROLE pg_monitor", "SELECT current_user::text"),
    ("SET SESSION AUTHORIZATION pg_monitor", "SELECT session_user::text"),
    ("SET search_path TO pg_catalog", "SHOW search_path"),
    ("SET TIME ZONE '+5'", "SHOW timezone"),
    ("SET my.setting TO 'a'", "SELECT coalesce(nullif(current_setting('my.setting', true), ''), '-')"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SHOW default_transaction_read_only"),
    ("SELECT set_config('work_mem', '3MB', false)", "SHOW work_mem"),
    ("CREATE TEMP TABLE left_over (n int)", "SELECT coalesce(to_regclass('pg_temp.left_over')::text, '-')"),
    ("SELECT 1 AS n INTO TEMP left_over", "SELECT coalesce(to_regclass('pg_temp.left_over')::text, '-')"),
    ("SELECT pg_advisory_lock(7302)", "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"),
    ("PREPARE left_over AS SELECT 1", "SELECT count(*)::text FROM pg_prepared_statements WHERE from_sql"),
    ("DECLARE left_over CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*)::text FROM pg_cursors WHERE is_holdable"),
    ("DO $$ BEGIN EXECUTE 'LISTEN left_over'; END $$", "SELECT count(*)::text FROM pg_listening_channels()"),
    ("DO $$ BEGIN SET work_mem = '5MB'; END $$", "SHOW work_mem"),
];

#[rustfmt::skip]
const MYSQL: &[Change] = &[
    ("SET time_zone = '+05:00'", "SELECT @@time_zone"),
    ("SET SESSION foreign_key_checks = 0", "SELECT CAST(@@foreign_key_checks AS CHAR)"),
    ("SET @@session.sql_mode = 'ANSI_QUOTES'", "SELECT @@sql_mode"),
    ("SET @left_over = 'a'", "SELECT COALESCE(CAST(@left_over AS CHAR), '-')"),
    ("SELECT 'a' INTO @left_over", "SELECT COALESCE(CAST(@left_over AS CHAR), '-')"),
    ("SELECT GET_LOCK('ebbtide_left_over', 1)", "SELECT IF(IS_USED_LOCK('ebbtide_left_over') = CONNECTION_ID(), 'held', '-')"),
    ("SET NAMES latin1", "SELECT @@character_set_client"),
];

#[rustfmt::skip]
const SQLITE: &[Change] = &[
    ("PRAGMA foreign_keys = OFF", "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys"),
    ("PRAGMA recursive_triggers(1)", "SELECT CAST(recursive_triggers AS TEXT) FROM pragma_recursive_triggers"),
    ("ATTACH ':memory:' AS left_over", "SELECT CAST(count(*) AS TEXT) FROM pragma_database_list WHERE name = 'left_over'"),
    ("CREATE TEMP TABLE left_over (n)", "SELECT CAST(count(*) AS TEXT) FROM sqlite_temp_schema"),
];

fn changes(t: &Test) -> &'static [Change] {
    if t.backend().is_postgres() {
        POSTGRES
    } else if t.driver() == Some(Driver::OdbcMariaDb) {
        // The driver refuses SET NAMES, the last one.
        &MYSQL[..MYSQL.len() - 1]
    } else if t.backend().is_mysql() {
        MYSQL
    } else {
        SQLITE
    }
}

/// Returns a database with one connection.
async fn narrow(url: &str) -> Database {
    Database::connect(Config::from_url(url).unwrap().pool_size(1))
        .await
        .unwrap()
}

async fn ask(database: &Database, question: &'static str) -> String {
    database
        .fetch_value(question, ())
        .await
        .unwrap_or_else(|error| panic!("{question}: {error}"))
}

cases! {
    // It sets what PostgreSQL, MySQL and SQLite have.
    #[except(standard)]
    async fn t6_the_next_user_finds_a_session_as_it_was_opened_found_w3(t: Test) {
        let database = narrow(&t.url()).await;
        database.execute(t.sql("create table {kept} (n {int})"), ()).await.unwrap();
        for &(change, question) in changes(&t) {
            let before = ask(&database, question).await;
            let clean = async |way: &str| {
                assert_eq!(ask(&database, question).await, before, "{change}, {way}");
            };
            let connection = database.connection();
            connection.execute(change, ()).await.unwrap();
            let changed: String = connection.fetch_value(question, ()).await.unwrap();
            assert_ne!(changed, before, "{change}: the question does not show it");
            drop(connection);
            clean("on a connection").await;

            database.execute(change, ()).await.unwrap();
            clean("through the database").await;

            let connection = database.connection();
            connection.execute(AssertSqlSafe(format!("select 1; {change}")), ()).await.unwrap();
            drop(connection);
            clean("in a script").await;

            let connection = database.connection();
            connection.iterate(change, ()).try_collect::<Vec<_>>().await.unwrap();
            drop(connection);
            clean("as a stream").await;

            let transaction = database.transaction().await.unwrap();
            match transaction.execute(change, ()).await {
                Ok(_) => transaction.commit().await.unwrap(),
                // SQLite attaches nothing inside of a transaction.
                Err(_) => transaction.rollback().await.unwrap(),
            }
            drop(transaction);
            clean("in a transaction").await;
        }
        let kept: i64 = database.fetch_value(t.sql("select count(*) from {kept}"), ()).await.unwrap();
        assert_eq!(kept, 0, "the database is still there");
    }

    /// What it changes on the driver's connection is not known, so it is always reset.
    // It needs sqlx's own driver.
    #[sqlx]
    async fn t6_the_drivers_own_connection_comes_back_as_it_was_opened_found_w3(t: Test) {
        let database = narrow(&t.url()).await;
        with_db!(t.backend(), {
            for &(change, question) in changes(&t) {
                let before = ask(&database, question).await;
                database.with_sqlx(move |connection: &mut <DB as sqlx::Database>::Connection| Box::pin(async move {
                    sqlx::raw_sql(change).execute(connection).await.map(drop)
                })).await.unwrap();
                assert_eq!(ask(&database, question).await, before, "{change}, lent");
                let view = database.sqlx::<DB>().unwrap();
                (&view).execute(sqlx::raw_sql(change)).await.unwrap();
                assert_eq!(ask(&database, question).await, before, "{change}, as a view");
            }
        });
    }

    /// What the URL and the hook have set is still there.
    // The options of the URL are the modules' own, which do not know these settings.
    #[except(dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql, odbc_postgres, odbc_mariadb)]
    // It sets what PostgreSQL, MySQL and SQLite have.
    #[except(standard)]
    async fn t6_a_session_that_was_reset_has_the_settings_of_its_beginning_found_w3(t: Test) -> Result<()> {
        let (url, question, change) = if t.backend().is_postgres() {
            ("search_path=pg_catalog&isolation_level=serializable&application_name=till", "SELECT concat_ws(',', \
              current_setting('search_path'), current_setting('default_transaction_isolation'), \
              current_setting('application_name'), current_setting('timezone'))",
              "SET search_path = public; SET application_name = 'x'; SET default_transaction_isolation = 'read committed'; SET timezone = 'Asia/Tokyo'")
        } else if t.backend().is_mysql() {
            ("sql_mode=ANSI_QUOTES&wait_timeout=77", "SELECT CONCAT_WS(',', @@sql_mode, @@wait_timeout, @@time_zone)",
             "SET sql_mode = ''; SET wait_timeout = 99; SET time_zone = '+01:00'")
        } else {
            ("foreign_keys=true&busy_timeout=1234ms", "SELECT foreign_keys || ',' || timeout FROM pragma_foreign_keys, pragma_busy_timeout",
             "PRAGMA foreign_keys = OFF; PRAGMA busy_timeout = 7")
        };
        let joint = if t.url().contains('?') { '&' } else { '?' };
        let database = narrow(&format!("{}{joint}{url}", t.url())).await;
        let before = ask(&database, question).await;
        database.connection().execute(change, ()).await?;
        assert_eq!(ask(&database, question).await, before);

        let hook = if t.backend().is_postgres() {
            "SET work_mem = '7MB'"
        } else if t.backend().is_mysql() {
            "SET lock_wait_timeout = 77"
        } else {
            "PRAGMA cache_size = 77"
        };
        let question = if t.backend().is_postgres() {
            "SHOW work_mem"
        } else if t.backend().is_mysql() {
            "SELECT CAST(@@lock_wait_timeout AS CHAR)"
        } else {
            "SELECT CAST(cache_size AS TEXT) FROM pragma_cache_size"
        };
        let hooked = Database::new(Config::from_url(t.url())?.pool_size(1))?
            .after_connect(move |connection| Box::pin(async move { Ok(connection.execute(hook).await.map(drop)?) }));
        hooked.connect().await?;
        let before = ask(&hooked, question).await;
        hooked.connection().execute(change, ()).await?;
        assert_eq!(ask(&hooked, question).await, before, "as the hook has set it");
        Ok(())
    }

    // It sets what PostgreSQL, MySQL and SQLite have.
    #[except(standard)]
    async fn t6_a_setting_keeps_what_is_left_in_the_session_found_w3(t: Test) -> Result<()> {
        let database = Database::connect(Config::from_url(t.url())?.pool_size(1).keep_session(true)).await?;
        let (change, question) = changes(&t)[3];
        let before = ask(&database, question).await;
        database.execute(change, ()).await?;
        assert_ne!(ask(&database, question).await, before);
        Ok(())
    }

    /// What the driver needs is not kept.
    #[only(postgres)]
    async fn t6_the_driver_works_on_where_sessions_are_kept_found_w3(t: Test) -> Result<()> {
        let database = Database::connect(Config::from_url(t.url())?.pool_size(1).keep_session(true)).await?;
        for breaking in ["DEALLOCATE ALL", "DISCARD ALL"] {
            assert_eq!(database.fetch_value::<i32>("select 1", ()).await?, 1);
            database.execute(breaking, ()).await?;
            assert_eq!(database.fetch_value::<i32>("select 1", ()).await?, 1, "{breaking}");
        }
        database.execute("PREPARE mine AS SELECT 1", ()).await?;
        let session = ask(&database, "SELECT pg_backend_pid()::text").await;
        database.execute("DEALLOCATE mine", ()).await?;
        assert_eq!(ask(&database, "SELECT pg_backend_pid()::text").await, session);
        Ok(())
    }

    /// A statement that undoes what the hook has set undoes it for its user alone.
    #[only(postgres)]
    async fn t6_what_the_hook_has_set_is_there_for_the_next_user_found_w3(t: Test) -> Result<()> {
        let hook = "CREATE TEMP TABLE hooked (n int); SET ROLE pg_monitor";
        let database = Database::new(Config::from_url(t.url())?.pool_size(1))?
            .after_connect(move |connection| Box::pin(async move { Ok(connection.execute(hook).await.map(drop)?) }));
        database.connect().await?;
        let question = "SELECT current_user::text || ',' || coalesce(to_regclass('pg_temp.hooked')::text, '-')";
        for undoing in ["RESET ROLE", "SELECT 1; RESET ROLE", "DISCARD TEMP"] {
            assert_eq!(ask(&database, question).await, "pg_monitor,hooked");
            let connection = database.connection();
            connection.execute(undoing, ()).await?;
            assert_ne!(connection.fetch_value::<String>(question, ()).await?, "pg_monitor,hooked", "{undoing}");
            drop(connection);
            assert_eq!(ask(&database, question).await, "pg_monitor,hooked", "{undoing}");
        }
        Ok(())
    }

    /// Outside of a transaction it is for the next one of the session.
    #[only(mysql)]
    async fn t6_a_setting_of_the_next_transaction_is_not_that_of_the_next_user_found_w3(t: Test) -> Result<()> {
        let database = narrow(&t.url()).await;
        database.execute(t.sql("create table {kept} (n {int})"), ()).await?;
        for change in ["SET TRANSACTION READ ONLY", "SET @@transaction_read_only = 1", "SET @@tx_read_only = 1"] {
            if database.connection().execute(change, ()).await.is_ok() {
                database.execute(t.sql("insert into {kept} values (1)"), ()).await?;
            }
        }
        assert!(database.fetch_value::<i64>(t.sql("select count(*) from {kept}"), ()).await? >= 2);
        Ok(())
    }

    /// Without a cache of statements there may be a pooler, which resets the sessions of its clients when they go.
    #[only(postgres)]
    #[except(tokio_postgres)]
    async fn t6_without_kept_statements_the_next_user_finds_a_session_as_it_was_opened_found_w3(t: Test) -> Result<()> {
        let config = Config::from_url(t.url())?.pool_size(1).statement_cache_capacity(0);
        let database = Database::connect(config).await?;
        for &(change, question) in POSTGRES {
            let before = ask(&database, question).await;
            let connection = database.connection();
            connection.execute(change, ()).await?;
            let transaction = connection.transaction().await?;
            transaction.with_sqlx(move |connection: &mut sqlx::PgConnection| {
                Box::pin(async move { sqlx::raw_sql("SET work_mem = '11MB'").execute(connection).await.map(drop) })
            }).await?;
            transaction.commit().await?;
            drop(transaction);
            drop(connection);
            assert_eq!(ask(&database, question).await, before, "{change}");
            assert_ne!(ask(&database, "SHOW work_mem").await, "11MB", "{change}");
        }
        Ok(())
    }

    /// A transaction that SQL text left open on a connection with a changed session ends before the next writer begins.
    #[only(sqlite)]
    async fn t6_the_next_writer_waits_until_a_changed_connection_is_closed_found_w3(t: Test) -> Result<()> {
        // SQLite itself does not wait.
        let database = Database::new(Config::from_url(t.url())?.pool_size(2))?.after_connect(|connection| {
            Box::pin(async move { Ok(connection.execute("PRAGMA busy_timeout = 0").await.map(drop)?) })
        });
        database.connect().await?;
        database.execute(t.sql("create table {kept} (n {int})"), ()).await?;
        // Another connection that is open, so that nothing has to be opened first.
        let other = database.clone();
        let writer = in_task(async move { other.connection() }).await;
        writer.fetch_all("select 1", ()).await?;
        let many = "insert into {kept} with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) select i from n";
        for _ in 0..50 {
            let connection = database.connection();
            // What is to be undone is in the file, so that this takes some time.
            connection.execute("PRAGMA cache_size = 10", ()).await?;
            connection.execute("BEGIN IMMEDIATE", ()).await?;
            connection.execute(t.sql(many), ()).await?;
            drop(connection);
            writer.execute(t.sql("insert into {kept} values (2)"), ()).await?;
        }
        assert_eq!(database.fetch_value::<i64>(t.sql("select sum(n) from {kept}"), ()).await?, 100);
        Ok(())
    }

    /// Sessions in use at the same time do not take turns because of it.
    // It sets what PostgreSQL, MySQL and SQLite have.
    #[except(standard)]
    async fn t6_many_users_that_change_their_sessions_do_not_meet_found_w3(t: Test) {
        let database = Database::connect(Config::from_url(t.url()).unwrap().pool_size(3)).await.unwrap();
        let (change, question) = changes(&t)[0];
        let before = ask(&database, question).await;
        let users = (0..24).map(|_| async {
            let connection = database.connection();
            let found: String = connection.fetch_value(question, ()).await.unwrap();
            connection.execute(change, ()).await.unwrap();
            found
        });
        for found in futures::future::join_all(users.map(|user| database.share(user))).await {
            assert_eq!(found, before);
        }
        assert!(database.status().is_ok_and(|status| status.size <= 3), "{:?}", database.status());
    }

    /// A statement that was prepared for a table which no longer hides another one is prepared again.
    #[only(postgres)]
    #[except(tokio_postgres)]
    async fn t6_statements_prepared_for_a_temporary_table_are_forgotten_with_it_found_w3(t: Test) -> Result<()> {
        let database = narrow(&t.url()).await;
        database.execute(t.sql("create table {notes} (id {int}, body {text})"), ()).await?;
        let pid = "SELECT pg_backend_pid()::text";
        let session = ask(&database, pid).await;
        let connection = database.connection();
        connection.execute(t.sql("create temp table {notes} (other {int})"), ()).await?;
        for _ in 0..3 {
            connection.fetch_all(t.sql("select * from {notes}"), ()).await?;
        }
        drop(connection);
        let transaction = database.transaction().await?;
        transaction.execute(t.sql("insert into {notes} values (1, 'a')"), ()).await?;
        assert_eq!(transaction.fetch_one(t.sql("select * from {notes}"), ()).await?.len(), 2);
        transaction.rollback().await?;
        drop(transaction);
        // The same where the table was created on the driver's connection.
        let (connection, create) = (database.connection(), t.words("create temp table {notes} (other {int})"));
        connection.with_sqlx(move |connection: &mut sqlx::PgConnection| {
            Box::pin(async move { sqlx::raw_sql(AssertSqlSafe(create)).execute(connection).await.map(drop) })
        }).await?;
        for _ in 0..3 {
            assert_eq!(connection.fetch_all(t.sql("select * from {notes}"), ()).await?.len(), 0);
        }
        drop(connection);
        let transaction = database.transaction().await?;
        transaction.execute(t.sql("insert into {notes} values (1, 'a')"), ()).await?;
        assert_eq!(transaction.fetch_one(t.sql("select * from {notes}"), ()).await?.len(), 2);
        transaction.rollback().await?;
        drop(transaction);
        assert_eq!(ask(&database, pid).await, session, "it was reset and not replaced");
        // The driver's statements are gone, so the connection is.
        database.connection().execute("DEALLOCATE ALL", ()).await?;
        assert_ne!(ask(&database, pid).await, session);
        let open = database.connection();
        open.execute("BEGIN; SET work_mem = '9MB'", ()).await?;
        open.execute("select 1 / 0", ()).await.expect_err("it aborts the transaction");
        drop(open);
        assert_ne!(ask(&database, "SHOW work_mem").await, "9MB");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn budget_a_session_is_reset_only_if_it_was_changed_found_w3(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = narrow(&proxy.url()).await;
        let query = "select 1";
        for _ in 0..2 {
            database.connection().fetch_all(query, ()).await?;
        }
        proxy.reset();
        let connection = database.connection();
        connection.fetch_all(query, ()).await?;
        drop(connection);
        database.fetch_all(query, ()).await?;
        assert_eq!(proxy.round_trips(), 2, "nothing was changed");
        proxy.reset();
        if t.backend().is_postgres() {
            let transaction = database.transaction().await?;
            transaction.execute("SET LOCAL work_mem = '3MB'", ()).await?;
            transaction.commit().await?;
            drop(transaction);
            database.fetch_all(query, ()).await?;
            assert_eq!(proxy.round_trips(), 4, "the commit ends it");
            proxy.reset();
            database.execute("SET work_mem = '3MB'", ()).await?;
            database.execute("RESET work_mem", ()).await?;
            assert_eq!(proxy.round_trips(), 3, "one to reset");
            let transaction = database.transaction().await?;
            // One that sets a savepoint, or asks for one, does so in a round trip of its own.
            for text in [r"select 'a\', ';'", r"select 'a\', '; COMMIT; --'"] {
                transaction.execute(AssertSqlSafe(text), ()).await?;
                proxy.reset();
                transaction.execute(AssertSqlSafe(text), ()).await?;
                let asked = if text.contains("COMMIT") { t.begin() } else { 0 };
                assert_eq!(proxy.round_trips(), 1 + asked, "{text}");
            }
            transaction.rollback().await?;
        } else {
            database.execute("SET GLOBAL max_connections = @@max_connections", ()).await.ok();
            database.fetch_all(query, ()).await?;
            assert_eq!(proxy.connections(), 1, "it is not a setting of the session");
            database.execute("SET @a = 1", ()).await?;
            database.fetch_all(query, ()).await?;
            assert_eq!(proxy.connections(), 2, "it was closed");
        }
        Ok(())
    }
}
