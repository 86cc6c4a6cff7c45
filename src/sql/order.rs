//! In which order the values of a statement are bound, and which of its placeholders have numbers.
//!
//! PostgreSQL numbers all of them, MySQL none. SQLite could do either, but its driver looks the name of a numbered one up
//! among all that have numbers, once for each value: the work grows with their product. So a value stands behind a bare
//! `?` wherever the text uses it once, and is bound again for each further use in a list or in one of many rows.
//! A scalar that the text uses several times keeps one number, because SQLite takes `?1` and `?1` for the same expression,
//! and two bare ones for two; of such a text there are a few at most.

use super::Dialect;
use super::list::SCALAR;
use super::steps;
use super::template::Template;
use crate::value::Value;

/// How many values of a text may share a number before each use is bound for itself.
const SHARED: usize = 16;

/// The order for one text. First come the values without numbers, one for each placeholder in the order of the text, then
/// those with numbers, each once.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The number of the (first) value of each slot, if it has one; counted from 1.
    numbers: Box<[Option<usize>]>,
    /// Whether none is without.
    numbered: bool,
    /// What stands before a number.
    sign: char,
    /// How many values are bound.
    pub(super) total: usize,
}

impl Order {
    /// Writes the placeholder of a slot, or that of a member of its list.
    pub(super) fn write(&self, out: &mut String, slot: usize, member: usize) {
        match self.number(slot) {
            None => out.push('?'),
            Some(number) => {
                out.push(self.sign);
                out.push_str(&(number + member).to_string());
            }
        }
    }

    fn number(&self, slot: usize) -> Option<usize> {
        self.numbers.get(slot).copied().flatten()
    }
}

impl Template {
    /// The order for the text with one value for each slot, or with lists of these widths.
    pub(super) fn order(&self, widths: Option<&[u32]>) -> Order {
        let order = match self.dialect {
            Dialect::Postgres => self.order_by(widths, |_| true),
            Dialect::MySql => self.order_by(widths, |_| false),
            Dialect::Sqlite => {
                let shared = self.uses.iter().filter(|uses| **uses > 1).count();
                let scalar = |slot: usize| widths.is_none_or(|widths| widths[slot] == SCALAR);
                self.order_by(widths, |slot| shared <= SHARED && self.uses[slot] > 1 && scalar(slot))
            }
        };
        if self.dialect == Dialect::Sqlite && order.total > self.dialect.max_parameters() {
            // Bound once each, they may still be few enough.
            return self.order_by(widths, |_| true);
        }
        order
    }

    fn order_by(&self, widths: Option<&[u32]>, numbered: impl Fn(usize) -> bool) -> Order {
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
        // SQLite makes `?7` its seventh parameter, and a bare one behind it the eighth, which its driver would not count so.
        // `$7` it makes the next one, and the driver gives it the seventh value; bare ones beside it count themselves only.
        let sign = if self.dialect == Dialect::Sqlite && bare == 0 {
            '?'
        } else {
            '$'
        };
        Order {
            numbers: numbers.collect(),
            numbered: bare == 0,
            sign,
            total,
        }
    }

    /// Brings values by slot into the order in which the text with one value for each slot binds them.
    pub(super) fn in_order(&self, values: Vec<Value>) -> Vec<Value> {
        if self.in_line || self.order.numbered {
            return values;
        }
        self.arrange(&self.order, values, None)
    }

    /// Brings the values of one of many rows into the order in which they are bound.
    pub(super) fn in_order_of_row(&self, values: Vec<Value>) -> Vec<Value> {
        if self.in_line || self.dialect == Dialect::Postgres {
            return values;
        }
        self.arrange(&Order::default(), values, None)
    }

    /// Brings values by slot into an order.
    pub(super) fn arrange(&self, order: &Order, values: Vec<Value>, widths: Option<&[u32]>) -> Vec<Value> {
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

/// How many values a slot has.
pub(super) fn width(widths: &[u32], slot: usize) -> usize {
    if widths[slot] == SCALAR {
        1
    } else {
        widths[slot] as usize
    }
}

/// Appends a value, or the members of a list, the last of them repeated up to `width`.
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
