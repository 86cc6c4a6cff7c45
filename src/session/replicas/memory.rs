//! Who wrote what the replicas may not have yet. No I/O, and no clock but the times it is told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backend::Position;
use crate::config::ReadYourWrites;
use crate::pool::Who;

/// How many writers are remembered one by one. Who ends says nothing, so beyond that all are taken for writers.
const MOST: usize = 1_024;

/// What was written, and how far that went.
#[derive(Debug)]
pub(super) struct Memory {
    policy: ReadYourWrites,
    window: Duration,
    /// Whether servers of this kind know how far they are.
    tells: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    writers: HashMap<Who, Mark>,
    /// Holds for everybody.
    everyone: Option<Mark>,
    /// How many writes there were.
    writes: u64,
}

/// A writer's latest write.
#[derive(Clone, Debug)]
struct Mark {
    /// Which of all writes it was.
    number: u64,
    at: Instant,
    reach: Reach,
}

/// How far the primary was after a write.
#[derive(Clone, Debug)]
enum Reach {
    /// It was not asked yet.
    Unasked,
    At {
        position: Position,
        asked: Instant,
    },
    /// Nobody can tell.
    Untold,
}

/// What someone who wants to read has to look out for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: any replica will do.
    Clear,
    /// The primary has to be asked how far it is. With the number of writes that the answer covers.
    Unasked(u64),
    /// A replica has to have come so far.
    At(Position),
    /// The primary has to be read from, for a while.
    Untold,
}

impl Mark {
    fn is_over(&self, now: Instant, window: Duration) -> bool {
        matches!(self.reach, Reach::Untold) && now.duration_since(self.at) >= window
    }
}

impl Memory {
    pub(super) fn new(policy: ReadYourWrites, window: Duration, tells: bool) -> Self {
        Self {
            policy,
            window,
            tells,
            known: Mutex::default(),
        }
    }

    /// Notes that somebody has written, or may have.
    pub(super) fn wrote(&self, who: Who, now: Instant) {
        let reach = if self.tells { Reach::Unasked } else { Reach::Untold };
        self.mark(who, now, reach);
    }

    /// Notes that somebody is to see what lies before a position, whoever wrote it.
    pub(super) fn follows(&self, who: Who, position: &Position, now: Instant) {
        let reach = |known: &Reach| match known {
            // What the primary will say covers both.
            Reach::Unasked => Reach::Unasked,
            Reach::At { position: own, .. } if !position.covers(own) => {
                if own.covers(position) {
                    known.clone()
                } else {
                    Reach::Unasked
                }
            }
            Reach::At { .. } | Reach::Untold => Reach::At {
                position: position.clone(),
                asked: now,
            },
        };
        self.add(who, now, &reach);
    }

    /// Notes that somebody is to read from the primary for so long.
    pub(super) fn stays(&self, who: Who, left: Duration, now: Instant) {
        let left = left.min(self.window);
        if !left.is_zero() {
            // As if it had been written when so much of the window was left.
            let at = now.checked_sub(self.window.saturating_sub(left)).unwrap_or(now);
            self.add(who, at, &Reach::clone);
        }
    }

    /// Adds to what is known of somebody, of whom nothing may be known yet.
    fn add(&self, who: Who, at: Instant, reach: &dyn Fn(&Reach) -> Reach) {
        if self.policy == ReadYourWrites::Off {
            return;
        }
        let mut known = self.known.lock();
        known.writes += 1;
        let own = known.writers.get(&who);
        let mark = Mark {
            number: known.writes,
            at: own.map_or(at, |own| own.at.max(at)),
            reach: reach(own.map_or(&Reach::Untold, |own| &own.reach)),
        };
        known.insert(who, mark, at, self.window);
    }

    fn mark(&self, who: Who, now: Instant, reach: Reach) {
        let mut known = self.known.lock();
        known.writes += 1;
        let mark = Mark {
            number: known.writes,
            at: now,
            reach,
        };
        match self.policy {
            ReadYourWrites::Off => {}
            ReadYourWrites::Database => known.everyone = Some(mark),
            ReadYourWrites::Task => known.insert(who, mark, now, self.window),
        }
    }

