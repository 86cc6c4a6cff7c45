//! Statements of this crate's own, in addition to those of its user.

use super::sqlx::own_sql;
use super::{OfferedRow, RawConnection, Request, RowSink};
use crate::error::Result;
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
pub(crate) async fn ask(
    raw: &mut dyn RawConnection,
    templates: &TemplateCache,
    sql: &str,
    params: Params,
) -> Result<Vec<Row>> {
    let bound = templates.get(sql)?.bind(params)?;
    let mut kept = Kept::default();
    let request = Request {
        statement: &bound.statement,
        values: &bound.values,
    };
    raw.run(request, &mut kept).await?;
    Ok(kept.0)
}

/// Runs SQL text of this crate's own.
pub(crate) async fn run(raw: &mut dyn RawConnection, sql: impl Into<String>) -> Result<()> {
    raw.run_script(own_sql(sql)).await.map(drop)
}
