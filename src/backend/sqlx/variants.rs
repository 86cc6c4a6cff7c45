//! The variants of one text: one for each list of parameter types.
//!
//! Drivers and servers keep a prepared statement by its text alone, with the parameter types of its first use: sqlx's
//! cache on PostgreSQL, the server itself on MySQL since 8.0.22. Here the same text may come with other types at any
//! time. So the types become part of the text: spaces and tabs after it encode a hash of them. The same types give the
//! same text on every connection, and other types give another one.

use std::any::Any;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::error::{Error, ErrorKind, Result};
use crate::sql::Statement;
use crate::value::Value;

/// Number of variants kept of one text. Beyond that the older half is dropped, at the price of creating it again.
pub(crate) const MOST_VARIANTS: usize = 32;
/// Number of letters of the hash. More would make texts longer, fewer would let two lists of types collide.
const HASH_LETTERS: u32 = 48;

/// The type of a parameter that has only been `NULL` so far.
#[cfg(feature = "mysql")]
pub(crate) const UNTYPED: u32 = 0;

/// One way to send a text.
pub(crate) trait Variant {
    /// Returns the type that a value has by itself, as a number of the backend's own; 0 for `NULL`.
    fn own_type(value: &Value) -> u32;

    /// Returns the type that the value of each parameter must have by itself; 0 accepts only `NULL`.
    fn takes(&self) -> &[u32];

    /// Returns whether the values can be sent in this way. `NULL` fits every type.
    fn fits(&self, values: &[Value]) -> bool {
        self.takes().len() == values.len()
            && self
                .takes()
                .iter()
                .zip(values)
                .all(|(takes, value)| value.is_null() || Self::own_type(value) == *takes)
    }

    /// Returns whether values of the types `own` could be sent in this way, apart from `NULL`s on either side.
    #[cfg(feature = "mysql")]
    fn resembles(&self, own: &[u32]) -> bool {
        let alike = |(takes, own): (&u32, &u32)| *takes == UNTYPED || *own == UNTYPED || takes == own;
        self.takes().len() == own.len() && self.takes().iter().zip(own).all(alike)
    }
}

/// The ways in which a text was sent so far.
#[derive(Debug)]
pub(crate) struct Variants<V>(RwLock<Vec<Arc<V>>>);

impl<V> Default for Variants<V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<V: Variant> Variants<V> {
    pub(crate) fn find(&self, values: &[Value]) -> Option<Arc<V>> {
        self.0.read().iter().find(|variant| variant.fits(values)).cloned()
    }

    pub(crate) fn add(&self, variant: V) -> Arc<V> {
        let variant = Arc::new(variant);
        let mut all = self.0.write();
        if all.len() >= MOST_VARIANTS {
            all.drain(..MOST_VARIANTS / 2);
        }
        all.push(Arc::clone(&variant));
        variant
    }

    /// Gives each parameter that is `NULL` the type it had in other uses. Otherwise each distribution of `NULL`s would
    /// be a variant.
    #[cfg(feature = "mysql")]
    pub(crate) fn type_nulls(&self, takes: &mut [u32]) {
        for other in self.0.read().iter() {
            if !takes.contains(&UNTYPED) {
                break;
            }
            if other.resembles(takes) {
                for (place, takes) in takes.iter_mut().enumerate().filter(|(_, takes)| **takes == UNTYPED) {
                    *takes = other.takes()[place];
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.read().len()
    }
}

/// Returns the notes of a backend on a text.
pub(crate) fn notes<T: Any + Default + Send + Sync>(statement: &Statement) -> Result<&T> {
    let notes = statement
        .notes()
        .get_or_init(|| Box::new(T::default()) as Box<dyn Any + Send + Sync>);
    notes.downcast_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::Driver,
            "one prepared statement was used on two kinds of database",
        )
    })
}

/// Returns the text followed by the hash of the types.
pub(crate) fn spelled(text: &str, types: &[u32]) -> SqlStr {
    let mut hasher = DefaultHasher::new();
    types.hash(&mut hasher);
    let hash = hasher.finish();
    let mut spelled = String::with_capacity(text.len() + HASH_LETTERS as usize);
    spelled.push_str(text);
    spelled.extend((0..HASH_LETTERS).map(|bit| if hash >> bit & 1 == 0 { ' ' } else { '\t' }));
    let spelled: Arc<str> = spelled.into();
    AssertSqlSafe(spelled).into_sql_str()
}
