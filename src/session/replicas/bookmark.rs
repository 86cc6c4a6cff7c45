//! Where somebody's writes end, in a form that can be carried elsewhere.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::backend::Position;
use crate::error::{Error, ErrorKind};

/// Where somebody's writes end, for whoever is to see them from a replica: the next request of the same user, another
/// process. [`Database::bookmark`](crate::Database::bookmark) makes it, [`Database::read_after`](crate::Database::read_after)
/// takes it.
///
/// It is text, by `Display`, `FromStr` and serde, and holds nothing secret: a cookie can carry it. A bookmark that a stranger
/// made up does no harm but to send that caller's reads to the primary.
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
pub struct Bookmark(pub(super) Place);

/// What a bookmark says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing was written.
    #[default]
    Anywhere,
    At(Position),
    /// Nobody can tell; until then the primary is to be read from. In milliseconds since 1970.
    Until(u64),
}

impl Bookmark {
    /// For servers that cannot tell how far they are.
    pub(super) fn until(when: SystemTime) -> Self {
        let since = when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(Place::Until(since.as_millis() as u64))
    }

    /// How long that is from now.
    pub(super) fn left(until: u64) -> Duration {
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(until.min(u64::from(u32::MAX) * 1_000));
        until.duration_since(SystemTime::now()).unwrap_or_default()
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Anywhere => Ok(()),
            Place::At(Position::Log(bytes)) => write!(f, "log:{bytes}"),
            Place::At(Position::Transactions { maria: true, ids }) => write!(f, "mariadb:{ids}"),
            Place::At(Position::Transactions { maria: false, ids }) => write!(f, "mysql:{ids}"),
            Place::Until(when) => write!(f, "until:{when}"),
        }
    }
}

impl FromStr for Bookmark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let ids = |ids: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "-:,\n".contains(c);
            (!ids.is_empty() && ids.chars().all(known)).then(|| ids.into())
        };
        let transactions = |maria, text| Some(Place::At(Position::Transactions { maria, ids: ids(text)? }));
        let place = match text.split_once(':') {
            None if text.is_empty() => Some(Place::Anywhere),
            Some(("log", bytes)) => bytes.parse().ok().map(|bytes| Place::At(Position::Log(bytes))),
            Some(("mariadb", text)) => transactions(true, text),
            Some(("mysql", text)) => transactions(false, text),
            Some(("until", when)) => when.parse().ok().map(Place::Until),
            _ => None,
        };
        place.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Parameter, format!("`{text}` is no bookmark"))
                .help("take the text of one that `Database::bookmark` made; the empty text is a bookmark of nothing")
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
        let Bookmark(Place::Until(when)) = Bookmark::until(SystemTime::now() + long) else {
            panic!("it is one of time");
        };
        let left = Bookmark::left(when);
        assert!(left > long / 2 && left <= long, "{left:?}");
        assert_eq!(Bookmark::left(0), Duration::ZERO);
        assert!(Bookmark::left(u64::MAX) > long);
    }
}
