//! From what is observed to the chance of each stage under each action.

use super::columns::Columns;
use super::spend::Spend;
use crate::math;
use crate::matrix::LinearMap;
use crate::protocol::{ActionSpace, Kpi};
use crate::random::LANES;
use crate::registry::{Kind, Parameter, Range, Refusal, Values};
use crate::units::Money;

/// Stages a response may have: the first three words of a draw decide them, the fourth the spend.
pub(super) const MOST_STAGES: usize = 3;

/// Keys of `[[market.stage.arm]]`.
pub const ARM: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "the arm that this adds to; the one of no contact counts")
        .required(),
    Parameter::number("intercept", 0.0, Range::ANY, "added to the log-odds of a consumer at the centre"),
    Parameter::of("coefficients", Kind::Coefficients, "added to the log-odds per unit of a feature"),
];

/// Keys of `[[market.stage]]`.
pub const STAGE: &[Parameter] = &[
    Parameter::choice("name", "conversion", &["open", "click", "visit", "conversion"], "what a success is counted as"),
    Parameter::number("intercept", 0.0, Range::ANY, "log-odds of a consumer at the centre, no matter the arm"),
    Parameter::of("coefficients", Kind::Coefficients, "log-odds per unit of a feature, no matter the arm"),
    Parameter::of("arm", Kind::Tables { parameters: ARM }, "what an arm adds"),
    Parameter::of("table", Kind::Csv, "further coefficients: one row per feature, one column per arm, in their order"),
];

/// Keys of `[market.fatigue]`.
pub const FATIGUE: &[Parameter] = &[
    Parameter::number("decay", 0.8, Range::closed(0.0, 1.0), "share of the fatigue that is left after a tick"),
    Parameter::of(
        "cost",
        Kind::Numbers { default: None, range: Range::ANY },
        "what each arm adds to the fatigue, no contact first; also the log-odds of the first stage that it loses per \
         unit of fatigue",
    )
    .required(),
];

/// What a success is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Worth {
    /// One unit of currency.
    One,
    /// This share of the spend.
    Margin(f64),
}

/// One step of the outcome, reached by those who passed the step before.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) kpi: Kpi,
    /// Log-odds of every action from the design columns.
    pub(super) log_odds: LinearMap,
}

/// A feature whose coefficients multiply ln(value), while agents see ln(1 + value).
#[derive(Clone, Copy, Debug)]
struct Logged {
    feature: usize,
    centre: f32,
    scale: f32,
}

/// The table of the response.
#[derive(Clone, Debug)]
pub(super) struct Response {
    logged: Vec<Logged>,
    pub(super) stages: Vec<Stage>,
    pub(super) spend: Option<Spend>,
    pub(super) worth: Worth,
    /// What a success earns on average, before the cost of the message.
    mean_worth: f32,
    /// Cost of the message of each action.
    pub(super) costs: Vec<Money>,
    /// Whether no message costs anything.
    pub(super) is_free: bool,
    /// What each action adds to the fatigue; all 0 without fatigue.
    pub(super) fatigue_costs: Vec<f32>,
    pub(super) fatigue_decay: f32,
    /// Log-odds of the first stage per tick since the last success.
    pub(super) recency_coefficient: f32,
}

impl Response {
    /// Whether the last success is an order: where it spends something, and where it is called a conversion.
    pub(super) fn counts_orders(&self) -> bool {
        self.spend.is_some() || self.stages.last().is_some_and(|stage| stage.kpi == Kpi::Conversions)
    }

