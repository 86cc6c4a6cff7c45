//! The columns of a result.

use crate::answers::ShownColumn;
use crate::cells::Cell;
use crate::failure::Failure;
use crate::odbc::{Described, SqlDataType, Statement};
use crate::product::Product;

/// A column, and how its cells are read.
#[derive(Debug)]
pub(crate) struct Column {
    place: u16,
    name: String,
    type_name: String,
    is_boolean: bool,
    cell: Cell,
}

impl Column {
    pub(crate) fn new(product: Product, place: u16, described: Described) -> Self {
        let cell = Cell::of(product, &described);
        let is_boolean = product == Product::Sqlite
            && ["bool", "boolean"].contains(&described.type_name.to_ascii_lowercase().as_str());
        Self {
            place,
            type_name: type_name(product, &described),
            name: described.name,
            is_boolean,
            cell,
        }
    }

    pub(crate) fn shown(&self) -> ShownColumn<'_> {
        ShownColumn {
            name: &self.name,
            type_name: &self.type_name,
            is_boolean: self.is_boolean,
        }
    }

    /// Reads the cell of this row.
    pub(crate) fn read(&self, statement: &mut Statement, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.cell.read(statement, self.place, out)
    }
}

/// Returns the name of a type as the library knows it.
fn type_name(product: Product, described: &Described) -> String {
    let name = described.type_name.as_str();
    match product {
        Product::Postgres => match name {
            "timestamp without time zone" => "timestamp".to_owned(),
            // The one type without a name.
            "" => "interval".to_owned(),
            name => name.to_owned(),
        },
        Product::MySql => {
            let whole = [
                SqlDataType::EXT_TINY_INT,
                SqlDataType::SMALLINT,
                SqlDataType::INTEGER,
                SqlDataType::EXT_BIG_INT,
            ];
            let name = match name {
                "integer" => "INT".to_owned(),
                name => name.to_ascii_uppercase(),
            };
            if described.unsigned && whole.contains(&described.sql_type) && name != "YEAR" {
                format!("{name} UNSIGNED")
            } else {
                name
            }
        }
        Product::Sqlite | Product::Other => name.to_owned(),
    }
}
