//! Real JDBC drivers in a real JVM. The jars are those of Debian, or in the folder `EBBTIDE_TEST_JDBC`.

use futures::StreamExt;

use super::super::connector::connector;
use super::database::keeps_what_is_committed;
use super::*;
use crate::Database;
use crate::error::ErrorKind;

/// Returns the folder of the jars.
fn folder() -> String {
    std::env::var("EBBTIDE_TEST_JDBC").unwrap_or_else(|_| "/usr/share/java".to_owned())
}

fn url_of_h2(name: &str) -> String {
    format!("jdbc+h2://mem:{name};DB_CLOSE_DELAY=-1?classpath={}/h2.jar", folder())
}

/// Returns a target for a database of a driver in a jar.
pub(super) fn jdbc(dialect: Dialect, jar: &str, url: &str) -> Target {
    let folder = folder();
    let path = format!("{folder}/{jar}.jar");
    assert!(
        std::path::Path::new(&path).exists(),
        "{path} is missing: `scripts/drivers-jdbc` installs the drivers that tests need"
    );
    Target {
        kind: SidecarKind::Jdbc,
        command: vec!["java".into()],
        shared: Sharing::Program,
        ..dbapi(dialect, &[("url", url), ("jar", &path)])
    }
}

const GENERIC: Dialect = Dialect::Generic;
/// The folder of a driver that does what it is told.
const CLASSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sidecars/tests/classes");

fn h2(name: &str) -> Arc<dyn Connector> {
    connector(jdbc(GENERIC, "h2", &format!("jdbc:h2:mem:{name};DB_CLOSE_DELAY=-1")))
}

#[tokio::test]
async fn b2_h2_keeps_values_and_transactions() {
    let connector = h2("values");
    let mut raw = connector.connect().await.unwrap();
    let raw = &mut *raw;
    assert_eq!(connector.rules().name(), "H2");
    run(
        raw,
        GENERIC,
        "CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(100) NOT NULL)",
    )
    .await
    .unwrap();
    let done = run(raw, GENERIC, "INSERT INTO note (text) VALUES ('milk')")
        .await
        .unwrap();
    assert_eq!((done.rows_affected, done.last_insert_id), (1, Some(1)));
    let sql = "SELECT CAST(? AS BIGINT), CAST(? AS DECIMAL(30, 10)), CAST(? AS TIMESTAMP(9)), CAST(? AS DATE), \
               CAST(? AS VARBINARY(10)), CAST(? AS UUID), CAST(? AS TIMESTAMP(9) WITH TIME ZONE), CAST(? AS BOOLEAN) AS YES";
    let values = vec![
        Value::I64(i64::MIN),
        Value::Decimal("12345678901234567.0123456789".parse().unwrap()),
        Value::DateTime("2026-12-01T03:04:05.123456789".parse().unwrap()),
        Value::Date("0400-02-29".parse().unwrap()),
        Value::Bytes(vec![0, 255]),
        Value::Uuid(uuid::Uuid::from_u128(7)),
        Value::Timestamp("2026-12-01T03:04:05.123456789Z".parse().unwrap()),
        Value::Bool(true),
    ];
    let expected = values
        .iter()
        .map(|value| format!("{value:?}"))
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(rows(raw, GENERIC, sql, values).await.unwrap(), [expected]);

    raw.begin(None).await.unwrap();
    run(raw, GENERIC, "INSERT INTO note (text) VALUES ('bread')")
        .await
        .unwrap();
    raw.begin(None).await.unwrap();
    run(raw, GENERIC, "INSERT INTO note (text) VALUES ('eggs')")
        .await
        .unwrap();
    raw.rollback_to(1).await.unwrap();
    let error = run(raw, GENERIC, "INSERT INTO note (id, text) VALUES (1, 'twice')")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{error}");
    assert!(raw.transaction_open().await.unwrap());
    raw.commit(None).await.unwrap();
    let read = rows(raw, GENERIC, "SELECT text FROM note ORDER BY id", vec![])
        .await
        .unwrap();
    assert_eq!(read, ["Text(\"milk\")", "Text(\"bread\")"]);
    let error = run(raw, GENERIC, "SELECT nocolumn FROM note").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
}

#[tokio::test]
async fn b2_names_in_capitals_are_read_in_small_letters() {
    let connector = h2("names");
    let mut raw = connector.connect().await.unwrap();
    let (statement, values) = statement(GENERIC, "SELECT 1 AS id, 2 AS \"Id\"", vec![]);
    let request = Request {
        statement: &statement,
        values: &values,
    };
    let mut sink = Rows::default();
    raw.run(request, &mut sink).await.unwrap();
    let names: Vec<_> = sink.0[0].columns().map(str::to_owned).collect();
    assert_eq!(names, ["id", "Id"]);
}

