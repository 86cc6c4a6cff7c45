//! Runs statements on the driver's connection, on whichever thread has it.

use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Statement as Prepared, StatementStatus};

use super::bind;
use super::columns::ColumnSet;
use super::errors::error;
use super::gate::{Placement, is_plain};
use super::known::{is_judged, statement_key};
use super::row_arena::RowArena;
use super::schema_changes;
use super::session::SqliteSession;
use crate::backend::QueryResult;
use crate::error::Result;
use crate::sql::{Act, Statement};
use crate::value::Value;

/// A receiver of the rows of a statement.
pub(super) trait Outlet {
    /// Receives full arenas, if it wants more rows.
    fn receive(&mut self, arena: RowArena) -> ControlFlow<()>;

    /// Returns whether it takes an arena before that is full.
    fn takes(&self, arena: &RowArena) -> bool {
        arena.is_full()
    }
}

impl SqliteSession {
    /// Runs a statement, and gives its rows to `outlet`. If that wants no more, a statement that writes has still done all
    /// of its work: SQLite does it before the first row.
    pub(super) fn run(
        &mut self,
        statement: &Statement,
        values: &[Value],
        outlet: &mut dyn Outlet,
    ) -> Result<QueryResult> {
        // Without a statement the driver has nothing to prepare.
        let empty = statement.acts().is_empty() && values.is_empty();
        if statement.is_script() || empty {
            return self.run_script(statement.text(), Some(statement), outlet);
        }
        bind::check(values)?;
        if self.capacity > 0 && is_plain(statement.text()) {
            return self.run_kept(statement, values, outlet);
        }
        let result = self.run_once(statement, values, outlet);
        self.note_long(statement.text())?;
        result
    }

    /// Runs a statement that does not stay prepared.
    fn run_once(&self, statement: &Statement, values: &[Value], outlet: &mut dyn Outlet) -> Result<QueryResult> {
        let before = self.before();
        let mut prepared = self.connection.prepare(statement.text()).map_err(error)?;
        bind::bind(&mut prepared, statement.text(), values)?;
        step(&mut prepared, &mut None, outlet).map_err(error)?;
        drop(prepared);
        Ok(self.result_of_first(statement, before))
    }

    /// Runs a statement that stays prepared, and judges it if it is new.
    fn run_kept(&mut self, statement: &Statement, values: &[Value], outlet: &mut dyn Outlet) -> Result<QueryResult> {
        let sql = statement_key(statement);
        // Before the tables are read, so that no change is missed.
        self.known.follow(schema_changes::count());
        let before = self.before();
        let mut prepared = self.connection.prepare_cached(sql).map_err(error)?;
        bind::bind(&mut prepared, sql, values)?;
        let is_judged = is_judged(&prepared);
        let mut columns = match self.known.get(sql) {
            Some(known) if is_judged => known.columns.clone(),
            _ => None,
        };
        let stepped = step(&mut prepared, &mut columns, outlet);
        let reads = prepared.readonly();
        let is_prepared_again = stepped.is_ok() && prepared.reset_status(StatementStatus::RePrepare) > 0;
        drop(prepared);
        if let Err(why) = stepped {
            if !reads {
                self.note_long(sql)?;
            }
            return Err(error(why));
        }
        // Now: the question about its program has a result, too.
        let result = self.result_of_first(statement, before);
        if !is_judged || is_prepared_again || self.known.get(sql).is_none() {
            let placement = Placement::of(&self.connection, sql, reads);
            self.known.insert(sql, placement, self.capacity);
        }
        if let Some(known) = self.known.get(sql) {
            // Without a row, nobody has looked at the columns of what was prepared again.
            known.columns = columns.filter(|_| !is_prepared_again);
        }
        if !reads {
            self.note_long(sql)?;
        }
        Ok(result)
    }

    /// Runs text without parameters, which may hold several statements.
    pub(super) fn run_script(
        &mut self,
        sql: &str,
        statement: Option<&Statement>,
        outlet: &mut dyn Outlet,
    ) -> Result<QueryResult> {
        let result = self.run_each(sql, statement, outlet);
        self.note_long(sql)?;
        result
    }

    fn run_each(&self, sql: &str, statement: Option<&Statement>, outlet: &mut dyn Outlet) -> Result<QueryResult> {
        let acts = statement.map_or(&[][..], Statement::acts);
        let mut total = QueryResult::default();
        let mut batch = Batch::new(&self.connection, sql);
        let mut index = 0;
        loop {
            let before = self.before();
            let Some(mut prepared) = batch.next().map_err(error)? else {
                return Ok(total);
            };
            step(&mut prepared, &mut None, outlet).map_err(error)?;
            let act = acts.get(index).copied().unwrap_or(Act::Nothing);
            total.absorb(self.result(statement, index, act, before));
            index += 1;
        }
    }

    /// Returns the last key before a statement.
    pub(super) fn before(&self) -> i64 {
        self.state.forget_change();
        self.connection.last_insert_rowid()
    }

    /// Returns the result of a statement that stands alone.
    pub(super) fn result_of_first(&self, statement: &Statement, before: i64) -> QueryResult {
        let act = statement.acts().first().copied().unwrap_or(Act::Nothing);
        self.result(Some(statement), 0, act, before)
    }

    /// Returns the result of a statement. SQLite repeats that of an earlier one for a statement without rows or keys.
    fn result(&self, statement: Option<&Statement>, index: usize, act: Act, before: i64) -> QueryResult {
        let rows_affected = if act == Act::Nothing {
            0
        } else {
            self.connection.changes()
        };
        let inserts = rows_affected > 0 && matches!(act, Act::Inserts | Act::Upserts);
        let key = self.connection.last_insert_rowid();
        let is_new = || {
            key != before
                || statement
                    .and_then(|statement| statement.target(index)?.path.last())
                    .is_some_and(|table| self.state.has_inserted_into(table))
        };
        QueryResult {
            rows_affected,
            last_insert_id: (inserts && is_new()).then_some(key),
        }
    }
}

/// Runs a statement whose values are bound to its end, or until nobody wants its rows. `columns` are those of its rows, if
/// they are known.
pub(super) fn step(
    prepared: &mut Prepared<'_>,
    columns: &mut Option<Arc<ColumnSet>>,
    outlet: &mut dyn Outlet,
) -> rusqlite::Result<()> {
    let mut rows = prepared.raw_query();
    let mut pending: Option<RowArena> = None;
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        // Before the first row, SQLite may prepare the statement again.
        if std::mem::take(&mut is_first) && row.as_ref().get_status(StatementStatus::RePrepare) > 0 {
            *columns = None;
        }
        let columns = columns.get_or_insert_with(|| Arc::new(ColumnSet::of(row.as_ref())));
        let arena = pending.get_or_insert_with(|| RowArena::new(columns));
        arena.push(row)?;
        if outlet.takes(arena)
            && let Some(arena) = pending.take()
            && outlet.receive(arena).is_break()
        {
            return Ok(());
        }
    }
    if let Some(arena) = pending {
        let _ = outlet.receive(arena);
    }
    Ok(())
}
