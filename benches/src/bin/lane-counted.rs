//! One lane of the benchmark, with its allocations counted. Counting takes time, so this one is never timed.

use std::alloc::System;

use ebbtide_bench::lane::Counts;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> std::process::ExitCode {
    ebbtide_bench::lane::main(counts)
}

fn counts() -> Counts {
    let stats = ALLOCATOR.stats();
    Counts {
        allocations: (stats.allocations + stats.reallocations) as u64,
        bytes: stats.bytes_allocated as u64,
    }
}
