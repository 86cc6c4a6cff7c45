//! Reading of requests.

/// Number of bytes of the length in front of a frame.
const LENGTH: usize = 4;

/// A frame with its address.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) channel: u32,
    pub(crate) number: u32,
    pub(crate) kind: RequestKind,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum RequestKind {
    Open(Vec<(String, String)>),
    Run(Run),
    Begin(Begin),
    /// `true` if it is skipped after a failure.
    Commit(bool),
    Rollback(bool),
    Ping,
    More(u32),
    Cancel,
    Close,
}

/// A statement to run.
#[derive(Debug)]
pub(crate) struct Run {
    /// It is skipped if the request before it failed.
    pub(crate) skip: bool,
    pub(crate) rows: bool,
    pub(crate) key: bool,
    pub(crate) credits: u32,
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// The beginning of a transaction.
#[derive(Debug)]
pub(crate) struct Begin {
    /// The level by its number in the protocol; 0 if none is asked for.
    pub(crate) isolation: u8,
    pub(crate) read_only: bool,
    /// The text that begins it, for a driver that takes text.
    pub(crate) text: String,
    /// What runs first in it.
    pub(crate) first: String,
}

/// A value of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parameter {
    Null(u8),
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    /// Text, with the tag of what it says.
    Text(u8, String),
    Bytes(Vec<u8>),
    Interval {
        months: i32,
        days: i32,
        microseconds: i64,
    },
    Array(Vec<Self>),
}

/// Reads frames, which are complete. `None` if they are not as the protocol has them.
pub(crate) fn requests(mut bytes: &[u8]) -> Option<Vec<Request>> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
        let (frame, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        requests.push(request(&mut Reader(frame))?);
        bytes = rest;
    }
    Some(requests)
}

fn request(reader: &mut Reader<'_>) -> Option<Request> {
    let (channel, number) = (reader.u32()?, reader.u32()?);
    let kind = match reader.u8()? {
        2 => {
            let count = reader.u16()?;
            let pairs = (0..count).map(|_| Some((reader.string()?, reader.string()?)));
            RequestKind::Open(pairs.collect::<Option<_>>()?)
        }
        3 => {
            let flags = reader.u8()?;
            let is = |flag: u8| flags & flag != 0;
            RequestKind::Run(Run {
                skip: is(1),
                rows: is(2),
                key: is(8),
                credits: reader.u32()?,
                sql: reader.string()?,
                parameters: {
                    let count = reader.u16()?;
                    (0..count).map(|_| reader.parameter()).collect::<Option<_>>()?
                },
            })
        }
        4 => RequestKind::Begin(Begin {
            isolation: reader.u8()?,
            read_only: reader.u8()? != 0,
            text: reader.string()?,
            first: reader.string()?,
        }),
        5 => RequestKind::Commit(reader.u8()? & 1 != 0),
        6 => RequestKind::Rollback(reader.u8()? & 1 != 0),
        7 => RequestKind::Ping,
        8 => RequestKind::More(reader.u32()?),
        9 => RequestKind::Cancel,
        10 => RequestKind::Close,
        _ => return None,
    };
    Some(Request { channel, number, kind })
}

/// What is left of bytes that are read from the left.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.fixed().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.fixed().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn string(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    fn parameter(&mut self) -> Option<Parameter> {
        use crate::tag;
        Some(match self.u8()? {
            tag::NULL => Parameter::Null(self.u8()?),
            tag::BOOL => Parameter::Bool(self.u8()? != 0),
            tag::I16 => Parameter::Integer(i16::from_be_bytes(self.fixed()?).into()),
            tag::I32 => Parameter::Integer(i32::from_be_bytes(self.fixed()?).into()),
            tag::I64 => Parameter::Integer(i64::from_be_bytes(self.fixed()?)),
            tag::U64 => Parameter::Unsigned(u64::from_be_bytes(self.fixed()?)),
            tag::F32 => Parameter::Float(f32::from_be_bytes(self.fixed()?)),
            tag::F64 => Parameter::Double(f64::from_be_bytes(self.fixed()?)),
            tag::BYTES => Parameter::Bytes(self.bytes()?.to_vec()),
            tag::INTERVAL => Parameter::Interval {
                months: i32::from_be_bytes(self.fixed()?),
                days: i32::from_be_bytes(self.fixed()?),
                microseconds: i64::from_be_bytes(self.fixed()?),
            },
            tag::ARRAY => {
                let count = self.u32()?;
                Parameter::Array((0..count).map(|_| self.parameter()).collect::<Option<_>>()?)
            }
            tag @ (tag::DECIMAL | tag::TEXT | tag::DATE..=tag::UNTYPED | tag::INET) => {
                Parameter::Text(tag, self.string()?)
            }
            _ => return None,
        })
    }
}
