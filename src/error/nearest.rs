//! Suggestions for misspelled names.

/// Returns the candidate nearest to `wanted`, if it is near enough. It may differ by at most two typos (a letter too
/// many, too few, wrong, or swapped with its neighbour), or by one in three letters of a long word.
pub(crate) fn nearest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = wanted.to_lowercase();
    let letters = wanted.chars().count();
    // Two typos leave little of a short word.
    let limit = if letters <= 5 { 1 } else { (letters / 3).max(2) };
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(slips, _)| *slips <= limit)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
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
