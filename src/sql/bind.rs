//! Binds values to a template.

use std::collections::HashSet;
use std::sync::Arc;

use super::bind_error::{BindError, count, names};
use super::bind_order::{BindOrder, SCALAR};
use super::list::ListPlace;
use super::template::{Style, Template};
use super::{Bound, Dialect, Product, Statement, steps};
use crate::error::{Result, nearest};
use crate::value::{Names, ParamValues, Params, Value};

/// The maximum number of texts that a template keeps for lists of different lengths.
const EXPANDED: usize = 64;

impl Template {
    /// Binds parameters: checks that each is present and used, and puts them into the order of the backend.
    pub(crate) fn bind(&self, params: Params) -> Result<Bound> {
        let bound = match self.resolve(params.0)? {
            None => self.bind_none()?,
            Some(values) => match self.place_lists(values)? {
                values if values.iter().any(is_list) => self.expand(values)?,
                values => Bound {
                    statement: Arc::clone(&self.single),
                    values: self.in_order(values),
                },
            },
        };
        Ok(bound)
    }

    /// Returns the values by slot, or `None` if the text is sent without any.
    pub(super) fn resolve(&self, bindings: ParamValues) -> Result<Option<Vec<Value>>, BindError> {
        match bindings {
            ParamValues::Positional(values) if !values.is_empty() => self.by_position(values).map(Some),
            ParamValues::Named(names, values) if !values.is_empty() => self.by_name(&names, values).map(Some),
            _ if self.plain.is_some() => Ok(None),
            _ if self.style == Style::Named => Err(BindError::new(
                format!(
                    "the statement needs {}, and no parameters were given",
                    self.shown_names()
                ),
                format!(
                    "pass `params! {{ {}: … }}`; a colon that begins no parameter is written as \\:",
                    self.names.first().map_or("name", |name| name)
                ),
            )),
            _ => Err(BindError::new(
                format!(
                    "the statement has {}, and no values were given",
                    count(self.slots, "placeholder")
                ),
                "pass a tuple with one value for each placeholder, in their order",
            )),
        }
    }

    pub(super) fn bind_none(&self) -> Result<Bound, BindError> {
        match &self.plain {
            Some(plain) => Ok(Bound {
                statement: Arc::clone(plain),
                values: Vec::new(),
            }),
            None => Err(BindError::new(
                "the statement needs parameters, and none were given",
                "pass a tuple of values, or `params! { name: value }`",
            )),
        }
    }

    fn by_position(&self, values: Vec<Value>) -> Result<Vec<Value>, BindError> {
        // Written only for an error: most values fit.
        let given = || count(values.len(), "value");
        if self.style == Style::Named {
            return Err(BindError::new(
                format!(
                    "the statement names its parameters ({}), but got {} without a name",
                    self.shown_names(),
                    given()
                ),
                "name the values, as in `params! { id: 1 }`, or write `?` for the placeholders",
            ));
        }
        if self.style == Style::None {
            let help = "leave the values out, or write a placeholder (`?` or `$1`) for each of them";
            return Err(BindError::new(
                format!("the statement has no placeholders, but got {}", given()),
                help,
            ));
        }
        if values.len() != self.slots {
            let help = if self.style == Style::Question && self.dialect == Dialect::Postgres {
                "give one value for each placeholder; the operator ? is written as ?? beside values by position"
            } else {
                "give one value for each placeholder"
            };
            let slots = count(self.slots, "placeholder");
            return Err(BindError::new(
                format!("the statement has {slots}, but got {}", given()),
                help,
            ));
        }
        if let Some(gap) = self.gap {
            let number = gap + 1;
            return Err(BindError::new(
                format!("value {number} is not used: the statement has no placeholder with that number"),
                "number the placeholders from 1 without gaps",
            ));
        }
        Ok(values)
    }

