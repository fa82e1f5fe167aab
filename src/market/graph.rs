//! Who knows whom: communities in which neighbours know each other, and a few hubs that reach everywhere.
//!
//! Consumers stand in an order and are cut into communities of about 150. Three quarters of the friendships are ring
//! lattices within a community, each edge rewired to a random member of it with probability 0.1 (Watts & Strogatz 1998):
//! high clustering. The last quarter joins two people drawn in proportion to weights with a power-law tail of exponent 2.5
//! (Chung & Lu 2002): short ways and hubs. Whoever stands together in the order knows each other, so an order by taste
//! makes friends alike (homophily).
//!
//! Every edge has an address of its own, so the graph is written in two passes over edges that are never stored:
//! memory is the graph itself.
//!
//! Differences from the sources: (1) rewired edges stay within their community, so that communities touch through hub
//! edges only; (2) a fixed number of hub edges is drawn with both ends in proportion to the weights, and edges drawn
//! twice count once, instead of one coin for each pair; (3) the greatest expected number of hub edges of one person is the
//! square root of the number of all hub edge ends, as Chung & Lu ask for.

mod wiring;

pub use wiring::wiring_order;

use crate::protocol::Friendships;
use crate::random::{Purpose, Seed, uniform};
use std::ops::Range;

/// Members of a community, about.
pub const COMMUNITY_SIZE: u32 = 150;
/// Share of the friendships that belong to hubs.
const HUB_SHARE: f64 = 0.25;
/// Probability that an edge of a ring is rewired.
const REWIRING: f32 = 0.1;

/// The parts of an address: which kind of edge is drawn.
const RING: u32 = 0;
const HUB: u32 = 1;

/// An undirected graph in compressed rows: neighbours ascend, nobody knows themselves, nobody stands twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Where the row of each node begins, and where the last ends.
    offsets: Vec<u32>,
    neighbours: Vec<u32>,
    /// Community of each node.
    communities: Vec<u32>,
}

impl Graph {
    /// From undirected edges among so many nodes, all of one community: for tests and small known graphs.
    #[must_use]
    pub fn from_edges(nodes: u32, edges: &[(u32, u32)]) -> Self {
        Self::from_rows(nodes, vec![0; nodes as usize], |join| edges.iter().for_each(|&(a, b)| join(a, b)))
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.communities.len() as u32
    }

    /// Number of communities.
    #[must_use]
    pub fn community_count(&self) -> u32 {
        self.communities.iter().max().map_or(0, |last| last + 1)
    }

    /// Whom a node knows, in ascending order.
    #[inline]
    #[must_use]
    pub fn neighbours(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.neighbours[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }

    /// How many a node knows.
    #[inline]
    #[must_use]
    pub fn degree(&self, node: u32) -> u32 {
        self.offsets[node as usize + 1] - self.offsets[node as usize]
    }

    /// The community of a node: what to assign as one where neighbours touch each other.
    #[inline]
    #[must_use]
    pub fn community(&self, node: u32) -> u32 {
        self.communities[node as usize]
    }

    /// The friendships alone, without what else is known of the graph.
    #[must_use]
    pub fn into_friendships(self) -> Friendships {
        Friendships::from_rows(self.offsets, self.neighbours).unwrap_or_default()
    }

    /// Mean number of neighbours.
    #[must_use]
    pub fn mean_degree(&self) -> f64 {
        self.neighbours.len() as f64 / f64::from(self.nodes().max(1))
    }

    /// Writes rows in two passes over the edges that `each` gives, the same ones both times.
    fn from_rows(nodes: u32, communities: Vec<u32>, each: impl Fn(&mut dyn FnMut(u32, u32))) -> Self {
        let mut offsets = vec![0_u32; nodes as usize + 1];
        each(&mut |a, b| {
            if a != b {
                offsets[a as usize + 1] += 1;
                offsets[b as usize + 1] += 1;
            }
        });
        for node in 0..nodes as usize {
            offsets[node + 1] += offsets[node];
        }
        let mut next = offsets.clone();
        let mut neighbours = vec![0_u32; offsets[nodes as usize] as usize];
        each(&mut |a, b| {
            if a != b {
                for (from, to) in [(a, b), (b, a)] {
                    neighbours[next[from as usize] as usize] = to;
                    next[from as usize] += 1;
                }
            }
        });
        drop(next);
        forget_repeats(&mut offsets, &mut neighbours);
        Self { offsets, neighbours, communities }
    }
}

/// Sorts every row, and keeps of equal neighbours one.
fn forget_repeats(offsets: &mut [u32], neighbours: &mut Vec<u32>) {
    let mut kept = 0;
    let mut start = 0;
    for row in 1..offsets.len() {
        let end = offsets[row] as usize;
        neighbours[start..end].sort_unstable();
        let first_kept = kept;
        for index in start..end {
            let neighbour = neighbours[index];
            if kept == first_kept || neighbours[kept - 1] != neighbour {
                neighbours[kept] = neighbour;
                kept += 1;
            }
        }
        start = end;
        offsets[row] = kept as u32;
    }
    neighbours.truncate(kept);
    neighbours.shrink_to_fit();
}

/// Wires people who stand in this order (each of 0..n once); they know `mean_degree` others on average.
///
/// # Panics
/// Where `order` names somebody beyond its length.
#[must_use]
pub fn build(seed: Seed, order: &[u32], mean_degree: f64) -> Graph {
    let nodes = order.len() as u32;
    let cuts = Communities::of(nodes);
    let communities = communities(order);
    let hubs = Hubs::new(seed, nodes, mean_degree * HUB_SHARE);
    let steps_forward = mean_degree * (1.0 - HUB_SHARE) / 2.0;
    Graph::from_rows(nodes, communities, |join| {
        for community in 0..cuts.count {
            ring(seed, cuts.members(community), steps_forward, |a, b| join(order[a as usize], order[b as usize]));
        }
        hubs.edges(seed, |a, b| join(order[a as usize], order[b as usize]));
    })
}

/// The community of each person whom [`build`] wires in this order, without the graph.
///
/// # Panics
/// Where `order` names somebody beyond its length.
#[must_use]
pub fn communities(order: &[u32]) -> Vec<u32> {
    let cuts = Communities::of(order.len() as u32);
    let mut communities = vec![0; order.len()];
    for community in 0..cuts.count {
        for position in cuts.members(community) {
            communities[order[position as usize] as usize] = community;
        }
    }
    communities
}

/// The order of people, cut into pieces that differ by at most one.
struct Communities {
    nodes: u32,
    count: u32,
}

impl Communities {
    fn of(nodes: u32) -> Self {
        Self { nodes, count: ((nodes + COMMUNITY_SIZE / 2) / COMMUNITY_SIZE).max(1) }
    }

