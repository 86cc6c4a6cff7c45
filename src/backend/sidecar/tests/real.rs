//! Real drivers in real processes: `sqlite3` of Python's standard library.

use futures::StreamExt;

use super::super::connector::connector;
use super::database::keeps_what_is_committed;
use super::*;
use crate::error::ErrorKind;

/// Returns a connector for a database in memory.
fn sqlite() -> Arc<dyn Connector> {
    connector(dbapi(
        Dialect::Sqlite,
        &[("module", "sqlite3"), ("argument", "\":memory:\"")],
    ))
}

const SQLITE: Dialect = Dialect::Sqlite;

#[tokio::test]
async fn b3_rows_that_are_streamed_keep_little() {
    use std::sync::atomic::Ordering;

    use super::super::batch::{KEPT_NOW, MOST_KEPT};
    const ROWS: usize = 200_000;
    let connector = sqlite();
    let mut raw = connector.connect().await.unwrap();
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ROWS}) SELECT i, 'text of ' || i FROM n"
    );
    let (statement, values) = statement(SQLITE, &sql, vec![]);
    let request = Request {
        statement: &statement,
        values: &values,
    };
    let mut stream = raw.stream(request);
    let mut count = 0;
    while let Some(row) = stream.next().await {
        let row = Row::new(row.unwrap());
        count += 1;
        assert_eq!(row.get::<usize>(0).unwrap(), count);
    }
    drop(stream);
    assert_eq!(count, ROWS);
    let most = MOST_KEPT.with(|most| most.load(Ordering::Relaxed));
    assert!((1..1_000_000).contains(&most), "{most} bytes");
    assert_eq!(KEPT_NOW.with(|now| now.load(Ordering::Relaxed)), 0);
}

#[tokio::test]
async fn b3_a_database_of_sqlite3_keeps_what_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let url = format!(
        "dbapi2+sqlite://{}?dbapi_path=sqlite3&python={}",
        path.display(),
        python()
    );
    keeps_what_is_committed(&url).await.unwrap();
}

#[tokio::test]
async fn b3_sqlite_of_python_keeps_values_and_transactions() {
    let connector = sqlite();
    let mut raw = connector.connect().await.unwrap();
    let raw = &mut *raw;
    run(
        raw,
        SQLITE,
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, done BOOLEAN)",
    )
    .await
    .unwrap();
    let done = run(raw, SQLITE, "INSERT INTO note (text, done) VALUES ('milk', 1)")
        .await
        .unwrap();
    assert_eq!((done.rows_affected, done.last_insert_id), (1, Some(1)));
    let values = vec![
        Value::I64(i64::MAX),
        Value::F64(0.1),
        Value::Text("é'\u{1F980}".into()),
        Value::Bytes(vec![0, 255]),
        Value::Null,
        Value::Bool(true),
    ];
    let read = rows(raw, SQLITE, "SELECT ?, ?, ?, ?, ?, ?", values).await.unwrap();
    let expected = format!(
        "I64({}) F64(0.1) Text(\"é'\u{1F980}\") Bytes([0, 255]) Null I64(1)",
        i64::MAX
    );
    assert_eq!(read, [expected]);

    raw.begin(None).await.unwrap();
    run(raw, SQLITE, "INSERT INTO note (text) VALUES ('bread')")
        .await
        .unwrap();
    raw.begin(None).await.unwrap();
    run(raw, SQLITE, "INSERT INTO note (text) VALUES ('eggs')")
        .await
        .unwrap();
    assert_eq!(raw.depth(), 2);
    raw.rollback_to(1).await.unwrap();
    assert!(raw.transaction_open().await.unwrap());
    raw.commit(None).await.unwrap();
    assert!(!raw.transaction_open().await.unwrap());
    let read = rows(raw, SQLITE, "SELECT text FROM note ORDER BY id", vec![])
        .await
        .unwrap();
    assert_eq!(read, ["Text(\"milk\")", "Text(\"bread\")"]);
    let error = run(raw, SQLITE, "INSERT INTO note (id) VALUES (1)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint, "{error}");
    assert_eq!(error.constraint().unwrap().table.as_deref(), Some("note"));
    let error = run(raw, SQLITE, "COMMIT").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let done = run(
        raw,
        SQLITE,
        "DELETE FROM note WHERE id = 1; DELETE FROM note WHERE text = 'bread;'",
    )
    .await
    .unwrap();
    assert_eq!(done.rows_affected, 1);
}

