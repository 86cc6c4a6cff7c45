//! Values in the text form of the server, by the name of their type.

use std::borrow::Cow;

use super::unreadable::unreadable;
use crate::backend::postgres::{decimal, text as reading, textual, type_named};
use crate::error::Result;
use crate::sql::Dialect;
use crate::value::ValueRef;

/// How the server's own text of a type is read.
#[derive(Clone, Debug)]
pub(super) enum TextForm {
    /// The number of the type.
    Postgres(u32),
    /// The first word of the type's name, in capitals.
    MySql {
        word: String,
        unsigned: bool,
    },
    Plain,
}

impl TextForm {
    /// Returns the form of a type with a name.
    pub(super) fn of(dialect: Dialect, type_name: &str) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres(type_named(&plain(type_name))),
            Dialect::MySql => {
                let name = type_name.to_ascii_uppercase();
                Self::MySql {
                    word: name.split([' ', '(']).next().unwrap_or_default().to_owned(),
                    unsigned: name.contains("UNSIGNED"),
                }
            }
            _ => Self::Plain,
        }
    }

    /// Reads a value.
    pub(super) fn read<'r>(&self, type_name: &str, text: &'r str) -> Result<ValueRef<'r>> {
        match self {
            Self::Postgres(oid) => textual(*oid, text),
            Self::MySql { word, unsigned } => mysql(type_name, word, *unsigned, text),
            Self::Plain => Ok(ValueRef::Text(text)),
        }
    }
}

/// Returns the name of a type of PostgreSQL without the schema of the server's own ones, and without its size.
fn plain(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let name = name.trim_matches('"');
    let name = match name.split_once('(') {
        Some((before, rest)) => match rest.split_once(')') {
            // `timestamp(3) with time zone`
            Some((_, after)) if !after.is_empty() => {
                return format!("{}{after}", before.trim_end()).to_lowercase().into();
            }
            _ => before.trim_end(),
        },
        None => name,
    };
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return name.to_lowercase().into();
    }
    name.into()
}

/// Reads a value of MySQL or MariaDB.
fn mysql<'r>(type_name: &str, word: &str, unsigned: bool, text: &'r str) -> Result<ValueRef<'r>> {
    let zero_date = || {
        unreadable(type_name, &"it is 0000-00-00, which is not a date")
            .help("set the sql_mode NO_ZERO_DATE and store NULL instead, or read `NULLIF(column, '0000-00-00')`")
    };
    let value = match word {
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER" | "BIGINT" if unsigned => {
            text.parse().ok().map(ValueRef::U64)
        }
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "INTEGER" | "BIGINT" | "YEAR" | "BOOLEAN" | "BOOL" => {
            text.parse().ok().map(ValueRef::I64)
        }
        "BIT" => text.parse().ok().map(ValueRef::U64),
        "FLOAT" => text.parse().ok().map(ValueRef::F32),
        "DOUBLE" | "REAL" => text.parse().ok().map(ValueRef::F64),
        "DECIMAL" | "NUMERIC" | "DEC" => {
            let value = decimal(text).map(ValueRef::Decimal);
            return value.ok_or_else(|| unreadable("DECIMAL", &"it has more digits than Decimal holds (28)"));
        }
        "DATE" | "DATETIME" | "TIMESTAMP" if text.starts_with("0000-00-00") => return Err(zero_date()),
        "DATE" => reading::date(text).map(ValueRef::Date),
        "DATETIME" => reading::date_time(text).map(ValueRef::DateTime),
        // Sessions run in UTC.
        "TIMESTAMP" => reading::date_time(text).map(|it| ValueRef::Timestamp(it.and_utc())),
        "TIME" => match reading::time(text) {
            Some(time) => Some(ValueRef::Time(time)),
            None => return Err(unreadable("TIME", &format!("{text} is not a time of day"))),
        },
        "JSON" => Some(ValueRef::Json(text)),
        "NULL" => Some(ValueRef::Null),
        _ => Some(ValueRef::Text(text)),
    };
    value.ok_or_else(|| unreadable(type_name, &format!("{text:?} is out of range for its Rust type")))
}

/// Returns bytes of MySQL as they are, and those of `BIT` as a number.
pub(super) fn bytes_of_mysql<'r>(type_name: &str, bytes: &'r [u8]) -> ValueRef<'r> {
    let is_bit = type_name.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("BIT"));
    if is_bit && bytes.len() <= 8 {
        return ValueRef::U64(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    ValueRef::Bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn shown(dialect: Dialect, name: &str, text: &str) -> String {
        match TextForm::of(dialect, name).read(name, text) {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn b2_text_of_postgresql_is_read_by_the_name_of_its_type() {
        for (name, text, expected) in [
            ("int4", "7", "I64(7)"),
            ("serial", "7", "I64(7)"),
            ("bool", "t", "Bool(true)"),
            ("numeric", "1.50", "Decimal(1.50)"),
            (
                "timestamptz",
                "2026-12-01 03:04:05.123456+00",
                "Timestamp(2026-12-01T03:04:05.123456Z)",
            ),
            (
                "timestamp(3) with time zone",
                "2026-12-01 03:04:05+01",
                "Timestamp(2026-12-01T02:04:05Z)",
            ),
            ("money", "$1,000.00", "Text(\"$1,000.00\")"),
            ("\"public\".\"mood\"", "happy", "Text(\"happy\")"),
            ("bytea", "\\x00ff", "Owned(Bytes([0, 255]))"),
        ] {
            assert_eq!(shown(Dialect::Postgres, name, text), expected, "{name}");
        }
        let array = Value::Array(vec![Value::I64(1), Value::Null]);
        assert_eq!(
            TextForm::of(Dialect::Postgres, "_int4")
                .read("_int4", "{1,NULL}")
                .unwrap(),
            ValueRef::Owned(array)
        );
        assert!(shown(Dialect::Postgres, "date", "infinity").contains("cannot be read"));
    }

    #[test]
    fn b2_text_of_mysql_is_read_by_the_name_of_its_type() {
        for (name, text, expected) in [
            ("INT UNSIGNED", "4294967295", "U64(4294967295)"),
            ("BIGINT", "-1", "I64(-1)"),
            ("TINYINT(1)", "1", "I64(1)"),
            ("DECIMAL", "1.500", "Decimal(1.500)"),
            (
                "DATETIME",
                "2026-12-01 03:04:05.123456",
                "DateTime(2026-12-01T03:04:05.123456)",
            ),
            ("TIMESTAMP", "2026-12-01 03:04:05", "Timestamp(2026-12-01T03:04:05Z)"),
            ("YEAR", "2026", "I64(2026)"),
            ("JSON", "{}", "Json(\"{}\")"),
            ("VARCHAR", "a", "Text(\"a\")"),
        ] {
            assert_eq!(shown(Dialect::MySql, name, text), expected, "{name}");
        }
        assert!(shown(Dialect::MySql, "DATE", "0000-00-00").contains("NO_ZERO_DATE"));
        assert!(shown(Dialect::MySql, "TIME", "-838:59:59").contains("time of day"));
        assert_eq!(bytes_of_mysql("BIT", &[1, 2]), ValueRef::U64(258));
        assert_eq!(bytes_of_mysql("BLOB", &[1, 2]), ValueRef::Bytes(&[1, 2]));
    }
}
