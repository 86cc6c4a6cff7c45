//! Examples of the guides that must run on every backend, with the tables of this test.

use std::collections::BTreeMap;

use ebbtide::{AssertSqlSafe, params};

use crate::support::{Test, cases};

const README: &str = include_str!("../../../../README.md");
const QUERIES: &str = include_str!("../../../../docs/QUERIES.md");

/// Returns a statement of a guide with the name of a table of this test.
fn of_guide(t: &Test, guide: &str, sql: &str, table: &str) -> AssertSqlSafe<String> {
    assert!(guide.contains(sql), "the guide has another statement than {sql}");
    AssertSqlSafe(sql.replace(&format!(" {table} "), &format!(" {} ", t.table(table))))
}

cases! {
    async fn q1_the_first_example_of_the_readme_runs_on_every_backend(t: Test) {
        let database = t.database().await;
        let readme = |sql| of_guide(&t, README, sql, "note");
        database.execute(readme("CREATE TABLE note (id BIGINT PRIMARY KEY, text VARCHAR(100) NOT NULL)"), ()).await.unwrap();
        let insert = readme("INSERT INTO note (id, text) VALUES (:id, :text)");
        database.transaction().run(async |transaction| transaction.execute(insert, params! { id: 1, text: "hello" }).await).await.unwrap();
        let select = AssertSqlSafe(format!("SELECT id, text FROM {}", t.table("note")));
        assert!(README.contains("SELECT id, text FROM note"));
        let notes: Vec<(i64, String)> = database.fetch_all(select, ()).decode().await.unwrap();
        assert_eq!(notes, [(1, "hello".to_owned())]);
    }

    // They have MERGE and no clause of INSERT for conflicts.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q1_the_upsert_of_the_guide_runs_on_every_backend(t: Test) {
        let database = t.database().await;
        let guide = |sql| of_guide(&t, QUERIES, sql, "word");
        database.execute(guide("CREATE TABLE word (text VARCHAR(50) PRIMARY KEY, count INTEGER NOT NULL)"), ()).await.unwrap();
        assert!(QUERIES.contains("INSERT INTO word (text, count) VALUES (:text, :count)"));
        let update = if t.backend().is_mysql() {
            "ON DUPLICATE KEY UPDATE count = word.count + VALUES(count)"
        } else {
            "ON CONFLICT (text) DO UPDATE SET count = word.count + excluded.count"
        };
        assert!(QUERIES.contains(update));
        let word = t.table("word");
        let update = update.replace("word.", &format!("{word}."));
        let upsert = format!("INSERT INTO {word} (text, count) VALUES (:text, :count) {update}");
        let mut counts = BTreeMap::new();
        for word in ["one", "two", "one"] {
            *counts.entry(word).or_insert(0) += 1;
        }
        let rows: Vec<_> = counts.into_iter().map(|(text, count)| params! { text, count }).collect();
        for expected in [2_i64, 4] {
            database.execute_many(AssertSqlSafe(upsert.as_str()), &rows).await.unwrap();
            let ones = AssertSqlSafe(format!("SELECT count FROM {word} WHERE text = 'one'"));
            assert_eq!(database.fetch_value::<i64>(ones, ()).await.unwrap(), expected);
        }
    }
}
