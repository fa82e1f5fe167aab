//! Who stands next to whom when a graph is wired: friends are alike.

use crate::market::population::Population;
use crate::random::{LANES, Purpose, Seed, uniform};
use rayon::prelude::*;

/// The part of an address of the words that place consumers.
const PLACE: u32 = 2;

/// The order in which consumers are wired: a share of them by region and taste, the others at random in the places that
/// are left. A pure function of its arguments; what [`super::build`] takes.
#[must_use]
pub fn wiring_order(seed: Seed, consumers: u32, population: &Population, channels: usize, homophily: f32) -> Vec<u32> {
    let mut keys: Vec<[u64; 2]> = (0..consumers.div_ceil(LANES as u32))
        .into_par_iter()
        .flat_map_iter(|block| {
            let first = block * LANES as u32;
            let people = population.draw_lanes(seed, first, channels);
            let count = (consumers - first).min(LANES as u32);
            (0..count).map(move |lane| {
                let person = &people[lane as usize];
                let [stays, place, ..] = seed.words(Purpose::Graph, first + lane, PLACE, 0);
                // The sign and size of a float as an integer that ascends with it.
                let bits = person.taste[0].to_bits();
                let taste = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
                let consumer = u64::from(first + lane);
                let by_taste = u64::from(person.region) << 56 | u64::from(taste >> 8) << 32 | consumer;
                let by_chance = if uniform(stays) < homophily { u64::MAX } else { u64::from(place) << 32 | consumer };
                [by_taste, by_chance]
            })
        })
        .collect();
    keys.par_sort_unstable_by_key(|[by_taste, _]| *by_taste);
    let moves = |[_, by_chance]: &[u64; 2]| *by_chance != u64::MAX;
    let mut movers: Vec<u64> = keys.iter().filter(|keys| moves(keys)).map(|keys| keys[1]).collect();
    movers.par_sort_unstable();
    let mut movers = movers.into_iter();
    // The lower half of a key is its consumer.
    keys.iter().map(|keys| if moves(keys) { movers.next().unwrap_or(keys[0]) } else { keys[0] } as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::graph::build;
    use crate::market::population::PARAMETERS;
    use crate::registry::Values;

    #[test]
    fn friends_are_alike_by_homophily_and_only_by_it() {
        let population = Population::new(&Values::defaults(PARAMETERS)).unwrap();
        let seed = Seed::new(6);
        let tastes: Vec<f32> = (0..6_000).map(|of| population.draw(seed, of, 2).taste[0]).collect();
        let correlation = |homophily: f32| {
            let mut order = wiring_order(seed, 6_000, &population, 2, homophily);
            let graph = build(seed, &order, 8.0);
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(index, consumer)| index == *consumer as usize));
            let pairs = (0..6_000).flat_map(|a| graph.neighbours(a).iter().map(move |b| (a, *b)));
            let products: f64 = pairs.map(|(a, b)| f64::from(tastes[a as usize] * tastes[b as usize])).sum();
            let variance: f64 = tastes.iter().map(|taste| f64::from(taste * taste)).sum::<f64>() / 6_000.0;
            products / (6_000.0 * graph.mean_degree() * variance)
        };
        // Three quarters of the edges are within a community of like taste; standard error about 0.007.
        assert!(correlation(0.0).abs() < 0.03);
        let full = correlation(1.0);
        assert!((0.6..0.8).contains(&full), "{full}");
        // Both ends stay with probability one half each.
        assert!((correlation(0.5) / full - 0.25).abs() < 0.06);
    }
}
