//! Which statements may run on the thread of their caller: those of which SQLite's program shows that they are short, or
//! that they can be stopped at any step.
//!
//! SQLite looks at its progress handler between two steps of a program. Some steps take as long as a whole table, or do
//! something outside of the program, so a statement with such a step is not run by its caller.

use rusqlite::Connection;

/// The thread on which a statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// It only reads: its caller runs it, for a number of steps.
    Reads,
    /// It writes at most one row, found by a key: its caller runs it.
    WritesOneRow,
    /// The connection's thread runs it.
    OnThread,
}

/// The words with which a statement begins that has a program of its own. Others have effects when they are prepared.
const PLAIN: [&str; 7] = ["SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"];

/// Returns whether a single statement has no effect before it runs, and none on the settings of its session.
pub(super) fn is_plain(sql: &str) -> bool {
    let sql = without_comments(sql);
    let begins = |word: &str| {
        sql.get(..word.len())
            .is_some_and(|first| first.eq_ignore_ascii_case(word))
    };
    PLAIN.into_iter().any(begins)
}

/// Returns a text from its first word on.
fn without_comments(sql: &str) -> &str {
    let mut rest = sql.trim_ascii_start();
    loop {
        let after = if let Some(line) = rest.strip_prefix("--") {
            line.split_once('\n')
        } else if let Some(block) = rest.strip_prefix("/*") {
            block.split_once("*/")
        } else {
            return rest;
        };
        rest = after.map_or("", |(_, rest)| rest).trim_ascii_start();
    }
}

impl Placement {
    /// Judges a statement that was prepared on this connection.
    pub(super) fn of(connection: &Connection, sql: &str, reads: bool) -> Self {
        if !is_plain(sql) {
            return Self::OnThread;
        }
        match Program::read(connection, sql) {
            Ok(program) if reads && program.is_stoppable => Self::Reads,
            Ok(program) if !reads && program.is_stoppable && !program.repeats && !program.returns_rows => {
                Self::WritesOneRow
            }
            // An error of the question itself is none of the statement.
            _ => Self::OnThread,
        }
    }
}

/// The program of a statement.
struct Program {
    /// Every step is short.
    is_stoppable: bool,
    /// A step may be done more than once.
    repeats: bool,
    returns_rows: bool,
}

impl Program {
    fn read(connection: &Connection, sql: &str) -> rusqlite::Result<Self> {
        let mut prepared = connection.prepare(&format!("EXPLAIN {sql}"))?;
        let mut steps = prepared.raw_query();
        let mut program = Self {
            is_stoppable: true,
            repeats: false,
            returns_rows: false,
        };
        while let Some(step) = steps.next()? {
            let opcode = step.get_ref(1)?.as_str().unwrap_or_default();
            let short = match opcode {
                "Function" | "PureFunc" | "AggStep" | "AggStep1" | "AggFinal" | "AggValue" | "AggInverse" => {
                    is_short_function(step.get_ref(5)?.as_str().unwrap_or_default())
                }
                _ => SHORT.contains(&opcode),
            };
            program.is_stoppable &= short;
            program.returns_rows |= opcode == "ResultRow";
            program.repeats |= REPEATING.contains(&opcode);
        }
        Ok(program)
    }
}

/// Returns whether a function takes no longer than to read its arguments. It is written as `lower(1)`.
fn is_short_function(written: &str) -> bool {
    let name = written.split('(').next().unwrap_or_default();
    SHORT_FUNCTIONS.contains(&name)
}

const SHORT_FUNCTIONS: [&str; 27] = [
    "abs",
    "avg",
    "changes",
    "coalesce",
    "count",
    "date",
    "datetime",
    "ifnull",
    "iif",
    "instr",
    "julianday",
    "last_insert_rowid",
    "length",
    "lower",
    "max",
    "min",
    "nullif",
    "round",
    "sqlite_version",
    "strftime",
    "substr",
    "sum",
    "time",
    "total",
    "typeof",
    "unixepoch",
    "upper",
];

/// The steps that go to the next row, or back.
const REPEATING: [&str; 8] = [
    "DecrJumpZero",
    "Gosub",
    "Next",
    "Prev",
    "Program",
    "RowSetRead",
    "SorterNext",
    "Yield",
];

