//! The goals for the figures, judged by the noise of the run itself.

use ebbtide_bench::job::{Backend, Workload};
use ebbtide_bench::statistics::Verdict;

use crate::cases::{BY_RUSQLITE, Case, FIRST, OURS, is_again};
use crate::counts::Counts;
use crate::race::Race;
use crate::report::Report;

/// Maximum difference of equal counts.
const SAME: f64 = 0.01;

/// Maximum memory of a stream above idle, in megabytes.
const STREAM: f64 = 10.0;

/// Minimum speed-up of several writers of a SQLite file that take turns.
const GATE: f64 = 6.0;

/// A goal of this library beside another lane.
enum Goal {
    AtMost(f64),
    Faster(f64),
}

/// Returns the goals of a case: the other lane, and the goal.
fn goals(case: &Case) -> Vec<(&'static str, Goal)> {
    use Goal::{AtMost, Faster};

    let pool = "sqlx::Pool";
    match (case.workload, case.tasks, case.backend, case.far) {
        (Workload::Select, 1, Backend::Postgres, false) => vec![(FIRST, AtMost(1.05)), (pool, Faster(2.4))],
        (Workload::Select, 1, Backend::MySql, false) => vec![(FIRST, AtMost(1.05)), (pool, Faster(2.0))],
        (Workload::Select, 1, Backend::Sqlite, false) => vec![(FIRST, AtMost(1.05)), (pool, Faster(1.6))],
        (Workload::Transaction, 1, Backend::Postgres, false) => vec![(pool, Faster(1.7))],
        // One writer after the other is the best that can be done with one file.
        (Workload::Transaction | Workload::Autocommit, 8, Backend::Sqlite, false) => vec![(FIRST, AtMost(1.25))],
        (Workload::Structs | Workload::Tuples, _, _, false) => vec![(FIRST, AtMost(1.05))],
        (Workload::List, ..) => vec![(FIRST, AtMost(3.0))],
        _ => Vec::new(),
    }
}

/// Returns the goals of the driver over rusqlite: the other lane, and the greatest ratio.
fn goals_of_rusqlite(case: &Case) -> Option<(&'static str, f64)> {
    Some(match (case.workload, case.tasks) {
        (Workload::Select, 1) => (OURS, 0.3),
        (Workload::Select, _) => (OURS, 0.36),
        (Workload::Transaction, 8) => (FIRST, 0.45),
        (Workload::Structs, _) => (FIRST, 0.42),
        (Workload::Rows, _) => (FIRST, 0.3),
        (Workload::Batch, _) => ("rusqlite", 1.8),
        _ => return None,
    })
}

/// The best pooled peers: the goal is to match them wherever they take part.
const PEERS: [&str; 3] = ["deadpool-postgres", "diesel-async", "mysql_async"];

/// Judges the times of a case.
pub(crate) fn judge(case: &Case, race: &Race, report: &mut Report) {
    let Some(ours) = race.lane(OURS) else { return };
    let noise = race.noise();
    for (name, goal) in goals(case) {
        let Some(other) = race.lane(name) else { continue };
        match goal {
            Goal::AtMost(limit) => {
                let ratio = ours.over(other).median();
                report.goal(
                    format!("{}, beside {name}: at most {limit:.2} ×", case.title()),
                    format!("{ratio:.3} ×"),
                    Verdict::at_most(limit, ratio, noise),
                );
            }
            Goal::Faster(limit) => {
                let ratio = other.over(ours).median();
                report.goal(
                    format!("{}, beside {name}: at least {limit:.1} × as fast", case.title()),
                    format!("{ratio:.2} ×"),
                    Verdict::at_least(limit, ratio, noise),
                );
            }
        }
    }
    if let Some(quick) = race.lane(BY_RUSQLITE)
        && let Some((name, limit)) = goals_of_rusqlite(case)
        && let Some(other) = race.lane(name)
    {
        let ratio = quick.over(other).median();
        report.goal(
            format!("{}, {BY_RUSQLITE} beside {name}: at most {limit:.2} ×", case.title()),
            format!("{ratio:.3} ×"),
            Verdict::at_most(limit, ratio, noise),
        );
    }
    if matches!(
        case.workload,
        Workload::Select | Workload::Transaction | Workload::Autocommit
    ) {
        let peers = race.lanes.iter().filter(|lane| PEERS.contains(&lane.name.as_str()));
        if let Some(best) = peers.min_by(|a, b| a.median().total_cmp(&b.median())) {
            let ratio = ours.over(best).median();
            report.goal(
                format!(
                    "{}, beside the best pooled peer, {}: at most 1.00 ×",
                    case.title(),
                    best.name
                ),
                format!("{ratio:.3} ×"),
                Verdict::at_most(1.0, ratio, noise),
            );
        }
    }
    if case.workload == Workload::Stream {
        let megabytes = ours.kilobytes / 1024.0;
        report.goal(
            format!("{}, memory above idle: at most {STREAM:.0} MB", case.title()),
            format!("{megabytes:.1} MB"),
            Verdict::at_most(STREAM, megabytes, 0.0),
        );
    }
}

/// The last commit whose writers of a SQLite file did not take turns.
const BEFORE_THE_GATE: &str = "4e34695";

/// Judges this library beside its own older commit: no slower than noise, and the gate of writers far faster.
pub(crate) fn judge_against(case: &Case, race: &Race, older: &str, report: &mut Report) {
    let (Some(ours), Some(before)) = (race.lane(OURS), race.lane(older)) else {
        return;
    };
    let ratio = ours.over(before).median();
    report.goal(
        format!("{}, beside {older}: at most 1.00 ×", case.title()),
        format!("{ratio:.3} ×"),
        Verdict::at_most(1.0, ratio, race.noise()),
    );
    // Not for single inserts: they hardly met each other in SQLite before, so taking turns can gain nothing.
    if case.job(OURS).only_one_writes()
        && case.workload == Workload::Transaction
        && case.tasks == 8
        && older.ends_with(BEFORE_THE_GATE)
    {
        let ratio = before.over(ours).median();
        report.goal(
            format!("{}, beside {older}: at least {GATE:.1} × as fast", case.title()),
            format!("{ratio:.2} ×"),
            Verdict::at_least(GATE, ratio, race.noise()),
        );
    }
}

/// Judges the counts of this library against those of its own older commit. Instructions are only shown: they depend on
/// whether the client has to wait for an answer. That is random and changes them by more than the limit.
pub(crate) fn judge_counts(case: &Case, counts: &[Counts], older: &str, report: &mut Report) {
    let find = |name: &str| counts.iter().find(|lane| lane.name == name && !is_again(name));
    let (Some(ours), Some(before)) = (find(OURS), find(older)) else {
        return;
    };
    for (what, ours, before) in [
        ("round trips", ours.round_trips, before.round_trips),
        ("allocations", ours.allocations, before.allocations),
        ("bytes allocated", ours.bytes, before.bytes),
    ] {
        let (Some(ours), Some(before)) = (ours, before) else {
            continue;
        };
        report.goal(
            format!("{}, {what} beside {older}: no more than 1 % more", case.title()),
            format!("{ours:.1}, before {before:.1}"),
            Verdict::at_most(before * (1.0 + SAME), ours, 0.0),
        );
    }
}
