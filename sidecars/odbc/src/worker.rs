//! The thread of a connection: one request after the other.

use crate::answers::{Answer, Done};
use crate::desk::{Address, Desk};
use crate::failure::Failure;
use crate::frames::{Request, RequestKind};
use crate::opening::open;
use crate::session::Session;

/// Serves requests until the last one.
pub(crate) fn serve(desk: &Desk) {
    let mut worker = Worker {
        desk,
        session: None,
        failed: false,
    };
    while let Some(request) = desk.next() {
        let closes = matches!(request.kind, RequestKind::Close);
        let answer = worker.answer(request);
        desk.finish(answer);
        if closes {
            break;
        }
    }
    // The connection is closed before its end is told.
    drop(worker);
    desk.close();
    desk.forget_answers();
}

struct Worker<'d> {
    desk: &'d Desk,
    session: Option<Session>,
    /// Set if the last statement has failed, so that those that depend on it are skipped.
    failed: bool,
}

impl Worker<'_> {
    fn answer(&mut self, request: Request) -> Answer {
        let Request { channel, number, kind } = request;
        let skips = match &kind {
            RequestKind::Run(run) => run.skip,
            RequestKind::Commit(skip) | RequestKind::Rollback(skip) => *skip,
            _ => false,
        };
        let result = match kind {
            RequestKind::Open(pairs) => match open(&pairs) {
                Ok(session) => {
                    let answer = {
                        let opened = session.opened();
                        let pairs: Vec<_> = opened.iter().map(|(name, value)| (*name, value.as_str())).collect();
                        Answer::opened(channel, number, &pairs)
                    };
                    self.session = Some(session);
                    return answer;
                }
                Err(failure) => Err(failure),
            },
            RequestKind::Close => {
                self.session = None;
                Ok(Done::default())
            }
            _ if self.desk.is_cancelled(number) => Err(Failure::cancelled()),
            _ if skips && self.failed => Err(Failure::skipped()),
            kind => self.serve(Address { channel, number }, kind),
        };
        self.failed = result.is_err();
        match result {
            Ok(done) => Answer::done(channel, number, done),
            Err(failure) => Answer::failed(channel, number, &failure),
        }
    }

    fn serve(&mut self, address: Address, kind: RequestKind) -> Result<Done, Failure> {
        let Some(session) = &mut self.session else {
            return Err(Failure::own("protocol", "the connection is not open").closing());
        };
        let result = match kind {
            RequestKind::Run(run) => session.run(self.desk, address, &run),
            RequestKind::Begin(begin) => session.begin(self.desk, &begin),
            RequestKind::Commit(_) => session.end(self.desk, true),
            RequestKind::Rollback(_) => session.end(self.desk, false),
            RequestKind::Ping => session.ping(self.desk),
            _ => Err(Failure::own("protocol", "the request is none of a connection")),
        };
        result.map_err(|failure| {
            // The driver manager closes the rows of a statement that is cancelled between two calls.
            if failure.sqlstate == "HY010" && self.desk.is_cancelled(address.number) {
                return Failure::cancelled();
            }
            session.product().explained(failure)
        })
    }
}
