//! The place of a process: started when the first connection needs it, and again after it has ended.

use std::ffi::OsString;
use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::link::Link;
use super::process;
use super::shared_link::spawn;
use super::target::{Sharing, SidecarKind, Target};
#[cfg(feature = "odbc")]
use super::thread;
use crate::error::{Error, ErrorKind, Result};

/// Starts a process, without a limit that a secret could be shown in. Called on a thread of its own.
type Start = Box<dyn Fn(&[String]) -> Result<Link> + Send + Sync>;
/// The result of a start, for all that wait for it.
type Started = Result<Arc<Link>, Arc<Error>>;

/// The place of a process that connections share.
pub(super) struct SidecarSlot {
    start: Start,
    state: Mutex<State>,
}

enum State {
    /// It was not needed yet, or has failed to start.
    Idle,
    Starting(watch::Receiver<Option<Started>>),
    Running(Arc<Link>),
}

/// The places that the whole program shares, with what tells them apart.
static PROGRAMS: Mutex<Vec<(Key, Weak<SidecarSlot>)>> = Mutex::new(Vec::new());

#[derive(PartialEq, Eq)]
struct Key {
    kind: SidecarKind,
    command: Vec<OsString>,
    /// The module of Python.
    module: Option<String>,
}

impl SidecarSlot {
    pub(super) fn new(start: Start) -> Arc<Self> {
        Arc::new(Self {
            start,
            state: Mutex::new(State::Idle),
        })
    }

    /// Returns the place for a target.
    pub(super) fn of(target: &Target) -> Arc<Self> {
        let (kind, limit) = (target.kind, target.limits.start);
        let command = target.command.clone();
        let new = || {
            let command = command.clone();
            Self::new(match kind {
                #[cfg(feature = "odbc")]
                SidecarKind::Odbc => Box::new(|_| thread::start()),
                kind => Box::new(move |secrets| process::start(kind, &command, secrets, limit)),
            })
        };
        if target.shared == Sharing::Connection {
            return new();
        }
        let module = target.open.iter().find(|(name, _)| name == "module");
        let key = Key {
            kind,
            command: command.clone(),
            module: module.map(|(_, module)| module.clone()),
        };
        let mut programs = PROGRAMS.lock();
        programs.retain(|(_, slot)| slot.strong_count() > 0);
        let known = programs.iter().find(|(known, _)| *known == key);
        if let Some(slot) = known.and_then(|(_, slot)| slot.upgrade()) {
            return slot;
        }
        let slot = new();
        programs.push((key, Arc::downgrade(&slot)));
        slot
    }

    /// Returns the link to the process, which is started if none is there. All that come meanwhile wait for one start.
    pub(super) async fn link(self: &Arc<Self>, secrets: &[String]) -> Result<Arc<Link>> {
        let mut started = match self.look(secrets)? {
            Ok(link) => {
                link.hide(secrets);
                return Ok(link);
            }
            Err(starting) => starting,
        };
        let result = started.wait_for(Option::is_some).await.map(|result| result.clone());
        match result {
            Ok(Some(Ok(link))) => {
                link.hide(secrets);
                Ok(link)
            }
            Ok(Some(Err(error))) => {
                let again = Error::new(error.kind(), error.message().to_owned());
                Err(match error.advice() {
                    Some(help) => again.help(help.to_owned()),
                    None => again,
                })
            }
            _ => Err(Error::new(ErrorKind::Connect, "the start of a process was given up")),
        }
    }

    /// Returns the link, or what tells of it once the process has started.
    fn look(self: &Arc<Self>, secrets: &[String]) -> Result<Result<Arc<Link>, watch::Receiver<Option<Started>>>> {
        let mut state = self.state.lock();
        match &*state {
            State::Running(link) if !link.has_ended() => return Ok(Ok(Arc::clone(link))),
            State::Starting(starting) => return Ok(Err(starting.clone())),
            State::Running(_) | State::Idle => {}
        }
        let (tell, starting) = watch::channel(None);
        let (slot, secrets) = (Arc::clone(self), secrets.to_vec());
        spawn("ebbtide-start", move || {
            let started = (slot.start)(&secrets).map(Arc::new).map_err(Arc::new);
            *slot.state.lock() = match &started {
                Ok(link) => State::Running(Arc::clone(link)),
                Err(_) => State::Idle,
            };
            tell.send_replace(Some(started));
        })
        .map_err(|why| Error::new(ErrorKind::Driver, format!("no thread can be started: {why}")))?;
        *state = State::Starting(starting.clone());
        Ok(Err(starting))
    }
}

impl fmt::Debug for SidecarSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidecarSlot").finish_non_exhaustive()
    }
}
