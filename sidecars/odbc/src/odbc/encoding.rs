//! Text as a driver takes it.

/// The form in which a driver takes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-16.
    Wide,
    /// UTF-8.
    Narrow,
}

/// Returns a text as a driver takes it, with a NUL at its end.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Returns text of a buffer of which a driver says that it has filled so much.
pub(super) fn read_wide(buffer: &[u16], length: i16) -> String {
    let length = usize::try_from(length).unwrap_or_default().min(buffer.len());
    String::from_utf16_lossy(&buffer[..length])
}

/// Returns text of a buffer of which a driver says that it has filled so much.
pub(super) fn read_narrow(buffer: &[u8], length: i16) -> String {
    let length = usize::try_from(length).unwrap_or_default().min(buffer.len());
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}
