//! Word of mouth: orders are talked about among friends, and friends buy; complaints are talked about, too.
//!
//! Consumers stand in a graph ([`crate::market::graph`]). An order is talked about with probability
//! `talk_probability * (1 + S) / 2`, S being satisfaction, times `referral_factor` if it carried a discount (of
//! `referral_offer`, where one is named); a complaint counts `-complaint_weight`. In the next tick each consumer hears the
//! sum over their friends: `Y <- rho Y + sum`, with a half-life of three weeks, and the log-hazard of their orders gains
//! `influence * min(1, max(-1, Y))` (docs/market.md 6.15). Others read `max(0, Y)` as [`Signal::WordOfMouth`].
//!
//! Friends are alike: `homophily` is the share of consumers who stand in the graph's order by region and taste, the others
//! stand anywhere; `taste_rate_correlation` makes the order rate lean on the same taste w, by the factor
//! `exp(c w - c^2 / 2)` of mean 1. Orders then cluster on the graph even where nobody influences anybody (Aral, Muchnik
//! & Sundararajan 2009). Carry-over: Trusov, Bucklin & Pauwels (2009); size: You, Vadakkepatt & Joshi (2015).
//!
//! Assumptions: friendships never change; talk is about the shop, not about a product.
//!
//! Differences from the sources: (1) elasticities of sales to the volume of talk are in the literature, here the log-hazard
//! is linear in bounded Y: at the defaults and the preset's mean order rate, the elasticity is about 0.2; (2) an order
//! is known to carry the referral offer by its discount: an offer with the same discount counts as well; (3) real
//! customers' order rates follow from their file and do not lean on taste.

use super::{
    Commons, Contacts, Founding, ModuleBuild, Order, Published, ResponseModule, Responses, Signal, Surroundings, View,
};
use crate::market::graph::{self, Graph};
use crate::market::population::Person;
use crate::math::{decay, exp};
use crate::protocol::{Feature, Friendships};
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Range, Refusal, Value, Values};
use multiversion::multiversion;
use std::sync::Arc;

/// Integer units of one order that is talked about, so that sums do not depend on their order.
const TALK_UNITS: i32 = 1_000;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "word_of_mouth",
    summary: "orders and complaints are talked about among friends, who are alike and influence each other",
    source: "Watts & Strogatz (1998); Chung & Lu (2002); Aral, Muchnik & Sundararajan (2009); Trusov, Bucklin & \
             Pauwels (2009); You, Vadakkepatt & Joshi (2015); docs/market.md 6.15",
    parameters: &[
        Parameter::number("mean_degree", 8.0, Range::closed(1.0, 32.0), "friends of a consumer, on average"),
        Parameter::number(
            "homophily",
            0.5,
            Range::PROBABILITY,
            "share of consumers placed among others of their region and taste",
        ),
        Parameter::number(
            "taste_rate_correlation",
            0.0,
            Range::closed(-3.0, 3.0),
            "log order rate per standard deviation of taste",
        ),
        Parameter::number("talk_probability", 0.25, Range::PROBABILITY, "that the fully satisfied talk about an order"),
        Parameter::number("referral_factor", 1.0, Range::NON_NEGATIVE, "multiplies talk about discounted orders"),
        Parameter::optional_text("referral_offer", "the offer that counts as a referral; any discount where absent"),
        Parameter::number("complaint_weight", 1.0, Range::closed(0.0, 10.0), "what a complaint takes off, in orders"),
        Parameter::number("half_life_days", 21.0, Range::POSITIVE, "time in which what was heard halves"),
        Parameter::number("influence", 1.0, Range::ANY, "onto the log-hazard of an order, per order heard of, up to 1"),
        Parameter::boolean(
            "observe_degree",
            true,
            "whether policies see the size of the address book shared in the referral programme",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| Ok(Box::new(WordOfMouth::new(values, surroundings)?)),
        neutral: || {
            ["influence", "talk_probability", "complaint_weight", "taste_rate_correlation"]
                .into_iter()
                .map(|key| (key, Value::Number(0.0)))
                .collect()
        },
    },
};

