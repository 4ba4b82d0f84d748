//! Hints for keys that do not exist: the known key that was probably meant, or that this version has no such thing.

/// Keys of features that this version lacks, by the pattern's last parts, and what they would be for.
const ABSENT: [(&str, &str); 16] = [
    ("cluster", "a cluster"),
    ("peer", "a cluster"),
    ("role", "a cluster"),
    ("zone", "a cluster"),
    ("weight", "a cluster"),
    ("placement", "a cluster"),
    ("warm", "warming"),
    ("on_write", "warming on write"),
    ("refresh_ahead", "refreshing ahead of time"),
    ("stale_if_error", "stale answers"),
    (
        "honor_cache_control",
        "freshness by the object's own Cache-Control",
    ),
    ("list_max_age", "cached listings"),
    ("negative_max_age", "negative caching"),
    ("quota", "quotas"),
    ("bypass", "a bypass switch in the configuration"),
    ("proxy", "egress proxies"),
];

/// What to write instead of `key`, which is none of the `known`.
pub(super) fn hint(path: &str, key: &str, known: &[&'static str]) -> String {
    if let Some((_, feature)) = ABSENT.iter().find(|(absent, _)| *absent == key) {
        return format!("this version of Forebay does not have {feature}: remove {path}");
    }
    match nearest(key, known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known word that `word` is most likely a slip of.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    let (distance, meant) = known
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + word.len() / 4).then_some(meant)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_the_key_that_was_meant() {
        let known = ["address", "domains", "tls", "connections"];
        assert_eq!(nearest("adress", &known), Some("address"));
        assert_eq!(nearest("tsl", &known), Some("tls"));
        assert_eq!(nearest("Connection", &known), Some("connections"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn features_to_come_are_named() {
        let hint = hint("cluster", "cluster", &["node"]);
        assert!(hint.contains("a cluster"), "{hint}");
    }
}
