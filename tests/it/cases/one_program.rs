//! The example `three_databases`, on each of them.

use ebbtide::Result;
use ebbtide::testing::TestDatabase;

use crate::support::cases;

#[path = "../../../examples/three_databases/notes.rs"]
mod notes;

cases! {
    #[sqlx]
    async fn q9_one_program_has_the_migrations_of_three_dialects_found_f17(t: Test) -> Result<()> {
        let database = TestDatabase::builder(t.url()).prefix(format!("{}_", t.id())).await?;
        for _ in 0..2 {
            notes::migrate(&database).await?;
        }
        let sandbox = database.sandbox().await?;
        for title in ["tides", "moon", "tides"] {
            notes::read(&sandbox, title).await?;
        }
        let found = notes::most_read(&sandbox, &["tides", "moon", "sun"]).await?;
        let found: Vec<_> = found.iter().map(|note| (note.title.as_str(), note.read_count)).collect();
        assert_eq!(found, [("tides", 2), ("moon", 1)]);
        sandbox.disconnect().await?;
        assert!(notes::most_read(&database, &["tides"]).await?.is_empty());
        database.close().await?;
        Ok(())
    }
}
