//! From the sections of a file to a market: cross-checks between them, and the model that shards read.

use super::calibration::calibrate;
use super::clock::Clock;
use super::mask::MaskRules;
use super::model::{Dropout, HistoryRule, Model, solve_intercepts};
use super::observation::Columns;
use super::start::{Customer, Customers};
use super::{Campaign, start};
use crate::market::catalogue::Catalogue;
use crate::market::channel::{CHANNELS, CHANNELS_MAX, Channel};
use crate::market::customers::{self, ColumnKind, CustomerTable};
use crate::market::population::{self, Population, REGIONS};
use crate::protocol::{Events, Kpi, Spec};
use crate::random::Seed;
use crate::registry::{Kind, Parameter, Range, Refusal, Values, find};
use crate::response::{CORE, MODULES, ResponseModule, Surroundings};
use crate::units::Money;
use std::sync::Arc;

/// People on whom intercepts are solved.
const SAMPLE: u32 = 4_096;

/// Faults of a customer table that are told at once.
const FAULTS_SHOWN: usize = 20;

const GENERAL: [Parameter; 18] = [
    Parameter::integer("consumers", 1_000, 1, 100_000_000, "number of consumers"),
    Parameter::integer("ticks", 30, 1, 100_000, "number of ticks"),
    Parameter::choice("tick", "day", &["hour", "day", "week"], "length of a tick"),
    Parameter::choice("preset", "retail", &["retail"], "where defaults come from"),
    Parameter::number("history_days", 180.0, Range::closed(0.0, 3650.0), "days lived before tick 0, not counted"),
    Parameter::integer("history_message_every_days", 7, 0, 365, "messages of the lived history; 0 for none"),
    Parameter::number(
        "tenure_days_max",
        730.0,
        Range::closed(0.0, 36_500.0),
        "customers were acquired evenly over so many days before tick 0",
    ),
    Parameter::number("margin", 0.45, Range::PROBABILITY, "gross margin, share of the full price"),
    Parameter::number("discount_rate_per_year", 0.10, Range::closed(0.0, 10.0), "for present values"),
    Parameter::number(
        "conversion_frequency_weight",
        0.35,
        Range::ANY,
        "weight of ln purchase rate in ordering after a click",
    ),
    Parameter::number("visits_per_order", 8.0, Range::NON_NEGATIVE, "visits of one's own accord per order"),
    Parameter::number("coupon_days", 7.0, Range::POSITIVE, "how long an opened coupon is valid"),
    Parameter::number(
        "reachability_value",
        2.0,
        Range::NON_NEGATIVE,
        "what a reachable customer is worth beyond the horizon",
    ),
    Parameter::optional_number(
        "orders_per_year",
        Range::closed(1e-3, 366.0),
        "orders of a consumer in a year without contact, to which the order rate is scaled; else as the modules make it",
    ),
    Parameter::boolean("observe_protected", true, "whether policies see age, sex and region"),
    Parameter::of(
        "clock_offsets_hours",
        Kind::Integers { default: None, minimum: -12, maximum: 12 },
        "offset of each region's clock from the sender's, one for each region; 0 where absent",
    ),
    Parameter::number(
        "attribution_days",
        7.0,
        Range::closed(0.0, 365.0),
        "days before an order within which clicks and messages get the credit for it",
    ),
    Parameter::integer(
        "events_remembered",
        0,
        0,
        Events::REMEMBERED_MAX as i64,
        "last events of each consumer that policies may read, one by one",
    ),
];

const PEOPLE: &[Parameter] = population::PARAMETERS;

/// Keys of `[market]` with `kind = "market"`.
pub const PARAMETERS: &[Parameter] = &{
    let mut all = [GENERAL[0]; GENERAL.len() + PEOPLE.len()];
    let mut index = 0;
    while index < all.len() {
        all[index] = if index < GENERAL.len() { GENERAL[index] } else { PEOPLE[index - GENERAL.len()] };
        index += 1;
    }
    all
};

/// Keys of `[budget]`.
pub const BUDGET: &[Parameter] = &[
    Parameter::of(
        "total",
        Kind::Number { default: None, range: Range::NON_NEGATIVE },
        "money for messages over the run",
    )
    .required(),
    Parameter::boolean(
        "rationed",
        true,
        "in each tick only as many consumers, drawn by lot, may be sent to as the rest of the money pays for, so that \
         nothing is overspent; else all, while any is left: the last tick may overspend",
    ),
];