    fn members(&self, community: u32) -> Range<u32> {
        let cut = |index: u32| (u64::from(self.nodes) * u64::from(index) / u64::from(self.count)) as u32;
        cut(community)..cut(community + 1)
    }
}

/// A ring lattice over these positions: each is joined to so many of those that follow, some rewired. A part of a step
/// is a probability.
fn ring(seed: Seed, members: Range<u32>, steps_forward: f64, mut join: impl FnMut(u32, u32)) {
    let size = members.len() as u32;
    let most = steps_forward.ceil() as u32;
    for position in members.clone() {
        for step in 1..=most.min(size.saturating_sub(1)) {
            let [rewired, target, present, _] = seed.words(Purpose::Graph, position, RING, step);
            if f64::from(uniform(present)) >= steps_forward - f64::from(step - 1) {
                continue;
            }
            let ahead = if uniform(rewired) < REWIRING { 1 + scaled(target, size - 1) } else { step };
            join(position, members.start + (position - members.start + ahead) % size);
        }
    }
}

/// A whole number below `bound`, from a random word.
fn scaled(word: u32, bound: u32) -> u32 {
    ((u64::from(word) * u64::from(bound)) >> 32) as u32
}

/// Edges between people in proportion to weights `(rank + shift)^(-2/3)`, whose tail has the exponent 1 + 3/2.
struct Hubs {
    nodes: u32,
    edges: u32,
    shift: f64,
    /// Cube roots of the shift and of the number of nodes and the shift.
    roots: [f64; 2],
    /// Ranks go over the order in steps of this, from here: hubs stand anywhere in it.
    stride: u32,
    start: u32,
}

impl Hubs {
    fn new(seed: Seed, nodes: u32, mean_degree: f64) -> Self {
        let count = f64::from(nodes.max(1));
        // The greatest weight over the sum of all is sqrt(ends) / ends.
        let base = (mean_degree / (mean_degree * count).sqrt()) * libm::cbrt(count) * libm::cbrt(count) / 3.0;
        let shift = (base * base.sqrt()).max(1.0);
        let mut stride = ((count * 0.618_033_988_749_895) as u32).max(1);
        while greatest_common_divisor(stride, nodes.max(1)) != 1 {
            stride += 1;
        }
        Self {
            nodes,
            edges: (mean_degree * count / 2.0).round() as u32,
            shift,
            roots: [libm::cbrt(shift), libm::cbrt(count + shift)],
            stride,
            start: scaled(seed.words(Purpose::Graph, 0, HUB, 1)[0], nodes),
        }
    }

    fn edges(&self, seed: Seed, mut join: impl FnMut(u32, u32)) {
        if self.nodes < 2 {
            return;
        }
        for edge in 0..self.edges {
            let [a, b, c, _] = seed.words(Purpose::Graph, edge, HUB, 0);
            let first = self.position(a);
            let second = self.position(b);
            // Who would know themselves gets a second draw.
            join(first, if first == second { self.position(c) } else { second });
        }
    }

    /// The weights are inverted over a continuous rank: their sum up to x grows as the cube root of x and the shift.
    fn position(&self, word: u32) -> u32 {
        let share = (f64::from(word) + 0.5) / 4_294_967_296.0;
        let root = self.roots[0] + share * (self.roots[1] - self.roots[0]);
        let rank = ((root * root * root - self.shift) as u32).min(self.nodes - 1);
        ((u64::from(rank) * u64::from(self.stride) + u64::from(self.start)) % u64::from(self.nodes)) as u32
    }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(nodes: u32) -> Graph {
        build(Seed::new(5), &(0..nodes).collect::<Vec<_>>(), 8.0)
    }

