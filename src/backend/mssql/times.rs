//! Dates and times, between `chrono` and the wire, on which days count from the year 1 and parts of a second have up to
//! seven digits.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use tiberius::time::{Date, DateTime, DateTime2, DateTimeOffset, SmallDateTime, Time};

/// Number of digits of a second.
const DIGITS: u8 = 7;
/// Nanoseconds in the smallest part of a second.
const TICK: u32 = 100;
/// The day of 1900-01-01, counted as `chrono` does.
const YEAR_1900: i32 = 693_596;

/// Returns a date as it is sent; `None` outside of the years 1 to 9999.
pub(super) fn date(date: NaiveDate) -> Option<Date> {
    if !(1..=9999).contains(&date.year()) {
        return None;
    }
    Some(Date::new(u32::try_from(date.num_days_from_ce() - 1).ok()?))
}

/// Returns a time as it is sent. What is finer than it can be is cut off; a leap second is the end of the one before it.
pub(super) fn time(time: NaiveTime) -> Time {
    let nanoseconds = time.nanosecond().min(999_999_999);
    let ticks = u64::from(nanoseconds / TICK);
    Time::new(u64::from(time.num_seconds_from_midnight()) * 10_000_000 + ticks, DIGITS)
}

/// Returns a date and time as it is sent.
pub(super) fn date_time(at: NaiveDateTime) -> Option<DateTime2> {
    Some(DateTime2::new(date(at.date())?, time(at.time())))
}

/// Returns a point in time as it is sent: in UTC.
pub(super) fn timestamp(at: NaiveDateTime) -> Option<DateTimeOffset> {
    Some(DateTimeOffset::new(date_time(at)?, 0))
}

pub(super) fn read_date(date: Date) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(date.days()).ok()? + 1)
}

pub(super) fn read_time(time: Time) -> Option<NaiveTime> {
    let scale = u32::from(time.scale());
    let nanoseconds = time.increments().checked_mul(10_u64.pow(9_u32.checked_sub(scale)?))?;
    let seconds = u32::try_from(nanoseconds / 1_000_000_000).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, (nanoseconds % 1_000_000_000) as u32)
}

/// Reads a `datetime2`, and the part of a `datetimeoffset` that is in UTC.
pub(super) fn read_date_time(at: DateTime2) -> Option<NaiveDateTime> {
    Some(read_date(at.date())?.and_time(read_time(at.time())?))
}

/// Reads a `datetime`, which counts 300 parts of a second, as the server converts it to `datetime2`: so it equals its
/// column when it is sent back.
pub(super) fn read_old_date_time(at: DateTime) -> Option<NaiveDateTime> {
    let ticks = (i64::from(at.seconds_fragments()) * 100_000 + 1) / 3;
    since_1900(at.days())?.checked_add_signed(TimeDelta::nanoseconds(ticks * i64::from(TICK)))
}

/// Reads a `smalldatetime`, which counts minutes.
pub(super) fn read_small_date_time(at: SmallDateTime) -> Option<NaiveDateTime> {
    since_1900(at.days().into())?.checked_add_signed(TimeDelta::minutes(at.seconds_fragments().into()))
}

fn since_1900(days: i32) -> Option<NaiveDateTime> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(YEAR_1900)?).map(|date| date.and_time(NaiveTime::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn b1_dates_and_times_come_back() {
        for text in [
            "0001-01-01T00:00:00",
            "1899-12-31T23:59:59.9999999",
            "2024-02-29T12:34:56.1234567",
            "9999-12-31T23:59:59.9999999",
        ] {
            assert_eq!(read_date_time(date_time(at(text)).unwrap()), Some(at(text)), "{text}");
        }
        assert_eq!(date("10000-01-01".parse().unwrap_or(NaiveDate::MAX)), None);
        assert_eq!(date(NaiveDate::from_ymd_opt(0, 12, 31).unwrap()), None);
        let fine = "12:00:00.123456789".parse().unwrap();
        assert_eq!(read_time(time(fine)), Some("12:00:00.1234567".parse().unwrap()));
    }

    #[test]
    fn b1_old_kinds_of_dates_are_read_as_the_server_converts_them() {
        assert_eq!(
            read_old_date_time(DateTime::new(0, 1)),
            Some(at("1900-01-01T00:00:00.0033333"))
        );
        assert_eq!(
            read_old_date_time(DateTime::new(0, 2)),
            Some(at("1900-01-01T00:00:00.0066667"))
        );
        assert_eq!(
            read_old_date_time(DateTime::new(-1, 3)),
            Some(at("1899-12-31T00:00:00.010"))
        );
        assert_eq!(
            read_old_date_time(DateTime::new(2_958_463, 300 * 86_400 - 1)),
            Some(at("9999-12-31T23:59:59.9966667"))
        );
        assert_eq!(
            read_small_date_time(SmallDateTime::new(1, 61)),
            Some(at("1900-01-02T01:01:00"))
        );
    }
}
