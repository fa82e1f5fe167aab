//! Backward induction on the reduced market.

use crate::environment::campaign::reduced::{Axis, ConsumerType, Passage, Reduced, locate, type_of};
use crate::matrix::Matrix;
use crate::protocol::ActionSpace;
use rayon::prelude::*;

/// What is solved for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a> {
    /// The market.
    pub reduced: &'a Reduced,
    /// Its actions.
    pub actions: &'a ActionSpace,
    /// Ticks of the run.
    pub horizon: u32,
    /// Discount factor per tick.
    pub discount: f64,
    /// What a unit of message cost is charged beyond itself.
    pub price: f64,
}

/// Gains of one type: `[checkpoint][action][state]`.
type Gains = Vec<Vec<Vec<f32>>>;

/// What later ticks gain by each action over no contact, for each type, state and number of ticks to go.
#[derive(Debug)]
pub(super) struct Solution {
    axes: Vec<Axis>,
    cuts: [Vec<f32>; 3],
    /// Ticks to go at which gains are kept, ascending.
    checkpoints: Vec<u32>,
    /// One for each type.
    gains: Vec<Gains>,
    /// Mean value per consumer at tick 0, those who have left and who cannot be reached included.
    pub value: f64,
    /// The same without any message.
    pub value_of_none: f64,
    /// What messages gain, for each type.
    pub gained: Vec<f64>,
}

/// The corners around the point where a passage leads: flat state and weight, one after the other.
struct Corners {
    states: Vec<u32>,
    weights: Vec<f32>,
    per_state: usize,
}

impl Corners {
    fn new(axes: &[Axis], passage: &Passage) -> Self {
        let states = passage.probability.len();
        let per_state = 1 << axes.len();
        let mut corners = Self { states: Vec::new(), weights: Vec::new(), per_state };
        for state in 0..states {
            let point: Vec<f32> = passage.next.iter().map(|axis| axis[state]).collect();
            surround(axes, &point, |corner, weight| {
                corners.states.push(corner as u32);
                corners.weights.push(weight);
            });
        }
        corners
    }

    #[inline]
    fn mean(&self, state: usize, values: &[f32]) -> f32 {
        let range = state * self.per_state..(state + 1) * self.per_state;
        let pairs = self.states[range.clone()].iter().zip(&self.weights[range]);
        pairs.map(|(corner, weight)| weight * values[*corner as usize]).sum()
    }
}

/// The corners of the cell around a point, with their multilinear weights.
fn surround(axes: &[Axis], point: &[f32], mut take: impl FnMut(usize, f32)) {
    let located: Vec<(usize, f32)> = axes.iter().zip(point).map(|(axis, value)| locate(&axis.knots, *value)).collect();
    for bits in 0..1_usize << axes.len() {
        let (mut state, mut weight) = (0, 1.0);
        for (index, (axis, (lower, upper_weight))) in axes.iter().zip(&located).enumerate() {
            let upper = bits >> index & 1;
            state = state * axis.knots.len() + (lower + upper).min(axis.knots.len() - 1);
            weight *= if upper == 1 { *upper_weight } else { 1.0 - upper_weight };
        }
        take(state, weight);
    }
}

impl Solution {
    /// Solves every type, for a policy to act on.
    pub fn new(problem: Problem<'_>) -> Self {
        Self::with_checkpoints(problem, checkpoints(problem.horizon))
    }

    /// Solves every type for the values alone, without the memory that a policy takes.
    pub fn values_only(problem: Problem<'_>) -> Self {
        Self::with_checkpoints(problem, Vec::new())
    }

