//! The promised result of each operation: the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ebbtide::Result;

/// The expected state of an operation's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The rows do not exist: nothing that could keep them was begun, or it reported failure.
    Gone,
    /// An operation that would keep them was begun, and its end was not reported: all exist, or none.
    Either,
    /// The operation reported that the rows are kept.
    Kept,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: i64,
    kind: &'static str,
    state: Mutex<(Fate, Vec<i64>)>,
    called: AtomicU32,
    counts_calls: bool,
}

impl Record {
    fn set(&self, fate: Fate, parts: &[i64]) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (fate, parts.to_vec());
    }

    /// Records that the rows with these parts may be kept from now on, all of them or none.
    pub(crate) fn may_keep(&self, parts: &[i64]) {
        self.set(Fate::Either, parts);
    }

    /// Records the result that the operation received.
    pub(crate) fn note_result<T>(&self, result: &Result<T>, parts: &[i64]) {
        match result {
            Ok(_) => self.set(Fate::Kept, parts),
            Err(error) if error.outcome_unknown() => {}
            Err(_) => self.set(Fate::Gone, &[]),
        }
    }

    /// Runs the operation that keeps the rows with these parts.
    pub(crate) async fn decides<T>(&self, parts: &[i64], keeping: impl IntoFuture<Output = Result<T>>) -> Result<T> {
        self.may_keep(parts);
        let result = keeping.await;
        self.note_result(&result, parts);
        result
    }

    /// Records that a callback after the commit was called.
    pub(crate) fn call(&self) {
        self.called.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns what is wrong with the rows found in the ledger.
    fn fault(&self, found: &[i64]) -> Option<String> {
        let (fate, parts) = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let right = match fate {
            Fate::Kept => found == parts,
            Fate::Gone => found.is_empty(),
            Fate::Either => found.is_empty() || found == parts,
        };
        let (Self { id, kind, .. }, called) = (self, self.called.load(Ordering::SeqCst));
        if !right {
            return Some(format!("{kind} {id}: {fate:?} {parts:?}, and there is {found:?}"));
        }
        let kept = u32::from(!found.is_empty());
        // A call that was cut off may have committed without running its callbacks.
        let calls_right = called == kept || fate == Fate::Either && called == 0;
        (self.counts_calls && !calls_right)
            .then(|| format!("{kind} {id}: {fate:?} {found:?}, and on_commit ran {called} times"))
    }
}

/// The results of the operations of a kind.
#[derive(Debug, Default)]
struct Count {
    /// Their numbers by fate.
    fates: [u64; 3],
    /// Number of operations that were dropped before their end.
    cut: u64,
    longest: Duration,
}

type Counts = BTreeMap<&'static str, Count>;

/// The earlier rounds.
#[derive(Debug, Default)]
struct Settled {
    /// All rows.
    known: BTreeSet<i64>,
    /// The records of which rows may still come.
    awaited: BTreeMap<i64, Arc<Record>>,
    /// Those of which none may.
    done: BTreeMap<i64, Arc<Record>>,
}

/// Everything that was promised, and the contradictions found.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The records of the round: the number of the first, and the records.
    round: Mutex<(i64, Vec<Arc<Record>>)>,
    counts: Mutex<Counts>,
    faults: Mutex<Vec<String>>,
    settled: Mutex<Settled>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Opens a record for an operation.
    pub(crate) fn open(&self, kind: &'static str, counts_calls: bool) -> Arc<Record> {
        let (first, records) = &mut *lock(&self.round);
        let record = Arc::new(Record {
            id: *first + records.len() as i64,
            kind,
            state: Mutex::new((Fate::Gone, Vec::new())),
            called: AtomicU32::new(0),
            counts_calls,
        });
        records.push(Arc::clone(&record));
        record
    }

    /// Records a fault.
    pub(crate) fn fault(&self, what: impl Display) {
        lock(&self.faults).push(what.to_string());
    }

    pub(crate) fn has_faults(&self) -> bool {
        !lock(&self.faults).is_empty()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }

    /// Returns the number of the round's first record.
    pub(crate) fn first(&self) -> i64 {
        lock(&self.round).0
    }

    /// Returns how many rows the earlier rounds have left.
    pub(crate) fn rows(&self) -> usize {
        lock(&self.settled).known.len()
    }

    /// Compares the round's records with the rows in the database, each given as 100 times its record's number plus its
    /// part, and begins the next round.
    pub(crate) fn settle(&self, rows: &[i64]) {
        let mut found = by_record(rows.iter().copied());
        let (first, records) = std::mem::take(&mut *lock(&self.round));
        *lock(&self.round) = (first + records.len() as i64, Vec::new());
        let Settled { known, awaited, done } = &mut *lock(&self.settled);
        known.extend(rows);
        for record in records {
            let parts = found.remove(&record.id).unwrap_or_default();
            if let Some(fault) = record.fault(&parts) {
                self.fault(fault);
            }
            let fate = lock(&record.state).0;
            lock(&self.counts).entry(record.kind).or_default().fates[fate as usize] += 1;
            if fate == Fate::Either && parts.is_empty() {
                awaited.insert(record.id, record);
            } else {
                done.insert(record.id, record);
            }
        }
        for (id, parts) in found {
            self.fault(format!("{id} {parts:?} is of no operation"));
        }
    }

    /// Compares all rows with those that existed before. The work of interrupted operations may have been done
    /// meanwhile: SQLite's thread, or the server, still runs a statement whose runtime has ended, when no caller can
    /// wait for it any more.
    pub(crate) fn settle_late(&self, rows: &[i64]) {
        let Settled { known, awaited, done } = &mut *lock(&self.settled);
        let now: BTreeSet<i64> = rows.iter().copied().collect();
        for row in known.difference(&now) {
            self.fault(format!("{}: part {} was there, and is gone", row / 100, row % 100));
        }
        for (id, parts) in by_record(now.difference(known).copied()) {
            let fault = match awaited.remove(&id) {
                Some(record) => record.fault(&parts),
                None => Some(format!(
                    "{id}: {parts:?} came after everything had come to rest, of {:?}",
                    done.get(&id)
                )),
            };
            if let Some(fault) = fault {
                self.fault(fault);
            }
        }
        *known = now;
    }

    /// Records how long an operation took, and whether it was dropped before its end.
    pub(crate) fn ended(&self, kind: &'static str, after: Duration, cut: bool) {
        let mut counts = lock(&self.counts);
        let count = counts.entry(kind).or_default();
        count.cut += u64::from(cut);
        count.longest = count.longest.max(after);
    }

    /// Returns a line for each kind.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::from("    gone  either    kept     cut  longest  operation\n");
        for (kind, count) in &*lock(&self.counts) {
            let [gone, either, kept] = count.fates;
            let (cut, longest) = (count.cut, count.longest.as_millis());
            writeln!(text, "{gone:>8}{either:>8}{kept:>8}{cut:>8}{longest:>6} ms  {kind}").unwrap();
        }
        text
    }

    /// Returns how often operations of a kind were kept, and how often they were cut off.
    pub(crate) fn kept_and_cut(&self, kind: &str) -> (u64, u64) {
        lock(&self.counts)
            .get(kind)
            .map_or((0, 0), |count| (count.fates[Fate::Kept as usize], count.cut))
    }
}

/// Returns the parts of each record.
fn by_record(rows: impl Iterator<Item = i64>) -> BTreeMap<i64, Vec<i64>> {
    let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in rows {
        found.entry(row / 100).or_default().push(row % 100);
    }
    for parts in found.values_mut() {
        parts.sort_unstable();
    }
    found
}
