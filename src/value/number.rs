//! Conversions between numbers: a value that does not arrive whole is refused.

use rust_decimal::Decimal;

use super::ValueRef;
use super::mismatch::Mismatch;

/// The limit up to which every integer has its own `f64` (below: `f32`).
const F64_WHOLE: u128 = 1 << 53;
const F32_WHOLE: u128 = 1 << 24;

/// Returns the integer that `value` is, if it is one. A decimal without a fraction counts, as `SUM` gives on several
/// backends.
pub(super) fn integer(value: &ValueRef<'_>) -> Option<i128> {
    match value {
        ValueRef::I64(value) => Some((*value).into()),
        ValueRef::U64(value) => Some((*value).into()),
        ValueRef::Decimal(value) if value.fract().is_zero() => Some(value.trunc().normalize().mantissa()),
        _ => None,
    }
}

/// Reads a boolean, which MySQL and SQLite keep as the integers 0 and 1.
pub(super) fn boolean(value: &ValueRef<'_>) -> Result<bool, Mismatch> {
    match value {
        ValueRef::Bool(value) => Ok(*value),
        ValueRef::I64(0) | ValueRef::U64(0) => Ok(false),
        ValueRef::I64(1) | ValueRef::U64(1) => Ok(true),
        ValueRef::I64(_) | ValueRef::U64(_) => {
            Err(Mismatch::new("it holds a number that is neither 0 nor 1").help("read it as an integer"))
        }
        value => Err(Mismatch::kind(value)),
    }
}

pub(super) fn double(value: &ValueRef<'_>) -> Result<f64, Mismatch> {
    match value {
        ValueRef::F64(value) => Ok(*value),
        ValueRef::F32(value) => Ok((*value).into()),
        ValueRef::Decimal(decimal) => exact(*decimal).ok_or_else(|| {
            Mismatch::new("the decimal number has no exact binary representation")
                .help("read it as rust_decimal::Decimal, or cast it in the statement")
        }),
        value => match integer(value) {
            Some(whole) if whole.unsigned_abs() <= F64_WHOLE => Ok(whole as f64),
            Some(_) => {
                Err(Mismatch::new("the integer has more digits than an f64 can hold").help("read it as an integer"))
            }
            None => Err(Mismatch::kind(value)),
        },
    }
}

pub(super) fn single(value: &ValueRef<'_>) -> Result<f32, Mismatch> {
    match value {
        ValueRef::F32(value) => Ok(*value),
        ValueRef::I64(_) | ValueRef::U64(_) => match integer(value) {
            Some(whole) if whole.unsigned_abs() <= F32_WHOLE => Ok(whole as f32),
            _ => Err(Mismatch::new("the integer has more digits than an f32 can hold").help("read it as an integer")),
        },
        value => {
            let wide = double(value)?;
            let narrow = wide as f32;
            if f64::from(narrow).to_bits() == wide.to_bits() || wide.is_nan() {
                Ok(narrow)
            } else {
                Err(
                    Mismatch::new("the number has more digits, or is larger, than an f32 can hold")
                        .help("read it as f64"),
                )
            }
        }
    }
}

pub(super) fn decimal(value: &ValueRef<'_>) -> Result<Decimal, Mismatch> {
    match value {
        ValueRef::Decimal(value) => Ok(*value),
        ValueRef::I64(value) => Ok((*value).into()),
        ValueRef::U64(value) => Ok((*value).into()),
        ValueRef::Text(text) => exact_decimal(text),
        ValueRef::F32(value) => shortest(&value.to_string(), f32::DIGITS).ok_or_else(|| too_long(f32::DIGITS)),
        ValueRef::F64(value) => shortest(&value.to_string(), f64::DIGITS).ok_or_else(|| too_long(f64::DIGITS)),
        value => Err(Mismatch::kind(value)),
    }
}

/// Returns the decimal that a floating-point number stands for, if its shortest form has no more digits than the type
/// keeps of every decimal: no other decimal of so few digits is the same number.
fn shortest(text: &str, digits: u32) -> Option<Decimal> {
    let value = Decimal::from_str_exact(text).ok()?.normalize();
    let mut significant = value.mantissa().unsigned_abs();
    while significant > 0 && significant.is_multiple_of(10) {
        significant /= 10;
    }
    (significant < 10_u128.pow(digits)).then_some(value)
}

fn too_long(digits: u32) -> Mismatch {
    Mismatch::new(format!(
        "it holds a floating-point number of more than {digits} digits, which stands for no certain decimal number"
    ))
    .help("read it as f64, or round it in the statement (`ROUND(…, 2)`)")
}

/// Reads decimal text, and refuses digits that a `Decimal` would have to round away.
pub(super) fn exact_decimal(text: &str) -> Result<Decimal, Mismatch> {
    let text = text.trim_ascii();
    if let Some(value) = text
        .split_once(['e', 'E'])
        .and_then(|(base, power)| scientific(base, power))
    {
        return Ok(value);
    }
    Decimal::from_str_exact(text).map_err(|error| {
        Mismatch::new(format!(
            "its text is not a decimal number of at most 28 digits: {error}"
        ))
        .help("read it as String")
    })
}

