//! Parameters, and the text that they are sent with.
//!
//! sqlx keeps prepared statements by their text alone, so the declared types become part of it
//! ([`variants`](crate::backend::sqlx::variants)). Where the values leave a type open, the connection asks the server
//! for the one that it expects ([`question`](super::question)) when it first sends the text with such values. So a type
//! never depends on the values that came before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::encode::IsNull;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments, Encode, Postgres, SqlStr, Type};

use super::answers::{Answers, Form};
use super::encode::{ASKED, ASKED_ARRAY, own_type, write};
use super::oid;
use super::question;
use super::server_type::ServerType;
use crate::backend::sqlx::own_sql;
use crate::backend::sqlx::variants::{Variant, Variants, notes};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Statement;
use crate::value::Value;

/// One use of a text.
#[derive(Debug)]
struct Use {
    /// A number of its own in this process.
    number: u64,
    /// For each parameter, the type that its value has by itself.
    own: Box<[u32]>,
    /// Set if the types of some parameters are left to the server.
    asks: bool,
    /// The form in which each value is sent with its own type.
    form: Arc<Form>,
}

impl Use {
    fn new(statement: &Statement, values: &[Value]) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let own: Box<[u32]> = values.iter().map(own_type).collect();
        let open = |own: &u32| {
            matches!(
                *own,
                oid::UNDECLARED | ASKED | ASKED_ARRAY | oid::TEXT | oid::TEXT_ARRAY
            )
        };
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            asks: own.iter().any(open),
            form: Arc::new(Form::new(statement, &own, None)),
            own,
        }
    }

    /// Returns whether the server has to be asked about these values.
    fn is_open(&self, values: &[Value]) -> bool {
        self.asks || values.iter().any(Value::is_null)
    }
}

impl Variant for Use {
    fn own_type(value: &Value) -> u32 {
        own_type(value)
    }

    fn takes(&self) -> &[u32] {
        &self.own
    }

    fn fits(&self, values: &[Value]) -> bool {
        self.own.iter().copied().eq(values.iter().map(own_type))
    }
}

fn used(statement: &Statement, values: &[Value]) -> Result<Arc<Use>> {
    let uses = notes::<Variants<Use>>(statement)?;
    let known = uses.find(values);
    Ok(known.unwrap_or_else(|| uses.add(Use::new(statement, values))))
}

fn nulls(values: &[Value]) -> impl Iterator<Item = bool> + Clone {
    values.iter().map(Value::is_null)
}

/// Gives `write` the form in which the values are sent, as far as that is known.
pub(in crate::backend) fn with_form<T>(
    statement: &Statement,
    values: &[Value],
    answers: &Answers,
    write: impl FnOnce(&Form) -> Result<T>,
) -> Result<T> {
    let used = used(statement, values)?;
    let found = if used.is_open(values) {
        answers.find(used.number, &nulls(values))
    } else {
        None
    };
    write(found.unwrap_or(&used.form))
}

/// Encodes the values and chooses the text to send.
pub(super) fn arguments(statement: &Statement, values: &[Value], answers: &Answers) -> Result<(SqlStr, PgArguments)> {
    if values.is_empty() {
        return Ok((statement.sql(), PgArguments::default()));
    }
    with_form(statement, values, answers, |form| {
        let mut arguments = PgArguments::default();
        arguments.reserve(values.len(), values.len() * 16);
        for (index, (value, place)) in values.iter().zip(&form.places).enumerate() {
            let typed = Typed {
                value,
                oid: place.declared,
                found: place.found.as_deref(),
            };
            if let Err(why) = arguments.add(typed) {
                return Err(refusal(index, value, &why.to_string()));
            }
        }
        Ok((form.sql.clone(), arguments))
    })
}

/// Returns the question for the server about the types of these values, if there is one.
pub(in crate::backend) fn question(statement: &Statement, values: &[Value], answers: &Answers) -> Option<SqlStr> {
    if values.is_empty() {
        return None;
    }
    let used = used(statement, values).ok()?;
    let asked = used.is_open(values) && answers.find(used.number, &nulls(values)).is_none();
    asked.then(|| question::question(statement, &used.own, nulls(values)))
}

/// Returns the form in which these values are sent, unless they stand in the text, or the server could not prepare it.
pub(super) fn form(statement: &Statement, values: &[Value], answers: &Answers) -> Option<Arc<Form>> {
    let used = used(statement, values).ok()?;
    if answers.as_text.contains(&used.number) {
        return None;
    }
    match answers.find(used.number, &nulls(values)) {
        Some(found) => found.is_told.then(|| Arc::clone(found)),
        None => Some(Arc::clone(&used.form)),
    }
}

