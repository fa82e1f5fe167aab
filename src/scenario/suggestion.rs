//! "Did you mean": the known word that a misspelt one was meant to be.

/// The nearest candidate, if one is near: one edit in three letters, or one word is the start of the other.
///
/// Ties go to the first candidate.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let letters = word.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = plain(candidate);
            let distance = strsim::osa_distance(&word, &known);
            let is_start = letters >= 3 && (known.starts_with(&word) || word.starts_with(&known) && known.len() >= 3);
            (distance <= (letters / 3).max(1) || is_start).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The way out of an unknown word: the nearest known one, or all of them.
pub(crate) fn way_out(word: &str, candidates: &[&str], what: &str) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None if candidates.is_empty() => format!("there are no {what} here"),
        None => format!("{what}: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbour() {
        let known = ["lin_ucb", "lin_thompson", "epsilon_greedy", "rule"];
        assert_eq!(nearest("lin_ubc", known), Some("lin_ucb"));
        assert_eq!(nearest("Lin-UCB", known), Some("lin_ucb"));
        assert_eq!(nearest("epsilon", known), Some("epsilon_greedy"));
        assert_eq!(nearest("bandit", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("half_life", ["half_life_days"]), Some("half_life_days"));
    }

    #[test]
    fn far_words_get_the_whole_list() {
        assert_eq!(way_out("zzz", &["alpha", "beta"], "known keys"), "known keys: alpha, beta");
        assert_eq!(way_out("alhpa", &["alpha", "beta"], "known keys"), "did you mean \"alpha\"?");
        assert_eq!(way_out("alpha", &[], "keys"), "there are no keys here");
    }
}
