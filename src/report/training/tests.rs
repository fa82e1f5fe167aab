//! A log is taught as it was lived.

use crate::episode::toy::{Toy, Uniform};
use crate::episode::{Recorder, Reward, judge};
use crate::evaluation::{Log, market_seed};
use crate::logged::training::TrainingLog;
use crate::protocol::{
    Agent, Decision, Diverged, Ending, Metrics, Observation, Outcome, Policy, TrainingPlan, Transitions, Views, World,
};
use crate::random::Seed;
use crate::report::{DecisionLog, LogHeader};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SEED: Seed = Seed::new(7);

/// Writes down all that it hears.
#[derive(Debug, Default)]
struct Listener {
    looks_ahead: bool,
    plan: Option<TrainingPlan>,
    heard: Vec<Heard>,
    stopped: Vec<Observation>,
    concluded: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Heard {
    observation: Observation,
    actions: Vec<u16>,
    propensities: Vec<f32>,
    rewards: Vec<f32>,
    terminated: Vec<bool>,
}

impl Policy for Listener {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut crate::matrix::Matrix) {
        Uniform.probabilities(observation, seed, probabilities);
    }
}

impl Agent for Listener {
    fn learn(&mut self, batch: &Transitions<'_>, _: Seed) -> Result<Metrics, Diverged> {
        self.heard.push(Heard {
            observation: batch.observation.clone(),
            actions: batch.actions.to_vec(),
            propensities: batch.propensities.to_vec(),
            rewards: batch.rewards.to_vec(),
            terminated: (0..batch.actions.len()).map(|row| batch.is_terminated(row)).collect(),
        });
        Ok(vec![("loss", f64::from(batch.observation.tick))])
    }

    fn is_sequential(&self) -> bool {
        self.looks_ahead
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.plan = Some(*plan);
    }

    fn end_episode(&mut self, ending: &Ending<'_>, _: Seed) -> Result<Metrics, Diverged> {
        assert!(ending.beyond.is_none());
        self.stopped.push(ending.observation.clone());
        Ok(Metrics::new())
    }

    fn conclude(&mut self, _: Seed) -> Result<Metrics, Diverged> {
        self.concluded += 1;
        Ok(vec![("fitted", 1.0)])
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(Uniform)
    }

