//! The statement for many rows that come as one array for each column.
//!
//! Each value gets the type that it would have in a statement of its own: that which the server infers for its place in
//! the `INSERT` of one row, or the value's own. So all values of a column must have the same type, and one whose arrays
//! are known here.

use std::sync::Arc;

use super::answers::{Answers, SentParameter};
use super::arguments::{form, note_types};
use super::encode::own_type;
use super::oid;
use super::server_type::ServerType;
use crate::sql::{ArrayColumn, BulkInsert, Statement};
use crate::value::Value;

/// Returns the statement that takes these columns as arrays; `None` if the rows must stand in the text. `sample` is a row
/// with the types of the columns.
pub(super) fn of_arrays(
    bulk: &BulkInsert,
    sample: &[Value],
    columns: &[Value],
    answers: &mut Answers,
) -> Option<Arc<Statement>> {
    let form = form(bulk.single(), sample, answers)?;
    if !sample
        .iter()
        .zip(columns)
        .all(|(sample, column)| is_uniform(sample, column))
    {
        return None;
    }
    let places = sample.iter().zip(form.places.iter());
    let types: Vec<Arc<ServerType>> = places.clone().map(array_type).collect::<Option<_>>()?;
    let casts: Vec<Option<String>> = places.clone().map(cast).collect();
    let has_type = |(sample, place): (&Value, &SentParameter)| sample.is_null() && place.declared != oid::UNDECLARED;
    if places
        .clone()
        .zip(&casts)
        .any(|(column, cast)| has_type(column) && cast.is_none())
    {
        return None;
    }
    let parts: Vec<ArrayColumn<'_>> = places
        .zip(types.iter().zip(&casts))
        .map(|((sample, place), (array, cast))| ArrayColumn {
            array: &array.name,
            cast: cast.as_deref(),
            is_null: sample.is_null() && place.declared == oid::UNDECLARED,
        })
        .collect();
    let statement = bulk.of_arrays(&parts);
    // Its text names the types, so the server need not be asked.
    note_types(&statement, columns, answers, &types);
    Some(statement)
}

/// Returns whether all values of a column have the type of one of them.
fn is_uniform(sample: &Value, column: &Value) -> bool {
    let own = own_type(sample);
    match column {
        Value::Array(members) => members.iter().all(|member| member.is_null() || own_type(member) == own),
        _ => false,
    }
}

/// Returns the type of the array of values that are sent like this one.
fn array_type((sample, place): (&Value, &SentParameter)) -> Option<Arc<ServerType>> {
    // NULLs are cast one by one, so those of every type are sent in one form.
    let member = if sample.is_null() { oid::TEXT } else { place.declared };
    Some(Arc::new(ServerType {
        oid: oid::array_of(member)?,
        element: Some(member),
        foreign: false,
        name: format!("pg_catalog.{}[]", oid::name_of(member)?).into(),
    }))
}

/// Returns the name of the type to which the server converts the members of a column, if it does and that can be named.
fn cast((sample, place): (&Value, &SentParameter)) -> Option<String> {
    if let Some(to) = place.cast_to() {
        return Some(to.to_owned());
    }
    if !sample.is_null() {
        return None;
    }
    let name = match oid::element_of(place.declared) {
        Some(element) => format!("{}[]", oid::name_of(element)?),
        None => oid::name_of(place.declared)?.to_owned(),
    };
    Some(format!("pg_catalog.{name}"))
}
