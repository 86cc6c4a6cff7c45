//! The modes of a MySQL session, its server and its driver, which change how a text is read and bound.

use super::server::Server;

/// The modes of a MySQL or MariaDB session that change how a text is read, and its server. Other modes do not matter
/// here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SqlMode {
    /// Double quotes are those of names, not of texts.
    pub(super) ansi_quotes: bool,
    /// A backslash in a text is a plain character.
    pub(super) plain_backslashes: bool,
    /// The server; `None` if it is unknown.
    pub(super) server: Option<Server>,
    /// The most parameters of a driver that takes fewer than the server, and takes a value again for each use.
    pub(super) most: Option<u16>,
}

/// The modes that include `ANSI_QUOTES`; all but the first two are MariaDB's.
const WITH_ANSI_QUOTES: [&str; 7] = ["ANSI_QUOTES", "ANSI", "ORACLE", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"];

impl SqlMode {
    /// Returns the mode that the settings of a session request.
    pub(crate) fn of_settings<'s>(settings: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        let named = settings
            .into_iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("sql_mode"));
        named.last().map_or_else(Self::default, |(_, modes)| Self::read(modes))
    }

    fn read(modes: &str) -> Self {
        let has = |names: &[&str]| {
            let mut modes = modes.split(',').map(str::trim);
            modes.any(|mode| names.iter().any(|name| mode.eq_ignore_ascii_case(name)))
        };
        Self {
            ansi_quotes: has(&WITH_ANSI_QUOTES),
            plain_backslashes: has(&["NO_BACKSLASH_ESCAPES"]),
            server: None,
            most: None,
        }
    }

    /// Sets the most parameters that the driver takes.
    pub(crate) fn with_most(self, most: Option<u16>) -> Self {
        Self { most, ..self }
    }

    /// Sets the server.
    pub(super) fn on(self, server: Option<Server>) -> Self {
        Self { server, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, TemplateCache};
    use crate::value::Params;

    fn cache(modes: &str) -> TemplateCache {
        let mode = SqlMode::of_settings([("wait_timeout", "60"), ("sql_mode", modes)]);
        TemplateCache::new(Dialect::MySql, 8).in_mode(mode)
    }

    #[test]
    fn q2_the_sql_mode_of_the_url_decides_how_a_text_is_read_found_f15() {
        let backslash = r"SELECT 'a\', :v, '\'";
        let quotes = r#"SELECT "a\" AS b, :v, "c""#;
        for (modes, sql, names) in [
            ("", r"SELECT 'a\', :v'", ""),
            ("NO_BACKSLASH_ESCAPES", backslash, ":v"),
            ("strict_all_tables, no_backslash_escapes", backslash, ":v"),
            ("STRICT_ALL_TABLES", backslash, ""),
            ("ANSI_QUOTES", quotes, ":v"),
            ("ansi", quotes, ":v"),
            ("ORACLE", quotes, ":v"),
            ("", quotes, ""),
        ] {
            let template = cache(modes).get(sql).unwrap();
            assert_eq!(template.shown_names(), names, "{modes}: {sql}");
        }
    }

    #[test]
    fn w2_a_text_is_shown_without_its_values_in_every_mode_found_f15() {
        let shown = |modes: &str, sql: &str| {
            let template = cache(modes).get(sql).unwrap();
            let bound = template.bind(Params::default()).unwrap();
            (
                template.without_values(&bound).to_owned(),
                template.summary().text().to_owned(),
            )
        };
        assert_eq!(shown("NO_BACKSLASH_ESCAPES", r"SELECT 'a\', 'secret'").0, "SELECT ?, ?");
        let (text, summary) = shown("ANSI_QUOTES", r#"SELECT "a" FROM "b" WHERE c = 'secret'"#);
        assert_eq!(text, r#"SELECT "a" FROM "b" WHERE c = ?"#);
        assert!(summary.starts_with("SELECT") && summary.contains('b'), "{summary}");
    }
}
