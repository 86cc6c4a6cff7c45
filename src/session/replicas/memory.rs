//! Writes that the replicas may not have yet. No I/O, and no clock except the times it receives.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::mark::{Mark, Reach, ReportedPosition, Requirement};
use crate::backend::Position;
use crate::config::ReadYourWrites;
use crate::pool::TaskOrThread;

/// Maximum number of writers that are remembered one by one. The end of a writer is not reported, so beyond that number
/// all callers count as writers.
const MOST: usize = 1_024;

/// The longest wait, so that no time calculation overflows.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// A record of writes, and of the positions they reached.
#[derive(Debug)]
pub(super) struct Memory {
    policy: ReadYourWrites,
    window: Duration,
    /// `true` if servers of this kind know their position.
    reports_positions: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    writers: HashMap<TaskOrThread, Mark>,
    /// The mark that holds for every caller.
    everyone: Option<Mark>,
    /// Number of notes so far.
    notes: u64,
}

impl Memory {
    pub(super) fn new(policy: ReadYourWrites, window: Duration, reports_positions: bool) -> Self {
        Self {
            policy,
            window: window.min(LONGEST),
            reports_positions,
            known: Mutex::default(),
        }
    }

    /// Notes that a caller has written, or may have.
    pub(super) fn wrote(&self, who: TaskOrThread, now: Instant) {
        let mut known = self.known.lock();
        known.notes += 1;
        // The next answer of the primary covers everything noted before.
        let mut mark = Mark::new(known.notes, now, Reach::Unasked);
        if !self.reports_positions {
            mark.reach = Reach::Anywhere;
            mark.wait(now + self.window);
        }
        match self.policy {
            ReadYourWrites::Off => {}
            ReadYourWrites::Database => known.everyone = Some(mark),
            ReadYourWrites::Task => known.insert(who, mark, now),
        }
    }

    /// Notes that a caller is to see what lies before a position, no matter who wrote it.
    pub(super) fn follows(&self, who: TaskOrThread, position: &Position, now: Instant) {
        self.add(who, now, |mark| mark.follow(position));
    }

    /// Notes that a caller is to read from the primary for so long, and for no longer than the window.
    pub(super) fn stays(&self, who: TaskOrThread, left: Duration, now: Instant) {
        let left = left.min(self.window);
        if !left.is_zero() {
            self.add(who, now, |mark| mark.wait(now + left));
        }
    }

    /// Adds to the mark of a caller, of which nothing may be known yet.
    fn add(&self, who: TaskOrThread, now: Instant, change: impl FnOnce(&mut Mark)) {
        if self.policy == ReadYourWrites::Off {
            return;
        }
        let mut known = self.known.lock();
        known.notes += 1;
        let new = || Mark::new(known.notes, now, Reach::Anywhere);
        let mut mark = known.writers.get(&who).cloned().unwrap_or_else(new);
        (mark.number, mark.at) = (known.notes, now);
        change(&mut mark);
        known.insert(who, mark, now);
    }

    /// Returns the condition for the reads of a caller.
    pub(super) fn requirement(&self, who: TaskOrThread, now: Instant) -> Requirement {
        let mut known = self.known.lock();
        if known.writers.get(&who).is_some_and(|mark| mark.is_over(now)) {
            known.writers.remove(&who);
        }
        known.everyone.take_if(|mark| mark.is_over(now));
        let notes = known.notes;
        let Known { writers, everyone, .. } = &mut *known;
        let (mut own, everyone) = (writers.get_mut(&who), everyone.as_ref());
        let marks = || own.as_deref().into_iter().chain(everyone);
        if marks().any(Mark::is_unasked) {
            return Requirement::Unasked(notes);
        }
        if marks().any(|mark| mark.waits(now)) {
            return Requirement::Primary;
        }
        let mut places = marks().filter_map(Mark::reported);
        let later = match (places.next(), places.next()) {
            (None, _) => return Requirement::Clear,
            (Some(only), None) => Some(only),
            (Some(one), Some(other)) => one.later(other),
        };
        if let Some(reported) = later {
            return Requirement::At(reported.position.clone());
        }
        drop(places);
        // Only the primary knows a position after both.
        if let Some(own) = &mut own {
            (own.reach, own.at) = (Reach::Unasked, now);
        }
        Requirement::Unasked(notes)
    }