/// Notes the types of parameters that the text itself names.
pub(super) fn note_types(statement: &Statement, values: &[Value], answers: &mut Answers, types: &[Arc<ServerType>]) {
    let Ok(used) = used(statement, values) else { return };
    if answers.find(used.number, &nulls(values)).is_none() {
        let form = Form::new(statement, &used.own, Some(types));
        answers.add(used.number, Box::default(), form);
    }
}

/// Keeps the rows that the server answered.
pub(in crate::backend) fn answered(statement: &Statement, values: &[Value], answers: &mut Answers, rows: &[String]) {
    let Ok(used) = used(statement, values) else { return };
    let types = question::answer(rows).filter(|types| types.len() == values.len());
    let form = Form::new(statement, &used.own, types.as_deref());
    let open = |own: u32| matches!(own, oid::UNDECLARED | ASKED | ASKED_ARRAY | oid::TEXT | oid::TEXT_ARRAY);
    let has_other =
        |(place, value): (usize, &Value)| value.is_null() && !open(used.own[place]) && !form.declares(&used.own, place);
    let for_all = types.is_some() && !values.iter().enumerate().any(has_other);
    let nulls = if for_all {
        Box::default()
    } else {
        nulls(values).collect()
    };
    answers.add(used.number, nulls, form);
}

/// Forgets the answer about these values: the server refused them, or they cannot be converted to what it expected.
pub(in crate::backend) fn refused(statement: &Statement, values: &[Value], answers: &mut Answers) {
    if let Ok(used) = used(statement, values) {
        answers.forget(used.number);
    }
}

/// Notes that sqlx cannot look up a type of this statement, so that its text is sent with the values in it.
pub(super) fn unreadable(statement: &Statement, values: &[Value], answers: &mut Answers) -> bool {
    let used = used(statement, values);
    used.is_ok_and(|used| answers.as_text.insert(used.number))
}

/// Returns the text with the values in it, if sqlx cannot look up a type of the statement.
pub(super) fn as_text(statement: &Statement, values: &[Value], answers: &Answers) -> Option<Result<SqlStr>> {
    if answers.as_text.is_empty() {
        return None;
    }
    let used = used(statement, values).ok()?;
    if !answers.as_text.contains(&used.number) {
        return None;
    }
    let form = answers.find(used.number, &nulls(values)).unwrap_or(&used.form);
    let written = values
        .iter()
        .zip(&form.places)
        .map(|(value, place)| place.literal(value));
    Some(match written.collect::<Result<Vec<_>, _>>() {
        Ok(literals) => Ok(own_sql(statement.with_literals(&literals))),
        Err(place) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("a type of this statement can only be read as text, and {place} cannot be sent with it"),
        )
        .help("cast the column to text, as in `column::text`")),
    })
}

/// Returns the error for a value that cannot be sent; places count from 0.
pub(in crate::backend) fn refusal(place: usize, value: &Value, why: &str) -> Error {
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
    found: Option<&'v ServerType>,
}

impl Type<Postgres> for Typed<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(oid::UNDECLARED))
    }
}

