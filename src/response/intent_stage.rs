//! Intent: behind the visits stands a stage between sleep and a decided purchase, and the visits let it be guessed.
//!
//! Each consumer is in one of five stages: dormant, browsing for pleasure, building knowledge, deliberating, buying
//! with a purpose. At rest they move between them as a Markov chain in continuous time with the rates `rates_per_day`
//! (row: from, column: to), whose law over a tick is `P = exp(A * tick)`. A click, a visit and talk of neighbours
//! push: all stages above the present one have their logits raised by `click_push`, `visit_push` and
//! `word_of_mouth_push` times the signal. The stage adds its weight to the log-hazard of an order and to the logits of
//! clicking and of ordering after a click; an order sends its consumer back to sleep (docs/market.md 6.23).
//!
//! Whoever visits is seen: pages (geometric, mean `pages_mean`), a category (the one of strongest taste but for
//! `category_noise`), and whether the cart is filled. These are the features, unless they are not `observed`: then only the
//! events of visits tell, by their pages. The stage itself is latent.
//!
//! Source: Moe (2003) for the kinds of visits; Netzer, Lattin & Srinivasan (2008) and Montoya, Netzer & Jedidi (2010)
//! for the hidden Markov chain with covariates in its transitions.
//!
//! Assumptions: all figures. At the default rates the stationary law is .9037, .0482, .0243, .0148, .0091, and the
//! mean of `exp(weight)` under it is 1 within 0.001 for orders and clicks; visits push it upwards, orders downwards.
//!
//! Differences from the sources: (1) rates in continuous time, so that the stationary law does not depend on the tick;
//! (2) one push for all higher stages instead of a coefficient for each transition; (3) all consumers share the rates.

mod chain;

use super::{Contacts, MessagePredictors, ModuleBuild, Order, ResponseModule, Responses, Signal, View};
use crate::market::people::People;
use crate::math::ln;
use crate::protocol::Feature;
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};
use chain::{Moves, STAGES, TICK_BLOCK, cumulative, exponential, generator, move_on, stationary};
use multiversion::multiversion;

/// Names of the stages.
const NAMES: &str = "dormant, browsing, knowledge building, deliberation, directed buying";
/// Categories on the site, one for each direction of taste.
const CATEGORIES: usize = crate::market::population::TASTES;
/// Time in which pages seen fade to 1/e.
const PAGES_DAYS: f64 = 7.0;
/// Block of the draw of the stage at the start.
const START_BLOCK: u32 = 1;

/// Column: the stage, 0 to 4 (latent).
const STAGE: usize = 0;
/// Column: what pushes in this tick (latent).
const PUSH: usize = 1;
/// Column: pages seen, fading (observable).
const PAGES: usize = 2;
/// Column: whether the cart was filled at the last visit (observable).
const CART: usize = 3;
/// Column: category of the last visit, from 1; 0 before the first (observable).
const CATEGORY: usize = 4;
/// Column: pages of the last visit; 0 before the first (observable).
const LAST_PAGES: usize = 5;

