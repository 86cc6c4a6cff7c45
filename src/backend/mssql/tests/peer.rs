//! A server that speaks as much of TDS as these tests need, and answers as they say.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What is done when a text arrives.
#[derive(Clone)]
pub(super) enum Step {
    /// These tokens are the answer.
    Answer(Vec<u8>),
    /// Nothing is said until the client cancels; then it is acknowledged, in the answer or in a message of its own.
    Wait { own_message: bool },
    /// A part of the answer is sent; the client cancels, and its acknowledgement is the end of the answer.
    Cancelled(Vec<u8>),
    /// A part of the answer is sent, and the rest when the test allows it.
    Cut(Vec<u8>, usize),
    /// The socket is closed.
    Close,
}

/// What a server does, and what it was asked.
#[derive(Default)]
pub(super) struct Script {
    /// The answers to texts that begin so, in this order, of which the last one stays; any other text is done.
    pub(super) steps: Vec<(&'static str, Step)>,
    /// The tokens of the answer to a login; none accepts it.
    pub(super) login: Option<Vec<u8>>,
    pub(super) heard: Vec<String>,
    pub(super) connections: usize,
    pub(super) attentions: usize,
}

impl Script {
    fn next_step(&mut self, text: &str) -> Option<Step> {
        let known = |(begin, _): &(&str, Step)| text.starts_with(begin);
        let first = self.steps.iter().position(known)?;
        if self.steps[first + 1..].iter().any(known) {
            return Some(self.steps.remove(first).1);
        }
        Some(self.steps[first].1.clone())
    }
}

/// A server.
pub(super) struct Peer {
    pub(super) port: u16,
    pub(super) script: Arc<Mutex<Script>>,
    /// Lets a `Cut` go on.
    pub(super) on: Arc<Notify>,
}

impl Peer {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(script));
        let on = Arc::<Notify>::default();
        let (served, go_on) = (Arc::clone(&script), Arc::clone(&on));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                served.lock().connections += 1;
                // The end of a connection ends its server.
                tokio::spawn(serve(socket, Arc::clone(&served), Arc::clone(&go_on)));
            }
        });
        Self { port, script, on }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().heard)
    }
}

async fn serve(mut socket: TcpStream, script: Arc<Mutex<Script>>, on: Arc<Notify>) -> Option<()> {
    loop {
        let (kind, payload) = message(&mut socket).await?;
        match kind {
            PRELOGIN => send(&mut socket, &prelogin()).await?,
            LOGIN => {
                let refused = script.lock().login.clone();
                send(&mut socket, &refused.unwrap_or_else(accepted)).await?;
            }
            ATTENTION => send(&mut socket, &done(DONE_ATTENTION, 0)).await?,
            _ => {
                let text = text(kind, &payload);
                let step = {
                    let mut script = script.lock();
                    script.heard.push(text.clone());
                    script.next_step(&text)
                };
                match step.unwrap_or_else(|| Step::Answer(done(0, 0))) {
                    Step::Answer(tokens) => send(&mut socket, &tokens).await?,
                    Step::Close => return None,
                    Step::Cut(tokens, at) => {
                        send_part(&mut socket, &tokens[..at], false).await?;
                        on.notified().await;
                        send(&mut socket, &tokens[at..]).await?;
                    }
                    Step::Cancelled(tokens) => {
                        send_part(&mut socket, &tokens, false).await?;
                        let (kind, _) = message(&mut socket).await?;
                        assert_eq!(kind, ATTENTION);
                        script.lock().attentions += 1;
                        send(&mut socket, &done(DONE_ATTENTION, 0)).await?;
                    }
                    Step::Wait { own_message } => {
                        let (kind, _) = message(&mut socket).await?;
                        assert_eq!(kind, ATTENTION);
                        script.lock().attentions += 1;
                        if own_message {
                            send(&mut socket, &done(0, 0)).await?;
                        }
                        send(&mut socket, &done(DONE_ATTENTION, 0)).await?;
                    }
                }
            }
        }
    }
}

const BATCH: u8 = 1;
const ATTENTION: u8 = 6;
const LOGIN: u8 = 16;
const PRELOGIN: u8 = 18;
const ANSWER: u8 = 4;
const DONE_ATTENTION: u16 = 0x20;

