//! The test databases of this process, so that a test database of a test database does not put the prefix in front of
//! the name again.

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;

use super::ending::place;
use crate::config::Config;

/// For each place the number of its test databases, and the name of the application's own database.
static TESTED: LazyLock<Mutex<HashMap<String, (usize, String)>>> = LazyLock::new(Mutex::default);

/// A guard that lives as long as the test database.
pub(super) struct Tested {
    place: String,
}

impl Tested {
    pub(super) fn new(config: &Config, application: String) -> Self {
        let place = place(config);
        TESTED.lock().entry(place.clone()).or_insert((0, application)).0 += 1;
        Self { place }
    }

    /// Returns the name of the application's own database, if this one is a test database.
    pub(super) fn application(config: &Config) -> Option<String> {
        TESTED.lock().get(&place(config)).map(|(_, name)| name.clone())
    }
}

impl Drop for Tested {
    fn drop(&mut self) {
        let mut tested = TESTED.lock();
        if let Some((count, _)) = tested.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                tested.remove(&self.place);
            }
        }
    }
}
