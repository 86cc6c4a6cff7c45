//! The columns of the rows of a statement.

use rusqlite::Statement;

/// The columns of the rows of one statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ColumnSet(Vec<ColumnOfTable>);

#[derive(Debug, PartialEq, Eq)]
struct ColumnOfTable {
    name: Box<str>,
    /// The type as it is declared, for a column of a table whose type has a name.
    declared: Option<&'static str>,
}

impl ColumnSet {
    /// Reads the columns of a statement that has a row, and so is prepared for the tables as they are.
    pub(super) fn of(statement: &Statement<'_>) -> Self {
        let columns = statement.columns();
        Self(
            columns
                .iter()
                .map(|column| ColumnOfTable {
                    name: column.name().into(),
                    declared: column.decl_type().and_then(type_of),
                })
                .collect(),
        )
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        self.0.get(index).map_or("", |column| &column.name)
    }

    pub(super) fn declared(&self, index: usize) -> Option<&'static str> {
        self.0.get(index)?.declared
    }
}

/// Returns the name of a declared type, by the rules of sqlx; `None` if the type is that of each value.
fn type_of(declared: &str) -> Option<&'static str> {
    let declared = declared.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    Some(match &*declared {
        "boolean" | "bool" => "BOOLEAN",
        "date" => "DATE",
        "time" => "TIME",
        "datetime" | "timestamp" => "DATETIME",
        _ if has(&["int"]) => "INTEGER",
        _ if has(&["char", "clob", "text"]) => "TEXT",
        _ if has(&["blob"]) => "BLOB",
        _ if has(&["real", "floa", "doub"]) => "REAL",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_have_the_names_that_sqlx_gives_them() {
        for (declared, name) in [
            ("VARCHAR(20)", Some("TEXT")),
            ("unsigned big int", Some("INTEGER")),
            ("Bool", Some("BOOLEAN")),
            ("TIMESTAMP", Some("DATETIME")),
            ("DOUBLE PRECISION", Some("REAL")),
            ("DECIMAL(10, 2)", None),
        ] {
            assert_eq!(type_of(declared), name, "{declared}");
        }
    }
}
