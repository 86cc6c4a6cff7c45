//! The connection strings of ODBC: `Driver={PostgreSQL Unicode};Server=localhost`.

use super::{Bridge, DatabaseUrl, error};
use crate::error::Result;

/// The keywords of ODBC's drivers for the parts of a URL.
const PARTS: [(&str, &str); 8] = [
    ("server", "host"),
    ("servername", "host"),
    ("uid", "user"),
    ("username", "user"),
    ("pwd", "password"),
    ("db", "database"),
    ("dbname", "database"),
    ("dbq", "database"),
];

/// Reads the keywords of a connection string with their values, which may stand in braces.
pub(super) fn keywords(text: &str) -> Result<Vec<(String, String)>> {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(|letter: char| letter == ';' || letter.is_whitespace());
        if rest.is_empty() {
            return Ok(found);
        }
        let Some((name, after)) = rest.split_once('=') else {
            return Err(error("the connection string of ODBC has a keyword without `=`")
                .help("write it as `odbc:Driver={PostgreSQL Unicode};Server=localhost`"));
        };
        let (value, after) = if let Some(braced) = after.trim_start().strip_prefix('{') {
            in_braces(braced)?
        } else {
            let (value, after) = after.split_once(';').unwrap_or((after, ""));
            (value.trim().to_owned(), after)
        };
        found.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// Reads a value in braces, of which `}}` stands for one brace. Returns it with what comes after.
fn in_braces(text: &str) -> Result<(String, &str)> {
    let (mut value, mut rest) = (String::new(), text);
    loop {
        let Some((before, after)) = rest.split_once('}') else {
            return Err(error("the connection string of ODBC has a `{` without its `}`")
                .help("a `}` inside of braces is written twice"));
        };
        value.push_str(before);
        match after.strip_prefix('}') {
            Some(after) => {
                value.push('}');
                rest = after;
            }
            None => return Ok((value, after)),
        }
    }
}

impl DatabaseUrl {
    /// Gives the options of an ODBC URL that name a part of it the name that the library has for that part. Keywords of
    /// ODBC may be written in capitals.
    pub(super) fn rename_keywords(&mut self) {
        if self.bridge != Some(Bridge::Odbc) {
            return;
        }
        for (name, _) in &mut self.options {
            name.make_ascii_lowercase();
            if let Some((_, part)) = PARTS.iter().find(|(keyword, _)| keyword == name) {
                (*part).clone_into(name);
            }
        }
    }
}
