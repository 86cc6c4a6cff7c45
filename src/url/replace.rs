//! Replaces the parts of a URL, one by one or by options that name them.

use super::{Bridge, DatabaseUrl, MEMORY, error, parse, scheme};
use crate::error::Result;
use crate::sql::Dialect;

impl DatabaseUrl {
    /// Replaces the user; `None` drops it.
    #[must_use]
    pub fn with_username<'a>(mut self, username: impl Into<Option<&'a str>>) -> Self {
        self.username = owned(username);
        self
    }

    /// Replaces the password; `None` drops it. Any character except NUL is allowed.
    #[must_use]
    pub fn with_password<'a>(mut self, password: impl Into<Option<&'a str>>) -> Self {
        self.password = password.into().map(str::to_owned);
        self
    }

    /// Replaces the host; `None` drops it. An IPv6 address may be in brackets; a host that starts with `/` is a Unix
    /// socket.
    #[must_use]
    pub fn with_host<'a>(mut self, host: impl Into<Option<&'a str>>) -> Self {
        let host = host.into();
        self.host = owned(host.and_then(|host| host.strip_prefix('[')?.strip_suffix(']')).or(host));
        self
    }

    /// Replaces the port; `None` drops it.
    #[must_use]
    pub fn with_port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.port = port.into();
        self
    }

    /// Replaces the database (SQLite: the path of the file); `None` drops it (SQLite: a database in memory).
    #[must_use]
    pub fn with_database<'a>(mut self, database: impl Into<Option<&'a str>>) -> Self {
        self.set_database(database.into().unwrap_or_default().to_owned());
        self
    }

    /// Sets the database. The path of a SQLite file has at most one slash in front.
    pub(super) fn set_database(&mut self, path: String) {
        let name = path.trim_start_matches('/');
        let path = match name {
            _ if !self.is_file() => path,
            "" | MEMORY => name.to_owned(),
            _ if path.starts_with('/') => format!("/{name}"),
            _ => path,
        };
        self.database = Some(path).filter(|path| !path.is_empty());
    }

    /// Replaces the dialect. A driver of another dialect is dropped.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        if self.dialect() != dialect {
            scheme::usual(dialect).clone_into(&mut self.scheme);
            self.dialect = dialect;
            self.bridge = Bridge::of_scheme(&self.scheme);
            self.driver = self
                .driver
                .take()
                .filter(|driver| scheme::drivers(dialect).contains(&driver.as_str()));
        }
        self
    }

    /// Replaces the driver; `None` drops it. It is checked when the URL becomes a configuration.
    #[must_use]
    pub fn with_driver<'a>(mut self, driver: impl Into<Option<&'a str>>) -> Self {
        self.driver = owned(driver);
        self
    }

    /// Replaces all options. Those that name a part of the URL (`host`, `user`, …) replace the part.
    #[must_use]
    pub fn with_options<N: Into<String>, V: Into<String>>(mut self, options: impl IntoIterator<Item = (N, V)>) -> Self {
        self.options = options
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self.let_options_win();
        self
    }

    /// Replaces one option, or adds it; `None` drops it. An option that names a part of the URL (`host`, `user`, …)
    /// replaces the part.
    #[must_use]
    pub fn with_option<'a>(mut self, name: &str, value: impl Into<Option<&'a str>>) -> Self {
        let at = self
            .options
            .iter()
            .position(|(known, _)| known == name)
            .unwrap_or(self.options.len());
        self.options.retain(|(known, _)| known != name);
        if let Some(value) = value.into() {
            self.options.insert(at, (name.to_owned(), value.to_owned()));
            self.let_options_win();
        }
        self
    }

    /// Clears the parts that options name, and reads them from the options.
    fn let_options_win(&mut self) {
        if self.is_file() {
            return;
        }
        self.rename_keywords();
        let mut url = self.clone();
        for (name, _) in self.options.iter().filter(|(name, _)| self.is_part(name)) {
            match name.as_str() {
                "host" => url.host = None,
                "port" => url.port = None,
                "user" | "username" => url.username = None,
                "password" => url.password = None,
                "dbname" | "database" => url.database = None,
                _ => {}
            }
        }
        // Options that cannot be read stay options, and the configuration reports them.
        if url.take_parts_from_options().is_ok() {
            *self = url;
        }
    }

    /// Returns whether an option names a part of the URL. An address that is the driver's alone has only a user and a
    /// password beside it.
    fn is_part(&self, name: &str) -> bool {
        match name {
            "user" | "username" | "password" => true,
            "database" if self.bridge == Some(Bridge::Odbc) => true,
            "host" | "port" | "dbname" | "database" | "hostaddr" => !self.is_opaque(),
            _ => false,
        }
    }

    /// Moves the options that name a part of the URL to that part. A host that is a socket overrides the host of the
    /// URL, which exists only because some clients insist on one.
    pub(crate) fn take_parts_from_options(&mut self) -> Result<()> {
        if self.is_file() {
            return Ok(());
        }
        self.rename_keywords();
        let (parts, others): (Vec<_>, Vec<_>) = self.options.iter().cloned().partition(|(name, _)| self.is_part(name));
        self.options = others;
        let opaque = self.is_opaque();
        for (name, value) in parts {
            match name.as_str() {
                // Beside an address without `:` and `@`, an empty password can be written in no other way.
                "password" if opaque => fill(&mut self.password, &name, value)?,
                "host" | "port" | "user" | "username" | "password" | "dbname" | "database" | "hostaddr"
                    if value.is_empty() => {}
                "host" if value.contains(',') => return Err(parse::several_hosts()),
                "host" if value.starts_with('/') && !self.host().is_some_and(|host| host.starts_with('/')) => {
                    self.host = Some(value);
                }
                "host" => fill(&mut self.host, &name, value)?,
                "hostaddr" if self.host.is_none() => self.host = Some(value),
                "port" => fill(&mut self.port, &name, parse::port_number(&value)?)?,
                "user" | "username" => fill(&mut self.username, &name, value)?,
                "password" => fill(&mut self.password, &name, value)?,
                "dbname" | "database" => fill(&mut self.database, &name, value)?,
                _ => self.options.push((name, value)),
            }
        }
        Ok(())
    }
}

fn owned<'a>(text: impl Into<Option<&'a str>>) -> Option<String> {
    text.into().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Fills a part from an option. A part that already has another value is an error.
fn fill<T: PartialEq>(part: &mut Option<T>, name: &str, value: T) -> Result<()> {
    if part.as_ref().is_some_and(|part| *part != value) {
        return Err(
            error(format!("the option `{name}` contradicts another part of the URL"))
                .help("give the value once, in the URL itself or as an option"),
        );
    }
    *part = Some(value);
    Ok(())
}