    fn save(&self, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

/// The log of the uniform law on a toy.
fn log(folder: &Path, toy: &Toy, reward: Reward, replication: u32) -> PathBuf {
    let path = folder.join(format!("uniform-{replication}.parquet"));
    let header = LogHeader {
        scenario: "toy",
        scenario_hash: "0123",
        seed: SEED,
        reward,
        policy: "uniform",
        replication,
        with_probabilities: false,
        coupled: Vec::new(),
    };
    let mut sink = DecisionLog::create(&path, toy.spec(), &header).unwrap();
    let mut market = toy.open(market_seed(SEED, replication));
    let recorder = Recorder { by_consumer: false, sink: Some(&mut sink) };
    judge(market.as_mut(), &Uniform, SEED, recorder).unwrap();
    Box::new(sink).finish().unwrap();
    path
}

/// What an agent that meets the same market tick by tick and shard by shard hears.
fn lived(toy: &Toy, replication: u32) -> Vec<Heard> {
    let mut market = toy.open(market_seed(SEED, replication));
    let mut heard = Vec::new();
    let mut ended = vec![false; toy.spec.consumers as usize];
    for _ in 0..toy.spec.horizon {
        for shard in market.shards_mut() {
            let (mut seen, mut decision, mut outcome) =
                (Observation::default(), Decision::default(), Outcome::default());
            shard.observe(Views::FEATURES, &mut seen);
            Uniform.decide(&seen, SEED, &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            let rows: Vec<usize> = (0..seen.rows()).filter(|&row| !ended[seen.consumer_ids[row] as usize]).collect();
            let mut observation = Observation::default();
            observation.select(&seen, &rows);
            heard.push(Heard {
                observation,
                actions: rows.iter().map(|&row| decision.actions[row]).collect(),
                propensities: rows.iter().map(|&row| decision.propensities[row]).collect(),
                rewards: rows.iter().map(|&row| outcome.profits[row].amount() as f32).collect(),
                terminated: rows.iter().map(|&row| outcome.terminated[row]).collect(),
            });
            for &row in &rows {
                ended[seen.consumer_ids[row] as usize] |= outcome.terminated[row];
            }
        }
    }
    heard
}

fn open(path: &Path, toy: &Toy, reward: Reward) -> TrainingLog {
    TrainingLog::open(path, toy, "0123", reward).unwrap_or_else(|faults| panic!("{faults:?}"))
}

#[test]
fn a_log_is_taught_in_the_order_of_ticks_and_shards_to_the_last_bit() {
    let folder = TempDir::new().unwrap();
    // 18 shards, so that the log comes in two groups; row groups of the file end within ticks; a third ends at tick 2.
    let toy = Toy { ends: Some(3), ..Toy::new(17 * 1_024 + 100, 5) };
    log(folder.path(), &toy, Reward::Tick, 0);
    log(folder.path(), &toy, Reward::Tick, 1);
    let opened = open(&folder.path().join("uniform-*.parquet"), &toy, Reward::Tick);
    let mut agent = Listener::default();
    let learning = opened.teach(&mut agent, Seed::new(1), &|| {}).unwrap();
    let expected: Vec<Heard> = lived(&toy, 0).into_iter().chain(lived(&toy, 1)).collect();
    assert_eq!(agent.heard.len(), expected.len());
    for (heard, expected) in agent.heard.iter().zip(&expected) {
        assert!(heard == expected, "tick {} differs", expected.observation.tick);
    }
    assert_eq!(agent.plan, Some(TrainingPlan { markets: 2, ticks: 5, consumers: toy.spec.consumers }));
    assert_eq!(
        (learning.rows, opened.rows()),
        (opened.rows(), agent.heard.iter().map(|one| one.actions.len() as u64).sum())
    );
    assert_eq!((agent.concluded, learning.metrics["fitted"], agent.stopped.len()), (1, 1.0, 0));
    assert_eq!(opened.policies(), ["uniform"]);
    assert!(learning.series.is_none() && opened.notes.is_empty());
}

#[test]
fn agents_that_look_ahead_see_the_last_decisions_as_where_episodes_stop() {
    let folder = TempDir::new().unwrap();
    let toy = Toy { ends: Some(4), ..Toy::new(2_100, 3) };
    let path = log(folder.path(), &toy, Reward::Window { ticks: 2 }, 0);
    let mut agent = Listener { looks_ahead: true, ..Listener::default() };
    let learning = open(&path, &toy, Reward::Window { ticks: 2 }).teach(&mut agent, Seed::new(1), &|| {}).unwrap();
    let expected = lived(&toy, 0);
    // Two ticks of three shards as they were lived, whatever window the scenario rewards.
    assert!(agent.heard[..6] == expected[..6]);
    // A quarter ends in the last tick, and learns of it; the others stop there.
    for ((heard, stopped), whole) in agent.heard[6..].iter().zip(&agent.stopped).zip(&expected[6..]) {
        assert!(heard.terminated.iter().all(|ended| *ended) && heard.observation.tick == 2);
        assert_eq!(heard.actions.len() + stopped.rows(), whole.actions.len());
        assert!(heard.observation.consumer_ids.iter().all(|id| id % 4 == 0));
        assert!(stopped.consumer_ids.iter().all(|id| id % 4 != 0));
    }
    assert_eq!((agent.heard.len(), agent.stopped.len()), (9, 3));
    let series = learning.series.unwrap();
    let losses: Vec<(u32, u32, f64)> = series.points("loss").map(|one| (one.market, one.tick, one.mean)).collect();
    assert_eq!(losses, [(0, 0, 0.0), (0, 1, 1.0), (0, 2, 2.0)]);
    assert_eq!(series.points("reward_per_consumer").count(), 3);
}

#[test]
fn other_agents_learn_from_windows_that_closed() {
    let folder = TempDir::new().unwrap();
    let (toy, reward) = (Toy::new(1_500, 5), Reward::Window { ticks: 3 });
    let path = log(folder.path(), &toy, reward, 0);
    let mut agent = Listener::default();
    open(&path, &toy, reward).teach(&mut agent, Seed::new(1), &|| {}).unwrap();
    let expected = lived(&toy, 0);
    // Windows of the last two ticks are cut off.
    assert_eq!(agent.heard.iter().map(|one| one.observation.tick).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
    for (index, heard) in agent.heard.iter().enumerate() {
        let window = |row: usize| (0..3).map(|tick| expected[index + 2 * tick].rewards[row]).sum::<f32>();
        assert!((0..heard.rewards.len()).all(|row| (heard.rewards[row] - window(row)).abs() < 1e-5));
    }
}

#[test]
fn in_a_log_of_one_tick_every_decision_ends_its_episode() {
    let folder = TempDir::new().unwrap();
    let toy = Toy::new(300, 1);
    let path = log(folder.path(), &toy, Reward::Tick, 0);
    let mut agent = Listener { looks_ahead: true, ..Listener::default() };
    open(&path, &toy, Reward::Tick).teach(&mut agent, Seed::new(1), &|| {}).unwrap();
    assert_eq!((agent.heard.len(), agent.stopped.len()), (1, 0));
    assert_eq!((agent.heard[0].actions.len(), agent.heard[0].terminated.contains(&false)), (300, false));
}

#[test]
fn a_log_of_another_market_names_what_differs() {
    let folder = TempDir::new().unwrap();
    let toy = Toy::new(100, 2);
    let path = log(folder.path(), &toy, Reward::Tick, 0);
    let mut other = toy.clone();
    other.spec.features[0].name = "warmness".into();
    other.spec.actions.actions[2].name = "shouted".into();
    let faults = TrainingLog::open(&path, &other, "0123", Reward::Tick).err().unwrap();
    let told: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    for words in ["missing: \"warmness\"", "lacks: \"warmth\"", "missing: \"shouted\"", "lacks: \"loud\""] {
        assert!(told.iter().any(|message| message.contains(words)), "{words} is not in {told:?}");
    }
    let faults = TrainingLog::open(&path, &toy, "0123", Reward::Window { ticks: 2 }).err().unwrap();
    assert!(faults[0].message.contains("the scenario rewards those of 2 ticks"), "{faults:?}");
    let faults = TrainingLog::open(&folder.path().join("no*.parquet"), &toy, "0123", Reward::Tick).err().unwrap();
    assert!(faults[0].message.contains("no file is named like"), "{faults:?}");
    // Another version of the same market is no fault, and is told.
    let opened = TrainingLog::open(&path, &toy, "4567", Reward::Tick).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(opened.notes[0].contains("another version of the scenario"), "{:?}", opened.notes);
    std::fs::write(folder.path().join("cut.parquet"), &std::fs::read(&path).unwrap()[..2_000]).unwrap();
    let faults = TrainingLog::open(&folder.path().join("cut.parquet"), &toy, "0123", Reward::Tick).err().unwrap();
    assert!(faults[0].message.contains("is no whole Parquet file"), "{faults:?}");
}
