//! Writes an SQL text with its placeholders.

use std::sync::Arc;

use super::Dialect;
use super::bind_order::{BindOrder, width};
use super::bulk_insert::BulkInsert;
use super::control::Facts;
use super::lexical::{is_name, is_name_of_sql_server};
use super::template::{Placeholder, Style, Template};
use super::values_row::ValuesRow;

impl Template {
    pub(super) fn write_statements(&mut self, sql: &str) {
        let Facts {
            statements,
            verb,
            diagnoses,
            ..
        } = self.facts;
        let script = statements != 1 || !verb.is_prepared() || diagnoses;
        // `?` may be an operator, and `$1` may belong to the body of a PREPARE or CREATE FUNCTION.
        let literal = match self.style {
            Style::None => true,
            Style::Question => self.dialect == Dialect::Postgres,
            Style::Dollar => self.dialect == Dialect::Postgres && script,
            Style::Named | Style::Ordinal => false,
        };
        if self.style == Style::None && sql == &*self.text {
            self.single = self.write(sql, script);
            self.plain = Some(Arc::clone(&self.single));
            return;
        }
        if literal {
            let mut text = String::with_capacity(sql.len());
            let end = self.fill(&mut text, 0, &self.holes, |text, hole| match self.style {
                Style::Dollar => self.dialect.write_placeholder(text, hole.slot + 1),
                _ => text.push('?'),
            });
            text.push_str(&self.text[end..]);
            self.plain = Some(self.write(&text, script));
        }
        self.single = match &self.plain {
            Some(plain) if self.style == Style::None => Arc::clone(plain),
            _ => self.write(&self.render(&self.order, None), false),
        };
    }

    /// Copies the text from `from` on up to the last of `holes`, and calls `write` at each. Returns the position of the
    /// rest.
    pub(super) fn fill(
        &self,
        out: &mut String,
        mut from: usize,
        holes: &[Placeholder],
        mut write: impl FnMut(&mut String, &Placeholder),
    ) -> usize {
        // `LIKE?` must not become `LIKE$1`, which is a name; SQLite also takes `$1(…)` and `$1::` for one.
        let sqlite = self.dialect == Dialect::Sqlite;
        let (apart, is_name): (bool, fn(u8) -> bool) = match self.dialect {
            Dialect::Sqlite => (true, is_name),
            Dialect::SqlServer => (true, is_name_of_sql_server),
            Dialect::Postgres => (self.style == Style::Question, is_name),
            Dialect::MySql | Dialect::Generic => (false, is_name),
        };
        for hole in holes {
            out.push_str(&self.text[from..hole.at]);
            if apart && out.bytes().next_back().is_some_and(is_name) {
                out.push(' ');
            }
            write(out, hole);
            let next = self.text.as_bytes().get(hole.at).copied();
            let joins = sqlite && out.ends_with(|last: char| last.is_ascii_digit());
            if apart && next.is_some_and(|next| is_name(next) || (joins && matches!(next, b'(' | b':'))) {
                out.push(' ');
            }
            from = hole.at;
        }
        from
    }

    /// Returns what is done with many rows, in place of the one that was found.
    pub(super) fn bulk_insert(&self, found: &ValuesRow) -> BulkInsert {
        let (mut row, mut cuts) = (String::new(), Vec::with_capacity(self.holes.len()));
        let rest = self.fill(&mut row, found.row.start, &self.holes, |row, hole| {
            cuts.push((row.len(), hole.slot));
        });
        row.push_str(&self.text[rest..found.row.end]);
        BulkInsert::new(
            self.dialect,
            &self.single,
            &self.text,
            found,
            &row,
            &cuts,
            self.mode.most,
        )
    }

    /// Returns the text with placeholders: one for each slot, or as many as `widths` says.
    pub(super) fn render(&self, order: &BindOrder, widths: Option<&[u32]>) -> String {
        let mut out = String::with_capacity(self.text.len() + 4 * order.total);
        let end = match widths {
            None => self.fill(&mut out, 0, &self.holes, |out, hole| order.write(out, hole.slot, 0)),
            Some(widths) => render(self, &mut out, order, widths),
        };
        out.push_str(&self.text[end..]);
        out
    }
}

/// Writes the text with as many placeholders for each slot as `widths` says. Returns the position of the rest.
fn render(template: &Template, out: &mut String, order: &BindOrder, widths: &[u32]) -> usize {
    let mut from = 0;
    for hole in &template.holes {
        if let (0, Some(list)) = (widths[hole.slot], hole.list) {
            out.push_str(&template.text[from..list.start]);
            out.push_str(empty(template.dialect, list.negated));
            from = list.end;
            continue;
        }
        template.fill(out, from, std::slice::from_ref(hole), |out, hole| {
            for member in 0..width(widths, hole.slot) {
                if member > 0 {
                    out.push_str(", ");
                }
                order.write(out, hole.slot, member);
            }
        });
        from = hole.at;
    }
    from
}

/// Returns an `IN` without members, which is valid for any type of the other side, null or not.
fn empty(dialect: Dialect, negated: bool) -> &'static str {
    match (dialect, negated) {
        // A subquery would need the type of the other side; an empty array adopts it.
        (Dialect::Postgres, false) => "= ANY('{}')",
        (Dialect::Postgres, true) => "<> ALL('{}')",
        (Dialect::MySql, false) => "IN (SELECT NULL FROM DUAL WHERE 1 = 0)",
        (Dialect::MySql, true) => "NOT IN (SELECT NULL FROM DUAL WHERE 1 = 0)",
        (Dialect::Generic, false) => "IN (SELECT NULL FROM (SELECT 1) AS ebbtide_empty (x) WHERE 1 = 0)",
        (Dialect::Generic, true) => "NOT IN (SELECT NULL FROM (SELECT 1) AS ebbtide_empty (x) WHERE 1 = 0)",
        // Text is converted to the type of the other side; a NULL without a type would be an integer.
        (Dialect::SqlServer, false) => "IN (SELECT CAST(NULL AS NVARCHAR(1)) WHERE 1 = 0)",
        (Dialect::SqlServer, true) => "NOT IN (SELECT CAST(NULL AS NVARCHAR(1)) WHERE 1 = 0)",
        (Dialect::Sqlite, false) => "IN ()",
        (Dialect::Sqlite, true) => "NOT IN ()",
    }
}
