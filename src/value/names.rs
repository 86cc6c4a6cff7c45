//! The names of a statement's parameters.

use std::borrow::Cow;
use std::collections::HashMap;

/// Up to this number of names a search compares them one by one.
const FEW: usize = 16;

/// Names in the order of their values.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    /// Names from the source, as `params!` finds them: nothing is copied or allocated for them.
    Written(&'static [&'static str]),
    Given(Vec<Cow<'static, str>>),
    Indexed(Box<IndexedNames>),
}

/// Many names, and the first index of each.
#[derive(Clone, Debug)]
pub(crate) struct IndexedNames {
    names: Vec<Cow<'static, str>>,
    index: HashMap<Cow<'static, str>, usize>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Written(names) => names.len(),
            Self::Given(names) => names.len(),
            Self::Indexed(indexed) => indexed.names.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.at(index))
    }

    pub(super) fn push(&mut self, name: Cow<'static, str>) {
        match self {
            Self::Written(_) => {
                let names = self.iter().map(|name| name.to_owned().into());
                *self = Self::Given(names.chain([name]).collect());
            }
            Self::Given(names) => names.push(name),
            Self::Indexed(indexed) => indexed.push(name),
        }
    }

    /// Returns the index of a name. Many names are indexed by the first search.
    pub(super) fn position(&mut self, name: &str) -> Option<usize> {
        if let Self::Given(names) = self
            && names.len() > FEW
        {
            let mut indexed = IndexedNames {
                names: Vec::with_capacity(names.len()),
                index: HashMap::with_capacity(names.len()),
            };
            names.drain(..).for_each(|name| indexed.push(name));
            *self = Self::Indexed(Box::new(indexed));
        }
        match self {
            Self::Indexed(indexed) => indexed.index.get(name).copied(),
            _ => self.iter().position(|known| known == name),
        }
    }

    /// Returns the name at an index; there is one for each value.
    pub(crate) fn at(&self, index: usize) -> &str {
        match self {
            // A raw identifier is written `r#type`, but means `type`.
            Self::Written(names) => names[index].strip_prefix("r#").unwrap_or(names[index]),
            Self::Given(names) => &names[index],
            Self::Indexed(indexed) => &indexed.names[index],
        }
    }
}

impl IndexedNames {
    fn push(&mut self, name: Cow<'static, str>) {
        self.index.entry(name.clone()).or_insert(self.names.len());
        self.names.push(name);
    }
}
