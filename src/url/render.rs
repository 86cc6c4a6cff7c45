//! Formats the parts of a URL as text.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::bridge::has_server;
use super::opaque::without_secrets;
use super::secret::{is_secret, mentions_secret};
use super::{Bridge, DatabaseUrl, MEMORY};

/// The characters that are encoded in a part of a URL: all but the unreserved ones. The other sets make exceptions.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a driver's own address shows as it is; `@` would be taken for the end of a user.
const OPAQUE: &AsciiSet = &PATH_WITH_COLON
    .remove(b';')
    .remove(b'=')
    .remove(b',')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');
const IPV6: &AsciiSet = &PART.remove(b':');
const PATH: &AsciiSet = &PART.remove(b'/');
const PATH_WITH_COLON: &AsciiSet = &PATH.remove(b':');
const OPTION: &AsciiSet = &PART.remove(b'[').remove(b']');
const VALUE: &AsciiSet = &PATH_WITH_COLON.remove(b',');

/// The replacement for a secret.
const HIDDEN: &str = "***";

/// Returns the text as encoded in the user or the password of a URL.
pub(crate) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// Returns an option as encoded in a URL.
pub(crate) fn encoded_option(name: &str, value: &str) -> String {
    format!(
        "{}={}",
        utf8_percent_encode(name, OPTION),
        utf8_percent_encode(value, VALUE)
    )
}

impl DatabaseUrl {
    pub(super) fn render(&self, hide: bool) -> String {
        let mut out = self.scheme.clone();
        if let Some(driver) = &self.driver {
            out.push('+');
            out.push_str(driver);
        }
        out.push_str("://");
        // A SQLite path has no user, host and port before it; the configuration reports them as an error.
        if self.is_file() {
            self.render_path(&mut out);
        } else if self.is_opaque() {
            self.render_opaque(&mut out, hide);
        } else {
            self.render_server(&mut out, hide);
        }
        self.render_options(&mut out, hide);
        out
    }

    fn render_path(&self, out: &mut String) {
        let Some(path) = self.database() else { return };
        if path == MEMORY {
            out.push_str(path);
            return;
        }
        if self.driver.is_some() {
            out.push('/');
        }
        // A colon stays for readability, except where it would turn the name into a `file:` URI or into a user.
        let colon = !path.trim_start_matches('/').starts_with("file:") && !path.contains('@');
        out.extend(utf8_percent_encode(path, if colon { PATH_WITH_COLON } else { PATH }));
    }

    fn render_opaque(&self, out: &mut String, hide: bool) {
        let Some(text) = self.database() else { return };
        let text = if hide {
            without_secrets(text).into()
        } else {
            std::borrow::Cow::Borrowed(text)
        };
        out.extend(utf8_percent_encode(&text, OPAQUE));
    }

    fn render_server(&self, out: &mut String, hide: bool) {
        if let Some(username) = self.username() {
            out.extend(utf8_percent_encode(username, PART));
        }
        if let Some(password) = self.password() {
            out.push(':');
            if hide {
                out.push_str(HIDDEN);
            } else {
                out.extend(utf8_percent_encode(password, PART));
            }
        }
        // Without a user, the sign shows that the address is one of a server.
        let known = matches!(self.bridge, None | Some(Bridge::Odbc)) || self.subprotocol().is_some_and(has_server);
        if self.username.is_some() || self.password.is_some() || !known {
            out.push('@');
        }
        match self.host() {
            Some(host) if host.starts_with('/') => {}
            Some(host) if host.contains(':') => {
                out.push('[');
                out.extend(utf8_percent_encode(host, IPV6));
                out.push(']');
            }
            Some(host) => out.extend(utf8_percent_encode(host, PART)),
            None => {}
        }
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        if let Some(database) = self.database() {
            out.push('/');
            out.extend(utf8_percent_encode(database, PART));
        }
    }

    fn render_options(&self, out: &mut String, hide: bool) {
        let socket = self.host().filter(|host| !self.is_file() && host.starts_with('/'));
        let opaque = self.is_opaque();
        let user = [("user", self.username()), ("password", self.password())];
        let user = user
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)))
            .filter(|_| opaque);
        let pairs = socket
            .map(|host| ("host", host))
            .into_iter()
            .chain(user)
            .chain(self.options.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        for (index, (name, value)) in pairs.enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            if !hide {
                out.push_str(&encoded_option(name, value));
            } else if is_secret(name) || mentions_secret(value) {
                out.extend(utf8_percent_encode(name, OPTION));
                out.extend(["=", HIDDEN]);
            } else {
                out.push_str(&encoded_option(name, &without_secrets(value)).replace("%2A%2A%2A", HIDDEN));
            }
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(true))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
