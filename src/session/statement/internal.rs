//! Statements of this crate's own, in addition to those of its user.

use crate::backend::sqlx::own_sql;
use crate::backend::{OfferedRow, Request, RowSink};
use crate::error::{Error, Result};
use crate::pool::{InFlight, Lease};
use crate::sql::TemplateCache;
use crate::value::{Params, Row};

/// A sink that keeps its rows.
#[derive(Default)]
struct Kept(Vec<Row>);

impl RowSink for Kept {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        self.0.extend(row.take().map(Row::new));
        Ok(())
    }
}

/// Asks the server something, independently of what its user does.
pub(in crate::session) async fn ask(
    lease: &mut Lease,
    templates: &TemplateCache,
    sql: &str,
    params: Params,
) -> Result<Vec<Row>> {
    let bound = templates.get(sql)?.bind(params)?;
    let mut kept = Kept::default();
    lease.mark(InFlight::Statement);
    let request = Request {
        statement: &bound.statement,
        values: &bound.values,
    };
    let asked = lease.raw()?.run(request, &mut kept).await;
    lease.mark(InFlight::None);
    if asked.as_ref().is_err_and(Error::is_fatal) {
        lease.lose();
    }
    asked.map(|_| kept.0)
}

/// Runs SQL text of this crate's own. An error leaves the connection as it is, unless it is lost.
pub(in crate::session) async fn run(lease: &mut Lease, sql: impl Into<String>) -> Result<()> {
    lease.mark(InFlight::Statement);
    let ran = lease.raw()?.run_script(own_sql(sql)).await;
    lease.mark(InFlight::None);
    if ran.as_ref().is_err_and(Error::is_fatal) {
        lease.lose();
    }
    ran.map(drop)
}
