//! The statements that commit implicitly on the databases of [`Dialect::Generic`](super::Dialect::Generic). Each was
//! tried on H2 2.1, HSQLDB 2.7 and Derby 10.14.

use super::server::{Product, Server};
use super::word::Word;

/// Returns whether the server commits before or after the statement. An unknown one may do what any of them does.
pub(super) fn commits_in_standard_sql(server: Option<Server>, statement: &[Word<'_>]) -> bool {
    let product = server.map(|server| server.product);
    let second = statement.get(1);
    let Some(first) = statement.first() else {
        return false;
    };
    match product {
        Some(Product::DuckDb) => false,
        Some(Product::Derby) => is_set(statement, &["ISOLATION", "CURRENT"]) && sets_isolation(statement),
        Some(Product::Hsqldb) => {
            defines(first) || first.is_one_of(&["CHECKPOINT", "SHUTDOWN", "BACKUP"]) || is_set(statement, &OF_HSQLDB)
        }
        Some(Product::H2) => h2(first, second, statement),
        _ => {
            h2(first, second, statement)
                || first.is_one_of(&["CHECKPOINT", "TRUNCATE"])
                || is_set(statement, &OF_HSQLDB)
                || sets_isolation(statement)
        }
    }
}

/// The settings of HSQLDB that commit.
const OF_HSQLDB: [&str; 8] = [
    "AUTOCOMMIT",
    "DATABASE",
    "FILES",
    "INITIAL",
    "PASSWORD",
    "PROPERTY",
    "TABLE",
    "USER",
];

/// The settings of H2 that do not commit: those of the session alone.
const OF_SESSION: [&str; 11] = [
    "CATALOG",
    "CURRENT",
    "LAZY_QUERY_EXECUTION",
    "LOCK_TIMEOUT",
    "NON_KEYWORDS",
    "QUERY_TIMEOUT",
    "ROLE",
    "SCHEMA",
    "SCHEMA_SEARCH_PATH",
    "THROTTLE",
    "TIME",
];

fn defines(first: &Word<'_>) -> bool {
    first.is_one_of(&["ALTER", "COMMENT", "CREATE", "DROP", "GRANT", "RENAME", "REVOKE"])
}

fn h2(first: &Word<'_>, second: Option<&Word<'_>>, statement: &[Word<'_>]) -> bool {
    const OTHERS: [&str; 7] = [
        "ANALYZE",
        "BACKUP",
        "RUNSCRIPT",
        "SCRIPT",
        "SHUTDOWN",
        "TRUNCATE",
        "DECLARE",
    ];
    let sets = first.is("SET")
        && !second.is_some_and(|part| part.is_symbol(b'@') || part.text.starts_with('@'))
        && !is_set(statement, &OF_SESSION);
    defines(first) || first.is_one_of(&OTHERS) || sets
}

/// Returns whether a statement sets one of these settings.
fn is_set(statement: &[Word<'_>], names: &[&str]) -> bool {
    let [first, second, ..] = statement else {
        return false;
    };
    first.is("SET") && second.is_one_of(names)
}

/// Returns whether a statement sets an isolation level (Derby).
fn sets_isolation(statement: &[Word<'_>]) -> bool {
    statement.iter().take(3).any(|part| part.is("ISOLATION")) && statement.first().is_some_and(|first| first.is("SET"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Control;
    use crate::sql::{Dialect, SqlMode, Template};

    #[test]
    fn b8_what_commits_implicitly_is_known_by_product() {
        use Product::{Derby, DuckDb, H2, Hsqldb, Other};
        for (sql, commits) in [
            ("CREATE TABLE t (a INT)", vec![H2, Hsqldb, Other]),
            ("create local temporary table t (a int)", vec![H2, Hsqldb, Other]),
            ("TRUNCATE TABLE t", vec![H2, Other]),
            ("SET SCHEMA s", vec![]),
            ("SET @v = 1", vec![]),
            ("SET MODE REGULAR", vec![H2, Other]),
            ("SET DATABASE COLLATION x", vec![H2, Hsqldb, Other]),
            ("SET ISOLATION SERIALIZABLE", vec![Derby, H2, Other]),
            ("CHECKPOINT", vec![Hsqldb, Other]),
            ("GRANT SELECT ON t TO x", vec![H2, Hsqldb, Other]),
            ("INSERT INTO t VALUES (1)", vec![]),
        ] {
            for product in [H2, Hsqldb, Derby, DuckDb, Other] {
                let mode = SqlMode::default().on(Some(Server { product, version: 0 }));
                let found = Template::parse_in(Dialect::Generic, mode, sql).unwrap().control();
                let expected = commits.contains(&product);
                assert_eq!(found == Control::Implicit, expected, "{product:?}: {sql}");
            }
        }
    }
}
