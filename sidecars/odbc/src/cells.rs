//! Reading of cells: the server's own text where the driver keeps it, and an error of that cell where it does not.

use crate::answers::put_bytes;
use crate::failure::Failure;
use crate::odbc::{Described, Diagnostic, SqlDataType, Statement};
use crate::product::Product;
use crate::tag;

/// The number of digits that sqliteodbc writes of a real. One with fewer digits is read; others are rounded.
const DIGITS: usize = 15;

/// The way in which the cells of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The text of the server, which the library reads by the name of the type.
    Server,
    /// A truth value as a digit.
    Bool,
    Bytes,
    /// A `date` of psqlODBC, which loses infinity, years after 9999 and `BC`.
    PostgresDate,
    /// A `timestamp` of psqlODBC, which loses infinity and years after 9999.
    PostgresTimestamp,
    /// The same in UTC, because the session is.
    PostgresTimestampTz,
    /// A number of 32 bits that is read as one of 64, because its text has six digits.
    WidenedFloat,
    /// A cell of SQLite, by the affinity of its column: the driver does not tell the class of its value.
    Sqlite(Affinity),
    Integer,
    Unsigned,
    Decimal,
    Float,
    Double,
    Date,
    Time,
    DateTime,
    Uuid,
    Text,
}

/// The affinity of a column of SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

impl Cell {
    pub(crate) fn of(product: Product, described: &Described) -> Self {
        let binary = [
            SqlDataType::EXT_BINARY,
            SqlDataType::EXT_VAR_BINARY,
            SqlDataType::EXT_LONG_VAR_BINARY,
        ]
        .contains(&described.sql_type);
        match product {
            Product::Postgres => match described.type_name.as_str() {
                "bool" => Self::Bool,
                "bytea" => Self::Bytes,
                "date" => Self::PostgresDate,
                "timestamptz" => Self::PostgresTimestampTz,
                name if name.starts_with("timestamp") => Self::PostgresTimestamp,
                _ => Self::Server,
            },
            Product::MySql | Product::Other if binary => Self::Bytes,
            Product::MySql => match described.sql_type {
                SqlDataType::REAL => Self::WidenedFloat,
                SqlDataType::DOUBLE | SqlDataType::FLOAT => Self::Double,
                _ => Self::Server,
            },
            Product::Sqlite => Self::Sqlite(Affinity::of(&described.type_name)),
            Product::Other => match described.sql_type {
                SqlDataType::EXT_BIT => Self::Bool,
                SqlDataType::EXT_TINY_INT | SqlDataType::SMALLINT | SqlDataType::INTEGER | SqlDataType::EXT_BIG_INT => {
                    if described.unsigned {
                        Self::Unsigned
                    } else {
                        Self::Integer
                    }
                }
                SqlDataType::DECIMAL | SqlDataType::NUMERIC => Self::Decimal,
                SqlDataType::REAL => Self::Float,
                SqlDataType::DOUBLE | SqlDataType::FLOAT => Self::Double,
                SqlDataType::DATE => Self::Date,
                SqlDataType::TIME => Self::Time,
                SqlDataType::TIMESTAMP => Self::DateTime,
                SqlDataType::EXT_GUID => Self::Uuid,
                _ => Self::Text,
            },
        }
    }

    /// Reads the cell of a column in this row. What cannot be read is written as that.
    pub(crate) fn read(self, statement: &mut Statement, place: u16, out: &mut Vec<u8>) -> Result<(), Failure> {
        let start = out.len();
        match self.write(statement, place, out) {
            Ok(()) => Ok(()),
            Err(records) => {
                if records.iter().any(|record| record.state.starts_with("08")) {
                    return Err(records.into());
                }
                out.truncate(start);
                unreadable(out, &Failure::from(records).message);
                Ok(())
            }
        }
    }

    fn write(self, statement: &mut Statement, place: u16, out: &mut Vec<u8>) -> Result<(), Vec<Diagnostic>> {
        match self {
            Self::Bytes => match statement.bytes(place)? {
                Some(bytes) => tagged(out, tag::BYTES, &bytes),
                None => out.push(tag::NULL),
            },
            Self::Double => match statement.double(place)? {
                Some(number) => fixed(out, tag::F64, number.to_be_bytes()),
                None => out.push(tag::NULL),
            },
            Self::WidenedFloat => match statement.double(place)? {
                // It was one of 32 bits.
                Some(number) => fixed(out, tag::F32, (number as f32).to_be_bytes()),
                None => out.push(tag::NULL),
            },
            Self::Float => match statement.float(place)? {
                Some(number) => fixed(out, tag::F32, number.to_be_bytes()),
                None => out.push(tag::NULL),
            },
            Self::Sqlite(affinity) => sqlite(affinity, statement, place, out)?,
            by_text => match statement.text(place)? {
                None => out.push(tag::NULL),
                Some(Ok(text)) => by_text.write_text(&text, out),
                Some(Err(why)) => unreadable(out, &why),
            },
        }
        Ok(())
    }

