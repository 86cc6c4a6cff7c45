//! Conversions from and to [`url::Url`].
//!
//! `parse.rs` does not read text through `Url`, which follows the rules of the web. `Url` refuses a user or a port
//! without a host, the zone of an IPv6 address, and a `_` in a scheme. It drops an empty password and tabs, resolves
//! `..` in paths, and its query replaces bytes that are not UTF-8. Most of the parser would remain: an unencoded `@`,
//! `/` or `?` must be found before `Url` sees the text.

use url::{Position, Url};

use super::{DatabaseUrl, error};
use crate::error::{Error, Result};

impl DatabaseUrl {
    /// Returns the whole URL as a [`Url`], **with its password and secrets**, for code that takes one. `try_from`
    /// reads it back.
    ///
    /// A `Url` has no user, password and port without a host, and no zone in an IPv6 address. There, these parts are
    /// options with the names of libpq. An empty password is left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Url`](crate::ErrorKind::Url) if no `Url` means the same: the driver has a `_` in its name, or
    /// there is a `.` or `..` in the path, which a `Url` resolves.
    ///
    /// ```
    /// use ebbtide::DatabaseUrl;
    ///
    /// let url = DatabaseUrl::parse("postgres://ada:s3cr/t@db.example/shop")?.expose_url()?;
    /// assert_eq!(url.as_str(), "postgres://ada:s3cr%2Ft@db.example/shop");
    /// let socket = DatabaseUrl::parse("mysql://ada@/shop?socket=/run/my.sock")?.expose_url()?;
    /// assert_eq!(socket.as_str(), "mysql:///shop?user=ada&socket=/run/my.sock");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn expose_url(&self) -> Result<Url> {
        let mut url = self.clone();
        url.password = url.password.filter(|password| !password.is_empty());
        let usual = url.expose();
        // `sqlite::memory:`: what stands behind `//` is an address to a `Url`.
        let path = usual.replacen("://", ":", 1);
        [usual, path, url.clone().with_address_as_options().expose()]
            .iter()
            .filter_map(|text| Url::parse(text).ok())
            .find(|web| Self::try_from(web).is_ok_and(|read| read == url))
            .ok_or_else(|| {
                error("no `url::Url` means the same as this URL")
                    .help("drop a driver with a `_` in its name, and resolve `.` and `..` in the path")
            })
    }

    fn with_address_as_options(mut self) -> Self {
        let parts = [
            ("host", self.host.take()),
            ("port", self.port.take().map(|port| port.to_string())),
            ("user", self.username.take()),
            ("password", self.password.take()),
        ];
        let options = parts
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?)));
        self.options = options.chain(self.options).collect();
        self
    }
}

impl TryFrom<&Url> for DatabaseUrl {
    type Error = Error;

    /// Reads the text of a [`Url`] like [`parse`](Self::parse). What a `Url` itself has resolved or dropped, such as
    /// `..` in a path and an empty password, is lost. A fragment is refused: a `Url` begins one at an
    /// unencoded `#` in a password.
    ///
    /// ```
    /// use ebbtide::DatabaseUrl;
    ///
    /// let web = url::Url::parse("postgres://ada:s3cr%2Ft@db.example/shop")?;
    /// let url = DatabaseUrl::try_from(&web)?;
    /// assert_eq!(url.password(), Some("s3cr/t"));
    /// assert_eq!(url.expose_url()?, web);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn try_from(url: &Url) -> Result<Self> {
        if url.fragment().is_some() {
            return Err(error("the URL has a fragment, which no database URL has")
                .help("percent-encode `#` as %23, or parse the text as a `DatabaseUrl`"));
        }
        // Behind the address an `@` belongs to a name or a value, which the text alone does not show.
        let rest = url[Position::BeforePath..].replace('@', "%40");
        Self::parse(&format!("{}{rest}", &url[..Position::BeforePath]))
    }
}

impl TryFrom<Url> for DatabaseUrl {
    type Error = Error;

    fn try_from(url: Url) -> Result<Self> {
        Self::try_from(&url)
    }
}