    /// What has to be looked out for when somebody reads.
    pub(super) fn standing(&self, who: Who, now: Instant) -> Standing {
        let mut known = self.known.lock();
        if known
            .writers
            .get(&who)
            .is_some_and(|mark| mark.is_over(now, self.window))
        {
            known.writers.remove(&who);
        }
        known.everyone.take_if(|mark| mark.is_over(now, self.window));
        let marks = || known.writers.get(&who).into_iter().chain(&known.everyone);
        if marks().any(|mark| matches!(mark.reach, Reach::Unasked)) {
            return Standing::Unasked(known.writes);
        }
        if marks().any(|mark| matches!(mark.reach, Reach::Untold)) {
            return Standing::Untold;
        }
        let positions = marks().filter_map(|mark| match &mark.reach {
            Reach::At { position, asked } => Some((asked, position)),
            _ => None,
        });
        // The one asked for later covers the other.
        let latest = positions.max_by_key(|(asked, _)| **asked);
        latest.map_or(Standing::Clear, |(_, position)| Standing::At(position.clone()))
    }

    /// The primary was asked after so many writes, and said where it is, if it can tell.
    pub(super) fn answered(&self, who: Who, writes: u64, position: Option<Position>, asked: Instant) {
        let reach = position.map_or(Reach::Untold, |position| Reach::At { position, asked });
        self.settle(who, |mark| {
            if mark.number <= writes && matches!(mark.reach, Reach::Unasked) {
                mark.reach = reach.clone();
            }
        });
    }

    /// The replicas cannot tell whether they have come so far; only time can.
    pub(super) fn untold(&self, who: Who) {
        self.settle(who, |mark| {
            if matches!(mark.reach, Reach::At { .. }) {
                mark.reach = Reach::Untold;
            }
        });
    }

    fn settle(&self, who: Who, change: impl Fn(&mut Mark)) {
        let mut known = self.known.lock();
        let Known { writers, everyone, .. } = &mut *known;
        writers.get_mut(&who).into_iter().chain(everyone).for_each(change);
    }
}

impl Known {
    fn insert(&mut self, who: Who, mark: Mark, now: Instant, window: Duration) {
        if self.writers.len() >= MOST && !self.writers.contains_key(&who) {
            self.make_room(now, window);
        }
        self.writers.insert(who, mark);
    }

    /// From now on everybody counts as one of those who wrote.
    fn make_room(&mut self, now: Instant, window: Duration) {
        self.writers.retain(|_, mark| !mark.is_over(now, window));
        if self.writers.len() < MOST / 2 {
            return;
        }
        self.writers.clear();
        self.everyone = Some(Mark {
            number: self.writes,
            at: now,
            reach: Reach::Unasked,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);

    fn me() -> Who {
        Who::current()
    }

    fn somebody_else() -> Who {
        std::thread::spawn(Who::current).join().unwrap()
    }

    fn memory(policy: ReadYourWrites) -> Memory {
        Memory::new(policy, WINDOW, true)
    }

    #[test]
    fn r6_a_writer_is_told_from_others() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        memory.wrote(me(), now);
        assert_eq!(memory.standing(somebody_else(), now), Standing::Clear);
        assert_eq!(memory.standing(me(), now), Standing::Unasked(1));
        memory.answered(me(), 1, Some(Position::Log(7)), now);
        assert_eq!(memory.standing(me(), now), Standing::At(Position::Log(7)));
        memory.wrote(me(), now);
        assert_eq!(memory.standing(me(), now), Standing::Unasked(2));
    }

    #[test]
    fn r6_an_answer_does_not_cover_what_was_written_after_the_question() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        memory.wrote(me(), now);
        let Standing::Unasked(writes) = memory.standing(me(), now) else {
            panic!("nothing was asked yet");
        };
        memory.wrote(me(), now);
        memory.answered(me(), writes, Some(Position::Log(7)), now);
        assert_eq!(memory.standing(me(), now), Standing::Unasked(2));
    }

