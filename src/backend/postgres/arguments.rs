//! Parameters, and the text that they are sent with.
//!
//! sqlx keeps prepared statements by their text alone, so the declared types become part of it
//! ([`variants`](crate::backend::sqlx::variants)).

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::encode::IsNull;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments, Encode, Postgres, SqlStr, Type};

use super::encode::{ASKED, own_type, write};
use super::oid;
use super::types::number;
use crate::backend::sqlx::variants::{Variant, Variants, notes, spelled};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Statement;
use crate::value::Value;

/// The notes on a text: its uses so far, and how often an answer of the server about its types was discarded.
#[derive(Debug, Default)]
struct Notes {
    uses: Variants<Use>,
    doubts: AtomicU32,
}

/// One use of a text.
#[derive(Debug)]
struct Use {
    /// For each parameter, the type that its value must have by itself. [`oid::UNDECLARED`] accepts only `NULL`,
    /// [`ASKED`] only values whose type the server decides.
    takes: Box<[u32]>,
    /// For each parameter, the declared type.
    declared: Box<[u32]>,
    /// The information of the server about the types of its own choice.
    server_types: Box<[Option<PgTypeInfo>]>,
    sql: SqlStr,
    /// Set once the server refused these types; `NULL` is then better sent without one.
    refused: bool,
}

impl Use {
    fn new(statement: &Statement, takes: Vec<u32>, declared: Vec<u32>, server_types: Vec<Option<PgTypeInfo>>) -> Self {
        let sql = spelled(statement.text(), &declared);
        Self {
            takes: takes.into(),
            declared: declared.into(),
            server_types: server_types.into(),
            sql,
            refused: false,
        }
    }
}

impl Variant for Use {
    fn own_type(value: &Value) -> u32 {
        own_type(value)
    }

    fn takes(&self) -> &[u32] {
        &self.takes
    }

    fn is_refused(&self) -> bool {
        self.refused
    }
}

impl Notes {
    /// Discards what the server reported for these values: a column may have another type by now. The next question has
    /// another text, because the connections keep the server's answers.
    fn doubt(&self, values: &[Value]) {
        self.uses.forget(values);
        self.doubts.fetch_add(1, Ordering::Relaxed);
    }

    /// Creates the variant of a first use.
    fn first_use(&self, statement: &Statement, values: &[Value]) -> Use {
        let mut takes: Vec<u32> = values.iter().map(own_type).collect();
        let mut declared = takes.clone();
        let mut server_types = vec![None; takes.len()];
        self.uses.type_nulls(&mut takes, |place, other| {
            declared[place] = other.declared[place];
            server_types[place].clone_from(&other.server_types[place]);
        });
        // Only a server that did not report what it expects leaves such a parameter; it accepts text for almost
        // anything.
        for declared in declared.iter_mut().filter(|declared| **declared == ASKED) {
            *declared = oid::TEXT;
        }
        Use::new(statement, takes, declared, server_types)
    }
}

/// Encodes the values and chooses the text to send.
pub(super) fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, PgArguments)> {
    if values.is_empty() {
        return Ok((statement.sql(), PgArguments::default()));
    }
    let notes = notes::<Notes>(statement)?;
    let variant = match notes.uses.find(values) {
        Some(variant) => variant,
        None => notes.uses.add(notes.first_use(statement, values)),
    };
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), values.len() * 16);
    for (place, value) in values.iter().enumerate() {
        let typed = Typed {
            value,
            oid: variant.declared[place],
            server_type: variant.server_types[place].as_ref(),
        };
        if let Err(why) = arguments.add(typed) {
            if matches!(value, Value::Untyped(_)) {
                notes.doubt(values);
            }
            return Err(refusal(place, value, &why.to_string()));
        }
    }
    Ok((variant.sql.clone(), arguments))
}

/// Returns the types to declare when asking the server for the ones it expects, if that is necessary.
pub(super) fn undeclared(statement: &Statement, values: &[Value]) -> Option<Vec<PgTypeInfo>> {
    let asked = values.iter().any(|value| own_type(value) == ASKED);
    if !asked || notes::<Notes>(statement).ok()?.uses.find(values).is_some() {
        return None;
    }
    let declare = |value| match own_type(value) {
        ASKED => PgTypeInfo::with_oid(Oid(oid::UNDECLARED)),
        own => PgTypeInfo::with_oid(Oid(own)),
    };
    Some(values.iter().map(declare).collect())
}

/// Returns the text with which the server is asked. It differs from every text that is run, and different questions
/// have different texts.
pub(super) fn question(statement: &Statement, declared: &[PgTypeInfo]) -> SqlStr {
    let doubts = notes::<Notes>(statement).map_or(0, |notes| notes.doubts.load(Ordering::Relaxed));
    let declared: Vec<u32> = declared.iter().map(number).chain([ASKED, doubts]).collect();
    spelled(statement.text(), &declared)
}

/// Stores the types that the server expects.
pub(super) fn declare(statement: &Statement, values: &[Value], types: &[PgTypeInfo]) {
    let Ok(notes) = notes::<Notes>(statement) else { return };
    if types.len() != values.len() {
        return;
    }
    let (mut takes, mut declared, mut server_types) = (Vec::new(), Vec::new(), Vec::new());
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
        server_types.push(asked.then(|| info.clone()));
    }
    notes.uses.add(Use::new(statement, takes, declared, server_types));
}

/// Notes that the server refused the types of this use, so that no `NULL` is sent with one of them again. Where the
/// server had decided, it is asked again.
pub(super) fn refused(statement: &Statement, values: &[Value]) {
    let Ok(notes) = notes::<Notes>(statement) else { return };
    notes.uses.replace(values, |used| {
        (!used.takes.contains(&ASKED)).then(|| Use {
            takes: used.takes.clone(),
            declared: used.declared.clone(),
            server_types: used.server_types.clone(),
            sql: used.sql.clone(),
            refused: true,
        })
    });
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
    server_type: Option<&'v PgTypeInfo>,
}

impl Type<Postgres> for Typed<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(oid::UNDECLARED))
    }
}

impl Encode<'_, Postgres> for Typed<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, sqlx::error::BoxDynError> {
        Ok(if write(self.value, self.oid, self.server_type, buffer)? {
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
    use crate::backend::sqlx::variants::MOST_VARIANTS;

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
        // The other statement receives them in reverse order.
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
        assert!(notes::<Notes>(&statement).unwrap().uses.count() <= MOST_VARIANTS);
    }
}
