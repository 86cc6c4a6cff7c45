//! The words of T-SQL (SQL Server). Its statements need nothing between them, so that a word that begins one counts
//! anywhere in a text; all of these words are reserved, so that none of them is a name without quotes.

use super::lexer::TokenKind;
use super::switches::Setting;
use super::transaction_control::Control;
use super::word::Word;

/// The words that begin a statement that writes, or may write.
const WRITING: [&str; 24] = [
    "ALTER",
    "BACKUP",
    "BEGIN",
    "BULK",
    "CHECKPOINT",
    "COMMIT",
    "CREATE",
    "DBCC",
    "DENY",
    "DROP",
    "EXEC",
    "EXECUTE",
    "GRANT",
    "INSERT",
    "KILL",
    "MERGE",
    "RECONFIGURE",
    "RESTORE",
    "REVOKE",
    "ROLLBACK",
    "SAVE",
    "SHUTDOWN",
    "TRUNCATE",
    "USE",
];

/// The words that begin a statement, where the name of a savepoint could stand.
#[rustfmt::skip]
const BEGINNING: [&str; 14] = [
    "DECLARE", "DELETE", "ELSE", "END", "IF", "PRINT", "RAISERROR", "RETURN", "SELECT", "SET", "THROW", "UPDATE", "WHILE",
    "WITH",
];

