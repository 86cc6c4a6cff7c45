//! The end of a caller's writes, in a form that can be carried elsewhere.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::backend::Position;
use crate::error::{Error, ErrorKind};

/// The end of a caller's writes, for a reader that is to see them from a replica: the next request of the same user,
/// another process. [`Database::bookmark`](crate::Database::bookmark) creates it, and
/// [`Database::read_after`](crate::Database::read_after) takes it.
///
/// It is text, by `Display`, `FromStr` and serde, and holds nothing secret: a cookie can carry it. A forged bookmark
/// does no harm except to send that caller's reads to the primary.
///
/// ```
/// use ebbtide::Bookmark;
///
/// let bookmark: Bookmark = "log:83886080".parse()?;
/// assert_eq!(bookmark.to_string(), "log:83886080");
/// assert_eq!(Bookmark::default().to_string(), "", "of somebody who wrote nothing");
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmark(pub(super) BookmarkPosition);

/// The content of a bookmark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum BookmarkPosition {
    /// Nothing was written.
    #[default]
    Anywhere,
    At(Position),
    /// The position is unknown; until then the primary is to be read from. In milliseconds since 1970.
    Until(u64),
}

impl Bookmark {
    /// Creates a bookmark for servers that cannot report their position.
    pub(super) fn until(when: SystemTime) -> Self {
        let since = when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(BookmarkPosition::Until(since.as_millis() as u64))
    }

    /// Returns the time that is left until then.
    pub(super) fn left(until: u64) -> Duration {
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(until.min(u64::from(u32::MAX) * 1_000));
        until.duration_since(SystemTime::now()).unwrap_or_default()
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            BookmarkPosition::Anywhere => Ok(()),
            BookmarkPosition::At(position) => write!(f, "{position}"),
            BookmarkPosition::Until(when) => write!(f, "until:{when}"),
        }
    }
}

impl FromStr for Bookmark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let place = match text.split_once(':') {
            None if text.is_empty() => Some(BookmarkPosition::Anywhere),
            Some(("until", when)) => when.parse().ok().map(BookmarkPosition::Until),
            _ => Position::read(text).map(BookmarkPosition::At),
        };
        place.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Parameter, format!("`{text}` is not a bookmark"))
                .help("use the text of a bookmark from `Database::bookmark`; the empty text is an empty bookmark")
        })
    }
}

impl Serialize for Bookmark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bookmark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_a_bookmark_is_text() {
        let ids = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n3e11fa47-71ca-11e1-9e33-c80aa9429563:1";
        for text in [
            "",
            "log:0",
            "log:18446744073709551615",
            "mariadb:0-1-7,1-1-3",
            &format!("mysql:{ids}"),
            "mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:blue_sky:1-3",
            "until:5",
        ] {
            let bookmark: Bookmark = text.parse().unwrap();
            assert_eq!(bookmark.to_string(), text);
            let json = serde_json::to_string(&bookmark).unwrap();
            assert_eq!(serde_json::from_str::<Bookmark>(&json).unwrap(), bookmark);
        }
        for text in [
            "log",
            "log:",
            "log:-1",
            "log:x",
            "mariadb:",
            "mariadb:0-1-7'",
            "other:1",
            "until:",
            " ",
        ] {
            let error = text.parse::<Bookmark>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parameter, "{text}");
        }
    }

    #[test]
    fn r6_a_bookmark_of_time_has_an_end() {
        let long = Duration::from_mins(1);
        let Bookmark(BookmarkPosition::Until(when)) = Bookmark::until(SystemTime::now() + long) else {
            panic!("it is one of time");
        };
        let left = Bookmark::left(when);
        assert!(left > long / 2 && left <= long, "{left:?}");
        assert_eq!(Bookmark::left(0), Duration::ZERO);
        assert!(Bookmark::left(u64::MAX) > long);
    }
}
