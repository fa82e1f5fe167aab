//! Friends buy alike, and not only because they talk: fact 20.

use super::lived::{Lived, live, market, mean, nobody, set, tune, with_modules};
use super::{Size, fact, within};
use mercato::environment::campaign::Sections;
use mercato::market::graph::{Graph, build, wiring_order};
use mercato::market::population::Population;
use mercato::random::Seed;
use mercato::registry::Value;

const HOMOPHILY: f64 = 0.8;

fn town(consumers: i64, influence: f64) -> Sections {
    let mut sections = market(consumers, 120, &["email"], &[0.0]);
    set(&mut sections, "history_days", Value::Number(30.0));
    with_modules(&mut sections, &["word_of_mouth", "awareness"]);
    tune(&mut sections, "word_of_mouth", "influence", influence);
    tune(&mut sections, "word_of_mouth", "homophily", HOMOPHILY);
    tune(&mut sections, "word_of_mouth", "taste_rate_correlation", 0.8);
    if influence == 0.0 {
        tune(&mut sections, "awareness", "word_of_mouth_weight", 0.0);
    }
    sections
}

/// Moran's I of a column on the graph, as a z score: with weights 0 and 1 its variance is about 1 / edges.
fn moran_z(graph: &Graph, values: &[f64]) -> f64 {
    let centre = mean(values);
    let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64;
    let (mut products, mut joins) = (0.0, 0.0);
    for node in 0..graph.nodes() {
        for &friend in graph.neighbours(node) {
            products += (values[node as usize] - centre) * (values[friend as usize] - centre);
            joins += 1.0;
        }
    }
    products / joins / variance * (joins / 2.0_f64).sqrt()
}

/// Orders of a fortnight of those with a friend who ordered in the week before, less those without.
fn naive_influence(graph: &Graph, lived: &Lived, exposed: &[bool]) -> f64 {
    let orders = lived.orders_within(60..74);
    let of = |wanted: bool| {
        let rows = (0..graph.nodes() as usize).filter(|node| exposed[*node] == wanted);
        mean(&rows.map(|node| orders[node]).collect::<Vec<_>>())
    };
    of(true) - of(false)
}

fn exposed(graph: &Graph, lived: &Lived) -> Vec<bool> {
    let ordered = lived.orders_within(46..60);
    (0..graph.nodes()).map(|node| graph.neighbours(node).iter().any(|friend| ordered[*friend as usize] > 0.0)).collect()
}

/// Fact 20: orders cluster on the graph, with influence and without; who takes all of it for influence is misled.
fn friends_buy_alike(size: Size) {
    let consumers = size.consumers(100_000);
    let [with, without, naive, truth] = size.means(|seed| {
        let (on, off) = (town(consumers, 1.0), town(consumers, 0.0));
        let population = Population::new(&on.market).unwrap();
        let order = wiring_order(Seed::new(seed), consumers as u32, &population, 1, HOMOPHILY as f32);
        let graph = build(Seed::new(seed), &order, 8.0);
        let (talking, silent) = (live(&on, seed, &nobody), live(&off, seed, &nobody));
        let exposed = exposed(&graph, &talking);
        let effect: Vec<f64> = (0..consumers as usize)
            .filter(|node| exposed[*node])
            .map(|node| {
                let within = |lived: &Lived| lived.orders[node].iter().filter(|day| (60..74).contains(*day)).count();
                within(&talking) as f64 - within(&silent) as f64
            })
            .collect();
        let counts = |lived: &Lived| lived.orders_within(0..120);
        [
            moran_z(&graph, &counts(&talking)),
            moran_z(&graph, &counts(&silent)),
            naive_influence(&graph, &talking, &exposed),
            mean(&effect),
        ]
    });
    println!("fact 20: naive influence {naive:.5}, true {truth:.5}");
    within("20, z of Moran's I with influence", with, 5.0..=1e4);
    within("20, z of Moran's I without influence", without, 2.0..=1e4);
    within("20, naive influence over the true one", naive / truth, 1.5..=20.0);
}
fact!(friends_buy_alike, stylised_20_friends_buy_alike, stylised_20_friends_buy_alike_at_full_size);
