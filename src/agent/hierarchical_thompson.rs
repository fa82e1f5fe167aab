//! Thompson sampling of many consumers with few data each: every consumer has arms of its own, shrunk to those of the
//! segment, which are shrunk to those of all. Made for send time and channel: arms are combinations of levels of `factors`.
//!
//! A reward of consumer i for arm a in segment g is `m_a + b_g + s_ga + u_i + v_ia + noise`: what the arm earns over all,
//! what the segment brings, what is special about both (module `hierarchy`); what the consumer brings whatever is done,
//! what is special about the consumer and the arm; all Gaussian. A decision draws the upper levels from their posterior,
//! then `u_i` and `v_ia` given these and the consumer's own answers, and takes the best arm. `u_i` moves all arms alike and
//! matters only because it explains answers: a good customer who was only ever written to at 8 is no proof for 8.
//!
//! Sources: Chapelle & Li 2011, *An empirical evaluation of Thompson sampling*; Hong, Kveton, Zaheer & Ghavamzadeh 2022,
//! *Hierarchical Bayesian bandits* (levels sampled from the top down); Kveton et al. 2021, *Meta-Thompson sampling* (a prior
//! that is learned over tasks); variance components by moments: Henderson 1953, *Estimation of variance and covariance
//! components*.
//!
//! # What a frozen policy knows
//! A market that is judged has other people than the one that was learned on, under the same numbers. What was learned of
//! a consumer is therefore used in its own market alone: in ticks after the latest rewards learned from
//! (`reward_ticks` after, since rewards take that long). A judged market begins at tick 0, before these; there everybody
//! is a stranger and gets the law of the segment: posterior of the upper levels, and `stranger_share` of the variance of
//! `v_ia`, 0 by default because a frozen policy has nothing to learn from trying. The learned hierarchy and its variance
//! components are what carries over. They are told as figures of learning: `noise_variance`, `consumer_variance` (of u),
//! `consumer_arm_variance` (of v) and `segment_variance` (of s). What can be seen of a stranger enters through
//! `segments`.
//!
//! Differences from the sources:
//! 1. Variances are estimated (empirical Bayes) and then taken as known, as is the upper levels' mean where `u_i` is
//!    computed. Before there are data, `personal_share` of the variance of rewards is that of consumers, half of it of u;
//!    this counts for 100 rows.
//! 2. The law is finite: `samples` posterior samples give each arm its share of wins; `floor` mixes in the uniform law
//!    over arms (not over actions: the rest of an action stays what it is). Draws of the upper levels are addressed by
//!    (seed, tick) and shared within a segment, those of a consumer by (seed, consumer, tick).
//! 3. An arm is carried out by its first allowed action. `channel`, `hour`, `offer` and `creative` leave only actions of
//!    that level.
//! 4. A consumer's segment is that of the decision; answers from other segments count as they are.
//! 5. Where the last `reward_ticks - 1` ticks of a judged market lie beyond the last one learned from, memory of other
//!    people would be used if `reward_ticks` were set too low.

use super::AgentBuild;
use super::arm_groups::{ArmGroups, FACTORS};
use super::clustered::{PRIOR_MEAN, PRIOR_STRENGTH, SAMPLES};
use super::contact::{CHANNEL, CREATIVE, HOUR, OFFER};
use super::hierarchy::{Hierarchy, Variances, count_wins, draw_normals};
use super::persons::Persons;
use super::segment::Condition;
use super::thompson::FLOOR;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Metrics, Observation, Policy, Spec, Transitions, Views};
use crate::random::{LANES, Seed};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::OnceLock;

/// `kind = "hierarchical_thompson"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: "hierarchical_thompson",
    summary: "Thompson sampling with arms of every consumer's own, shrunk to the segment and to all, as for send time",
    source: "Chapelle & Li 2011; Hong, Kveton, Zaheer & Ghavamzadeh 2022, Hierarchical Bayesian bandits; Kveton et al. 2021",
    parameters: &[
        FACTORS,
        CHANNEL,
        HOUR,
        OFFER,
        CREATIVE,
        Parameter::of(
            "segments",
            Kind::Texts { default: None },
            "up to 6 conditions such as \"email_open_share > 0.3\"; each combination of answers is a segment",
        ),
        Parameter::integer(
            "reward_ticks",
            1,
            1,
            10_000,
            "ticks until a reward is known, as the scenario's window says",
        ),
        Parameter::number(
            "personal_share",
            0.1,
            Range::PROBABILITY,
            "share of the variance of rewards that lies between consumers, before any data",
        )
        .tuned(Tuning::LogUniform { low: 0.001, high: 0.5 }),
        Parameter::number(
            "stranger_share",
            0.0,
            Range::PROBABILITY,
            "share of the variance between consumers that is sampled for consumers of another market than the learned one",
        ),
        SAMPLES,
        FLOOR,
        PRIOR_MEAN,
        PRIOR_STRENGTH,
    ],
    build: AgentBuild {
        create: |values, spec| Ok(Box::new(HierarchicalThompson::new(values, spec)?)),
        load: |from| Ok(Box::new(serde_json::from_reader::<_, HierarchicalThompson>(from)?)),
    },
};

