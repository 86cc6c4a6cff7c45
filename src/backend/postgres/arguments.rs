//! Parameters, and the text they are sent with.
//!
//! sqlx keeps prepared statements by their text alone, with the parameter types of their first use; here the same text
//! may come with other types at any time. So the types become part of the text: behind it stand spaces and tabs that
//! spell a hash of the declared types. The same types give the same text on every connection, other types another one.

use std::any::Any;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;
use sqlx::encode::IsNull;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments, AssertSqlSafe, Encode, Postgres, SqlSafeStr, SqlStr, Type};

use super::encode::{ASKED, own_type, write};
use super::oid;
use super::types::number;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Statement;
use crate::value::Value;

/// How many variants of one text are kept; beyond that the older half is forgotten, at the price of being made again.
const MOST_VARIANTS: usize = 32;
/// The letters of the hash. More would make texts longer, fewer would let two lists of types meet.
const HASH_LETTERS: u32 = 48;

/// The ways in which a text was used so far, and how often what the server had told was doubted.
#[derive(Debug, Default)]
struct Variants(RwLock<Vec<Arc<Variant>>>, AtomicU32);

/// One way to use a text.
#[derive(Debug)]
struct Variant {
    /// For each place the type a value must have by itself: [`oid::UNDECLARED`] takes only `NULL`, [`ASKED`] only
    /// values whose type the server decides.
    takes: Box<[u32]>,
    /// For each place the type that is declared.
    declared: Box<[u32]>,
    /// What the server told of the types of its own choice.
    told: Box<[Option<PgTypeInfo>]>,
    sql: SqlStr,
    /// The server did not like these types; `NULL` then better goes without one.
    refused: bool,
}

impl Variant {
    fn new(statement: &Statement, takes: Vec<u32>, declared: Vec<u32>, told: Vec<Option<PgTypeInfo>>) -> Self {
        let sql = spelled(statement.text(), &declared);
        Self {
            takes: takes.into(),
            declared: declared.into(),
            told: told.into(),
            sql,
            refused: false,
        }
    }

    fn fits(&self, values: &[Value]) -> bool {
        self.takes.len() == values.len()
            && self.takes.iter().zip(values).all(|(takes, value)| match value {
                Value::Null => !self.refused || *takes == oid::UNDECLARED,
                value => own_type(value) == *takes,
            })
    }

    /// Whether the values could be of this variant, were they not `NULL` here or there.
    fn resembles(&self, own: &[u32]) -> bool {
        const ANY: u32 = oid::UNDECLARED;
        !self.refused
            && self.takes.len() == own.len()
            && self
                .takes
                .iter()
                .zip(own)
                .all(|(takes, own)| *takes == ANY || *own == ANY || takes == own)
    }
}

impl Variants {
    fn of(statement: &Statement) -> Result<&Self> {
        let notes = statement
            .notes()
            .get_or_init(|| Box::new(Self::default()) as Box<dyn Any + Send + Sync>);
        notes
            .downcast_ref()
            .ok_or_else(|| Error::new(ErrorKind::Driver, "a statement was used on two kinds of database"))
    }

    fn find(&self, values: &[Value]) -> Option<Arc<Variant>> {
        self.0.read().iter().find(|variant| variant.fits(values)).cloned()
    }

