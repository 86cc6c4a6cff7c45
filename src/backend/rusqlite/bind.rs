//! Parameters for SQLite, which has integers, floats, text and bytes. Other values are sent as one of them, in the
//! forms of sqlx.

use chrono::SecondsFormat;
use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef as Borrowed};

use super::errors::error;
use crate::backend::sqlite::{Number, refused};
use crate::backend::sqlx::check_all;
use crate::error::Result;
use crate::value::Value;

/// Returns an error if SQLite cannot store one of the values.
pub(super) fn check(values: &[Value]) -> Result<()> {
    check_all(values, refused)
}

/// Binds values that were checked. Placeholders with a number (`$2`) take the value of that number, others one after the
/// other.
pub(super) fn bind(statement: &mut Statement<'_>, sql: &str, values: &[Value]) -> Result<()> {
    let numbered = sql.contains('$');
    let mut next = 0;
    for place in 1..=statement.parameter_count() {
        let number = if numbered { number(statement, place) } else { None };
        let index = number.unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        if let Some(value) = values.get(index) {
            statement.raw_bind_parameter(place, form(value)).map_err(error)?;
        }
    }
    Ok(())
}

/// Returns the index of the value of a placeholder with a number.
fn number(statement: &Statement<'_>, place: usize) -> Option<usize> {
    let number: usize = statement.parameter_name(place)?.strip_prefix('$')?.parse().ok()?;
    number.checked_sub(1)
}

/// Returns the form in which a value is stored.
fn form(value: &Value) -> ToSqlOutput<'_> {
    let text = |text: String| ToSqlOutput::Owned(Stored::Text(text));
    ToSqlOutput::Borrowed(match value {
        Value::Bool(it) => Borrowed::Integer(i64::from(*it)),
        Value::I16(it) => Borrowed::Integer(i64::from(*it)),
        Value::I32(it) => Borrowed::Integer(i64::from(*it)),
        Value::I64(it) => Borrowed::Integer(*it),
        Value::U64(it) => Borrowed::Integer(*it as i64),
        Value::F32(it) => Borrowed::Real(f64::from(*it)),
        Value::F64(it) => Borrowed::Real(*it),
        Value::Decimal(it) => match Number::of(it) {
            Some(Number::Whole(whole)) => Borrowed::Integer(whole),
            Some(Number::Fraction(fraction)) => Borrowed::Real(fraction),
            None => Borrowed::Null,
        },
        Value::Text(it) | Value::Untyped(it) => Borrowed::Text(it.as_bytes()),
        Value::Bytes(it) => Borrowed::Blob(it),
        Value::Date(it) => return text(it.format("%F").to_string()),
        Value::Time(it) => return text(it.format("%T%.f").to_string()),
        Value::DateTime(it) => return text(it.format("%F %T%.f").to_string()),
        Value::Timestamp(it) => return text(it.to_rfc3339_opts(SecondsFormat::AutoSi, false)),
        Value::Uuid(it) => Borrowed::Blob(it.as_bytes()),
        Value::Json(it) => return text(it.to_string()),
        Value::Null | Value::NullOf(_) | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            Borrowed::Null
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn q2_a_placeholder_with_a_number_takes_the_value_of_that_number() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let sql = "SELECT $2 || $3 || ? || $2";
        let mut prepared = connection.prepare(sql).unwrap();
        let values = ["a", "b", "c"].map(|text| Value::Text(text.to_owned()));
        bind(&mut prepared, sql, &values).unwrap();
        let mut rows = prepared.raw_query();
        let row = rows.next().unwrap().unwrap();
        assert_eq!(row.get_ref(0).unwrap().as_str().unwrap(), "bcab");
    }

    #[test]
    fn q4_what_sqlite_lacks_is_refused_by_name() {
        let kind = |value: Value| check(&[Value::Null, value]).unwrap_err().kind();
        assert_eq!(kind(Value::Array(vec![])), ErrorKind::Unsupported);
        assert_eq!(kind(Value::F64(f64::NAN)), ErrorKind::Parameter);
        assert_eq!(kind(Value::U64(u64::MAX)), ErrorKind::Parameter);
        assert!(check(&[Value::U64(i64::MAX as u64)]).is_ok());
    }
}
