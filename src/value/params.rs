//! The parameters of a statement: `Params`, what can be turned into them, and the `params!` macro.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;

use serde::Serialize;

use super::convert::refusal;
use super::names::Names;
use super::{Value, serialize};
use crate::error::{Error, ErrorKind, Result};

/// The parameters of one statement: none, by position, or by name.
///
/// Made by [`params!`](crate::params), from tuples, maps, and with [`bind`](crate::bind) from any `Serialize` struct.
/// `Debug` shows names and kinds, never values.
///
/// ```
/// use ebbtide::params;
///
/// let secret = "hush";
/// let params = params! { id: 7, secret };
/// assert_eq!(format!("{params:?}"), "Params { id: I32, secret: Text }");
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Params(pub(crate) Bindings);

/// What [`Params`] hold.
#[derive(Clone, Default, PartialEq)]
pub(crate) enum Bindings {
    #[default]
    Empty,
    Positional(Vec<Value>),
    /// As many names as values.
    Named(Names, Vec<Value>),
}

impl Bindings {
    /// Values with their names.
    pub(crate) fn named(pairs: impl IntoIterator<Item = (Cow<'static, str>, Value)>) -> Self {
        let (names, values) = pairs.into_iter().unzip();
        Self::Named(Names::Given(names), values)
    }
}

impl Params {
    /// Reads parameters from anything that serde can write: a struct or a map gives them by name, a tuple or a
    /// sequence by position.
    ///
    /// Unit variants of enums become text; nested structs, maps and sequences become JSON, a plain sequence of scalars
    /// a list (`IN (:ids)`). Dates, times, UUIDs and decimals of the crates `chrono`, `uuid` and `rust_decimal` keep
    /// their type; any other text takes the type the server expects at that place. To
    /// choose otherwise, wrap a field into [`Json`](crate::Json) or [`Array`](crate::Array).
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] when the value is a scalar, or a field cannot be bound; the message names the field.
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct Note { id: i64, text: Option<String> }
    ///
    /// # fn main() -> ebbtide::Result<()> {
    /// let params = ebbtide::Params::from_serialize(&Note { id: 1, text: None })?;
    /// assert_eq!(params, ebbtide::params! { id: 1_i64, text: None::<String> });
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        serialize::params(value)
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        match &self.0 {
            Bindings::Empty => 0,
            Bindings::Positional(values) | Bindings::Named(_, values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `params!` makes: values with the names that are written in the source.
    #[doc(hidden)]
    pub fn written<const N: usize>(names: &'static [&'static str; N], values: [Value; N]) -> Self {
        Self(Bindings::Named(Names::Written(names), values.into()))
    }

    pub(crate) fn positional(values: Vec<Value>) -> Self {
        if values.is_empty() {
            Self::default()
        } else {
            Self(Bindings::Positional(values))
        }
    }

    /// Finds the values whose conversion failed where it had no way to say so.
    fn checked(self) -> Result<Self> {
        let (Bindings::Positional(values) | Bindings::Named(_, values)) = &self.0 else {
            return Ok(self);
        };
        let Some((index, why)) = values
            .iter()
            .map(refusal)
            .enumerate()
            .find_map(|(index, why)| Some((index, why?)))
        else {
            return Ok(self);
        };
        Err(match &self.0 {
            Bindings::Named(names, _) => refused(&format!("`{}`", names.at(index)), why),
            _ => refused(&format!("number {}", index + 1), why),
        })
    }
}

fn refused(which: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Parameter,
        format!("the parameter {which} cannot be bound: {why}"),
    )
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Params"),
            Self::Positional(values) => {
                let mut out = f.debug_tuple("Params");
                for value in values {
                    out.field(&format_args!("{}", value.kind()));
                }
                out.finish()
            }
            Self::Named(names, values) => {
                let mut out = f.debug_struct("Params");
                for (name, value) in names.iter().zip(values) {
                    out.field(name, &format_args!("{}", value.kind()));
                }
                out.finish()
            }
        }
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        let pairs = values.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(Bindings::named(pairs))
    }
}

