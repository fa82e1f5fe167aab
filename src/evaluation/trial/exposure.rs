//! Exposure mapping (Aronow & Samii 2017): whose friends are in the consumer's own arm, and how likely that was.
//!
//! A consumer is exposed where at least a declared share of their friends has the arm that they have themselves (fractional
//! neighbourhood exposure; Ugander, Karrer, Backstrom & Kleinberg 2013). Arms are drawn cluster by cluster and independently, so the
//! probability is exact: own cluster and arm with the arm's share, and then, of the friends in other clusters, enough in the
//! same arm, a sum of weighted Bernoulli draws whose law is built up cluster by cluster. Where all friends must be, that is
//! `share^(clusters among consumer and friends)`.
//!
//! A consumer whose exposure to any arm is less likely than the declared least is left out of all arms: what a hub with
//! friends in twenty communities does when all of them have one arm is never seen, and the few who were seen by luck
//! would weigh more than everybody else. What is compared then is the effect on the consumers who are left.

use crate::protocol::Friendships;
use std::collections::BTreeMap;

/// Who counts as exposed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposed {
    /// Share of the friends in the consumer's own arm, from 0 to 1, that it takes.
    pub share: f64,
    /// The least probability of exposure, to every arm, of a consumer who is read at all; from 0 to 1.
    pub least_probability: f64,
}

impl Default for Exposed {
    fn default() -> Self {
        Self { share: 1.0, least_probability: 0.05 }
    }
}

/// Who was exposed under an assignment, one value per consumer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposure {
    /// Whether the consumer is read: exposed to their own arm, and likely enough to have been exposed to any.
    pub met: Vec<bool>,
    /// Probability of being exposed to the arm that they have, having it included; from 0 to 1.
    pub probabilities: Vec<f64>,
}

/// Exposure of consumers in these clusters who have these arms, drawn cluster by cluster with these shares.
pub(super) fn exposure(
    exposed: Exposed,
    friendships: &Friendships,
    clusters: &[u32],
    arms: &[u8],
    shares: &[f64],
) -> Exposure {
    let mut found = Exposure::default();
    let mut other_friends: BTreeMap<u32, usize> = BTreeMap::new();
    for (consumer, (own_cluster, own_arm)) in clusters.iter().zip(arms).enumerate() {
        let friends = friendships.of(consumer);
        other_friends.clear();
        for friend in friends.iter().map(|friend| clusters[*friend as usize]).filter(|one| one != own_cluster) {
            *other_friends.entry(friend).or_default() += 1;
        }
        let others: usize = other_friends.values().sum();
        let needed = needed(friends.len(), exposed.share).saturating_sub(friends.len() - others);
        let probability = |share: f64| share * at_least(needed, other_friends.values().copied(), share);
        let arm = usize::from(*own_arm);
        let same = friends.iter().filter(|friend| arms[**friend as usize] == *own_arm).count();
        // Arms that nobody is to get have no share, and nobody is compared with them.
        let is_likely = shares.iter().filter(|share| **share > 0.0).all(|share| {
            let probability = probability(*share);
            probability > 0.0 && probability >= exposed.least_probability
        });
        found.met.push(is_likely && same >= self::needed(friends.len(), exposed.share));
        found.probabilities.push(probability(shares[arm]));
    }
    found
}

/// The number of so many friends that is at least this share of them; shares like 0.7 of 10 are 7 in spite of rounding.
fn needed(friends: usize, share: f64) -> usize {
    (share * friends as f64 - 1e-9).ceil().max(0.0) as usize
}

