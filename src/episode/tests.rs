use super::toy::{Constant, Means, Toy, Uniform};
use super::*;
use crate::protocol::{Kpi, World};

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn judged(toy: &Toy, policy: &dyn Policy, by_consumer: bool) -> Record {
    let recorder = Recorder { by_consumer, sink: None };
    judge(toy.open(Seed::new(3)).as_mut(), policy, Seed::new(4), recorder).unwrap()
}

#[derive(Default)]
struct Kept {
    rows: Vec<(u32, u32, u16, i64, i64, bool)>,
    ticks: u32,
}

impl DecisionSink for Kept {
    fn wants_probabilities(&self) -> bool {
        true
    }

    fn window_ticks(&self) -> u32 {
        self.ticks
    }

    fn take(&mut self, step: &Matured, closed: bool) {
        for (row, &consumer) in step.observation.consumer_ids.iter().enumerate() {
            let action = step.actions[row];
            assert_eq!(step.probabilities.get(row, action as usize), step.propensities[row]);
            let (profit, window) = (step.profits[row].micros(), step.window_profits[row].micros());
            self.rows.push((step.observation.tick, consumer, action, profit, window, closed));
        }
    }
}

#[test]
fn records_are_the_same_on_any_number_of_threads() {
    let toy = Toy::new(3_000, 10);
    let records = [1, 2, 7].map(|threads| on_threads(threads, || judged(&toy, &Uniform, true)));
    assert_eq!(records[0], records[1]);
    assert_eq!(records[0], records[2]);
    assert!(records[0].total(Kpi::Orders) > 0);
}

#[test]
fn a_neutral_coupling_changes_no_byte() {
    let apart = Toy::new(3_000, 10);
    let coupled = Toy { coupled: true, budget: Some(i64::MAX), ..apart.clone() };
    assert_eq!(judged(&apart, &Uniform, true), judged(&coupled, &Uniform, true));
}

#[test]
fn a_shared_budget_binds_all_shards_at_the_barrier() {
    let toy = Toy { coupled: true, budget: Some(4_000), ..Toy::new(3_000, 10) };
    let record = judged(&toy, &Constant(1), false);
    let per_tick: Vec<i64> = record.series.iter().map(|tally| tally.get(Kpi::Messages)).collect();
    assert_eq!(per_tick[0], 3_000);
    assert!(per_tick[1] > 1_000, "the second tick began with money left: {per_tick:?}");
    assert!(per_tick[2..].iter().all(|&sent| sent == 0), "{per_tick:?}");
}

#[test]
fn logging_changes_no_number_and_every_decision_is_logged_once() {
    for coupled in [false, true] {
        let toy = &Toy { coupled, ..Toy::new(20_000, 4) };
        let mut logs = Vec::new();
        for threads in [1, 7] {
            let mut sink = Kept { ticks: 2, ..Kept::default() };
            let logged = &mut sink;
            let record = on_threads(threads, || {
                let plain = judged(toy, &Uniform, true);
                let recorder = Recorder { by_consumer: true, sink: Some(logged) };
                let record = judge(toy.open(Seed::new(3)).as_mut(), &Uniform, Seed::new(4), recorder).unwrap();
                assert_eq!(plain, record);
                record
            });
            let profit: i64 = sink.rows.iter().map(|row| row.3).sum();
            assert_eq!(profit, record.total(Kpi::Profit));
            logs.push(sink.rows);
        }
        assert!(logs[0] == logs[1]);
        let mut addresses: Vec<(u32, u32)> = logs[0].iter().map(|row| (row.0, row.1)).collect();
        let group = if coupled { u32::MAX } else { 16 * 1024 };
        assert!(addresses.is_sorted_by_key(|&(tick, consumer)| (consumer / group, tick, consumer)));
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 80_000);
        let profit_at = |tick: u32, consumer: u32| logs[0].iter().find(|r| (r.0, r.1) == (tick, consumer)).unwrap();
        for consumer in [0, 5_000, 17_000] {
            assert_eq!(profit_at(1, consumer).4, profit_at(1, consumer).3 + profit_at(2, consumer).3);
            assert!(profit_at(2, consumer).5 && !profit_at(3, consumer).5);
        }
    }
}

#[test]
fn a_market_judged_in_parts_gives_the_record_and_the_log_of_the_whole() {
    // Three parts, the last of them not whole, and the last shard of it neither.
    let toy = &Toy { part_shards: Some(16), ..Toy::new(40_000, 4) };
    assert_eq!(toy.parts(), 3);
    let whole = |sink: Option<&mut dyn DecisionSink>| {
        let recorder = Recorder { by_consumer: true, sink };
        judge(toy.open(Seed::new(3)).as_mut(), &Uniform, Seed::new(4), recorder).unwrap()
    };
    let in_parts = |mut sink: Option<&mut dyn DecisionSink>| {
        let mut total = Record::new(toy.spec(), true);
        for part in 0..toy.parts() {
            let sink = sink.as_mut().map(|sink| &mut **sink as _);
            let mut market = toy.open_part(Seed::new(3), part);
            let recorder = Recorder { by_consumer: true, sink };
            total.append(judge(market.as_mut(), &Uniform, Seed::new(4), recorder).unwrap());
        }
        total
    };
    let mut log = Kept { ticks: 2, ..Kept::default() };
    let record = whole(Some(&mut log));
    assert_eq!(record.consumers, 40_000);
    for threads in [1, 2, 7] {
        assert!(on_threads(threads, || in_parts(None)) == record);
        let mut kept = Kept { ticks: 2, ..Kept::default() };
        let logged = &mut kept;
        assert!(on_threads(threads, || in_parts(Some(logged))) == record);
        assert!(kept.rows == log.rows, "{threads} threads");
    }
}

