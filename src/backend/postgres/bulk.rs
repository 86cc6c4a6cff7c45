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
    let parts: Vec<ArrayColumn<'_>> = places
        .zip(&types)
        .map(|((sample, place), array)| ArrayColumn {
            array: &array.name,
            cast: place.cast_to(),
            is_null: sample.is_null(),
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
    // A column without values takes the type of its place.
    let member = if sample.is_null() { oid::TEXT } else { place.declared };
    Some(Arc::new(ServerType {
        oid: oid::array_of(member)?,
        element: Some(member),
        foreign: false,
        name: format!("pg_catalog.{}[]", oid::name_of(member)?).into(),
    }))
}
