//! Rare cases: missing files, other encodings, busy originals, calls dropped half-way.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::{FutureExt, poll};

use super::*;

#[tokio::test]
async fn f10_a_missing_file_is_the_error_that_the_original_gives() {
    for mode in ["ro", "rw"] {
        let place = Place::of(&format!("sqlite:FILE?mode={mode}"));
        let original = place.connector.connect().await.err().unwrap();
        let copy = place.private().connect().await.err().unwrap();
        assert_eq!(copy.kind(), ErrorKind::DatabaseNotFound);
        assert_eq!(copy.to_string(), original.to_string());
        assert!(!place.file().exists());
    }
}

#[tokio::test]
async fn f10_a_copy_of_a_database_for_reading_refuses_to_write() {
    let place = Place::of("sqlite:FILE?journal_mode=delete");
    let mut original = place.original().await;
    script(&mut original, "CREATE TABLE note (id); INSERT INTO note VALUES (1)")
        .await
        .unwrap();
    let mut copy = place.again("mode=ro").private().unwrap().connect().await.unwrap();
    assert_eq!(ask(&mut copy, COUNT).await, "1");
    let refused = script(&mut copy, "INSERT INTO note VALUES (2)").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    script(&mut original, "INSERT INTO note VALUES (2)").await.unwrap();
    copy.renew().await.unwrap();
    assert_eq!(ask(&mut copy, COUNT).await, "2");
}

#[tokio::test]
async fn f10_other_encodings_and_page_sizes_are_copied() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let place = Place::of("sqlite:FILE");
        let mut original = place.original().await;
        let sql = format!("PRAGMA encoding = '{encoding}'; PRAGMA page_size = 1024; VACUUM; CREATE TABLE note (id)");
        drop(original);
        std::fs::remove_file(place.file()).unwrap();
        original = place.again("journal_mode=delete").connect().await.unwrap();
        script(&mut original, &sql).await.unwrap();
        script(&mut original, "INSERT INTO note VALUES ('ß€😀')").await.unwrap();
        assert_eq!(ask(&mut original, "PRAGMA encoding").await, encoding);
        let mut copy = place.copy().await;
        for sql in [
            "SELECT id FROM note",
            "PRAGMA encoding",
            "PRAGMA page_size",
            "PRAGMA integrity_check",
        ] {
            assert_eq!(ask(&mut copy, sql).await, ask(&mut original, sql).await, "{sql}");
        }
        copy.renew().await.unwrap();
        script(&mut original, "INSERT INTO note VALUES ('ß')").await.unwrap();
        let error = copy.renew().await.unwrap_err();
        assert!(error.is_fatal(), "{error}");
        let mut copy = place.copy().await;
        assert_eq!(ask(&mut copy, "SELECT id FROM note").await, "ß€😀,ß");
    }
}

#[tokio::test]
async fn f10_an_original_in_memory_that_is_being_written_to_is_waited_for_within_the_busy_timeout() {
    let place = Place::of("sqlite::memory:?busy_timeout=50ms");
    let mut original = place.original().await;
    script(&mut original, "CREATE TABLE note (id)").await.unwrap();
    let mut copy = place.copy().await;
    begin(&mut original).await;
    script(&mut original, "INSERT INTO note VALUES (1)").await.unwrap();
    assert_eq!(copy.renew().await.unwrap_err().kind(), ErrorKind::LockTimeout);
    original.commit(None).await.unwrap();
    copy.renew().await.unwrap();
    assert_eq!(ask(&mut copy, COUNT).await, "1");
}

#[tokio::test]
async fn f10_a_dropped_renew_is_made_up_for_by_the_next() {
    let place = Place::of("sqlite:FILE");
    let mut original = place.original().await;
    script(&mut original, "CREATE TABLE note (id)").await.unwrap();
    let mut copy = place.copy().await;
    for polls in 0..40_usize {
        script(&mut original, "INSERT INTO note VALUES (1)").await.unwrap();
        {
            let mut renewing = copy.renew();
            for _ in 0..polls {
                if poll!(&mut renewing).is_ready() {
                    break;
                }
                // Lets the threads of the connections go on, so that the later awaits are reached too.
                tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
            }
        }
        copy.renew().await.unwrap();
        assert_eq!(ask(&mut copy, COUNT).await, (polls + 1).to_string());
    }
}

#[tokio::test]
async fn f10_an_open_transaction_is_not_copied_over() {
    let place = Place::of("sqlite:FILE");
    let mut original = place.original().await;
    script(&mut original, "CREATE TABLE note (id)").await.unwrap();
    let mut copy = place.copy().await;
    begin(&mut copy).await;
    script(&mut original, "INSERT INTO note VALUES (1)").await.unwrap();
    let error = copy.renew().await.unwrap_err();
    assert!(error.is_fatal(), "{error}");
}

/// Returns the number of files in `folder` that this process has open.
#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f10_nothing_of_a_copy_stays_open() {
    let place = Place::of("sqlite:FILE?journal_mode=wal");
    let folder = place.folder.path().to_owned();
    let mut original = place.original().await;
    script(&mut original, "CREATE TABLE note (id)").await.unwrap();
    original.close().await.unwrap();
    let copy = place.copy().await;
    assert!(open_files(&folder) > 0);
    copy.close().await.unwrap();
    assert_eq!(open_files(&folder), 0);
    drop(place.copy().await);
    drop(place.private().connect().now_or_never());
    let end = Instant::now() + Duration::from_secs(10);
    while open_files(&folder) > 0 {
        assert!(Instant::now() < end, "files are still open");
        std::thread::yield_now();
    }
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        1,
        "only the database is left"
    );
}
