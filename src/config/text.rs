//! Settings as text: names, flags and durations.

use std::time::Duration;

/// The longest time that a setting can have: one hundred years. It also stands for "without limit" if a limit is
/// required.
pub(super) const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Returns a name without the differences between spellings: `pool_size`, `pool-size` and `poolSize` become one.
pub(super) fn squash(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Reads `30`, `1.5`, `250ms`, `10 s`, `5min` or `1h`; a plain number counts in `unit`.
pub(super) fn duration(text: &str, unit: Duration) -> Option<Duration> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, name) = text.split_at(end);
    let unit = match name.trim() {
        "" => unit,
        "ms" => Duration::from_millis(1),
        "s" | "sec" => Duration::from_secs(1),
        "m" | "min" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // More than nine digits of a fraction make no measurable difference.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let (whole, part): (u64, u64) = (whole.parse().ok()?, fraction.parse().ok()?);
    let nanos = u128::from(whole).checked_mul(unit.as_nanos())?;
    let nanos = nanos.checked_add(u128::from(part) * unit.as_nanos() / 10_u128.pow(fraction.len() as u32))?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32)).filter(|duration| *duration <= LONGEST)
}

/// Writes a duration in seconds, so that [`duration`] reads it back.
pub(super) fn show_duration(duration: Duration) -> serde_json::Value {
    match duration.subsec_nanos() {
        0 => duration.as_secs().into(),
        nanos => format!("{}.{nanos:09}s", duration.as_secs()).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_with_and_without_a_unit() {
        for (text, millis) in [
            ("30", Some(30_000)),
            ("1.5", Some(1_500)),
            ("0", Some(0)),
            ("250ms", Some(250)),
            ("10 s", Some(10_000)),
            ("5min", Some(300_000)),
            ("5m", Some(300_000)),
            ("0.5h", Some(1_800_000)),
            (" 2 ", Some(2_000)),
            ("", None),
            ("-1", None),
            ("ten", None),
            ("1.2.3", None),
            ("1e3", None),
            ("5 days", None),
            ("99999999999999999999", None),
            ("9999999999", None),
        ] {
            assert_eq!(
                duration(text, Duration::from_secs(1)),
                millis.map(Duration::from_millis),
                "{text}"
            );
        }
        assert_eq!(
            duration("250", Duration::from_millis(1)),
            Some(Duration::from_millis(250))
        );
    }

    #[test]
    fn names_are_compared_without_their_spelling() {
        assert!(
            ["pool_size", "pool-size", "poolSize", "POOL SIZE"]
                .iter()
                .all(|name| squash(name) == "poolsize")
        );
    }

    proptest! {
        #[test]
        fn durations_round_trip(seconds in 0_u64..3_000_000_000, nanos in 0_u32..1_000_000_000) {
            let given = Duration::new(seconds, nanos);
            let shown = show_duration(given);
            let shown = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
            prop_assert_eq!(duration(&shown, Duration::from_secs(1)), Some(given));
        }
    }
}
