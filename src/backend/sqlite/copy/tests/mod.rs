//! Copies and their originals: files with and without a WAL, and databases in memory.

mod edges;
mod figures;

use tempfile::TempDir;

use super::*;
use crate::backend::{Begin, OfferedRow, Request, RowSink};
use crate::error::ErrorKind;
use crate::sql::Statement;
use crate::value::ValueRef;

type Opened = Box<dyn RawConnection>;

/// A database and its connector; the file is deleted with it.
struct Place {
    folder: TempDir,
    connector: Arc<dyn Connector>,
}

impl Place {
    fn of(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = url.replace("FILE", folder.path().join("app.db").to_str().unwrap());
        let connector = crate::backend::connector(&Config::from_url(url.as_str()).unwrap()).unwrap();
        Self { folder, connector }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("app.db")
    }

    async fn original(&self) -> Opened {
        self.connector.connect().await.unwrap()
    }

    fn private(&self) -> Arc<dyn Connector> {
        self.connector.private().unwrap()
    }

    async fn copy(&self) -> Opened {
        self.private().connect().await.unwrap()
    }

    /// Returns the connector of a separate database, with the settings of another URL on the same file.
    fn again(&self, options: &str) -> Arc<dyn Connector> {
        let url = format!("sqlite:{}?{options}", self.file().display());
        crate::backend::connector(&Config::from_url(url.as_str()).unwrap()).unwrap()
    }
}

const KINDS: [&str; 3] = [
    "sqlite:FILE?journal_mode=wal",
    "sqlite:FILE?journal_mode=delete",
    "sqlite::memory:",
];

async fn script(connection: &mut Opened, sql: &str) -> Result<()> {
    connection.run_script(own_sql(sql)).await.map(drop)
}

/// Returns the first column of all rows, with commas in between. The statement is prepared, and kept so.
async fn try_ask(connection: &mut Opened, sql: &str) -> Result<String> {
    struct Texts(Vec<String>);
    impl RowSink for Texts {
        fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
            self.0.push(match row.look().unwrap().value(0)? {
                ValueRef::I64(number) => number.to_string(),
                ValueRef::Text(text) => text.to_owned(),
                other => format!("{other:?}"),
            });
            Ok(())
        }
    }
    let mut texts = Texts(Vec::new());
    let statement = Arc::new(Statement::new(sql, false));
    let request = Request {
        statement: &statement,
        values: &[],
    };
    connection.run(request, &mut texts).await?;
    Ok(texts.0.join(","))
}

async fn ask(connection: &mut Opened, sql: &str) -> String {
    try_ask(connection, sql).await.unwrap()
}

async fn begin(connection: &mut Opened) {
    let begin = Begin {
        sql: Some(own_sql("BEGIN IMMEDIATE")),
        ..Begin::default()
    };
    connection.begin(Some(begin)).await.unwrap();
}

const COUNT: &str = "SELECT count(*) FROM note";

#[tokio::test]
async fn f10_private_connections_write_at_once_and_see_only_their_own() {
    for kind in KINDS {
        let place = Place::of(kind);
        let mut original = place.original().await;
        script(
            &mut original,
            "CREATE TABLE note (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO note VALUES (1, 'a')",
        )
        .await
        .unwrap();
        let (mut one, mut other) = (place.copy().await, place.copy().await);
        for round in 1..=3 {
            begin(&mut one).await;
            begin(&mut other).await;
            script(&mut one, "INSERT INTO note (title) VALUES ('one'), ('one more')")
                .await
                .unwrap();
            script(&mut other, "DELETE FROM note").await.unwrap();
            assert_eq!(ask(&mut one, COUNT).await, "3", "{kind} {round}");
            assert_eq!(ask(&mut other, COUNT).await, "0", "{kind} {round}");
            assert_eq!(ask(&mut original, COUNT).await, "1", "{kind} {round}");
            for connection in [&mut one, &mut other] {
                connection.rollback_to(0).await.unwrap();
                connection.renew().await.unwrap();
                assert_eq!(ask(connection, "SELECT title FROM note").await, "a", "{kind} {round}");
            }
        }
    }
}

#[tokio::test]
async fn f10_a_commit_on_the_original_is_seen_after_renew_and_not_before() {
    for kind in KINDS {
        let place = Place::of(kind);
        let mut original = place.original().await;
        script(&mut original, "CREATE TABLE note (id INTEGER PRIMARY KEY, title TEXT)")
            .await
            .unwrap();
        let mut copy = place.copy().await;
        for round in 1..=20 {
            script(&mut original, "INSERT INTO note (title) VALUES ('x')")
                .await
                .unwrap();
            assert_eq!(ask(&mut copy, COUNT).await, (round - 1).to_string(), "{kind}");
            copy.renew().await.unwrap();
            assert_eq!(ask(&mut copy, COUNT).await, round.to_string(), "{kind}");
        }
        // The same text, prepared before, on tables that have moved.
        script(
            &mut original,
            "DROP TABLE note; CREATE TABLE filler (x); CREATE TABLE note (id); VACUUM",
        )
        .await
        .unwrap();
        assert_eq!(ask(&mut copy, COUNT).await, "20", "{kind}");
        copy.renew().await.unwrap();
        assert_eq!(ask(&mut copy, COUNT).await, "0", "{kind}");
        // Uncommitted changes are not seen, and nothing of them is left behind.
        if !place.connector.readers_block_writers() {
            begin(&mut original).await;
            script(&mut original, "INSERT INTO note VALUES (1)").await.unwrap();
            copy.renew().await.unwrap();
            assert_eq!(ask(&mut copy, COUNT).await, "0", "{kind}");
            original.rollback_to(0).await.unwrap();
            copy.renew().await.unwrap();
            assert_eq!(ask(&mut copy, COUNT).await, "0", "{kind}");
        }
    }
}

