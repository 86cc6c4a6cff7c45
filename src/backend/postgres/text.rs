//! Reading of values in text form: the answers of unprepared statements, and the form in which `serde` writes dates and
//! similar values. Each function reads the server's form (`ISO` dates) and RFC 3339.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::value::{Interval, usual_moment};

pub(super) fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 6] = ["t", "true", "1", "on", "yes", "y"];
    const FALSE: [&str; 6] = ["f", "false", "0", "off", "no", "n"];
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&TRUE) {
        Some(true)
    } else {
        is(&FALSE).then_some(false)
    }
}

/// Reads `\x` and hexadecimal digits.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| Some((nibble(pair[0])? * 16 + nibble(*pair.get(1)?)?) as u8))
        .collect()
}

/// Reads `2026-11-21`, `-0044-03-15`, `0044-03-15 BC`, `12345-01-01`.
pub(in crate::backend) fn date(text: &str) -> Option<NaiveDate> {
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (text, negative) = match text.strip_prefix('-') {
        Some(text) => (text, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let mut parts = text.splitn(3, '-');
    let year: i32 = digits(parts.next()?)?.try_into().ok()?;
    let month = digits(parts.next()?)?;
    let day = digits(parts.next()?)?;
    let year = match (before_christ, negative) {
        (true, true) => return None,
        // There is no year zero: 1 BC is the year 0 here.
        (true, false) => 1 - year,
        (false, true) => -year,
        (false, false) => year,
    };
    NaiveDate::from_ymd_opt(year, month, day)
}

fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Reads `10:05`, `10:05:09`, `10:05:09.123456`.
pub(in crate::backend) fn time(text: &str) -> Option<NaiveTime> {
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?)?;
    let minute = digits(parts.next()?)?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            (digits(whole)?, nanoseconds(fraction)?)
        }
    };
    NaiveTime::from_hms_nano_opt(hour, minute, second, fraction)
}

/// Reads the decimal places of a number of seconds, in nanoseconds.
fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.len() > 9 {
        return None;
    }
    Some(digits(fraction)? * 10_u32.pow(9 - fraction.len() as u32))
}

/// Reads a date and a time, with their offset from UTC in seconds if there is one.
fn moment(text: &str) -> Option<(NaiveDateTime, Option<i32>)> {
    match usual_moment(text) {
        Some((moment, "")) => return Some((moment, None)),
        Some((moment, zone)) if zone.starts_with(['Z', '+', '-']) && !zone.ends_with(" BC") => {
            return Some((moment, Some(offset(zone)?)));
        }
        _ => {}
    }
    let (text, era) = match text.strip_suffix(" BC") {
        Some(text) => (text, " BC"),
        None => (text, ""),
    };
    let (day, rest) = text.split_once(['T', ' '])?;
    let (clock, offset) = match rest.find(['Z', '+', '-']) {
        Some(at) => (rest[..at].trim_end(), Some(offset(&rest[at..])?)),
        None => (rest, None),
    };
    let day = if era.is_empty() {
        date(day)?
    } else {
        date(&format!("{day}{era}"))?
    };
    Some((day.and_time(time(clock)?), offset))
}

/// Reads `Z`, `+02`, `-03:30`, `+00:19:32`.
fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+')?),
    };
    let mut seconds = 0;
    for (part, worth) in text.splitn(3, ':').zip([3600, 60, 1]) {
        seconds += digits(part).filter(|part| *part < 100)? as i32 * worth;
    }
    Some(sign * seconds)
}

/// Reads a date and a time without an offset; an offset of zero is accepted, too.
pub(in crate::backend) fn date_time(text: &str) -> Option<NaiveDateTime> {
    let Some((moment, offset)) = moment(text) else {
        return date(text).map(|day| day.and_time(NaiveTime::MIN));
    };
    (offset.unwrap_or(0) == 0).then_some(moment)
}

/// Reads a point in time. Without an offset it is in UTC, the time zone of every session.
pub(in crate::backend) fn timestamp(text: &str) -> Option<DateTime<Utc>> {
    let (moment, offset) = moment(text)?;
    let offset = Duration::seconds(offset.unwrap_or(0).into());
    Some(moment.checked_sub_signed(offset)?.and_utc())
}

/// Reads `1 year 2 mons -3 days 04:05:06.789` or `P1Y2M-3DT4H5M6.789S`.
pub(in crate::backend) fn interval(text: &str) -> Option<Interval> {
    match text.strip_prefix('P') {
        Some(text) => iso_interval(text),
        None => worded_interval(text),
    }
}

fn worded_interval(text: &str) -> Option<Interval> {
    let mut sum = Interval::default();
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            sum.microseconds = sum.microseconds.checked_add(clock(word)?)?;
            continue;
        }
        let count: i32 = word.strip_prefix('+').unwrap_or(word).parse().ok()?;
        match words.next()?.trim_end_matches(['s', ',']) {
            "year" => sum.months = sum.months.checked_add(count.checked_mul(12)?)?,
            "mon" | "month" => sum.months = sum.months.checked_add(count)?,
            "week" => sum.days = sum.days.checked_add(count.checked_mul(7)?)?,
            "day" => sum.days = sum.days.checked_add(count)?,
            "hour" => add(&mut sum, i64::from(count), 3_600_000_000)?,
            "min" | "minute" => add(&mut sum, i64::from(count), 60_000_000)?,
            "sec" | "second" => add(&mut sum, i64::from(count), 1_000_000)?,
            _ => return None,
        }
    }
    (!text.trim().is_empty()).then_some(sum)
}

fn add(sum: &mut Interval, count: i64, microseconds: i64) -> Option<()> {
    sum.microseconds = sum.microseconds.checked_add(count.checked_mul(microseconds)?)?;
    Some(())
}

