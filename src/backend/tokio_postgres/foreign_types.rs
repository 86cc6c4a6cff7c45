//! The types that are not among the common ones, as the server describes them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::postgres::{ForeignKind, ForeignType};

/// The most types of which one consists in turn. What is beyond that is read as the server sends it.
const DEEPEST: usize = 64;

/// A type that was looked up.
#[derive(Debug)]
pub(super) struct KnownType {
    oid: u32,
    /// Number of types of which it consists in turn.
    depth: usize,
    name: Box<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    /// It has no binary format that can be read, so its values are asked for as text.
    TextOnly,
    Domain(Arc<KnownType>),
    Array(Arc<KnownType>),
    Other,
}

impl KnownType {
    /// Returns whether its values have to be asked for as text.
    pub(super) fn is_text_only(&self) -> bool {
        match &self.kind {
            Kind::TextOnly => true,
            Kind::Domain(of) | Kind::Array(of) => of.is_text_only(),
            Kind::Text | Kind::Other => false,
        }
    }
}

impl ForeignType for KnownType {
    fn number(&self) -> u32 {
        self.oid
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> Option<ForeignKind<'_, Self>> {
        Some(match &self.kind {
            Kind::Text => ForeignKind::Text,
            Kind::Domain(base) => ForeignKind::Domain(base),
            Kind::Array(member) => ForeignKind::Array(member),
            Kind::TextOnly | Kind::Other => ForeignKind::Other,
        })
    }
}

/// The types that a connection has looked up.
#[derive(Debug, Default)]
pub(super) struct ForeignTypes(HashMap<u32, Arc<KnownType>>);

impl ForeignTypes {
    pub(super) fn get(&self, oid: u32) -> Option<Arc<KnownType>> {
        self.0.get(&oid).map(Arc::clone)
    }

    /// Returns the question about those of the types that are not known, if there are any. Its answer has one text for
    /// each type and for each type that it consists of: number, kind, number of the other type, name.
    pub(super) fn question(&self, types: impl Iterator<Item = u32>) -> Option<String> {
        let unknown: Vec<String> = types
            .filter(|oid| !self.0.contains_key(oid))
            .map(|oid| oid.to_string())
            .collect();
        if unknown.is_empty() {
            return None;
        }
        let unknown = unknown.join(", ");
        Some(format!(
            "WITH RECURSIVE asked AS (SELECT t.oid, t.typname, t.typtype, t.typcategory, t.typsend, CASE WHEN t.typtype = 'd' THEN \
             t.typbasetype WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END AS other FROM pg_catalog.pg_type t WHERE t.oid IN \
             ({unknown}) UNION SELECT t.oid, t.typname, t.typtype, t.typcategory, t.typsend, CASE WHEN t.typtype = 'd' THEN t.typbasetype \
             WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END FROM asked JOIN pg_catalog.pg_type t ON t.oid = asked.other) \
             SELECT pg_catalog.concat_ws(' ', oid, CASE WHEN typtype = 'd' THEN 'd' WHEN typcategory = 'A' THEN 'a' WHEN typtype \
             = 'm' OR typcategory = 'Z' OR typsend = 0 THEN 'm' WHEN typtype = 'e' OR typname = 'citext' THEN 't' ELSE 'o' END, other, CASE \
             WHEN oid >= 16384 THEN pg_catalog.format_type(oid, NULL) WHEN pg_catalog.left(typname::text, 1) = '_' THEN \
             pg_catalog.upper(pg_catalog.substr(typname::text, 2)) || '[]' ELSE pg_catalog.upper(typname::text) END) FROM asked"
        ))
    }

    /// Keeps the answer.
    pub(super) fn learn(&mut self, rows: &[String]) {
        let rows: HashMap<u32, Described<'_>> = rows.iter().filter_map(|row| Described::read(row)).collect();
        for oid in rows.keys() {
            self.add(*oid, &rows, DEEPEST);
        }
    }

    /// Adds a type, after the one that it consists of, for which `left` levels are left.
    fn add(&mut self, oid: u32, rows: &HashMap<u32, Described<'_>>, left: usize) -> Option<Arc<KnownType>> {
        if let Some(known) = self.get(oid) {
            return Some(known);
        }
        let described = rows.get(&oid)?;
        let other = self.add(described.other, rows, left.checked_sub(1)?);
        let other = other.filter(|other| other.depth < DEEPEST);
        let depth = other.as_ref().map_or(0, |other| other.depth + 1);
        let kind = match (described.kind, other) {
            ("d", Some(base)) => Kind::Domain(base),
            ("a", Some(member)) => Kind::Array(member),
            ("m", _) => Kind::TextOnly,
            ("t", _) => Kind::Text,
            _ => Kind::Other,
        };
        let name = described.name.into();
        let known = Arc::new(KnownType { oid, depth, name, kind });
        self.0.insert(oid, Arc::clone(&known));
        Some(known)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A row of the answer.
struct Described<'r> {
    kind: &'r str,
    /// The number of the type that it consists of; 0 if it consists of none.
    other: u32,
    name: &'r str,
}

impl<'r> Described<'r> {
    fn read(row: &'r str) -> Option<(u32, Self)> {
        let mut parts = row.splitn(4, ' ');
        let oid = parts.next()?.parse().ok()?;
        let kind = parts.next()?;
        let other = parts.next()?.parse().ok()?;
        let name = parts.next()?;
        Some((oid, Self { kind, other, name }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q4_types_that_consist_of_others_are_known_with_them() {
        let mut types = ForeignTypes::default();
        assert!(types.question([600].into_iter()).unwrap().contains("(600)"));
        let rows = [
            "17001 a 17000 mood[]",
            "17000 d 17002 a mood",
            "17002 t 0 mood",
            "600 o 701 POINT",
        ];
        types.learn(&rows.map(str::to_owned));
        let array = types.get(17001).unwrap();
        let Some(ForeignKind::Array(domain)) = array.kind() else {
            panic!("{array:?}")
        };
        let Some(ForeignKind::Domain(text)) = domain.kind() else {
            panic!("{domain:?}")
        };
        assert_eq!((domain.name(), text.number()), ("a mood", 17002));
        assert!(matches!(text.kind(), Some(ForeignKind::Text)));
        assert_eq!(types.get(600).unwrap().name(), "POINT");
        assert!(types.question([600, 17001].into_iter()).is_none());
    }

    #[test]
    fn d1_types_that_consist_of_each_other_are_known_all_the_same() {
        let mut types = ForeignTypes::default();
        let circle = [
            "1 d 2 one".to_owned(),
            "2 d 1 other".to_owned(),
            "3 d 3 itself".to_owned(),
        ];
        let chain = (10..100_000).map(|oid| format!("{oid} d {} link", oid + 1));
        types.learn(&circle.into_iter().chain(chain).collect::<Vec<_>>());
        for oid in [1, 2, 3, 10, 50_000] {
            let known = types.get(oid).expect("it was described");
            assert!(known.depth <= DEEPEST && !known.is_text_only(), "{oid}");
        }
    }
}