    /// Forgets what the server told for these values: a column may have another type by now. The server is asked in
    /// another text next time, because the connections keep its answers.
    fn doubt(&self, values: &[Value]) {
        self.0.write().retain(|variant| !variant.fits(values));
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn add(&self, variant: Variant) -> Arc<Variant> {
        let variant = Arc::new(variant);
        let mut all = self.0.write();
        if all.len() >= MOST_VARIANTS {
            all.drain(..MOST_VARIANTS / 2);
        }
        all.push(Arc::clone(&variant));
        variant
    }

    /// Makes the variant of a first use. A place that holds `NULL` takes the type it had in other uses, so that there
    /// are not as many variants as there are ways to strew `NULL`s.
    fn make(&self, statement: &Statement, values: &[Value]) -> Arc<Variant> {
        let mut takes: Vec<u32> = values.iter().map(own_type).collect();
        let mut declared = takes.clone();
        let mut told = vec![None; takes.len()];
        for other in self.0.read().iter() {
            if !takes.contains(&oid::UNDECLARED) {
                break;
            }
            if other.resembles(&takes) {
                for place in 0..takes.len() {
                    if takes[place] == oid::UNDECLARED {
                        takes[place] = other.takes[place];
                        declared[place] = other.declared[place];
                        told[place].clone_from(&other.told[place]);
                    }
                }
            }
        }
        // Only a server that did not say what it expects leaves such a place; text it takes for almost anything.
        for declared in declared.iter_mut().filter(|declared| **declared == ASKED) {
            *declared = oid::TEXT;
        }
        self.add(Variant::new(statement, takes, declared, told))
    }
}

/// The text with the hash of the declared types behind it.
fn spelled(text: &str, declared: &[u32]) -> SqlStr {
    let mut hasher = DefaultHasher::new();
    declared.hash(&mut hasher);
    let hash = hasher.finish();
    let mut spelled = String::with_capacity(text.len() + HASH_LETTERS as usize);
    spelled.push_str(text);
    spelled.extend((0..HASH_LETTERS).map(|bit| if hash >> bit & 1 == 0 { ' ' } else { '\t' }));
    let spelled: Arc<str> = spelled.into();
    AssertSqlSafe(spelled).into_sql_str()
}

/// Encodes the values and chooses the text to send.
pub(super) fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, PgArguments)> {
    if values.is_empty() {
        return Ok((statement.sql(), PgArguments::default()));
    }
    let variants = Variants::of(statement)?;
    let variant = variants
        .find(values)
        .unwrap_or_else(|| variants.make(statement, values));
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), values.len() * 16);
    for (place, value) in values.iter().enumerate() {
        let typed = Typed {
            value,
            oid: variant.declared[place],
            told: variant.told[place].as_ref(),
        };
        if let Err(why) = arguments.add(typed) {
            if matches!(value, Value::Untyped(_)) {
                variants.doubt(values);
            }
            return Err(refusal(place, value, &why.to_string()));
        }
    }
    Ok((variant.sql.clone(), arguments))
}

/// The types to declare when asking the server for the ones it expects, if that is necessary.
pub(super) fn undeclared(statement: &Statement, values: &[Value]) -> Option<Vec<PgTypeInfo>> {
    if !values.iter().any(|value| own_type(value) == ASKED) || Variants::of(statement).ok()?.find(values).is_some() {
        return None;
    }
    let declare = |value| match own_type(value) {
        ASKED => PgTypeInfo::with_oid(Oid(oid::UNDECLARED)),
        own => PgTypeInfo::with_oid(Oid(own)),
    };
    Some(values.iter().map(declare).collect())
}

/// The text to ask with. It differs from all that are run, and so do the answers to different questions.
pub(super) fn question(statement: &Statement, declared: &[PgTypeInfo]) -> SqlStr {
    let doubts = Variants::of(statement).map_or(0, |variants| variants.1.load(Ordering::Relaxed));
    let declared: Vec<u32> = declared.iter().map(number).chain([ASKED, doubts]).collect();
    spelled(statement.text(), &declared)
}

/// Keeps the types that the server expects.
pub(super) fn declare(statement: &Statement, values: &[Value], types: &[PgTypeInfo]) {
    let Ok(variants) = Variants::of(statement) else { return };
    if types.len() != values.len() {
        return;
    }
    let (mut takes, mut declared, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for (value, info) in values.iter().zip(types) {
        let own = own_type(value);
        let asked = own == ASKED;
        let chosen = if asked || own == oid::UNDECLARED {
            number(info)
        } else {
            own
        };
        takes.push(if asked { ASKED } else { chosen });
        declared.push(chosen);
        told.push(asked.then(|| info.clone()));
    }
    variants.add(Variant::new(statement, takes, declared, told));
}

/// Remembers that the server refused the types of this use, so that a `NULL` does not go out under one of them again,
/// and asks the server anew where it had decided.
pub(super) fn refused(statement: &Statement, values: &[Value]) {
    let Ok(variants) = Variants::of(statement) else { return };
    let mut all = variants.0.write();
    let Some(at) = all.iter().position(|variant| variant.fits(values)) else {
        return;
    };
    let variant = all.remove(at);
    if !variant.takes.contains(&ASKED) {
        let Variant {
            takes,
            declared,
            told,
            sql,
            ..
        } = &*variant;
        let (takes, declared, told, sql) = (takes.clone(), declared.clone(), told.clone(), sql.clone());
        all.push(Arc::new(Variant {
            takes,
            declared,
            told,
            sql,
            refused: true,
        }));
    }
}

fn refusal(place: usize, value: &Value, why: &str) -> Error {
    let kind = if matches!(value, Value::List(_)) {
        ErrorKind::Unsupported
    } else {
        ErrorKind::Parameter
    };
    Error::new(kind, format!("parameter {} {why}", place + 1))
}

/// A value and the type to declare for it.
struct Typed<'v> {
    value: &'v Value,
    oid: u32,
    told: Option<&'v PgTypeInfo>,
}

