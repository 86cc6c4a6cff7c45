//! Mapping of what a sidecar reports as failed.

use std::fmt;

use super::answer_queue::QueueEnding;
use super::frame::{Failure, Origin};
use super::target::Target;
use crate::backend::postgres::PostgresAnswer;
use crate::backend::rules::{ServerAnswer, ServerRules};
use crate::backend::{mysql, sqlite};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, REPLACED, advice, nearest};
use crate::sql::Dialect;

/// The errors that a driver gives as the causes of another one.
#[derive(Debug)]
struct Causes(String);

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Causes {}

/// Returns the error for an answer that the protocol does not have at its place.
pub(super) fn confused(what: &str) -> Error {
    Error::new(
        ErrorKind::Driver,
        format!("a driver's process did not keep to the protocol: {what}"),
    )
    .help("this is a bug in ebbtide; please report it")
    .fatal()
}

impl Target {
    /// Returns the error of a process, or a connection, that has ended.
    pub(super) fn lost(&self, ending: &QueueEnding) -> Error {
        let message = format!("the connection broke: {}", self.redacted(&ending.reason));
        let error = Error::new(ErrorKind::ConnectionLost, message).help(REPLACED).fatal();
        if ending.nothing_ran {
            error.refusing().retryable()
        } else {
            error
        }
    }

    /// Returns the error of a connection that ended before anything was sent.
    pub(super) fn lost_before(&self, ending: &QueueEnding) -> Error {
        self.lost(ending).refusing().retryable()
    }

    /// Returns the error of a statement.
    pub(super) fn error(&self, rules: &dyn ServerRules, failure: &Failure) -> Error {
        let failure = &self.shown(failure);
        let error = match failure.origin {
            Origin::Driver => self.of_driver(rules, failure),
            Origin::Sidecar => self.of_sidecar(failure),
            Origin::Skipped => Error::new(
                ErrorKind::Database,
                "a statement was not sent, because the one before it failed",
            ),
            Origin::Foreign => Error::new(
                ErrorKind::Driver,
                format!("the driver failed with {}: {}", failure.class, failure.message),
            )
            .help("nothing is known of its connection after that, so it was closed")
            .fatal(),
        };
        let error = if failure.closed || error.kind() == ErrorKind::ConnectionLost {
            error.fatal()
        } else {
            error
        };
        if failure.causes.is_empty() {
            return error;
        }
        error.with_source(Causes(failure.causes.join("\n")))
    }

    /// Returns the error of a connection that could not be opened.
    pub(super) fn not_opened(&self, rules: &dyn ServerRules, failure: &Failure) -> Error {
        let error = self.error(rules, failure);
        if failure.origin == Origin::Sidecar {
            return error.context(format_args!("cannot connect to {}", self.place));
        }
        let kind = match error.kind() {
            kind @ (ErrorKind::Authentication
            | ErrorKind::DatabaseNotFound
            | ErrorKind::Config
            | ErrorKind::Unsupported) => kind,
            _ => ErrorKind::Connect,
        };
        let message = format!("cannot connect to {}: {}", self.place, error.message());
        let mut opened = Error::new(kind, message);
        if let Some(code) = error.sqlstate().filter(|code| !code.is_empty()) {
            opened = opened.with_code(code);
        }
        let help = error.advice().filter(|help| *help != REPLACED).map(str::to_owned);
        opened = opened.help(help.unwrap_or_else(|| {
            "the message is the driver's; are the address, the user and the options of the URL right, and is the server \
             running?"
                .to_owned()
        }));
        opened.with_source(error)
    }