    /// Notes the answer of the primary, which was asked after `notes` notes: its position, if it can report one.
    pub(super) fn answered(&self, who: TaskOrThread, notes: u64, position: Option<Position>, asked: Instant) {
        let reported = position.map(|position| ReportedPosition {
            position,
            asked: Some(asked),
        });
        self.settle(who, |mark| {
            if mark.number > notes || !mark.is_unasked() {
                return;
            }
            mark.reach = reported.clone().map_or(Reach::Anywhere, Reach::At);
            if reported.is_none() {
                mark.wait(mark.at + self.window);
            }
        });
    }

    /// Notes that the replicas cannot report whether they have reached `position`; only time can.
    pub(super) fn unreported(&self, who: TaskOrThread, position: &Position, now: Instant) {
        // Others may have given this caller another position than the one that holds for every caller.
        self.settle(who, |mark| {
            if mark.reported().is_some_and(|reported| reported.position == *position) {
                mark.reach = Reach::Anywhere;
                mark.wait(now + self.window);
            }
        });
    }

    fn settle(&self, who: TaskOrThread, change: impl Fn(&mut Mark)) {
        let mut known = self.known.lock();
        let Known { writers, everyone, .. } = &mut *known;
        writers.get_mut(&who).into_iter().chain(everyone).for_each(change);
    }
}

impl Known {
    fn insert(&mut self, who: TaskOrThread, mark: Mark, now: Instant) {
        if self.writers.len() >= MOST && !self.writers.contains_key(&who) {
            self.make_room(now);
        }
        self.writers.insert(who, mark);
    }

    /// Makes room: unless enough marks are over, every caller counts as a writer from now on.
    fn make_room(&mut self, now: Instant) {
        self.writers.retain(|_, mark| !mark.is_over(now));
        if self.writers.len() < MOST / 2 {
            return;
        }
        self.writers.clear();
        self.everyone = Some(Mark::new(self.notes, now, Reach::Unasked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);

    fn me() -> TaskOrThread {
        TaskOrThread::current()
    }

    fn somebody_else() -> TaskOrThread {
        std::thread::spawn(TaskOrThread::current).join().unwrap()
    }

    fn ids(ids: &str) -> Position {
        Position::Transactions {
            maria: true,
            ids: ids.into(),
        }
    }

    fn memory(policy: ReadYourWrites) -> Memory {
        Memory::new(policy, WINDOW, true)
    }

    #[test]
    fn r6_a_writer_is_distinguished_from_others() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        memory.wrote(me(), now);
        assert_eq!(memory.requirement(somebody_else(), now), Requirement::Clear);
        assert_eq!(memory.requirement(me(), now), Requirement::Unasked(1));
        memory.answered(me(), 1, Some(Position::Log(7)), now);
        assert_eq!(memory.requirement(me(), now), Requirement::At(Position::Log(7)));
        memory.wrote(me(), now);
        assert_eq!(memory.requirement(me(), now), Requirement::Unasked(2));
    }

    #[test]
    fn r6_an_answer_does_not_cover_what_was_written_after_the_question() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        memory.wrote(me(), now);
        let Requirement::Unasked(writes) = memory.requirement(me(), now) else {
            panic!("nothing was asked yet");
        };
        memory.wrote(me(), now);
        memory.answered(me(), writes, Some(Position::Log(7)), now);
        assert_eq!(memory.requirement(me(), now), Requirement::Unasked(2));
    }