/// Column: what was heard, with its sign.
const HEARD: usize = 0;
/// Column: what was heard, 0 or more; others read it.
const PRAISE: usize = 1;

#[derive(Debug)]
struct WordOfMouth {
    mean_degree: f64,
    homophily: f32,
    taste_rate_correlation: f32,
    talk: f32,
    referral_factor: f32,
    /// The discount of the referral offer, where one is named.
    referral_discount: Option<f32>,
    complaint_units: i32,
    kept: f32,
    influence: f32,
    observe_degree: bool,
}

impl WordOfMouth {
    fn new(values: &Values, surroundings: &Surroundings<'_>) -> Result<Self, Refusal> {
        let offers = &surroundings.catalogue.offers;
        let referral_discount = match values.optional_text("referral_offer") {
            None => None,
            Some(name) => {
                Some(offers.iter().find(|offer| offer.name == name).map(|offer| offer.discount).ok_or_else(|| {
                    let known: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
                    let message = format!("no offer is called `{name}`");
                    Refusal::new(values, "referral_offer", message, format!("one of: {}", known.join(", ")))
                })?)
            }
        };
        Ok(Self {
            mean_degree: values.number("mean_degree"),
            homophily: values.number("homophily") as f32,
            taste_rate_correlation: values.number("taste_rate_correlation") as f32,
            talk: values.number("talk_probability") as f32,
            referral_factor: values.number("referral_factor") as f32,
            referral_discount,
            complaint_units: (values.number("complaint_weight") * f64::from(TALK_UNITS)).round() as i32,
            kept: decay(values.number("half_life_days"), surroundings.tick_days),
            influence: values.number("influence") as f32,
            observe_degree: values.boolean("observe_degree"),
        })
    }

    fn graph(&self, founding: &Founding<'_>) -> Graph {
        let Founding { seed, consumers, population, channels } = *founding;
        let order = graph::wiring_order(seed, consumers, population, channels, self.homophily);
        graph::build(seed, &order, self.mean_degree)
    }

    fn talk_probability(&self, order: &Order, satisfaction: f32) -> f32 {
        let is_referral = match self.referral_discount {
            None => order.discount > 0.0,
            Some(discount) => order.discount == discount,
        };
        self.talk * (1.0 + satisfaction) * 0.5 * if is_referral { self.referral_factor } else { 1.0 }
    }
}

/// Who knows whom, and what was said in the last tick.
#[derive(Clone, Debug)]
struct Talk {
    graph: Arc<Graph>,
    degrees: Arc<[f32]>,
    /// Units heard in the last tick, by consumer.
    units: Vec<i32>,
    /// The same in orders.
    heard: Vec<f32>,
    /// Whose entries are not 0.
    touched: Vec<u32>,
}

impl Talk {
    fn new(graph: Graph, with_degrees: bool) -> Self {
        let nodes = graph.nodes();
        let degrees = if with_degrees { (0..nodes).map(|node| graph.degree(node) as f32).collect() } else { [].into() };
        Self {
            graph: Arc::new(graph),
            degrees,
            units: vec![0; nodes as usize],
            heard: vec![0.0; nodes as usize],
            touched: Vec::new(),
        }
    }
}

impl Commons for Talk {
    fn merge(&mut self, published: &[&Published]) {
        for consumer in self.touched.drain(..) {
            self.units[consumer as usize] = 0;
            self.heard[consumer as usize] = 0.0;
        }
        for &(speaker, units) in published.iter().flat_map(|shard| &shard.marks) {
            for &friend in self.graph.neighbours(speaker) {
                // Degrees are at most tens of thousands, and units as well: no overflow.
                self.units[friend as usize] += units;
                self.touched.push(friend);
            }
        }
        for &consumer in &self.touched {
            self.heard[consumer as usize] = self.units[consumer as usize] as f32 / TALK_UNITS as f32;
        }
    }

    fn by_consumer(&self) -> &[f32] {
        &self.heard
    }

    fn fixed_by_consumer(&self) -> &[f32] {
        &self.degrees
    }

    fn boxed_clone(&self) -> Box<dyn Commons> {
        Box::new(self.clone())
    }
}

