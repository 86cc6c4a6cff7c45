//! Values as they stand in a text, for the rare statements that cannot have parameters.

use chrono::SubsecRound as _;

use crate::value::Value;

/// Returns a literal that the server reads alike, whatever it thinks of backslashes.
pub(super) fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// Returns the text of a value other than `NULL` for the server; `None` if it has none here.
pub(super) fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(it) => it.to_string(),
        Value::I16(it) => it.to_string(),
        Value::I32(it) => it.to_string(),
        Value::I64(it) => it.to_string(),
        Value::U64(it) => it.to_string(),
        Value::F32(it) => it.to_string(),
        Value::F64(it) => it.to_string(),
        Value::Decimal(it) => it.to_string(),
        Value::Text(it) | Value::Untyped(it) if !it.contains('\0') => it.clone(),
        Value::Bytes(it) => it
            .iter()
            .fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
        Value::Date(it) => common_era(it.to_string())?,
        // Cut off as in the binary format.
        Value::Time(it) => it.trunc_subsecs(6).to_string(),
        Value::DateTime(it) => common_era(it.trunc_subsecs(6).to_string())?,
        Value::Timestamp(it) => common_era(it.trunc_subsecs(6).to_rfc3339())?,
        Value::Uuid(it) => it.to_string(),
        Value::Json(it) => it.to_string(),
        Value::Interval(it) => {
            // With signs, because one style of the server takes the first one for all.
            format!(
                "{:+} mons {:+} days {:+} microseconds",
                it.months, it.days, it.microseconds
            )
        }
        Value::Inet(it) => it.to_string(),
        Value::Array(members) => array(members)?,
        Value::Null | Value::NullOf(_) | Value::Text(_) | Value::Untyped(_) | Value::List(_) => return None,
    })
}

/// Returns a date, unless its year is written in another way than the server's.
fn common_era(text: String) -> Option<String> {
    text.starts_with(|first: char| first.is_ascii_digit()).then_some(text)
}

fn array(members: &[Value]) -> Option<String> {
    let mut out = String::from("{");
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match member {
            member if member.is_null() => out.push_str("NULL"),
            Value::Array(_) => out.push_str(&text(member)?),
            member => {
                let text = text(member)?;
                out.push('"');
                out.push_str(&text.replace('\\', r"\\").replace('"', "\\\""));
                out.push('"');
            }
        }
    }
    out.push('}');
    Some(out)
}

/// Returns the name of the type that a value has by itself, if that is certain.
pub(super) fn type_name(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Bool(_) => "bool",
        Value::I16(_) => "int2",
        Value::I32(_) => "int4",
        Value::I64(_) => "int8",
        Value::U64(it) if i64::try_from(*it).is_ok() => "int8",
        Value::U64(_) | Value::Decimal(_) => "numeric",
        Value::F32(_) => "float4",
        Value::F64(_) => "float8",
        Value::Bytes(_) => "bytea",
        Value::Date(_) => "date",
        Value::Time(_) => "time",
        Value::DateTime(_) => "timestamp",
        Value::Timestamp(_) => "timestamptz",
        Value::Uuid(_) => "uuid",
        Value::Json(_) => "jsonb",
        Value::Interval(_) => "interval",
        Value::Inet(_) => "inet",
        _ => return None,
    })
}

/// Returns the name of the type of an array's members, if all have the same.
pub(super) fn member_type(value: &Value) -> Option<&'static str> {
    let Value::Array(members) = value else { return None };
    let mut names = members.iter().filter(|member| !member.is_null()).map(type_name);
    let first = names.next()??;
    names.all(|name| name == Some(first)).then_some(first)
}