    /// Returns the error of a sidecar itself, which names what it has looked for and where.
    fn of_sidecar(&self, failure: &Failure) -> Error {
        let (kind, help) = match failure.class.as_str() {
            "file-missing" => (
                ErrorKind::Config,
                "correct the path in the option `classpath`; a relative one begins at the working directory",
            ),
            "not-a-jar" => (
                ErrorKind::Config,
                "the option `classpath` takes jars and folders with classes; download the driver's jar again if it is cut off",
            ),
            "class-missing" => (
                ErrorKind::Config,
                "correct the name in the option `jdbc_driver`, and add the driver's jar with the option `classpath`",
            ),
            "no-driver" => (
                ErrorKind::Config,
                "add the jar of a driver that takes this URL with the option `classpath`, and correct the URL after `jdbc:`",
            ),
            "wrong-class" => (
                ErrorKind::Config,
                "name a class that implements java.sql.Driver in the option `jdbc_driver`, or leave the option out",
            ),
            "module-missing" => (
                ErrorKind::Config,
                "install the module for this interpreter, or give another interpreter, such as that of a virtual environment, with the option `python`",
            ),
            "attribute-missing" | "not-dbapi" => (
                ErrorKind::Config,
                "name a module with DB-API 2, which has a function `connect`, in the option `dbapi_path` (`package.module` or `package.module:attribute`)",
            ),
            "import-failed" => (
                ErrorKind::Config,
                "the module itself failed; try `python -c \"import …\"` with the same interpreter",
            ),
            "bad-arguments" => (
                ErrorKind::Config,
                "correct the options of the driver in the URL, or in `jdbc_driver_args` or `dbapi_driver_args`",
            ),
            "no-memory" => (
                ErrorKind::Driver,
                "send less at once, or give the driver's process more memory: a JVM by the environment variable JAVA_TOOL_OPTIONS=-Xmx4g, Python by the limits of the system",
            ),
            "no-thread" => (
                ErrorKind::Driver,
                "use fewer connections, or raise the limit of threads (`ulimit -u`, or that of the container)",
            ),
            "odbc-setup" => (
                ErrorKind::Config,
                "`odbcinst -q -d` lists the drivers of ODBC, and `odbcinst -q -s` the data sources",
            ),
            "unsupported" => (ErrorKind::Unsupported, "the driver does not have it"),
            "cancelled" => (ErrorKind::Timeout, "the statement was cancelled before its end"),
            "protocol" => return confused(&failure.message),
            _ => (ErrorKind::Driver, "the message is that of the driver's process"),
        };
        // An option that the driver does not have, and those that it has.
        let known = failure.details.get("known").unwrap_or_default().split(',');
        let near = failure.details.get("option").and_then(|option| nearest(option, known));
        let help = match (failure.details.get("hint"), near) {
            (Some(hint), _) => hint.to_owned(),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => help.to_owned(),
        };
        let mut message = failure.message.clone();
        if failure.class == "module-missing"
            && let Some(python) = self.command.first()
        {
            message = format!("{message}; the interpreter is {}", python.to_string_lossy());
        }
        Error::new(kind, message).help(help)
    }

    /// Returns the failure without secrets.
    fn shown(&self, failure: &Failure) -> Failure {
        let mut shown = failure.clone();
        shown.message = self.redacted(&failure.message);
        for cause in &mut shown.causes {
            *cause = self.redacted(cause);
        }
        for (_, detail) in &mut shown.details.0 {
            *detail = self.redacted(detail);
        }
        shown
    }

    fn of_driver(&self, rules: &dyn ServerRules, failure: &Failure) -> Error {
        match self.dialect {
            Dialect::Postgres if !failure.sqlstate.is_empty() => {
                let details = &failure.details;
                PostgresAnswer {
                    code: &failure.sqlstate,
                    message: of_server(&failure.message),
                    detail: details.get("detail"),
                    hint: details.get("hint"),
                    constraint: details.get("constraint"),
                    column: details.get("column"),
                    table: details.get("table"),
                    ends_session: failure.closed,
                }
                .error()
            }
            Dialect::MySql if u16::try_from(failure.code).is_ok_and(|number| number > 0) => {
                let number = failure.code as u16;
                let state = if failure.sqlstate.is_empty() {
                    "HY000"
                } else {
                    &failure.sqlstate
                };
                mysql::of_number(number, state, without_connection(&failure.message))
                    .with_code(state)
                    .with_number(number)
            }
            Dialect::Sqlite if failure.code > 0 => {
                let (code, message) = without_name(&failure.message);
                let code = code.or_else(|| i32::try_from(failure.code).ok());
                sqlite::of_code(code.unwrap_or(1), message)
            }
            _ => described(rules, failure),
        }
    }
}

