//! Statements of this crate's own on a lease.

use crate::backend::internal;
use crate::error::{Error, Result};
use crate::pool::{InFlight, Lease};
use crate::sql::TemplateCache;
use crate::value::{Params, Row};

/// Asks the server something, independently of what its user does.
pub(in crate::session) async fn ask(
    lease: &mut Lease,
    templates: &TemplateCache,
    sql: &str,
    params: Params,
) -> Result<Vec<Row>> {
    lease.mark(InFlight::Statement);
    let asked = internal::ask(lease.raw()?, templates, sql, params).await;
    answered(lease, asked)
}

/// Runs SQL text of this crate's own. An error leaves the connection as it is, unless it is lost.
pub(in crate::session) async fn run(lease: &mut Lease, sql: impl Into<String>) -> Result<()> {
    lease.mark(InFlight::Statement);
    let ran = internal::run(lease.raw()?, sql).await;
    answered(lease, ran)
}

fn answered<T>(lease: &mut Lease, answer: Result<T>) -> Result<T> {
    lease.mark(InFlight::None);
    if answer.as_ref().is_err_and(Error::is_fatal) {
        lease.lose();
    }
    answer
}
