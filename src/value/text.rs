//! Dates, times, numbers and UUIDs as text, and back. The text is written by hand into a buffer on the stack. A row
//! passes through here on its way into a `Deserialize` struct, and chrono's formatting costs more than all the rest of
//! the row.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use uuid::Uuid;

/// A short text on the stack. Text that does not fit is an error of `write!`, and is cut off elsewhere; the longest
/// text written here has 49 characters.
pub(super) struct Buffer {
    bytes: [u8; 64],
    len: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    fn push_all(&mut self, text: &[u8]) -> bool {
        let end = self.len + text.len();
        let Some(room) = self.bytes.get_mut(self.len..end) else {
            return false;
        };
        room.copy_from_slice(text);
        self.len = end;
        true
    }

    /// Writes `value` with `N` digits.
    fn digits<const N: usize>(&mut self, mut value: u32) {
        let mut digits = [b'0'; N];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
        self.push_all(&digits);
    }

    /// Writes a date in ISO 8601; years with more than four digits have a sign.
    pub(super) fn date(&mut self, date: NaiveDate) {
        let year = date.year();
        if let 0..=9999 = year {
            self.digits::<4>(year as u32);
        } else {
            self.push(if year < 0 { b'-' } else { b'+' });
            if year.unsigned_abs() > 9999 {
                self.digits::<6>(year.unsigned_abs());
            } else {
                self.digits::<4>(year.unsigned_abs());
            }
        }
        self.push(b'-');
        self.digits::<2>(date.month());
        self.push(b'-');
        self.digits::<2>(date.day());
    }

    /// Writes a time in ISO 8601, with no, six or nine digits of the fraction.
    pub(super) fn time(&mut self, time: NaiveTime) {
        // chrono counts the nanoseconds of a leap second beyond a billion.
        let (leap, nanosecond) = (time.nanosecond() / 1_000_000_000, time.nanosecond() % 1_000_000_000);
        self.digits::<2>(time.hour());
        self.push(b':');
        self.digits::<2>(time.minute());
        self.push(b':');
        self.digits::<2>(time.second() + leap);
        if nanosecond == 0 {
            return;
        }
        self.push(b'.');
        if nanosecond % 1_000 == 0 {
            self.digits::<6>(nanosecond / 1_000);
        } else {
            self.digits::<9>(nanosecond);
        }
    }

    pub(super) fn date_time(&mut self, value: NaiveDateTime) {
        if self.usual_date_time(value).is_none() {
            self.date(value.date());
            self.push(b'T');
            self.time(value.time());
        }
    }

    /// Writes a date and time that has a year of four digits and is no leap second, as almost all are: every digit has
    /// a fixed place.
    fn usual_date_time(&mut self, value: NaiveDateTime) -> Option<()> {
        let year = u32::try_from(value.year()).ok().filter(|year| *year <= 9999)?;
        let nanosecond = Some(value.nanosecond()).filter(|nanosecond| *nanosecond < 1_000_000_000)?;
        let mut out = *b"0000-00-00T00:00:00.000000000";
        let mut pair = |at: usize, number: u32| {
            out[at] += (number / 10) as u8;
            out[at + 1] += (number % 10) as u8;
        };
        let seconds = value.num_seconds_from_midnight();
        pair(0, year / 100);
        pair(2, year % 100);
        pair(5, value.month());
        pair(8, value.day());
        pair(11, seconds / 3600);
        pair(14, seconds / 60 % 60);
        pair(17, seconds % 60);
        if nanosecond == 0 {
            return self.push_all(&out[..19]).then_some(());
        }
        let microsecond = nanosecond / 1_000;
        pair(20, microsecond / 10_000);
        pair(22, microsecond / 100 % 100);
        pair(24, microsecond % 100);
        if nanosecond % 1_000 == 0 {
            return self.push_all(&out[..26]).then_some(());
        }
        out[26] += (nanosecond / 100 % 10) as u8;
        out[27] += (nanosecond / 10 % 10) as u8;
        out[28] += (nanosecond % 10) as u8;
        self.push_all(&out).then_some(())
    }

    pub(super) fn timestamp(&mut self, value: DateTime<Utc>) {
        self.date_time(value.naive_utc());
        self.push(b'Z');
    }

