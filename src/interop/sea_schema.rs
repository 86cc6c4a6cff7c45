//! Definitions of sea-query, written in the dialect of their database.

use sea_query::{IndexCreateStatement, TableCreateStatement};

use super::sea_query::written;
use crate::schema::Ddl;

macro_rules! definitions {
    ($($type:ty),*) => {$(
        impl From<$type> for Ddl {
            fn from(statement: $type) -> Self {
                Self::written(move |dialect| {
                    written(&statement, dialect).map_err(|error| {
                        error.help(format!(
                            "give the SQL for {dialect} yourself: `Ddl::from(statement).on(dialect, \"CREATE TABLE …\")`"
                        ))
                    })
                })
            }
        }

        impl From<&mut $type> for Ddl {
            /// Takes the built statement, as `take` does.
            fn from(statement: &mut $type) -> Self {
                statement.take().into()
            }
        }
    )*};
}

definitions!(TableCreateStatement, IndexCreateStatement);
