//! `NUMERIC` on the wire: groups of four decimal digits, and back into a [`Decimal`], exactly or not at all.

use rust_decimal::Decimal;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// The largest coefficient of a [`Decimal`]: 96 bits.
const LARGEST: i128 = (1 << 96) - 1;
/// The largest number of decimal places of a [`Decimal`].
const PLACES: i32 = 28;
/// Nine groups hold at least thirty significant digits, one more than a [`Decimal`] takes.
const MOST_GROUPS: usize = 8;

/// Writes `value` with its decimal places, so that `1.50` stays `1.50`.
pub(super) fn encode(value: Decimal, out: &mut Vec<u8>) {
    let scale = value.scale();
    let mut rest = value.mantissa().unsigned_abs();
    // Groups of four are aligned to the point, so the last one is filled up with zeros: at most three.
    let filling = (4 - scale % 4) % 4;
    rest *= 10_u128.pow(filling);
    let mut groups = [0_u16; 9];
    let mut count = 0;
    while rest > 0 {
        groups[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    // `groups` begins with the last one; groups of zeros at the end are not sent.
    let dropped = groups[..count].iter().take_while(|group| **group == 0).count();
    let behind_point = scale.div_ceil(4) as i16;
    let weight = if count == 0 { 0 } else { count as i16 - behind_point - 1 };
    let sign = if value.is_sign_negative() && count > 0 {
        NEGATIVE
    } else {
        0
    };
    out.extend_from_slice(&((count - dropped) as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(scale as u16).to_be_bytes());
    for group in groups[dropped..count].iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

/// Writes a whole number.
pub(super) fn encode_integer(value: u64, out: &mut Vec<u8>) {
    encode(Decimal::from(value), out);
}

/// Reads a value, or returns the reason why a [`Decimal`] cannot hold it.
pub(super) fn decode(bytes: &[u8]) -> Result<Decimal, &'static str> {
    const BROKEN: &str = "is not a number in the form the server should send";
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let mut word = || words.next().ok_or(BROKEN);
    let (count, weight, sign, scale) = (word()? as usize, word()? as i16, word()?, word()?);
    match sign {
        0 | NEGATIVE => {}
        NAN => return Err("is NaN, which Decimal does not have"),
        INFINITY | MINUS_INFINITY => return Err("is infinite, which Decimal does not have"),
        _ => return Err(BROKEN),
    }
    if count > MOST_GROUPS {
        return Err(TOO_LONG);
    }
    let mut digits = 0_i128;
    for _ in 0..count {
        digits = digits * 10_000 + i128::from(word()?);
    }
    let exponent = 4 * (i32::from(weight) - count as i32 + 1);
    let value = assemble(digits, exponent, i32::from(scale)).ok_or(TOO_LONG)?;
    Ok(if sign == NEGATIVE { -value } else { value })
}

const TOO_LONG: &str = "has more digits than Decimal holds (28)";

/// Returns `digits` times ten to the power of `exponent`, with `scale` decimal places where they fit.
fn assemble(mut digits: i128, exponent: i32, scale: i32) -> Option<Decimal> {
    let mut places = -exponent;
    if digits == 0 {
        return Decimal::try_from_i128_with_scale(0, scale.clamp(0, PLACES) as u32).ok();
    }
    while places < 0 {
        digits = digits.checked_mul(10).filter(|digits| *digits <= LARGEST)?;
        places += 1;
    }
    // The last group may be filled up with zeros. Digits may exceed the limits while they end in zeros.
    while places > 0 && (places > scale || places > PLACES || digits > LARGEST) {
        if digits % 10 != 0 {
            break;
        }
        digits /= 10;
        places -= 1;
    }
    while places < scale.min(PLACES) {
        match digits.checked_mul(10).filter(|digits| *digits <= LARGEST) {
            Some(longer) => digits = longer,
            None => break,
        }
        places += 1;
    }
    if places > PLACES || digits > LARGEST {
        return None;
    }
    Decimal::try_from_i128_with_scale(digits, places as u32).ok()
}

/// Reads a decimal number without rounding it; zeros at its end may be dropped.
pub(in crate::backend) fn parse(text: &str) -> Option<Decimal> {
    if let Ok(value) = Decimal::from_str_exact(text) {
        return Some(value);
    }
    let mut text = text;
    while text.contains('.') {
        text = text.strip_suffix('0').or_else(|| text.strip_suffix('.'))?;
        if let Ok(value) = Decimal::from_str_exact(text) {
            return Some(value);
        }
    }
    // Longer ones would be rounded.
    let short = text.len() <= PLACES as usize && text.contains(['e', 'E']);
    Decimal::from_scientific(text).ok().filter(|_| short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(value: Decimal) -> Decimal {
        let mut bytes = Vec::new();
        encode(value, &mut bytes);
        decode(&bytes).unwrap()
    }

    #[test]
    fn q4_the_extremes_of_a_decimal_survive() {
        let smallest = Decimal::from_i128_with_scale(1, 28);
        for value in [
            Decimal::MAX,
            Decimal::MIN,
            smallest,
            -smallest,
            Decimal::ZERO,
            Decimal::new(150, 2),
        ] {
            let back = round_trip(value);
            assert_eq!(back, value);
            assert_eq!(back.to_string(), value.to_string());
        }
    }

    #[test]
    fn q4_a_zero_keeps_its_places() {
        assert_eq!(round_trip(Decimal::new(0, 4)).to_string(), "0.0000");
    }

    #[test]
    fn q4_what_a_decimal_cannot_hold_is_an_error() {
        let special = |sign: u16| {
            [0_u16, 0, sign, 0]
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .collect::<Vec<_>>()
        };
        assert!(decode(&special(NAN)).unwrap_err().contains("NaN"));
        assert!(decode(&special(INFINITY)).unwrap_err().contains("infinite"));
        assert!(decode(&special(MINUS_INFINITY)).unwrap_err().contains("infinite"));
        let long: Vec<u8> = [8_u16, 7, 0, 0]
            .into_iter()
            .chain([9999; 8])
            .flat_map(u16::to_be_bytes)
            .collect();
        assert!(decode(&long).unwrap_err().contains("more digits"));
        assert!(decode(&[0, 1]).is_err());
    }

    #[test]
    fn q4_trailing_zeros_beyond_the_limit_do_not_matter() {
        // 1.5 with forty places, as NUMERIC(60, 40) sends it.
        let bytes: Vec<u8> = [2_u16, 0, 0, 40, 1, 5000]
            .into_iter()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(decode(&bytes).unwrap(), Decimal::new(15, 1));
        assert_eq!(
            parse("1.500000000000000000000000000000000000000000").unwrap(),
            Decimal::new(15, 1)
        );
        assert_eq!(parse("0.1234567890123456789012345678901"), None);
    }

    proptest! {
        #[test]
        fn q4_any_decimal_survives(high in any::<u32>(), low in any::<u64>(), scale in 0_u32..=28, negative in any::<bool>()) {
            let digits = (i128::from(high) << 64) | i128::from(low);
            let value = Decimal::from_i128_with_scale(if negative { -digits } else { digits }, scale);
            let back = round_trip(value);
            prop_assert_eq!(back, value);
            prop_assert_eq!(back.scale(), value.scale());
        }

        #[test]
        fn q4_no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }
}
