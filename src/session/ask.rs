//! Statements of this crate's own, beside those of its user.

use std::time::Duration;

use super::Sandbox;
use crate::backend::support::sqlx::own_sql;
use crate::backend::{Offer, Request, Sink};
use crate::error::{Error, Result};
use crate::pool::{Asker, Flight, Lease};
use crate::sql::{Dialect, TemplateCache};
use crate::value::{IntoParams, Params, Row};

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

/// How long the server may take to tell who blocks whom.
const SIDE_LIMIT: Duration = Duration::from_secs(1);

impl Sandbox {
    /// Which sessions of the server keep the sandbox waiting (PostgreSQL).
    pub(super) async fn blockers(&self, templates: &TemplateCache) -> Option<String> {
        const SQL: &str = "SELECT 'session ' || b.pid || ' (' || coalesce(nullif(b.application_name, ''), 'without a name') || ', ' \
            || coalesce(b.state, 'unknown') || ' for ' || coalesce(round(extract(epoch FROM clock_timestamp() - b.xact_start)::numeric, 1)::text, '?') \
            || ' s, last statement: ' || left(b.query, 200) || ')' \
            FROM pg_catalog.pg_stat_activity a \
            CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(a.pid)) AS p(pid) \
            JOIN pg_catalog.pg_stat_activity b ON b.pid = p.pid \
            WHERE a.application_name = $1 LIMIT 5";
        let (pool, label) = (self.plan.side.as_ref()?, self.label.as_deref()?);
        if pool.connector().dialect() != Dialect::Postgres {
            return None;
        }
        let asker = Asker::at(std::panic::Location::caller());
        let question = async {
            let mut lease = pool.acquire(asker).await?;
            let params = (label,).into_params()?;
            ask(&mut lease, templates, SQL, params).await
        };
        let rows = tokio::time::timeout(SIDE_LIMIT, question).await.ok()?.ok()?;
        let names: Vec<String> = rows.iter().filter_map(|row| row.get(0).ok()).collect();
        (!names.is_empty()).then(|| names.join("; "))
    }
}
