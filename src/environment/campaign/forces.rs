//! The modules of a shard at work: their columns, their series, what they share and what they publish.

use crate::market::people::People;
use crate::random::Seed;
use crate::response::{
    Contacts, MessagePredictors, Order, OrderReport, Published, Reports, ResponseModule, Responses, Signal, Signals,
    View,
};
use std::ops::Range;
use std::sync::Arc;

type Modules = [Box<dyn ResponseModule>];

/// The market-wide series of all modules, drawn when a market opens.
#[derive(Debug, Default)]
pub struct Series {
    first_tick: i32,
    /// `[module][tick][series]`.
    values: Vec<Vec<Vec<f32>>>,
}

impl Series {
    /// Draws the series of all modules over these ticks.
    pub fn draw(modules: &Modules, seed: Seed, ticks: Range<i32>) -> Self {
        let by_tick = |module: &dyn ResponseModule| {
            let series = module.series(seed, ticks.clone());
            let days = if series.is_empty() { 0 } else { ticks.len() };
            (0..days).map(|tick| series.iter().map(|values| values[tick]).collect()).collect()
        };
        Self { first_tick: ticks.start, values: modules.iter().map(|module| by_tick(module.as_ref())).collect() }
    }

    /// The values of a module at a tick; empty where it has none.
    fn at(&self, module: usize, tick: i32) -> &[f32] {
        let days = &self.values[module];
        // The terminal value is read one tick after the last: the last values stand.
        let index = (tick - self.first_tick).max(0) as usize;
        days.get(index).or(days.last()).map_or(&[], Vec::as_slice)
    }
}

/// What one module's commons say to a shard.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Values that all consumers see.
    pub market: Vec<f32>,
    /// One value for each row of the shard, or empty.
    pub rows: Vec<f32>,
    /// One value for each row of the shard that never changes, or empty.
    pub fixed_rows: Arc<[f32]>,
}

/// Where and when: the luck of a shard in a tick.
#[derive(Clone, Copy, Debug)]
pub struct Here {
    /// The luck of the market.
    pub seed: Seed,
    /// First consumer of the shard.
    pub first: u32,
    /// This tick.
    pub tick: i32,
    /// Whether it is a Saturday or Sunday.
    pub weekend: bool,
}

/// What is the same for all modules of a shard in a tick.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Where and when.
    pub here: Here,
    /// Fixed traits.
    pub people: &'a People,
    /// Who is a customer, as the tick began.
    pub alive: &'a [f32],
    /// Who visits.
    pub visiting: &'a [bool],
    /// Share of the list price that each row would pay.
    pub prices: &'a [f32],
}

/// The modules' state in one shard.
#[derive(Clone, Debug)]
pub struct Forces {
    /// `[module][column][row]`.
    columns: Vec<Vec<Vec<f32>>>,
    /// Module and column of each signal.
    owners: [Option<(usize, usize)>; Signal::COUNT],
    series: Arc<Series>,
    /// Per module.
    pub shared: Vec<Shared>,
    /// Per module.
    pub published: Vec<Published>,
    /// Whether any module ever multiplies what an order buys.
    moves_quantity: bool,
    moves_dropout: bool,
}

impl Forces {
    /// All columns at their start.
    pub fn new(modules: &Modules, seed: Seed, first: u32, people: &People, series: Arc<Series>) -> Self {
        let columns = modules
            .iter()
            .map(|module| {
                let mut columns = vec![vec![0.0; people.len()]; module.columns()];
                module.start(seed, first, people, &mut columns);
                columns
            })
            .collect();
        let mut owners = [None; Signal::COUNT];
        for (index, module) in modules.iter().enumerate() {
            for &(signal, column) in module.signals() {
                owners[signal as usize] = Some((index, column));
            }
        }
        Self {
            columns,
            owners,
            series,
            shared: vec![Shared::default(); modules.len()],
            published: vec![Published::default(); modules.len()],
            moves_quantity: modules.iter().any(|module| module.moves_quantity()),
            moves_dropout: modules.iter().any(|module| module.moves_dropout()),
        }
    }

