//! A process that is none: threads at the other ends of two pipes, which keep to a script.

use std::collections::HashMap;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::codec::Reader;
use super::super::frame::{HEAD, LENGTH, kind};
use super::super::link::Link;
use super::super::process::welcome;
use super::super::reading::read_all;
use super::super::shared_link::{SidecarPeer, spawn};
use super::super::slot::SidecarSlot;
use super::super::target::SidecarKind;

/// The point at which the process dies, at one of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dies {
    /// It has done nothing.
    Before,
    /// It has done what was asked, and answers nothing.
    After,
    /// It has answered in part.
    HalfWay,
}

/// What a scripted process does, and what has become of its database.
#[derive(Debug, Default)]
pub(in crate::backend::sidecar) struct Script {
    /// The number of the request at which it dies, counted over all processes, and how.
    pub(super) death: Option<(usize, Dies)>,
    /// Number of requests so far.
    pub(super) asked: usize,
    /// The texts of the statements that stay.
    pub(super) kept: Vec<String>,
    /// Number of processes that were started.
    pub(super) started: usize,
    /// Texts that are answered with nothing until they are cancelled.
    pub(super) hangs: Vec<&'static str>,
    /// Texts that are answered after the end of their channel, against the order.
    pub(super) late: Vec<&'static str>,
    /// A text after which the connection ends by itself.
    pub(super) ends: Option<&'static str>,
    /// Set if `CANCEL` was received.
    pub(super) cancelled: bool,
    /// The pairs of `OPENED`.
    pub(super) opened: Vec<(&'static str, &'static str)>,
    /// Every request by its kind, and the text of statements.
    pub(super) log: Vec<String>,
}

pub(in crate::backend::sidecar) type Shared = Arc<Mutex<Script>>;

/// Returns the place of scripted processes.
pub(in crate::backend::sidecar) fn slot(script: &Shared) -> Arc<SidecarSlot> {
    let script = Arc::clone(script);
    SidecarSlot::new(Box::new(move |_| {
        let (requests, input) = pipe().unwrap();
        let (output, answers) = pipe().unwrap();
        script.lock().started += 1;
        let process = Process {
            script: Arc::clone(&script),
            answers,
            channels: HashMap::new(),
        };
        spawn("scripted", move || process.serve(requests)).unwrap();
        let link = Link::new(Box::new(input), Box::new(Nobody));
        let (answers, shared) = (link.of_process(), link.shared());
        spawn("scripted-read", move || read_all(&shared, output)).unwrap();
        welcome(
            SidecarKind::Jdbc,
            &"scripted".into(),
            &link,
            &answers,
            Duration::from_secs(10),
        )?;
        Ok(link)
    }))
}

/// A process that ends with its pipes.
struct Nobody;

impl SidecarPeer for Nobody {
    fn kill(&self) {}

    fn reap(&self, _grace: Duration) -> String {
        "the scripted process ended".to_owned()
    }
}

struct Process {
    script: Shared,
    answers: PipeWriter,
    channels: HashMap<u32, Connection>,
}

#[derive(Default)]
struct Connection {
    in_transaction: bool,
    /// The texts of the open transaction.
    pending: Vec<String>,
    failed: bool,
    hanging: Option<u32>,
    late: Option<u32>,
    ended: bool,
}

/// A request as it arrived.
struct Asked {
    channel: u32,
    request: u32,
    kind: u8,
    payload: Vec<u8>,
}

fn next(pipe: &mut PipeReader) -> Option<Asked> {
    let mut length = [0; LENGTH];
    pipe.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    pipe.read_exact(&mut frame).ok()?;
    let mut reader = Reader::new("a request", &frame);
    Some(Asked {
        channel: reader.u32().ok()?,
        request: reader.u32().ok()?,
        kind: reader.u8().ok()?,
        payload: frame[HEAD..].to_vec(),
    })
}

impl Process {
    fn serve(mut self, mut requests: PipeReader) {
        while let Some(asked) = next(&mut requests) {
            if asked.kind == kind::MORE {
                continue;
            }
            if asked.kind == kind::CANCEL {
                self.script.lock().cancelled = true;
                let hanging = self
                    .channels
                    .get_mut(&asked.channel)
                    .and_then(|channel| channel.hanging.take());
                if let Some(request) = hanging {
                    let failed = failed(0, "cancelled");
                    self.write(asked.channel, request, &[(kind::FAILED, failed)]);
                }
                continue;
            }
            let death = {
                let mut script = self.script.lock();
                script.asked += 1;
                let now = script.asked;
                script.death.filter(|(at, _)| *at == now).map(|(_, how)| how)
            };
            if death == Some(Dies::Before) {
                return;
            }
            let answers = self.act(&asked);
            match death {
                Some(Dies::After) => return,
                Some(_) => {
                    let bytes: Vec<u8> = answers.iter().flat_map(|answer| frame(&asked, answer)).collect();
                    let _ = self.answers.write_all(&bytes[..bytes.len() / 2]);
                    return;
                }
                None => self.write(asked.channel, asked.request, &answers),
            }
            self.end(&asked);
        }
    }