    /// Writes a cell that was read as text.
    fn write_text(self, text: &str, out: &mut Vec<u8>) {
        let kind = match self {
            Self::PostgresDate if text.contains("-00") => return lost(out, "it is infinite, or after the year 9999"),
            Self::PostgresDate if text < "1000" => return lost(out, "it may be a date before Christ"),
            Self::PostgresTimestamp | Self::PostgresTimestampTz
                if text.contains("-00") || text == "9999-12-31 23:59:59" || text == "9999-01-01 00:00:00 BC" =>
            {
                return lost(out, "it is infinite, or after the year 9999");
            }
            Self::PostgresTimestampTz => {
                let (time, era) = text.split_once(" BC").map_or((text, ""), |(time, _)| (time, " BC"));
                return tagged(out, tag::UNTYPED, format!("{time}+00{era}").as_bytes());
            }
            Self::Bool => {
                out.extend_from_slice(&[tag::BOOL, u8::from(text != "0")]);
                return;
            }
            Self::Integer | Self::Unsigned => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(number), _) if self == Self::Integer => return fixed(out, tag::I64, number.to_be_bytes()),
                (_, Ok(number)) => return fixed(out, tag::U64, number.to_be_bytes()),
                _ => return unreadable(out, &format!("{text:?} is no whole number of 64 bits")),
            },
            Self::Decimal => tag::DECIMAL,
            Self::Date => tag::DATE,
            Self::Time => tag::TIME,
            Self::DateTime => tag::DATETIME,
            Self::Uuid => tag::UUID,
            Self::Text => tag::TEXT,
            _ => tag::UNTYPED,
        };
        tagged(out, kind, text.as_bytes());
    }
}

impl Affinity {
    /// Returns the affinity of a column by its type, as SQLite determines it.
    fn of(type_name: &str) -> Self {
        let name = type_name.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if has(&["BLOB"]) || name.is_empty() {
            Self::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

/// Reads a cell of SQLite. A text that looks like a number was stored as one, unless the column is one of texts.
fn sqlite(affinity: Affinity, statement: &mut Statement, place: u16, out: &mut Vec<u8>) -> Result<(), Vec<Diagnostic>> {
    let text = match statement.text(place)? {
        None => {
            out.push(tag::NULL);
            return Ok(());
        }
        Some(Err(why)) => {
            unreadable(out, &why);
            return Ok(());
        }
        Some(Ok(text)) => text,
    };
    // Bytes are written as a literal. A text that is one is taken for bytes, too.
    if let Some(bytes) = literal(&text) {
        tagged(out, tag::BYTES, &bytes);
        return Ok(());
    }
    if matches!(affinity, Affinity::Integer | Affinity::Numeric)
        && let Ok(number) = text.parse::<i64>()
    {
        fixed(out, tag::I64, number.to_be_bytes());
    } else if matches!(affinity, Affinity::Integer | Affinity::Numeric | Affinity::Real)
        && let Some(number) = real(&text)
    {
        let digits = text.split(['e', 'E']).next().unwrap_or_default();
        let digits = digits
            .trim_start_matches(['-', '0', '.'])
            .bytes()
            .filter(u8::is_ascii_digit)
            .count();
        if digits >= DIGITS {
            lost(
                out,
                "the driver writes fifteen digits of a number: read `printf('%!.17g', column)` as text",
            );
        } else {
            fixed(out, tag::F64, number.to_be_bytes());
        }
    } else {
        tagged(out, tag::TEXT, text.as_bytes());
    }
    Ok(())
}

/// Returns the bytes of a text that is a literal of SQLite for bytes.
fn literal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("X'")?.strip_suffix('\'')?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks();
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4) | digit(*low)?);
    if rest.is_empty() {
        pairs.iter().map(byte).collect()
    } else {
        None
    }
}

fn real(text: &str) -> Option<f64> {
    match text {
        "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn fixed<const N: usize>(out: &mut Vec<u8>, tag: u8, bytes: [u8; N]) {
    out.push(tag);
    out.extend_from_slice(&bytes);
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_bytes(out, bytes);
}

#[cold]
fn lost(out: &mut Vec<u8>, why: &str) {
    unreadable(out, &format!("the ODBC driver does not hand it over as it is ({why})"));
}

#[cold]
fn unreadable(out: &mut Vec<u8>, why: &str) {
    tagged(out, tag::UNREADABLE, why.as_bytes());
}
