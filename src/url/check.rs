//! Checks for URLs that no database accepts.

use super::{DatabaseUrl, error, parse, scheme};
use crate::error::Result;
use crate::sql::Dialect;

fn is_subprotocol(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    !text.is_empty() && text.bytes().all(known)
}

fn is_of_host(letter: char) -> bool {
    letter.is_alphanumeric() || ".-_:%".contains(letter)
}

impl DatabaseUrl {
    /// Refuses parts that no database accepts, and parts that the builders could not refuse.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.driver(), self.bridge) {
            (Some(driver), None) => scheme::check_driver(self.dialect, driver)?,
            (Some(driver), Some(_)) if !is_subprotocol(driver) => {
                let message = format!("{driver:?} is not the name of a driver in a URL");
                return Err(error(message).help("give what stands after `jdbc:` in its URLs, such as `h2`"));
            }
            _ => {}
        }
        let server = [
            ("user name", self.username()),
            ("password", self.password()),
            ("host", self.host()),
        ];
        let options = self.options.iter().flat_map(|(name, value)| [name, value]);
        let texts = server
            .into_iter()
            .chain([("database name", self.database())])
            .filter_map(|(part, text)| Some((part, text?)))
            .chain(options.map(|text| ("name or value of an option", text.as_str())));
        for (part, text) in texts {
            if text.contains('\0') {
                return Err(error(format!("the {part} holds a NUL character")));
            }
        }
        if self.port == Some(0) {
            return Err(error("the port must be a number from 1 to 65535"));
        }
        if !self.is_file() {
            return self.check_host();
        }
        let given = server.iter().find(|(_, text)| text.is_some()).map(|(part, _)| *part);
        match given.or(self.port.map(|_| "port")) {
            Some(part) => Err(error(format!("a SQLite URL cannot have a {part}")).help("write `sqlite://` and a path")),
            None => Ok(()),
        }
    }

    fn check_host(&self) -> Result<()> {
        match self.host() {
            Some(host) if self.dialect == Dialect::SqlServer && self.bridge.is_none() && host.contains('\\') => Err(
                error("the host names an instance of SQL Server, whose port this library does not look up")
                    .help("give the port of the instance: `mssql://host:port/database`"),
            ),
            Some(host) if host.contains(',') => Err(parse::several_hosts()),
            Some(host)
                if !host.starts_with('/') && host.contains(|c: char| c.is_whitespace() || "/@?#[]\\".contains(c)) =>
            {
                Err(error("the host holds a character that is not allowed in a host name")
                    .help("percent-encode `@`, `/`, `?` and `#` in the user, the password and the database name"))
            }
            // It goes as it is into the address that a driver reads.
            Some(host) if self.bridge.is_some() && !host.starts_with('/') && !host.chars().all(is_of_host) => {
                Err(error("the host holds a character that is not allowed in a host name")
                    .help("give letters, digits, `.`, `-`, `_`, and `:` and `%` in an IPv6 address"))
            }
            _ => Ok(()),
        }
    }
}
