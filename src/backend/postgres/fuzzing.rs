//! The properties of `fuzz/` that are about PostgreSQL's values; see [`crate::fuzzing`].

use sqlx::postgres::PgTypeInfo;

use super::textual::textual;
use super::types::binary;
use crate::error::Result;
use crate::value::ValueRef;

/// No text of a server makes reading panic, whatever the type.
pub fn postgres_text(oid: u32, text: &str) {
    check(textual(oid, text));
}

/// No bytes of a server make reading panic, whatever the type.
pub fn postgres_binary(oid: u32, bytes: &[u8]) {
    check(binary(oid, None::<&PgTypeInfo>, bytes));
}

/// Returns the object identifiers of built-in types for the first byte of an input, because few of all numbers are one.
pub fn oid(byte: u8) -> u32 {
    const KNOWN: [u32; 44] = [
        16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 600, 650, 700, 701, 790, 829, 869, 1000, 1001, 1005, 1007, 1009,
        1014, 1015, 1016, 1021, 1022, 1042, 1043, 1082, 1083, 1114, 1115, 1184, 1185, 1186, 1231, 1266, 1700, 2950,
        3802, 3904, 4451,
    ];
    KNOWN[usize::from(byte) % KNOWN.len()]
}

/// What was read can be shown, and an error says what it is about.
fn check(value: Result<ValueRef<'_>>) {
    match value {
        Ok(value) => drop(format!("{value:?}")),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn q4_no_value_of_a_server_makes_reading_panic(byte in any::<u8>(), bytes in vec(any::<u8>(), 0..64)) {
            postgres_binary(oid(byte), &bytes);
            postgres_text(oid(byte), &String::from_utf8_lossy(&bytes));
        }
    }
}
