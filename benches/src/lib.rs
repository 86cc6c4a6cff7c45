//! ebbtide compared with its peers: the lanes of the benchmark, each a separate process, and the code shared by both
//! benchmarks.
//!
//! `cargo bench -p ebbtide-bench` runs everything; `docs/PERFORMANCE.md` describes the method.

pub mod job;
pub mod lane;
pub mod memory;
pub mod options;
pub mod processor;
pub mod server;
pub mod statistics;

/// Any error that ends a run early.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The result of anything that can fail in a benchmark.
pub type Outcome<T = ()> = Result<T, Failure>;

/// The name of the environment variable with the URL that a lane connects to. A URL may contain a password, which must
/// not be among the arguments of a process.
pub const LANE_URL: &str = "EBBTIDE_BENCH_URL";
