//! The databases of the test clients of this process, so that a client of a client does not put the prefix in front of
//! the name again.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;

use super::ending::place;
use crate::config::Config;

/// The clients of each database: their number, and the name of the application's own database.
static CLIENTS: LazyLock<Mutex<HashMap<String, (usize, String)>>> = LazyLock::new(Mutex::default);

/// A guard that lives as long as the client.
pub(super) struct Tested {
    place: String,
}

impl Tested {
    pub(super) fn new(config: &Config, application: String) -> Self {
        let place = place(config);
        CLIENTS.lock().entry(place.clone()).or_insert((0, application)).0 += 1;
        Self { place }
    }

    /// Returns the name of the application's own database, if this one is a client's.
    pub(super) fn application(config: &Config) -> Option<String> {
        CLIENTS.lock().get(&place(config)).map(|(_, name)| name.clone())
    }
}

impl Drop for Tested {
    fn drop(&mut self) {
        let mut clients = CLIENTS.lock();
        if let Some((count, _)) = clients.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.place);
            }
        }
    }
}
