//! Orders items that depend on each other. No I/O.

use std::collections::BTreeSet;

/// The dependencies of one item, as indices of other items.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// Items that must be created before.
    pub(super) before: BTreeSet<usize>,
    /// Items that may also be created afterwards.
    pub(super) later: BTreeSet<usize>,
}

/// An order that follows the given one as far as possible.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) order: Vec<usize>,
    /// Pairs of an item and a dependency that is created after it.
    pub(super) late: Vec<(usize, usize)>,
}

/// Returns an order of the items, or a cycle that cannot be broken.
pub(super) fn order(needs: &[Needs]) -> Result<Order, Vec<usize>> {
    let mut open: BTreeSet<usize> = (0..needs.len()).collect();
    let mut sorted = Order {
        order: Vec::with_capacity(needs.len()),
        late: Vec::new(),
    };
    while !open.is_empty() {
        let waits = |one: usize, on: &BTreeSet<usize>| on.iter().any(|other| *other != one && open.contains(other));
        let ready = |one: usize| !waits(one, &needs[one].before) && !waits(one, &needs[one].later);
        let next = open.iter().copied().find(|one| ready(*one));
        // No item is ready: break a cycle if possible.
        let next = next.or_else(|| {
            open.iter()
                .copied()
                .find(|one| !waits(*one, &needs[*one].before) && circle(needs, &open, *one).is_some())
        });
        let Some(next) = next else {
            let found = open.iter().find_map(|one| circle(needs, &open, *one));
            return Err(found.unwrap_or_else(|| open.into_iter().collect()));
        };
        let late = needs[next]
            .later
            .iter()
            .filter(|other| **other != next && open.contains(*other));
        sorted.late.extend(late.map(|other| (next, *other)));
        open.remove(&next);
        sorted.order.push(next);
    }
    Ok(sorted)
}

/// Returns a cycle through `start` and other open items.
fn circle(needs: &[Needs], open: &BTreeSet<usize>, start: usize) -> Option<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let last = way[way.len() - 1];
        for &next in needs[last].before.iter().chain(&needs[last].later) {
            if next == start && last != start {
                return Some(way);
            }
            if next != last && open.contains(&next) && seen.insert(next) {
                let mut longer = way.clone();
                longer.push(next);
                ways.push(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needs(list: &[(&[usize], &[usize])]) -> Vec<Needs> {
        let set = |list: &[usize]| list.iter().copied().collect();
        list.iter()
            .map(|(before, later)| Needs {
                before: set(before),
                later: set(later),
            })
            .collect()
    }

    #[test]
    fn r4_what_is_needed_comes_first_and_the_rest_stays() {
        let sorted = order(&needs(&[(&[], &[2]), (&[], &[]), (&[1], &[]), (&[3], &[])])).unwrap();
        assert_eq!(sorted.order, [1, 2, 0, 3]);
        assert!(sorted.late.is_empty());
    }

    #[test]
    fn r4_a_circle_is_cut_where_it_can_be() {
        let sorted = order(&needs(&[(&[], &[1]), (&[0], &[]), (&[], &[0])])).unwrap();
        assert_eq!((sorted.order, sorted.late), (vec![0, 1, 2], vec![(0, 1)]));
        assert_eq!(
            order(&needs(&[(&[1], &[]), (&[2], &[]), (&[0], &[])])),
            Err(vec![0, 1, 2])
        );
    }

    proptest! {
        #[test]
        fn r4_any_order_keeps_what_is_needed(list in proptest::collection::vec(
            (proptest::collection::btree_set(0_usize..8, 0..2), proptest::collection::btree_set(0_usize..8, 0..3)), 8)) {
            let needs: Vec<_> = list.into_iter().map(|(before, later)| Needs { before, later }).collect();
            if let Ok(sorted) = order(&needs) {
                let place = |one: usize| sorted.order.iter().position(|other| *other == one).unwrap();
                for (one, needs) in needs.iter().enumerate() {
                    prop_assert!(needs.before.iter().all(|other| *other == one || place(*other) < place(one)));
                    let kept = |other: &usize| {
                        *other == one || place(*other) < place(one) || sorted.late.contains(&(one, *other))
                    };
                    prop_assert!(needs.later.iter().all(kept));
                }
            }
        }
    }
}
