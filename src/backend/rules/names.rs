//! The names of databases and encodings. No I/O.

use super::administration::Administration;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// Returns the name of the database on its server.
pub(crate) fn database_name(config: &Config) -> Result<&str> {
    let Some(name) = config.url().database() else {
        return Err(unusable(format!("{} names no database", config.url()))
            .help("add its name after the host, as in `postgres://host/name`"));
    };
    check_name(config.dialect().rules().administration(), name)?;
    Ok(name)
}

/// Refuses a name that the server would refuse, truncate, or take for another one.
pub(crate) fn check_name(administration: &dyn Administration, name: &str) -> Result<()> {
    let wrong = if name.is_empty() {
        Some("it is empty".to_owned())
    } else if name.contains('\0') {
        Some("it holds a NUL character".to_owned())
    } else {
        administration.wrong_name(name)
    };
    match wrong {
        Some(wrong) => {
            Err(unusable(format!("{name:?} is not a valid name of a database: {wrong}")).help("choose another name"))
        }
        None => Ok(()),
    }
}

/// Checks the name of an encoding, which is written into SQL unquoted.
pub(crate) fn encoding_word(encoding: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !encoding.is_empty() && encoding.bytes().all(plain) {
        return Ok(encoding);
    }
    Err(unusable(format!("{encoding:?} is not the name of an encoding")).help("every server supports `UTF-8`"))
}

/// Returns whether an encoding is UTF-8, in any spelling.
pub(crate) fn is_utf8(encoding: &str) -> bool {
    encoding.eq_ignore_ascii_case("utf8") || encoding.eq_ignore_ascii_case("utf-8")
}

/// Returns the error for a name that cannot be used.
pub(crate) fn unusable(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Dialect;

    fn check(dialect: Dialect, name: &str) -> Result<()> {
        check_name(dialect.rules().administration(), name)
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
        assert!(encoding_word("utf8mb4_bin").is_ok() && encoding_word("UTF-8").is_ok());
        for wrong in ["", "utf8' TEMPLATE x", "a;b", "ü"] {
            assert_eq!(encoding_word(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong:?}");
        }
        assert!(is_utf8("Utf-8") && !is_utf8("utf8mb4"));
    }
}
