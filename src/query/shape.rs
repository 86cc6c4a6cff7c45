//! How many rows are wanted, and where they are kept.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::Query;
use super::decode::{As, AsRow, Decode, Deserialized, FirstColumn};
use crate::backend::{FromRow, Offer, Sink};
use crate::error::Result;
use crate::value::{FromValue, Row};

/// Nothing but what the server tells of the statement: [`Done`].
#[derive(Debug)]
pub struct Execute;

/// One statement for many rows of parameters: [`DoneMany`].
#[derive(Debug)]
pub struct ExecuteMany;

/// Every row.
#[derive(Debug)]
pub struct All<D>(PhantomData<fn() -> D>);

/// The first row, of which there must be one.
#[derive(Debug)]
pub struct One<D>(PhantomData<fn() -> D>);

/// The first row, if there is one.
#[derive(Debug)]
pub struct Optional<D>(PhantomData<fn() -> D>);

/// What `execute_many` returns.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DoneMany {
    /// The number of rows inserted, updated or deleted, over all parameters.
    pub rows_affected: u64,
    /// What the statement returned, where it has a `RETURNING` clause.
    pub rows: Vec<Row>,
}

macro_rules! decoders {
    ($shape:ident) => {
        impl Query<$shape<AsRow>> {
            /// Reads rows into a type with `#[derive(sqlx::FromRow)]`, or into a tuple of sqlx's types.
            pub fn decode<T: FromRow + Send + 'static>(self) -> Query<$shape<As<T>>> {
                self.reshape()
            }

            /// Reads rows into any `serde::Deserialize` type: structs by column name, tuples by position.
            pub fn deserialize<T: DeserializeOwned + Send + 'static>(self) -> Query<$shape<Deserialized<T>>> {
                self.reshape()
            }

            /// Reads the first column only.
            pub fn value<T: FromValue + Send + 'static>(self) -> Query<$shape<FirstColumn<T>>> {
                self.reshape()
            }
        }
    };
}

decoders!(All);
decoders!(One);
decoders!(Optional);

/// Keeps every row.
pub(super) struct Keep<D: Decode>(pub(super) Vec<D::Output>);

impl<D: Decode> Sink for Keep<D> {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
        self.0.push(D::decode(row)?);
        Ok(())
    }

    fn restart(&mut self) -> bool {
        self.0.clear();
        true
    }
}

/// Keeps the first row.
pub(super) struct First<D: Decode>(pub(super) Option<D::Output>);

impl<D: Decode> Sink for First<D> {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
        if self.0.is_none() {
            self.0 = Some(D::decode(row)?);
        }
        Ok(())
    }

    fn wants_one(&self) -> bool {
        true
    }

    fn restart(&mut self) -> bool {
        self.0 = None;
        true
    }
}