const fn numbers(name: &'static str, default: &'static [f64], range: Range, summary: &'static str) -> Parameter {
    Parameter::of(name, Kind::Numbers { default: Some(default), range }, summary)
}

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "intent_stage",
    summary: "a hidden stage of intent moves purchases and shows in pages, categories and carts",
    source: "Moe (2003); Netzer, Lattin & Srinivasan (2008); Montoya, Netzer & Jedidi (2010); docs/market.md 6.23",
    parameters: &[
        numbers(
            "rates_per_day",
            &[
                0.0, 0.02, 0.006, 0.002, 0.002, //
                0.30, 0.0, 0.08, 0.02, 0.01, //
                0.25, 0.05, 0.0, 0.10, 0.02, //
                0.20, 0.02, 0.05, 0.0, 0.10, //
                0.40, 0.02, 0.02, 0.03, 0.0,
            ],
            Range::closed(0.0, 1e3),
            "rates of moving between stages at rest: five rows of five, the diagonal is not read",
        ),
        numbers(
            "order_weights",
            &[-0.165, 0.335, 0.635, 1.235, 2.035],
            Range::ANY,
            "onto the log-hazard of an order, per stage",
        ),
        numbers(
            "click_weights",
            &[-0.076, 0.324, 0.424, 0.724, 1.124],
            Range::ANY,
            "onto the logit of clicking, per stage",
        ),
        numbers(
            "convert_weights",
            &[-0.165, 0.335, 0.635, 1.235, 2.035],
            Range::ANY,
            "onto the logit of ordering after a click, per stage",
        ),
        Parameter::number("click_push", 1.0, Range::NON_NEGATIVE, "onto the logits of higher stages after a click"),
        Parameter::number("visit_push", 0.5, Range::NON_NEGATIVE, "onto the logits of higher stages after a visit"),
        Parameter::number(
            "word_of_mouth_push",
            0.5,
            Range::NON_NEGATIVE,
            "onto the logits of higher stages per unit of word of mouth",
        ),
        numbers(
            "pages_mean",
            &[1.5, 4.0, 8.0, 7.0, 4.0],
            Range::closed(1.0, 100.0),
            "mean pages of a visit, per stage",
        ),
        numbers(
            "cart_rates",
            &[0.005, 0.02, 0.04, 0.15, 0.5],
            Range::PROBABILITY,
            "probability of a filled cart at a visit, per stage",
        ),
        Parameter::number(
            "category_noise",
            0.2,
            Range::PROBABILITY,
            "probability that a visit is to a category drawn at random",
        ),
        Parameter::boolean("observed", true, "whether pages, cart and category are features of their own"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| Ok(Box::new(create(values, surroundings.tick_days)?)),
        neutral: || {
            ["order_weights", "click_weights", "convert_weights"]
                .into_iter()
                .map(|key| (key, Value::Numbers(vec![0.0; STAGES])))
                .collect()
        },
    },
};

type PerStage = [f32; STAGES];

fn create(values: &Values, tick_days: f64) -> Result<IntentStage, Refusal> {
    let rates = listed::<{ STAGES * STAGES }>(values, "rates_per_day")?;
    let generator = generator(&rates);
    let over_a_tick = exponential(&generator, tick_days);
    let per_stage = |key| -> Result<PerStage, Refusal> { Ok(listed::<STAGES>(values, key)?.map(|value| value as f32)) };
    let number = |key| values.number(key) as f32;
    Ok(IntentStage {
        moves: Moves { cumulative: over_a_tick.map(cumulative) },
        start: cumulative(stationary(&over_a_tick)),
        order: per_stage("order_weights")?,
        click: per_stage("click_weights")?,
        convert: per_stage("convert_weights")?,
        click_push: number("click_push"),
        visit_push: number("visit_push"),
        talk_push: number("word_of_mouth_push"),
        pages_scale: listed::<STAGES>(values, "pages_mean")?.map(pages_scale),
        cart: per_stage("cart_rates")?,
        category_noise: number("category_noise"),
        observed: values.boolean("observed"),
        pages_kept: libm::exp(-tick_days / PAGES_DAYS) as f32,
    })
}

fn listed<const COUNT: usize>(values: &Values, key: &'static str) -> Result<[f64; COUNT], Refusal> {
    let given = values.numbers(key);
    given.try_into().map_err(|_| {
        Refusal::new(
            values,
            key,
            format!("`{key}` has {} numbers, {COUNT} are needed", given.len()),
            format!("the stages are {NAMES}, in this order"),
        )
    })
}