/// Returns the error of a database whose rules know only its codes.
fn described(rules: &dyn ServerRules, failure: &Failure) -> Error {
    // Some drivers have nothing but the class of an error.
    let class = failure.class.rsplit('.').next().unwrap_or_default();
    let code = if failure.sqlstate.is_empty() {
        class
    } else {
        &failure.sqlstate
    };
    let answer = ServerAnswer {
        code,
        number: Some(failure.code),
        message: &failure.message,
    };
    let kind = match rules.error_kind(answer) {
        // The class of connections, where the product's own table says nothing.
        ErrorKind::Database if failure.sqlstate.starts_with("08") => ErrorKind::ConnectionLost,
        kind => kind,
    };
    // Sessions look for this code where an error aborts a transaction.
    let aborted = rules
        .transactions()
        .aborted
        .filter(|_| kind == ErrorKind::TransactionAborted);
    let mut error = Error::new(kind, failure.message.clone()).with_code(aborted.unwrap_or(code));
    if rules.ends_transaction(answer) {
        error = error.ending_transaction();
    }
    if failure.code != 0 {
        error = error.with_number(failure.code);
    }
    if kind == ErrorKind::LockTimeout {
        error = error.retryable();
    }
    if kind == ErrorKind::Constraint {
        let mut constraint = Constraint::new(constraint_kind(&failure.sqlstate, &failure.message));
        let get = |name| failure.details.get(name).map(str::to_owned);
        constraint.name = get("constraint").or_else(|| get("column"));
        constraint.table = get("table");
        error = error.with_constraint(constraint);
    }
    match failure.details.get("hint").or_else(|| advice(kind)) {
        Some(help) => error.help(help.to_owned()),
        None => error,
    }
}

/// Returns the kind of a constraint, by the SQLSTATEs that databases share, and else by the words of the message.
fn constraint_kind(sqlstate: &str, message: &str) -> ConstraintKind {
    match sqlstate {
        "23505" => ConstraintKind::Unique,
        "23503" | "23506" => ConstraintKind::ForeignKey,
        "23502" => ConstraintKind::NotNull,
        "23513" | "23514" => ConstraintKind::Check,
        "23P01" => ConstraintKind::Exclusion,
        _ => {
            let message = message.to_lowercase();
            let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
            if says(&["foreign key", "referential"]) {
                ConstraintKind::ForeignKey
            } else if says(&["not null", "cannot be null", "cannot accept a null"]) {
                ConstraintKind::NotNull
            } else if says(&["unique", "duplicate", "primary key"]) {
                ConstraintKind::Unique
            } else {
                ConstraintKind::Check
            }
        }
    }
}

/// Returns the message of PostgreSQL without what its JDBC driver writes around it: the severity, and the parts of the
/// answer that are details of the failure.
fn of_server(message: &str) -> &str {
    let Some(own) = message
        .strip_prefix("ERROR: ")
        .or_else(|| message.strip_prefix("FATAL: "))
    else {
        return message;
    };
    let parts = ["\n  Detail: ", "\n  Hint: ", "\n  Position: ", "\n  Where: "];
    let end = parts.iter().filter_map(|part| own.find(part)).min();
    end.map_or(own, |end| &own[..end])
}

/// Returns a message of MariaDB's driver without the number of the connection in front of it.
fn without_connection(message: &str) -> &str {
    let rest = message.strip_prefix("(conn=").and_then(|rest| rest.split_once(") "));
    rest.map_or(message, |(_, rest)| rest)
}

