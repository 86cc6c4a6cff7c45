//! The numbers of a statement's placeholders.

/// The width of a slot that holds no list.
pub(super) const SCALAR: u32 = u32::MAX;

/// The order for one text. First come the values without numbers, one for each placeholder in the order of the text,
/// then those with numbers, each once.
#[derive(Debug, Default)]
pub(super) struct BindOrder {
    /// The number of the (first) value of each slot, if it has one; counted from 1.
    pub(super) numbers: Box<[Option<usize>]>,
    /// Set if every value has a number.
    pub(super) numbered: bool,
    /// What stands before a number.
    pub(super) sign: &'static str,
    /// Number of bound values.
    pub(super) total: usize,
}

impl BindOrder {
    /// Writes the placeholder of a slot, or that of a member of its list.
    pub(super) fn write(&self, out: &mut String, slot: usize, member: usize) {
        match self.number(slot) {
            None => out.push('?'),
            Some(number) => {
                out.push_str(self.sign);
                out.push_str(&(number + member).to_string());
            }
        }
    }

    pub(super) fn number(&self, slot: usize) -> Option<usize> {
        self.numbers.get(slot).copied().flatten()
    }
}

/// Returns the number of values of a slot.
pub(super) fn width(widths: &[u32], slot: usize) -> usize {
    if widths[slot] == SCALAR {
        1
    } else {
        widths[slot] as usize
    }
}
