//! A toy whose best value is known, and sizes by hand.

use super::*;
use crate::episode::toy::Toy;
use crate::episode::{Reward, Training};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Metrics, Observation, Policy, Transitions, Views, World};
use crate::random::Seed;
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// Writes the plain letter to whoever is warmer than this; with a threshold above 1 its learning diverges.
#[derive(Clone, Debug)]
struct Warmer(f32);

impl Policy for Warmer {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), 3);
        for row in 0..observation.rows() {
            let sends = observation.features.get(row, 0) > self.0 && observation.allowed.allows(row, 1);
            probabilities.set(row, usize::from(sends), 1.0);
        }
    }
}

impl Agent for Warmer {
    fn learn(&mut self, _: &Transitions<'_>, _: Seed) -> Result<Metrics, Diverged> {
        if self.0 > 1.0 {
            return Err(Diverged { agent: "warmer".into(), quantity: "the threshold".into() });
        }
        Ok(Metrics::new())
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }

    fn save(&self, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

/// Thresholds in no order; every one of 27 is there.
fn threshold(trial: u32) -> f32 {
    (trial * 10 % 27) as f32 / 27.0
}

fn trials(count: u32, threshold: impl Fn(u32) -> f32) -> Vec<Fresh> {
    let fresh = |threshold: f32| -> Fresh { Ok(Box::new(move || Box::new(Warmer(threshold)))) };
    (0..count).map(|trial| fresh(threshold(trial))).collect()
}

#[derive(Default)]
struct Memory {
    kept: Mutex<BTreeMap<Piece, Outcome>>,
    restored: Mutex<u32>,
}

impl Ledger for Memory {
    fn restore(&self, piece: Piece) -> Option<Outcome> {
        let found = self.kept.lock().unwrap().get(&piece).cloned();
        *self.restored.lock().unwrap() += u32::from(found.is_some());
        found
    }

    fn keep(&self, piece: Piece, outcome: &Outcome) -> io::Result<()> {
        assert!(self.kept.lock().unwrap().insert(piece, outcome.clone()).is_none(), "{piece:?} was done twice");
        Ok(())
    }
}

fn training(episodes: u32) -> Training {
    Training { episodes, seeds: vec![101], reward: Reward::Tick, less_twin: false, expected_orders: false }
}

fn search(toy: &Toy, trials: &[Fresh], plan: &Plan, ledger: &Memory) -> Result<Found, SearchError> {
    Search { world: toy, training: &training(1), seed: Seed::new(7), trials, plan }.run(ledger)
}

const FULL: Level = Level { episodes: 1, replications: 9 };

#[test]
fn exactly_one_in_three_goes_on() {
    let sizes = |plan: &Plan| -> Vec<Vec<(u32, u32)>> {
        let steps =
            |bracket: &Bracket| bracket.steps.iter().map(|step| (step.trials, step.level.replications)).collect();
        plan.brackets.iter().map(steps).collect()
    };
    // 17 trials are Hyperband's own numbers for a budget of 9 and eta 3: 9, 5 and 3.
    let plan = Plan::new(Budget::Replications, 17, FULL);
    assert_eq!(sizes(&plan), [vec![(9, 1), (3, 3), (1, 9)], vec![(5, 3), (1, 9)], vec![(3, 9)]]);
    assert_eq!(plan.brackets.iter().map(|bracket| bracket.trials.clone()).collect::<Vec<_>>(), [0..9, 9..14, 14..17]);
    // 9 and 3 on 2 more and 1 on 6 more; 5 on 3 and 1 on 6 more; 3 on 9.
    assert_eq!(plan.pieces(), 9 + 6 + 6 + 15 + 6 + 27);
    let plan = Plan::new(Budget::Episodes, 34, Level { episodes: 10, replications: 2 });
    let episodes = |bracket: &Bracket| bracket.steps.iter().map(|step| (step.trials, step.level.episodes)).collect();
    let by_episodes: Vec<Vec<(u32, u32)>> = plan.brackets.iter().map(episodes).collect();
    assert_eq!(by_episodes, [vec![(18, 1), (6, 3), (2, 10)], vec![(10, 3), (3, 10)], vec![(6, 10)]]);
    assert_eq!(plan.pieces(), 2 * (18 + 6 + 2 + 10 + 3 + 6));
    for trials in 1..200 {
        let plan = Plan::new(Budget::Replications, trials, FULL);
        assert_eq!(plan.brackets.iter().map(|bracket| bracket.trials.len() as u32).sum::<u32>(), trials);
        for steps in plan.brackets.iter().flat_map(|bracket| bracket.steps.windows(2)) {
            assert_eq!(steps[1].trials, (steps[0].trials / ETA).max(1));
        }
        assert!(plan.brackets.iter().all(|bracket| bracket.steps.last().unwrap().level == FULL));
    }
    // Nothing to halve where the full budget is the least.
    let plan = Plan::new(Budget::Episodes, 5, Level { episodes: 1, replications: 2 });
    assert_eq!(sizes(&plan), [vec![(5, 2)]]);
}

#[test]
fn the_known_best_threshold_is_found_and_the_best_third_is_kept_at_each_step() {
    let toy = Toy::new(4_000, 5);
    let plan = Plan::new(Budget::Replications, 27, FULL);
    let found = search(&toy, &trials(27, threshold), &plan, &Memory::default()).unwrap();
    // A letter at warmth w earns 0.2 (w - 0.4) - 0.02 and loses the consumer with probability 0.02, who is then worth 0.25
    // less: it pays from w = 0.525 on in the last tick, a little later before.
    let best = threshold(found.finalists[0].trial);
    assert!((0.44..=0.63).contains(&best), "{best}");
    for pair in found.steps.windows(2).filter(|pair| pair[0].bracket == pair[1].bracket) {
        let kept: Vec<u32> = pair[0].standings.iter().take(pair[0].kept as usize).map(|one| one.trial).collect();
        let mut next: Vec<u32> = pair[1].standings.iter().map(|one| one.trial).collect();
        next.sort_by_key(|trial| kept.iter().position(|other| other == trial));
        assert_eq!(kept, next);
        let worth = |index: usize| pair[0].standings[index].worth.unwrap();
        assert!((1..pair[0].standings.len()).all(|index| worth(index - 1) >= worth(index)));
    }
    // Worse thresholds are worse: nobody, and everybody.
    let all = Plan::new(Budget::Episodes, 2, Level { episodes: 1, replications: 2 });
    let ends = search(&toy, &trials(2, |trial| [1.0, 0.53][trial as usize]), &all, &Memory::default()).unwrap();
    assert_eq!(ends.finalists.iter().map(|one| one.trial).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn what_is_kept_is_not_done_again_and_changes_nothing() {
    let toy = Toy::new(300, 3);
    let (plan, trials) = (Plan::new(Budget::Replications, 17, FULL), trials(17, threshold));
    let memory = Memory::default();
    let whole = search(&toy, &trials, &plan, &memory).unwrap();
    assert_eq!(memory.kept.lock().unwrap().len() as u64, plan.pieces());
    // Half of it, as an interruption leaves it.
    let half = Memory::default();
    half.kept.lock().unwrap().extend(memory.kept.lock().unwrap().iter().step_by(2).map(|(at, one)| (*at, one.clone())));
    assert_eq!(search(&toy, &trials, &plan, &half).unwrap(), whole);
    assert!(*half.restored.lock().unwrap() > 0);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| search(&toy, &trials, &plan, &Memory::default())).unwrap(), whole);
}

#[test]
fn trials_that_diverge_are_out_and_only_all_of_them_stop_a_search() {
    let toy = Toy::new(200, 3);
    let plan = Plan::new(Budget::Replications, 9, FULL);
    let wild = |trial: u32| if trial < 7 { 2.0 } else { 0.5 };
    let found = search(&toy, &trials(9, wild), &plan, &Memory::default()).unwrap();
    assert!(found.finalists.iter().all(|one| one.trial >= 7) && !found.finalists.is_empty());
    let failed = found.steps.iter().flat_map(|step| &step.standings).find(|one| one.worth.is_none()).unwrap();
    assert!(failed.failure.as_ref().unwrap().contains("the threshold is no longer finite"));
    let error = search(&toy, &trials(9, |_| 2.0), &plan, &Memory::default()).unwrap_err();
    assert!(error.to_string().contains("none of 9 trials could be trained"), "{error}");
    let refused: Vec<Fresh> = vec![Err("alpha is refused".to_owned()), Ok(Box::new(|| Box::new(Warmer(0.5))))];
    let plan = Plan::new(Budget::Replications, 2, Level { replications: 1, ..FULL });
    let found = search(&toy, &refused, &plan, &Memory::default()).unwrap();
    assert_eq!(found.finalists[0].trial, 1);
}

#[test]
fn the_search_lives_on_markets_of_its_own() {
    let toy = Toy::new(100, 2);
    assert_eq!(toy.spec().consumers, 100);
    // The same trial judged on the markets of the run is worth something else.
    let plan = Plan::new(Budget::Replications, 1, Level { replications: 1, ..FULL });
    let found = search(&toy, &trials(1, |_| 0.5), &plan, &Memory::default()).unwrap();
    let market = crate::evaluation::market_seed(Seed::new(7), 0);
    let mut open = toy.open(market);
    let record = crate::episode::judge(
        open.as_mut(),
        &Warmer(0.5),
        Seed::new(7).derive(2, 0),
        crate::episode::Recorder::default(),
    )
    .unwrap();
    let run = (record.discounted_profit() + record.discounted_terminal_value()) / 100.0;
    assert_ne!(found.finalists[0].worth.unwrap(), run);
}