impl Encode<'_, Postgres> for Typed<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, sqlx::error::BoxDynError> {
        Ok(if write(self.value, self.oid, self.found, buffer)? {
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
    use crate::value::NullType;

    fn statement() -> Statement {
        Statement::new("INSERT INTO note VALUES ($1, $2)", false)
    }

    fn sent(statement: &Statement, values: &[Value], answers: &Answers) -> String {
        arguments(statement, values, answers).unwrap().0.as_str().to_owned()
    }

    fn text(statement: &Statement, values: &[Value]) -> String {
        sent(statement, values, &Answers::default())
    }

    fn word(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    /// The answer that the server expects these types.
    fn rows(types: &[(u32, &str)]) -> Vec<String> {
        let numbers: Vec<_> = types.iter().map(|(oid, _)| oid.to_string()).collect();
        let details = types.iter().map(|(oid, detail)| format!("{oid} 0 f {detail}"));
        ["settings".to_owned(), format!("{{{}}}", numbers.join(","))]
            .into_iter()
            .chain(details)
            .collect()
    }

    const INT4: (u32, &str) = (oid::INT4, "pg_catalog.int4");
    const TEXT: (u32, &str) = (oid::TEXT, "pg_catalog.text");
    const CITEXT: (u32, &str) = (16_500, "public.citext");
    const HSTORE: (u32, &str) = (16_600, "public.hstore");

    #[test]
    fn the_same_types_give_the_same_text_on_every_statement_and_other_types_another() {
        let (one, other) = (statement(), statement());
        let long = [Value::I64(1), Value::Bool(true)];
        let short = [Value::I32(1), Value::Bool(true)];
        assert_eq!(text(&one, &long), text(&one, &[Value::I64(7), Value::Bool(false)]));
        assert_ne!(text(&one, &long), text(&one, &short));
        // The other statement receives them in reverse order.
        assert_eq!(text(&other, &short), text(&one, &short));
        assert_eq!(text(&other, &long), text(&one, &long));
        assert!(text(&one, &long).starts_with(one.text()));
        assert_eq!(text(&one, &[]), one.text());
    }

    #[test]
    fn null_goes_along_with_the_values_of_its_type_in_any_order() {
        let full = text(&statement(), &[Value::I64(1), Value::Bool(true)]);
        let nulls = [Value::NullOf(NullType::I64), Value::NullOf(NullType::Bool)];
        let statement = statement();
        assert_eq!(text(&statement, &nulls), full);
        let half = [Value::I64(1), Value::NullOf(NullType::Bool)];
        let mut answers = Answers::default();
        assert!(question(&statement, &half, &answers).is_some());
        let bool = (oid::BOOL, "pg_catalog.bool");
        answered(
            &statement,
            &half,
            &mut answers,
            &rows(&[(oid::INT8, "pg_catalog.int8"), bool]),
        );
        // The answer is for every distribution of values and NULLs.
        for values in [&half, &nulls, &[Value::I64(1), Value::Bool(true)]] {
            assert!(question(&statement, values, &answers).is_none());
            assert_eq!(sent(&statement, values, &answers), full);
        }
    }

    #[test]
    fn null_takes_the_type_that_the_server_accepts() {
        let statement = statement();
        let (null, value) = (
            [Value::NullOf(NullType::Bool), Value::I32(1)],
            [Value::Bool(true), Value::I32(1)],
        );
        let mut answers = Answers::default();
        let date = (oid::DATE, "pg_catalog.date");
        answered(&statement, &null, &mut answers, &rows(&[date, INT4]));
        assert_ne!(sent(&statement, &null, &answers), sent(&statement, &value, &answers));
        assert!(question(&statement, &null, &answers).is_none() && question(&statement, &value, &answers).is_none());
    }

    #[test]
    fn a_connection_asks_once_about_values_without_a_type() {
        let statement = statement();
        let values = [Value::Untyped("7".into()), word("a")];
        let mut answers = Answers::default();
        assert!(question(&statement, &values, &answers).is_some());
        answered(&statement, &values, &mut answers, &rows(&[INT4, CITEXT]));
        assert!(question(&statement, &[Value::Untyped("8".into()), word("b")], &answers).is_none());
        assert!(
            question(&statement, &values, &Answers::default()).is_some(),
            "another connection asks itself"
        );
        assert!(sent(&statement, &values, &answers).contains("($2::text::public.citext)"));
        let error = arguments(&statement, &[Value::Untyped("many".into()), word("a")], &answers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(
            error.message().starts_with("parameter 1 is text") && !error.message().contains("many"),
            "{error}"
        );
        // After a change of the table the server is asked again.
        refused(&statement, &values, &mut answers);
        assert!(question(&statement, &values, &answers).is_some());
        assert!(question(&statement, &[Value::I64(1), Value::I64(2)], &answers).is_none());
    }

    #[test]
    fn text_is_cast_by_the_server_to_what_is_not_text() {
        let statement = statement();
        let mut answers = Answers::default();
        let values = [word("a => b"), word("7")];
        answered(&statement, &values, &mut answers, &rows(&[HSTORE, INT4]));
        assert!(
            sent(&statement, &values, &answers)
                .starts_with("INSERT INTO note VALUES (($1::text::public.hstore), ($2::text::pg_catalog.int4))")
        );
        let values = [word("a"), Value::Untyped("a => b".into())];
        answered(&statement, &values, &mut answers, &rows(&[TEXT, HSTORE]));
        assert!(
            sent(&statement, &values, &answers).starts_with("INSERT INTO note VALUES ($1, ($2::text::public.hstore))")
        );
    }

    #[test]
    fn a_text_that_the_server_cannot_prepare_goes_out_with_text() {
        let statement = statement();
        let values = [word("a"), Value::Array(vec![])];
        let mut answers = Answers::default();
        answered(
            &statement,
            &values,
            &mut answers,
            &["settings".to_owned(), "{}".to_owned()],
        );
        assert!(question(&statement, &values, &answers).is_none());
        assert_eq!(sent(&statement, &values, &answers), text(&statement, &values));
    }

    #[test]
    fn a_list_must_have_been_taken_apart_before() {
        let error = arguments(&statement(), &[Value::List(vec![]), Value::Null], &Answers::default()).unwrap_err();
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
            text(&statement, &values);
        }
        assert!(notes::<Variants<Use>>(&statement).unwrap().count() <= MOST_VARIANTS);
    }
}
