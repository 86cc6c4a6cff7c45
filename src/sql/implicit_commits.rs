//! The statements that MySQL and MariaDB commit implicitly. Each was tried on both, on MariaDB 10.11 and 11.8 and on
//! MySQL 9.7, also where it fails: most of them commit before they look at what they name.

use super::server::{Product, Server};
use super::switches::{Setting, assigned};
use super::word::Word;

/// A beginning of statements, and whether the server commits before or after them. The longest one that fits decides.
type Beginning = (&'static str, bool);

/// The beginnings that mean the same on both.
const BOTH: &[Beginning] = &[
    ("ALTER", true),
    ("ANALYZE TABLE", true),
    ("ANALYZE TABLES", true),
    ("CHECK TABLE", true),
    ("CHECK TABLES", true),
    ("CREATE", true),
    ("CREATE TEMPORARY", false),
    ("DROP", true),
    ("DROP PREPARE", false),
    ("DROP TEMPORARY", false),
    ("FLUSH", true),
    ("GRANT", true),
    ("INSTALL", true),
    // In a transaction `UNLOCK TABLES` finds no locks, because this one ends the transaction.
    ("LOCK TABLE", true),
    ("LOCK TABLES", true),
    ("OPTIMIZE", true),
    ("RENAME", true),
    ("REPAIR", true),
    ("RESET", true),
    ("RESET PERSIST", false),
    ("REVOKE", true),
    ("SET DEFAULT ROLE", true),
    ("SET PASSWORD", true),
    ("TRUNCATE", true),
    ("UNINSTALL", true),
];

/// The beginnings of MariaDB alone. It starts and stops a replica without a commit, or not at all.
const MARIADB: &[Beginning] = &[
    ("BACKUP", true),
    ("CHECK VIEW", true),
    ("CREATE TEMPORARY SEQUENCE", true),
];

/// The beginnings of MySQL alone.
const MYSQL: &[Beginning] = &[
    ("CACHE INDEX", true),
    ("CHANGE", true),
    ("CLONE", true),
    ("IMPORT TABLE", true),
    ("LOAD INDEX", true),
    ("START REPLICA", true),
    ("START SLAVE", true),
    ("STOP REPLICA", true),
    ("STOP SLAVE", true),
];

/// Words between those of a beginning that change nothing.
const BETWEEN: [&str; 5] = ["ALL", "LOCAL", "NO_WRITE_TO_BINLOG", "OR", "REPLACE"];

/// Returns whether MySQL or MariaDB implicitly commits before or after the statement. An unknown server may be either.
pub(super) fn commits_implicitly(server: Option<Server>, statement: &[Word<'_>]) -> bool {
    let product = server.map(|server| server.product);
    let maria = product != Some(Product::MySql) && commits_on_mariadb(statement);
    let mysql = product != Some(Product::MariaDb) && commits(&[BOTH, MYSQL], statement);
    maria || mysql || switches_autocommit(statement)
}

/// Returns whether one of the lists says that the statement commits.
fn commits(lists: &[&[Beginning]], statement: &[Word<'_>]) -> bool {
    let fitting = lists
        .iter()
        .flat_map(|list| list.iter())
        .filter(|(beginning, _)| begins(statement, beginning));
    fitting
        .max_by_key(|(beginning, _)| beginning.len())
        .is_some_and(|(_, commits)| *commits)
}

/// Returns whether a statement begins with these words.
fn begins(statement: &[Word<'_>], beginning: &str) -> bool {
    let mut words = beginning.split(' ');
    let (Some(first), Some((start, rest))) = (words.next(), statement.split_first()) else {
        return false;
    };
    let mut rest = rest.iter().filter(|part| !part.is_one_of(&BETWEEN));
    start.is(first) && words.all(|word| rest.next().is_some_and(|part| part.is(word)))
}

fn commits_on_mariadb(statement: &[Word<'_>]) -> bool {
    let (mut depth, mut previous) = (0, None::<&Word<'_>>);
    let is_set = statement.first().is_some_and(|first| first.is("SET"));
    let runs_another = is_set && statement.get(1).is_some_and(|part| part.is("STATEMENT"));
    for (index, part) in statement.iter().enumerate().filter(|_| is_set) {
        depth += part.nesting();
        // `SET STATEMENT a = 1 FOR …` runs another statement.
        if depth == 0 && runs_another && part.is("FOR") {
            return commits_on_mariadb(&statement[index + 1..]);
        }
        // A password may follow other assignments.
        if depth == 0 && part.is("PASSWORD") && previous.is_some_and(|previous| previous.is_symbol(b',')) {
            return true;
        }
        previous = Some(part);
    }
    commits(&[BOTH, MARIADB], statement)
}

/// Returns whether a statement assigns to `autocommit`. It commits if a procedure has switched that off before.
fn switches_autocommit(statement: &[Word<'_>]) -> bool {
    let is_set = statement.first().is_some_and(|first| first.is("SET"));
    is_set
        && assigned(statement)
            .iter()
            .any(|(setting, _)| *setting == Setting::Autocommit)
}
