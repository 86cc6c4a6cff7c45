//! What somebody may have meant.

/// The candidate nearest to `wanted`, if it is near enough to be what was meant: at most two slips of the pen
/// (a letter too many, too few, wrong, or swapped with its neighbour), or one in three letters of a long word.
pub(crate) fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted: Vec<char> = wanted.chars().flat_map(char::to_lowercase).collect();
    // In a short word two slips leave little of it.
    let limit = if wanted.len() <= 5 {
        1
    } else {
        (wanted.len() / 3).max(2)
    };
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            (slips(&wanted, &letters), candidate)
        })
        .filter(|(slips, _)| *slips <= limit)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// How many slips lead from one word to the other.
fn slips(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_allows_two_slips_and_no_more() {
        let known = ["host", "port", "pool_size", "statement_cache_capacity"];
        for (word, expected) in [
            ("hots", Some("host")),
            ("poolsize", Some("pool_size")),
            ("POOL_SIZE", Some("pool_size")),
            ("statment_cash_capacity", Some("statement_cache_capacity")),
            ("p", None),
            ("", None),
            ("banana", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
