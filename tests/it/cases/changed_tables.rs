//! Tables that change between two executions of the same text.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, Row};
use futures::TryStreamExt as _;

use super::tasks::soon;
use crate::support::{Test, cases};

/// Returns a database of one connection with a table of one row.
async fn table(t: &Test) -> Database {
    let config = Config::from_url(t.url()).unwrap().pool_size(1);
    let database = Database::connect(config).await.unwrap();
    database
        .execute(t.sql("create table {notes} (id bigint)"), ())
        .await
        .unwrap();
    database
        .execute(t.sql("insert into {notes} values (7)"), ())
        .await
        .unwrap();
    database
}

fn read(t: &Test) -> AssertSqlSafe<String> {
    t.sql("select * from {notes}")
}

/// Adds a column with a value.
fn alter(t: &Test, column: &str) -> AssertSqlSafe<String> {
    t.sql(&format!(
        "alter table {{notes}} add column {column} {{key}} default 'in {column}'"
    ))
}

/// Returns the names of the columns, read in every way; each column is found by its name.
async fn columns(t: &Test, database: &Database) -> String {
    let names = |row: &Row| {
        let names: Vec<String> = row.columns().map(str::to_owned).collect();
        assert_eq!(row.len(), names.len());
        for name in &names {
            if name == "id" {
                assert_eq!(row.get::<i64>("id").unwrap(), 7);
            } else {
                assert_eq!(row.get::<String>(name.as_str()).unwrap(), format!("in {name}"));
            }
        }
        names.join(",")
    };
    let one = names(&soon("one", database.fetch_one(read(t), ())).await.unwrap());
    let all = names(&soon("all", database.fetch_all(read(t), ())).await.unwrap()[0]);
    let mut rows = database.iterate(read(t), ());
    let streamed = names(&soon("the first of a stream", rows.try_next()).await.unwrap().unwrap());
    drop(rows);
    assert_eq!((&one, &one), (&all, &streamed));
    one
}

cases! {
    // Its driver reads a table once more by its old columns after another connection has changed it.
    #[except(odbc_sqlite)]
    async fn q3_a_table_that_changes_is_read_as_it_is(t: Test) {
        let database = table(&t).await;
        assert_eq!(columns(&t, &database).await, "id");
        database.execute(alter(&t, "a"), ()).await.unwrap();
        assert_eq!(columns(&t, &database).await, "id,a");
        database.execute(t.sql("alter table {notes} drop column a"), ()).await.unwrap();
        assert_eq!(columns(&t, &database).await, "id");
        // Over a separate connection, so the library does not see the change. SQLite is queried at most ten times a
        // second.
        if t.can_observe() {
            t.observe_exec(&alter(&t, "b").0).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
            assert_eq!(columns(&t, &database).await, "id,b");
        }
    }

    #[only(postgres, sqlite)]
    async fn f5_a_table_that_changes_in_a_sandbox_is_read_as_it_is(t: Test) {
        let parent = table(&t).await;
        let sandbox = parent.sandbox().await.unwrap();
        assert_eq!(columns(&t, &sandbox).await, "id");
        sandbox.execute(alter(&t, "a"), ()).await.unwrap();
        assert_eq!(columns(&t, &sandbox).await, "id,a");
        // In a transaction of the sandbox as well, and after the transaction is undone.
        let transaction = sandbox.transaction().await.unwrap();
        assert_eq!(columns(&t, &sandbox).await, "id,a");
        transaction.execute(alter(&t, "b"), ()).await.unwrap();
        assert_eq!(columns(&t, &sandbox).await, "id,a,b");
        transaction.rollback().await.unwrap();
        drop(transaction);
        assert_eq!(columns(&t, &sandbox).await, "id,a");
        sandbox.disconnect().await.unwrap();
        // The next sandbox begins with a transaction.
        let next = parent.sandbox().await.unwrap();
        let transaction = next.transaction().await.unwrap();
        assert_eq!(columns(&t, &next).await, "id");
        transaction.commit().await.unwrap();
    }

    /// The connection of a sandbox is kept, and its prepared statements are for the table before the change.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f10_a_sandbox_reads_what_was_altered_since_the_last_one(t: Test) {
        let parent = table(&t).await;
        for (column, known, expected) in [("a", "id", "id,a"), ("b", "id,a", "id,a,b"), ("c", "id,a,b", "id,a,b,c")] {
            let sandbox = parent.sandbox().await.unwrap();
            assert_eq!(columns(&t, &sandbox).await, known);
            sandbox.disconnect().await.unwrap();
            assert_eq!(columns(&t, &parent).await, known);
            parent.execute(alter(&t, column), ()).await.unwrap();
            let next = parent.sandbox().await.unwrap();
            if column == "a" {
                assert_eq!(columns(&t, &next).await, expected, "outside of a transaction");
            } else {
                let outer = next.transaction().await.unwrap();
                let inner = if column == "c" { Some(next.transaction().await.unwrap()) } else { None };
                assert_eq!(columns(&t, &next).await, expected, "in a transaction");
                drop(inner);
                outer.commit().await.unwrap();
            }
            next.disconnect().await.unwrap();
            let transaction = parent.transaction().await.unwrap();
            assert_eq!(columns(&t, &parent).await, expected, "in a transaction outside of sandboxes");
            transaction.commit().await.unwrap();
        }
    }

    /// Two databases of one process may use one file without knowing of each other.
    #[only(sqlite_file)]
    async fn q3_a_table_that_another_database_of_the_process_changes_is_read_as_it_is(t: Test) {
        let one = table(&t).await;
        let other = Database::connect(t.url().as_str()).await.unwrap();
        for (database, changed, expected) in [(&one, "alter table {notes} add column a {key} default 'in a'", "id,a"),
            (&other, "alter table {notes} drop column a", "id"), (&one, "alter table {notes} add column b {key} default 'in b'", "id,b")]
        {
            columns(&t, &one).await;
            columns(&t, &other).await;
            database.execute(t.sql(changed), ()).await.unwrap();
            assert_eq!(columns(&t, &one).await, expected);
            assert_eq!(columns(&t, &other).await, expected);
        }
    }
}
