//! The names of databases: the rules of the servers, and the names of test databases. No I/O.

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::url::DatabaseUrl;

/// Length of the longest name, in bytes. PostgreSQL truncates longer ones and reports that only in a notice.
const POSTGRES_BYTES: usize = 63;

/// Length of the longest name, in characters.
const MYSQL_CHARACTERS: usize = 64;

/// Returns the name of the database on its server.
pub(super) fn of(config: &Config) -> Result<&str> {
    let Some(name) = config.url().database() else {
        return Err(unusable(format!("{} names no database", config.url()))
            .help("add its name after the host, as in `postgres://host/name`"));
    };
    check(config.url().dialect(), name)?;
    Ok(name)
}

/// Refuses a name that the server would refuse, truncate, or take for another one.
pub(super) fn check(dialect: Dialect, name: &str) -> Result<()> {
    let wrong = match dialect {
        _ if name.is_empty() => Some("it is empty".to_owned()),
        _ if name.contains('\0') => Some("it holds a NUL character".to_owned()),
        Dialect::Postgres if name.len() > POSTGRES_BYTES => Some(format!(
            "it has {} bytes, and PostgreSQL allows at most {POSTGRES_BYTES}",
            name.len()
        )),
        Dialect::MySql if name.chars().count() > MYSQL_CHARACTERS => Some(format!(
            "it has {} characters, and MySQL allows at most {MYSQL_CHARACTERS}",
            name.chars().count()
        )),
        Dialect::MySql if name.ends_with(' ') => Some("it ends with a space, which MySQL does not allow".to_owned()),
        Dialect::MySql if name.chars().any(|character| character > '\u{FFFF}') => {
            Some("it holds a character beyond U+FFFF, which MySQL does not allow".to_owned())
        }
        _ => None,
    };
    match wrong {
        Some(wrong) => {
            Err(unusable(format!("{name:?} is not a valid name of a database: {wrong}")).help("choose another name"))
        }
        None => Ok(()),
    }
}

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
    if url.dialect() != Dialect::Sqlite {
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

/// Checks the name of an encoding, which is written into SQL unquoted.
pub(super) fn word(encoding: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !encoding.is_empty() && encoding.bytes().all(plain) {
        return Ok(encoding);
    }
    Err(unusable(format!("{encoding:?} is not the name of an encoding")).help("every server supports `UTF-8`"))
}

/// Returns whether an encoding is UTF-8, in any spelling.
pub(super) fn is_utf8(encoding: &str) -> bool {
    encoding.eq_ignore_ascii_case("utf8") || encoding.eq_ignore_ascii_case("utf-8")
}

pub(super) fn unusable(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn k2_names_no_server_can_take_are_refused_before_it_is_asked() {
        let long = "x".repeat(64);
        let wide = "ä".repeat(32);
        for (dialect, name) in [
            (Dialect::Postgres, ""),
            (Dialect::Postgres, "a\0b"),
            (Dialect::Postgres, long.as_str()),
            (Dialect::Postgres, wide.as_str()),
            (Dialect::MySql, "a "),
            (Dialect::MySql, "\u{1F980}"),
            (Dialect::MySql, &format!("{long}x")),
        ] {
            assert_eq!(check(dialect, name).unwrap_err().kind(), ErrorKind::Config, "{name:?}");
        }
        for (dialect, name) in [(Dialect::MySql, long.as_str()), (Dialect::Postgres, "a\"`' \u{1F980}")] {
            assert!(check(dialect, name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn k2_an_encoding_is_a_plain_word() {
        assert!(word("utf8mb4_bin").is_ok() && word("UTF-8").is_ok());
        for wrong in ["", "utf8' TEMPLATE x", "a;b", "ü"] {
            assert_eq!(word(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong:?}");
        }
        assert!(is_utf8("Utf-8") && !is_utf8("utf8mb4"));
    }
}