/// Most conditions: 64 segments.
const CONDITIONS_MAX: usize = 6;
/// Rows that the variances before any data count for.
const PRIOR_ROWS: f64 = 100.0;

/// The variances and means that follow from what was learned.
#[derive(Clone, Debug, PartialEq)]
struct Estimates {
    upper: Variances,
    /// Of what a consumer brings whatever is done.
    level: f64,
    /// Of what is special about a consumer and an arm.
    special: f64,
    /// `[segment][arm]`.
    expected: Vec<f64>,
}

/// Arms of every consumer's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HierarchicalThompson {
    arms: ArmGroups,
    segments: Vec<Condition>,
    reward_ticks: u32,
    personal_share: f64,
    stranger_share: f64,
    samples: usize,
    floor: f64,
    hierarchy: Hierarchy,
    persons: Persons,
    /// Follows from the rest. Made when first asked for, since many shards may teach before the next decision.
    #[serde(skip)]
    estimates: OnceLock<Estimates>,
}

impl HierarchicalThompson {
    /// An agent that has learned nothing.
    ///
    /// # Errors
    /// Where a factor, a level or a feature does not exist, or there are too many conditions.
    pub fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let conditions = values.texts("segments");
        if conditions.len() > CONDITIONS_MAX {
            let message = format!("`segments` has {} conditions", conditions.len());
            return Err(Refusal::new(values, "segments", message, "give at most 6, which make 64 segments"));
        }
        let parse = |text: &String| Condition::parse(text, values, "segments", spec);
        let segments = conditions.iter().map(parse).collect::<Result<Vec<Condition>, Refusal>>()?;
        let arms = ArmGroups::new(values, spec)?;
        let (prior_mean, prior_strength) = (values.number("prior_mean"), values.number("prior_strength"));
        Ok(Self {
            hierarchy: Hierarchy::new(1 << segments.len(), arms.count(), prior_mean, prior_strength),
            persons: Persons::new(arms.count()),
            arms,
            segments,
            reward_ticks: values.integer("reward_ticks").clamp(1, 10_000) as u32,
            personal_share: values.number("personal_share"),
            stranger_share: values.number("stranger_share"),
            samples: values.integer("samples").max(1) as usize,
            floor: values.number("floor"),
            estimates: OnceLock::new(),
        })
    }

    fn segment(&self, observation: &Observation, row: usize) -> u16 {
        let bit = |(index, condition): (usize, &Condition)| u16::from(condition.holds(observation, row)) << index;
        self.segments.iter().enumerate().map(bit).sum()
    }

    /// Variance components by moments, each with its prior.
    fn estimates(&self) -> &Estimates {
        self.estimates.get_or_init(|| {
            let (squares, degrees, weight) = self.hierarchy.within();
            let total = ((1.0 + squares) / (1.0 + degrees)).max(1e-12);
            let (own_squares, own_degrees) = self.persons.within();
            let prior = PRIOR_ROWS * total;
            let noise = (own_squares + (1.0 - self.personal_share) * prior) / (own_degrees + PRIOR_ROWS);
            let noise = noise.max(1e-6 * total);
            let between = (squares - noise * degrees + self.personal_share * prior) / (weight + PRIOR_ROWS);
            let upper = Variances { noise, person: between.max(0.0) };
            let expected = self.hierarchy.expected(&upper);
            let (products, pairs) = self.persons.products(&expected);
            let level = (products + 0.5 * PRIOR_ROWS * upper.person) / (pairs + PRIOR_ROWS);
            let level = level.clamp(0.0, upper.person);
            Estimates { upper, level, special: upper.person - level, expected }
        })
    }

    /// How the samples of a consumer's arms come about, for a consumer of this market.
    fn person(&self, consumer: u32, expected: &[f64], estimates: &Estimates, terms: &mut [Term]) -> Level {
        let Estimates { upper, level, special, .. } = estimates;
        terms.fill(Term { own_weight: 0.0, own_mean: 0.0, deviation: special.sqrt() as f32 });
        let Some((counts, sums)) = self.persons.answers(consumer) else {
            return Level { mean: 0.0, deviation: 0.0 };
        };
        let (mut precision, mut pull) = (0.0, 0.0);
        for (arm, (&count, &sum)) in counts.iter().zip(sums).enumerate().filter(|(_, (count, _))| **count > 0) {
            let mean = f64::from(sum) / f64::from(count);
            let error = upper.noise / f64::from(count);
            precision += 1.0 / (special + error);
            pull += (mean - expected[arm]) / (special + error);
            let weight = special / (special + error);
            let deviation = (special * (1.0 - weight)).sqrt();
            terms[arm] = Term { own_weight: weight as f32, own_mean: mean as f32, deviation: deviation as f32 };
        }
        // The posterior of u, written so that a variance of 0 is no special case.
        let share = level / (1.0 + level * precision);
        Level { mean: (share * pull) as f32, deviation: share.sqrt() as f32 }
    }
}