/// Reads the form in which SQLite writes a small or large number into a column of text: `1.5e-05`.
fn scientific(base: &str, power: &str) -> Option<Decimal> {
    let base = Decimal::from_str_exact(base).ok()?.normalize();
    let scale = i64::from(base.scale()) - i64::from(power.parse::<i32>().ok()?);
    if let Ok(scale) = u32::try_from(scale) {
        return Decimal::try_from_i128_with_scale(base.mantissa(), scale).ok();
    }
    let factor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
    Decimal::try_from_i128_with_scale(base.mantissa().checked_mul(factor)?, 0).ok()
}

/// Returns the `f64` that is exactly this decimal. m / 10^s is a binary fraction if 5^s divides m.
fn exact(value: Decimal) -> Option<f64> {
    let value = value.normalize();
    let power_of_five = 5_i128.checked_pow(value.scale())?;
    if value.mantissa() % power_of_five != 0 {
        return None;
    }
    let numerator = value.mantissa() / power_of_five;
    let odd = numerator >> numerator.trailing_zeros().min(127);
    (odd.unsigned_abs() <= F64_WHOLE).then(|| numerator as f64 / 2_f64.powi(value.scale() as i32))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exactness is the point")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn q4_decimals_become_floats_only_when_exact() {
        assert_eq!(exact(dec("1.5")), Some(1.5));
        assert_eq!(exact(dec("-0.0625")), Some(-0.0625));
        assert_eq!(exact(dec("0")), Some(0.0));
        assert_eq!(exact(dec("1.50")), Some(1.5));
        assert_eq!(exact(dec("0.1")), None);
        assert_eq!(exact(dec("9007199254740993")), None);
        assert_eq!(exact(dec("9007199254740992")), Some(9_007_199_254_740_992.0));
        assert_eq!(exact(Decimal::MAX), None);
        assert_eq!(exact(dec("0.0000000000000000000000000001")), None);
    }

    #[test]
    fn q4_integers_beyond_the_mantissa_are_refused() {
        assert_eq!(double(&ValueRef::I64(1 << 53)).unwrap(), 9_007_199_254_740_992.0);
        assert!(double(&ValueRef::I64((1 << 53) + 1)).is_err());
        assert!(double(&ValueRef::U64(u64::MAX)).is_err());
        assert!(single(&ValueRef::I64((1 << 24) + 1)).is_err());
        assert!(single(&ValueRef::F64(0.1)).is_err());
        assert!(single(&ValueRef::F64(1e300)).is_err());
        assert_eq!(single(&ValueRef::F64(f64::from(0.1_f32))).unwrap(), 0.1_f32);
        assert!(single(&ValueRef::F64(f64::NAN)).unwrap().is_nan());
        assert_eq!(single(&ValueRef::F64(f64::NEG_INFINITY)).unwrap(), f32::NEG_INFINITY);
        assert!(single(&ValueRef::F64(-0.0)).unwrap().is_sign_negative());
    }

    #[test]
    fn q4_decimal_text_is_never_rounded() {
        assert_eq!(
            decimal(&ValueRef::Text("79228162514264337593543950335")).unwrap(),
            Decimal::MAX
        );
        assert!(decimal(&ValueRef::Text("79228162514264337593543950336")).is_err());
        assert!(decimal(&ValueRef::Text("0.00000000000000000000000000001")).is_err());
        for (text, value) in [
            ("1.0e-05", "0.00001"),
            ("1.5E+20", "150000000000000000000"),
            ("-2e0", "-2"),
        ] {
            assert_eq!(decimal(&ValueRef::Text(text)).unwrap(), dec(value), "{text}");
        }
        for text in ["1e29", "1e-29", "e5", "1e", "1e5e5", "79228162514264337593543950336e0"] {
            assert!(decimal(&ValueRef::Text(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn q4_a_float_is_the_decimal_of_few_digits_that_it_stands_for_found_w6() {
        let read = |value: f64| decimal(&ValueRef::F64(value));
        for text in [
            "0.1",
            "90.01",
            "-499.51",
            "123456789012345",
            "100000000000000000000",
            "0.0000000001",
            "0",
        ] {
            assert_eq!(read(text.parse().unwrap()).unwrap(), dec(text), "{text}");
        }
        for value in [
            0.1 + 0.2,
            1.0 / 3.0,
            f64::NAN,
            f64::INFINITY,
            1e300,
            1e-40,
            9_007_199_254_740_992.0,
        ] {
            assert!(read(value).is_err(), "{value}");
        }
        assert_eq!(decimal(&ValueRef::F32(0.1)).unwrap(), dec("0.1"));
        assert!(decimal(&ValueRef::F32(16_777_216.0)).is_err());
    }

    proptest! {
        #[test]
        fn an_exact_decimal_is_the_float_itself(mantissa in any::<i64>(), scale in 0_u32..28) {
            let value = Decimal::from_i128_with_scale(mantissa.into(), scale);
            if let Some(float) = exact(value) {
                prop_assert_eq!(Decimal::from_f64_retain(float), Some(value.normalize()));
            }
        }

        #[test]
        fn a_decimal_of_fifteen_digits_survives_as_a_float(mantissa in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_u32..=28) {
            let value = Decimal::from_i128_with_scale(mantissa.into(), scale);
            let float: f64 = value.to_string().parse().unwrap();
            prop_assert_eq!(decimal(&ValueRef::F64(float)).ok(), Some(value));
        }

        #[test]
        fn integers_survive(value in any::<i64>()) {
            prop_assert_eq!(integer(&ValueRef::I64(value)), Some(value.into()));
            prop_assert_eq!(integer(&ValueRef::Decimal(value.into())), Some(value.into()));
        }
    }
}
