//! What a statement costs over a sidecar.

use std::time::Instant;

use futures::StreamExt;

use super::super::connector::connector;
use super::jdbc::jdbc;
use super::*;

/// Returns a number of kB from `/proc/self/status`.
fn memory(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn measure(name: &str, dialect: Dialect, target: Target, many: fn(usize) -> String) {
    let connector = connector(target);
    let start = Instant::now();
    let mut raw = connector.connect().await.unwrap();
    let raw = &mut *raw;
    println!("{name}: first connection {:.0?}", start.elapsed());
    run(
        raw,
        dialect,
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text VARCHAR(100))",
    )
    .await
    .unwrap();
    run(raw, dialect, "INSERT INTO note VALUES (7, 'milk')").await.unwrap();
    let (point, values) = statement(dialect, "SELECT id, text FROM note WHERE id = ?", vec![Value::I64(7)]);
    let request = Request {
        statement: &point,
        values: &values,
    };
    for round in 0..5 {
        const COUNT: u32 = 10_000;
        let start = Instant::now();
        for _ in 0..COUNT {
            raw.run(request, &mut Rows::default()).await.unwrap();
        }
        println!(
            "{name}: point select {round}: {:.1} µs",
            start.elapsed().as_secs_f64() * 1e6 / f64::from(COUNT)
        );
    }
    let (rows, values) = statement(dialect, &many(10_000), vec![]);
    let request = Request {
        statement: &rows,
        values: &values,
    };
    for round in 0..5 {
        let start = Instant::now();
        let mut kept = Rows::default();
        raw.run(request, &mut kept).await.unwrap();
        let read: usize = kept.0.iter().map(|row| row.get::<String>(1).unwrap().len()).sum();
        println!(
            "{name}: 10,000 rows {round}: {:.2} ms ({read} bytes of text)",
            start.elapsed().as_secs_f64() * 1e3
        );
    }
    drop(rows);
    let (rows, values) = statement(dialect, &many(1_000_000), vec![]);
    let request = Request {
        statement: &rows,
        values: &values,
    };
    let (before, start) = (memory("VmRSS"), Instant::now());
    let (mut count, mut most) = (0, 0);
    let mut stream = raw.stream(request);
    while let Some(row) = stream.next().await {
        Row::new(row.unwrap()).get::<i64>(0).unwrap();
        count += 1;
        if count % 10_000 == 0 {
            most = most.max(memory("VmRSS") - before);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{name}: {count} rows in {seconds:.2} s, {:.2} million/s, at most {most} kB above idle",
        1e-6 * f64::from(count) / seconds
    );
}

#[tokio::test]
#[ignore = "a measurement: cargo test --release --all-features --lib -- --ignored --nocapture sidecar::tests::measure"]
async fn b6_costs() {
    let h2 = jdbc(Dialect::Generic, "h2", "jdbc:h2:mem:measure;DB_CLOSE_DELAY=-1");
    measure("H2", Dialect::Generic, h2, |count| {
        format!("SELECT x, 'text of ' || x FROM SYSTEM_RANGE(1, {count})")
    })
    .await;
    let sqlite = dbapi(Dialect::Sqlite, &[("module", "sqlite3"), ("argument", "\":memory:\"")]);
    measure("sqlite3", Dialect::Sqlite, sqlite, |count| {
        format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {count}) SELECT i, 'text of ' || i FROM n")
    })
    .await;
}
