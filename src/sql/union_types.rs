//! The types of the values in several rows of one `INSERT`. SQL Server gives each column of such rows one type, as a
//! `UNION` does, and would convert text to a number beside it.

use super::Dialect;
use crate::value::{NullType, Value};

/// Returns whether the rows can be inserted together. The NULLs without a type get that of their column.
pub(super) fn unite(dialect: Dialect, rows: &mut [Option<Vec<Value>>]) -> bool {
    if dialect != Dialect::SqlServer {
        return true;
    }
    let columns = rows.iter().flatten().map(Vec::len).max().unwrap_or_default();
    (0..columns).all(|column| unite_column(rows, column))
}

fn unite_column(rows: &mut [Option<Vec<Value>>], column: usize) -> bool {
    let values = || rows.iter().flatten().filter_map(|row| row.get(column));
    let mut kinds = values().filter_map(kind);
    let Some(kind) = kinds.next() else { return true };
    if !kinds.all(|other| other == kind) || (kind == NullType::Decimal && !common_decimal(values())) {
        return false;
    }
    for value in rows.iter_mut().flatten().filter_map(|row| row.get_mut(column)) {
        if *value == Value::Null {
            *value = Value::NullOf(kind);
        }
    }
    true
}

/// The digits of a NULL in front of and behind the point: it is sent as `DECIMAL(38, 10)`.
const DIGITS_OF_NULL: (u32, u32) = (28, 10);
/// The most digits of a `DECIMAL`. Of more than that, those behind the point are rounded.
const MOST_DIGITS: u32 = 38;

/// Returns whether one `DECIMAL` holds all digits of all these decimals.
fn common_decimal<'v>(values: impl Iterator<Item = &'v Value>) -> bool {
    let (before, behind) = values
        .map(digits)
        .fold((1, 0), |all, one| (all.0.max(one.0), all.1.max(one.1)));
    before + behind <= MOST_DIGITS
}

/// Returns the number of digits in front of and behind the point of the type that a decimal is sent with.
fn digits(value: &Value) -> (u32, u32) {
    match value {
        Value::Decimal(decimal) => {
            let whole = decimal.trunc().mantissa().unsigned_abs();
            (whole.checked_ilog10().map_or(1, |log| log + 1), decimal.scale())
        }
        _ => DIGITS_OF_NULL,
    }
}

/// Returns the type of a value; `None` for a NULL without one.
fn kind(value: &Value) -> Option<NullType> {
    Some(match value {
        Value::Null => return None,
        Value::NullOf(kind) => *kind,
        Value::Bool(_) => NullType::Bool,
        Value::I16(_) => NullType::I16,
        Value::I32(_) => NullType::I32,
        Value::I64(_) => NullType::I64,
        Value::U64(_) => NullType::U64,
        Value::F32(_) => NullType::F32,
        Value::F64(_) => NullType::F64,
        Value::Decimal(_) => NullType::Decimal,
        Value::Text(_) | Value::Untyped(_) | Value::Array(_) | Value::List(_) => NullType::Text,
        Value::Bytes(_) => NullType::Bytes,
        Value::Date(_) => NullType::Date,
        Value::Time(_) => NullType::Time,
        Value::DateTime(_) => NullType::DateTime,
        Value::Timestamp(_) => NullType::Timestamp,
        Value::Uuid(_) => NullType::Uuid,
        Value::Json(_) => NullType::Json,
        Value::Interval(_) => NullType::Interval,
        Value::Inet(_) => NullType::Inet,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn united(dialect: Dialect, mut rows: Vec<Option<Vec<Value>>>) -> (bool, Vec<Option<Vec<Value>>>) {
        (unite(dialect, &mut rows), rows)
    }

    #[test]
    fn b1_rows_of_different_types_are_not_inserted_together() {
        let mixed = vec![Some(vec![Value::I64(1)]), Some(vec![Value::Text("a".to_owned())])];
        assert!(!united(Dialect::SqlServer, mixed.clone()).0);
        assert!(united(Dialect::Postgres, mixed).0);
        let nulls = vec![Some(vec![Value::Null]), Some(vec![Value::Bytes(vec![1])])];
        let (together, rows) = united(Dialect::SqlServer, nulls);
        assert!(together);
        assert_eq!(rows[0], Some(vec![Value::NullOf(NullType::Bytes)]));
    }

    #[test]
    fn b1_decimals_that_would_lose_digits_beside_each_other_are_not_inserted_together() {
        let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
        let null = || Value::Null;
        for (first, second, together) in [
            // DECIMAL(9, 5) and DECIMAL(13, 2) are DECIMAL(16, 5).
            (decimal("1234.56789"), decimal("12345678901.25"), true),
            (decimal("1234567890123456789012345678"), decimal("0.1234567891"), true),
            (decimal("1234567890123456789012345678"), decimal("0.12345678912"), false),
            (decimal("-0.0000000001"), null(), true),
            (decimal("1234567890123456789012345678"), null(), true),
            (decimal("3.141592653589793"), null(), false),
            (decimal("12345678901234567890123456789"), null(), false),
            (null(), decimal("3.141592653589793"), false),
            (Value::NullOf(NullType::Decimal), null(), true),
        ] {
            let rows = vec![Some(vec![first.clone()]), Some(vec![second.clone()])];
            assert_eq!(united(Dialect::SqlServer, rows).0, together, "{first:?} {second:?}");
        }
    }
}