    pub(super) fn uuid(&mut self, value: Uuid) {
        self.push_all(value.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    }

    /// Writes all digits: zeros at the end belong to the value.
    pub(super) fn decimal(&mut self, value: Decimal) {
        let Ok(mut mantissa) = u64::try_from(value.mantissa().unsigned_abs()) else {
            // 29 digits, a sign and a point always fit.
            let _ = write!(self, "{value}");
            return;
        };
        let scale = value.scale() as usize;
        let mut digits = [b'0'; 32];
        let mut start = digits.len();
        while mantissa > 0 {
            start -= 1;
            digits[start] += (mantissa % 10) as u8;
            mantissa /= 10;
        }
        // At least one digit is before the point.
        let start = start.min(digits.len() - scale - 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if value.is_sign_negative() && !value.is_zero() {
            self.push(b'-');
        }
        self.push_all(&whole[start..]);
        if scale > 0 {
            self.push(b'.');
            self.push_all(fraction);
        }
    }

    /// Writes only the address if the network is a single address.
    pub(super) fn network(&mut self, value: IpNetwork) {
        let whole = if value.is_ipv4() { 32 } else { 128 };
        let _ = if value.prefix() == whole {
            write!(self, "{}", value.ip())
        } else {
            write!(self, "{value}")
        };
    }

    /// Writes a date and time in the form that chrono reads: with `T` in the middle and with seconds. With `utc`, text
    /// without a zone gets `Z`. Returns `false` if the text cannot be a date and time.
    fn normalize(&mut self, text: &str, utc: bool) -> bool {
        let text = text.trim_ascii().as_bytes();
        // A year may have a sign and more than four digits, so the separator is searched for.
        let Some(middle) = text.iter().position(|byte| matches!(byte, b' ' | b'T' | b't')) else {
            return false;
        };
        let (Some(date), Some(rest)) = (text.get(..middle), text.get(middle + 1..)) else {
            return false;
        };
        let zone = rest
            .iter()
            .position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-' | b'U'));
        let (time, zone) = rest.split_at(zone.unwrap_or(rest.len()));
        let mut fits = self.push_all(date);
        self.push(b'T');
        fits &= self.push_all(time.trim_ascii());
        if time.trim_ascii().len() == 5 {
            fits &= self.push_all(b":00");
        }
        fits && match zone {
            b"" => !utc || self.push_all(b"Z"),
            // PostgreSQL's short form.
            [b'+' | b'-', _, _] => self.push_all(zone) && self.push_all(b":00"),
            zone => self.push_all(zone),
        }
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push_all(text.as_bytes()) {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Returns the text of a point in time as RFC 3339. Without a zone it is taken as UTC, as in SQLite's own functions.
pub(super) fn rfc3339(text: &str) -> Option<Buffer> {
    let mut out = Buffer::new();
    out.normalize(text, true).then_some(out)
}

/// Returns the text of a date and time as chrono's `NaiveDateTime` reads it.
pub(super) fn iso_date_time(text: &str) -> Option<Buffer> {
    let mut out = Buffer::new();
    out.normalize(text, false).then_some(out)
}

pub(super) fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    // The usual form has a parser of its own, which is quicker.
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    rfc3339(text)?.as_str().parse().ok()
}

pub(super) fn parse_date_time(text: &str) -> Option<NaiveDateTime> {
    if let Some((moment, "")) = usual_moment(text) {
        return Some(moment);
    }
    iso_date_time(text)?.as_str().parse().ok()
}

/// Reads a date and time in the form in which nearly all are written, `2026-12-01 03:04:05.123456`, and returns what
/// follows it. Of other forms nothing is said.
pub(crate) fn usual_moment(text: &str) -> Option<(NaiveDateTime, &str)> {
    let (head, mut rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [.., b'-', _, _, b'-', _, _, b' ' | b'T', _, _, b':', _, _, b':', _, _] = head else {
        return None;
    };
    let mut nanoseconds = 0;
    if let [b'.', digits @ ..] = rest {
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        nanoseconds = number(digits.get(..count)?)? * 10_u32.checked_pow(9_u32.checked_sub(count as u32)?)?;
        rest = &digits[count..];
    }
    let day = NaiveDate::from_ymd_opt(number(&head[..4])? as i32, number(&head[5..7])?, number(&head[8..10])?)?;
    let clock = [&head[11..13], &head[14..16], &head[17..]].map(number);
    let moment = day.and_hms_nano_opt(clock[0]?, clock[1]?, clock[2]?, nanoseconds)?;
    Some((moment, text.get(text.len() - rest.len()..)?))
}

/// Reads at most nine digits.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Buffer)) -> String {
        let mut buffer = Buffer::new();
        write(&mut buffer);
        buffer.as_str().to_owned()
    }

    #[test]
    fn extremes_are_written_so_that_chrono_reads_them() {
        for date in [
            NaiveDate::MIN,
            NaiveDate::MAX,
            NaiveDate::from_ymd_opt(0, 1, 1).unwrap(),
            NaiveDate::from_ymd_opt(-1, 12, 31).unwrap(),
            NaiveDate::from_ymd_opt(9999, 12, 31).unwrap(),
            NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap(),
        ] {
            let text = written(|buffer| buffer.date(date));
            assert_eq!(text.parse::<NaiveDate>().unwrap(), date, "{text}");
        }
        for value in [NaiveDateTime::MIN, NaiveDateTime::MAX] {
            let text = written(|buffer| buffer.date_time(value));
            assert_eq!(text.parse::<NaiveDateTime>().unwrap(), value, "{text}");
        }
        for value in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let text = written(|buffer| buffer.timestamp(value));
            assert_eq!(text.parse::<DateTime<Utc>>().unwrap(), value, "{text}");
        }
    }

    #[test]
    fn b2_the_usual_form_is_read_as_chrono_reads_it() {
        for text in [
            "2026-12-01 03:04:05",
            "2026-12-01T03:04:05.5",
            "0000-02-29 23:59:59.999999999",
            "9999-12-31 00:00:00.000001",
        ] {
            let expected: NaiveDateTime = text.replace(' ', "T").parse().unwrap();
            assert_eq!(usual_moment(text), Some((expected, "")), "{text}");
            let longer = format!("{text}+02 ä");
            assert_eq!(usual_moment(&longer), Some((expected, "+02 ä")), "{text}");
        }
        for text in [
            "",
            "2026-12-01",
            "2026-12-01 03:04",
            "2026-12-01 03:04:05.",
            "2026-12-01 03:04:05.0000000001",
            "2026-13-01 03:04:05",
            "2026-12-01 24:00:00",
            "2026-12-01 03:04:60",
            "+026-12-01 03:04:05",
            "2026-12-01ä03:04:05",
            "12026-12-01 03:04:05",
        ] {
            assert_eq!(usual_moment(text), None, "{text}");
        }
    }

    #[test]
    fn leap_seconds_survive() {
        let time = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        assert_eq!(written(|buffer| buffer.time(time)), "23:59:60.500000");
        assert_eq!("23:59:60.500000".parse::<NaiveTime>().unwrap(), time);
    }

    #[test]
    fn the_longest_texts_fit() {
        assert_eq!(written(|buffer| buffer.decimal(Decimal::MIN)), Decimal::MIN.to_string());
        let smallest = Decimal::new(-1, 28);
        assert_eq!(written(|buffer| buffer.decimal(smallest)), smallest.to_string());
        let network: IpNetwork = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120".parse().unwrap();
        assert_eq!(written(|buffer| buffer.network(network)), network.to_string());
        let mapped: IpNetwork = "::ffff:255.255.255.255/127".parse().unwrap();
        assert_eq!(written(|buffer| buffer.network(mapped)), mapped.to_string());
        let host: IpNetwork = "10.0.0.1".parse().unwrap();
        assert_eq!(written(|buffer| buffer.network(host)), "10.0.0.1");
    }

    #[test]
    fn decimals_are_written_with_all_their_digits() {
        for text in [
            "0",
            "0.00",
            "1",
            "-1",
            "0.001",
            "-0.10",
            "12.50",
            "18446744073709551615",
            "18446744073709551616",
        ] {
            let value = Decimal::from_str_exact(text).unwrap();
            assert_eq!(written(|buffer| buffer.decimal(value)), text);
        }
    }

    #[test]
    fn q4_text_dates_are_read_in_the_forms_in_use() {
        let expected: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().unwrap();
        for text in [
            "2026-11-21 10:00:00",
            "2026-11-21T10:00:00",
            "2026-11-21 10:00",
            "2026-11-21T10:00:00Z",
            "2026-11-21 10:00:00+00:00",
            "2026-11-21 10:00:00.000 +00:00",
            "2026-11-21 12:00:00+02",
            "2026-11-21 05:30:00-04:30",
            "2026-11-21 10:00:00 UTC",
        ] {
            assert_eq!(parse_timestamp(text), Some(expected), "{text}");
        }
        assert_eq!(parse_date_time("2026-11-21 10:00:00"), Some(expected.naive_utc()));
        assert_eq!(parse_date_time("2026-11-21 10:00"), Some(expected.naive_utc()));
        assert_eq!(
            parse_date_time("2026-11-21 10:00:00Z"),
            None,
            "a zone must not be dropped"
        );
        for text in [
            "",
            "now",
            "2026-11-21",
            "10:00",
            "2026-13-21 10:00:00",
            &"9".repeat(200),
            "é T é",
            "T",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_point_in_time_survives(seconds in -8_000_000_000_000_i64..8_000_000_000_000, nanos in 0_u32..1_000_000_000) {
            let value = DateTime::from_timestamp(seconds, nanos).unwrap();
            let text = written(|buffer| buffer.timestamp(value));
            prop_assert_eq!(text.parse::<DateTime<Utc>>().unwrap(), value);
            prop_assert_eq!(parse_timestamp(&text), Some(value));
            let naive = written(|buffer| buffer.date_time(value.naive_utc()));
            prop_assert_eq!(parse_date_time(&naive), Some(value.naive_utc()));
        }

        #[test]
        fn any_decimal_is_written_as_its_own_display(mantissa in -(1_i128 << 96) + 1..1_i128 << 96, scale in 0_u32..=28) {
            for value in [
                Decimal::from_i128_with_scale(mantissa, scale),
                Decimal::from_i128_with_scale(mantissa >> 40, scale),
                Decimal::from_i128_with_scale(mantissa >> 80, scale),
            ] {
                prop_assert_eq!(written(|buffer| buffer.decimal(value)), value.to_string());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = (parse_timestamp(&text), parse_date_time(&text));
        }
    }
}
