//! A type as the server describes it.

use super::oid;

/// A type that the server expects.
#[derive(Debug)]
pub(super) struct ServerType {
    pub(super) oid: u32,
    /// The type that it is without its domains.
    pub(super) base: u32,
    /// Set if its binary form is its text.
    pub(super) is_text: bool,
    /// Set if sqlx cannot look it up.
    pub(super) odd: bool,
    /// The type of the members, if it is an array.
    pub(super) element: Option<Box<Self>>,
    /// The quoted name with its schema.
    pub(super) name: Box<str>,
}

impl ServerType {
    /// Returns whether text is sent as it is. A `name` is not: the server cuts other text off to make one.
    pub(super) fn takes_text(&self) -> bool {
        self.is_text && self.base != oid::NAME
    }

    /// Returns the name for messages.
    pub(super) fn shown(&self) -> String {
        match self.name.strip_prefix("pg_catalog.") {
            Some(name) => name.trim_matches('"').to_uppercase(),
            None => self.name.to_string(),
        }
    }
}
