//! Columns of rows.

use super::{Any, AnyTypeInfo};
use crate::value::RawRow;

/// A column of an [`AnyRow`](super::AnyRow): its place, its name, and the server's name of its type.
#[derive(Clone, Debug)]
pub struct AnyColumn {
    ordinal: usize,
    name: Box<str>,
    type_info: AnyTypeInfo,
}

impl AnyColumn {
    /// Returns the columns of a row.
    pub(super) fn all(row: &dyn RawRow) -> Box<[Self]> {
        let column = |ordinal| Self {
            ordinal,
            name: row.name(ordinal).into(),
            type_info: AnyTypeInfo::named(row.type_name(ordinal).to_owned().into()),
        };
        (0..row.len()).map(column).collect()
    }
}

impl sqlx::Column for AnyColumn {
    type Database = Any;

    fn ordinal(&self) -> usize {
        self.ordinal
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn type_info(&self) -> &AnyTypeInfo {
        &self.type_info
    }
}