    #[test]
    fn a_small_graph_is_known() {
        let graph = Graph::from_edges(4, &[(0, 1), (1, 0), (2, 1), (3, 3), (1, 3)]);
        assert_eq!((graph.neighbours(0), graph.neighbours(1)), (&[1][..], &[0, 2, 3][..]));
        assert_eq!((graph.neighbours(2), graph.neighbours(3)), (&[1][..], &[1][..]));
        assert_eq!((graph.mean_degree(), graph.community_count()), (1.5, 1));
    }

    #[test]
    fn friendships_are_mutual_and_neither_repeat_nor_loop() {
        let graph = in_order(20_000);
        assert!((graph.mean_degree() / 8.0 - 1.0).abs() < 0.02, "{}", graph.mean_degree());
        for node in 0..graph.nodes() {
            let row = graph.neighbours(node);
            assert!(row.windows(2).all(|pair| pair[0] < pair[1]) && row.binary_search(&node).is_err());
            assert!(row.iter().all(|&other| graph.neighbours(other).binary_search(&node).is_ok()));
        }
    }

    #[test]
    fn friends_of_friends_are_friends() {
        // A ring of 3 steps each way has a clustering of 3 (k - 2) / (4 (k - 1)) = 0.6 at k = 6, times 0.9^3 after
        // rewiring; hub edges add open triples. A random graph of the same size has 8 / 20,000.
        let graph = in_order(20_000);
        let (mut closed, mut triples) = (0_u64, 0_u64);
        for node in (0..graph.nodes()).filter(|node| graph.degree(*node) < 20) {
            let row = graph.neighbours(node);
            for (index, a) in row.iter().enumerate() {
                for b in &row[index + 1..] {
                    triples += 1;
                    closed += u64::from(graph.neighbours(*a).binary_search(b).is_ok());
                }
            }
        }
        let clustering = closed as f64 / triples as f64;
        assert!((0.15..0.44).contains(&clustering), "{clustering}");
    }

    #[test]
    fn hubs_have_the_tail_of_their_power_law() {
        // Of weights (rank + shift)^(-2/3), halving the rank above the shift multiplies the degree by 2^(2/3): the mean
        // hub degree of the first 64 ranks, and of the next 448.
        let nodes = 100_000;
        let hubs = Hubs::new(Seed::new(5), nodes, 2.0);
        let mut ends = vec![0.0; nodes as usize];
        let rank_of: Vec<usize> = {
            let mut ranks = vec![0; nodes as usize];
            for rank in 0..nodes as usize {
                let position = (rank as u64 * u64::from(hubs.stride) + u64::from(hubs.start)) % u64::from(nodes);
                ranks[position as usize] = rank;
            }
            ranks
        };
        hubs.edges(Seed::new(5), |a, b| {
            ends[rank_of[a as usize]] += 1.0;
            ends[rank_of[b as usize]] += 1.0;
        });
        let expected = |ranks: Range<usize>| -> f64 {
            let root = |rank: usize| libm::cbrt(rank as f64 + hubs.shift);
            2.0 * f64::from(nodes) * (root(ranks.end) - root(ranks.start)) / (hubs.roots[1] - hubs.roots[0])
        };
        for ranks in [0..64, 64..512, 512..8_192] {
            let seen: f64 = ends[ranks.clone()].iter().sum();
            let mean = expected(ranks.clone());
            assert!((seen - mean).abs() < 4.0 * (2.0 * mean).sqrt(), "{ranks:?}: {seen} against {mean}");
        }
        // The first hub has about sqrt(200,000) = 447 edges, if the sum of weights is taken as 3 n^(1/3).
        assert!((350.0..800.0).contains(&ends[0]), "{}", ends[0]);
    }

    #[test]
    fn communities_are_consecutive_and_even() {
        let order: Vec<u32> = (0..1_000).rev().collect();
        let graph = build(Seed::new(1), &order, 8.0);
        assert_eq!(graph.community_count(), 7);
        assert_eq!((graph.community(999), graph.community(0)), (0, 6));
        let sizes = (0..7).map(|of| (0..1_000).filter(|node| graph.community(*node) == of).count());
        assert!(sizes.into_iter().all(|size| size == 142 || size == 143));
        let inside = |node: u32| {
            let own = graph.community(node);
            graph.neighbours(node).iter().filter(|other| graph.community(**other) == own).count()
        };
        let share = (0..1_000).map(inside).sum::<usize>() as f64 / (1_000.0 * graph.mean_degree());
        assert!((0.7..0.9).contains(&share), "{share}");
    }

    #[test]
    fn few_people_make_no_trouble() {
        for nodes in 0..12 {
            let graph = in_order(nodes);
            assert!((0..nodes).all(|node| graph.degree(node) < nodes.max(1)));
        }
    }
}