/// What a file says about a market, each key checked for itself.
#[derive(Debug, Default)]
pub struct Sections {
    /// `[market]`.
    pub market: Values,
    /// The modules that act, by name, with their values; `None` for all of [`CORE`] with their defaults.
    pub modules: Option<Vec<(&'static str, Values)>>,
    /// `[[channel]]`: name, registry name of the kind, keys.
    pub channels: Vec<(String, &'static str, Values)>,
    /// `[[offer]]`.
    pub offers: Vec<Values>,
    /// `[[creative]]`.
    pub creatives: Vec<Values>,
    /// `[slots]`.
    pub slots: Values,
    /// `[constraints]`.
    pub constraints: Values,
    /// `[budget]`, if present.
    pub budget: Option<Values>,
    /// `[market.population]`, if present.
    pub customers: Option<CustomerTable>,
}

/// How time runs in a market.
#[derive(Clone, Copy)]
struct Times {
    clock: Clock,
    history: HistoryRule,
    coupon_ticks: u32,
}

impl Sections {
    /// A market of the preset with these channels: for tests and programs without a file.
    #[must_use]
    pub fn preset(channels: &[&'static str]) -> Self {
        let channel = |name: &&'static str| {
            find(CHANNELS, name).map(|entry| ((*name).to_owned(), entry.name, Values::defaults(entry.parameters)))
        };
        Self {
            market: Values::defaults(PARAMETERS),
            channels: channels.iter().filter_map(channel).collect(),
            slots: Values::defaults(super::SLOTS),
            constraints: Values::defaults(super::CONSTRAINTS),
            ..Self::default()
        }
    }

    pub(super) fn build(&self) -> Result<Campaign, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let channels: Vec<(Channel, &Values)> = self
            .channels
            .iter()
            .filter_map(|(name, kind, values)| find(CHANNELS, kind).map(|entry| ((entry.build)(name, values), values)))
            .collect();
        let catalogue = keep(Catalogue::new(channels, &self.offers, &self.creatives, &self.slots), &mut refusals);
        let population = keep(Population::new(&self.market), &mut refusals);
        let offsets = self.market.integers("clock_offsets_hours").len();
        if offsets != 0 && offsets != REGIONS.len() {
            refusals.push(Refusal::new(
                &self.market,
                "clock_offsets_hours",
                format!("`clock_offsets_hours` has {offsets} numbers for {} regions", REGIONS.len()),
                format!("give one for each of {}, or leave it out", REGIONS.join(", ")),
            ));
        }
        let (Some(catalogue), Some(population)) = (catalogue, population) else { return Err(refusals) };
        let clock = Clock::new(self.market.text("tick"));
        let coupon_ticks = clock.ticks(self.market.number("coupon_days"));
        let history = self.history(&catalogue, clock);
        let surroundings = Surroundings {
            catalogue: &catalogue,
            tick_days: clock.tick_days,
            coupon_ticks,
            history_ticks: history.ticks,
            horizon: self.market.integer("ticks") as u32,
        };
        let modules = self.modules(&surroundings, &mut refusals);
        let mask = keep(MaskRules::new(&self.constraints, &catalogue), &mut refusals);
        let customers = self.customers(&catalogue, &mut refusals);
        let Some(mask) = mask.filter(|_| refusals.is_empty()) else { return Err(refusals) };
        let mut model = self.model(catalogue, modules, mask, population, Times { clock, history, coupon_ticks });
        if let Some(customers) = &customers {
            model.spec.consumers = customers.len() as u32;
        }
        // Intercepts are solved on people of a fixed seed: the same market has the same intercepts in every run.
        let sample = 0..SAMPLE;
        let (people, _) = start::people_and_state(&model, Seed::new(0), sample, None);
        model.intercepts =
            solve_intercepts(&model.catalogue, &model.modules, model.conversion_frequency_weight, &people);
        let mut model = Arc::new(model);
        if let Some(target) = self.market.optional_number("orders_per_year") {
            calibrate(&mut model, target, &self.market).map_err(|refusal| vec![refusal])?;
        }
        let names = self.customers.as_ref().and_then(|table| table.texts.get("id")).map(|ids| ids.as_slice().into());
        Ok(Campaign { model, customers: customers.map(Arc::new), names })
    }

    /// The modules in registry order, whatever the order of the file.
    fn modules(
        &self,
        surroundings: &Surroundings<'_>,
        refusals: &mut Vec<Refusal>,
    ) -> (Vec<&'static str>, Vec<Box<dyn ResponseModule>>) {
        let (mut names, mut modules) = (Vec::new(), Vec::new());
        for entry in MODULES {
            let values = match &self.modules {
                None => CORE.contains(&entry.name).then(|| Values::defaults(entry.parameters)),
                Some(listed) => listed.iter().find(|(name, _)| *name == entry.name).map(|(_, values)| values.clone()),
            };
            if let Some(values) = values {
                match (entry.build.create)(&values, surroundings) {
                    Ok(module) => {
                        names.push(entry.name);
                        modules.push(module);
                    }
                    Err(refusal) => refusals.push(refusal.within(&format!("modules.{}", entry.name))),
                }
            }
        }
        (names, modules)
    }

    fn model(
        &self,
        catalogue: Catalogue,
        (module_names, modules): (Vec<&'static str>, Vec<Box<dyn ResponseModule>>),
        mask: MaskRules,
        population: Population,
        Times { clock, history, coupon_ticks }: Times,
    ) -> Model {
        let market = &self.market;
        let yearly = market.number("discount_rate_per_year");
        let discount_rate_per_day = libm::log1p(yearly) / 365.25;
        let offsets = market.integers("clock_offsets_hours").iter().map(|&hours| hours as i8).collect();
        let protected = market.boolean("observe_protected");
        let columns = Columns::new(&catalogue, &modules, REGIONS.len(), protected, self.budget.is_some());
        let has_groups = modules.iter().any(|module| module.forms_groups());
        let spec = Spec {
            consumers: market.integer("consumers") as u32,
            horizon: market.integer("ticks") as u32,
            tick_days: clock.tick_days,
            discount: libm::exp(-discount_rate_per_day * clock.tick_days),
            features: columns.features().to_vec(),
            actions: catalogue.action_space(),
            kpis: Kpi::ALL.into_iter().filter(|kpi| has_groups || !kpi.is_by_group()).collect(),
        };
        let is_pareto = market.text("clock") == "pareto_nbd";
        Model {
            spec,
            history,
            order_offset: 0.0,
            has_discounts: catalogue.offers.iter().any(|offer| offer.discount > 0.0),
            has_arrivals: modules.iter().any(|module| module.brings_arrivals()),
            has_groups,
            clock,
            dropout: if is_pareto { Dropout::AtAnyTime } else { Dropout::AfterOrders },
            margin: market.number("margin"),
            basket_shape: population.spend().shape,
            population,
            visits_per_order: market.number("visits_per_order"),
            conversion_frequency_weight: market.number("conversion_frequency_weight") as f32,
            discount_rate_per_day,
            reachability_value: market.number("reachability_value"),
            coupon_ticks,
            intercepts: Vec::new(),
            mask,
            columns,
            budget: self.budget.as_ref().map(|budget| Money::from_amount(budget.number("total"))),
            is_budget_rationed: self.budget.as_ref().is_none_or(|budget| budget.boolean("rationed")),
            tenure_days_max: market.number("tenure_days_max"),
            attribution_days: market.number("attribution_days") as f32,
            events_remembered: market.integer("events_remembered") as usize,
            clock_offsets_hours: offsets,
            catalogue,
            modules,
            module_names,
        }
    }

    /// The lived history sends the first channel's first creative at full price (or the smallest discount), at the hour
    /// nearest to ten. Real customers bring their own past: nothing is lived.
    fn history(&self, catalogue: &Catalogue, clock: Clock) -> HistoryRule {
        let wanted = |message: &crate::market::catalogue::Message| {
            (message.channel, message.creative, (message.discount * 1e6) as u32, message.hour.abs_diff(10))
        };
        let best = (0..catalogue.messages.len()).min_by_key(|&index| wanted(&catalogue.messages[index]));
        let days = if self.customers.is_some() { 0.0 } else { self.market.number("history_days") };
        HistoryRule {
            ticks: clock.ticks(days),
            every_days: best.map_or(0, |_| self.market.integer("history_message_every_days") as u32),
            action: best.map_or(0, |index| index as u16 + 1),
        }
    }

    fn customers(&self, catalogue: &Catalogue, refusals: &mut Vec<Refusal>) -> Option<Customers> {
        let table = self.customers.as_ref()?;
        let before = refusals.len();
        let reachable: Vec<String> =
            catalogue.channels.iter().map(|channel| format!("{}_reachable", channel.name)).collect();
        for name in table.numbers.keys().chain(table.texts.keys()) {
            if !customers::COLUMNS.contains(&name.as_str()) && !reachable.contains(name) {
                let known: Vec<&str> =
                    customers::COLUMNS.into_iter().chain(reachable.iter().map(String::as_str)).collect();
                refusals.push(self.refuse_customers(
                    table,
                    format!("the market knows no column `{name}`"),
                    format!("map any of: {}", known.join(", ")),
                ));
            }
        }
        if self.market.text("clock") == "pareto_nbd" {
            refusals.push(Refusal::new(
                &self.market,
                "clock",
                "real customers need the clock `bg_nbd`",
                "their traits are drawn from its posterior; set `clock = \"bg_nbd\"`",
            ));
        }
        self.refuse_texts(table, &reachable, refusals);
        self.refuse_what_customers_decide(table, refusals);
        for name in ["recency_days", "orders", "spend"] {
            if !table.numbers.contains_key(name) && !table.texts.contains_key(name) {
                refusals.push(self.refuse_customers(
                    table,
                    format!("the customer file gives no `{name}`"),
                    format!("add `{name} = \"YOUR COLUMN\"` to `columns`; it must hold numbers"),
                ));
            }
        }
        if refusals.len() > before {
            return None;
        }
        for row in 0..table.rows {
            for fault in faults(table, &reachable, row) {
                refusals.push(self.refuse_customers(
                    table,
                    format!("row {} of {}: {fault}", row + 1, table.source),
                    "correct the row or take it out".into(),
                ));
            }
            if refusals.len() >= before + FAULTS_SHOWN {
                refusals.truncate(before + FAULTS_SHOWN);
                break;
            }
        }
        (refusals.len() == before).then(|| (0..table.rows).map(|row| customer(table, &reachable, row)).collect())
    }

    /// Keys that the file gives and that real customers would make idle.
    fn refuse_what_customers_decide(&self, table: &CustomerTable, refusals: &mut Vec<Refusal>) {
        let market = &self.market;
        let consumers = market.integer("consumers");
        let idle = [
            ("consumers", consumers != table.rows as i64, format!("{} has {} customers", table.source, table.rows)),
            (
                "history_days",
                market.number("history_days") > 0.0,
                "real customers bring their own past: nothing is lived before tick 0".to_owned(),
            ),
            (
                "history_message_every_days",
                market.integer("history_message_every_days") > 0,
                "real customers bring their own past: nothing is sent before tick 0".to_owned(),
            ),
            (
                "tenure_days_max",
                table.numbers.contains_key("tenure_days"),
                format!("{} says how long each customer has been one", table.source),
            ),
        ];
        for (key, _, why) in idle.into_iter().filter(|(key, differs, _)| *differs && market.is_given(key)) {
            refusals.push(Refusal::new(market, key, why, format!("leave `{key}` out with [market.population]")));
        }
    }

    /// Columns of texts where numbers are needed: the first value that is none.
    fn refuse_texts(&self, table: &CustomerTable, reachable: &[String], refusals: &mut Vec<Refusal>) {
        for (name, texts) in &table.texts {
            let is_consent = reachable.contains(name);
            let (is_legal, asked): (fn(&str) -> bool, _) = if is_consent {
                (|text| customers::consent(text).is_some(), customers::CONSENT)
            } else if ColumnKind::of(name) == ColumnKind::Number {
                (|_| false, "must be a number")
            } else {
                continue;
            };
            if let Some((row, text)) = texts.iter().enumerate().find(|(_, text)| !is_legal(text)) {
                refusals.push(self.refuse_customers(
                    table,
                    format!("row {} of {}: {name} is {text:?}; it {asked}", row + 1, table.source),
                    "correct the column, or leave it out of `columns` where it is optional".into(),
                ));
            }
        }
    }

    fn refuse_customers(&self, _table: &CustomerTable, message: String, help: String) -> Refusal {
        Refusal::new(&self.market, "population", message, help)
    }
}

fn keep<T>(result: Result<T, Vec<Refusal>>, refusals: &mut Vec<Refusal>) -> Option<T> {
    result.map_err(|mut faults| refusals.append(&mut faults)).ok()
}

fn customer(table: &CustomerTable, reachable: &[String], row: usize) -> Customer {
    let number = |name: &str| table.numbers.get(name).map(|column| column[row]);
    let orders = number("orders").unwrap_or(1.0);
    let recency_days = number("recency_days").unwrap_or(0.0);
    let mut consents = [None; CHANNELS_MAX];
    for (consent, name) in consents.iter_mut().zip(reachable) {
        let text = table.texts.get(name).and_then(|column| customers::consent(&column[row]));
        *consent = number(name).and_then(customers::consent_of_number).or(text);
    }
    Customer {
        recency_days,
        tenure_days: number("tenure_days"),
        orders,
        spend: number("spend").unwrap_or(0.0),
        reachable: consents,
    }
}

/// All that is wrong with a row.
fn faults(table: &CustomerTable, reachable: &[String], row: usize) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, column) in &table.numbers {
        let value = column[row];
        let asked = if reachable.contains(name) {
            customers::consent_of_number(value).is_none().then_some(customers::CONSENT)
        } else {
            customers::unmet(name, value)
        };
        faults.extend(asked.map(|asked| format!("{name} is {value}; it {asked}")));
    }
    if let (Some(recency), Some(tenure)) = (table.numbers.get("recency_days"), table.numbers.get("tenure_days"))
        && tenure[row] < recency[row]
    {
        faults.push(format!("tenure_days is {}; it {}", tenure[row], customers::TENURE));
    }
    faults
}
