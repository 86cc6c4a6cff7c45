//! The encryption of the connection to the server.

use super::keyword::spelled;
use super::text::{flag, squash};

/// The encryption of a connection, and the checks of the server. Later variants are stricter. A Unix socket of PostgreSQL is
/// never encrypted, as in libpq.
///
/// It parses from the spellings of PostgreSQL (`verify-full`) and MySQL (`VERIFY_IDENTITY`), and from a flag: `true` is
/// [`Require`](Self::Require), `false` is [`Disable`](Self::Disable).
///
/// ```
/// use ebbtide::SslMode;
///
/// assert_eq!("REQUIRED".parse::<SslMode>()?, SslMode::Require);
/// assert_eq!("false".parse::<SslMode>()?, SslMode::Disable);
/// assert!(SslMode::VerifyFull > SslMode::Require);
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// PostgreSQL: not encrypted, unless the server refuses that; then it is tried again with encryption, as libpq does.
    /// MySQL: the same as [`Prefer`](Self::Prefer).
    Allow,
    /// Encrypted if the server can. The default.
    #[default]
    Prefer,
    /// Always encrypted; the certificate is not checked.
    Require,
    /// Always encrypted, with a certificate of a known authority.
    VerifyCa,
    /// Always encrypted, with a certificate of a known authority for exactly this host.
    VerifyFull,
}

impl SslMode {
    pub(super) const EXPECTED: &'static str =
        "`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full` (or true or false)";

    pub(super) fn read(text: &str) -> Option<Self> {
        Some(match squash(text).as_str() {
            "disable" | "disabled" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" | "preferred" => Self::Prefer,
            // The last two are the spellings of Go and of MariaDB's Java; they mean encrypted but not checked.
            "require" | "required" | "skipverify" | "trust" => Self::Require,
            "verifyca" => Self::VerifyCa,
            "verifyfull" | "verifyidentity" => Self::VerifyFull,
            other => match flag(other) {
                Some(true) => Self::Require,
                Some(false) => Self::Disable,
                None => return Self::read_json(text),
            },
        })
    }

    /// Reads `ssl={"rejectUnauthorized":true}`, which MySQL hosts put into their URLs for Node.
    fn read_json(text: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let checked = value.as_object()?.get("rejectUnauthorized")?.as_bool()?;
        Some(if checked { Self::VerifyFull } else { Self::Require })
    }

    /// Returns the mode as PostgreSQL spells it: `verify-full`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

spelled!(SslMode, "is not an SSL mode");
