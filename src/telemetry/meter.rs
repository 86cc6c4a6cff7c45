//! The metrics of the pool and its statements, through the facade `metrics`.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Label, SharedString, Unit};

use super::operation::{OPERATIONS, place};
use super::{Outcome, Peer};
use crate::config::Settings;

const DURATION: &str = "db.client.operation.duration";
const COUNT: &str = "db.client.connection.count";
const IDLE_MAX: &str = "db.client.connection.idle.max";
const MAX: &str = "db.client.connection.max";
const PENDING: &str = "db.client.connection.pending_requests";
const TIMEOUTS: &str = "db.client.connection.timeouts";
const CREATE: &str = "db.client.connection.create_time";
const WAIT: &str = "db.client.connection.wait_time";
const USE: &str = "db.client.connection.use_time";

/// The instruments of one pool, bound to the recorder that is installed when the pool is created.
pub(crate) struct Meter(Option<Box<Instruments>>);

struct Instruments {
    labels: Vec<Label>,
    idle: Gauge,
    used: Gauge,
    pending: Gauge,
    /// The two limits, each with the number that was added to it and has to be subtracted again.
    limits: [(Gauge, f64); 2],
    timeouts: Counter,
    create: Histogram,
    wait: Histogram,
    uses: Histogram,
    /// Durations of successful operations, in the order of the list; the last is for those without an operation, or
    /// with several.
    operations: [OnceLock<Histogram>; OPERATIONS.len() + 1],
}

impl Meter {
    /// `true` if this build counts anything.
    pub(crate) const MEASURES: bool = true;

    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Creates the instruments of a pool. Gauges are counted up and down and never set, so that pools of one name add
    /// up.
    pub(crate) fn of(peer: &Peer, settings: &Settings) -> Self {
        describe();
        let labels = labels(peer);
        let with = |name, value| {
            let mut labels = labels.clone();
            labels.push(Label::from_static_parts(name, value));
            labels
        };
        let (size, limit) = (settings.pool_size, settings.pool_size + settings.max_overflow);
        let limits = [
            (metrics::gauge!(IDLE_MAX, labels.clone()), f64::from(size)),
            (metrics::gauge!(MAX, labels.clone()), f64::from(limit)),
        ];
        for (gauge, by) in &limits {
            gauge.increment(*by);
        }
        Self(Some(Box::new(Instruments {
            idle: metrics::gauge!(COUNT, with("db.client.connection.state", "idle")),
            used: metrics::gauge!(COUNT, with("db.client.connection.state", "used")),
            pending: metrics::gauge!(PENDING, labels.clone()),
            limits,
            timeouts: metrics::counter!(TIMEOUTS, labels.clone()),
            create: metrics::histogram!(CREATE, labels.clone()),
            wait: metrics::histogram!(WAIT, labels.clone()),
            uses: metrics::histogram!(USE, labels.clone()),
            operations: [const { OnceLock::new() }; OPERATIONS.len() + 1],
            labels,
        })))
    }

    /// Returns whether it counts, so that times have to be taken.
    pub(crate) fn measures(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the current time, if it is of use.
    pub(crate) fn clock(&self) -> Option<Instant> {
        self.measures().then(Instant::now)
    }

    /// Adds to the numbers of idle connections and of connections in use.
    pub(crate) fn moved(&self, idle: isize, used: isize) {
        let Some(this) = &self.0 else { return };
        for (gauge, by) in [(&this.idle, idle), (&this.used, used)] {
            if by != 0 {
                gauge.increment(by as f64);
            }
        }
    }

    /// Records that a connection taken at `since` was given back.
    pub(crate) fn used(&self, since: Instant) {
        if let Some(this) = &self.0 {
            this.uses.record(since.elapsed());
        }
    }

    /// Records that a connection requested at `since` was obtained.
    pub(crate) fn waited(&self, since: Option<Instant>) {
        if let (Some(this), Some(since)) = (&self.0, since) {
            this.wait.record(since.elapsed());
        }
    }

    /// Records that a connection was opened.
    pub(crate) fn created(&self, since: Option<Instant>) {
        if let (Some(this), Some(since)) = (&self.0, since) {
            this.create.record(since.elapsed());
        }
    }

    /// Records that a caller has waited too long for a connection.
    pub(crate) fn timed_out(&self) {
        if let Some(this) = &self.0 {
            this.timeouts.increment(1);
        }
    }

    /// Counts a caller that waits for a connection until the returned value is dropped.
    pub(crate) fn pending(&self) -> Pending {
        let gauge = self.0.as_ref().map(|this| this.pending.clone());
        if let Some(gauge) = &gauge {
            gauge.increment(1.0);
        }
        Pending(gauge)
    }

    /// Records that a statement has ended.
    pub(crate) fn operation(&self, name: Option<&str>, took: Duration, outcome: Outcome<'_>) {
        let Some(this) = &self.0 else { return };
        let place = name.map_or(OPERATIONS.len(), place);
        if outcome.is_done() {
            let known = &this.operations[place];
            known.get_or_init(|| this.histogram(place, outcome)).record(took);
        } else {
            this.histogram(place, outcome).record(took);
        }
    }
}

impl Instruments {
    fn histogram(&self, operation: usize, outcome: Outcome<'_>) -> Histogram {
        let mut labels = self.labels.clone();
        if let Some(name) = OPERATIONS.get(operation) {
            labels.push(Label::from_static_parts("db.operation.name", name));
        }
        if let Some(class) = outcome.class() {
            labels.push(Label::new("error.type", class.into_owned()));
        }
        metrics::histogram!(DURATION, labels)
    }
}

impl Drop for Instruments {
    fn drop(&mut self) {
        for (gauge, by) in &self.limits {
            gauge.decrement(*by);
        }
    }
}

/// A caller that waits; see [`Meter::pending`].
pub(crate) struct Pending(Option<Gauge>);

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.decrement(1.0);
        }
    }
}

fn labels(peer: &Peer) -> Vec<Label> {
    let mut labels = vec![
        Label::new("db.client.connection.pool.name", peer.pool.clone()),
        Label::from_static_parts("db.system.name", peer.system),
    ];
    let mut add = |name: &'static str, value: Option<String>| {
        labels.extend(value.map(|value| Label::new(name, SharedString::from(value))));
    };
    add("db.namespace", peer.namespace.clone());
    add("server.address", peer.address.clone());
    add("server.port", peer.port.map(|port| port.to_string()));
    labels
}

fn describe() {
    metrics::describe_histogram!(DURATION, Unit::Seconds, "Duration of database client operations");
    metrics::describe_gauge!(
        COUNT,
        "Connections that are idle, or used: leased, being opened or being cleaned"
    );
    metrics::describe_gauge!(
        IDLE_MAX,
        "The maximum number of connections that are kept (`pool_size`)"
    );
    metrics::describe_gauge!(
        MAX,
        "The maximum number of connections (`pool_size` and `max_overflow`)"
    );
    metrics::describe_gauge!(PENDING, "Callers that wait for a connection");
    metrics::describe_counter!(TIMEOUTS, "Callers that waited longer than `pool_timeout`");
    metrics::describe_histogram!(CREATE, Unit::Seconds, "The time it took to open a connection");
    metrics::describe_histogram!(WAIT, Unit::Seconds, "The time it took to obtain an open connection");
    metrics::describe_histogram!(
        USE,
        Unit::Seconds,
        "The time between taking a connection and giving it back"
    );
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}
