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
        ValueRef::F32(_) | ValueRef::F64(_) => Err(Mismatch::new(
            "it holds a binary fraction, which a Decimal cannot always hold exactly",
        )
        .help("read it as f64")),
        value => Err(Mismatch::kind(value)),
    }
}

/// Reads decimal text, and refuses digits that a `Decimal` would have to round away.
pub(super) fn exact_decimal(text: &str) -> Result<Decimal, Mismatch> {
    Decimal::from_str_exact(text.trim_ascii()).map_err(|error| {
        Mismatch::new(format!(
            "its text is not a decimal number of at most 28 digits: {error}"
        ))
        .help("read it as String")
    })
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
        assert!(decimal(&ValueRef::F64(0.5)).is_err());
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
        fn integers_survive(value in any::<i64>()) {
            prop_assert_eq!(integer(&ValueRef::I64(value)), Some(value.into()));
            prop_assert_eq!(integer(&ValueRef::Decimal(value.into())), Some(value.into()));
        }
    }
}
