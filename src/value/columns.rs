//! Errors about the columns of a row.

use super::RawRow;
use super::mismatch::Mismatch;
use crate::error::{Error, ErrorKind, Result, nearest};

pub(super) fn columns_counted(count: usize) -> String {
    if count == 1 {
        "1 column".into()
    } else {
        format!("{count} columns")
    }
}

fn names(row: &dyn RawRow) -> impl Iterator<Item = &str> {
    (0..row.len()).map(|index| row.name(index))
}

/// Returns the list of the columns, for the help line.
pub(super) fn listed(row: &dyn RawRow) -> String {
    if row.len() == 0 {
        return "the row has no columns".into();
    }
    let names: Vec<String> = names(row).map(|name| format!("`{name}`")).collect();
    format!("the columns are {}", names.join(", "))
}

/// Returns the error for a requested column that does not exist.
pub(super) fn missing(row: &dyn RawRow, wanted: &str) -> Error {
    let help = match nearest(wanted, names(row)) {
        Some(near) => format!("did you mean `{near}`? {}", listed(row)),
        None => listed(row),
    };
    Error::new(ErrorKind::Decode, format!("the row has no column `{wanted}`")).help(help)
}

/// Returns the error for a name that several columns have.
pub(super) fn ambiguous(row: &dyn RawRow, name: &str) -> Error {
    let places: Vec<String> = names(row)
        .enumerate()
        .filter(|(_, other)| *other == name)
        .map(|(index, _)| index.to_string())
        .collect();
    if places.len() < 2 {
        // A field may have several names.
        return Error::new(ErrorKind::Decode, format!("several columns match `{name}`")).help(listed(row));
    }
    Error::new(
        ErrorKind::Decode,
        format!(
            "the column name `{name}` is ambiguous: the columns {} have it",
            places.join(" and ")
        ),
    )
    .help("give one of them another name with AS, or read them by index")
}

/// Refuses names that occur twice, because one would silently replace the other.
pub(super) fn unique(row: &dyn RawRow) -> Result<()> {
    for index in 1..row.len() {
        let name = row.name(index);
        if (0..index).any(|before| row.name(before) == name) {
            return Err(ambiguous(row, name));
        }
    }
    Ok(())
}

/// Returns the error for a column that cannot be read as the Rust type with this name.
pub(crate) fn unreadable(row: &dyn RawRow, index: usize, rust: &str, mismatch: Mismatch) -> Error {
    let (name, sql, rust) = (row.name(index), row.type_name(index), short(rust));
    if mismatch.null {
        return Error::new(
            ErrorKind::Decode,
            format!("column `{name}` ({sql}) is NULL, which {rust} cannot hold"),
        )
        .help(format!("read it as Option<{rust}>, or exclude NULL in the statement"));
    }
    let error = Error::new(
        ErrorKind::Decode,
        format!("column `{name}` ({sql}) cannot be read as {rust}: {}", mismatch.reason),
    );
    match mismatch.help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// Removes the paths from a type name such as `core::option::Option<alloc::string::String>`.
fn short(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut segment = 0;
    for char in name.chars() {
        if char == ':' {
            out.truncate(segment);
        } else {
            out.push(char);
            if !char.is_alphanumeric() && char != '_' {
                segment = out.len();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn type_names_lose_their_paths() {
        assert_eq!(short("core::option::Option<alloc::string::String>"), "Option<String>");
        assert_eq!(short("i64"), "i64");
        assert_eq!(
            short("(i64, chrono::datetime::DateTime<chrono::offset::utc::Utc>)"),
            "(i64, DateTime<Utc>)"
        );
        assert_eq!(short("&str"), "&str");
    }
}
