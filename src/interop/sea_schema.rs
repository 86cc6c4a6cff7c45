//! Definitions of sea-query, written in the dialect of their database.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sea_query::{
    IndexCreateStatement, MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder, TableCreateStatement,
};

use crate::error::{Error, ErrorKind};
use crate::schema::Ddl;
use crate::sql::Dialect;

macro_rules! definitions {
    ($($type:ty),*) => {$(
        impl From<$type> for Ddl {
            fn from(statement: $type) -> Self {
                Self::written(move |dialect| {
                    // The builder panics on features that a dialect lacks.
                    catch_unwind(AssertUnwindSafe(|| match dialect {
                        Dialect::Postgres => statement.to_string(PostgresQueryBuilder),
                        Dialect::MySql => statement.to_string(MysqlQueryBuilder),
                        Dialect::Sqlite => statement.to_string(SqliteQueryBuilder),
                    }))
                    .map_err(|panic| cannot(dialect, &*panic))
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

fn cannot(dialect: Dialect, panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "sea-query cannot write this definition for {dialect}: {}",
            text.as_deref().unwrap_or("it gave no reason")
        ),
    )
    .help(format!(
        "give the SQL for {dialect} yourself: `Ddl::from(statement).on(dialect, \"CREATE TABLE …\")`"
    ))
}
