//! Errors as readable responses.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ebbtide::{ConstraintKind, ErrorKind};
use serde_json::json;

/// The reason why a request failed.
#[derive(Debug)]
pub enum Failure {
    /// 404.
    NotFound(String),
    /// 422: a field is invalid.
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// Problem of the field.
        message: String,
    },
    /// 409: a constraint of the database is violated.
    Conflict(String),
    /// A request that axum could not read.
    Rejected(StatusCode, String),
    /// Any other error of the database: 503 if a retry may help, else 500.
    Database(ebbtide::Error),
}

impl Failure {
    pub(crate) fn no(what: &str, id: i64) -> Self {
        Self::NotFound(format!("there is no {what} {id}"))
    }

    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            message: message.into(),
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this address does not know that method".to_owned();
        Self::Rejected(StatusCode::METHOD_NOT_ALLOWED, message)
    }
}

impl From<ebbtide::Error> for Failure {
    fn from(error: ebbtide::Error) -> Self {
        let Some(constraint) = error.constraint() else {
            return Self::Database(error);
        };
        let name = constraint.name.as_deref().unwrap_or_default();
        Self::Conflict(match constraint.kind {
            // SQLite names the column instead of the constraint.
            ConstraintKind::Unique if name.contains("email") => "this e-mail address is taken".to_owned(),
            ConstraintKind::Unique => "it is there already".to_owned(),
            ConstraintKind::ForeignKey => {
                "it refers to something that is not there, or something still refers to it".to_owned()
            }
            _ => error.message().to_owned(),
        })
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self::Rejected(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::Rejected(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::Rejected(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let answer = |status: StatusCode, error: &str, message: String| {
            (status, Json(json!({ "error": error, "message": message }))).into_response()
        };
        match self {
            Self::NotFound(message) => answer(StatusCode::NOT_FOUND, "not found", message),
            Self::Conflict(message) => answer(StatusCode::CONFLICT, "conflict", message),
            Self::Rejected(status, message) => answer(status, "not understood", message),
            Self::Invalid { field, message } => {
                let body = json!({ "error": "invalid", "field": field, "message": message });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
            Self::Database(error) if is_passing(&error) => {
                let message = "the database is busy; try again".to_owned();
                let later = [(header::RETRY_AFTER, "1")];
                (later, answer(StatusCode::SERVICE_UNAVAILABLE, "busy", message)).into_response()
            }
            Self::Database(error) => {
                // For the operator, not for the client.
                eprintln!("{error:?}");
                let message = "something went wrong here".to_owned();
                answer(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            }
        }
    }
}

fn is_passing(error: &ebbtide::Error) -> bool {
    error.is_retryable() || matches!(error.kind(), ErrorKind::Timeout | ErrorKind::ConnectionLost)
}