impl Type<Postgres> for Typed<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(oid::UNDECLARED))
    }
}

impl Encode<'_, Postgres> for Typed<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, sqlx::error::BoxDynError> {
        Ok(if write(self.value, self.oid, self.told, buffer)? {
            IsNull::Yes
        } else {
            IsNull::No
        })
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.oid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement::new("INSERT INTO note VALUES ($1, $2)", false)
    }

    fn text(statement: &Statement, values: &[Value]) -> String {
        arguments(statement, values).unwrap().0.as_str().to_owned()
    }

    fn word(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    #[test]
    fn the_same_types_give_the_same_text_on_every_statement_and_other_types_another() {
        let (one, other) = (statement(), statement());
        let long = [Value::I64(1), word("a")];
        let short = [Value::I32(1), word("a")];
        assert_eq!(text(&one, &long), text(&one, &[Value::I64(7), word("b")]));
        assert_ne!(text(&one, &long), text(&one, &short));
        // The other one meets them the other way round.
        assert_eq!(text(&other, &short), text(&one, &short));
        assert_eq!(text(&other, &long), text(&one, &long));
        assert!(text(&one, &long).starts_with(one.text()));
        assert_eq!(text(&one, &[]), one.text());
    }

    #[test]
    fn null_goes_along_with_the_types_of_other_uses() {
        let statement = statement();
        let full = text(&statement, &[Value::I64(1), word("a")]);
        assert_eq!(text(&statement, &[Value::Null, word("b")]), full);
        assert_eq!(text(&statement, &[Value::Null, Value::Null]), full);
        let other = text(&statement, &[Value::Null, Value::Bool(true)]);
        assert_ne!(other, full);
        // A place that was always null takes the type it has elsewhere.
        assert_eq!(text(&statement, &[Value::I64(1), Value::Bool(true)]), {
            let fresh = self::statement();
            text(&fresh, &[Value::I64(1), Value::Bool(true)])
        });
    }

    #[test]
    fn null_does_not_go_out_under_a_type_that_was_refused() {
        let statement = statement();
        let wrong = [word("a"), word("b")];
        let refused_text = text(&statement, &wrong);
        refused(&statement, &wrong);
        assert_ne!(text(&statement, &[Value::Null, word("b")]), refused_text);
        assert_eq!(text(&statement, &wrong), refused_text);
    }

    #[test]
    fn the_server_is_asked_once_about_values_without_a_type() {
        let statement = statement();
        let values = [Value::Untyped("7".into()), word("a")];
        let declared = undeclared(&statement, &values).unwrap();
        assert_eq!(
            declared.iter().map(number).collect::<Vec<_>>(),
            [oid::UNDECLARED, oid::TEXT]
        );
        let types = [
            PgTypeInfo::with_oid(Oid(oid::INT4)),
            PgTypeInfo::with_oid(Oid(oid::TEXT)),
        ];
        declare(&statement, &values, &types);
        assert!(undeclared(&statement, &[Value::Untyped("8".into()), word("b")]).is_none());
        assert_eq!(
            text(&statement, &values),
            text(&self::statement(), &[Value::I32(7), word("a")])
        );
        let error = arguments(&statement, &[Value::Untyped("many".into()), word("a")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(
            error.message().starts_with("parameter 1 is text") && !error.message().contains("many"),
            "{error}"
        );
        // After a change of the table the server is asked again.
        refused(&statement, &values);
        assert!(undeclared(&statement, &values).is_some());
        let other = undeclared(&statement, &[Value::Untyped("8".into()), Value::I64(1)]).unwrap();
        assert_ne!(
            question(&statement, &declared).as_str(),
            question(&statement, &other).as_str()
        );
        assert_ne!(
            question(&statement, &declared).as_str(),
            text(&statement, &[word("7"), word("a")])
        );
    }

    #[test]
    fn a_list_must_have_been_taken_apart_before() {
        let error = arguments(&statement(), &[Value::List(vec![]), Value::Null]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn many_types_do_not_take_much_memory() {
        let statement = Statement::new("SELECT $1, $2, $3, $4, $5, $6", false);
        let kinds = [Value::I16(1), Value::I32(1), Value::I64(1), word("a")];
        for count in 0..4_usize.pow(6) {
            let values: Vec<Value> = (0..6_u32)
                .map(|place| kinds[count / 4_usize.pow(place) % 4].clone())
                .collect();
            arguments(&statement, &values).unwrap();
        }
        assert!(Variants::of(&statement).unwrap().0.read().len() <= MOST_VARIANTS);
    }
}