#[tokio::test]
async fn b2_a_stream_of_h2_is_dropped_and_the_connection_stays() {
    let connector = h2("streams");
    let mut raw = connector.connect().await.unwrap();
    let (statement, values) = statement(GENERIC, "SELECT x FROM SYSTEM_RANGE(1, 1000000)", vec![]);
    let request = Request {
        statement: &statement,
        values: &values,
    };
    {
        let mut stream = raw.stream(request);
        for expected in 1..=10 {
            let row = Row::new(stream.next().await.unwrap().unwrap());
            assert_eq!(row.get::<i64>(0).unwrap(), expected);
        }
    }
    raw.settle().await.unwrap();
    assert_eq!(rows(&mut *raw, GENERIC, "SELECT 1", vec![]).await.unwrap(), ["I64(1)"]);
}

#[tokio::test]
async fn b6_all_statements_of_a_dropped_script_are_cancelled() {
    let connector = h2("scripts");
    let mut raw = connector.connect().await.unwrap();
    let endless =
        "SELECT count(*) FROM SYSTEM_RANGE(1, 1000000) a, SYSTEM_RANGE(1, 1000000) b, SYSTEM_RANGE(1, 1000000) c";
    let (statement, values) = statement(GENERIC, &[endless; 4].join("; "), vec![]);
    let request = Request {
        statement: &statement,
        values: &values,
    };
    {
        let mut sink = Rows::default();
        let mut call = raw.run(request, &mut sink);
        assert!(futures::poll!(&mut call).is_pending());
    }
    raw.settle().await.unwrap();
    assert_eq!(rows(&mut *raw, GENERIC, "SELECT 1", vec![]).await.unwrap(), ["I64(1)"]);
}

#[tokio::test]
async fn b2_two_versions_of_a_driver_work_side_by_side() {
    let folders = tempfile::tempdir().unwrap();
    let mut databases = Vec::new();
    for version in ["1.0", "2.0"] {
        let folder = folders.path().join(version);
        std::fs::create_dir(&folder).unwrap();
        for file in std::fs::read_dir(CLASSES).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        std::fs::write(folder.join("version.txt"), version).unwrap();
        let url = format!("jdbc+fake://x?classpath={}&jdbc_driver=FakeDriver", folder.display());
        databases.push((Database::connect(url).await.unwrap(), version));
    }
    for _ in 0..2 {
        for (database, version) in &databases {
            let row = database.fetch_one("version", ()).await.unwrap();
            assert_eq!(row.get::<String>(0).unwrap(), *version);
        }
    }
}

#[tokio::test]
async fn b2_lists_with_the_jar_of_sqlite_jdbc_share_its_native_library() {
    for more in ["", "h2"] {
        let mut target = jdbc(Dialect::Sqlite, "sqlite-jdbc", "jdbc:sqlite::memory:");
        let more = (!more.is_empty()).then(|| ("jar".to_owned(), format!("{}/{more}.jar", folder())));
        target.open.extend(more);
        let mut raw = connector(target).connect().await.unwrap();
        assert_eq!(
            rows(&mut *raw, Dialect::Sqlite, "SELECT 1", vec![]).await.unwrap(),
            ["I64(1)"]
        );
    }
}