    fn with_checkpoints(problem: Problem<'_>, checkpoints: Vec<u32>) -> Self {
        let reduced = problem.reduced;
        let solved: Vec<(Gains, [f64; 3])> =
            reduced.types.par_iter().map(|kind| solve(problem, kind, &checkpoints)).collect();
        let of_type = |which: usize| {
            solved.iter().zip(&reduced.types).map(move |((_, values), kind)| {
                let [reached, alive] = kind.start;
                reached * values[which] + (alive - reached) * values[2]
            })
        };
        let mean = |which: usize| of_type(which).zip(&reduced.types).map(|(value, kind)| kind.share * value).sum();
        Self {
            value: mean(0),
            value_of_none: mean(1),
            gained: of_type(0).zip(of_type(1)).map(|(best, none)| best - none).collect(),
            axes: reduced.axes.clone(),
            cuts: reduced.cuts.clone(),
            checkpoints,
            gains: solved.into_iter().map(|(gains, _)| gains).collect(),
        }
    }

    /// What later ticks gain by each action in a row of latent values, with so many ticks to go after this one.
    pub fn gains(&self, latent: &Matrix, row: usize, to_go: u32, gains: &mut Vec<f32>) {
        let kind = type_of(&self.cuts, [0, 1, 2].map(|trait_index| latent.get(row, trait_index)));
        let nearest = self.checkpoints.partition_point(|ticks| *ticks < to_go).min(self.checkpoints.len() - 1);
        let of_type = &self.gains[kind][nearest];
        let point: Vec<f32> = self.axes.iter().map(|axis| latent.get(row, axis.value)).collect();
        gains.clear();
        gains.resize(of_type.len(), 0.0);
        surround(&self.axes, &point, |corner, weight| {
            if weight > 0.0 {
                for (gain, states) in gains.iter_mut().zip(of_type) {
                    *gain += weight * states[corner];
                }
            }
        });
    }
}

/// Ticks to go at which gains are kept: dense near the end, then wider and wider.
pub(super) fn checkpoints(horizon: u32) -> Vec<u32> {
    let mut kept = vec![0];
    let mut ticks = 1;
    while ticks < horizon {
        kept.push(ticks);
        ticks = (ticks + 1).max(ticks * 5 / 4);
    }
    kept.push(horizon);
    kept
}

/// Backward induction for one type: gains at the checkpoints, and the values at the start with and without messages.
///
/// A coupon in hand forbids another: of whom holds one, `held`, only messages at full price are chosen from, and the coupon
/// runs out with the same probability in each tick, in the mean when it would.
fn solve(problem: Problem<'_>, kind: &ConsumerType, checkpoints: &[u32]) -> (Gains, [f64; 3]) {
    let axes = &problem.reduced.axes;
    let states = problem.reduced.states();
    let corners: Vec<Vec<Corners>> = kind
        .courses
        .iter()
        .map(|course| course.passages.iter().map(|passage| Corners::new(axes, passage)).collect())
        .collect();
    let [without, with] = kind.terminal.map(|value| value as f32);
    // The best policy; nobody reached any more; reached and never written to.
    let mut best = vec![with; states];
    let mut held = vec![with; states];
    let stays_held = match problem.reduced.coupon_later_ticks {
        ticks if problem.reduced.one_live_coupon && ticks > 0 => Some(1.0 - 1.0 / ticks as f32),
        _ => None,
    };
    let mut out = vec![without; states];
    let mut none = vec![with; states];
    let mut gains = Vec::new();
    let mut later = vec![vec![0.0; states]; kind.courses.len()];
    for to_go in 0..=problem.horizon {
        for (action, later) in later.iter_mut().enumerate() {
            let reached: [&[f32]; 2] = if stays_held.is_some() { [&best, &held] } else { [&best, &best] };
            continuation(problem, kind, action, &corners[action], Values { reached, out: &out, to_go }, later);
        }
        if checkpoints.binary_search(&to_go).is_ok() {
            let over_none = |action: usize| (0..states).map(|state| later[action][state] - later[0][state]).collect();
            gains.push((0..kind.courses.len()).map(over_none).collect());
        }
        if to_go == problem.horizon {
            break;
        }
        let mut of_none = vec![0.0; states];
        continuation(problem, kind, 0, &corners[0], Values { reached: [&none, &none], out: &out, to_go }, &mut of_none);
        let mut of_out = vec![0.0; states];
        continuation(problem, kind, 0, &corners[0], Values { reached: [&out, &out], out: &out, to_go }, &mut of_out);
        if let Some(stays) = stays_held {
            held = hold(problem, kind, &corners, stays, [&held, &best, &out], to_go);
        }
        for state in 0..states {
            let rest = kind.courses[0].reward[state];
            none[state] = rest + of_none[state];
            out[state] = rest + of_out[state];
            best[state] = (0..kind.courses.len())
                .map(|action| {
                    let charge = problem.price * problem.actions.actions[action].cost.amount();
                    kind.courses[action].reward[state] - charge as f32 + later[action][state]
                })
                .fold(f32::NEG_INFINITY, f32::max);
        }
    }
    let start: Vec<f32> = axes.iter().map(|axis| axis.start).collect();
    let at_start = |values: &[f32]| {
        let mut mean = 0.0;
        surround(axes, &start, |corner, weight| mean += f64::from(weight) * f64::from(values[corner]));
        mean
    };
    (gains, [at_start(&best), at_start(&none), at_start(&out)])
}

