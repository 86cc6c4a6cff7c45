//! An option: its names, the dialects on which it has a meaning, and the reading of its value.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::db_api_pool::DbApiPool;
use super::isolation_level::IsolationLevel;
use super::isolation_policy::IsolationPolicy;
use super::read_your_writes::ReadYourWrites;
use super::settings::Settings;
use super::sqlite_mode::SqliteMode;
use super::ssl_mode::SslMode;
use super::text::{duration, flag, show_duration, squash};
use crate::url::OptionScope;

/// The description of a valid value, which ends the sentence "… is `x`, but must be".
pub(super) type Expected = Cow<'static, str>;

pub(super) type Apply = fn(&mut Settings, &GivenValue<'_>) -> Result<(), Expected>;

/// An option and its effect.
pub(super) struct OptionSpec {
    pub(super) name: &'static str,
    /// Other names with exactly the same meaning.
    pub(super) also: &'static [&'static str],
    pub(super) on: OptionScope,
    pub(super) kind: OptionKind,
}

pub(super) enum OptionKind {
    /// A field of [`Settings`].
    Own { apply: Apply, show: fn(&Settings) -> Value },
    /// Another way to set a field that has its own entry earlier in the table.
    Also(Apply),
    /// A parameter of the server, with its name there.
    Server(&'static str),
    /// libpq's `-c name=value …`.
    Startup,
    /// An option that has no effect. Values other than those in `fine` cause a warning.
    Warn {
        fine: &'static [&'static str],
        why: &'static str,
    },
}

impl OptionSpec {
    pub(super) fn answers_to(&self, squashed: &str) -> bool {
        squash(self.name) == squashed || self.also.iter().any(|name| squash(name) == squashed)
    }
}

/// A value as it was given; `None` is a null in a dictionary.
pub(super) struct GivenValue<'a> {
    pub(super) text: Option<&'a str>,
    /// The unit of a duration that is a plain number.
    pub(super) unit: Duration,
}

impl<'a> GivenValue<'a> {
    pub(super) fn text(&self) -> Result<&'a str, Expected> {
        self.text.ok_or(Cow::Borrowed("given"))
    }

    pub(super) fn whole<T: TryFrom<u64>>(&self, min: u64, max: u64) -> Result<T, Expected> {
        let number = self
            .text()?
            .parse::<u64>()
            .ok()
            .filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| Cow::Owned(format!("a whole number from {min} to {max}")))
    }

    pub(super) fn flag(&self) -> Result<bool, Expected> {
        flag(self.text()?).ok_or(Cow::Borrowed("true or false"))
    }

    pub(super) fn duration(&self) -> Result<Duration, Expected> {
        duration(self.text()?, self.unit).ok_or(Cow::Borrowed(
            "a number of seconds, or a number with one of the units ms, s, min and h",
        ))
    }

    pub(super) fn one_of(&self, words: &[&str]) -> Result<String, Expected> {
        let text = self.text()?.to_ascii_lowercase();
        if words.contains(&text.as_str()) {
            Ok(text)
        } else {
            Err(Cow::Owned(format!("one of {}", words.join(", "))))
        }
    }
}

/// A type that a setting can have.
pub(super) trait SettingType: Sized {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected>;
    fn show(&self) -> Value;
}

impl SettingType for bool {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        given.flag()
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl SettingType for Duration {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        given.duration()
    }
    fn show(&self) -> Value {
        show_duration(*self)
    }
}

impl SettingType for Option<Duration> {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        match given.text {
            None | Some("-1" | "never" | "none") => Ok(None),
            Some(_) => match given.duration() {
                Ok(duration) => Ok(Some(duration).filter(|duration| !duration.is_zero())),
                Err(expected) => Err(Cow::Owned(format!("{expected}, or -1 for never"))),
            },
        }
    }
    fn show(&self) -> Value {
        self.map_or(Value::Null, show_duration)
    }
}

impl SettingType for Option<String> {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        match given.text {
            Some(text) if text.contains('\0') => Err(Cow::Borrowed("text without a NUL character")),
            text => Ok(text.map(str::to_owned)),
        }
    }
    fn show(&self) -> Value {
        Value::from(self.as_deref())
    }
}

impl SettingType for Option<PathBuf> {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        Ok(Option::<String>::read(given)?.map(PathBuf::from))
    }
    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, |path| path.to_string_lossy().into())
    }
}

impl SettingType for u32 {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        given.whole(0, 65_535)
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl SettingType for usize {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        given.whole(0, 1_000_000)
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl SettingType for SslMode {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl SettingType for SqliteMode {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl SettingType for DbApiPool {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

/// Arguments for a driver, as JSON.
impl SettingType for Option<Value> {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        let Some(text) = given.text else { return Ok(None) };
        match serde_json::from_str(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(Some(value)),
            Ok(Value::Null) => Ok(None),
            _ => Err(Cow::Borrowed("a JSON object")),
        }
    }
    fn show(&self) -> Value {
        self.clone().unwrap_or_default()
    }
}

impl SettingType for IsolationPolicy {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl SettingType for ReadYourWrites {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        Self::read(given.text()?).ok_or(Cow::Borrowed(Self::EXPECTED))
    }
    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl SettingType for Option<IsolationLevel> {
    fn read(given: &GivenValue<'_>) -> Result<Self, Expected> {
        let read = |text| IsolationLevel::read(text).ok_or(Cow::Borrowed(IsolationLevel::EXPECTED));
        given.text.map(read).transpose()
    }
    fn show(&self) -> Value {
        self.map_or(Value::Null, |level| level.as_str().to_ascii_lowercase().into())
    }
}