/// Returns SQLite's own message in one of its JDBC driver, and the extended result code that it names, where that is
/// finer than the number: `[SQLITE_BUSY] The database file is locked (database is locked)`.
fn without_name(message: &str) -> (Option<i32>, &str) {
    let named = message.strip_prefix("[SQLITE_").and_then(|rest| rest.split_once(']'));
    let Some((name, rest)) = named else {
        return (None, message);
    };
    let code = match name {
        "CONSTRAINT_UNIQUE" => Some(2067),
        "CONSTRAINT_PRIMARYKEY" => Some(1555),
        "CONSTRAINT_ROWID" => Some(2579),
        "CONSTRAINT_FOREIGNKEY" => Some(787),
        "CONSTRAINT_NOTNULL" => Some(1299),
        "CONSTRAINT_CHECK" => Some(275),
        "BUSY_SNAPSHOT" => Some(517),
        "BUSY_RECOVERY" => Some(261),
        _ => None,
    };
    let own = rest.split_once(" (").and_then(|(_, own)| own.strip_suffix(')'));
    (code, own.unwrap_or(rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sidecar::frame::Pairs;
    use crate::backend::sidecar::target::{Limits, Sharing, SidecarKind};
    use crate::sql::{Product, Server};

    fn target(dialect: Dialect) -> Target {
        Target {
            kind: SidecarKind::Jdbc,
            dialect,
            product: None,
            command: vec!["java".into()],
            open: Vec::new(),
            secrets: vec!["hunter2".to_owned()],
            session: Vec::new(),
            file: None,
            place: "jdbc:x".to_owned(),
            shared: Sharing::Program,
            limits: Limits::default(),
        }
    }

    fn failure(origin: Origin, class: &str) -> Failure {
        Failure {
            origin,
            closed: false,
            class: class.to_owned(),
            sqlstate: String::new(),
            code: 0,
            message: "hunter2 is wrong".to_owned(),
            causes: vec!["because of hunter2".to_owned()],
            details: Pairs(Vec::new()),
        }
    }

    fn error(dialect: Dialect, failure: &Failure) -> Error {
        target(dialect).error(dialect.rules(), failure)
    }

    #[test]
    fn b9_no_message_shows_a_secret() {
        for origin in [Origin::Driver, Origin::Sidecar, Origin::Foreign] {
            let error = error(Dialect::Postgres, &failure(origin, "x"));
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let shown = format!("{error} {error:?} {source:?}");
            assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
        }
    }

    #[test]
    fn b9_every_word_of_a_sidecar_has_a_way_out() {
        for class in [
            "file-missing",
            "not-a-jar",
            "class-missing",
            "no-driver",
            "wrong-class",
            "module-missing",
            "attribute-missing",
            "not-dbapi",
            "import-failed",
            "bad-arguments",
        ] {
            let error =
                target(Dialect::Postgres).not_opened(Dialect::Postgres.rules(), &failure(Origin::Sidecar, class));
            assert_eq!(error.kind(), ErrorKind::Config, "{class}");
            assert!(
                error.to_string().contains("help: ") && error.message().contains("jdbc:x"),
                "{error}"
            );
        }
        for (class, word) in [("no-memory", "-Xmx"), ("no-thread", "ulimit")] {
            let error = error(Dialect::Postgres, &failure(Origin::Sidecar, class));
            assert!(error.advice().unwrap().contains(word) && !error.is_fatal(), "{error}");
        }
    }

    #[test]
    fn b6_errors_of_drivers_have_the_kinds_of_the_native_ones() {
        let mut unique = failure(Origin::Driver, "org.postgresql.util.PSQLException");
        unique.sqlstate = "23505".to_owned();
        unique.details = Pairs(vec![("constraint".to_owned(), "note_pkey".to_owned())]);
        let found = error(Dialect::Postgres, &unique);
        assert_eq!(found.constraint().unwrap().name.as_deref(), Some("note_pkey"));
        unique.message = "ERROR: it is there\n  Detail: of hunter2\n  Position: 7".to_owned();
        assert_eq!(error(Dialect::Postgres, &unique).message(), "it is there");
        let mut deadlock = failure(Origin::Driver, "java.sql.SQLTransactionRollbackException");
        (deadlock.sqlstate, deadlock.code) = ("40001".to_owned(), 1213);
        deadlock.message = "(conn=7) Deadlock found".to_owned();
        let found = error(Dialect::MySql, &deadlock);
        assert_eq!((found.kind(), found.ends_transaction()), (ErrorKind::Deadlock, true));
        assert!(!found.message().contains("conn="));
        let mut busy = failure(Origin::Driver, "sqlite3.OperationalError");
        busy.code = 5;
        assert_eq!(error(Dialect::Sqlite, &busy).kind(), ErrorKind::LockTimeout);
        busy.message =
            "[SQLITE_CONSTRAINT_UNIQUE]  A UNIQUE constraint failed (UNIQUE constraint failed: note.text)".to_owned();
        let found = error(Dialect::Sqlite, &busy);
        assert_eq!(found.constraint().unwrap().name.as_deref(), Some("note.text"));
        assert_eq!(found.message(), "UNIQUE constraint failed: note.text");
        let lost = |dialect: Dialect, rules: &dyn ServerRules, sqlstate: &str| {
            let mut failure = failure(Origin::Driver, "java.sql.SQLNonTransientConnectionException");
            failure.sqlstate = sqlstate.to_owned();
            let error = target(dialect).error(rules, &failure);
            (error.kind(), error.is_fatal())
        };
        for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
            let rules = dialect.rules();
            assert_eq!(
                lost(dialect, rules, "08006"),
                (ErrorKind::ConnectionLost, true),
                "{dialect:?}"
            );
            assert!(!lost(dialect, rules, "HY000").1, "{dialect:?}");
        }
        // A product's own table comes first.
        let derby = Dialect::Generic.rules_of(Some(Server {
            product: Product::Derby,
            version: 0,
        }));
        assert_eq!(lost(Dialect::Generic, derby, "08001"), (ErrorKind::Connect, false));
        assert_eq!(
            lost(Dialect::Generic, derby, "08S01"),
            (ErrorKind::ConnectionLost, true)
        );
        let mut closed = failure(Origin::Driver, "x");
        closed.closed = true;
        assert!(error(Dialect::Postgres, &closed).is_fatal());
        assert!(error(Dialect::Postgres, &failure(Origin::Foreign, "x")).is_fatal());
    }
}