/// Reads a message, and returns its kind and content.
async fn message(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 8];
        socket.read_exact(&mut head).await.ok()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let mut part = vec![0; length - head.len()];
        socket.read_exact(&mut part).await.ok()?;
        payload.extend(part);
        if head[1] & 1 == 1 {
            return Some((head[0], payload));
        }
    }
}

async fn send(socket: &mut TcpStream, tokens: &[u8]) -> Option<()> {
    send_part(socket, tokens, true).await
}

async fn send_part(socket: &mut TcpStream, tokens: &[u8], last: bool) -> Option<()> {
    let length = u16::try_from(tokens.len() + 8).unwrap().to_be_bytes();
    let mut packet = vec![ANSWER, u8::from(last), length[0], length[1], 0, 0, 1, 0];
    packet.extend(tokens);
    socket.write_all(&packet).await.ok()
}

/// Returns the text of a batch, or of a call of `sp_executesql`.
fn text(kind: u8, payload: &[u8]) -> String {
    let headers = u32::from_le_bytes(payload[..4].try_into().unwrap()) as usize;
    let rest = &payload[headers..];
    if kind == BATCH {
        return utf16(rest);
    }
    let name = usize::from(u16::from_le_bytes([rest[0], rest[1]]));
    let rest = &rest[2 + 2 * name + 2..];
    // The name of the parameter, its status, its type with a length and a collation.
    let rest = &rest[1 + 2 * usize::from(rest[0]) + 1 + 1 + 2 + 5..];
    let length = usize::from(u16::from_le_bytes([rest[0], rest[1]]));
    utf16(&rest[2..2 + length])
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<_> = bytes
        .chunks(2)
        .map(|two| u16::from_le_bytes([two[0], two[1]]))
        .collect();
    String::from_utf16(&units).unwrap()
}

/// Says that there is no encryption.
fn prelogin() -> Vec<u8> {
    let mut options = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff];
    options.extend([16, 0, 0, 0, 0, 0, 2]);
    options
}

fn accepted() -> Vec<u8> {
    let mut body = vec![1, 0x74, 0, 0, 4];
    body.extend(short("Microsoft SQL Server"));
    body.extend([16, 0, 0, 0]);
    let mut tokens = vec![0xad];
    tokens.extend((body.len() as u16).to_le_bytes());
    tokens.extend(body);
    tokens.extend(done(0, 0));
    tokens
}

/// Returns a text with its length in one byte.
fn short(text: &str) -> Vec<u8> {
    let units: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [vec![(units.len() / 2) as u8], units].concat()
}

/// Returns the end of a batch.
pub(super) fn done(status: u16, rows: u64) -> Vec<u8> {
    let status = if rows > 0 { status | 0x10 } else { status };
    let mut token = vec![0xfd];
    token.extend(status.to_le_bytes());
    token.extend(0_u16.to_le_bytes());
    token.extend(rows.to_le_bytes());
    token
}

/// Returns an error, with the end of its batch.
pub(super) fn error(number: u32, class: u8, message: &str) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, class]);
    let units: Vec<_> = message.encode_utf16().flat_map(u16::to_le_bytes).collect();
    body.extend(((units.len() / 2) as u16).to_le_bytes());
    body.extend(units);
    body.extend(short("peer"));
    body.extend(short(""));
    body.extend(1_u32.to_le_bytes());
    let mut tokens = vec![0xaa];
    tokens.extend((body.len() as u16).to_le_bytes());
    tokens.extend(body);
    tokens.extend(done(2, 0));
    tokens
}

/// Returns rows of integers, with the end of their batch.
pub(super) fn rows(rows: &[&[i64]]) -> Vec<u8> {
    let columns = rows[0].len();
    let mut tokens = vec![0x81];
    tokens.extend((columns as u16).to_le_bytes());
    for _ in 0..columns {
        tokens.extend([0, 0, 0, 0, 1, 0, 0x26, 8]);
        tokens.extend(short("n"));
    }
    for row in rows {
        tokens.push(0xd1);
        for number in *row {
            tokens.push(8);
            tokens.extend(number.to_le_bytes());
        }
    }
    tokens.extend(done(0, rows.len() as u64));
    tokens
}

/// Returns a row with a NULL, with the end of its batch.
pub(super) fn null() -> Vec<u8> {
    let end = done(0, 1);
    let mut tokens = rows(&[&[0]]);
    // The number and its length are those of the only row.
    tokens.truncate(tokens.len() - end.len() - 9);
    tokens.push(0);
    tokens.extend(end);
    tokens
}
