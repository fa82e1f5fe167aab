//! What an agent may see (docs/market.md 8): profile, purchases, engagement, offer, context. No latent value.
//!
//! Columns follow from what the market has: one group of engagement columns per channel, offers only where one has a
//! discount, regions only where there are several. Standardisation is by documented constants, so that a policy means
//! the same in every run.
//!
//! Limits: (1) order windows count up to the last eight orders; (2) engagement shares are running means over messages with
//! weight 0.2 on the newest, not calendar windows; (3) page views, categories and carts are columns of the
//! module that draws them.

use super::clock::Clock;
use super::forces::{Forces, Moment};
use super::state::{NEVER, ORDERS_REMEMBERED, State};
use crate::market::catalogue::Catalogue;
use crate::market::people::People;
use crate::market::population::{AGE_BANDS, DEVICES, SEXES};
use crate::matrix::Matrix;
use crate::protocol::Feature;
use crate::random::LANES;
use crate::response::ResponseModule;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    AgeBand(u8),
    Sex(u8),
    Region(u8),
    DeviceIos,
    TenureDays,
    Reachable(u8),
    DaysSinceOrder,
    OrdersWithin(u16),
    OrdersEver,
    SpendWithin(u16),
    BasketMean,
    DiscountedShare,
    DaysSinceSent(u8),
    DaysSinceOpen(u8),
    DaysSinceClick(u8),
    OpenShare(u8),
    ClickShare(u8),
    SentWithin(u8),
    VisitsWithin(u8),
    DaysSinceVisit,
    CreativeRepeats,
    CouponDiscount,
    CouponDaysLeft,
    Weekday(u8),
    TimeLeft,
    BudgetLeft,
    /// A feature of a module: index of the module, index of its feature.
    Module(u8, u8),
}

impl Column {
    /// Whether the raw value 0 says nothing about the consumer, and others do. Days since what never was say nothing.
    fn speaks_of_somebody(self) -> bool {
        !matches!(
            self,
            Self::Weekday(_)
                | Self::TimeLeft
                | Self::BudgetLeft
                | Self::DaysSinceOrder
                | Self::DaysSinceSent(_)
                | Self::DaysSinceOpen(_)
                | Self::DaysSinceClick(_)
                | Self::DaysSinceVisit
        )
    }
}

/// Days without an event look like this many days.
const LONGEST_DAYS: f32 = 999.0;

/// The observed columns of a market, in order.
#[derive(Clone, Debug)]
pub struct Columns {
    columns: Vec<Column>,
    features: Vec<Feature>,
}

/// What the columns read.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Fixed traits.
    pub people: &'a People,
    /// State of the shard.
    pub state: &'a State,
    /// The calendar.
    pub clock: &'a Clock,
    /// This tick.
    pub tick: i32,
    /// Ticks of the run.
    pub horizon: u32,
    /// Share of the budget that is left; 1 without a budget.
    pub budget_left: f32,
    /// The modules' state.
    pub forces: &'a Forces,
    /// What is the same for all of them.
    pub moment: Moment<'a>,
    /// The modules.
    pub modules: &'a [Box<dyn ResponseModule>],
    /// Whether some consumers have not come yet.
    pub has_absent: bool,
}

impl Columns {
    /// The columns of a market. `observe_protected` shows age, sex and region to policies.
    #[must_use]
    pub fn new(
        catalogue: &Catalogue,
        modules: &[Box<dyn ResponseModule>],
        regions: usize,
        observe_protected: bool,
        has_budget: bool,
    ) -> Self {
        let mut listed = Self { columns: Vec::new(), features: Vec::new() };
        listed.profile(catalogue, regions, observe_protected);
        listed.purchases();
        for (index, channel) in catalogue.channels.iter().enumerate() {
            listed.engagement(index as u8, &channel.name);
        }
        listed.contact(catalogue);
        for (index, day) in
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"].iter().enumerate()
        {
            listed.push(Column::Weekday(index as u8), Feature::level("weekday", day));
        }
        listed.push(Column::TimeLeft, Feature::raw("time_left_share", "share of the horizon").standardised(0.5, 0.29));
        if has_budget {
            listed.push(Column::BudgetLeft, Feature::raw("budget_left_share", "share").standardised(0.5, 0.29));
        }
        for (module, features) in modules.iter().map(|module| module.features()).enumerate() {
            for (index, feature) in features.into_iter().enumerate() {
                listed.push(Column::Module(module as u8, index as u8), feature);
            }
        }
        listed
    }

