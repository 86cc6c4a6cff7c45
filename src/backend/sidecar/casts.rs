//! Casts at the places of values, for a driver that hands no types on.

use std::borrow::Cow;

use crate::sql::ForeignText;
use crate::value::Value;

/// Returns the text of a statement with a cast at the place of each value that has a type: PostgreSQL decides the types of
/// text, of NULL and of arrays by what is around them.
pub(super) fn with_casts<'t>(foreign: &'t ForeignText, values: &[Value]) -> Cow<'t, str> {
    let typed = |index: &u32| values.get(*index as usize).and_then(type_of);
    if foreign.order.iter().all(|index| typed(index).is_none()) {
        return Cow::Borrowed(&foreign.text);
    }
    let (mut out, mut from) = (String::with_capacity(foreign.text.len() + 32), 0);
    for (place, index) in foreign.places.iter().zip(&foreign.order) {
        let Some(name) = typed(index) else { continue };
        let place = *place as usize;
        out.push_str(&foreign.text[from..place]);
        out.extend(["CAST(? AS ", name, ")"]);
        from = place + 1;
    }
    out.push_str(&foreign.text[from..]);
    Cow::Owned(out)
}

fn type_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Bool(_) => "bool",
        Value::I16(_) => "int2",
        Value::I32(_) => "int4",
        Value::I64(_) => "int8",
        Value::U64(_) | Value::Decimal(_) => "numeric",
        Value::F32(_) => "float4",
        Value::F64(_) => "float8",
        Value::Bytes(_) => "bytea",
        Value::Date(_) => "date",
        Value::Time(_) => "time",
        Value::DateTime(_) => "timestamp",
        Value::Timestamp(_) => "timestamptz",
        Value::Uuid(_) => "uuid",
        Value::Interval(_) => "interval",
        Value::Inet(_) => "inet",
        Value::Array(members) => return members.iter().find_map(array_of),
        _ => return None,
    })
}

/// Returns the type of an array by one of its members. That of texts is decided by the server, as that of a text is.
fn array_of(member: &Value) -> Option<&'static str> {
    Some(match type_of(member)? {
        "bool" => "bool[]",
        "int2" => "int2[]",
        "int4" => "int4[]",
        "int8" => "int8[]",
        "numeric" => "numeric[]",
        "float4" => "float4[]",
        "float8" => "float8[]",
        "bytea" => "bytea[]",
        "date" => "date[]",
        "time" => "time[]",
        "timestamp" => "timestamp[]",
        "timestamptz" => "timestamptz[]",
        "uuid" => "uuid[]",
        "interval" => "interval[]",
        "inet" => "inet[]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, ParamStyle, Statement};

    #[test]
    fn b4_each_value_with_a_type_has_a_cast() {
        let statement = Statement::new("SELECT $2, $1, '?', $2", false);
        let foreign = ForeignText::of(&statement, Dialect::Postgres, ParamStyle::Question);
        let text = Value::Text("x".into());
        assert_eq!(
            with_casts(&foreign, &[text.clone(), Value::I32(1)]),
            "SELECT CAST(? AS int4), ?, '?', CAST(? AS int4)"
        );
        assert_eq!(
            with_casts(&foreign, &[text.clone(), Value::Null]),
            "SELECT ?, ?, '?', ?"
        );
        let array = Value::Array(vec![Value::Null, Value::I64(1)]);
        assert_eq!(
            with_casts(&foreign, &[array, text]),
            "SELECT ?, CAST(? AS int8[]), '?', ?"
        );
    }
}
