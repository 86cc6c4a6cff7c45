//! The rules of a server: everything in which servers differ and that the modules right of `backend` need. Each server
//! has its own in its folder. They are compiled without its driver, too.

mod admin;
mod administration;
mod at_commit_rules;
mod begin_options;
mod described;
mod generic;
mod levels;
#[cfg(feature = "macros")]
mod lock;
mod made_by_connecting;
mod names;
mod positions;
mod schema_rules;
mod server_answer;
mod sessions;
mod transaction_rules;

use std::fmt::Debug;

use sqlx::SqlStr;

use crate::error::{Error, ErrorKind, Result};

pub(crate) use admin::{Admin, AdminSession, CreateOptions, advise};
pub(crate) use administration::Administration;
pub(crate) use at_commit_rules::AtCommitRules;
pub(crate) use begin_options::{BeginOptions, Mode, level_words, unsupported};
#[allow(
    unused_imports,
    reason = "only drivers outside of the process describe their database"
)]
pub(crate) use described::{Capabilities, DefinitionsWhere, described};
pub(crate) use generic::{GenericRules, STANDARD_SQL, begin as standard_begin, kind_by_standard, refuse_levels};
pub(crate) use levels::LevelTexts;
#[cfg(feature = "macros")]
pub(crate) use lock::{DatabaseLock, LOCK_LIMIT, LockName, held_too_long};
pub(crate) use made_by_connecting::MadeByConnecting;
pub(crate) use names::{check_name, database_name, encoding_word, is_utf8, unusable};
pub(crate) use positions::PositionRules;
pub(crate) use schema_rules::{CircularKeys, DefinitionsInTransaction, SchemaRules};
pub(crate) use server_answer::ServerAnswer;
pub(crate) use sessions::NamedSessions;
pub(crate) use transaction_rules::{
    CommitCheck, ProbeTexts, ReadOnly, StatementSavepointTexts, StatementSavepoints, TransactionRules,
};

/// The rules of a server. A connector brings its own ([`Connector::rules`](super::Connector::rules)); a place without a
/// connector asks [`Dialect::rules`](crate::Dialect).
pub(crate) trait ServerRules: Debug + Send + Sync {
    /// Returns the name of the product, for messages.
    fn name(&self) -> &'static str;

    /// Returns the facts about its transactions.
    fn transactions(&self) -> &'static TransactionRules;

    /// Returns the texts of the levels of a transaction, for a driver that leaves them to this library.
    #[cfg_attr(
        not(any(test, feature = "jdbc", feature = "dbapi2", feature = "odbc", feature = "mssql")),
        allow(dead_code, reason = "the drivers of sqlx know theirs")
    )]
    fn levels(&self) -> &'static LevelTexts {
        &LevelTexts::STANDARD
    }

    /// Returns the text that begins an outermost transaction; `None` is the plain one. A server may have no words for an
    /// option. Such an option is left out if the server grants it anyway, or if it only concerns when locks are taken.
    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>>;

    /// Returns whether a transaction is certainly still open after an error with a code. `plain` is `true` if the error
    /// answers a statement that does nothing to transactions and definitions. After `false` the server is asked.
    fn leaves_open(&self, error: &Error, plain: bool) -> bool;

    /// Returns whether the server has ended the transaction with the error that this answer reports.
    #[allow(dead_code, reason = "the drivers of sqlx know it of their own servers")]
    fn ends_transaction(&self, _answer: ServerAnswer<'_>) -> bool {
        false
    }

    /// Returns the kind of an error that the server reports.
    #[cfg_attr(
        not(any(
            feature = "postgres",
            feature = "mysql",
            feature = "sqlite",
            feature = "rusqlite",
            feature = "mssql"
        )),
        allow(dead_code, reason = "only the drivers receive errors of servers")
    )]
    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind;

    /// Returns the way to name sessions, and to find those that block a named one; `None` where there is none.
    fn named_sessions(&self) -> Option<&'static NamedSessions> {
        None
    }

    /// Returns the way to compare a replica with its primary; `None` for a server without positions.
    fn positions(&self) -> Option<&'static PositionRules> {
        None
    }

    /// Returns the statement that sends a notification, whose parameters are the channel and the payload; `None` where
    /// there are no notifications.
    fn notify(&self) -> Option<&'static str> {
        None
    }

    /// Returns the facts about the definitions of tables.
    fn schema(&self) -> &'static SchemaRules;

    /// Returns the statement that sets a parameter of a session, for a database that has no dialect of its own here; `None`
    /// if there is none for all parameters.
    #[cfg_attr(
        not(any(feature = "jdbc", feature = "dbapi2", feature = "odbc")),
        allow(dead_code, reason = "only drivers outside of the program have such databases")
    )]
    fn parameter(&self, _name: &str, _value: &str) -> Option<String> {
        None
    }

    /// Returns the way to create, find and drop databases.
    fn administration(&self) -> &'static dyn Administration;
}
