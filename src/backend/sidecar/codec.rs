//! Reading of answers. Whatever the bytes are, the result is a frame or an error, and no more memory is taken than the
//! bytes that arrived allow.

use super::frame::{AnswerFrame, BatchOrder, Column, Failure, Frame, HEAD, Malformed, Origin, Pairs, kind};

/// A place in bytes that are read from the left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    /// What is read, for messages.
    what: &'static str,
}

impl<'b> Reader<'b> {
    pub(super) fn new(what: &'static str, rest: &'b [u8]) -> Self {
        Self { rest, what }
    }

    /// Returns the number of bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn cut_off(&self) -> Malformed {
        Malformed::new(format!("{} is cut off", self.what))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut_off())?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn f32(&mut self) -> Result<f32, Malformed> {
        self.take().map(f32::from_be_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, Malformed> {
        self.take().map(f64::from_be_bytes)
    }

    /// Reads a number of bytes.
    pub(super) fn slice(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.cut_off())?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads bytes with their length in front.
    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Malformed> {
        let length = self.u32()? as usize;
        self.slice(length)
    }

    /// Reads text with its length in front.
    pub(super) fn str(&mut self) -> Result<&'b str, Malformed> {
        let bytes = self.bytes()?;
        Reader::new(self.what, bytes).text()
    }

    /// Reads all that is left as text.
    pub(super) fn text(&self) -> Result<&'b str, Malformed> {
        std::str::from_utf8(self.rest)
            .map_err(|why| Malformed::new(format!("{} has text that is not UTF-8: {why}", self.what)))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        self.str().map(str::to_owned)
    }

    /// Passes a number of bytes.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.slice(count).map(drop)
    }

    /// Reads `count` members that take at least `least` bytes each.
    fn many<T>(
        &mut self,
        count: usize,
        least: usize,
        read: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        if count > self.left() / least {
            return Err(self.cut_off());
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn pairs(&mut self) -> Result<Pairs, Malformed> {
        let count = self.u16()?.into();
        let pairs = self.many(count, 8, |reader| Ok((reader.string()?, reader.string()?)));
        pairs.map(Pairs)
    }

    /// Checks that nothing is left.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Malformed::new(format!(
            "{} has {} bytes too many",
            self.what,
            self.left()
        )))
    }
}

/// Reads a frame, without the length in front of it.
pub(super) fn frame(bytes: &[u8]) -> Result<Frame, Malformed> {
    let mut head = Reader::new("a frame", bytes);
    let (channel, request, kind) = (head.u32()?, head.u32()?, head.u8()?);
    let answer = answer(kind, bytes.get(HEAD..).unwrap_or_default())?;
    Ok(Frame {
        channel,
        request,
        answer,
    })
}

fn answer(kind: u8, payload: &[u8]) -> Result<AnswerFrame, Malformed> {
    let mut reader = Reader::new(name(kind), payload);
    let answer = match kind {
        kind::WELCOME => AnswerFrame::Welcome {
            version: reader.u16()?,
            pairs: reader.pairs()?,
        },
        kind::OPENED => AnswerFrame::Opened(reader.pairs()?),
        kind::COLUMNS => {
            let count = reader.u16()?.into();
            AnswerFrame::Columns(reader.many(count, 9, column)?)
        }
        kind::ROWS => return Ok(AnswerFrame::Rows(BatchOrder::Rows, payload.to_vec())),
        kind::BLOCK => return Ok(AnswerFrame::Rows(BatchOrder::Columns, payload.to_vec())),
        kind::DONE => {
            let rows = u64::try_from(reader.i64()?).ok();
            let key = match reader.u8()? {
                0 => None,
                1 => Some(reader.i64()?),
                other => return Err(Malformed::new(format!("DONE has the mark {other} of a key"))),
            };
            AnswerFrame::Done { rows, key }
        }
        kind::FAILED => AnswerFrame::Failed(Box::new(failure(&mut reader)?)),
        other => return Err(Malformed::new(format!("{other} is no kind of an answer"))),
    };
    reader.end()?;
    Ok(answer)
}

fn name(kind: u8) -> &'static str {
    match kind {
        kind::WELCOME => "WELCOME",
        kind::OPENED => "OPENED",
        kind::COLUMNS => "COLUMNS",
        kind::ROWS => "ROWS",
        kind::BLOCK => "BLOCK",
        kind::DONE => "DONE",
        kind::FAILED => "FAILED",
        _ => "a frame",
    }
}

fn column(reader: &mut Reader<'_>) -> Result<Column, Malformed> {
    Ok(Column {
        name: reader.string()?,
        type_name: reader.string()?,
        // The first bit is for the sidecar's own use: unsigned integers have a tag of their own.
        is_boolean: reader.u8()? & 2 != 0,
    })
}

fn failure(reader: &mut Reader<'_>) -> Result<Failure, Malformed> {
    let origin = match reader.u8()? {
        0 => Origin::Driver,
        1 => Origin::Sidecar,
        2 => Origin::Skipped,
        3 => Origin::Foreign,
        other => return Err(Malformed::new(format!("FAILED has the origin {other}"))),
    };
    Ok(Failure {
        origin,
        closed: reader.u8()? & 1 != 0,
        class: reader.string()?,
        sqlstate: reader.string()?,
        code: reader.i64()?,
        message: reader.string()?,
        causes: {
            let count = reader.u16()?.into();
            reader.many(count, 4, Reader::string)?
        },
        details: reader.pairs()?,
    })
}
