//! The cost of a copy.

use std::time::{Duration, Instant};

use super::*;

/// Prints the cost of `renew`: `cargo test --release --lib figures -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn figures() {
    for kind in KINDS {
        let place = Place::of(kind);
        let mut original = place.original().await;
        for table in 0..10 {
            let sql = format!(
                "CREATE TABLE t{table} (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c REAL);
                 CREATE INDEX i{table} ON t{table} (a);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                 INSERT INTO t{table} SELECT i, 'title ' || i, 'some text that is a little longer ' || i, i FROM n"
            );
            script(&mut original, &sql).await.unwrap();
        }
        let started = Instant::now();
        let mut copy = place.copy().await;
        println!("{kind}: opened in {:?}", started.elapsed());
        println!("  unchanged: {:?}", median(&mut copy, None).await);
        println!("  changed:   {:?}", median(&mut copy, Some(&mut original)).await);
        println!("  pages: {}", ask(&mut copy, "PRAGMA page_count").await);
    }
}

async fn median(copy: &mut Opened, mut original: Option<&mut Opened>) -> Duration {
    let mut times = Vec::new();
    for _ in 0..201 {
        if let Some(original) = &mut original {
            script(original, "UPDATE t0 SET a = a || 'x' WHERE id = 1")
                .await
                .unwrap();
        }
        let started = Instant::now();
        copy.renew().await.unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}
