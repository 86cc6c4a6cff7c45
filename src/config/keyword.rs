//! Settings whose value is one of several keywords.

/// Implements `Display` and `FromStr` for a type that has `as_str`, `read` and `EXPECTED`. Errors contain `$is_not`,
/// which says what the text is not.
macro_rules! spelled {
    ($type:ty, $is_not:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::error::Error;

            fn from_str(text: &str) -> crate::error::Result<Self> {
                Self::read(text).ok_or_else(|| {
                    let message = format!("`{text}` {}; it must be {}", $is_not, Self::EXPECTED);
                    crate::error::Error::new(crate::error::ErrorKind::Config, message)
                })
            }
        }
    };
}
pub(super) use spelled;
