//! The order in which the values of a statement are bound, and the placeholders that have numbers.
//!
//! PostgreSQL and SQL Server number all placeholders, MySQL and standard SQL none. SQLite supports both, but its driver searches for the name of a
//! numbered one among all that have numbers, once for each value: the work grows with their product. So a value has a
//! bare `?` wherever the text uses it once, and is bound again for each further use in a list or in one of many rows. A
//! scalar that the text uses several times keeps one number, because SQLite takes `?1` and `?1` for the same
//! expression, and two bare ones for different ones. A text has only a few of them.

use super::Dialect;
use super::bind_order::{BindOrder, SCALAR, width};
use super::steps;
use super::template::Template;
use crate::value::Value;

/// The maximum number of values of a text that have a shared number; beyond it, each use is bound separately.
const SHARED: usize = 16;

impl Template {
    /// Returns the order for the text with one value for each slot, or with lists of these widths.
    pub(super) fn order(&self, widths: Option<&[u32]>) -> BindOrder {
        let order = match self.dialect {
            Dialect::Postgres | Dialect::SqlServer => self.order_by(widths, |_| true),
            Dialect::MySql | Dialect::Generic => self.order_by(widths, |_| false),
            Dialect::Sqlite => {
                let shared = self.uses.iter().filter(|uses| **uses > 1).count();
                let scalar = |slot: usize| widths.is_none_or(|widths| widths[slot] == SCALAR);
                self.order_by(widths, |slot| shared <= SHARED && self.uses[slot] > 1 && scalar(slot))
            }
        };
        if self.dialect == Dialect::Sqlite && order.total > self.dialect.max_parameters() {
            // If each is bound only once, they may still be few enough.
            return self.order_by(widths, |_| true);
        }
        order
    }

    /// Returns the number of values that are bound for the text with one value for each slot, or with lists of these widths.
    pub(super) fn bound_count(&self, widths: Option<&[u32]>) -> usize {
        match self.mode.most {
            Some(_) => self.order_by(widths, |_| false).total,
            None => self.order(widths).total,
        }
    }

    fn order_by(&self, widths: Option<&[u32]>, numbered: impl Fn(usize) -> bool) -> BindOrder {
        let width = |slot: usize| widths.map_or(1, |widths| width(widths, slot));
        let mut total = 0;
        for hole in self.holes.iter().filter(|hole| !numbered(hole.slot)) {
            total += width(hole.slot);
        }
        let bare = total;
        let numbers = (0..self.slots).map(|slot| {
            numbered(slot).then(|| {
                total += width(slot);
                total - width(slot) + 1
            })
        });
        // SQLite takes `?7` as its seventh parameter and a bare one after it as the eighth; its driver would count
        // differently. It takes `$7` as the next parameter, and the driver gives that the seventh value; bare ones then
        // count only themselves.
        let sign = match self.dialect {
            Dialect::Sqlite if bare == 0 => "?",
            dialect => dialect.placeholder(),
        };
        BindOrder {
            numbers: numbers.collect(),
            numbered: bare == 0,
            sign,
            total,
        }
    }

    /// Puts values by slot into the order in which the text with one value for each slot binds them.
    pub(super) fn in_order(&self, values: Vec<Value>) -> Vec<Value> {
        if self.in_line || self.order.numbered {
            return values;
        }
        self.arrange(&self.order, values, None)
    }

    /// Puts the values of one of many rows into the order in which they are bound.
    pub(super) fn in_order_of_row(&self, values: Vec<Value>) -> Vec<Value> {
        if self.in_line || self.dialect.numbers_placeholders() {
            return values;
        }
        self.arrange(&BindOrder::default(), values, None)
    }

    /// Puts values by slot into an order.
    pub(super) fn arrange(&self, order: &BindOrder, values: Vec<Value>, widths: Option<&[u32]>) -> Vec<Value> {
        let mut bound = Vec::with_capacity(order.total.max(self.holes.len()));
        let width = |slot: usize| widths.map_or(SCALAR, |widths| widths[slot]);
        let mut values: Vec<_> = values.into_iter().map(Some).collect();
        let mut left = self.uses.to_vec();
        for hole in self.holes.iter().filter(|hole| order.number(hole.slot).is_none()) {
            steps::count(1);
            left[hole.slot] -= 1;
            let value = &mut values[hole.slot];
            let value = if left[hole.slot] == 0 {
                value.take()
            } else {
                value.clone()
            };
            spread(&mut bound, value.unwrap_or(Value::Null), width(hole.slot));
        }
        for (slot, value) in values.into_iter().enumerate() {
            if order.number(slot).is_some() {
                steps::count(1);
                spread(&mut bound, value.unwrap_or(Value::Null), width(slot));
            }
        }
        bound
    }
}

/// Appends a value, or the members of a list; the last member is repeated up to `width`.
fn spread(into: &mut Vec<Value>, value: Value, width: u32) {
    let Value::List(items) = value else {
        return into.push(value);
    };
    let missing = (width as usize).saturating_sub(items.len());
    into.extend(items);
    if let (true, Some(last)) = (missing > 0, into.last().cloned()) {
        into.extend(std::iter::repeat_n(last, missing));
    }
}
