//! Parameters for SQLite, which has integers, floats, text and bytes. Other values are sent as one of them, in the
//! forms of sqlx.

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;

use super::stored::{Number, refused};
use crate::backend::sqlx::{bind_all, check_all};
use crate::error::Result;
use crate::value::Value;

pub(super) fn arguments(values: &[Value]) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    check_all(values, refused)?;
    bind_all(arguments, values, |arguments, _, value| add(arguments, value))
}

fn add(arguments: &mut SqliteArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Bool(it) => arguments.add(i64::from(*it)),
        Value::I16(it) => arguments.add(i64::from(*it)),
        Value::I32(it) => arguments.add(i64::from(*it)),
        Value::I64(it) => arguments.add(*it),
        Value::U64(it) => arguments.add(i64::try_from(*it)?),
        Value::F32(it) => arguments.add(f64::from(*it)),
        Value::F64(it) => arguments.add(*it),
        Value::Decimal(it) => match Number::of(it) {
            Some(Number::Whole(whole)) => arguments.add(whole),
            Some(Number::Fraction(fraction)) => arguments.add(fraction),
            None => Err("it has too many digits".into()),
        },
        Value::Text(it) | Value::Untyped(it) => arguments.add(it.as_str()),
        Value::Bytes(it) => arguments.add(it.as_slice()),
        Value::Date(it) => arguments.add(*it),
        Value::Time(it) => arguments.add(*it),
        Value::DateTime(it) => arguments.add(*it),
        Value::Timestamp(it) => arguments.add(*it),
        Value::Uuid(it) => arguments.add(*it),
        Value::Json(it) => arguments.add(it.to_string()),
        Value::Null | Value::NullOf(_) | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            arguments.add(None::<i64>)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::value::Interval;

    #[test]
    fn q4_what_sqlite_lacks_is_refused_by_name() {
        let refused = |value: Value| arguments(&[Value::Null, value]).unwrap_err();
        assert_eq!(
            refused(Value::Interval(Interval::default())).kind(),
            ErrorKind::Unsupported
        );
        assert_eq!(refused(Value::Array(vec![])).kind(), ErrorKind::Unsupported);
        assert_eq!(refused(Value::F64(f64::NAN)).kind(), ErrorKind::Parameter);
        assert_eq!(refused(Value::F32(f32::NAN)).kind(), ErrorKind::Parameter);
        let large = refused(Value::U64(u64::MAX));
        assert!(
            large.message().contains("parameter 2") && large.message().contains("9223372036854775807"),
            "{large}"
        );
        assert!(arguments(&[Value::U64(i64::MAX as u64), Value::F64(f64::INFINITY)]).is_ok());
    }
}
