//! Checks for URLs that no database accepts.

use std::borrow::Cow;

use super::{DatabaseUrl, parse, scheme};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

fn error(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Url, message)
}

impl DatabaseUrl {
    /// Refuses parts that no database accepts, and parts that the builders could not refuse.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(driver) = self.driver() {
            scheme::check_driver(self.dialect, driver)?;
        }
        let parts = [
            ("user name", self.username()),
            ("password", self.password()),
            ("host", self.host()),
            ("database name", self.database()),
        ];
        if let Some((part, _)) = parts
            .iter()
            .find(|(_, text)| text.is_some_and(|text| text.contains('\0')))
        {
            return Err(error(format!("the {part} holds a NUL character")));
        }
        if self
            .options
            .iter()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(error("an option holds a NUL character"));
        }
        if self.port == Some(0) {
            return Err(error("the port must be a number from 1 to 65535"));
        }
        if self.dialect == Dialect::Sqlite {
            self.check_serverless()
        } else {
            self.check_host()
        }
    }

    fn check_serverless(&self) -> Result<()> {
        let parts = [
            ("user name", self.username()),
            ("password", self.password()),
            ("host", self.host()),
        ];
        let given = parts.iter().find(|(_, text)| text.is_some()).map(|(part, _)| *part);
        match given.or(self.port.map(|_| "port")) {
            Some(part) => Err(error(format!("a SQLite URL cannot have a {part}")).help("write `sqlite://` and a path")),
            None => Ok(()),
        }
    }

    fn check_host(&self) -> Result<()> {
        match self.host() {
            Some(host) if host.contains(',') => Err(parse::several_hosts()),
            Some(host)
                if !host.starts_with('/') && host.contains(|c: char| c.is_whitespace() || "/@?#[]\\".contains(c)) =>
            {
                Err(error("the host holds a character that is not allowed in a host name")
                    .help("percent-encode `@`, `/`, `?` and `#` in the user, the password and the database name"))
            }
            _ => Ok(()),
        }
    }
}
