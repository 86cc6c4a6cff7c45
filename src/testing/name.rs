//! The names of test databases. No I/O.

use crate::backend::rules::unusable;
use crate::error::Result;
use crate::url::DatabaseUrl;

/// Returns the name with a prefix. The path of a SQLite file keeps its directory; a database in memory has no name.
pub(super) fn prefixed(url: &DatabaseUrl, prefix: &str) -> Result<Option<String>> {
    if url.is_memory() {
        return Ok(None);
    }
    let Some(name) = url.database() else {
        return Err(unusable(format!("{url} names no database")).help(format!(
            "add its name after the host, as in `postgres://host/name`; the test database is then `{prefix}name`"
        )));
    };
    if url.is_served() {
        return Ok(Some(format!("{prefix}{name}")));
    }
    let separators: &[char] = if cfg!(windows) { &['/', '\\'] } else { &['/'] };
    if prefix.contains(separators) {
        return Err(unusable(format!(
            "the prefix {prefix:?} would put the file into another directory"
        ))
        .help("a prefix is put before the name of the file"));
    }
    let (directory, file) = name.split_at(name.rfind(separators).map_or(0, |at| at + 1));
    Ok(Some(format!("{directory}{prefix}{file}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn named(url: &str) -> String {
        prefixed(&url.parse().unwrap(), "test_").unwrap().unwrap_or_default()
    }

    #[test]
    fn k1_a_prefix_stands_before_the_name() {
        assert_eq!(named("postgres://localhost/shop"), "test_shop");
        assert_eq!(
            named("mysql://localhost/a%2Fb"),
            "test_a/b",
            "a server has no directories"
        );
        assert!(prefixed(&"postgres://localhost".parse().unwrap(), "test_").is_err());
    }

    #[test]
    fn k2_a_sqlite_path_keeps_its_directory() {
        assert_eq!(named("sqlite:///dir/app.db"), "/dir/test_app.db");
        assert_eq!(named("sqlite://app.db"), "test_app.db");
        assert_eq!(named("sqlite://dir.d/app.db?mode=rw"), "dir.d/test_app.db");
        assert_eq!(named("sqlite::memory:"), "", "it stays in memory");
        assert_eq!(named("sqlite://app.db?mode=memory"), "");
        let away = prefixed(&"sqlite://app.db".parse().unwrap(), "../");
        assert_eq!(away.unwrap_err().kind(), ErrorKind::Config);
    }
}
