//! The facts about a server's transactions.

use super::at_commit_rules::AtCommitRules;
use crate::config::IsolationLevel;

/// The facts about a server's transactions and savepoints.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(crate) struct TransactionRules {
    /// The text that begins a transaction without options.
    pub(crate) begin: &'static str,
    /// The isolation level that it has by default.
    pub(crate) default_isolation: IsolationLevel,
    /// `true` if a database has one writer at a time. A transaction then takes the write lock as it begins, because one
    /// that becomes a writer later does not wait for its turn. A beginning that did not get the lock has begun nothing,
    /// and whether a transaction is open can be asked at any time, without a round trip.
    pub(crate) one_writer: bool,
    /// The code of statements in a transaction that an earlier error has aborted; `None` if an error undoes only its own
    /// statement. An aborted transaction accepts only a rollback, also to a savepoint.
    pub(crate) aborted: Option<&'static str>,
    /// `true` if there are savepoints. Without them no transaction begins inside another one, and there is no sandbox.
    pub(crate) savepoints: bool,
    /// `true` if a statement may end the transaction, with an error that does not report it or by itself.
    pub(crate) statements_may_end: bool,
    /// `true` if a statement may run code that ends the transaction and begins another one.
    pub(crate) code_may_commit: bool,
    /// `true` if a dropped call runs to its end on the driver's own thread, and its transaction can be asked for again.
    pub(crate) finishes_dropped_calls: bool,
    /// `true` if raw SQL may change settings on which commits depend, and no rollback restores them.
    pub(crate) settings_outlive_rollback: bool,
    /// The code with which a savepoint outside of a transaction is refused; `None` if it is accepted.
    pub(crate) savepoint_outside: Option<&'static str>,
    /// The way to make a transaction read-only.
    pub(crate) read_only: ReadOnly,
    /// The need for a savepoint before a statement in the sandbox.
    pub(crate) statement_savepoints: StatementSavepoints,
    /// The savepoint to which a failed statement in the sandbox is rolled back.
    pub(crate) statement_savepoint: StatementSavepointTexts,
    /// The savepoint that is gone when a statement has ended the transaction.
    pub(crate) probe: ProbeTexts,
    /// The check of what only a commit checks.
    pub(crate) commit_check: CommitCheck,
    /// The texts that end what a commit ends; `None` if that is nothing that statements create or change.
    pub(crate) at_commit: Option<AtCommitRules>,
}

impl TransactionRules {
    /// The facts about a server of which nothing is known: of two ways the one that is right on every server.
    pub(crate) const STANDARD: Self = Self {
        begin: "START TRANSACTION",
        default_isolation: IsolationLevel::ReadCommitted,
        one_writer: false,
        aborted: None,
        savepoints: true,
        statements_may_end: true,
        code_may_commit: true,
        finishes_dropped_calls: false,
        settings_outlive_rollback: true,
        savepoint_outside: None,
        read_only: ReadOnly::AtBegin,
        statement_savepoints: StatementSavepoints::Always,
        statement_savepoint: StatementSavepointTexts::STANDARD,
        probe: ProbeTexts::STANDARD,
        commit_check: CommitCheck::Nothing,
        at_commit: None,
    };
}

/// The texts of the savepoint to which a failed statement in the sandbox is rolled back.
#[derive(Debug)]
pub(crate) struct StatementSavepointTexts {
    /// Sets it.
    pub(crate) set: &'static str,
    /// Sets it again, where the transaction is now.
    pub(crate) renew: &'static str,
    /// Rolls back to it.
    pub(crate) back: &'static str,
}

impl StatementSavepointTexts {
    /// The texts in standard SQL.
    pub(crate) const STANDARD: Self = Self {
        set: "SAVEPOINT ebbtide_statement",
        renew: "RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement",
        back: "ROLLBACK TO SAVEPOINT ebbtide_statement",
    };
}

/// The texts of the savepoint that is gone when a statement that runs others has ended the transaction.
#[derive(Debug)]
pub(crate) struct ProbeTexts {
    /// Sets it.
    pub(crate) set: &'static str,
    /// Asks for it. It is there afterwards, so that it can be asked for again.
    pub(crate) ask: &'static str,
    /// Asks for it and releases it.
    pub(crate) release: &'static str,
}

impl ProbeTexts {
    /// The texts in standard SQL.
    pub(crate) const STANDARD: Self = Self {
        set: "SAVEPOINT ebbtide_marker",
        ask: "RELEASE SAVEPOINT ebbtide_marker; SAVEPOINT ebbtide_marker",
        release: "RELEASE SAVEPOINT ebbtide_marker",
    };
}

/// The need for a savepoint before a statement in the sandbox that is outside of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatementSavepoints {
    /// Always: a failed statement undoes more than itself.
    Always,
    /// Where the statement may violate constraints that are checked only after it.
    IfDeferred,
    /// Never.
    Never,
}

impl StatementSavepoints {
    /// Returns whether one is needed. `deferred` tells whether the database has constraints that are checked only at a
    /// commit, if that is known.
    pub(crate) fn are_needed(self, deferred: Option<bool>) -> bool {
        match self {
            Self::Always => true,
            Self::IfDeferred => deferred == Some(true),
            Self::Never => false,
        }
    }
}

/// The way to make a transaction read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOnly {
    /// The text that begins the transaction says it. For a savepoint this text says it, until the savepoint ends.
    Text(&'static str),
    /// A setting of the session, which is restored at the end. A user may have set it for the whole session.
    Setting {
        name: &'static str,
        set: &'static str,
        restore: &'static str,
    },
    /// Only the text that begins the transaction can say it. There are no read-only savepoints.
    AtBegin,
}

/// The check of what only a commit checks: deferred constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitCheck {
    /// There is nothing to check.
    Nothing,
    /// The server checks on request.
    Text {
        /// The query for the number of deferred constraints, and for the names whose reading may write: of relations as
        /// they are, of functions with a parenthesis after them, of operators.
        find: &'static str,
        /// The check. It changes nothing, not even the time at which constraints are checked, and ends with `; `.
        check: &'static str,
    },
    /// The server lists the rows that refer to missing ones. It is asked for deferred constraints each time, because
    /// that costs no round trip.
    Violations {
        /// The query for the number of deferred constraints.
        find: &'static str,
        /// The query for the rows: the table, the number of the row, the table that it refers to, the key.
        list: &'static str,
        /// The code of the error that a commit would return.
        code: &'static str,
    },
}

impl CommitCheck {
    /// Returns the query for the number of deferred constraints.
    pub(crate) fn find(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Text { find, .. } | Self::Violations { find, .. } => Some(find),
        }
    }

    /// Returns whether the server lists the rows that refer to missing ones.
    pub(crate) fn lists(self) -> bool {
        matches!(self, Self::Violations { .. })
    }
}
