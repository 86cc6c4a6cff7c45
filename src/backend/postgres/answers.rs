//! What the server has answered about the types of parameters, on one connection.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::SqlStr;

use super::encode::{ASKED, ASKED_ARRAY, converts};
use super::server_type::ServerType;
use super::{literal, oid};
use crate::backend::sqlx::variants::spelled;
use crate::sql::Statement;
use crate::value::Value;

/// Number of texts and types of which a connection keeps the answers.
const MOST: usize = 1_000;

/// Number of answers that are kept for one text and its types, of which each is for other `NULL`s.
const MOST_OF_ONE: usize = 32;

/// The answers that a connection has received. They belong to it, because sessions may see different tables under one
/// name.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// By the number of the use of a text.
    by_use: HashMap<u64, Vec<Answered>>,
    /// The uses of texts with types that sqlx cannot look up.
    pub(super) as_text: HashSet<u64>,
}

#[derive(Debug)]
struct Answered {
    /// The `NULL`s that are sent with another type than their own; the answer is for just these. If empty, it is for all
    /// values of the use.
    nulls: Box<[bool]>,
    form: Arc<Form>,
}

impl Answers {
    pub(super) fn find(&self, used: u64, nulls: &(impl Iterator<Item = bool> + Clone)) -> Option<&Arc<Form>> {
        let answers = self.by_use.get(&used)?;
        let fits = |one: &&Answered| one.nulls.is_empty() || one.nulls.iter().copied().eq(nulls.clone());
        answers.iter().find(fits).map(|one| &one.form)
    }

    pub(super) fn add(&mut self, used: u64, nulls: Box<[bool]>, form: Form) {
        if self.by_use.len() >= MOST {
            self.clear();
        }
        let form = Arc::new(form);
        let answers = self.by_use.entry(used).or_default();
        if answers.len() >= MOST_OF_ONE {
            answers.clear();
        }
        answers.push(Answered { nulls, form });
    }

    pub(super) fn forget(&mut self, used: u64) {
        self.by_use.remove(&used);
    }

    pub(crate) fn clear(&mut self) {
        self.by_use.clear();
        self.as_text.clear();
    }
}

/// The form in which values are sent with a text.
#[derive(Debug)]
pub(in crate::backend) struct Form {
    pub(in crate::backend) sql: SqlStr,
    pub(in crate::backend) places: Box<[SentParameter]>,
    /// Set if the server has told the types of the parameters.
    pub(super) is_told: bool,
}

/// One parameter of a form.
#[derive(Debug)]
pub(in crate::backend) struct SentParameter {
    pub(in crate::backend) declared: u32,
    /// What the server reported of the type, if the value is converted to it here.
    pub(in crate::backend) found: Option<Arc<ServerType>>,
    /// The type to which the server converts the text that is sent.
    cast: Option<Arc<ServerType>>,
}

impl Form {
    /// Creates the form for values that have the types `own` by themselves.
    pub(super) fn new(statement: &Statement, own: &[u32], types: Option<&[Arc<ServerType>]>) -> Self {
        let place = |(index, own): (usize, &u32)| SentParameter::new(*own, types.and_then(|types| types.get(index)));
        let places: Box<[SentParameter]> = own.iter().enumerate().map(place).collect();
        let cast = |index: usize| places.get(index).and_then(SentParameter::cast);
        let declared: Vec<u32> = places.iter().map(|place| place.declared).collect();
        let sql = if places.iter().any(|place| place.cast.is_some()) {
            spelled(&statement.with_casts(cast), &declared)
        } else {
            spelled(statement.text(), &declared)
        };
        Self {
            sql,
            places,
            is_told: types.is_some(),
        }
    }

    /// Returns whether the value of a place is sent with the type that it has by itself.
    pub(super) fn declares(&self, own: &[u32], place: usize) -> bool {
        self.places[place].declared == own[place]
    }
}

impl SentParameter {
    fn new(own: u32, found: Option<&Arc<ServerType>>) -> Self {
        let declared = |declared| Self {
            declared,
            found: None,
            cast: None,
        };
        let Some(found) = found else {
            return declared(match own {
                ASKED => oid::TEXT,
                ASKED_ARRAY => oid::TEXT_ARRAY,
                own => own,
            });
        };
        let cast = |through| Self {
            declared: through,
            found: None,
            cast: Some(Arc::clone(found)),
        };
        let converted = || Self {
            declared: found.oid,
            found: Some(Arc::clone(found)),
            cast: None,
        };
        match (own, found.element) {
            (oid::TEXT_ARRAY | ASKED_ARRAY, None) => declared(oid::TEXT_ARRAY),
            (oid::TEXT_ARRAY, Some(member)) if oid::is_text(member) && !found.foreign => converted(),
            (ASKED_ARRAY, Some(member)) if converts(member) && !found.foreign => converted(),
            (oid::TEXT_ARRAY | ASKED_ARRAY, Some(_)) => cast(oid::TEXT_ARRAY),
            // The server refuses a long `name`, and cuts off a text to make one.
            (oid::TEXT, _) if found.oid == oid::NAME => declared(oid::TEXT),
            (oid::TEXT, _) if oid::is_text(found.oid) => declared(found.oid),
            (ASKED, _) if converts(found.oid) => converted(),
            (oid::TEXT | ASKED, _) => cast(oid::TEXT),
            // The driver would look up the type, which a pooler may prevent.
            _ if found.foreign => cast(oid::TEXT),
            _ => declared(found.oid),
        }
    }

    /// Returns the value as it stands in a text, or the name of its kind if it cannot stand there.
    pub(super) fn literal(&self, value: &Value) -> Result<String, &'static str> {
        if value.is_null() {
            return Ok("NULL".to_owned());
        }
        let text = literal::text(value).ok_or_else(|| value.kind())?;
        let literal = literal::quoted(&text);
        Ok(
            match (self.cast(), literal::type_name(value), literal::member_type(value)) {
                (Some((through, to)), ..) => format!("({literal}::{through}::{to})"),
                (None, Some(name), _) => format!("({literal}::{name})"),
                (None, None, Some(member)) => format!("({literal}::{member}[])"),
                _ if self.declared == oid::TEXT => format!("({literal}::text)"),
                _ if self.declared == oid::TEXT_ARRAY => format!("({literal}::text[])"),
                // The server infers its type, as it did that of the parameter.
                _ => literal,
            },
        )
    }

    /// Returns the name of the type to which the server converts the text that is sent.
    pub(super) fn cast_to(&self) -> Option<&str> {
        self.cast.as_ref().map(|to| &*to.name)
    }

    fn cast(&self) -> Option<(&str, &str)> {
        let through = if self.declared == oid::TEXT_ARRAY {
            "text[]"
        } else {
            "text"
        };
        self.cast.as_ref().map(|to| (through, &*to.name))
    }
}