    fn by_name(&self, given: &Names, values: Vec<Value>) -> Result<Vec<Value>, BindError> {
        if self.style != Style::Named {
            let given = names("", given.iter());
            let message = match self.style {
                Style::None => format!("the statement has no parameters, but got {given}"),
                _ => format!("the statement has placeholders without names, but the values have names ({given})"),
            };
            return Err(BindError::new(
                message,
                "write `:name` in the statement for each of the values",
            ));
        }
        if given.iter().eq(self.names.iter().map(|name| &**name)) {
            return Ok(values);
        }
        let mut slots: Vec<Option<Value>> = Vec::new();
        slots.resize(self.names.len(), None);
        for (name, value) in given.iter().zip(values) {
            match self.slot_of(name).map(|slot| &mut slots[slot]) {
                Some(slot @ None) => *slot = Some(value),
                _ => return Err(self.misnamed(given)),
            }
        }
        slots
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| self.misnamed(given))
    }

    /// Returns the slot of a name.
    fn slot_of(&self, name: &str) -> Option<usize> {
        steps::count(1);
        let index = || self.names.iter().cloned().zip(0..).collect();
        self.by_name.get_or_init(index).get(name).copied()
    }

    /// Returns the error for names of which one is missing, unknown or given twice.
    fn misnamed(&self, given: &Names) -> BindError {
        let meant = |near: Option<&str>| near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let mut seen = HashSet::with_capacity(given.len());
        let twice = given.iter().find(|name| !seen.insert(*name));
        if let Some(wanted) = self.names.iter().find(|wanted| !seen.contains(&***wanted)) {
            let spare = given.iter().filter(|name| self.slot_of(name).is_none());
            return BindError::new(
                format!("the statement needs :{wanted}, which was not given"),
                format!("given: {}{}", names("", given.iter()), meant(nearest(wanted, spare))),
            );
        }
        if let Some(name) = given.iter().find(|name| self.slot_of(name).is_none()) {
            let near = nearest(name, self.names.iter().map(|used| &**used));
            return BindError::new(
                format!("the parameter `{name}` is not used by the statement"),
                format!("leave it out; the statement uses {}{}", self.shown_names(), meant(near)),
            );
        }
        BindError::new(
            format!("the parameter `{}` was given twice", twice.unwrap_or_default()),
            "give each name once; the statement may use it several times",
        )
    }

    /// Makes arrays of the lists that are one value, if the backend has arrays.
    pub(super) fn place_lists(&self, mut values: Vec<Value>) -> Result<Vec<Value>, BindError> {
        for (slot, value) in values.iter_mut().enumerate() {
            let Value::List(members) = value else { continue };
            let of_slot = || {
                self.holes
                    .iter()
                    .filter(|hole| hole.slot == slot)
                    .map(|hole| hole.place)
            };
            match self.dialect {
                Dialect::Postgres if of_slot().all(|place| place != ListPlace::Members) => {
                    *value = Value::Array(std::mem::take(members));
                }
                Dialect::Postgres if of_slot().any(|place| place != ListPlace::Members) => {
                    return Err(BindError::new(
                        format!("{} is a list in IN (…), and one value elsewhere", self.shown(slot)),
                        "give it two names, or write `= ANY(…)` instead of IN (…) and `<> ALL(…)` instead of NOT IN (…)",
                    ));
                }
                Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic
                    if of_slot().any(|place| place == ListPlace::Value) =>
                {
                    return Err(BindError::new(
                        format!(
                            "{} is a list, but is not in the parentheses of IN (…)",
                            self.shown(slot)
                        ),
                        "write `IN (:name)`; to store a list, bind it as a JSON document (`ebbtide::Json`), because this \
                         database has no arrays",
                    ));
                }
                _ => {}
            }
        }
        Ok(values)
    }

    /// Binds values of which at least one is a list.
    fn expand(&self, values: Vec<Value>) -> Result<Bound, BindError> {
        let mut widths = self.widths(&values, true)?;
        if self.bound_count(Some(&widths)) > self.max_parameters() {
            widths = self.widths(&values, false)?;
        }
        let order = self.order(Some(&widths));
        self.check_size(self.bound_count(Some(&widths)))?;
        let statement = self.expanded_statement(&order, &widths);
        let values = self.arrange(&order, values, Some(&widths));
        Ok(Bound { statement, values })
    }

    /// Returns the number of placeholders for each slot.
    fn widths(&self, values: &[Value], pad: bool) -> Result<Vec<u32>, BindError> {
        let mut alone = vec![true; values.len()];
        for hole in self.holes.iter().filter(|hole| hole.list.is_none()) {
            alone[hole.slot] = false;
        }
        let mut widths = Vec::with_capacity(values.len());
        for (slot, value) in values.iter().enumerate() {
            let Value::List(items) = value else {
                widths.push(SCALAR);
                continue;
            };
            if items.iter().any(|item| matches!(item, Value::List(_))) {
                let message = format!("{} is a list that holds another list", self.shown(slot));
                return Err(BindError::new(
                    message,
                    "pass a list of single values; PostgreSQL accepts an `Array` as one value",
                ));
            }
            let alone = alone[slot];
            if items.is_empty() && !alone {
                return Err(BindError::new(
                    format!(
                        "{} is an empty list, but is not alone in the parentheses of IN",
                        self.shown(slot)
                    ),
                    "an empty list is allowed only in `IN (:name)` and `NOT IN (:name)`",
                ));
            }
            if items.is_empty()
                && let Some(product) = self.without_empty_lists()
            {
                return Err(BindError::new(
                    format!(
                        "{} is an empty list, and {product} has no `IN (…)` without members",
                        self.shown(slot)
                    ),
                    "leave the condition out where the list is empty, or bind a list with a value that never occurs",
                ));
            }
            let width = if pad && alone { padded(items.len()) } else { items.len() };
            widths.push(u32::try_from(width).unwrap_or(SCALAR - 1));
        }
        Ok(widths)
    }

    /// Returns the product if it has no words for an empty list whose type is not known.
    fn without_empty_lists(&self) -> Option<&'static str> {
        match self.mode.server?.product {
            Product::Hsqldb => Some("HSQLDB"),
            Product::Derby => Some("Derby"),
            _ => None,
        }
    }

    fn expanded_statement(&self, order: &BindOrder, widths: &[u32]) -> Arc<Statement> {
        if let Some(statement) = self.expanded.read().get(widths) {
            return Arc::clone(statement);
        }
        let statement = self.write(&self.render(order, Some(widths)), false);
        let mut expanded = self.expanded.write();
        if expanded.len() >= EXPANDED {
            expanded.clear();
        }
        Arc::clone(expanded.entry(widths.into()).or_insert(statement))
    }

    /// Returns the name or number of a slot, for messages.
    pub(super) fn shown(&self, slot: usize) -> String {
        self.names
            .get(slot)
            .map_or_else(|| format!("value {}", slot + 1), |name| format!(":{name}"))
    }
}

pub(super) fn is_list(value: &Value) -> bool {
    matches!(value, Value::List(_))
}

/// Returns the number of placeholders for a list. Few different numbers mean few different texts.
fn padded(length: usize) -> usize {
    if length == 0 { 0 } else { length.next_power_of_two() }
}