    #[test]
    fn r6_without_positions_the_window_decides() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        memory.wrote(me(), now);
        memory.answered(me(), 1, None, now);
        assert_eq!(memory.requirement(me(), now + WINDOW / 2), Requirement::Primary);
        assert_eq!(memory.requirement(me(), now + WINDOW), Requirement::Clear);
        memory.wrote(me(), now);
        memory.answered(me(), 2, Some(Position::Log(1)), now);
        let later = now + WINDOW;
        memory.unreported(me(), &Position::Log(1), later);
        assert_eq!(
            memory.requirement(me(), later + WINDOW / 2),
            Requirement::Primary,
            "from when that was known"
        );
        assert_eq!(memory.requirement(me(), later + WINDOW), Requirement::Clear);
    }

    #[test]
    fn r6_who_follows_a_bookmark_keeps_what_it_wrote_itself() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        let at = |bytes| Requirement::At(Position::Log(bytes));
        memory.follows(me(), &Position::Log(5), now);
        assert_eq!(memory.requirement(me(), now), at(5));
        memory.follows(me(), &Position::Log(4), now);
        assert_eq!(memory.requirement(me(), now), at(5));
        memory.follows(me(), &Position::Log(6), now);
        assert_eq!(memory.requirement(me(), now), at(6));
        memory.wrote(me(), now);
        memory.follows(me(), &Position::Log(9), now);
        assert!(
            matches!(memory.requirement(me(), now), Requirement::Unasked(_)),
            "the answer covers both"
        );
        let who = somebody_else();
        memory.follows(who, &ids("0-1-7"), now);
        assert_eq!(memory.requirement(who, now), Requirement::At(ids("0-1-7")));
        memory.follows(who, &ids("0-1-8"), now);
        assert!(
            matches!(memory.requirement(who, now), Requirement::Unasked(_)),
            "nobody here can compare them"
        );
    }

    #[test]
    fn r6_a_bookmark_does_not_hide_what_others_wrote() {
        let (memory, now) = (memory(ReadYourWrites::Database), Instant::now());
        let at = |bytes| Requirement::At(Position::Log(bytes));
        memory.wrote(somebody_else(), now);
        memory.answered(somebody_else(), 1, Some(Position::Log(9)), now);
        memory.follows(me(), &Position::Log(5), now + WINDOW);
        assert_eq!(memory.requirement(me(), now + WINDOW), at(9));
        memory.follows(me(), &Position::Log(12), now + WINDOW);
        assert_eq!(memory.requirement(me(), now + WINDOW), at(12));
        assert_eq!(memory.requirement(somebody_else(), now + WINDOW), at(9));
    }

    #[test]
    fn r6_positions_that_nobody_can_compare_are_asked_for_once() {
        let (memory, now) = (memory(ReadYourWrites::Database), Instant::now());
        memory.wrote(somebody_else(), now);
        memory.answered(somebody_else(), 1, Some(ids("0-1-9")), now);
        memory.follows(me(), &ids("0-1-5"), now);
        let Requirement::Unasked(notes) = memory.requirement(me(), now) else {
            panic!("the primary knows");
        };
        memory.answered(me(), notes, Some(ids("0-1-10")), now + WINDOW);
        assert_eq!(
            memory.requirement(me(), now + WINDOW),
            Requirement::At(ids("0-1-10")),
            "it was asked later"
        );
        assert_eq!(memory.requirement(somebody_else(), now), Requirement::At(ids("0-1-9")));
    }

    #[test]
    fn r6_a_bookmark_and_a_time_both_hold() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        let (half, at) = (now + WINDOW / 2, Requirement::At(Position::Log(5)));
        memory.follows(me(), &Position::Log(5), now);
        memory.stays(me(), WINDOW, now);
        assert_eq!(memory.requirement(me(), half), Requirement::Primary);
        assert_eq!(memory.requirement(me(), now + WINDOW), at);

        let who = somebody_else();
        memory.wrote(who, now);
        memory.answered(who, 3, None, now);
        memory.follows(who, &Position::Log(5), now);
        assert_eq!(
            memory.requirement(who, half),
            Requirement::Primary,
            "its own write counts"
        );
        assert_eq!(memory.requirement(who, now + WINDOW), at);
    }

    #[test]
    fn r6_what_nobody_can_check_of_one_holds_for_others() {
        let (memory, now) = (memory(ReadYourWrites::Database), Instant::now());
        memory.wrote(somebody_else(), now);
        memory.answered(somebody_else(), 1, Some(Position::Log(5)), now);
        memory.follows(me(), &Position::Log(9), now);
        memory.unreported(me(), &Position::Log(9), now);
        assert_eq!(memory.requirement(me(), now), Requirement::Primary);
        assert_eq!(
            memory.requirement(somebody_else(), now),
            Requirement::At(Position::Log(5))
        );
        memory.unreported(somebody_else(), &Position::Log(5), now);
        assert_eq!(
            memory.requirement(somebody_else(), now),
            Requirement::Primary,
            "it was the position of all"
        );
    }

    #[test]
    fn r6_a_window_without_end_runs_over_no_clock() {
        let (memory, now) = (Memory::new(ReadYourWrites::Task, Duration::MAX, false), Instant::now());
        memory.wrote(me(), now);
        memory.stays(me(), Duration::MAX, now);
        assert_eq!(memory.requirement(me(), now + LONGEST / 2), Requirement::Primary);
    }

    #[test]
    fn r6_a_bookmark_of_time_lasts_no_longer_than_the_window() {
        let memory = Memory::new(ReadYourWrites::Task, WINDOW, false);
        let now = Instant::now();
        memory.stays(me(), Duration::ZERO, now);
        assert_eq!(memory.requirement(me(), now), Requirement::Clear);
        memory.stays(me(), WINDOW / 2, now);
        assert_eq!(memory.requirement(me(), now), Requirement::Primary);
        assert_eq!(memory.requirement(me(), now + WINDOW / 2), Requirement::Clear);
        memory.stays(me(), WINDOW * 100, now);
        assert_eq!(memory.requirement(me(), now + WINDOW), Requirement::Clear);
    }

    #[test]
    fn r6_a_kind_of_server_that_never_tells_is_not_asked() {
        let (memory, now) = (Memory::new(ReadYourWrites::Task, WINDOW, false), Instant::now());
        memory.wrote(me(), now);
        assert_eq!(memory.requirement(me(), now), Requirement::Primary);
        assert_eq!(memory.requirement(me(), now + WINDOW), Requirement::Clear);
    }

    #[test]
    fn r6_the_policy_says_who_is_meant() {
        let now = Instant::now();
        let everybody = memory(ReadYourWrites::Database);
        everybody.wrote(me(), now);
        assert_eq!(everybody.requirement(somebody_else(), now), Requirement::Unasked(1));
        everybody.answered(somebody_else(), 1, Some(Position::Log(3)), now);
        assert_eq!(everybody.requirement(me(), now), Requirement::At(Position::Log(3)));
        let nobody = memory(ReadYourWrites::Off);
        nobody.wrote(me(), now);
        assert_eq!(nobody.requirement(me(), now), Requirement::Clear);
    }

    #[test]
    fn r6_the_memory_is_bounded_and_forgets_no_write() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut tasks = Vec::new();
        for _ in 0..=MOST {
            let task = runtime.spawn(async { TaskOrThread::current() });
            let who = runtime.block_on(task).unwrap();
            memory.wrote(who, now);
            tasks.push(who);
        }
        assert!(memory.known.lock().writers.len() <= MOST);
        for who in tasks {
            assert!(matches!(memory.requirement(who, now), Requirement::Unasked(_)));
        }
    }
}
