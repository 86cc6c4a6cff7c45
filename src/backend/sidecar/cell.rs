//! A value of a row, as its bytes.

use super::codec::Reader;
use super::encode::tag;
use super::frame::Malformed;

/// The deepest nesting of arrays; PostgreSQL has the same limit.
const MOST_DIMENSIONS: usize = 6;

/// A value of a row: its tag, and the bytes of its form, without their length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'b> {
    pub(super) tag: u8,
    pub(super) body: &'b [u8],
}

/// What follows a tag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// As many bytes.
    Fixed(usize),
    /// A length, and as many bytes.
    Long,
    /// A count, and as many values with tags.
    Array,
}

impl Shape {
    /// Returns what follows a tag in a row.
    pub(super) fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            tag::NULL => Self::Fixed(0),
            tag::BOOL => Self::Fixed(1),
            tag::F32 => Self::Fixed(4),
            tag::I64 | tag::U64 | tag::F64 => Self::Fixed(8),
            tag::CALENDAR => Self::Fixed(10),
            tag::INTERVAL => Self::Fixed(16),
            tag::DECIMAL..=tag::BYTES | tag::DATE..=tag::UNTYPED | tag::INET | tag::UNREADABLE => Self::Long,
            tag::ARRAY => Self::Array,
            _ => return None,
        })
    }
}

impl<'b> Cell<'b> {
    pub(super) const NULL: Self = Self {
        tag: tag::NULL,
        body: &[],
    };

    /// Reads a value with its tag in front.
    pub(super) fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        Self::read_at(reader, 0)
    }

    fn read_at(reader: &mut Reader<'b>, depth: usize) -> Result<Self, Malformed> {
        let tag = reader.u8()?;
        let body = match Shape::of(tag) {
            Some(Shape::Fixed(width)) => reader.slice(width)?,
            Some(Shape::Long) => reader.bytes()?,
            Some(Shape::Array) if depth < MOST_DIMENSIONS => {
                let mut members = *reader;
                let count = members.u32()?;
                if count as usize > members.left() {
                    return Err(Malformed::new("an array is cut off"));
                }
                for _ in 0..count {
                    Self::read_at(&mut members, depth + 1)?;
                }
                reader.slice(reader.left() - members.left())?
            }
            Some(Shape::Array) => return Err(Malformed::new("an array has too many dimensions")),
            None => return Err(Malformed::new(format!("{tag} is no tag of a value in a row"))),
        };
        Ok(Self { tag, body })
    }
}
