//! The names of a statement's parameters.

use std::borrow::Cow;

/// Names in the order of their values.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    /// Names from the source, as `params!` finds them: nothing is copied or allocated for them.
    Written(&'static [&'static str]),
    Given(Vec<Cow<'static, str>>),
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Written(names) => names.len(),
            Self::Given(names) => names.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.at(index))
    }

    pub(super) fn push(&mut self, name: Cow<'static, str>) {
        if let Self::Written(_) = self {
            *self = Self::Given(self.iter().map(|name| name.to_owned().into()).collect());
        }
        if let Self::Given(names) = self {
            names.push(name);
        }
    }

    /// Returns the name at an index; there is one for each value.
    pub(crate) fn at(&self, index: usize) -> &str {
        match self {
            // A raw identifier is written `r#type`, but means `type`.
            Self::Written(names) => names[index].strip_prefix("r#").unwrap_or(names[index]),
            Self::Given(names) => &names[index],
        }
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