#[tokio::test]
async fn b3_a_stream_is_dropped_between_rows_and_the_connection_stays() {
    const MANY: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) SELECT i FROM n";
    let connector = sqlite();
    let mut raw = connector.connect().await.unwrap();
    let (many, values) = statement(SQLITE, MANY, vec![]);
    let request = Request {
        statement: &many,
        values: &values,
    };
    for _ in 0..3 {
        {
            let mut stream = raw.stream(request);
            for _ in 0..10 {
                stream.next().await.unwrap().unwrap();
            }
        }
        assert!(raw.interrupted(true));
        raw.settle().await.unwrap();
        assert_eq!(rows(&mut *raw, SQLITE, "SELECT 1", vec![]).await.unwrap(), ["I64(1)"]);
    }
}

#[tokio::test]
async fn b9_what_is_missing_is_named() {
    let mut target = dbapi(SQLITE, &[("module", "no_such_module")]);
    let error = connector(target.clone()).connect().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.message().contains("no_such_module"), "{error}");
    target.command = vec!["no-such-python".into()];
    let error = connector(target.clone()).connect().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(
        error.message().contains("no-such-python") && error.message().contains("PATH"),
        "{error}"
    );
    target.command = vec!["/no/such/python3".into()];
    let error = connector(target.clone()).connect().await.err().unwrap();
    assert!(error.message().contains("there is no file /no/such/python3"), "{error}");
    target.command = vec!["/bin/echo".into(), "hello".into()];
    let error = connector(target).connect().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(
        error.message().contains("no frame") && error.message().contains("/bin/echo"),
        "{error}"
    );
}

#[test]
fn b6_no_runtime_is_needed_and_several_may_use_it() {
    let connector = sqlite();
    let mut raw = futures::executor::block_on(connector.connect()).unwrap();
    let read = futures::executor::block_on(rows(&mut *raw, SQLITE, "SELECT 1", vec![]));
    assert_eq!(read.unwrap(), ["I64(1)"]);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(rows(&mut *raw, SQLITE, "SELECT 2", vec![]));
        assert_eq!(read.unwrap(), ["I64(2)"]);
    }
    drop(connector);
    let read = futures::executor::block_on(rows(&mut *raw, SQLITE, "SELECT 3", vec![]));
    assert_eq!(read.unwrap(), ["I64(3)"]);
}

#[tokio::test]
async fn b6_a_process_that_is_killed_is_an_error_of_those_who_wait_and_the_next_starts_another() {
    const MARK: &str = "-Wignore:b6_a_process_that_is_killed";
    let mut target = dbapi(SQLITE, &[("module", "sqlite3"), ("argument", "\":memory:\"")]);
    target.command.push(MARK.into());
    let connector = connector(target);
    let mut raw = connector.connect().await.unwrap();
    let mut other = connector.connect().await.unwrap();
    let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    {
        let (statement, values) = statement(SQLITE, slow, vec![]);
        let request = Request {
            statement: &statement,
            values: &values,
        };
        let mut sink = Rows::default();
        let mut waiting = raw.run(request, &mut sink);
        assert!(futures::poll!(&mut waiting).is_pending());
        // The other connection of the process does not wait for it.
        assert_eq!(rows(&mut *other, SQLITE, "SELECT 2", vec![]).await.unwrap(), ["I64(2)"]);
        let children = children();
        let (pid, _) = children.iter().find(|(_, line)| line.contains(MARK)).unwrap();
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let error = waiting.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(error.message().contains("signal: 9") && error.leaves_open(), "{error}");
    }
    let error = rows(&mut *other, SQLITE, "SELECT 2", vec![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    let mut next = connector.connect().await.unwrap();
    assert_eq!(rows(&mut *next, SQLITE, "SELECT 2", vec![]).await.unwrap(), ["I64(2)"]);
    // The process ends with the last connection and connector.
    drop((raw, other, next, connector));
    let start = std::time::Instant::now();
    while children().iter().any(|(_, line)| line.contains(MARK)) {
        assert!(start.elapsed().as_secs() < 10, "it is still there");
        tokio::task::yield_now().await;
    }
}

/// Returns the child processes of this one with their command lines.
fn children() -> Vec<(u32, String)> {
    let me = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1))
            .map(str::to_owned);
        if parent.as_deref() == Some(&me) {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, line));
        }
    }
    found
}