/// Samples of one arm of one consumer: `prior + own_weight (own_mean - u - prior) + deviation * normal`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Term {
    own_weight: f32,
    own_mean: f32,
    deviation: f32,
}

/// The posterior of what a consumer brings whatever is done.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    mean: f32,
    deviation: f32,
}

/// Writes the samples of these arms over the normals that they are made of. The first `blocks` of `noise` hold those of
/// the level; then come those of the arms, `[arm][block][16]`.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn sample_person(prior: &[[f32; LANES]], level: Level, terms: &[Term], blocks: usize, noise: &mut [[f32; LANES]]) {
    let (levels, arms) = noise.split_at_mut(blocks);
    for ((values, prior), term) in arms.chunks_exact_mut(blocks).zip(prior.chunks_exact(blocks)).zip(terms) {
        for ((value, prior), of_level) in values.iter_mut().zip(prior).zip(levels.iter()) {
            for lane in 0..LANES {
                let own = term.own_mean - (level.mean + level.deviation * of_level[lane]);
                value[lane] = prior[lane] + term.own_weight * (own - prior[lane]) + term.deviation * value[lane];
            }
        }
    }
}

impl Policy for HierarchicalThompson {
    fn views(&self) -> Views {
        Views { features: !self.segments.is_empty(), ..Views::default() }
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let (estimates, arms, tick) = (self.estimates(), self.arms.count(), observation.tick);
        let upper = self.hierarchy.sample(&estimates.upper, self.samples, tick, seed);
        let blocks = upper.blocks;
        let is_home = self.persons.latest_tick().is_some_and(|latest| tick >= latest.saturating_add(self.reward_ticks));
        let stranger = (self.stranger_share * estimates.special).sqrt() as f32;
        let mut terms = vec![Term { deviation: stranger, ..Term::default() }; arms];
        let mut level = Level { mean: 0.0, deviation: 0.0 };
        let mut noise = vec![[0.0; LANES]; (1 + arms) * blocks];
        let (mut open, mut actions) = (Vec::with_capacity(arms), Vec::with_capacity(arms));
        let mut wins = vec![0.0; arms];
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
            let segment = usize::from(self.segment(observation, row));
            self.arms.open(observation.allowed.row(row), &mut open, &mut actions);
            wins.fill(0.0);
            let prior = upper.of_group(segment);
            if is_home {
                level = self.person(consumer, &estimates.expected[segment * arms..][..arms], estimates, &mut terms);
            }
            if is_home || stranger > 0.0 {
                draw_normals(seed, consumer, tick, blocks, &mut noise);
                sample_person(prior, level, &terms, blocks, &mut noise);
                count_wins(&noise[blocks..], &open, blocks, self.samples, &mut wins);
            } else {
                count_wins(prior, &open, blocks, self.samples, &mut wins);
            }
            let (even, share) = (self.floor / open.len() as f64, (1.0 - self.floor) / self.samples as f64);
            for (&arm, &action) in open.iter().zip(&actions) {
                let probability = even + share * f64::from(wins[usize::from(arm)]);
                probabilities.set(row, usize::from(action), probability as f32);
            }
        }
    }
}

impl Agent for HierarchicalThompson {
    /// Tells the variance components as they were before the first rewards of a tick.
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        if !batch.rewards.iter().all(|reward| reward.is_finite()) {
            return Err(Diverged { agent: ENTRY.name.to_owned(), quantity: "reward".to_owned() });
        }
        let observation = batch.observation;
        let mut metrics = Metrics::new();
        if self.persons.latest_tick() != Some(observation.tick) {
            let estimates = self.estimates();
            metrics.push(("noise_variance", estimates.upper.noise));
            metrics.push(("consumer_variance", estimates.level));
            metrics.push(("consumer_arm_variance", estimates.special));
            metrics.push(("segment_variance", self.hierarchy.levels_and_variance(&estimates.upper).1));
        }
        if self.persons.is_new_market(observation) {
            let expected = self.estimates().expected.clone();
            self.persons.leave_market(&expected);
        }
        for (row, (&action, &reward)) in batch.actions.iter().zip(batch.rewards).enumerate() {
            if let Some(arm) = self.arms.arm_of(action) {
                let (segment, reward) = (self.segment(observation, row), f64::from(reward));
                let before = self.persons.add(observation.consumer_ids[row], segment, arm, reward);
                self.hierarchy.add(usize::from(segment), usize::from(arm), reward, before);
            }
        }
        self.persons.came_to(observation);
        self.estimates.take();
        Ok(metrics)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        // Made here once, not by each thread that decides.
        self.estimates();
        Box::new(self.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        Ok(serde_json::to_writer(to, self)?)
    }
}

#[cfg(test)]
mod tests;
