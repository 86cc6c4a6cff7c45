//! Starts the tests of `inner` in separate processes and checks what they leave behind.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, MySqlConnection, PgConnection, SqliteConnection};

use crate::inner::URL;
use crate::server::Base;

/// Starts a process that runs the tests of `inner` whose path begins with `tests`.
fn process(tests: &str, variables: &[(&str, &str)]) -> Child {
    start(tests, variables, &["--nocapture"])
}

/// Does the same with other arguments for the harness.
fn start(tests: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([&format!("inner::{tests}"), "--ignored", "--test-threads=4"])
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env_remove("EBBTIDE_KEEP")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Returns the output of a process, standard output and standard error, and whether its tests passed.
fn said(process: Child) -> (bool, String) {
    let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
    let text = [stdout, stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (status.success(), text)
}

fn passes(tests: &str, variables: &[(&str, &str)], count: usize) {
    let (passed, text) = said(process(tests, variables));
    assert!(passed && text.contains(&format!("{count} passed")), "{tests}:\n{text}");
}

fn fails(tests: &str, variables: &[(&str, &str)]) -> String {
    let (passed, text) = said(process(tests, variables));
    assert!(!passed && text.contains("1 failed"), "{tests}:\n{text}");
    text
}

async fn migrate_with_sqlx(base: &Base, backend: &str, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/migrations")
        .join(backend);
    let migrator = Migrator::new(folder).await.unwrap();
    let url = base.config.clone().database(name).url().expose();
    let migrated = match backend {
        "sqlite" => migrator.run(&mut SqliteConnection::connect(&url).await.unwrap()).await,
        "postgres" => migrator.run(&mut PgConnection::connect(&url).await.unwrap()).await,
        _ => migrator.run(&mut MySqlConnection::connect(&url).await.unwrap()).await,
    };
    migrated.unwrap();
}

macro_rules! on_every_backend {
    ($($(#[$doc:meta])* $name:ident($base:ident, $backend:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$doc])*
            async fn case($base: &Base, $backend: &str) $body

            on_every_backend!(@ $name sqlite postgres mysql);
        }
    )*};
    (@ $name:ident $($backend:ident)*) => {$(
        #[tokio::test]
        async fn $backend() {
            // Names of databases must be short.
            if let Some(base) = Base::new(stringify!($backend), &stringify!($name)[..6]) {
                case(&base, stringify!($backend)).await;
            }
        }
    )*};
}

on_every_backend! {
    several_processes_make_each_database_once(base, backend) {
        let url = base.url();
        let variables = [(URL, url.as_str())];
        for strategy in ["rolled", "cloned", "emptied", "tasks"] {
            let tests = format!("{backend}::{strategy}");
            let processes: Vec<_> = (0..3).map(|_| process(&tests, &variables)).collect();
            // All processes have ended before the first one is checked.
            for (passed, text) in processes.into_iter().map(said).collect::<Vec<_>>() {
                assert!(passed && !text.contains(" 0 passed"), "{tests}:\n{text}");
            }
        }
        let names = base.derived().await;
        // One for sandboxes, one for copies (which MySQL cannot create), and one that is emptied.
        assert_eq!(names.len(), if backend == "mysql" { 2 } else { 3 }, "{names:?}");
        for name in &names {
            assert_eq!(base.number(name, "SELECT count(*) FROM _ebbtide_setup").await, 1);
            assert_eq!(base.number(name, "SELECT count(*) FROM _sqlx_migrations").await, 2);
        }
        let sandboxes = names.iter().min_by_key(|name| name.len()).unwrap();
        assert_eq!(base.number(sandboxes, "SELECT count(*) FROM note").await, 2, "nothing stays");

        // Different content means a different database.
        passes(&format!("{backend}::without_fixtures"), &variables, 1);
        assert_eq!(base.derived().await.len(), names.len() + 1);
    }

    a_ready_database_is_taken_as_it_is_and_a_half_made_one_is_made_again(base, backend) {
        let url = base.url();
        let variables = [(URL, url.as_str())];
        let tests = format!("{backend}::without_fixtures");
        passes(&tests, &variables, 1);
        let names = base.derived().await;
        let [name] = &names[..] else { panic!("{names:?}") };
        base.run(name, "CREATE TABLE scar (id INTEGER)").await;
        passes(&tests, &variables, 1);
        assert_eq!(base.number(name, "SELECT count(*) FROM scar").await, 0, "it was not made again");

        // The application's own migration must find nothing to do; otherwise its CREATE TABLE would fail.
        migrate_with_sqlx(base, backend, name).await;
        assert_eq!(base.number(name, "SELECT count(*) FROM _sqlx_migrations").await, 2);

        base.run(name, "DELETE FROM _ebbtide_setup").await;
        let processes: Vec<_> = (0..2).map(|_| process(&tests, &variables)).collect();
        for (passed, text) in processes.into_iter().map(said).collect::<Vec<_>>() {
            assert!(passed, "{text}");
        }
        let database = base.open(name).await;
        let error = database.fetch_value::<i64>("SELECT count(*) FROM scar", ()).await.unwrap_err();
        assert_eq!(error.kind(), ebbtide::ErrorKind::UndefinedObject);
        database.disconnect().await.unwrap();
    }

    a_failed_test_tells_its_sql_and_keeps_its_database_if_asked(base, backend) {
        let url = base.url();
        let panics = format!("{backend}::fails_by_a_panic");
        let text = fails(&panics, &[(URL, &url)]);
        for part in ["on purpose", "fails_by_a_panic failed in a sandbox of", "VALUES ('kept')", "failed: ", "EBBTIDE_KEEP=failed"] {
            assert!(text.contains(part), "{part}:\n{text}");
        }

        let text = fails(&panics, &[(URL, &url), ("EBBTIDE_KEEP", "failed")]);
        assert!(text.contains("its database is kept: "), "{text}");
        let names = base.derived().await;
        // The name ends with the numbers of the process and of the test, followed for a file by its extension.
        let kept = names.iter().find(|name| name.trim_end_matches(".db").ends_with("_1"));
        let kept = kept.unwrap_or_else(|| panic!("{names:?}"));
        assert!(text.contains(kept.as_str()), "{text}");
        assert_eq!(base.number(kept, "SELECT count(*) FROM author WHERE name = 'kept'").await, 1);

        let before = base.derived().await.len();
        let text = fails(&format!("{backend}::fails_by_an_error"), &[(URL, &url)]);
        assert!(text.contains("NotNull") || text.contains("NULL") || text.contains("null"), "{text}");
        assert!(text.contains("its database was dropped"), "{text}");
        let copies = usize::from(backend != "mysql");
        assert_eq!(base.derived().await.len(), before + copies, "only what is copied from is new");
    }

    refusals_and_failed_waits_are_shown_by_a_failed_test(base, backend) {
        let text = fails(&format!("{backend}::fails_after_refusals"), &[(URL, &base.url())]);
        let (_, report) = text.split_once("the SQL it ran:").unwrap_or_else(|| panic!("{text}"));
        for part in [
            "COMMIT failed: the statement would end the outer transaction", "it was not sent: `COMMIT` of", "inner.rs:",
            "waited longer than 100ms", "a transaction that was dropped unfinished was rolled back", "SELECT count(*) FROM note",
            "everything it did was rolled back",
        ] {
            assert!(report.contains(part), "{part}:\n{text}");
        }
    }

    what_stays_is_shown_by_a_failed_test_that_left_its_sandbox(base, backend) {
        let text = fails(&format!("{backend}::fails_after_leaving_the_sandbox"), &[(URL, &base.url())]);
        let line = text.lines().find(|line| line.contains("'stays'")).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("outside of the sandbox"), "{text}");
        let line = text.lines().find(|line| line.contains("'undone'")).unwrap_or_else(|| panic!("{text}"));
        assert!(!line.contains("outside"), "{text}");
        assert!(!text.contains("everything it did was rolled back"), "{text}");
        assert!(text.contains("under `force_rollback(false)`, remain in") && text.contains("the rest was rolled back"), "{text}");
        let [name] = &base.derived().await[..] else { panic!("one database was made") };
        assert_eq!(base.number(name, "SELECT count(*) FROM author WHERE name = 'stays'").await, 1);
        assert_eq!(base.number(name, "SELECT count(*) FROM author").await, 1);
    }

    disconnected_by_its_application_a_failed_test_tells_its_sql(base, backend) {
        let text = fails(&format!("{backend}::fails_after_disconnecting"), &[(URL, &base.url())]);
        let (_, report) = text.split_once("the SQL it ran:").unwrap_or_else(|| panic!("{text}"));
        assert!(report.contains("SELECT count(*) FROM note"), "{text}");
    }

    a_slow_statement_is_shown_past_the_capture_of_the_harness(base, backend) {
        let process = start(&format!("{backend}::takes_its_time"), &[(URL, &base.url())], &[]);
        let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
        for part in ["ebbtide: in ", "takes_its_time", "has not finished after 100ms", "inner.rs:"] {
            assert!(stderr.contains(part), "{part}:\n{stderr}");
        }
    }

    a_migration_that_fails_leaves_no_database_behind(base, backend) {
        let url = base.url();
        for tests in ["cannot_migrate_in_common", "cannot_migrate_for_itself"] {
            let text = fails(&format!("{backend}::{tests}"), &[(URL, &url)]);
            assert!(text.contains("the migration 8 (note) failed") && text.contains("missing"), "{text}");
            assert_eq!(base.derived().await, [""; 0], "{tests}");
        }
    }
}

#[test]
fn the_environment_or_a_file_or_the_test_says_which_database() {
    passes("of_the_environment", &[("DATABASE_URL", "sqlite::memory:")], 1);

    let text = fails("of_the_environment", &[]);
    for way in ["DATABASE_URL", ".env", "#[ebbtide::test(url = "] {
        assert!(text.contains(way), "{way}:\n{text}");
    }
    let text = fails(
        "of_the_environment",
        &[("DATABASE_URL", "postgres://me:secret@nowhere.invalid/x?colour=red")],
    );
    assert!(
        text.contains("DATABASE_URL") && text.contains("colour") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let memory = ("DATABASE_URL", "sqlite::memory:");
    let text = fails("empties_the_database", &[memory]);
    assert!(text.contains("would empty it") && text.contains("migrations"), "{text}");
    let text = fails("of_the_environment", &[memory, ("EBBTIDE_KEEP", "everything")]);
    assert!(text.contains("EBBTIDE_KEEP=failed"), "{text}");
}
