//! tokio-rusqlite as a lane of the benchmark; everything but its operations is shared with the other lanes.

#[path = "../../src/job.rs"]
pub mod job;
pub mod lane;
#[path = "../../src/memory.rs"]
pub mod memory;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub type Outcome<T = ()> = Result<T, Failure>;

/// The environment variable with the URL that a lane connects to.
pub const LANE_URL: &str = "EBBTIDE_BENCH_URL";