/// Value of those who hold a coupon, one tick earlier: only messages at full price are chosen from.
fn hold(
    problem: Problem<'_>,
    kind: &ConsumerType,
    corners: &[Vec<Corners>],
    stays: f32,
    [held, best, out]: [&[f32]; 3],
    to_go: u32,
) -> Vec<f32> {
    let mixed: Vec<f32> = held.iter().zip(best).map(|(held, best)| stays * held + (1.0 - stays) * best).collect();
    let mut value = vec![f32::NEG_INFINITY; mixed.len()];
    let mut later = vec![0.0; mixed.len()];
    for (action, course) in kind.courses.iter().enumerate() {
        if course.passages.iter().any(|passage| passage.holds_coupon) {
            continue;
        }
        continuation(
            problem,
            kind,
            action,
            &corners[action],
            Values { reached: [&mixed, &mixed], out, to_go },
            &mut later,
        );
        let charge = (problem.price * problem.actions.actions[action].cost.amount()) as f32;
        for ((value, reward), later) in value.iter_mut().zip(&course.reward).zip(&later) {
            *value = value.max(reward - charge + later);
        }
    }
    value
}

/// Values of the next tick, per state.
#[derive(Clone, Copy)]
struct Values<'a> {
    /// Of those who are reached: without a coupon, and with one that was just opened.
    reached: [&'a [f32]; 2],
    /// Of those who are not.
    out: &'a [f32],
    /// Ticks from there to the horizon.
    to_go: u32,
}

/// Expected value of the next tick on, for one action, per state.
fn continuation(
    problem: Problem<'_>,
    kind: &ConsumerType,
    action: usize,
    corners: &[Corners],
    values: Values<'_>,
    later: &mut [f32],
) {
    let course = &kind.courses[action];
    let discount = problem.discount as f32;
    let dropout = kind.dropout as f32;
    let lost_share = 1.0 / problem.reduced.channels.max(1) as f32;
    let coupon_ticks = problem.reduced.coupon_later_ticks.min(values.to_go) as f32;
    let [reached, out] = [values.reached[0], values.out];
    later.fill(0.0);
    for (passage, corners) in course.passages.iter().zip(corners) {
        for (state, later) in later.iter_mut().enumerate() {
            let stays = 1.0 - if kind.dropout_follows_orders { dropout * passage.order[state] } else { dropout };
            let next = corners.mean(state, values.reached[usize::from(passage.holds_coupon)]);
            *later += passage.probability[state] * (coupon_ticks * passage.later[state] + discount * stays * next);
        }
    }
    for (state, later) in later.iter_mut().enumerate() {
        let leaving = course.opt_out[state] * lost_share * (reached[state] - out[state]);
        let dying = if kind.dropout_follows_orders { dropout * course.order[state] * reached[state] } else { 0.0 };
        *later -= discount * (leaving + dying);
    }
}