/// Returns whether a text has the line `GO`, which tools understand and the server does not.
pub(super) fn separates_batches(text: &str, parts: &[Word<'_>]) -> bool {
    let on_other_lines = |first: Option<&Word<'_>>, second: Option<&Word<'_>>| match (first, second) {
        (Some(first), Some(second)) => text[first.end..second.start].contains('\n'),
        _ => true,
    };
    (0..parts.len()).any(|index| {
        // It may be followed by a number of times.
        let counted = parts.get(index + 1).is_some_and(|part| part.kind == TokenKind::Number);
        let last = index + usize::from(counted);
        parts[index].is("GO")
            && on_other_lines(index.checked_sub(1).map(|before| &parts[before]), parts.get(index))
            && on_other_lines(parts.get(last), parts.get(last + 1))
    })
}

/// Returns whether a text defines code, of which the rest of the text is part.
pub(super) fn defines_code(parts: &[Word<'_>]) -> bool {
    let [first, rest @ ..] = parts else { return false };
    let mut rest = rest.iter().skip_while(|part| part.is_one_of(&["OR", "ALTER"]));
    let kinds = ["PROC", "PROCEDURE", "FUNCTION", "TRIGGER"];
    first.is_one_of(&["CREATE", "ALTER"]) && rest.next().is_some_and(|part| part.is_one_of(&kinds))
}

/// Returns the strongest effect on the transaction among those of the statements of a text.
pub(super) fn control(parts: &[Word<'_>]) -> Control {
    if defines_code(parts) {
        return Control::None;
    }
    let all = (0..parts.len()).map(|index| control_at(parts, index));
    all.max().unwrap_or(Control::None)
}

fn control_at(parts: &[Word<'_>], index: usize) -> Control {
    const TRANSACTION: [&str; 2] = ["TRAN", "TRANSACTION"];
    let is = |index: usize, words: &[&str]| parts.get(index).is_some_and(|part| part.is_one_of(words));
    let part = &parts[index];
    if part.is("BEGIN") && (is(index + 1, &TRANSACTION) || is(index + 1, &["DISTRIBUTED"])) {
        return Control::Begin;
    }
    if part.is("COMMIT") {
        return Control::Commit;
    }
    if part.is("SAVE") && is(index + 1, &TRANSACTION) {
        return Control::Savepoint;
    }
    // `ALTER DATABASE … WITH ROLLBACK IMMEDIATE` is about other sessions.
    if part.is("ROLLBACK") && !(index > 0 && is(index - 1, &["WITH"])) {
        let named = is(index + 1, &TRANSACTION) && parts.get(index + 2).is_some_and(is_name);
        return if named { Control::Savepoint } else { Control::Rollback };
    }
    Control::None
}

fn is_name(part: &Word<'_>) -> bool {
    part.kind == TokenKind::Quoted
        || (part.kind == TokenKind::Word && !part.is_one_of(&BEGINNING) && !part.is_one_of(&WRITING))
}

/// Returns whether a text begins a transaction after it has ended one.
pub(super) fn begins_again(parts: &[Word<'_>]) -> bool {
    let mut ended = false;
    (0..parts.len()).any(|index| match control_at(parts, index) {
        Control::Commit | Control::Rollback => {
            ended = true;
            false
        }
        Control::Begin => ended,
        _ => false,
    })
}

/// Returns whether a text runs code that is not read here: a procedure, or a text in a variable. At the beginning, the
/// name of a procedure needs no word before it.
pub(super) fn runs_others(parts: &[Word<'_>]) -> bool {
    #[rustfmt::skip]
    const OTHERS: [&str; 17] = [
        "CLOSE", "DEALLOCATE", "DISABLE", "ENABLE", "FETCH", "GET", "GOTO", "MOVE", "OPEN", "READTEXT", "RECEIVE", "REVERT",
        "SEND", "SETUSER", "UPDATETEXT", "WAITFOR", "WRITETEXT",
    ];
    let executes = parts.iter().enumerate().any(|(index, part)| {
        // `EXECUTE AS USER = …` changes the session.
        part.is_one_of(&["EXEC", "EXECUTE"]) && !parts.get(index + 1).is_some_and(|part| part.is("AS"))
    });
    let begins = |first: &Word<'_>| {
        first.is_one_of(&BEGINNING) || first.is_one_of(&WRITING) || first.is_one_of(&OTHERS) || first.is_symbol(b'(')
    };
    !defines_code(parts) && (executes || parts.first().is_some_and(|first| is_name(first) && !begins(first)))
}

/// Returns whether a text that begins with a query may write.
pub(super) fn may_write(parts: &[Word<'_>]) -> bool {
    let calls_procedure = runs_others(parts);
    calls_procedure
        || parts
            .iter()
            .any(|part| part.is_one_of(&WRITING) || part.is_one_of(&["INTO", "DELETE", "SET"]))
}

/// Returns whether a text locks the rows that it reads, beyond the statement.
pub(super) fn locks(parts: &[Word<'_>]) -> bool {
    const HINTS: [&str; 7] = [
        "HOLDLOCK",
        "REPEATABLEREAD",
        "SERIALIZABLE",
        "TABLOCK",
        "TABLOCKX",
        "UPDLOCK",
        "XLOCK",
    ];
    parts.iter().any(|part| part.is_one_of(&HINTS))
}

/// Returns whether a text changes its session: a setting, the database, the user, a temporary table, a cursor, an open key,
/// a trace flag or a lock of the application.
pub(super) fn changes_session(parts: &[Word<'_>]) -> bool {
    const VERBS: [&str; 5] = ["DELETE", "INSERT", "MERGE", "SELECT", "UPDATE"];
    if defines_code(parts) {
        return false;
    }
    let mut selects = false;
    parts.iter().enumerate().any(|(index, part)| {
        if part.is_one_of(&VERBS) {
            selects = part.is("SELECT");
        }
        // Only the `INTO` of a `SELECT` creates the table that it names.
        let creates = part.is("TABLE") || (selects && part.is("INTO"));
        let next = |words: &[&str]| parts.get(index + 1).is_some_and(|part| part.is_one_of(words));
        // An `UPDATE` has its own `SET`, which the name of a column follows.
        (part.is("SET") && sets_session(parts, index))
            || part.is_one_of(&["USE", "REVERT", "SETUSER", "CURSOR"])
            || (part.is_one_of(&["EXEC", "EXECUTE"]) && next(&["AS"]))
            || (part.is_one_of(&["OPEN", "CLOSE"]) && next(&["ALL", "MASTER", "SYMMETRIC"]))
            || (part.is("DBCC") && next(&["TRACEON", "TRACEOFF"]))
            || (creates && is_temporary(&parts[index + 1..]))
            || is_procedure_of_session(part)
    })
}

/// Returns whether the name at the beginning is that of a temporary table. The database may be named before it.
fn is_temporary(parts: &[Word<'_>]) -> bool {
    // A name has at most four parts.
    let parts = &parts[..parts.len().min(7)];
    let mut names = parts.chunk_by(|one, next| one.is_symbol(b'.') || next.is_symbol(b'.'));
    let name = names.next().unwrap_or_default();
    name.iter().any(|part| bare(part).starts_with('#'))
}

fn is_procedure_of_session(part: &Word<'_>) -> bool {
    const PROCEDURES: [&str; 3] = ["SP_GETAPPLOCK", "SP_SET_SESSION_CONTEXT", "SP_SETAPPROLE"];
    let is_name = matches!(part.kind, TokenKind::Word | TokenKind::Quoted);
    is_name && PROCEDURES.iter().any(|name| bare(part).eq_ignore_ascii_case(name))
}

/// Returns a name without its quotes.
fn bare<'t>(part: &Word<'t>) -> &'t str {
    part.text.trim_matches(['[', ']', '"'])
}

/// The settings of a session that have a name of one word, or begin with it.
#[rustfmt::skip]
const SETTINGS: [&str; 36] = [
    "ANSI_DEFAULTS", "ANSI_NULLS", "ANSI_NULL_DFLT_OFF", "ANSI_NULL_DFLT_ON", "ANSI_PADDING", "ANSI_WARNINGS", "ARITHABORT",
    "ARITHIGNORE", "CONCAT_NULL_YIELDS_NULL", "CONTEXT_INFO", "CURSOR_CLOSE_ON_COMMIT", "DATEFIRST", "DATEFORMAT",
    "DEADLOCK_PRIORITY", "FIPS_FLAGGER", "FMTONLY", "FORCEPLAN", "IDENTITY_INSERT", "IMPLICIT_TRANSACTIONS", "LANGUAGE",
    "LOCK_TIMEOUT", "NOCOUNT", "NOEXEC", "NUMERIC_ROUNDABORT", "PARSEONLY", "QUERY_GOVERNOR_COST_LIMIT",
    "QUOTED_IDENTIFIER", "REMOTE_PROC_TRANSACTIONS", "RESULT_SET_CACHING", "ROWCOUNT", "SHOWPLAN_ALL", "SHOWPLAN_TEXT",
    "SHOWPLAN_XML", "STATISTICS", "TEXTSIZE", "XACT_ABORT",
];

/// Returns whether the `SET` at a position changes the session.
fn sets_session(parts: &[Word<'_>], index: usize) -> bool {
    let Some(name) = parts.get(index + 1) else { return false };
    let assigned = parts.get(index + 2).is_some_and(|part| part.is_symbol(b'='));
    !assigned && (name.is("TRANSACTION") || name.is_one_of(&SETTINGS))
}

/// Returns the setting that a text changes, or may change, from the value on which the library relies.
pub(super) fn switched(parts: &[Word<'_>]) -> Option<Setting> {
    let switched = |index: usize| parts[index].is("SET") && switches_on(&parts[index + 1..]);
    let found = !defines_code(parts) && (0..parts.len()).any(switched);
    found.then_some(Setting::ImplicitTransactions)
}

/// Returns whether an assignment, which may have several names with commas between them, switches implicit transactions on.
fn switches_on(assignment: &[Word<'_>]) -> bool {
    let mut listed = false;
    for pair in assignment.chunks(2) {
        listed |= pair[0].is_one_of(&["IMPLICIT_TRANSACTIONS", "ANSI_DEFAULTS"]);
        match pair.get(1) {
            Some(comma) if comma.is_symbol(b',') => {}
            value => return listed && !value.is_some_and(|value| Setting::ImplicitTransactions.keeps(value.text)),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::sql::{Control, Dialect, SessionChange, Setting, Template};

    fn parsed(sql: &str) -> Template {
        Template::parse(Dialect::SqlServer, sql).unwrap()
    }

    #[test]
    fn b1_what_a_text_does_to_the_transaction_is_found_anywhere_in_it() {
        for (sql, control) in [
            ("BEGIN TRAN", Control::Begin),
            ("begin distributed transaction x", Control::Begin),
            ("BEGIN TRY SELECT 1 END TRY BEGIN CATCH END CATCH", Control::None),
            ("INSERT INTO note VALUES (1) COMMIT", Control::Commit),
            ("IF @@TRANCOUNT > 0 ROLLBACK", Control::Rollback),
            ("ROLLBACK TRANSACTION SELECT 1", Control::Rollback),
            ("ROLLBACK TRAN there", Control::Savepoint),
            ("ROLLBACK TRAN [a b]", Control::Savepoint),
            ("SAVE TRANSACTION there", Control::Savepoint),
            ("SELECT 'COMMIT', [COMMIT], \"ROLLBACK\" -- COMMIT", Control::None),
            ("SELECT 1 /* a /* b */ COMMIT */", Control::None),
            ("CREATE OR ALTER PROCEDURE p AS BEGIN TRAN; COMMIT", Control::None),
            (
                "ALTER DATABASE d SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
                Control::None,
            ),
            ("SET CURSOR_CLOSE_ON_COMMIT OFF", Control::None),
        ] {
            assert_eq!(parsed(sql).control(), control, "{sql}");
        }
    }

    #[test]
    fn b1_a_text_that_runs_others_is_known_by_its_words() {
        for (sql, others) in [
            ("EXEC p", true),
            ("sp_who", true),
            ("dbo.p 1, 2", true),
            ("SELECT 1 EXEC (@text)", true),
            ("EXECUTE AS USER = 'a'", false),
            ("CREATE PROCEDURE p AS EXEC q", false),
            ("SELECT exec_at FROM job", false),
            ("UPDATE note SET a = 1", false),
            ("WAITFOR DELAY '00:00:01'", false),
        ] {
            assert_eq!(parsed(sql).effect().opaque, others, "{sql}");
        }
    }

    #[test]
    fn b1_a_query_after_which_something_writes_is_no_reading() {
        for (sql, reads) in [
            ("SELECT a FROM note", true),
            ("WITH one AS (SELECT 1 AS a) SELECT a FROM one", true),
            ("SELECT a INTO copy FROM note", false),
            ("SELECT 1 DELETE FROM note", false),
            ("SELECT 1 DROP TABLE note", false),
            ("SELECT 1 EXEC p", false),
        ] {
            assert_eq!(parsed(sql).effect().reads, reads, "{sql}");
        }
        assert!(parsed("SELECT a FROM note WITH (UPDLOCK)").effect().locks);
        assert!(!parsed("SELECT a FROM note").effect().locks);
    }

    #[test]
    fn b1_what_the_next_user_must_not_find_is_known_from_the_text() {
        for (sql, change) in [
            ("SET NOCOUNT ON", SessionChange::Changed),
            ("SET TRANSACTION ISOLATION LEVEL SNAPSHOT", SessionChange::Changed),
            ("SET @a = 1", SessionChange::None),
            ("UPDATE note SET language = 1", SessionChange::None),
            ("USE other", SessionChange::Changed),
            ("CREATE TABLE #own (id int)", SessionChange::Changed),
            ("SELECT 1 AS a INTO #own", SessionChange::Changed),
            ("SELECT a FROM #own", SessionChange::None),
            ("CREATE TABLE tempdb..#own (id int)", SessionChange::Changed),
            ("SELECT a INTO [tempdb].[dbo].[#own] FROM note", SessionChange::Changed),
            ("SELECT a INTO copy FROM dbo.#own", SessionChange::None),
            ("INSERT INTO #own VALUES (1)", SessionChange::None),
            ("SELECT 1 INSERT INTO #own SELECT a FROM note", SessionChange::None),
            (
                "INSERT INTO note OUTPUT inserted.id INTO #own VALUES (1)",
                SessionChange::None,
            ),
            ("DELETE FROM note SELECT 1 AS a INTO #own", SessionChange::Changed),
            (
                "OPEN SYMMETRIC KEY k DECRYPTION BY PASSWORD = 'a'",
                SessionChange::Changed,
            ),
            ("OPEN MASTER KEY DECRYPTION BY PASSWORD = 'a'", SessionChange::Changed),
            ("CLOSE ALL SYMMETRIC KEYS", SessionChange::Changed),
            ("SELECT 1; CLOSE MASTER KEY", SessionChange::Changed),
            ("DBCC TRACEON (1222)", SessionChange::Changed),
            ("DBCC TRACEOFF (1222)", SessionChange::Changed),
            ("DBCC CHECKIDENT (note)", SessionChange::None),
            ("EXEC sp_getapplock 'a', 'Exclusive', 'Session'", SessionChange::Changed),
            (
                "EXEC sys.[sp_getapplock] 'a', 'Exclusive', 'Session'",
                SessionChange::Changed,
            ),
            ("SELECT 'sp_getapplock'", SessionChange::None),
            ("CREATE PROCEDURE p AS SET NOCOUNT ON", SessionChange::None),
            ("EXECUTE AS USER = 'a'", SessionChange::Changed),
        ] {
            assert_eq!(parsed(sql).effect().session, change, "{sql}");
        }
    }

    #[test]
    fn b1_implicit_transactions_are_not_switched_on() {
        for (sql, switched) in [
            ("SET IMPLICIT_TRANSACTIONS ON", true),
            ("SELECT 1 SET NOCOUNT, IMPLICIT_TRANSACTIONS ON", true),
            ("SET ANSI_DEFAULTS ON", true),
            ("SET IMPLICIT_TRANSACTIONS OFF", false),
            ("SET NOCOUNT ON", false),
            ("CREATE PROCEDURE p AS SET IMPLICIT_TRANSACTIONS ON", false),
        ] {
            let found = parsed(sql).effect().switches;
            assert_eq!(found, switched.then_some(Setting::ImplicitTransactions), "{sql}");
        }
    }

    #[test]
    fn b1_the_line_go_is_refused() {
        for sql in ["SELECT 1\nGO\nSELECT 2", "SELECT 1\r\n go 5\r\n", "GO"] {
            let error = Template::parse(Dialect::SqlServer, sql).unwrap_err();
            assert!(error.to_string().contains("`GO`"), "{error}");
        }
        for sql in ["SELECT 1 AS GO", "SELECT '\nGO\n'", "SELECT 1 -- \nFROM [GO]"] {
            assert!(Template::parse(Dialect::SqlServer, sql).is_ok(), "{sql}");
        }
        assert!(Template::parse(Dialect::Generic, "SELECT 1\nGO").is_ok());
    }
}
