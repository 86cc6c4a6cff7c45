//! The type of a `NULL` that was the `None` of a known Rust type.

/// The type of a [`Value::NullOf`](super::Value::NullOf): that of the variant of [`Value`](super::Value) with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variants of `Value` are documented")]
pub enum NullType {
    Bool,
    I16,
    I32,
    I64,
    U64,
    F32,
    F64,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    DateTime,
    Timestamp,
    Uuid,
    Json,
    Interval,
    Inet,
}