    #[test]
    fn r6_where_nobody_can_tell_the_window_decides() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        memory.wrote(me(), now);
        memory.answered(me(), 1, None, now);
        assert_eq!(memory.standing(me(), now + WINDOW / 2), Standing::Untold);
        assert_eq!(memory.standing(me(), now + WINDOW), Standing::Clear);
        memory.wrote(me(), now);
        memory.answered(me(), 2, Some(Position::Log(1)), now);
        memory.untold(me());
        assert_eq!(memory.standing(me(), now), Standing::Untold);
        assert_eq!(memory.standing(me(), now + WINDOW), Standing::Clear);
    }

    #[test]
    fn r6_who_follows_a_bookmark_keeps_what_it_wrote_itself() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        let at = |bytes| Standing::At(Position::Log(bytes));
        memory.follows(me(), &Position::Log(5), now);
        assert_eq!(memory.standing(me(), now), at(5));
        memory.follows(me(), &Position::Log(4), now);
        assert_eq!(memory.standing(me(), now), at(5));
        memory.follows(me(), &Position::Log(6), now);
        assert_eq!(memory.standing(me(), now), at(6));
        memory.wrote(me(), now);
        memory.follows(me(), &Position::Log(9), now);
        assert!(
            matches!(memory.standing(me(), now), Standing::Unasked(_)),
            "the answer covers both"
        );
        let ids = |ids: &str| Position::Transactions {
            maria: true,
            ids: ids.into(),
        };
        let who = somebody_else();
        memory.follows(who, &ids("0-1-7"), now);
        assert_eq!(memory.standing(who, now), Standing::At(ids("0-1-7")));
        memory.follows(who, &ids("0-1-8"), now);
        assert!(
            matches!(memory.standing(who, now), Standing::Unasked(_)),
            "nobody here can compare them"
        );
    }

    #[test]
    fn r6_a_bookmark_of_time_lasts_no_longer_than_the_window() {
        let memory = Memory::new(ReadYourWrites::Task, WINDOW, false);
        let now = Instant::now();
        memory.stays(me(), Duration::ZERO, now);
        assert_eq!(memory.standing(me(), now), Standing::Clear);
        memory.stays(me(), WINDOW / 2, now);
        assert_eq!(memory.standing(me(), now), Standing::Untold);
        assert_eq!(memory.standing(me(), now + WINDOW / 2), Standing::Clear);
        memory.stays(me(), WINDOW * 100, now);
        assert_eq!(memory.standing(me(), now + WINDOW), Standing::Clear);
    }

    #[test]
    fn r6_a_kind_of_server_that_never_tells_is_not_asked() {
        let (memory, now) = (Memory::new(ReadYourWrites::Task, WINDOW, false), Instant::now());
        memory.wrote(me(), now);
        assert_eq!(memory.standing(me(), now), Standing::Untold);
        assert_eq!(memory.standing(me(), now + WINDOW), Standing::Clear);
    }

    #[test]
    fn r6_the_policy_says_who_is_meant() {
        let now = Instant::now();
        let everybody = memory(ReadYourWrites::Database);
        everybody.wrote(me(), now);
        assert_eq!(everybody.standing(somebody_else(), now), Standing::Unasked(1));
        everybody.answered(somebody_else(), 1, Some(Position::Log(3)), now);
        assert_eq!(everybody.standing(me(), now), Standing::At(Position::Log(3)));
        let nobody = memory(ReadYourWrites::Off);
        nobody.wrote(me(), now);
        assert_eq!(nobody.standing(me(), now), Standing::Clear);
    }

    #[test]
    fn r6_the_memory_is_bounded_and_forgets_no_write() {
        let (memory, now) = (memory(ReadYourWrites::Task), Instant::now());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut tasks = Vec::new();
        for _ in 0..=MOST {
            let task = runtime.spawn(async { Who::current() });
            let who = runtime.block_on(task).unwrap();
            memory.wrote(who, now);
            tasks.push(who);
        }
        assert!(memory.known.lock().writers.len() <= MOST);
        for who in tasks {
            assert!(matches!(memory.standing(who, now), Standing::Unasked(_)));
        }
    }
}
