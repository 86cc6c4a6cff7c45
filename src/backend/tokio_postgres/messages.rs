//! The messages to the server, each written at the end of a buffer.

/// The format of all values that are sent, and of most that are received.
const BINARY: i16 = 1;
const TEXT: i16 = 0;

/// The longest message that is sent, in bytes. Lengths have 31 bits, and the server takes no more than 1 GiB at once.
const LONGEST: usize = 0x3FFF_FFFF;

/// The most parameters of a statement; the protocol counts them in 16 bits.
pub(super) const MOST_PARAMETERS: usize = u16::MAX as usize;

/// Writes a message whose length is that of what `body` writes.
fn message<T>(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let value = body(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    value
}

/// Returns whether a message has room for so many bytes. A longer one must not be sent: the server would take its end for
/// other messages.
pub(super) fn has_room(bytes: usize) -> bool {
    bytes < LONGEST
}

fn word(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(word.as_bytes());
    out.push(0);
}

fn count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u16).to_be_bytes());
}

/// Prepares a text under a name, with the types of its parameters.
pub(super) fn parse(out: &mut Vec<u8>, name: &str, sql: &str, types: &[u32]) {
    message(out, b'P', |out| {
        word(out, name);
        word(out, sql);
        count(out, types.len());
        for oid in types {
            out.extend_from_slice(&oid.to_be_bytes());
        }
    });
}

/// Asks for the columns of a prepared statement.
pub(super) fn describe(out: &mut Vec<u8>, name: &str) {
    message(out, b'D', |out| {
        out.push(b'S');
        word(out, name);
    });
}

/// Binds values to a prepared statement. `write` writes the value of a place, and returns whether it is `NULL`. `as_text`
/// tells for each column whether it is read as text; empty if none is. After an error nothing is written.
pub(super) fn bind<E>(
    out: &mut Vec<u8>,
    name: &str,
    values: usize,
    as_text: &[bool],
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<bool, E>,
) -> Result<(), E> {
    let start = out.len();
    let bound = message(out, b'B', |out| {
        word(out, "");
        word(out, name);
        count(out, 1);
        out.extend_from_slice(&BINARY.to_be_bytes());
        count(out, values);
        for place in 0..values {
            let at = out.len();
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            if !write(place, out)? {
                let length = (out.len() - at - 4) as i32;
                out[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        count(out, as_text.len().max(1));
        if as_text.is_empty() {
            out.extend_from_slice(&BINARY.to_be_bytes());
        }
        for text in as_text {
            let format = if *text { TEXT } else { BINARY };
            out.extend_from_slice(&format.to_be_bytes());
        }
        Ok(())
    });
    if bound.is_err() {
        out.truncate(start);
    }
    bound
}

/// Binds a prepared statement without parameters.
pub(super) fn bind_nothing(out: &mut Vec<u8>, name: &str, as_text: &[bool]) {
    let _ = bind(out, name, 0, as_text, |_, _| Ok::<_, ()>(true));
}

/// Runs what was bound, to its end.
pub(super) fn execute(out: &mut Vec<u8>) {
    message(out, b'E', |out| {
        word(out, "");
        out.extend_from_slice(&0_i32.to_be_bytes());
    });
}

/// Removes a prepared statement.
pub(super) fn close(out: &mut Vec<u8>, name: &str) {
    message(out, b'C', |out| {
        out.push(b'S');
        word(out, name);
    });
}

/// Ends a group of messages, of which none is run after one that failed.
pub(super) fn sync(out: &mut Vec<u8>) {
    message(out, b'S', |_| ());
}

/// Runs a text without preparing it. It is a group of its own.
pub(super) fn query(out: &mut Vec<u8>, sql: &str) {
    message(out, b'Q', |out| word(out, sql));
}

/// Refuses to send the rows of a COPY.
pub(super) fn copy_fail(out: &mut Vec<u8>, why: &str) {
    message(out, b'f', |out| word(out, why));
}

/// Ends the session.
pub(super) fn terminate(out: &mut Vec<u8>) {
    message(out, b'X', |_| ());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_a_message_has_its_length() {
        let mut out = Vec::new();
        parse(&mut out, "a", "SELECT $1", &[23]);
        assert_eq!(out, b"P\0\0\0\x16a\0SELECT $1\0\0\x01\0\0\0\x17");
        out.clear();
        bind(&mut out, "a", 2, &[], |place, out| {
            out.extend_from_slice(&[7; 1][..1 - place]);
            Ok::<_, ()>(place == 1)
        })
        .unwrap();
        assert_eq!(
            out,
            b"B\0\0\0\x1a\0a\0\0\x01\0\x01\0\x02\0\0\0\x01\x07\xff\xff\xff\xff\0\x01\0\x01"
        );
    }

    #[test]
    fn d1_a_value_that_cannot_be_sent_leaves_no_half_of_a_message() {
        let mut out = b"before".to_vec();
        let bound = bind(&mut out, "", 1, &[true], |_, out| {
            out.push(1);
            Err("why")
        });
        assert_eq!((bound, out.as_slice()), (Err("why"), &b"before"[..]));
    }
}