#[test]
fn a_record_agrees_with_itself() {
    let toy = Toy::new(2_500, 8);
    let record = judged(&toy, &Uniform, true);
    assert_eq!(record.consumers, 2_500);
    assert_eq!(record.contacts.iter().sum::<u64>(), 2_500);
    assert_eq!(record.action_counts.iter().sum::<u64>(), 20_000);
    assert_eq!(record.total(Kpi::Messages) as u64, record.action_counts[1..].iter().sum::<u64>());
    let each = record.by_consumer.as_ref().unwrap();
    assert!((each.profits.iter().sum::<f64>() - record.discounted_profit()).abs() < 1e-6);
    assert!((each.terminal_values.iter().sum::<f64>() - record.discounted_terminal_value()).abs() < 1e-6);
    assert_eq!(i64::from(each.contacts.iter().sum::<u32>()), record.total(Kpi::Messages));
}

#[derive(Debug)]
struct Careless;

impl Policy for Careless {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut crate::matrix::Matrix) {
        probabilities.reset(observation.rows(), 3);
        (0..observation.rows()).for_each(|row| probabilities.set(row, 2, 1.0));
    }
}

#[test]
fn a_masked_action_is_an_error_that_names_the_first_consumer() {
    let toy = Toy::new(3_000, 4);
    for threads in [1, 7] {
        let error = on_threads(threads, || {
            judge(toy.open(Seed::new(3)).as_mut(), &Careless, Seed::new(4), Recorder::default()).unwrap_err()
        });
        assert_eq!(error, MaskedAction { consumer: 0, action: 2, tick: 0 });
    }
}

fn training(reward: Reward) -> Training {
    Training { episodes: 2, seeds: vec![101, 102], reward, less_twin: false, expected_orders: false }
}

#[test]
fn training_learns_and_is_the_same_on_any_number_of_threads() {
    let toy = Toy::new(3_000, 6);
    let learned = [1, 2, 7].map(|threads| {
        on_threads(threads, || {
            let mut agent = Means::default();
            let learning = train(&toy, &mut agent, &training(Reward::Tick), 0).unwrap();
            (format!("{agent:?}"), learning)
        })
    });
    assert_eq!(learned[0], learned[1]);
    assert_eq!(learned[0], learned[2]);
    let learning = &learned[0].1;
    assert_eq!(learning.returns_per_consumer.len(), 4);
    assert_eq!(learning.rows, 4 * 6 * 3_000);
    let regret = learning.regret_per_consumer.unwrap();
    let mut agent = Means::default();
    train(&toy, &mut agent, &training(Reward::Tick), 0).unwrap();
    let value = |policy: &dyn Policy| judged(&toy, policy, false).discounted_profit();
    assert!(value(&agent) > value(&Uniform) && value(&agent) > value(&Constant(0)));
    // Greedy on two cells leaves most of what no contact would lose against the best action.
    assert!(regret > 0.0 && regret < 0.5 * 6.0 * 0.12, "{regret}");
}

#[test]
fn replications_train_on_markets_of_their_own() {
    let toy = Toy::new(200, 3);
    let learn = |replication| train(&toy, &mut Means::default(), &training(Reward::Tick), replication).unwrap();
    assert_ne!(learn(0), learn(1));
    assert_eq!(learn(1), learn(1));
}

#[test]
fn window_rewards_are_sums_of_ticks_in_shard_order_and_the_horizon_drops_open_windows() {
    let toy = Toy::new(2_000, 5);
    let kept = |reward| {
        let mut agent = Means { keep_batches: true, ..Means::default() };
        let training = Training { episodes: 1, seeds: vec![9], reward, less_twin: false, expected_orders: false };
        train(&toy, &mut agent, &training, 0).unwrap();
        agent.batches
    };
    let window = kept(Reward::Window { ticks: 3 });
    let addresses: Vec<(u32, u32)> = window.iter().map(|batch| (batch.0, batch.1)).collect();
    assert_eq!(addresses, [(0, 0), (0, 1024), (1, 0), (1, 1024), (2, 0), (2, 1024)]);
    let tick = kept(Reward::Tick);
    assert_eq!(tick.len(), 10);
    // Every reward of a window is a whole number of orders less at most three messages.
    for reward in window.iter().flat_map(|batch| &batch.2) {
        let messages = (reward.ceil() - reward) / 0.02;
        assert!((messages - messages.round()).abs() < 1e-3 && messages < 3.5, "{reward}");
    }
}