#[tokio::test]
async fn b6_what_the_jvm_has_no_memory_for_fails_alone() {
    let mut target = jdbc(GENERIC, "h2", "jdbc:h2:mem:memory;DB_CLOSE_DELAY=-1");
    target.command.push("-Xmx40m".into());
    let database = connector(target.clone());
    let mut raw = database.connect().await.unwrap();
    let mut other = database.connect().await.unwrap();
    let huge = vec![Value::Bytes(vec![7; 100_000_000])];
    let error = rows(&mut *raw, GENERIC, "SELECT ?", huge).await.unwrap_err();
    assert!(error.message().contains("no memory") && !error.is_fatal(), "{error}");
    for raw in [&mut raw, &mut other] {
        assert_eq!(rows(&mut **raw, GENERIC, "SELECT 1", vec![]).await.unwrap(), ["I64(1)"]);
    }
    // A driver fails, and nothing is known of its connection.
    target.open = [("url", "jdbc:fake:x"), ("jar", CLASSES), ("driver", "FakeDriver")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let mut fake = connector(target).connect().await.unwrap();
    let error = rows(&mut *fake, GENERIC, "memory", vec![]).await.unwrap_err();
    assert!(
        error.message().contains("OutOfMemoryError") && error.is_fatal(),
        "{error}"
    );
    assert_eq!(
        rows(&mut *other, GENERIC, "SELECT 1", vec![]).await.unwrap(),
        ["I64(1)"]
    );
}

#[tokio::test]
async fn b2_sqlite_jdbc_has_the_same_values_and_errors_as_the_native_driver() {
    let connector = connector(jdbc(Dialect::Sqlite, "sqlite-jdbc", "jdbc:sqlite::memory:"));
    let mut raw = connector.connect().await.unwrap();
    let raw = &mut *raw;
    run(
        raw,
        Dialect::Sqlite,
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT UNIQUE, done BOOLEAN)",
    )
    .await
    .unwrap();
    let done = run(raw, Dialect::Sqlite, "INSERT INTO note (text, done) VALUES ('milk', 1)")
        .await
        .unwrap();
    assert_eq!((done.rows_affected, done.last_insert_id), (1, Some(1)));
    let error = run(raw, Dialect::Sqlite, "INSERT INTO note (text) VALUES ('milk')")
        .await
        .unwrap_err();
    assert_eq!(
        error.constraint().unwrap().name.as_deref(),
        Some("note.text"),
        "{error}"
    );
    let read = rows(raw, Dialect::Sqlite, "SELECT id, text, done FROM note", vec![])
        .await
        .unwrap();
    assert_eq!(read, ["I64(1) Text(\"milk\") Bool(true)"]);
    raw.begin(None).await.unwrap();
    assert!(raw.transaction_open().await.unwrap());
    raw.rollback_to(0).await.unwrap();
    assert!(!raw.transaction_open().await.unwrap());
}

#[tokio::test]
async fn b9_what_jdbc_lacks_is_named() {
    let open = |pairs: &[(&str, &str)]| {
        let mut target = jdbc(GENERIC, "h2", "jdbc:h2:mem:x");
        target.open = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        connector(target)
    };
    let jar = format!("{}/h2.jar", folder());
    for (pairs, word) in [
        (&[("url", "jdbc:h2:mem:x"), ("jar", "/no/such.jar")][..], "/no/such.jar"),
        (&[("url", "jdbc:none:x")][..], "jdbc:none"),
        (&[("url", "jdbc:none:x"), ("jar", jar.as_str())][..], "org.h2.Driver"),
        (
            &[("url", "jdbc:h2:mem:x"), ("driver", "no.such.Driver")][..],
            "no.such.Driver",
        ),
        (
            &[("url", "jdbc:h2:mem:x"), ("driver", "java.lang.String")][..],
            "java.lang.String",
        ),
        (&[("url", "jdbc:h2:mem:x"), ("jar", "/etc/passwd")][..], "/etc/passwd"),
    ] {
        let error = open(pairs).connect().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.message().contains(word), "{error}");
    }
    let mut target = jdbc(GENERIC, "h2", "jdbc:h2:mem:x");
    target.command = vec!["no-such-java".into()];
    let error = connector(target).connect().await.err().unwrap();
    assert!(
        error.message().contains("no-such-java") && error.to_string().contains("Java"),
        "{error}"
    );
}

#[tokio::test]
async fn b2_a_database_of_h2_keeps_what_is_committed() {
    keeps_what_is_committed(&url_of_h2("database")).await.unwrap();
}

#[tokio::test]
async fn b2_many_tasks_share_one_process() {
    let database = Database::connect(url_of_h2("tasks").as_str()).await.unwrap();
    let tasks = (0..50).map(|number| {
        let database = database.clone();
        tokio::spawn(async move { database.fetch_value::<i64>("SELECT CAST(? AS BIGINT)", (number,)).await })
    });
    for (number, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), number as i64);
    }
}

#[tokio::test]
async fn b6_a_statement_that_takes_too_long_is_ended_and_the_connection_stays() {
    let url = format!("{}&pool_size=1", url_of_h2("limits"));
    let database = Database::connect(url.as_str()).await.unwrap();
    let slow = "SELECT COUNT(*) FROM SYSTEM_RANGE(1, 1000000) a, SYSTEM_RANGE(1, 1000000) b WHERE a.x + b.x < 0";
    let call = database.fetch_value::<i64>(slow, ());
    let limited = tokio::time::timeout(std::time::Duration::from_millis(200), call.into_future()).await;
    assert!(limited.is_err());
    assert_eq!(database.fetch_value::<i64>("SELECT 1", ()).await.unwrap(), 1);
}