/// Reads `-123456:05:06.789`: hours are not bounded by a day.
fn clock(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = text.splitn(3, ':');
    let hours = i64::from(digits(parts.next()?)?);
    let minutes = i64::from(digits(parts.next()?)?);
    let micros = seconds(parts.next().unwrap_or("0"))?;
    let sum = hours
        .checked_mul(3_600_000_000)?
        .checked_add(minutes * 60_000_000)?
        .checked_add(micros)?;
    Some(sign * sum)
}

/// Reads seconds with up to six decimal places, in microseconds.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let nanos = nanoseconds(fraction)?;
    (nanos % 1000 == 0).then_some(())?;
    Some(i64::from(digits(whole)?) * 1_000_000 + i64::from(nanos / 1000))
}

fn iso_interval(text: &str) -> Option<Interval> {
    let mut sum = Interval::default();
    let mut in_time = false;
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            in_time = true;
            rest = after;
            continue;
        }
        let at = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..at], &rest[at..=at]);
        rest = &rest[at + 1..];
        let whole = || number.parse::<i32>().ok();
        match (unit, in_time) {
            ("Y", false) => sum.months = sum.months.checked_add(whole()?.checked_mul(12)?)?,
            ("M", false) => sum.months = sum.months.checked_add(whole()?)?,
            ("W", false) => sum.days = sum.days.checked_add(whole()?.checked_mul(7)?)?,
            ("D", false) => sum.days = sum.days.checked_add(whole()?)?,
            ("H", true) => add(&mut sum, number.parse().ok()?, 3_600_000_000)?,
            ("M", true) => add(&mut sum, number.parse().ok()?, 60_000_000)?,
            ("S", true) => {
                let (sign, number) = number.strip_prefix('-').map_or((1, number), |number| (-1, number));
                add(&mut sum, sign * seconds(number)?, 1)?;
            }
            _ => return None,
        }
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn q4_dates_of_all_ages_are_read() {
        assert_eq!(date("2026-11-21"), NaiveDate::from_ymd_opt(2026, 11, 21));
        assert_eq!(date("0044-03-15 BC"), NaiveDate::from_ymd_opt(-43, 3, 15));
        assert_eq!(date("-0043-03-15"), NaiveDate::from_ymd_opt(-43, 3, 15));
        assert_eq!(date("+12345-01-01"), NaiveDate::from_ymd_opt(12345, 1, 1));
        assert_eq!(date("12345-01-01"), NaiveDate::from_ymd_opt(12345, 1, 1));
        for wrong in ["", "infinity", "2026-13-01", "2026-1", "2026-01-01x", "2026-+1-01"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn q4_points_in_time_are_read_with_every_offset() {
        let noon = timestamp("2026-11-21T12:00:00Z").unwrap();
        for same in [
            "2026-11-21 12:00:00+00",
            "2026-11-21 14:00:00+02",
            "2026-11-21 08:30:00-03:30",
            "2026-11-21 12:19:32+00:19:32",
            "2026-11-21 12:00:00",
            "2026-11-21T12:00",
        ] {
            assert_eq!(timestamp(same), Some(noon), "{same}");
        }
        assert_eq!(date_time("2026-11-21T12:00:00Z"), Some(noon.naive_utc()));
        assert_eq!(date_time("2026-11-21T12:00:00+02:00"), None);
        assert_eq!(
            date_time("2026-11-21 23:59:59.999999").unwrap().to_string(),
            "2026-11-21 23:59:59.999999"
        );
        assert_eq!(
            timestamp("0044-03-15 10:00:00+00 BC").unwrap().naive_utc().date(),
            date("0044-03-15 BC").unwrap()
        );
    }

    #[test]
    fn q4_intervals_are_read_in_both_styles() {
        let interval_of = |months, days, microseconds| {
            Some(Interval {
                months,
                days,
                microseconds,
            })
        };
        assert_eq!(
            interval("1 year 2 mons -3 days 04:05:06.789"),
            interval_of(14, -3, 14_706_789_000)
        );
        assert_eq!(interval("P1Y2M-3DT4H5M6.789S"), interval_of(14, -3, 14_706_789_000));
        assert_eq!(interval("-00:00:00.000001"), interval_of(0, 0, -1));
        assert_eq!(interval("PT-0.000001S"), interval_of(0, 0, -1));
        assert_eq!(interval("00:00:00"), interval_of(0, 0, 0));
        assert_eq!(interval("2562047788:00:54.775807"), interval_of(0, 0, i64::MAX));
        for wrong in ["", "P", "3", "3 lightyears", "1 day 2"] {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn q4_bytes_and_booleans_are_read() {
        assert_eq!(bytes("\\x00ff10"), Some(vec![0, 255, 16]));
        assert_eq!(bytes("\\x"), Some(vec![]));
        assert_eq!(bytes("\\x0"), None);
        assert_eq!(bytes("00"), None);
        assert_eq!(boolean("t"), Some(true));
        assert_eq!(boolean("FALSE"), Some(false));
        assert_eq!(boolean("perhaps"), None);
    }

    proptest! {
        #[test]
        fn q4_no_text_makes_reading_panic(text in "\\PC{0,30}") {
            let _ = (boolean(&text), bytes(&text), date(&text), time(&text));
            let _ = (date_time(&text), timestamp(&text), interval(&text));
        }

        #[test]
        fn q4_figures_never_make_reading_panic(text in "[-+0-9:. TZPDHMSYBC]{0,40}") {
            let _ = (date(&text), time(&text), date_time(&text), timestamp(&text), interval(&text));
        }
    }
}
