//! A type as the server describes it.

use super::oid;

/// A type that the server expects.
#[derive(Debug)]
pub(in crate::backend) struct ServerType {
    pub(super) oid: u32,
    /// The type of the members, if it is an array.
    pub(super) element: Option<u32>,
    /// Set if sqlx has to look it up, or cannot.
    pub(super) foreign: bool,
    /// The quoted name with its schema.
    pub(super) name: Box<str>,
}

impl ServerType {
    /// Reads a row of the server's answer.
    pub(super) fn read(row: &str) -> Option<Self> {
        let mut parts = row.splitn(4, ' ');
        let oid = parts.next()?.parse().ok()?;
        let element = parts.next()?.parse().ok()?;
        let is_odd = parts.next()? == "t";
        Some(Self {
            oid,
            element: (element != 0).then_some(element),
            foreign: is_odd || oid >= oid::FIRST_OF_USERS || element >= oid::FIRST_OF_USERS,
            name: parts.next()?.into(),
        })
    }

    /// Returns the name for messages.
    pub(super) fn shown(&self) -> String {
        match self.name.strip_prefix("pg_catalog.") {
            Some(name) => name.trim_matches('"').to_uppercase(),
            None => self.name.to_string(),
        }
    }
}
