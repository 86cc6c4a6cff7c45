//! Definitions of code that runs when something else is read.

use super::word::Word;

/// Returns whether a statement of PostgreSQL may define code that runs when something else is read, or give it another
/// name. Blocks and procedures are not read here.
pub(super) fn defines_code(statement: &[Word<'_>]) -> bool {
    const CODE: [&str; 17] = [
        "AGGREGATE",
        "ATTACH",
        "CAST",
        "EXTENSION",
        "FOREIGN",
        "FUNCTION",
        "INHERIT",
        "INHERITS",
        "OPERATOR",
        "POLICY",
        "PROCEDURE",
        "RENAME",
        "ROUTINE",
        "RULE",
        "SCHEMA",
        "SECURITY",
        "VIEW",
    ];
    statement.first().is_some_and(|first| {
        first.is_one_of(&["DO", "CALL", "IMPORT"])
            || (first.is_one_of(&["CREATE", "ALTER"]) && statement.iter().any(|part| part.is_one_of(&CODE)))
    })
}