    /// What a module sees.
    pub fn view<'a>(&'a self, module: usize, moment: &Moment<'a>) -> View<'a> {
        let column = |owner: Option<(usize, usize)>| -> &'a [f32] {
            owner.and_then(|(module, column)| self.columns[module].get(column)).map_or(&[], Vec::as_slice)
        };
        View {
            seed: moment.here.seed,
            first: moment.here.first,
            tick: moment.here.tick,
            weekend: moment.here.weekend,
            people: moment.people,
            alive: moment.alive,
            visiting: moment.visiting,
            prices: moment.prices,
            signals: Signals::new(self.owners.map(column)),
            columns: &self.columns[module],
            series: self.series.at(module, moment.here.tick),
            common: &self.shared[module].market,
            common_rows: &self.shared[module].rows,
            common_fixed_rows: &self.shared[module].fixed_rows,
        }
    }

    /// What the owner of a signal says of a row; 0 where nobody owns it.
    pub fn signal(&self, signal: Signal, row: usize) -> f32 {
        self.owners[signal as usize].map_or(0.0, |(module, column)| self.columns[module][column][row])
    }

    /// A column of a module.
    pub fn column(&self, module: usize, column: usize) -> &[f32] {
        &self.columns[module][column]
    }

    /// A column of a module, to be set.
    pub fn column_mut(&mut self, module: usize, column: usize) -> &mut [f32] {
        &mut self.columns[module][column]
    }

    /// Lets every module write its own columns while it sees the others'.
    fn write(
        &mut self,
        modules: &Modules,
        moment: &Moment<'_>,
        mut write: impl FnMut(&dyn ResponseModule, &View<'_>, &mut [Vec<f32>]),
    ) {
        for (index, module) in modules.iter().enumerate() {
            let mut own = std::mem::take(&mut self.columns[index]);
            write(module.as_ref(), &self.view(index, moment), &mut own);
            self.columns[index] = own;
        }
    }

    /// What moves the funnel.
    pub fn contribute_to_messages(
        &self,
        modules: &Modules,
        moment: &Moment<'_>,
        contacts: &Contacts,
        predictors: &mut MessagePredictors,
    ) {
        for (index, module) in modules.iter().enumerate() {
            module.contribute_to_messages(&self.view(index, moment), contacts, predictors);
        }
    }

    /// What the sender is told.
    pub fn measure(
        &self,
        modules: &Modules,
        moment: &Moment<'_>,
        contacts: &Contacts,
        responses: &Responses,
        reports: &mut Reports,
    ) {
        for (index, module) in modules.iter().enumerate() {
            module.measure(&self.view(index, moment), contacts, responses, reports);
        }
    }

    /// Carry-over before the orders.
    pub fn advance(&mut self, modules: &Modules, moment: &Moment<'_>, contacts: &Contacts, responses: &Responses) {
        self.write(modules, moment, |module, view, next| module.advance(view, contacts, responses, next));
    }

    /// What moves orders.
    pub fn contribute_to_orders(&self, modules: &Modules, moment: &Moment<'_>, log_hazard: &mut [f32]) {
        for (index, module) in modules.iter().enumerate() {
            module.contribute_to_orders(&self.view(index, moment), log_hazard);
        }
    }

    /// How many times the usual quantity an order buys.
    pub fn quantity(&self, modules: &Modules, moment: &Moment<'_>, row: usize, discount: f32) -> f32 {
        if !self.moves_quantity {
            return 1.0;
        }
        let factors = modules.iter().enumerate().filter(|(_, module)| module.moves_quantity());
        factors.map(|(index, module)| module.quantity_factor(&self.view(index, moment), row, discount)).product()
    }

    /// Added to the logarithm of each row's dropout probability; empty where nothing ever is.
    pub fn contribute_to_dropout(&self, modules: &Modules, moment: &Moment<'_>, log_hazard: &mut Vec<f32>) {
        log_hazard.clear();
        if self.moves_dropout {
            log_hazard.resize(moment.people.len(), 0.0);
            for (index, module) in modules.iter().enumerate().filter(|(_, module)| module.moves_dropout()) {
                module.contribute_to_dropout(&self.view(index, moment), log_hazard);
            }
        }
    }

    /// Who leaves because of a message.
    pub fn lose(
        &self,
        modules: &Modules,
        moment: &Moment<'_>,
        contacts: &Contacts,
        responses: &Responses,
        leaving: &mut Vec<u32>,
    ) {
        for (index, module) in modules.iter().enumerate() {
            module.lose(&self.view(index, moment), contacts, responses, leaving);
        }
    }

    /// Carry-over after the orders.
    pub fn after_orders(&mut self, modules: &Modules, moment: &Moment<'_>, orders: &[Order]) {
        if !orders.is_empty() {
            self.write(modules, moment, |module, view, next| module.after_orders(view, orders, next));
        }
    }

    /// How the orders are recorded.
    pub fn measure_orders(
        &self,
        modules: &Modules,
        moment: &Moment<'_>,
        orders: &[Order],
        reports: &mut [OrderReport],
    ) {
        for (index, module) in modules.iter().enumerate() {
            module.measure_orders(&self.view(index, moment), orders, reports);
        }
    }

    /// What the shard tells the market.
    pub fn publish(
        &mut self,
        modules: &Modules,
        moment: &Moment<'_>,
        contacts: &Contacts,
        responses: &Responses,
        orders: &[Order],
    ) {
        let mut published = std::mem::take(&mut self.published);
        for (index, (module, published)) in modules.iter().zip(&mut published).enumerate() {
            if module.is_coupling() {
                published.clear();
                module.publish(&self.view(index, moment), contacts, responses, orders, published);
            }
        }
        self.published = published;
    }

    /// Turns all columns but the observable ones around among the rows.
    #[cfg(test)]
    pub fn reverse(&mut self, modules: &Modules) {
        for (module, columns) in modules.iter().zip(&mut self.columns) {
            for (index, column) in columns.iter_mut().enumerate() {
                if !module.observable_columns().contains(&index) {
                    column.reverse();
                }
            }
        }
    }
}
