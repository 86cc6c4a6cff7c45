//! Statements of this crate's own, in addition to those of its user.

use super::sqlx::own_sql;
use super::{OfferedRow, RawConnection, Request, RowSink};
use crate::error::Result;
use crate::sql::TemplateCache;
use crate::value::{Params, Row};

/// A text by which SQLite tells whether a transaction is open: it refuses this setting inside of one. The setting has no
/// meaning for the temp database and leaves no trace, so a check that is cancelled can be repeated.
pub(super) const TRANSACTION_QUESTION: &str = "PRAGMA temp.synchronous = NORMAL";
/// `SQLITE_ERROR`, the code of the refusal.
const REFUSED: &str = "1";

/// Returns whether a transaction is open on SQLite, by the answer to [`TRANSACTION_QUESTION`].
pub(super) fn transaction_of_sqlite(answer: Result<()>) -> Result<bool> {
    match answer {
        // Any other code, such as that of an interruption, answers nothing.
        Err(error) if error.sqlstate() == Some(REFUSED) => Ok(true),
        Err(error) => Err(error),
        Ok(()) => Ok(false),
    }
}

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
