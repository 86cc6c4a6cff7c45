//! Which known word was meant by an unknown one.

/// `, did you mean …?` if one of the known words is near, else a list of them.
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
        .map(|word| (slips(wanted, word), *word))
        .filter(|(slips, _)| *slips <= limit)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

/// How many letters must be added, dropped or changed to make one word of the other.
fn slips(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[to.len()]
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
