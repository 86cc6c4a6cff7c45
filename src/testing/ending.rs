//! Databases that background threads are dropping, so that nobody recreates one before its drop ends.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config::Config;

/// Number of threads that are dropping each database.
static UNDER_WAY: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);

/// Notified whenever such a thread ends.
static ENDED: Notify = Notify::const_new();

/// A guard that lives while a database is being dropped.
pub(super) struct Ending {
    place: String,
}

impl Ending {
    pub(super) fn new(config: &Config) -> Self {
        let place = place(config);
        *UNDER_WAY.lock().entry(place.clone()).or_default() += 1;
        Self { place }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut under_way = UNDER_WAY.lock();
        if let Some(count) = under_way.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.place);
            }
        }
        drop(under_way);
        ENDED.notify_waiters();
    }
}

/// Waits until no thread is dropping this database.
pub(super) async fn wait(config: &Config) {
    let place = place(config);
    loop {
        // Registered before the check, so that no notification is missed.
        let ended = ENDED.notified();
        if !UNDER_WAY.lock().contains_key(&place) {
            return;
        }
        ended.await;
    }
}

/// Returns the location of a database, independent of user and settings.
pub(super) fn place(config: &Config) -> String {
    let url = config.url();
    let path = url.sqlite_path().map(|path| std::path::absolute(&path).unwrap_or(path));
    format!(
        "{:?}",
        (
            url.dialect(),
            url.host(),
            url.port(),
            url.database().filter(|_| path.is_none()),
            &path
        )
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn k1_the_next_waits_for_the_end_of_the_last() {
        let config = |url: &str| Config::from_url(url).unwrap();
        let ending = Ending::new(&config("postgres://ada@localhost/ending"));
        wait(&config("postgres://ada@localhost/another")).await;
        let same = config("postgres://bob:secret@localhost/ending?pool_size=3");
        let second = Ending::new(&same);
        drop(ending);
        assert!(
            timeout(Duration::from_millis(20), wait(&same)).await.is_err(),
            "one is left"
        );
        let (waited, ()) = tokio::join!(timeout(Duration::from_secs(10), wait(&same)), async { drop(second) });
        waited.unwrap();
        wait(&same).await;
    }
}
