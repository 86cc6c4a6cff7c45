//! Statements of this crate's own, beside those of its user.

use crate::backend::support::sqlx::own_sql;
use crate::backend::{Offer, Request, Sink};
use crate::error::{Error, Result};
use crate::pool::{Flight, Lease};
use crate::sql::TemplateCache;
use crate::value::{Params, Row};

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Vec<Row>);

impl Sink for Kept {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
        self.0.extend(row.take().map(Row::new));
        Ok(())
    }
}

/// Asks the server something on the side of what its user does.
pub(super) async fn ask(lease: &mut Lease, templates: &TemplateCache, sql: &str, params: Params) -> Result<Vec<Row>> {
    let bound = templates.get(sql)?.bind(params)?;
    let mut kept = Kept::default();
    lease.mark(Flight::Statement);
    let request = Request {
        statement: &bound.statement,
        values: &bound.values,
    };
    let asked = lease.raw()?.run(request, &mut kept).await;
    lease.mark(Flight::None);
    if asked.as_ref().is_err_and(Error::is_fatal) {
        lease.lose();
    }
    asked.map(|_| kept.0)
}

/// Runs text of this crate's own. An error leaves the connection as it is, unless it is lost.
pub(super) async fn run(lease: &mut Lease, sql: impl Into<String>) -> Result<()> {
    lease.mark(Flight::Statement);
    let ran = lease.raw()?.run_script(own_sql(sql)).await;
    lease.mark(Flight::None);
    if ran.as_ref().is_err_and(Error::is_fatal) {
        lease.lose();
    }
    ran.map(drop)
}
