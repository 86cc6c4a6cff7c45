//! Parsing and validation of requests.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Failure;

/// A validated body.
pub(crate) struct Valid<T>(pub(crate) T);

/// Validation of a body before a handler receives it.
pub(crate) trait Check {
    fn check(&self) -> Result<(), Failure>;
}

impl<S: Send + Sync, T: DeserializeOwned + Check> FromRequest<S> for Valid<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Json(value) = Json::<T>::from_request(request, state).await?;
        value.check()?;
        Ok(Self(value))
    }
}

/// A key in the path.
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(id) = Path::from_request_parts(parts, state).await?;
        Ok(Self(id))
    }
}

/// The query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(asked) = Query::from_request_parts(parts, state).await?;
        Ok(Self(asked))
    }
}

/// Checks that a text has 1 to `most` characters and is not blank.
pub(crate) fn some_text(field: &'static str, text: &str, most: usize) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::invalid(field, "must not be empty"));
    }
    if text.chars().count() > most {
        return Err(Failure::invalid(
            field,
            format!("must not be longer than {most} characters"),
        ));
    }
    Ok(())
}
