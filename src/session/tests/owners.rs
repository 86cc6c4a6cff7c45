//! T9: the level that plain calls run on, over every short history of three owners.

use std::sync::Arc;

use super::{engine, here};
use crate::backend::fake::FakeConnector;
use crate::pool::{Claim, Writer};
use crate::session::engine::Engine;
use crate::session::level::{ConnectionSlot, Ended, Level, LevelKind};
use crate::session::scope::chain::Chain;
use crate::session::scope::handle::LevelHandle;
use crate::session::scope::unbound::Unbound;

const OWNERS: usize = 3;

/// A step that an owner may take.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Use the guard itself.
    Use(usize),
    /// End it explicitly.
    End,
    /// Drop it.
    Drop,
}

const STEPS: [Step; OWNERS + 2] = [Step::Use(0), Step::Use(1), Step::Use(2), Step::End, Step::Drop];

/// The expected state, in the plainest terms.
#[derive(Debug)]
struct Model {
    holder: usize,
    /// Set for each owner that has ever used it.
    met: [bool; OWNERS],
    ended: bool,
    dropped: bool,
}

/// The result of a plain call of an owner.
#[derive(Debug, PartialEq, Eq)]
enum Plain {
    Bound,
    Refused,
    Free,
}

impl Model {
    fn new() -> Self {
        Self {
            holder: 0,
            met: [true, false, false],
            ended: false,
            dropped: false,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Use(owner) if !self.ended && !self.dropped => {
                self.holder = owner;
                self.met[owner] = true;
            }
            Step::Use(_) => {}
            Step::End => self.ended = true,
            Step::Drop => self.dropped = true,
        }
    }

    fn plain(&self, owner: usize, closure: bool) -> Plain {
        if self.dropped {
            return Plain::Free;
        }
        if self.ended {
            // The rest of a closure finds its transaction, which has ended.
            let of_closure = closure && owner == 0;
            return if of_closure { Plain::Bound } else { Plain::Free };
        }
        if self.holder == owner {
            Plain::Bound
        } else if self.met[owner] {
            Plain::Refused
        } else {
            Plain::Free
        }
    }
}

/// Returns chains of owners next to each other, as joined `run`s or tasks are.
async fn chains() -> [Chain; OWNERS] {
    let mut chains = Vec::new();
    for _ in 0..OWNERS {
        let scope = Chain::current().enter(Vec::new());
        chains.push(scope.run(async { Chain::current() }).await);
    }
    chains.try_into().unwrap()
}

fn play(engine: &Arc<Engine>, chains: &[Chain; OWNERS], closure: bool, history: &[Step]) {
    let kind = LevelKind::Transaction { closure };
    let level = Level::new(engine, kind, 1, here(), None, ConnectionSlot::Vacant);
    let mut handle = Some(LevelHandle::new(Arc::clone(&level)));
    let mut model = Model::new();
    handle.as_ref().unwrap().bind(chains[0].innermost());
    for step in history {
        match (step, &handle) {
            (Step::Use(owner), Some(handle)) => handle.adopt(&chains[*owner], here()),
            (Step::End, Some(handle)) => {
                let ended = Ended::RolledBack(std::panic::Location::caller());
                level.state.lock().ended.get_or_insert(ended);
                handle.retire();
            }
            (Step::Drop, _) => handle = None,
            (_, None) => {}
        }
        model.take(*step);
        for (owner, chain) in chains.iter().enumerate() {
            let found = match engine.bound(chain) {
                Ok(Some(_)) => Plain::Bound,
                Ok(None) => Plain::Free,
                Err(Unbound::Away { .. }) => Plain::Refused,
                Err(Unbound::Ended) => panic!("nothing is shared"),
            };
            assert_eq!(
                found,
                model.plain(owner, closure),
                "owner {owner} after {history:?} up to {step:?}, closure: {closure}"
            );
        }
    }
    drop(handle);
    assert_eq!(engine.bindings.len(), 0, "{history:?}");
}

#[tokio::test]
async fn t9_no_history_has_two_holders_or_lets_a_displaced_owner_run_outside() {
    let engine = engine(&FakeConnector::default(), false);
    let chains = chains().await;
    for length in 1..=5 {
        for number in 0..STEPS.len().pow(length) {
            let mut rest = number;
            let history: Vec<_> = (0..length)
                .map(|_| {
                    let step = STEPS[rest % STEPS.len()];
                    rest /= STEPS.len();
                    step
                })
                .collect();
            for closure in [false, true] {
                play(&engine, &chains, closure, &history);
            }
        }
    }
}

/// Checks that an owner's name that is used again, as the number of a task might be, is refused as long as the guard
/// lives.
#[tokio::test]
async fn t9_a_name_that_is_used_again_never_runs_outside_of_what_it_was_bound_to() {
    let engine = engine(&FakeConnector::default(), false);
    let [first, second, _] = chains().await;
    let again = first.clone();
    let kind = LevelKind::Transaction { closure: false };
    let handle = LevelHandle::new(Level::new(&engine, kind, 1, here(), None, ConnectionSlot::Vacant));
    handle.bind(first.innermost());
    drop(first);
    handle.adopt(&second, here());
    let refused = engine.bound(&again).unwrap_err().error(std::panic::Location::caller());
    assert_eq!(refused.kind(), crate::ErrorKind::ConcurrentUse, "{refused}");
    drop(handle);
    assert!(engine.bound(&again).unwrap().is_none());
}

/// Checks that a dropped connection leaves no transaction of SQL text to its owner, although another writer that asks whose
/// turn it is may refer to it for a moment more.
#[tokio::test]
async fn t9_a_dropped_connection_has_no_owner_found_a28() {
    let engine = engine(&FakeConnector::default(), false);
    let [first, _, _] = chains().await;
    let handle = engine.connection(here());
    handle.bind(first.innermost());
    let asking = Arc::clone(&handle.level);
    asking.note_text(None, here());
    assert_eq!(Writer::owner(&*asking), Some(Chain::current().innermost()));
    let another = LevelHandle::new(Arc::clone(&asking));
    drop(handle);
    assert_eq!(Writer::owner(&*asking), Some(Chain::current().innermost()));
    drop(another);
    assert_eq!(Writer::owner(&*asking), None);

    let claim = Claim::new(first.innermost());
    let asking = claim.as_writer().upgrade().unwrap();
    assert_eq!(asking.owner(), Some(first.innermost()));
    drop(claim);
    assert_eq!(asking.owner(), None);
}