/// What can stand where parameters are asked for.
///
/// - `()`: none
/// - tuples of up to sixteen values, `Vec<Value>`, `[Value; N]`, a JSON array: by position
/// - [`params!`](crate::params), `[(&'static str, Value); N]`, a `Vec` of such pairs, maps from names to values, a JSON
///   object, [`bind`](crate::bind) around a `Serialize` struct: by name
///
/// ```
/// use ebbtide::{IntoParams, params};
///
/// # fn main() -> ebbtide::Result<()> {
/// assert_eq!((1, "two").into_params()?.len(), 2);
/// assert_eq!(params! { id: 1 }.into_params()?.len(), 1);
/// assert!(().into_params()?.is_empty());
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters of a statement",
    note = "one value is written `(value,)`, several `(a, b)`, named ones `params! {{ id: 1, name }}`, none `()`",
    note = "a struct that implements `serde::Serialize` is passed as `ebbtide::bind(&value)`"
)]
pub trait IntoParams {
    /// Makes the parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] when a value cannot be bound.
    fn into_params(self) -> Result<Params>;
}

impl IntoParams for () {
    fn into_params(self) -> Result<Params> {
        Ok(Params::default())
    }
}

impl IntoParams for Params {
    fn into_params(self) -> Result<Params> {
        self.checked()
    }
}

impl IntoParams for &Params {
    fn into_params(self) -> Result<Params> {
        self.clone().checked()
    }
}

impl<P: IntoParams> IntoParams for Result<P> {
    fn into_params(self) -> Result<Params> {
        self?.into_params()
    }
}

impl IntoParams for Vec<Value> {
    fn into_params(self) -> Result<Params> {
        Params::positional(self).checked()
    }
}

impl IntoParams for &[Value] {
    fn into_params(self) -> Result<Params> {
        Params::positional(self.to_vec()).checked()
    }
}

impl<const N: usize> IntoParams for [Value; N] {
    fn into_params(self) -> Result<Params> {
        Params::positional(self.into()).checked()
    }
}

impl<const N: usize> IntoParams for [(&'static str, Value); N] {
    fn into_params(self) -> Result<Params> {
        self.into_iter().collect::<Params>().checked()
    }
}

impl<N: Into<Cow<'static, str>>> IntoParams for Vec<(N, Value)> {
    fn into_params(self) -> Result<Params> {
        self.into_iter().collect::<Params>().checked()
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>, S: BuildHasher> IntoParams for HashMap<N, V, S> {
    fn into_params(self) -> Result<Params> {
        self.into_iter().collect::<Params>().checked()
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>> IntoParams for BTreeMap<N, V> {
    fn into_params(self) -> Result<Params> {
        self.into_iter().collect::<Params>().checked()
    }
}

impl IntoParams for serde_json::Value {
    fn into_params(self) -> Result<Params> {
        serialize::params(&self)
    }
}

impl IntoParams for serde_json::Map<String, serde_json::Value> {
    fn into_params(self) -> Result<Params> {
        serialize::params(&self)
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Into<Value>),+> IntoParams for ($($name,)+) {
            #[allow(non_snake_case, reason = "the type parameters name the members too")]
            fn into_params(self) -> Result<Params> {
                let ($($name,)+) = self;
                Params::positional(vec![$($name.into()),+]).checked()
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);
tuples!(A B C D E F G H I J K L M);
tuples!(A B C D E F G H I J K L M N);
tuples!(A B C D E F G H I J K L M N O);
tuples!(A B C D E F G H I J K L M N O P);

/// Parameters by name: `params! { id: 1, text }` binds `:id` to 1 and `:text` to the variable `text`.
///
/// Any value with a conversion into [`Value`](crate::Value) can be bound: an `Option` may be `NULL`, a `Vec` is a list
/// for `IN (:ids)` (but a `Vec<u8>` is bytes).
///
/// ```
/// use ebbtide::params;
///
/// let text = String::from("milk");
/// let params = params! {
///     id: 1,
///     text,
///     ids: vec![1, 2, 3],
///     due: None::<chrono::NaiveDate>,
/// };
/// assert_eq!(params.len(), 4);
/// ```
#[macro_export]
macro_rules! params {
    (@value $name:ident) => { $name };
    (@value $name:ident $value:expr) => { $value };
    () => { $crate::Params::default() };
    ($($name:ident $(: $value:expr)?),+ $(,)?) => {
        $crate::Params::written(
            &[$(::core::stringify!($name)),+],
            [$(::core::convert::Into::<$crate::Value>::into($crate::params!(@value $name $($value)?))),+],
        )
    };
}