    /// Reads the response from `[market]`.
    pub(super) fn new(market: &Values, columns: &Columns, actions: &ActionSpace) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let stages = stages(market, columns, actions, &mut refusals);
        let spend = market.table("spend").map(Spend::new).transpose().unwrap_or_else(|refusal| {
            refusals.push(refusal);
            None
        });
        let worth = match market.text("reward") {
            "success" => Worth::One,
            _ => Worth::Margin(market.number("margin")),
        };
        if worth != Worth::One && market.table("spend").is_none() {
            refusals.push(Refusal::new(
                market,
                "reward",
                "`reward = \"spend_margin\"` needs a spend",
                "add [market.spend], or set `reward = \"success\"`",
            ));
        }
        let (fatigue_decay, fatigue_costs) = fatigue(market, actions).unwrap_or_else(|refusal| {
            refusals.push(refusal);
            (0.0, Vec::new())
        });
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let logged = columns.logged.iter().map(|&feature| {
            let shape = &columns.features[feature];
            Logged { feature, centre: shape.mean, scale: shape.scale }
        });
        let mean_worth = match (worth, &spend) {
            (Worth::Margin(margin), Some(spend)) => margin * spend.mean(),
            (Worth::Margin(_), None) => 0.0,
            (Worth::One, _) => 1.0,
        };
        Ok(Self {
            logged: logged.collect(),
            mean_worth: mean_worth as f32,
            stages,
            spend,
            worth,
            costs: actions.actions.iter().map(|action| action.cost).collect(),
            is_free: actions.actions.iter().all(|action| action.cost == Money::ZERO),
            fatigue_costs,
            fatigue_decay,
            recency_coefficient: market.number("recency_coefficient") as f32,
        })
    }

    /// Whether the response depends on nothing but the observation.
    pub(super) fn is_static(&self) -> bool {
        self.recency_coefficient == 0.0 && self.fatigue_costs.iter().all(|cost| *cost == 0.0)
    }

    /// What the coefficients multiply, for 16 consumers: the observed columns, ln(value) in place of ln(1 + value).
    #[inline(always)]
    pub(super) fn design<'a>(
        &self,
        observed: &'a [[f32; LANES]],
        design: &'a mut Vec<[f32; LANES]>,
    ) -> &'a [[f32; LANES]] {
        if self.logged.is_empty() {
            return observed;
        }
        design.clear();
        design.extend_from_slice(observed);
        for logged in &self.logged {
            let column = &mut design[logged.feature];
            for value in column.iter_mut() {
                let raw = math::exp(*value * logged.scale + logged.centre) - 1.0;
                *value = math::ln(raw.max(f32::MIN_POSITIVE)) - logged.centre;
            }
        }
        design
    }

    /// Expected reward of every action for 16 consumers with this fatigue and this many ticks since a success;
    /// `log_odds` is scratch of the same shape as `expected`.
    #[inline(always)]
    pub(super) fn expect(
        &self,
        design: &[[f32; LANES]],
        fatigue: &[f32; LANES],
        recency: &[f32; LANES],
        log_odds: &mut [[f32; LANES]],
        expected: &mut [[f32; LANES]],
    ) {
        expected.fill([self.mean_worth; LANES]);
        for (index, stage) in self.stages.iter().enumerate() {
            stage.log_odds.apply(design, log_odds);
            for ((lanes, odds), cost) in expected.iter_mut().zip(log_odds.iter()).zip(&self.fatigue_costs) {
                for lane in 0..LANES {
                    let mut odds = odds[lane];
                    if index == 0 {
                        odds = odds - fatigue[lane] * cost + self.recency_coefficient * recency[lane];
                    }
                    lanes[lane] *= math::sigmoid(odds);
                }
            }
        }
        for (lanes, cost) in expected.iter_mut().zip(&self.costs) {
            let cost = cost.amount() as f32;
            for value in lanes.iter_mut() {
                *value -= cost;
            }
        }
    }
}

impl Stage {
    fn new(declared: &Values, columns: &Columns, actions: &ActionSpace) -> Result<Self, Vec<Refusal>> {
        let mut stage = Self {
            kpi: match declared.text("name") {
                "open" => Kpi::Opens,
                "click" => Kpi::Clicks,
                "visit" => Kpi::Visits,
                _ => Kpi::Conversions,
            },
            log_odds: LinearMap::new(columns.features.len(), actions.len()),
        };
        let everyone: Vec<usize> = (0..actions.len()).collect();
        let mut refusals = stage.add(declared, &everyone, columns);
        for arm in declared.tables("arm") {
            match actions.find(arm.text("name")) {
                Some(action) => refusals.extend(stage.add(arm, &[usize::from(action)], columns)),
                None => refusals.push(Refusal::new(
                    arm,
                    "name",
                    format!("`{}` is no arm", arm.text("name")),
                    format!("the arms are {}", names(actions).join(", ")),
                )),
            }
        }
        if let Some(table) = declared.csv("table") {
            let rows_fit = table.rows.len() == columns.features.len();
            if table.header == names(actions) && rows_fit {
                for (feature, row) in table.rows.iter().enumerate() {
                    for (action, coefficient) in row.iter().enumerate() {
                        stage.add_coefficient(feature, action, *coefficient, columns);
                    }
                }
            } else {
                refusals.push(Refusal::new(
                    declared,
                    "table",
                    format!("the table has {} rows under the header {}", table.rows.len(), table.header.join(",")),
                    format!(
                        "give it the header {} and {} rows, one per feature",
                        names(actions).join(","),
                        columns.features.len()
                    ),
                ));
            }
        }
        if refusals.is_empty() { Ok(stage) } else { Err(refusals) }
    }

