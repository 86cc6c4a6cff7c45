//! The errors and notices of the server.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{ErrorFields, ErrorResponseBody, NoticeResponseBody};

use crate::backend::postgres::PostgresAnswer;
use crate::error::Error;

/// The target of the events of notices.
const NOTICES: &str = "ebbtide::notice";

/// Returns the library's error for an error of the server.
pub(super) fn error(body: &ErrorResponseBody) -> Error {
    with_answer(body.fields(), |_, answer| answer.error())
}

/// Returns whether the server refused a statement because its plan was made for other columns: whatever language it speaks,
/// it names the function of its source.
pub(super) fn is_of_stale_plan(body: &ErrorResponseBody) -> bool {
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        if field.type_() == b'R' {
            return field.value_bytes() == b"RevalidateCachedQuery";
        }
    }
    false
}

/// Reports a notice of the server as an event of `tracing`.
pub(super) fn notice(body: &NoticeResponseBody) {
    with_answer(body.fields(), |severity, answer| {
        if severity == "WARNING" {
            tracing::warn!(target: NOTICES, code = answer.code, "{}", answer.message);
        } else {
            tracing::debug!(target: NOTICES, code = answer.code, "{}", answer.message);
        }
    });
}

fn with_answer<T>(mut fields: ErrorFields<'_>, read: impl FnOnce(&str, PostgresAnswer<'_>) -> T) -> T {
    let mut texts = Vec::new();
    // What is broken of them is left out.
    while let Ok(Some(field)) = fields.next() {
        texts.push((field.type_(), String::from_utf8_lossy(field.value_bytes()).into_owned()));
    }
    let field = |kind: u8| texts.iter().find(|(of, _)| *of == kind).map(|(_, text)| text.as_str());
    // `V` is never translated; servers before PostgreSQL 9.6 have only `S`.
    let severity = field(b'V').or_else(|| field(b'S')).unwrap_or_default();
    let answer = PostgresAnswer {
        code: field(b'C').unwrap_or_default(),
        message: field(b'M').unwrap_or_default(),
        detail: field(b'D'),
        hint: field(b'H'),
        constraint: field(b'n'),
        column: field(b'c'),
        table: field(b't'),
        ends_session: matches!(severity, "FATAL" | "PANIC"),
    };
    read(severity, answer)
}
