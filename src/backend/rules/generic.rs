//! The rules of standard SQL. A server whose rules are not known is asked rather than trusted.

use sqlx::{SqlSafeStr, SqlStr};

use super::ServerRules;
use super::administration::Administration;
use super::begin_options::{BeginOptions, level_words, unsupported};
use super::levels::LevelTexts;
use super::made_by_connecting::MadeByConnecting;
use super::schema_rules::SchemaRules;
use super::server_answer::ServerAnswer;
use super::transaction_rules::TransactionRules;
use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};

/// Returns the text that begins a transaction in standard SQL.
pub(crate) fn begin(server: &str, options: BeginOptions) -> Result<SqlStr> {
    options.refuse_exclusive(
        server,
        "only SQLite supports them; lock the rows with `SELECT … FOR UPDATE` instead",
    )?;
    let start = if options.read_only {
        "START TRANSACTION READ ONLY"
    } else {
        "START TRANSACTION"
    };
    Ok(match options.isolation {
        Some(level) => {
            let level = level_words(level, server)?;
            own_sql(format!("SET TRANSACTION ISOLATION LEVEL {level}; {start}"))
        }
        None => start.into_sql_str(),
    })
}

/// Rules that consist of facts: those of the databases that have no dialect of their own here.
#[derive(Debug)]
pub(crate) struct GenericRules {
    /// The name of the product, for messages.
    pub(crate) name: &'static str,
    pub(crate) transactions: &'static TransactionRules,
    pub(crate) levels: &'static LevelTexts,
    /// Returns the text that begins a transaction with options.
    pub(crate) begin: fn(&'static str, BeginOptions) -> Result<Option<SqlStr>>,
    /// Returns the kind of an error by its code and its message.
    pub(crate) kind: fn(&str, &str) -> ErrorKind,
    /// The codes of the errors with which the server has ended the transaction; `None` if they are not known, so that
    /// it is asked.
    pub(crate) ends: Option<&'static [&'static str]>,
    pub(crate) schema: &'static SchemaRules,
    /// Returns the statement that sets a parameter of a session, if there is one for all of them.
    pub(crate) parameter: fn(&str, &str) -> Option<String>,
    pub(crate) administration: &'static MadeByConnecting,
}

impl ServerRules for GenericRules {
    fn name(&self) -> &'static str {
        self.name
    }

    fn transactions(&self) -> &'static TransactionRules {
        self.transactions
    }

    fn levels(&self) -> &'static LevelTexts {
        self.levels
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        (self.begin)(self.name, options)
    }

    fn leaves_open(&self, error: &Error, plain: bool) -> bool {
        match (self.ends, error.sqlstate()) {
            (Some(ends), Some(code)) => plain && !ends.contains(&code),
            _ => false,
        }
    }

    fn ends_transaction(&self, answer: ServerAnswer<'_>) -> bool {
        // The standard's class 40 says that the transaction was rolled back.
        let standard = || answer.code.len() == 5 && answer.code.starts_with("40");
        self.ends.map_or_else(standard, |ends| ends.contains(&answer.code))
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        (self.kind)(answer.code, answer.message)
    }

    fn schema(&self) -> &'static SchemaRules {
        self.schema
    }

    fn parameter(&self, name: &str, value: &str) -> Option<String> {
        (self.parameter)(name, value)
    }

    fn administration(&self) -> &'static dyn Administration {
        self.administration
    }
}

/// Returns the kind that the standard gives to an SQLSTATE.
pub(crate) fn kind_by_standard(code: &str, _message: &str) -> ErrorKind {
    match code {
        "25006" => ErrorKind::ReadOnly,
        "25P02" => ErrorKind::TransactionAborted,
        "40001" => ErrorKind::Serialization,
        "42S01" | "42S11" | "42S21" => ErrorKind::DuplicateObject,
        "42S02" | "42S12" | "42S22" => ErrorKind::UndefinedObject,
        "HY008" | "HYT01" => ErrorKind::Timeout,
        "HYT00" => ErrorKind::LockTimeout,
        _ => match code.get(..2) {
            Some("08") => ErrorKind::ConnectionLost,
            Some("07") => ErrorKind::Parameter,
            Some("0A") => ErrorKind::Unsupported,
            Some("23") => ErrorKind::Constraint,
            Some("28") => ErrorKind::Authentication,
            Some("3D") => ErrorKind::DatabaseNotFound,
            Some("3F") => ErrorKind::UndefinedObject,
            Some("42") => ErrorKind::Syntax,
            _ => ErrorKind::Database,
        },
    }
}

/// Refuses a level that a database would silently replace by another one.
pub(crate) fn refuse_levels(
    name: &str,
    options: BeginOptions,
    known: &[IsolationLevel],
    help: &'static str,
) -> Result<()> {
    match options.isolation {
        Some(level) if !known.contains(&level) => Err(unsupported(name, &format!("isolation level {level}"), help)),
        _ => Ok(()),
    }
}

/// The rules of a database of which nothing is known.
pub(crate) static STANDARD_SQL: GenericRules = GenericRules::new("this database");

impl GenericRules {
    /// Creates the rules of a database of which nothing is known but its name.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            transactions: &TransactionRules::STANDARD,
            levels: &LevelTexts::STANDARD,
            begin: |name, options| begin(name, options).map(Some),
            kind: kind_by_standard,
            ends: None,
            schema: &SchemaRules::STANDARD,
            parameter: |_, _| None,
            administration: &ADMINISTRATION,
        }
    }
}

static ADMINISTRATION: MadeByConnecting = MadeByConnecting {
    name: "this database",
    help: "create and drop it with the tools of its server",
    tables: "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
             AND table_schema = CURRENT_SCHEMA ORDER BY 1, 2",
};
