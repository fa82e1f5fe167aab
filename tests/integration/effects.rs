//! What agents hear where rewards are less the twin's and orders count by their expectation.

use mercato::environment::campaign::{Campaign, Sections};
use mercato::episode::{Reward, Training, train};
use mercato::matrix::Matrix;
use mercato::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, Transitions, Views};
use mercato::random::Seed;
use mercato::registry::Value;

/// Writes down what it hears; contacts nobody, or everybody.
#[derive(Debug, Default)]
struct Listener {
    is_idle: bool,
    rewards: Vec<f64>,
    beyond: Vec<f64>,
}

impl Policy for Listener {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            let action = usize::from(!self.is_idle && observation.allowed.allows(row, 1));
            probabilities.set(row, action, 1.0);
        }
    }
}

impl Agent for Listener {
    fn learn(&mut self, batch: &Transitions<'_>, _: Seed) -> Result<Metrics, Diverged> {
        self.rewards.extend(batch.rewards.iter().map(|reward| f64::from(*reward)));
        Ok(Metrics::new())
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn end_episode(&mut self, ending: &Ending<'_>, _: Seed) -> Result<Metrics, Diverged> {
        let values = ending.beyond.as_ref().map_or(&[][..], |beyond| beyond.values);
        self.beyond.extend(values.iter().map(|value| f64::from(*value)));
        Ok(Metrics::new())
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(Self { is_idle: self.is_idle, ..Self::default() })
    }

    fn save(&self, _: &mut dyn std::io::Write) -> std::io::Result<()> {
        Ok(())
    }
}

/// A market of mail that is opened and that three in ten who get it want no more of; nobody clicks.
fn unwelcome() -> Campaign {
    let mut sections = Sections::preset(&["email"]);
    sections.market = sections
        .market
        .with("consumers", Value::Integer(1_500))
        .with("ticks", Value::Integer(10))
        .with("history_days", Value::Number(0.0));
    for (key, value) in [("open_rate", 0.9), ("click_rate", 0.0), ("opt_out_rate", 0.3), ("complaint_rate", 0.0)] {
        sections.channels[0].2.set(key, Value::Number(value), None);
    }
    Campaign::new(&sections).unwrap()
}

fn heard(world: &Campaign, is_idle: bool, less_twin: bool, expected_orders: bool) -> Listener {
    let training = Training { episodes: 1, seeds: vec![3], reward: Reward::Tick, less_twin, expected_orders };
    let mut agent = Listener { is_idle, ..Listener::default() };
    train(world, &mut agent, &training, 0).unwrap();
    assert_eq!((agent.rewards.len(), agent.beyond.len()), (15_000, 1_500));
    agent
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

#[test]
fn who_contacts_nobody_has_no_effect_at_all() {
    let world = unwelcome();
    for expected_orders in [false, true] {
        let idle = heard(&world, true, true, expected_orders);
        assert!(idle.rewards.iter().chain(&idle.beyond).all(|value| *value == 0.0));
    }
}

#[test]
fn effects_are_what_the_actions_changed_booked_or_on_average() {
    let world = unwelcome();
    for expected_orders in [false, true] {
        let [plain, less] = [false, true].map(|less_twin| heard(&world, false, less_twin, expected_orders));
        let idle = heard(&world, true, false, expected_orders);
        let difference = sum(&plain.rewards) - sum(&less.rewards) - sum(&idle.rewards);
        assert!(difference.abs() < 0.05 && sum(&less.rewards) != 0.0, "{difference}");
    }
    // Averages are far from the coins that are thrown, tick by tick.
    let ordering = |agent: &Listener| agent.rewards.iter().filter(|reward| **reward > 5.0).count();
    let [booked, average] = [false, true].map(|expected_orders| heard(&world, true, false, expected_orders));
    assert!(ordering(&booked) > 20 && ordering(&average) < ordering(&booked) / 4);
}

#[test]
fn what_lies_beyond_a_run_is_the_effect_on_it_by_the_truth() {
    let world = unwelcome();
    let [plain, less] = [false, true].map(|less_twin| heard(&world, false, less_twin, false));
    let mean = |agent: &Listener| sum(&agent.beyond) / agent.beyond.len() as f64;
    // Records tell what people are worth; the effect is the address that most of them took back, worth 2.
    assert!(mean(&plain) > 20.0 && (-2.0..-1.0).contains(&mean(&less)), "{} {}", mean(&plain), mean(&less));
    let is_lost = |value: &&f64| (**value + 2.0).abs() < 0.01;
    assert!(less.beyond.iter().filter(is_lost).count() > 700);
}