    /// Names, units and constants of the columns.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    fn push(&mut self, column: Column, feature: Feature) {
        self.columns.push(column);
        self.features.push(feature);
    }

    fn profile(&mut self, catalogue: &Catalogue, regions: usize, observe_protected: bool) {
        if observe_protected {
            for (index, band) in AGE_BANDS.iter().enumerate() {
                self.push(Column::AgeBand(index as u8), Feature::level("age_band", band));
            }
            for (index, sex) in SEXES.iter().enumerate() {
                self.push(Column::Sex(index as u8), Feature::level("sex", sex));
            }
            if regions > 1 {
                for index in 0..regions {
                    self.push(Column::Region(index as u8), Feature::level("region", &index.to_string()));
                }
            }
        }
        self.push(Column::DeviceIos, Feature::raw(format!("device_{}", DEVICES[0]), "indicator"));
        self.push(Column::TenureDays, Feature::raw("tenure_days", "days").logged(5.7, 0.8));
        for (index, channel) in catalogue.channels.iter().enumerate() {
            self.push(Column::Reachable(index as u8), Feature::raw(format!("{}_reachable", channel.name), "indicator"));
        }
    }

    fn purchases(&mut self) {
        self.push(Column::DaysSinceOrder, Feature::raw("days_since_order", "days").logged(4.5, 1.3));
        for days in [30, 90, 365] {
            self.push(
                Column::OrdersWithin(days),
                Feature::raw(format!("orders_{days}_days"), "orders").logged(0.4, 0.5),
            );
        }
        self.push(Column::OrdersEver, Feature::raw("orders_ever", "orders").logged(1.0, 0.6));
        for days in [90, 365] {
            self.push(
                Column::SpendWithin(days),
                Feature::raw(format!("spend_{days}_days"), "currency").logged(2.0, 2.2),
            );
        }
        self.push(Column::BasketMean, Feature::raw("basket_mean", "currency").logged(4.0, 0.6));
        self.push(Column::DiscountedShare, Feature::raw("discounted_order_share", "share of orders"));
    }

    fn engagement(&mut self, index: u8, channel: &str) {
        let days = |name: &str| Feature::raw(format!("{channel}_days_since_{name}"), "days").logged(3.5, 1.9);
        self.push(Column::DaysSinceSent(index), days("sent"));
        self.push(Column::DaysSinceOpen(index), days("open"));
        self.push(Column::DaysSinceClick(index), days("click"));
        self.push(
            Column::OpenShare(index),
            Feature::raw(format!("{channel}_open_share"), "share of messages").standardised(0.2, 0.2),
        );
        self.push(
            Column::ClickShare(index),
            Feature::raw(format!("{channel}_click_share"), "share of messages").standardised(0.02, 0.06),
        );
    }

    fn contact(&mut self, catalogue: &Catalogue) {
        for days in [1, 7, 30] {
            self.push(
                Column::SentWithin(days),
                Feature::raw(format!("messages_{days}_days"), "days with a message").logged(0.7, 0.7),
            );
        }
        for days in [7, 30] {
            self.push(
                Column::VisitsWithin(days),
                Feature::raw(format!("visits_{days}_days"), "days with a visit").logged(0.3, 0.5),
            );
        }
        self.push(Column::DaysSinceVisit, Feature::raw("days_since_visit", "days").logged(3.5, 1.6));
        if catalogue.creatives.len() > 1 {
            self.push(Column::CreativeRepeats, Feature::raw("creative_repeats", "messages in a row").logged(0.7, 0.6));
        }
        if catalogue.offers.iter().any(|offer| offer.discount > 0.0) {
            self.push(
                Column::CouponDiscount,
                Feature::raw("coupon_discount", "share of the price").standardised(0.0, 0.1),
            );
            self.push(Column::CouponDaysLeft, Feature::raw("coupon_days_left", "days").standardised(0.0, 3.0));
        }
    }

    /// Writes the standardised columns of every row.
    pub fn write(&self, seen: &Seen<'_>, matrix: &mut Matrix) {
        let rows = seen.people.len();
        matrix.reshape(rows, self.columns.len());
        for block in 0..matrix.blocks() {
            let first = block * LANES;
            let count = LANES.min(rows - first);
            let columns = self.columns.iter().zip(&self.features);
            for ((column, feature), cells) in columns.zip(matrix.block_mut(block)) {
                *cells = [0.0; LANES];
                seen.fill(*column, first, &mut cells[..count]);
                if seen.has_absent && column.speaks_of_somebody() {
                    seen.blank(first, &mut cells[..count]);
                }
                standardise(feature, cells);
            }
        }
    }
}

fn standardise(feature: &Feature, cells: &mut [f32; LANES]) {
    if feature.log {
        for cell in cells.iter_mut() {
            *cell = crate::math::ln(1.0 + *cell);
        }
    }
    for cell in cells.iter_mut() {
        *cell = (*cell - feature.mean) / feature.scale;
    }
}

/// Gives every cell the value of its row.
#[inline(always)]
fn each(cells: &mut [f32], first: usize, value: impl Fn(usize) -> f32) {
    for (lane, cell) in cells.iter_mut().enumerate() {
        *cell = value(first + lane);
    }
}

#[inline(always)]
fn indicator(condition: bool) -> f32 {
    if condition { 1.0 } else { 0.0 }
}

