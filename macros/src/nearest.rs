//! Suggestions for unknown words.

/// Returns `, did you mean …?` if one of the known words is near, else a list of them.
pub(crate) fn advice<'w>(wanted: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(wanted, &known) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known are `{}`", known.join("`, `")),
    }
}

fn nearest<'w>(wanted: &str, known: &[&'w str]) -> Option<&'w str> {
    let limit = (wanted.chars().count() / 3).max(1);
    known
        .iter()
        .map(|word| (strsim::osa_distance(wanted, word), *word))
        .filter(|(slips, _)| *slips <= limit)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant_or_all_are_shown() {
        let known = ["migrations", "migrator", "url", "strategy"];
        assert_eq!(advice("migration", known), "; did you mean `migrations`?");
        assert_eq!(advice("stratgey", known), "; did you mean `strategy`?");
        assert!(advice("banana", known).contains("known are `migrations`"));
        assert_eq!(advice("x", []), "");
    }
}
