//! The mark of one reader: the position a replica must have reached, or the time until which none will do. No I/O, and
//! no clock except the times it receives.

use std::time::Instant;

use crate::backend::Position;

#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Number of this note among all notes.
    pub(super) number: u64,
    pub(super) at: Instant,
    pub(super) reach: Reach,
    /// Time until which the primary is to be read from, because no more is known.
    pub(super) until: Option<Instant>,
}

/// The condition for the reads of one caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Requirement {
    /// No condition: any replica will do.
    Clear,
    /// The primary has to be asked for its position. Contains the number of notes that the answer covers.
    Unasked(u64),
    /// A replica has to have reached this position.
    At(Position),
    /// The primary has to be read from, for a while.
    Primary,
}

/// The position that a replica must have reached.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// Any position.
    Anywhere,
    /// The position of the primary, which was not asked yet.
    Unasked,
    At(ReportedPosition),
}

/// A position, and its source.
#[derive(Clone, Debug)]
pub(super) struct ReportedPosition {
    pub(super) position: Position,
    /// Time at which the primary was asked for it; `None` for a bookmark, which may be older than anything else.
    pub(super) asked: Option<Instant>,
}

impl ReportedPosition {
    /// Returns the one of two that is not before the other, if that can be seen from here.
    pub(super) fn later<'t>(&'t self, other: &'t Self) -> Option<&'t Self> {
        match (self.asked, other.asked) {
            // A note from before the primary was asked lies before its answer.
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

    /// Returns whether the next answer of the primary covers this mark.
    pub(super) fn is_unasked(&self) -> bool {
        matches!(self.reach, Reach::Unasked)
    }

    pub(super) fn reported(&self) -> Option<&ReportedPosition> {
        match &self.reach {
            Reach::At(reported) => Some(reported),
            _ => None,
        }
    }

    /// Returns whether no replica will do yet.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        matches!(self.reach, Reach::Anywhere) && !self.waits(now)
    }

    /// Makes reads go to the primary at least until then.
    pub(super) fn wait(&mut self, until: Instant) {
        self.until = self.until.max(Some(until));
    }

    /// Requires a replica to have what a bookmark names, too.
    pub(super) fn follow(&mut self, position: &Position) {
        let reported = ReportedPosition {
            position: position.clone(),
            asked: None,
        };
        self.reach = match &self.reach {
            Reach::Anywhere => Reach::At(reported),
            Reach::Unasked => Reach::Unasked,
            Reach::At(own) => own.later(&reported).cloned().map_or(Reach::Unasked, Reach::At),
        };
    }
}