/// 1 / ln(1 - 1 / mean) of the geometric law of pages from 1 on; 0 where there is always one.
fn pages_scale(mean: f64) -> f32 {
    if mean > 1.0 { (1.0 / libm::log(1.0 - 1.0 / mean)) as f32 } else { 0.0 }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_weights(weights: &PerStage, stages: &[f32], sums: &mut [f32]) {
    for (sum, stage) in sums.iter_mut().zip(stages) {
        let mut weight = weights[0];
        for (present, other) in weights.iter().enumerate().skip(1) {
            weight = if *stage >= present as f32 { *other } else { weight };
        }
        *sum += weight;
    }
}

#[derive(Debug)]
struct IntentStage {
    moves: Moves,
    /// The distribution function of the stage at the start.
    start: [f32; STAGES - 1],
    order: PerStage,
    click: PerStage,
    convert: PerStage,
    click_push: f32,
    visit_push: f32,
    talk_push: f32,
    pages_scale: PerStage,
    cart: PerStage,
    category_noise: f32,
    observed: bool,
    pages_kept: f32,
}

impl IntentStage {
    /// What pushes each consumer upwards in this tick.
    fn gather_pushes(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, pushes: &mut [f32]) {
        for (push, visits) in pushes.iter_mut().zip(view.visiting) {
            *push = if *visits { self.visit_push } else { 0.0 };
        }
        for (push, talk) in pushes.iter_mut().zip(view.signals.column(Signal::WordOfMouth)) {
            *push += self.talk_push * talk;
        }
        for (&row, clicked) in contacts.rows.iter().zip(&responses.clicked) {
            pushes[row as usize] += if *clicked { self.click_push } else { 0.0 };
        }
    }

    /// What a visit lets be seen: pages, cart, category from 1.
    fn visit(&self, people: &People, row: usize, stage: usize, uniforms: [f32; 4]) -> (f32, f32, f32) {
        let [_, cart, category, pages] = uniforms;
        let pages = 1.0 + (ln(pages) * self.pages_scale[stage]).floor();
        let filled = if cart < self.cart[stage] { 1.0 } else { 0.0 };
        let category = if category < self.category_noise {
            (category / self.category_noise * CATEGORIES as f32).floor().min((CATEGORIES - 1) as f32)
        } else {
            let taste = |category: usize| people.taste[category][row];
            (1..CATEGORIES).fold(0, |best, other| if taste(other) > taste(best) { other } else { best }) as f32
        };
        (pages, filled, 1.0 + category)
    }
}

impl ResponseModule for IntentStage {
    fn draws_in_tick(&self) -> bool {
        true
    }

    fn columns(&self) -> usize {
        6
    }

    fn signals(&self) -> &[(Signal, usize)] {
        &[(Signal::VisitPages, LAST_PAGES)]
    }

    fn start(&self, seed: Seed, first: u32, _people: &People, columns: &mut [Vec<f32>]) {
        for (row, stage) in columns[STAGE].iter_mut().enumerate() {
            let uniform = seed.uniforms(Purpose::Stage, first + row as u32, 0, START_BLOCK)[0];
            *stage = self.start.iter().filter(|sum| uniform >= **sum).count() as f32;
        }
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (index, &row) in contacts.rows.iter().enumerate() {
            let stage = view.columns[STAGE][row as usize] as usize;
            predictors.click[index] += self.click[stage];
            predictors.convert[index] += self.convert[stage];
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        let [stages, pushes, pages, carts, categories, last_pages] = next else { return };
        self.gather_pushes(view, contacts, responses, pushes);
        move_on(&self.moves, view.seed, view.first, view.tick as u32, stages, pushes);
        for seen in pages.iter_mut() {
            *seen *= self.pages_kept;
        }
        for (row, _) in view.visiting.iter().enumerate().filter(|(_, visits)| **visits) {
            let uniforms = view.seed.uniforms(Purpose::Stage, view.first + row as u32, view.tick as u32, TICK_BLOCK);
            let (seen, filled, category) = self.visit(view.people, row, stages[row] as usize, uniforms);
            pages[row] += seen;
            last_pages[row] = seen;
            carts[row] = filled;
            categories[row] = category;
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        add_weights(&self.order, &view.columns[STAGE], log_hazard);
    }

    fn after_orders(&self, _view: &View<'_>, orders: &[Order], next: &mut [Vec<f32>]) {
        for order in orders {
            next[STAGE][order.row as usize] = 0.0;
            next[CART][order.row as usize] = 0.0;
        }
    }

    fn features(&self) -> Vec<Feature> {
        if !self.observed {
            return Vec::new();
        }
        let categories = ["1", "2", "3", "4"].map(|name| Feature::level("visited_category", name));
        let mut features = vec![
            Feature::raw("pages_7_days", "pages, fading").logged(0.5, 0.9),
            Feature::raw("cart_filled", "indicator"),
        ];
        features.extend(categories);
        features
    }

    fn observe(&self, view: &View<'_>, feature: usize, first_row: usize, cells: &mut [f32]) {
        for (lane, cell) in cells.iter_mut().enumerate() {
            let row = first_row + lane;
            *cell = match feature {
                0 => view.columns[PAGES][row],
                1 => view.columns[CART][row],
                category => f32::from(u8::from(view.columns[CATEGORY][row] == (category - 1) as f32)),
            };
        }
    }

    fn observable_columns(&self) -> &[usize] {
        if self.observed { &[PAGES, CART, CATEGORY, LAST_PAGES] } else { &[LAST_PAGES] }
    }
}

const _: () = assert!(CATEGORIES == 4 && PUSH == 1, "names of the features and columns");

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> IntentStage {
        create(&Values::defaults(ENTRY.parameters), 1.0).unwrap()
    }

    fn default_law(tick_days: f64) -> [f64; STAGES] {
        let rates = listed::<{ STAGES * STAGES }>(&Values::defaults(ENTRY.parameters), "rates_per_day").unwrap();
        stationary(&exponential(&generator(&rates), tick_days))
    }

    #[test]
    fn the_stationary_law_is_as_stated_and_weights_are_centred() {
        for tick_days in [1.0 / 24.0, 1.0, 7.0] {
            for (share, stated) in default_law(tick_days).iter().zip([0.903_67, 0.048_21, 0.024_28, 0.014_79, 0.009_05])
            {
                assert!((share - stated).abs() < 1e-5, "{share} {stated}");
            }
        }
        for weights in [module().order, module().click, module().convert] {
            let mean: f64 =
                default_law(1.0).iter().zip(weights).map(|(share, weight)| share * libm::exp(f64::from(weight))).sum();
            assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        }
    }

    #[test]
    fn visits_show_pages_carts_and_tastes() {
        let people =
            People { order_rate: vec![0.1], taste: [vec![0.1], vec![-1.0], vec![2.0], vec![0.3]], ..People::default() };
        let count = 20_000;
        let (mut pages, mut carts, mut favourite) = (0.0, 0.0, 0.0);
        for visit in 0..count {
            let uniforms = Seed::new(2).uniforms(Purpose::Stage, visit, 0, TICK_BLOCK);
            let (seen, filled, category) = module().visit(&people, 0, 4, uniforms);
            pages += f64::from(seen) / f64::from(count);
            carts += f64::from(filled) / f64::from(count);
            favourite += f64::from(u8::from(category == 3.0)) / f64::from(count);
            assert!(seen >= 1.0 && (1.0..=4.0).contains(&category));
        }
        // Means 4, 0.5 and 0.8 + 0.2 / 4; four standard errors of 20,000 draws (variance of the pages: 4 * 3).
        assert!((pages - 4.0).abs() < 4.0 * (12.0 / f64::from(count)).sqrt(), "{pages}");
        assert!((carts - 0.5).abs() < 0.0142 && (favourite - 0.85).abs() < 0.0101, "{carts} {favourite}");
    }

    #[test]
    fn a_chain_at_rest_keeps_its_law_and_an_order_sends_to_sleep() {
        let people = People { order_rate: vec![0.1; 64], ..People::default() };
        let rows = 20_032;
        let people = People { order_rate: vec![0.1; rows], ..people };
        let (alive, visiting) = (vec![1.0; rows], vec![false; rows]);
        let module = module();
        let mut columns = vec![vec![0.0; rows]; 6];
        module.start(Seed::new(1), 0, &people, &mut columns);
        let few = People { order_rate: vec![0.1; 64], ..People::default() };
        for tick in 0..20 {
            let view = View { alive: &alive, visiting: &visiting, tick, ..View::bare(&few, &[]) };
            let view = View { people: &people, ..view };
            module.advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
        }
        for (stage, expected) in default_law(1.0).iter().enumerate() {
            let share = columns[STAGE].iter().filter(|value| **value == stage as f32).count() as f64 / rows as f64;
            let standard_error = (expected * (1.0 - expected) / rows as f64).sqrt();
            assert!((share - expected).abs() < 4.0 * standard_error, "{stage}: {share} {expected}");
        }
        let buying = columns[STAGE].iter().position(|stage| *stage == 4.0).unwrap();
        let order = Order { row: buying as u32, ..Order::default() };
        module.after_orders(&View::bare(&few, &[]), &[order], &mut columns);
        assert_eq!(columns[STAGE][buying], 0.0);
    }

    #[test]
    fn lists_of_the_wrong_length_are_refused() {
        let values = Values::defaults(ENTRY.parameters).with("cart_rates", Value::Numbers(vec![0.5]));
        let refusal = create(&values, 1.0).unwrap_err();
        assert!(refusal.message.contains("has 1 numbers, 5 are needed"), "{}", refusal.message);
    }
}
