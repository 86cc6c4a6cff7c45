//! The thread that reads what a process writes.

use std::io::Read;
use std::sync::Arc;
use std::task::Waker;

use super::codec;
use super::frame::{HEAD, LENGTH, LONGEST, Malformed};
use super::shared_link::SharedLink;

/// Number of bytes that are read at once: a `ROWS` and what surrounds it.
const ROOM: usize = 128 * 1024;
/// Number of bytes that are not kept after a long frame.
const LONG: usize = 8 * ROOM;

/// Reads until the end, and then ends everything.
pub(super) fn read_all(shared: &Arc<SharedLink>, mut pipe: impl Read) {
    let wrong = frames(shared, &mut pipe).err();
    shared.end(wrong.as_ref());
}

fn frames(shared: &SharedLink, pipe: &mut impl Read) -> Result<(), Malformed> {
    let mut buffer = vec![0; ROOM];
    let (mut start, mut end) = (0, 0);
    let mut wakers: Vec<Waker> = Vec::new();
    loop {
        while let Some(length) = complete(&buffer[start..end])? {
            let frame = &buffer[start + LENGTH..start + LENGTH + length];
            start += LENGTH + length;
            if let Some(waker) = shared.deliver(codec::frame(frame)?)? {
                wakers.push(waker);
            }
        }
        // Only now, because nothing more is at hand: each wakes a thread.
        wakers.drain(..).for_each(Waker::wake);
        if start == end {
            (start, end) = (0, 0);
            if buffer.len() > LONG {
                buffer = vec![0; ROOM];
            }
        } else if end == buffer.len() {
            if start > 0 {
                buffer.copy_within(start..end, 0);
                (start, end) = (0, end - start);
            } else {
                // As much again as has arrived.
                buffer.resize(buffer.len() * 2, 0);
            }
        }
        match pipe.read(&mut buffer[end..]) {
            Ok(0) if start == end => return Ok(()),
            Ok(0) => return Err(Malformed::new("its last frame is cut off")),
            Ok(count) => end += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(()),
        }
    }
}

/// Returns the length of the frame at the beginning of what has arrived, if it is complete.
fn complete(arrived: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some((length, rest)) = arrived.split_first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if !(HEAD..=LONGEST).contains(&length) {
        let shown: String = arrived.iter().take(40).map(|byte| char::from(*byte)).collect();
        return Err(Malformed::new(format!(
            "it wrote something that is no frame, beginning with {shown:?}"
        )));
    }
    Ok((rest.len() >= length).then_some(length))
}
