//! What one reader has to look out for: how far a replica must be, or until when none will do. No I/O, and no clock but the
//! times it is told.

use std::time::Instant;

use crate::backend::Position;

#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Which of all notes it was.
    pub(super) number: u64,
    pub(super) at: Instant,
    pub(super) reach: Reach,
    /// Until then the primary is to be read from, because nobody can tell more.
    pub(super) until: Option<Instant>,
}

/// What someone who wants to read has to look out for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: any replica will do.
    Clear,
    /// The primary has to be asked how far it is. With the number of notes that the answer covers.
    Unasked(u64),
    /// A replica has to have come so far.
    At(Position),
    /// The primary has to be read from, for a while.
    Untold,
}

/// How far a replica must be.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// That does not matter.
    Anywhere,
    /// As far as the primary, which was not asked yet.
    Unasked,
    At(Told),
}

/// A position, and who told it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) position: Position,
    /// When the primary was asked for it; `None` of a bookmark, which may be older than anything else.
    pub(super) asked: Option<Instant>,
}

impl Told {
    /// The one of two that is not before the other, if that can be seen from here.
    pub(super) fn later<'t>(&'t self, other: &'t Self) -> Option<&'t Self> {
        match (self.asked, other.asked) {
            // What was noted before the primary was asked lies before its answer.
            (Some(here), Some(there)) => Some(if here >= there { self } else { other }),
            _ if self.position.covers(&other.position) => Some(self),
            _ => other.position.covers(&self.position).then_some(other),
        }
    }
}

impl Mark {
    pub(super) fn new(number: u64, at: Instant, reach: Reach) -> Self {
        Self {
            number,
            at,
            reach,
            until: None,
        }
    }

    /// What the primary will say covers this mark.
    pub(super) fn is_unasked(&self) -> bool {
        matches!(self.reach, Reach::Unasked)
    }

    pub(super) fn told(&self) -> Option<&Told> {
        match &self.reach {
            Reach::At(told) => Some(told),
            _ => None,
        }
    }

    /// Whether no replica will do yet.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        matches!(self.reach, Reach::Anywhere) && !self.waits(now)
    }

    /// The primary is read from at least until then.
    pub(super) fn wait(&mut self, until: Instant) {
        self.until = self.until.max(Some(until));
    }

    /// A replica has to have what a bookmark names, too.
    pub(super) fn follow(&mut self, position: &Position) {
        let told = Told {
            position: position.clone(),
            asked: None,
        };
        self.reach = match &self.reach {
            Reach::Anywhere => Reach::At(told),
            Reach::Unasked => Reach::Unasked,
            Reach::At(own) => own.later(&told).cloned().map_or(Reach::Unasked, Reach::At),
        };
    }
}