/// Probability that groups of these sizes, each there with this probability, come to at least so many.
fn at_least(needed: usize, groups: impl Iterator<Item = usize>, probability: f64) -> f64 {
    // The law of the sum up to `needed`, where it stays.
    let mut law = vec![0.0; needed + 1];
    law[0] = 1.0;
    for size in groups {
        for sum in (0..=needed).rev() {
            let (here, there) = (law[sum], (sum + size).min(needed));
            if there != sum {
                law[there] += here * probability;
                law[sum] = here * (1.0 - probability);
            }
        }
    }
    law[needed]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path 0 - 1 - 2 - 3 - 4 and a friendship of 1 and 4, in the communities {0, 1}, {2, 3}, {4}.
    fn path() -> (Friendships, [u32; 5]) {
        let friends = [&[1][..], &[0, 2, 4], &[1, 3], &[2, 4], &[1, 3]];
        let ends = friends.iter().scan(0, |end, row| {
            *end += row.len() as u32;
            Some(*end)
        });
        let offsets = std::iter::once(0).chain(ends).collect();
        (Friendships::from_rows(offsets, friends.concat()).unwrap(), [0, 0, 1, 1, 2])
    }

    #[test]
    fn exposure_on_a_path_is_known() {
        let (friendships, communities) = path();
        // Communities 0 and 2 in arm 1, community 1 in the control; a quarter of them get arm 1.
        let all = Exposed { share: 1.0, least_probability: 0.0 };
        let found = exposure(all, &friendships, &communities, &[1, 1, 0, 0, 1], &[0.75, 0.25]);
        assert_eq!(found.met, [true, false, false, false, false]);
        // 0 has friends in one community, 1 in three, 2 in two, 3 in two, 4 in three.
        let (control, treated): (f64, f64) = (0.75, 0.25);
        let expected = [treated, treated.powi(3), control.powi(2), control.powi(2), treated.powi(3)];
        assert!(found.probabilities.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-15), "{found:?}");
        // Three fifths of the friends: 1 takes two of three, one of whom is in the own community, so that either of the others
        // will do; 2, 3 and 4 still take both of theirs.
        let most = Exposed { share: 0.6, ..all };
        let found = exposure(most, &friendships, &communities, &[1, 1, 0, 0, 1], &[0.75, 0.25]);
        assert_eq!(found.met, [true, true, false, false, false]);
        assert!((found.probabilities[1] - 0.25 * (1.0 - 0.75 * 0.75)).abs() < 1e-15);
        // Who is exposed to some arm too seldom is read in none.
        let rare = Exposed { least_probability: 0.2, ..most };
        let found = exposure(rare, &friendships, &communities, &[1, 1, 0, 0, 1], &[0.75, 0.25]);
        assert_eq!(found.met, [true, false, false, false, false]);
        assert!(exposure(rare, &friendships, &communities, &[0; 5], &[0.75, 0.25]).met[0]);
    }

    #[test]
    fn probabilities_are_shares_of_all_assignments() {
        // All eight assignments of three communities, each with its probability, against the law built up by sums.
        let (friendships, communities) = path();
        let shares = [0.6, 0.4];
        for share in [0.3, 0.5, 0.6, 1.0] {
            let exposed = Exposed { share, least_probability: 0.0 };
            let mut sums = [[0.0; 2]; 5];
            let mut told = [[0.0; 2]; 5];
            for drawn in 0..8_u8 {
                let arms = communities.map(|community| drawn >> community & 1);
                let chance: f64 = (0..3).map(|community| shares[usize::from(drawn >> community & 1)]).product();
                let found = exposure(exposed, &friendships, &communities, &arms, &shares);
                for consumer in 0..5 {
                    let arm = usize::from(arms[consumer]);
                    sums[consumer][arm] += if found.met[consumer] { chance } else { 0.0 };
                    told[consumer][arm] = found.probabilities[consumer];
                }
            }
            for (sum, told) in sums.as_flattened().iter().zip(told.as_flattened()) {
                assert!((sum - told).abs() < 1e-12, "{share}: {sums:?} {told:?}");
            }
        }
    }

    #[test]
    fn shares_of_friends_are_not_lost_to_rounding() {
        assert_eq!(
            [needed(10, 0.7), needed(3, 1.0 / 3.0), needed(0, 1.0), needed(9, 1.0), needed(3, 0.34)],
            [7, 1, 0, 9, 2]
        );
    }
}