/// The steps that touch at most one row, or as many as a path from the root of a tree to a leaf. What is not here counts
/// as long: `Count`, `Clear`, `SorterSort`, those of virtual tables, of definitions and of transactions.
const SHORT: [&str; 131] = [
    "Add",
    "AddImm",
    "Affinity",
    "And",
    "BeginSubrtn",
    "BitAnd",
    "BitNot",
    "BitOr",
    "Blob",
    "Cast",
    "Close",
    "ClrSubtype",
    "CollSeq",
    "Column",
    "ColumnsUsed",
    "Compare",
    "Concat",
    "Copy",
    "CursorHint",
    "DecrJumpZero",
    "DeferredSeek",
    "Delete",
    "Divide",
    "ElseEq",
    "EndCoroutine",
    "Eq",
    "Explain",
    "Filter",
    "FilterAdd",
    "FinishSeek",
    "FkCheck",
    "FkCounter",
    "FkIfZero",
    "Found",
    "Ge",
    "GetSubtype",
    "Gosub",
    "Goto",
    "Gt",
    "Halt",
    "HaltIfNull",
    "IdxDelete",
    "IdxGE",
    "IdxGT",
    "IdxInsert",
    "IdxLE",
    "IdxLT",
    "IdxRowid",
    "If",
    "IfEmpty",
    "IfNoHope",
    "IfNot",
    "IfNotOpen",
    "IfNotZero",
    "IfNullRow",
    "IfPos",
    "IfSizeBetween",
    "Init",
    "InitCoroutine",
    "Insert",
    "Int64",
    "IntCopy",
    "Integer",
    "IsNull",
    "IsTrue",
    "IsType",
    "Jump",
    "Last",
    "Le",
    "Lt",
    "MakeRecord",
    "MemMax",
    "Move",
    "Multiply",
    "MustBeInt",
    "Ne",
    "NewRowid",
    "Next",
    "NoConflict",
    "Noop",
    "Not",
    "NotExists",
    "NotFound",
    "NotNull",
    "Null",
    "NullRow",
    "Offset",
    "OffsetLimit",
    "Once",
    "OpenAutoindex",
    "OpenDup",
    "OpenEphemeral",
    "OpenPseudo",
    "OpenRead",
    "OpenWrite",
    "Or",
    "Permutation",
    "Prev",
    "Real",
    "RealAffinity",
    "ReleaseReg",
    "Remainder",
    "ResetCount",
    "ResultRow",
    "Return",
    "Rewind",
    "RowData",
    "RowSetAdd",
    "RowSetRead",
    "RowSetTest",
    "Rowid",
    "SCopy",
    "SeekEnd",
    "SeekGE",
    "SeekGT",
    "SeekHit",
    "SeekLE",
    "SeekLT",
    "SeekRowid",
    "SeekScan",
    "Sequence",
    "SetSubtype",
    "ShiftLeft",
    "ShiftRight",
    "SoftNull",
    "String",
    "String8",
    "Subtract",
    "Transaction",
    "TypeCheck",
    "Variable",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(sql: &str) -> Placement {
        let connection = Connection::open_in_memory().unwrap();
        let tables = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT UNIQUE, n INTEGER);
                      CREATE TABLE logged (id INTEGER PRIMARY KEY);
                      CREATE TRIGGER log AFTER INSERT ON logged BEGIN DELETE FROM notes; END;
                      CREATE TABLE parents (id INTEGER PRIMARY KEY);
                      CREATE TABLE children (parent INTEGER REFERENCES parents ON DELETE CASCADE);";
        connection.execute_batch(tables).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        let reads = connection.prepare(sql).unwrap().readonly();
        Placement::of(&connection, sql, reads)
    }

    #[test]
    fn d1_a_read_that_can_be_stopped_at_any_step_runs_inline() {
        for sql in [
            "SELECT id, title FROM notes WHERE id = ?",
            "select lower(title) from notes where title > ? limit 10",
            "SELECT sum(n), max(n) FROM notes",
            "SELECT 1",
        ] {
            assert_eq!(placement(sql), Placement::Reads, "{sql}");
        }
    }

    #[test]
    fn d1_a_comment_before_a_statement_changes_nothing() {
        for sql in ["-- one\n/* two */ select 1", "/**/select 1", "\n select 1"] {
            assert_eq!(placement(sql), Placement::Reads, "{sql}");
        }
        for sql in ["-- select 1", "/* select 1", "/* select */ pragma synchronous = off"] {
            assert!(!is_plain(sql), "{sql}");
        }
    }

    #[test]
    fn d1_a_read_with_a_step_as_long_as_a_table_does_not() {
        for sql in [
            "SELECT count(*) FROM notes",
            "SELECT n FROM notes ORDER BY n",
            "SELECT n, count(*) FROM notes GROUP BY n",
            "SELECT randomblob(1000000000)",
            "SELECT group_concat(title) FROM notes",
            "SELECT * FROM pragma_table_list",
            "PRAGMA integrity_check",
            "EXPLAIN SELECT 1",
        ] {
            assert_eq!(placement(sql), Placement::OnThread, "{sql}");
        }
    }

    #[test]
    fn d1_a_write_runs_inline_if_it_is_one_of_one_row_found_by_a_key() {
        for (sql, expected) in [
            ("INSERT INTO notes (title) VALUES (?)", Placement::WritesOneRow),
            ("UPDATE notes SET n = n + 1 WHERE id = ?", Placement::WritesOneRow),
            ("DELETE FROM notes WHERE title = ?", Placement::WritesOneRow),
            ("INSERT INTO children VALUES (?)", Placement::WritesOneRow),
            ("INSERT INTO notes (title) VALUES (?) RETURNING id", Placement::OnThread),
            ("INSERT INTO notes (title) VALUES (?), (?)", Placement::OnThread),
            ("INSERT INTO notes (n) SELECT n FROM notes", Placement::OnThread),
            ("UPDATE notes SET n = 1", Placement::OnThread),
            ("DELETE FROM notes", Placement::OnThread),
            ("DELETE FROM notes WHERE n = ?", Placement::OnThread),
            ("INSERT INTO logged VALUES (?)", Placement::OnThread),
            ("DELETE FROM parents WHERE id = ?", Placement::OnThread),
            ("CREATE TABLE other (n)", Placement::OnThread),
        ] {
            assert_eq!(placement(sql), expected, "{sql}");
        }
    }
}
