//! Binding the values of a statement in the driver's own form.

use sqlx::error::BoxDynError;

use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// Checks each value with `refused`, which returns an error for one that the backend cannot store. Places count from 1.
pub(crate) fn check_all(values: &[Value], refused: impl Fn(&Value, usize) -> Option<Error>) -> Result<()> {
    let refused = values.iter().zip(1..).find_map(|(value, place)| refused(value, place));
    refused.map_or(Ok(()), Err)
}

/// Adds each value to `arguments` with `add`, which also receives its index from 0.
pub(crate) fn bind_all<A>(
    mut arguments: A,
    values: &[Value],
    add: impl Fn(&mut A, usize, &Value) -> Result<(), BoxDynError>,
) -> Result<A> {
    for (index, value) in values.iter().enumerate() {
        add(&mut arguments, index, value).map_err(|why| {
            let place = index + 1;
            Error::new(ErrorKind::Parameter, format!("parameter {place} cannot be sent: {why}"))
        })?;
    }
    Ok(arguments)
}