/// The past days of a window in bits of days: bit 0 is today and stays out.
const fn past(days: u8) -> u32 {
    (((1u64 << days) - 1) << 1) as u32
}

impl Seen<'_> {
    #[inline(always)]
    fn days_since(&self, tick: i32) -> f32 {
        if tick == NEVER { LONGEST_DAYS } else { self.clock.days_between(tick, self.tick).min(LONGEST_DAYS) }
    }

    /// Says nothing about those who are not in the records yet.
    fn blank(&self, first: usize, cells: &mut [f32]) {
        for (lane, cell) in cells.iter_mut().enumerate() {
            *cell = if self.state.is_here(first + lane) { *cell } else { 0.0 };
        }
    }

    fn window_start(&self, days: u16) -> i32 {
        self.tick - self.clock.ticks(f64::from(days)) as i32
    }

    /// Raw values of a column for the rows from `first` on.
    fn fill(&self, column: Column, first: usize, cells: &mut [f32]) {
        let (people, state) = (self.people, self.state);
        let engagement = |channel: u8| &state.engagement[usize::from(channel)];
        match column {
            Column::AgeBand(band) => each(cells, first, |row| indicator(people.age_band[row] == band)),
            Column::Sex(sex) => each(cells, first, |row| indicator(people.sex[row] == sex)),
            Column::Region(region) => each(cells, first, |row| indicator(people.region[row] == region)),
            Column::DeviceIos => each(cells, first, |row| indicator(people.device[row] == 0)),
            Column::TenureDays => {
                let today = self.clock.day(self.tick) as f32;
                each(cells, first, |row| (today - people.acquired_day[row]).max(0.0));
            }
            Column::Reachable(channel) => {
                each(cells, first, |row| indicator(state.is_reachable(row, usize::from(channel))));
            }
            Column::DaysSinceSent(channel) => {
                each(cells, first, |row| self.days_since(engagement(channel).sent_tick[row]));
            }
            Column::DaysSinceOpen(channel) => {
                each(cells, first, |row| self.days_since(engagement(channel).open_tick[row]));
            }
            Column::DaysSinceClick(channel) => {
                each(cells, first, |row| self.days_since(engagement(channel).click_tick[row]));
            }
            Column::OpenShare(channel) => each(cells, first, |row| engagement(channel).open_share[row]),
            Column::ClickShare(channel) => each(cells, first, |row| engagement(channel).click_share[row]),
            Column::SentWithin(days) => {
                each(cells, first, |row| (state.sent_on_any(row) & past(days)).count_ones() as f32);
            }
            Column::VisitsWithin(days) => {
                each(cells, first, |row| (state.visit_days[row] & past(days)).count_ones() as f32);
            }
            Column::DaysSinceVisit => each(cells, first, |row| self.days_since(state.visit_tick[row])),
            Column::CreativeRepeats => each(cells, first, |row| f32::from(state.creative_repeats[row])),
            Column::CouponDiscount => {
                each(
                    cells,
                    first,
                    |row| {
                        if state.has_coupon(row, self.tick) { state.coupon_discount[row] } else { 0.0 }
                    },
                )
            }
            Column::CouponDaysLeft => {
                each(cells, first, |row| self.clock.days_between(self.tick, state.coupon_end_tick[row].max(self.tick)))
            }
            Column::Weekday(day) => cells.fill(indicator(self.clock.weekday(self.tick) == usize::from(day))),
            Column::TimeLeft => cells.fill(1.0 - self.tick.max(0) as f32 / self.horizon as f32),
            Column::BudgetLeft => cells.fill(self.budget_left),
            Column::Module(module, feature) => {
                let index = usize::from(module);
                let view = self.forces.view(index, &self.moment);
                self.modules[index].observe(&view, usize::from(feature), first, cells);
            }
            orders => self.fill_orders(orders, first, cells),
        }
    }

    fn fill_orders(&self, column: Column, first: usize, cells: &mut [f32]) {
        let orders = &self.state.orders;
        match column {
            Column::OrdersWithin(days) => {
                let start = self.window_start(days);
                each(cells, first, |row| orders[row].since(start).0);
            }
            Column::SpendWithin(days) => {
                let start = self.window_start(days);
                each(cells, first, |row| orders[row].since(start).1);
            }
            Column::DaysSinceOrder => each(cells, first, |row| self.days_since(orders[row].last_tick())),
            Column::OrdersEver => each(cells, first, |row| orders[row].orders as f32),
            Column::BasketMean => each(cells, first, |row| orders[row].spend / orders[row].orders.max(1) as f32),
            Column::DiscountedShare => {
                each(cells, first, |row| orders[row].discounted as f32 / orders[row].orders.max(1) as f32);
            }
            _ => {}
        }
    }
}

const _: () = assert!(ORDERS_REMEMBERED >= 8, "the documentation of the order windows speaks of eight orders");