impl ResponseModule for WordOfMouth {
    fn columns(&self) -> usize {
        2
    }

    fn signals(&self) -> &[(Signal, usize)] {
        &[(Signal::WordOfMouth, PRAISE)]
    }

    fn found(&self, founding: &Founding<'_>) -> Option<Box<dyn Commons>> {
        Some(Box::new(Talk::new(self.graph(founding), self.observe_degree)))
    }

    fn communities(&self, founding: &Founding<'_>) -> Option<Vec<u32>> {
        let Founding { seed, consumers, population, channels } = *founding;
        Some(graph::communities(&graph::wiring_order(seed, consumers, population, channels, self.homophily)))
    }

    fn friendships(&self, founding: &Founding<'_>) -> Option<Friendships> {
        Some(self.graph(founding).into_friendships())
    }

    fn is_coupling(&self) -> bool {
        true
    }

    /// Rows of the graph, where they begin, communities, degrees, and what was heard.
    fn common_bytes_per_consumer(&self) -> usize {
        (self.mean_degree.ceil() as usize + 6) * size_of::<u32>()
    }

    fn shape(&self, _seed: Seed, _consumer: u32, person: &mut Person) {
        let correlation = self.taste_rate_correlation;
        if correlation != 0.0 {
            person.order_rate_per_day *= exp(correlation * person.taste[0] - 0.5 * correlation * correlation);
        }
    }

    fn advance(&self, view: &View<'_>, _contacts: &Contacts, _responses: &Responses, next: &mut [Vec<f32>]) {
        let (heard, praise) = next.split_at_mut(PRAISE);
        listen(self.kept, view.common_rows, &mut heard[HEARD], &mut praise[0]);
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        add_influence(self.influence, &view.columns[HEARD], log_hazard);
    }

    fn publish(
        &self,
        view: &View<'_>,
        contacts: &Contacts,
        responses: &Responses,
        orders: &[Order],
        published: &mut Published,
    ) {
        if self.talk > 0.0 {
            for order in orders {
                let consumer = view.first + order.row;
                let probability =
                    self.talk_probability(order, view.signals.value(Signal::Satisfaction, order.row as usize));
                if view.seed.uniforms(Purpose::WordOfMouth, consumer, view.tick as u32, 0)[0] < probability {
                    published.marks.push((consumer, TALK_UNITS));
                }
            }
        }
        if self.complaint_units > 0 {
            for (row, _) in contacts.rows.iter().zip(&responses.complained).filter(|(_, complained)| **complained) {
                published.marks.push((view.first + row, -self.complaint_units));
            }
        }
    }

    fn features(&self) -> Vec<Feature> {
        if self.observe_degree {
            vec![Feature::raw("referral_contacts", "people").logged(2.1, 0.4)]
        } else {
            Vec::new()
        }
    }

    fn observe(&self, view: &View<'_>, _feature: usize, first_row: usize, cells: &mut [f32]) {
        for (lane, cell) in cells.iter_mut().enumerate() {
            *cell = view.common_fixed_rows.get(first_row + lane).copied().unwrap_or(0.0);
        }
    }
}

