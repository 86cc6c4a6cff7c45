//! Bad weather: what makes operations fail that are not at fault.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ebbtide::{Error, ErrorKind};

use crate::support::{Cluster, Dice, Proxy, block_on_here, kill_backend};
use crate::world::World;

/// The time after which the database has to serve again.
const PASSED: Duration = Duration::from_secs(15);

/// The source of the trouble.
enum Source {
    /// Connections that break, through this proxy to the server of the URL.
    Lines { proxy: Proxy, server: String },
    /// A server that is killed.
    Server { cluster: Mutex<Cluster>, url: String },
}

/// Bad weather, which comes in each round and passes at its end.
pub(crate) struct Weather {
    source: Arc<Source>,
    /// How many operations failed because of it: those that said that nothing stayed, and those that could not know.
    lost: AtomicU64,
    unknown: AtomicU64,
}

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weather")
            .field("lost", &self.lost)
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}

/// The weather of one round.
pub(crate) struct Storm {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Weather {
    fn new(source: Source) -> Self {
        Self {
            source: Arc::new(source),
            lost: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    /// Connections that are closed, reset and held up, and sessions that the server ends.
    pub(crate) fn of_lines(server: &str) -> Self {
        let (proxy, server) = (Proxy::start(server), server.to_owned());
        Self::new(Source::Lines { proxy, server })
    }

    /// A server that is killed and started again.
    pub(crate) fn of_server(cluster: Cluster) -> Self {
        let url = cluster.primary.url();
        Self::new(Source::Server {
            cluster: Mutex::new(cluster),
            url,
        })
    }

    /// Returns the URL on which it is felt.
    pub(crate) fn url(&self) -> String {
        match &*self.source {
            Source::Lines { proxy, .. } => proxy.url(),
            Source::Server { url, .. } => url.clone(),
        }
    }

    /// Begins the weather of a round.
    pub(crate) fn begin(&self, dice: Dice) -> Storm {
        let stopping = Arc::new(AtomicBool::new(false));
        let (source, stop) = (Arc::clone(&self.source), Arc::clone(&stopping));
        let thread = thread::spawn(move || source.rage(dice, &stop));
        Storm { stopping, thread }
    }

    /// Returns whether an error is no fault in this weather, and counts it.
    pub(crate) fn explains(&self, error: &Error) -> bool {
        let count = match error.kind() {
            ErrorKind::OutcomeUnknown => &self.unknown,
            // An operation that goes on after an error is told that its transaction has ended.
            ErrorKind::Connect | ErrorKind::ConnectionLost | ErrorKind::TransactionEnded | ErrorKind::SandboxBroken => {
                &self.lost
            }
            _ => return false,
        };
        count.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Fails if it did not make operations fail, so that nothing is known of them.
    pub(crate) fn was_felt(&self) -> Result<(), String> {
        let (lost, unknown) = (self.lost.load(Ordering::Relaxed), self.unknown.load(Ordering::Relaxed));
        println!("{lost} operations were lost, and of {unknown} the outcome was unknown");
        if lost == 0 || unknown == 0 {
            return Err("the weather was too good".to_owned());
        }
        Ok(())
    }

    /// Waits until every place of the pool serves again: idle connections that broke are replaced when they are used.
    pub(crate) async fn has_passed(&self, world: &World) -> Result<(), String> {
        let (began, mut in_a_row) = (Instant::now(), 0);
        let limit = world.database.status().map_err(|error| error.to_string())?.limit;
        while in_a_row < 2 * limit {
            match world.database.fetch_value::<i64>("select 1 + 0", ()).await {
                Ok(_) => in_a_row += 1,
                Err(error) if self.explains(&error) && began.elapsed() < PASSED => in_a_row = 0,
                Err(error) => return Err(format!("the weather has passed, and still: {error:?}")),
            }
        }
        Ok(())
    }
}

impl Storm {
    /// Ends it, and waits for its end.
    pub(crate) fn end(self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.thread.join().expect("the weather");
    }
}

impl Source {
    /// Makes trouble until it is to stop.
    fn rage(&self, mut dice: Dice, stop: &AtomicBool) {
        let pause = |least: u64, dice: &mut Dice| thread::sleep(Duration::from_millis(least + dice.roll(10)));
        while !stop.load(Ordering::SeqCst) {
            pause(2, &mut dice);
            match self {
                Self::Lines { proxy, server } => {
                    match dice.roll(5) {
                        0 => proxy.cut(),
                        1 => proxy.reset_connections(),
                        2 => end_a_session(proxy, server, &mut dice),
                        3 => proxy.hold_answers(),
                        _ => proxy.pause(),
                    }
                    pause(0, &mut dice);
                    // Connections that are cut while their answers are held up have lost them.
                    if dice.roll(2) == 0 {
                        proxy.cut();
                    }
                    proxy.resume();
                }
                Self::Server { cluster, .. } => {
                    pause(20, &mut dice);
                    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
                    cluster.primary.stop();
                    pause(0, &mut dice);
                    let started = block_on_here(async {
                        cluster.primary.restart().await;
                        Ok(())
                    });
                    started.expect("a runtime for the server");
                }
            }
        }
    }
}

/// Has the server end one of the sessions.
fn end_a_session(proxy: &Proxy, server: &str, dice: &mut Dice) {
    let sessions = proxy.backend_pids();
    if sessions.is_empty() {
        return;
    }
    let session = sessions[dice.roll(sessions.len() as u64) as usize];
    // It may have ended by itself.
    let _ = block_on_here(kill_backend(server, session));
}