    /// Adds an intercept and coefficients to these actions.
    fn add(&mut self, declared: &Values, actions: &[usize], columns: &Columns) -> Vec<Refusal> {
        for &action in actions {
            *self.log_odds.bias_mut(action) += declared.number("intercept") as f32;
        }
        let mut refusals = Vec::new();
        for (name, coefficient) in declared.coefficients("coefficients") {
            match columns.features.iter().position(|feature| feature.name == *name) {
                Some(feature) => {
                    for &action in actions {
                        self.add_coefficient(feature, action, *coefficient, columns);
                    }
                }
                None => {
                    let known: Vec<&str> = columns.features.iter().map(|feature| feature.name.as_str()).collect();
                    refusals.push(Refusal::new(
                        declared,
                        "coefficients",
                        format!("`{name}` is no observed feature"),
                        format!("the features are {}", known.join(", ")),
                    ));
                }
            }
        }
        refusals
    }

    fn add_coefficient(&mut self, feature: usize, action: usize, coefficient: f64, columns: &Columns) {
        let shape = &columns.features[feature];
        // The observation is divided by the scale, and the coefficient is per unit of the value; `design` undoes the
        // scale of logged columns itself.
        let scale = if shape.log { 1.0 } else { f64::from(shape.scale) };
        *self.log_odds.weight_mut(feature, action) += (coefficient * scale) as f32;
    }
}

/// Reads the stages, and notes what is wrong with them.
fn stages(market: &Values, columns: &Columns, actions: &ActionSpace, refusals: &mut Vec<Refusal>) -> Vec<Stage> {
    let mut stages = Vec::new();
    for declared in market.tables("stage") {
        match Stage::new(declared, columns, actions) {
            Ok(stage) => stages.push(stage),
            Err(faults) => refusals.extend(faults),
        }
    }
    for (index, stage) in stages.iter().enumerate() {
        if stages[..index].iter().any(|earlier: &Stage| earlier.kpi == stage.kpi) {
            refusals.push(Refusal::new(
                market,
                "stage",
                format!("two stages are named `{}`", market.tables("stage")[index].text("name")),
                "give every stage a name of its own: its successes are counted under it",
            ));
        }
    }
    if refusals.is_empty() && !(1..=MOST_STAGES).contains(&stages.len()) {
        refusals.push(Refusal::new(
            market,
            "stage",
            format!("the market has {} stages", stages.len()),
            format!("give 1 to {MOST_STAGES} tables [[market.stage]], such as visit, then conversion"),
        ));
    }
    stages
}

fn fatigue(market: &Values, actions: &ActionSpace) -> Result<(f32, Vec<f32>), Refusal> {
    let Some(declared) = market.table("fatigue") else {
        return Ok((0.0, vec![0.0; actions.len()]));
    };
    let costs = declared.numbers("cost");
    if costs.len() != actions.len() {
        return Err(Refusal::new(
            declared,
            "cost",
            format!("`cost` has {} numbers for {} arms", costs.len(), actions.len()),
            "give one number for each arm, that of no contact first",
        ));
    }
    Ok((declared.number("decay") as f32, costs.iter().map(|cost| *cost as f32).collect()))
}

fn names(actions: &ActionSpace) -> Vec<String> {
    actions.actions.iter().map(|action| action.name.clone()).collect()
}