/// What was heard fades, and the last tick's talk is added; without talk (a shard alone) it fades only.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn listen(kept: f32, talk: &[f32], heard: &mut [f32], praise: &mut [f32]) {
    for value in heard.iter_mut() {
        *value *= kept;
    }
    for (value, talk) in heard.iter_mut().zip(talk) {
        *value += talk;
    }
    for (praise, heard) in praise.iter_mut().zip(heard) {
        *praise = heard.max(0.0);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_influence(influence: f32, heard: &[f32], log_hazard: &mut [f32]) {
    for (sum, heard) in log_hazard.iter_mut().zip(heard) {
        *sum += influence * heard.clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::people::People;
    use crate::market::population::{PARAMETERS, Population};

    fn module() -> WordOfMouth {
        WordOfMouth {
            mean_degree: 8.0,
            homophily: 1.0,
            taste_rate_correlation: 0.0,
            talk: 1.0,
            referral_factor: 0.5,
            referral_discount: None,
            complaint_units: 500,
            kept: 0.5,
            influence: 2.0,
            observe_degree: true,
        }
    }

    fn marks(marks: &[(u32, i32)]) -> Published {
        Published { counts: Vec::new(), marks: marks.to_vec() }
    }

    #[test]
    fn talk_on_a_graph_of_four_is_known() {
        // A path 0 - 1 - 2 - 3.
        let mut talk = Talk::new(Graph::from_edges(4, &[(0, 1), (1, 2), (2, 3)]), true);
        assert_eq!(talk.fixed_by_consumer(), [1.0, 2.0, 2.0, 1.0]);
        talk.merge(&[&marks(&[(0, 1_000), (2, 1_000)]), &marks(&[(3, -500)])]);
        assert_eq!(talk.by_consumer(), [0.0, 2.0, -0.5, 1.0]);
        let people = People { order_rate: vec![0.1; 4], ..People::default() };
        let heard = talk.by_consumer().to_vec();
        let view = View { common_rows: &heard, ..View::bare(&people, &[]) };
        let mut columns = vec![vec![0.0, 0.5, 0.25, -3.0], vec![0.0; 4]];
        module().advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
        assert_eq!(columns, [vec![0.0, 2.25, -0.375, -0.5], vec![0.0, 2.25, 0.0, 0.0]]);
        let mut log_hazard = [0.0; 4];
        module().contribute_to_orders(&View::bare(&people, &columns), &mut log_hazard);
        assert_eq!(log_hazard, [0.0, 2.0, -0.75, -1.0]);
        // What is said is heard once.
        talk.merge(&[&marks(&[(1, 1_000)])]);
        assert_eq!(talk.by_consumer(), [1.0, 0.0, 1.0, 0.0]);
        talk.merge(&[&marks(&[])]);
        assert_eq!(talk.by_consumer(), [0.0; 4]);
    }

    #[test]
    fn the_satisfied_talk_and_referrals_count_by_their_factor() {
        let order = |discount| Order { row: 0, discount, quantity: 1.0, revenue: 1.0 };
        let mut module = module();
        assert_eq!(module.talk_probability(&order(0.0), 1.0), 1.0);
        assert_eq!(module.talk_probability(&order(0.0), -0.5), 0.25);
        assert_eq!(module.talk_probability(&order(0.2), 0.0), 0.25);
        module.referral_discount = Some(0.1);
        assert_eq!((module.talk_probability(&order(0.2), 0.0), module.talk_probability(&order(0.1), 0.0)), (0.5, 0.25));
    }

    #[test]
    fn orders_and_complaints_are_published_under_their_consumers() {
        let people = People { order_rate: vec![0.1; 4], ..People::default() };
        let satisfied = [1.0_f32; 4];
        let signals = crate::response::Signals::only(Signal::Satisfaction, &satisfied);
        let view = View { first: 100, signals, ..View::bare(&people, &[]) };
        let orders = [Order { row: 2, discount: 0.0, quantity: 1.0, revenue: 10.0 }];
        let contacts = Contacts { rows: vec![1, 3], ..Contacts::default() };
        let responses = Responses { complained: vec![false, true], ..Responses::default() };
        let mut published = Published::default();
        module().publish(&view, &contacts, &responses, &orders, &mut published);
        assert_eq!(published.marks, [(102, 1_000), (103, -500)]);
    }

    #[test]
    fn order_rates_lean_on_taste_and_keep_their_mean() {
        let population = Population::new(&Values::defaults(PARAMETERS)).unwrap();
        let module = WordOfMouth { taste_rate_correlation: 0.5, ..module() };
        let mut sum = 0.0;
        let people = 40_000;
        for consumer in 0..people {
            let mut person = population.draw(Seed::new(2), consumer, 1);
            person.order_rate_per_day = 1.0;
            module.shape(Seed::new(2), consumer, &mut person);
            sum += f64::from(person.order_rate_per_day);
        }
        // The variance of the factor is e^0.25 - 1 = 0.284.
        assert!((sum / f64::from(people) - 1.0).abs() < 4.0 * (0.284 / f64::from(people)).sqrt(), "{sum}");
    }
}
