//! A replacement for a client's request and for its answer. It produces answers that no server gives on demand, such as
//! a deadlock while a savepoint is set.

/// A replacement for the next text of a client that begins with certain words.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    begins: String,
    instead: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl Swap {
    /// Creates a swap for MySQL and MariaDB: the server receives `instead`, which it must answer with an OK, and the
    /// client receives an error.
    pub(crate) fn mysql(begins: &str, instead: &str, number: u16) -> Self {
        let mut error = vec![0xff];
        error.extend(number.to_le_bytes());
        error.extend(if number == 1213 { b"#40001" } else { b"#HY000" });
        error.extend(b"said by the test");
        Self {
            begins: begins.to_owned(),
            instead: packet(0, &[b"\x03", instead.as_bytes()].concat()),
            answer: Some(packet(1, &error)),
        }
    }

    /// Creates a swap for PostgreSQL: the server receives `instead`, and the client receives the answer to that.
    pub(crate) fn postgres(begins: &str, instead: &str) -> Self {
        Self {
            begins: begins.to_owned(),
            instead: query(instead),
            answer: None,
        }
    }

    /// Returns the replacement for `bytes` to the server, and for the answer to the client, if `bytes` contains the
    /// text. A client may send messages with and without an answer in one piece.
    pub(super) fn take(&self, bytes: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let mut start = 0;
        loop {
            let end = start + self.length(bytes.get(start..)?)?;
            if self.means(bytes.get(start..end)?) {
                let sent = [&bytes[..start], &self.instead, &bytes[end..]].concat();
                return Some((sent, self.answer.clone()));
            }
            start = end;
        }
    }

    /// Returns the length of the message that begins here.
    fn length(&self, bytes: &[u8]) -> Option<usize> {
        Some(match (bytes, &self.answer) {
            ([one, two, three, ..], Some(_)) => 4 + u32::from_le_bytes([*one, *two, *three, 0]) as usize,
            ([_, one, two, three, four, ..], None) => 1 + u32::from_be_bytes([*one, *two, *three, *four]) as usize,
            _ => return None,
        })
    }

    /// Returns whether a message is the text. MySQL prepares with another command than it queries with.
    fn means(&self, message: &[u8]) -> bool {
        let ([_, _, _, 0, 3 | 0x16, text @ ..] | [b'Q', _, _, _, _, text @ ..]) = message else {
            return false;
        };
        text.starts_with(self.begins.as_bytes())
    }
}

/// Returns a packet of MySQL's protocol.
fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short packet").to_le_bytes();
    [&length[..3], &[sequence], body].concat()
}

/// Returns a simple query of PostgreSQL's protocol.
fn query(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 5).expect("a short message").to_be_bytes();
    [b"Q", &length[..], text.as_bytes(), b"\0"].concat()
}
