//! Formats the parts of a URL as text.

use std::fmt;

use super::encoding::encode;
use super::{DatabaseUrl, MEMORY};
use crate::sql::Dialect;

/// The replacement for a secret.
const HIDDEN: &str = "***";

/// Returns whether an option of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "passphrase", "pwd", "secret", "token"]
        .iter()
        .any(|word| name.contains(word))
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
        if self.dialect == Dialect::Sqlite {
            self.render_path(&mut out);
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
        let keep: &[u8] = if path.trim_start_matches('/').starts_with("file:") || path.contains('@') {
            b"/"
        } else {
            b"/:"
        };
        encode(out, path, keep);
    }

    fn render_server(&self, out: &mut String, hide: bool) {
        if let Some(username) = self.username() {
            encode(out, username, b"");
        }
        if let Some(password) = self.password() {
            out.push(':');
            if hide {
                out.push_str(HIDDEN);
            } else {
                encode(out, password, b"");
            }
        }
        if self.username.is_some() || self.password.is_some() {
            out.push('@');
        }
        match self.host() {
            Some(host) if host.starts_with('/') => {}
            Some(host) if host.contains(':') => {
                out.push('[');
                encode(out, host, b":");
                out.push(']');
            }
            Some(host) => encode(out, host, b""),
            None => {}
        }
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        if let Some(database) = self.database() {
            out.push('/');
            encode(out, database, b"");
        }
    }

    fn render_options(&self, out: &mut String, hide: bool) {
        let socket = self
            .host()
            .filter(|host| self.dialect != Dialect::Sqlite && host.starts_with('/'));
        let pairs = socket
            .map(|host| ("host", host))
            .into_iter()
            .chain(self.options.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        for (index, (name, value)) in pairs.enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            encode(out, name, b"[]");
            out.push('=');
            if hide && (is_secret(name) || is_secret(value)) {
                out.push_str(HIDDEN);
            } else {
                encode(out, value, b"/:,");
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