const EVERYTHING: &str = "
    CREATE TABLE author (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, upper TEXT AS (upper(name)));
    CREATE TABLE note (author REFERENCES author, title TEXT CHECK (title <> ''));
    CREATE TABLE tag (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE INDEX by_title ON note (title) WHERE title > 'b';
    CREATE VIEW titles AS SELECT title FROM note;
    CREATE TRIGGER tagged AFTER INSERT ON note BEGIN INSERT OR IGNORE INTO tag VALUES (new.title); END;
    CREATE VIRTUAL TABLE words USING fts5(body);
    INSERT INTO author (name) VALUES ('a'), ('b'), ('c');
    DELETE FROM author WHERE id = 3;
    INSERT INTO note (rowid, author, title) VALUES (7, 1, 'seven'), (70, 2, 'seventy');
    INSERT INTO words VALUES ('a private copy');
    PRAGMA user_version = 42;
    PRAGMA application_id = 4711";

#[tokio::test]
async fn f10_a_copy_has_everything_and_the_settings() {
    for kind in KINDS {
        let more = if kind.contains('?') { "&" } else { "?" };
        let place = Place::of(&format!("{kind}{more}cache_size=-777&synchronous=off"));
        let mut original = place.original().await;
        let mut copy = place.copy().await;
        script(&mut original, EVERYTHING).await.unwrap();
        script(&mut copy, "CREATE TEMP TABLE kept (x)").await.unwrap();
        for _ in 0..2 {
            copy.renew().await.unwrap();
            for sql in [
                "SELECT type || name || tbl_name || coalesce(sql, '') FROM sqlite_schema ORDER BY name",
                "SELECT name || seq FROM sqlite_sequence",
                "SELECT rowid || title FROM note",
                "SELECT rowid || upper FROM author",
                "SELECT name FROM tag",
                "SELECT body FROM words WHERE words MATCH 'private'",
                "PRAGMA user_version",
                "PRAGMA application_id",
                "PRAGMA page_size",
                "PRAGMA cache_size",
                "PRAGMA synchronous",
                "PRAGMA foreign_keys",
                "PRAGMA integrity_check",
            ] {
                let answer = ask(&mut copy, sql).await;
                assert_eq!(answer, ask(&mut original, sql).await, "{kind} {sql}");
                assert_ne!(answer, "", "{kind} {sql}");
            }
            assert_eq!(ask(&mut copy, "SELECT count(*) FROM kept").await, "0", "{kind}");
            begin(&mut copy).await;
            script(
                &mut copy,
                "INSERT INTO author (name) VALUES ('d'); INSERT INTO note VALUES (4, 'four')",
            )
            .await
            .unwrap();
            script(&mut copy, "INSERT INTO words VALUES ('undone')").await.unwrap();
            assert_eq!(
                ask(&mut copy, "SELECT name FROM tag").await,
                "four,seven,seventy",
                "{kind}"
            );
            let refused = script(&mut copy, "INSERT INTO note VALUES (99, 'x')")
                .await
                .unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Constraint);
            copy.rollback_to(0).await.unwrap();
            script(&mut original, "UPDATE words SET body = 'another private copy'")
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn f10_an_original_without_tables_is_copied_and_left_alone() {
    for kind in KINDS {
        let place = Place::of(kind);
        let mut copy = place.copy().await;
        let size = || std::fs::metadata(place.file()).map_or(0, |file| file.len());
        let before = size();
        for _ in 0..2 {
            assert_eq!(
                ask(&mut copy, "SELECT count(*) FROM sqlite_schema").await,
                "0",
                "{kind}"
            );
            script(&mut copy, "CREATE TABLE note (id); INSERT INTO note VALUES (1)")
                .await
                .unwrap();
            copy.renew().await.unwrap();
        }
        assert_eq!(size(), before, "{kind}");
        let mut original = place.original().await;
        script(&mut original, "CREATE TABLE note (id)").await.unwrap();
        copy.renew().await.unwrap();
        assert_eq!(ask(&mut copy, COUNT).await, "0", "{kind}");
    }
}

#[tokio::test]
async fn f10_what_was_committed_to_a_copy_is_gone_after_renew() {
    let place = Place::of("sqlite:FILE");
    let mut original = place.original().await;
    script(&mut original, "CREATE TABLE note (id); INSERT INTO note VALUES (1)")
        .await
        .unwrap();
    let mut copy = place.copy().await;
    begin(&mut copy).await;
    script(
        &mut copy,
        "CREATE TABLE other (id); INSERT INTO note VALUES (2); COMMIT",
    )
    .await
    .unwrap();
    copy.rollback_to(0).await.unwrap_err();
    copy.reset().await.unwrap();
    assert_eq!(ask(&mut copy, COUNT).await, "2");
    drop(copy);

    let mut copy = place.copy().await;
    script(&mut copy, "CREATE TABLE other (id); INSERT INTO note VALUES (2)")
        .await
        .unwrap();
    assert_eq!(ask(&mut copy, "SELECT id FROM other").await, "");
    // The same number of changes of the schema, but others.
    script(
        &mut original,
        "CREATE TABLE another (id); INSERT INTO another VALUES (3)",
    )
    .await
    .unwrap();
    copy.renew().await.unwrap();
    assert_eq!(ask(&mut copy, COUNT).await, "1");
    assert_eq!(ask(&mut copy, "SELECT id FROM another").await, "3");
    let gone = try_ask(&mut copy, "SELECT id FROM other").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::UndefinedObject);
}
