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
    if !kinds.all(|other| other == kind) {
        return false;
    }
    for value in rows.iter_mut().flatten().filter_map(|row| row.get_mut(column)) {
        if *value == Value::Null {
            *value = Value::NullOf(kind);
        }
    }
    true
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
}
