//! One lane of the benchmark, as `docs/PERFORMANCE.md` describes it. Not for use by hand.

fn main() -> std::process::ExitCode {
    ebbtide_bench::lane::main(ebbtide_bench::lane::Counts::default)
}