    /// Writes what comes after the last answer of a channel.
    fn end(&mut self, asked: &Asked) {
        let Some(channel) = self.channels.get_mut(&asked.channel) else {
            return;
        };
        let late = channel.late.take_if(|_| asked.kind == kind::CLOSE);
        let ends = asked.kind == kind::RUN && {
            let script = self.script.lock();
            script.ends.is_some() && script.log.last().map(String::as_str) == script.ends
        };
        channel.ended |= ends;
        if let Some(request) = late {
            self.write(asked.channel, request, &[(kind::FAILED, failed(3, "too late"))]);
        }
        if ends {
            self.write(asked.channel, 0, &[(kind::FAILED, failed(0, "hunter2 has gone"))]);
        }
    }

    fn write(&mut self, channel: u32, request: u32, answers: &[(u8, Vec<u8>)]) {
        let asked = Asked {
            channel,
            request,
            kind: 0,
            payload: Vec::new(),
        };
        let bytes: Vec<u8> = answers.iter().flat_map(|answer| frame(&asked, answer)).collect();
        let _ = self.answers.write_all(&bytes);
    }

    fn act(&mut self, asked: &Asked) -> Vec<(u8, Vec<u8>)> {
        let mut script = self.script.lock();
        let channel = self.channels.entry(asked.channel).or_default();
        let done = vec![(kind::DONE, done())];
        let mut reader = Reader::new("a request", &asked.payload);
        if channel.ended && asked.kind != kind::CLOSE {
            return vec![(kind::FAILED, failed(1, "the channel is not open"))];
        }
        match asked.kind {
            kind::HELLO => return vec![(kind::WELCOME, [&1_u16.to_be_bytes()[..], &[0, 0]].concat())],
            kind::OPEN => {
                let mut pairs = (script.opened.len() as u16).to_be_bytes().to_vec();
                for (name, value) in &script.opened {
                    pairs.extend(text(name));
                    pairs.extend(text(value));
                }
                return vec![(kind::OPENED, pairs)];
            }
            kind::RUN => {
                let flags = reader.u8().unwrap();
                reader.u32().unwrap();
                let sql = reader.str().unwrap().to_owned();
                script.log.push(sql.clone());
                if flags & 1 != 0 && channel.failed {
                    return vec![(kind::FAILED, failed(2, "skipped"))];
                }
                channel.failed = sql.starts_with("FAIL");
                if channel.failed {
                    return vec![(kind::FAILED, failed(0, "it fails"))];
                }
                if script.late.contains(&sql.as_str()) {
                    channel.late = Some(asked.request);
                    return Vec::new();
                }
                if script.hangs.contains(&sql.as_str()) {
                    channel.hanging = Some(asked.request);
                    return Vec::new();
                }
                if sql.starts_with("SELECT") {
                    return rows();
                }
                if let Some(name) = sql.strip_prefix("ROLLBACK TO SAVEPOINT ") {
                    let at = channel
                        .pending
                        .iter()
                        .rposition(|text| text == &format!("SAVEPOINT {name}"))
                        .unwrap();
                    channel.pending.truncate(at + 1);
                } else if channel.in_transaction {
                    channel.pending.push(sql);
                } else {
                    script.kept.push(sql);
                }
            }
            kind::BEGIN => {
                script.log.push("BEGIN".to_owned());
                channel.in_transaction = true;
            }
            kind::COMMIT => {
                script.log.push("COMMIT".to_owned());
                if reader.u8().unwrap() & 1 != 0 && channel.failed {
                    return vec![(kind::FAILED, failed(2, "skipped"))];
                }
                channel.in_transaction = false;
                script.kept.append(&mut channel.pending);
            }
            kind::ROLLBACK => {
                script.log.push("ROLLBACK".to_owned());
                channel.in_transaction = false;
                channel.pending.clear();
            }
            kind::CLOSE => script.log.push("CLOSE".to_owned()),
            kind::PING if script.hangs.contains(&"PING") => return Vec::new(),
            _ => {}
        }
        done
    }
}

fn frame(asked: &Asked, (kind, payload): &(u8, Vec<u8>)) -> Vec<u8> {
    let mut out = ((HEAD + payload.len()) as u32).to_be_bytes().to_vec();
    out.extend(asked.channel.to_be_bytes());
    out.extend(asked.request.to_be_bytes());
    out.push(*kind);
    out.extend(payload);
    out
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
}

fn done() -> Vec<u8> {
    [&1_i64.to_be_bytes()[..], &[0]].concat()
}

fn failed(origin: u8, message: &str) -> Vec<u8> {
    let mut out = vec![origin, 0];
    out.extend(text("scripted.Error"));
    out.extend(text("XX000"));
    out.extend(0_i64.to_be_bytes());
    out.extend(text(message));
    out.extend([0, 0, 0, 0]);
    out
}

/// Two batches of two rows.
fn rows() -> Vec<(u8, Vec<u8>)> {
    let columns = [&1_u16.to_be_bytes()[..], &text("n"), &text("int8"), &[0]].concat();
    let batch = |from: i64| {
        let cell = |value: i64| [&[2][..], &value.to_be_bytes()].concat();
        [&2_u32.to_be_bytes()[..], &cell(from), &cell(from + 1)].concat()
    };
    vec![
        (kind::COLUMNS, columns),
        (kind::ROWS, batch(1)),
        (kind::ROWS, batch(3)),
        (kind::DONE, done()),
    ]
}
