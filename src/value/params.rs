//! The parameters of a statement: `Params`, the conversions into it, and the `params!` macro.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;

use super::Value;
use super::convert::{refusal, unfit};
use super::names::Names;
use crate::error::{Error, ErrorKind, Result};

/// The parameters of one statement: none, by position, or by name.
///
/// Created by [`params!`](crate::params), from tuples and maps, and with [`bind`](crate::bind) from any `Serialize`
/// struct. `Debug` shows names and kinds, never values.
///
/// ```
/// use ebbtide::params;
///
/// let secret = "hush";
/// let params = params! { id: 7, secret };
/// assert_eq!(format!("{params:?}"), "Params { id: I32, secret: Text }");
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Params(pub(crate) ParamValues);

/// The content of [`Params`].
#[derive(Clone, Default)]
pub(crate) enum ParamValues {
    #[default]
    Empty,
    Positional(Vec<Value>),
    /// As many names as values.
    Named(Names, Vec<Value>),
}

impl ParamValues {
    /// Creates values with their names.
    pub(crate) fn named(pairs: impl IntoIterator<Item = (Cow<'static, str>, Value)>) -> Self {
        let (names, values) = pairs.into_iter().unzip();
        Self::Named(Names::Given(names), values)
    }

    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Positional(values) | Self::Named(_, values) => values.len(),
        }
    }

    /// Adds a value, whose name may be there already.
    fn push(&mut self, name: Cow<'static, str>, value: Value) {
        match self {
            Self::Empty => *self = Self::named([(name, value)]),
            Self::Named(names, values) => {
                names.push(name);
                values.push(value);
            }
            Self::Positional(values) => {
                let why = format!("`{name}` was added to values by position, which have no names");
                *values = vec![unfit(why)];
            }
        }
    }
}

/// Returns values in the order of their names.
fn by_name<'a>(names: &'a Names, values: &'a [Value]) -> Vec<(&'a str, &'a Value)> {
    let mut pairs: Vec<_> = names.iter().zip(values).collect();
    pairs.sort_by_key(|(name, _)| *name);
    pairs
}

impl PartialEq for ParamValues {
    /// Compares values by name in any order. Every empty one is alike.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Positional(values), Self::Positional(others)) => values == others,
            (Self::Named(names, values), Self::Named(other_names, others)) => {
                by_name(names, values) == by_name(other_names, others)
            }
            _ => self.len() == 0 && other.len() == 0,
        }
    }
}

impl Params {
    /// Creates an empty list, to be filled with [`set`](Self::set).
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a name, which is added if it is new. So a condition and its value can be added together:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// use ebbtide::{AssertSqlSafe, Params};
    /// # database.execute("CREATE TABLE note (owner INTEGER, text TEXT); INSERT INTO note VALUES (1, 'milk')", ()).await?;
    /// # let (owner, text): (Option<i64>, Option<&str>) = (Some(1), None);
    ///
    /// let mut sql = String::from("SELECT text FROM note WHERE 1 = 1");
    /// let mut params = Params::new();
    /// if let Some(owner) = owner {
    ///     sql += " AND owner = :owner";
    ///     params.set("owner", owner);
    /// }
    /// if let Some(text) = text {
    ///     sql += " AND text LIKE :text";
    ///     params.set("text", format!("%{text}%"));
    /// }
    /// let rows = database.fetch_all(AssertSqlSafe(sql), params).await?;
    /// # assert_eq!(rows.len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// It returns the same list, so calls can be chained, also as the parameters of a verb:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// use ebbtide::Params;
    /// let sum: i64 = database.fetch_value("SELECT :a + :b", Params::new().set("a", 40).set("b", 2)).await?;
    /// assert_eq!(sum, 42);
    /// # Ok(()) }
    /// ```
    ///
    /// Values by position have no names beside them: a statement with both is an error.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> &mut Self {
        let name = name.into();
        if let ParamValues::Named(names, values) = &mut self.0
            && let Some(index) = names.position(&name)
        {
            values[index] = value.into();
        } else {
            self.0.push(name, value.into());
        }
        self
    }

    /// Returns the number of parameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates the result of `params!`: values with the names that are written in the source.
    #[doc(hidden)]
    pub fn written<const N: usize>(names: &'static [&'static str; N], values: [Value; N]) -> Self {
        Self(ParamValues::Named(Names::Written(names), values.into()))
    }

    pub(crate) fn positional(values: Vec<Value>) -> Self {
        if values.is_empty() {
            Self::default()
        } else {
            Self(ParamValues::Positional(values))
        }
    }

    /// Returns an error if the conversion of a value failed and could not report it.
    fn checked(self) -> Result<Self> {
        let (ParamValues::Positional(values) | ParamValues::Named(_, values)) = &self.0 else {
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
            ParamValues::Named(names, _) => refused(&format!("`{}`", names.at(index)), why),
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

impl fmt::Debug for ParamValues {
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

/// Adds values by name. A name that is there already is an error of the statement, as everywhere except in
/// [`Params::set`].
impl<N: Into<Cow<'static, str>>, V: Into<Value>> Extend<(N, V)> for Params {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, values: I) {
        for (name, value) in values {
            self.0.push(name.into(), value.into());
        }
    }
}

impl<N: Into<Cow<'static, str>>, V: Into<Value>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        let pairs = values.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(ParamValues::named(pairs))
    }
}

/// A type that can be passed as parameters.
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
    message = "`{Self}` cannot be used as the parameters of a statement",
    note = "write one value as `(value,)`, several as `(a, b)`, named ones as `params! {{ id: 1, name }}`, none as `()`",
    note = "a struct that implements `serde::Serialize` is passed as `ebbtide::bind(&value)`"
)]
pub trait IntoParams {
    /// Returns the parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] if a value cannot be bound.
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

/// The result of [`Params::set`], whose values are copied.
impl IntoParams for &mut Params {
    fn into_params(self) -> Result<Params> {
        (&*self).into_params()
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

/// Creates parameters by name: `params! { id: 1, text }` binds `:id` to 1 and `:text` to the variable `text`.
///
/// Any value with a conversion into [`Value`](crate::Value) can be bound: an `Option` may be `NULL`, a `Vec` is a list
/// for `IN (:ids)`, elsewhere an array on PostgreSQL (but a `Vec<u8>` is bytes).
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