#[test]
fn rows_that_have_ended_leave_the_batches() {
    let toy = Toy { ends: Some(4), ..Toy::new(100, 5) };
    let learning = train(&toy, &mut Means::default(), &training(Reward::Tick), 0).unwrap();
    // A quarter of the consumers ends in tick 2, after three decisions.
    assert_eq!(learning.rows, 4 * (3 * 100 + 2 * 75));
}

/// Looks ahead: hears everything that sequential agents hear, and writes it down.
#[derive(Debug, Default)]
struct Listener {
    plan: Option<crate::protocol::TrainingPlan>,
    /// (tick, first consumer, rows) of what it learned from, then of where episodes stopped.
    learned: Vec<(u32, u32, usize)>,
    stopped: Vec<(u32, u32, usize, bool)>,
    rewards: f64,
    concluded: u32,
    /// Contacts nobody; else each action with the same chance.
    is_idle: bool,
}

impl Policy for Listener {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut crate::matrix::Matrix) {
        match self.is_idle {
            true => Constant(0).probabilities(observation, seed, probabilities),
            false => Uniform.probabilities(observation, seed, probabilities),
        }
    }
}

impl crate::protocol::Agent for Listener {
    fn learn(
        &mut self,
        batch: &crate::protocol::Transitions<'_>,
        _: Seed,
    ) -> Result<crate::protocol::Metrics, crate::protocol::Diverged> {
        let seen = batch.observation;
        self.learned.push((seen.tick, seen.consumer_ids[0], seen.rows()));
        self.rewards += batch.rewards.iter().map(|reward| f64::from(*reward)).sum::<f64>();
        Ok(vec![("loss", f64::from(seen.tick))])
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn begin_training(&mut self, plan: &crate::protocol::TrainingPlan) {
        self.plan = Some(*plan);
    }

    fn end_episode(
        &mut self,
        ending: &crate::protocol::Ending<'_>,
        _: Seed,
    ) -> Result<crate::protocol::Metrics, crate::protocol::Diverged> {
        let seen = ending.observation;
        assert_eq!(seen.features.rows(), seen.rows());
        self.stopped.push((seen.tick, seen.consumer_ids[0], seen.rows(), ending.beyond.is_some()));
        Ok(Vec::new())
    }

    fn conclude(&mut self, _: Seed) -> Result<crate::protocol::Metrics, crate::protocol::Diverged> {
        self.concluded += 1;
        Ok(vec![("fitted", 1.0)])
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(Uniform)
    }

    fn save(&self, _: &mut dyn std::io::Write) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn agents_that_look_ahead_hear_every_tick_and_where_episodes_stop() {
    let toy = Toy::new(2_500, 6);
    let mut agent = Listener::default();
    // A window of four ticks is for others: nothing of the last ticks is lost to those who look ahead.
    let windowed = training(Reward::Window { ticks: 4 });
    let learning = train(&toy, &mut agent, &windowed, 0).unwrap();
    let markets = windowed.episodes * windowed.seeds.len() as u32;
    let plan = agent.plan.unwrap();
    assert_eq!((plan.markets, plan.ticks, plan.consumers), (markets, 6, 2_500));
    assert_eq!(plan.decisions(), u64::from(markets) * 15_000);
    assert_eq!(learning.rows, plan.decisions());
    let first: Vec<(u32, u32, usize)> = agent.learned[..3].to_vec();
    assert_eq!(first, [(0, 0, 1_024), (0, 1_024, 1_024), (0, 2_048, 452)]);
    assert_eq!(agent.learned.len() as u32, markets * 18);
    let stops = [(6, 0, 1_024, false), (6, 1_024, 1_024, false), (6, 2_048, 452, false)];
    assert_eq!(agent.stopped, stops.repeat(markets as usize));
    assert_eq!((agent.concluded, learning.metrics["fitted"], learning.metrics["loss"]), (1, 1.0, 5.0));
    assert!(agent.rewards.abs() > 0.0);
}

#[test]
fn less_the_twin_what_the_actions_changed_is_left_and_nothing_else() {
    for toy in [Toy::new(2_500, 6), Toy { coupled: true, budget: Some(9_000), ..Toy::new(2_500, 6) }] {
        let heard = |is_idle, less_twin| {
            let mut agent = Listener { is_idle, ..Listener::default() };
            let learning = train(&toy, &mut agent, &Training { less_twin, ..training(Reward::Tick) }, 0).unwrap();
            (agent.rewards, learning.returns_per_consumer)
        };
        let [(idle, _), (idle_less, _)] = [false, true].map(|less_twin| heard(true, less_twin));
        let [(busy, returns), (busy_less, returns_less)] = [false, true].map(|less_twin| heard(false, less_twin));
        assert!(idle > 0.0 && idle_less == 0.0, "{idle}, {idle_less}");
        // Both twins live the same life, so that the difference of the two policies is kept to the cent.
        assert!((busy - busy_less - idle).abs() < 1e-3 && busy_less != busy, "{busy}, {busy_less}, {idle}");
        // What is told of the market is what it earned.
        assert_eq!(returns, returns_less);
    }
}
