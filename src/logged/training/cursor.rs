//! Rows of a decision log as decisions: which columns they stand in, and a place in the file from which to read on.

use super::check::{Checked, Group};
use crate::episode::Reward;
use crate::logged::cells::Chunk;
use crate::logged::source::Source;
use crate::protocol::Spec;
use std::collections::BTreeMap;

/// Places of the columns among those that are read: these, then the features, then `reward_window` where there is one.
const FIXED: [&str; 7] = ["consumer_id", "tick", "action", "propensity", "allowed", "reward", "terminated"];
const CONSUMER: usize = 0;
const TICK: usize = 1;
const ACTION: usize = 2;
const PROPENSITY: usize = 3;
const ALLOWED: usize = 4;
const REWARD: usize = 5;
const TERMINATED: usize = 6;
const FEATURES: usize = 7;

/// Which columns are read.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    features: usize,
    window: Option<usize>,
}

/// A row, but for its features and its mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decision {
    pub consumer: u32,
    pub tick: u32,
    pub action: u16,
    pub propensity: f32,
    /// Of the tick.
    pub reward: f32,
    /// Of the window; `None` where the horizon cut it off, or the log has no windows.
    pub window_reward: Option<f32>,
    pub terminated: bool,
}

impl Columns {
    /// The columns that a training needs.
    pub(super) fn find(
        header: &[String],
        spec: &Spec,
        reward: Reward,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<String>> {
        let mut names: Vec<String> = FIXED.iter().map(|name| (*name).to_owned()).collect();
        names.extend(spec.features.iter().map(|feature| feature.name.clone()));
        let mut faults = Vec::new();
        let mut window = None;
        if let Reward::Window { ticks } = reward {
            let logged = metadata.get("reward_ticks").and_then(|text| text.parse::<u32>().ok());
            if logged != Some(ticks) {
                let logged = logged.map_or_else(|| "none".to_owned(), |ticks| format!("those of {ticks} ticks"));
                faults.push(format!("has rewards of windows: {logged}; the scenario rewards those of {ticks} ticks"));
            }
            window = Some(names.len());
            names.push("reward_window".to_owned());
        }
        let missing: Vec<&str> = names.iter().filter(|name| !header.contains(name)).map(String::as_str).collect();
        if !missing.is_empty() {
            faults.push(format!("has no column {}", missing.join(", ")));
        }
        if faults.is_empty() { Ok(Self { names, features: spec.features.len(), window }) } else { Err(faults) }
    }

    /// In the order in which they are read.
    pub(super) fn names(&self) -> Vec<Option<&str>> {
        self.names.iter().map(|name| Some(name.as_str())).collect()
    }

    /// Whether rewards of windows are read.
    pub(super) fn has_windows(&self) -> bool {
        self.window.is_some()
    }

    /// A row, or what is wrong with it.
    pub(super) fn decision(
        &self,
        chunk: &Chunk,
        row: usize,
        actions: usize,
        numbers: &BTreeMap<String, u32>,
        scratch: &mut String,
    ) -> Result<Decision, String> {
        let consumer = chunk.columns[CONSUMER].text(row, scratch);
        let number = if numbers.is_empty() { consumer.parse().ok() } else { numbers.get(consumer).copied() };
        let Some(consumer) = number else {
            return Err(format!("there is no consumer {consumer:?} in the scenario"));
        };
        let cell = |column: usize| {
            let number = chunk.columns[column].number(row).ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("{} is not a finite number", self.names[column]))
        };
        let (tick, action, propensity) = (cell(TICK)?, cell(ACTION)?, cell(PROPENSITY)?);
        if !(0.0..f64::from(u32::MAX)).contains(&tick) {
            return Err(format!("tick {tick} is none"));
        }
        if action < 0.0 || action >= actions as f64 {
            return Err(format!("action {action} is none of the {actions}"));
        }
        if propensity <= 0.0 || propensity > 1.0 {
            return Err(format!("propensity {propensity} is not a probability above 0"));
        }
        let mask = chunk.columns[ALLOWED].bytes(row);
        if mask.len() != actions.div_ceil(8) {
            return Err(format!("allowed has {} bytes for {actions} actions", mask.len()));
        }
        let action = action as usize;
        if mask[action / 8] >> (action % 8) & 1 == 0 {
            return Err(format!("action {action} is forbidden by its mask"));
        }
        for column in FEATURES..FEATURES + self.features {
            cell(column)?;
        }
        let window_reward = match self.window.map(|column| chunk.columns[column].number(row)) {
            None | Some(Err(_)) => None,
            Some(Ok(reward)) if reward.is_finite() => Some(reward as f32),
            Some(Ok(_)) => return Err("reward_window is not a finite number".to_owned()),
        };
        Ok(Decision {
            consumer,
            tick: tick as u32,
            action: action as u16,
            propensity: propensity as f32,
            reward: cell(REWARD)? as f32,
            window_reward,
            terminated: cell(TERMINATED)? == 1.0,
        })
    }

    /// The mask of a row, bit by bit.
    pub(super) fn mask<'a>(&self, chunk: &'a Chunk, row: usize) -> &'a [u8] {
        chunk.columns[ALLOWED].bytes(row)
    }

    /// A feature of a row, as it was observed.
    pub(super) fn feature(&self, chunk: &Chunk, row: usize, feature: usize) -> f32 {
        chunk.columns[FEATURES + feature].number(row).map_or(0.0, |number| number as f32)
    }
}

/// A place in a file: where the next tick of a group of shards stands.
pub(super) struct Cursor<'a> {
    source: Source,
    group: &'a Group,
    next: usize,
}

impl<'a> Cursor<'a> {
    /// At the first row of a group.
    pub(super) fn open(file: &Checked, group: &'a Group) -> Result<Self, String> {
        let mut source = Source::open(&file.path)?;
        source.want(&file.columns.names())?;
        source.skip(group.first)?;
        Ok(Self { source, group, next: 0 })
    }

    /// Reads the rows of a tick; false where the group has none.
    pub(super) fn read(&mut self, tick: u32, chunk: &mut Chunk, part: &mut Chunk) -> Result<bool, String> {
        let Some((_, rows)) = self.group.ticks.get(self.next).filter(|(own, _)| *own == tick) else { return Ok(false) };
        self.next += 1;
        chunk.clear();
        while chunk.rows.len() < *rows {
            // A row group may end within a tick.
            self.source.next(rows - chunk.rows.len(), part)?;
            if part.rows.is_empty() {
                return Err("is shorter than it was".to_owned());
            }
            chunk.append(part);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::cells::Cells;
    use crate::protocol::{ActionSpace, Feature};

    fn spec() -> Spec {
        let actions = ActionSpace::flat("arm", "none", &["a", "b"]);
        let features = vec![Feature::raw("age", "years")];
        Spec { consumers: 9, horizon: 3, tick_days: 1.0, discount: 1.0, features, actions, kpis: Vec::new() }
    }

    fn columns(reward: Reward) -> Columns {
        let header: Vec<String> =
            ["age", "reward_window"].iter().chain(&FIXED).map(|name| (*name).to_owned()).collect();
        let metadata = BTreeMap::from([("reward_ticks".to_owned(), "2".to_owned())]);
        Columns::find(&header, &spec(), reward, &metadata).unwrap()
    }

    /// One row: consumer 4, tick 2, action 1 of probability 0.25, allowed with action 0, reward 1.5, age 40.
    fn chunk(change: impl FnOnce(&mut Vec<Cells>)) -> Chunk {
        let text = |bytes: &[u8]| {
            let mut cells = Cells::texts();
            cells.push_text(bytes);
            cells
        };
        let number = |number: f64| Cells::Numbers(vec![number]);
        let mut cells = vec![
            text(b"4"),
            number(2.0),
            number(1.0),
            number(0.25),
            text(&[0b011]),
            number(1.5),
            number(0.0),
            number(40.0),
        ];
        cells.push(number(f64::NAN));
        change(&mut cells);
        Chunk { columns: cells, rows: vec![1], ..Chunk::default() }
    }

    fn read(change: impl FnOnce(&mut Vec<Cells>)) -> Result<Decision, String> {
        let columns = columns(Reward::Window { ticks: 2 });
        columns.decision(&chunk(change), 0, 3, &BTreeMap::new(), &mut String::new())
    }

    #[test]
    fn a_row_is_read_as_it_was_decided() {
        let decision = read(|_| {}).unwrap();
        let expected = Decision {
            consumer: 4,
            tick: 2,
            action: 1,
            propensity: 0.25,
            reward: 1.5,
            window_reward: None,
            terminated: false,
        };
        assert_eq!(decision, expected);
        assert_eq!(read(|cells| cells[8] = Cells::Numbers(vec![7.0])).unwrap().window_reward, Some(7.0));
    }

    #[test]
    fn what_cannot_be_learned_from_says_why() {
        for (column, value, words) in [
            (TICK, f64::NAN, "tick is not a finite number"),
            (ACTION, 3.0, "action 3 is none of the 3"),
            (ACTION, 2.0, "action 2 is forbidden by its mask"),
            (PROPENSITY, 0.0, "propensity 0 is not a probability above 0"),
            (PROPENSITY, f64::NAN, "propensity is not a finite number"),
            (REWARD, f64::NAN, "reward is not a finite number"),
            (FEATURES, f64::INFINITY, "age is not a finite number"),
            (8, f64::INFINITY, "reward_window is not a finite number"),
        ] {
            let fault = read(|cells| cells[column] = Cells::Numbers(vec![value])).unwrap_err();
            assert_eq!(fault, words);
        }
        let mut names = Cells::texts();
        names.push_text(b"ann");
        assert_eq!(read(|cells| cells[0] = names).unwrap_err(), "there is no consumer \"ann\" in the scenario");
    }

    #[test]
    fn windows_must_be_those_of_the_scenario() {
        let header: Vec<String> = FIXED.iter().map(|name| (*name).to_owned()).collect();
        let faults = Columns::find(&header, &spec(), Reward::Window { ticks: 5 }, &BTreeMap::new()).unwrap_err();
        assert_eq!(
            faults,
            ["has rewards of windows: none; the scenario rewards those of 5 ticks", "has no column age, reward_window"]
        );
    }
}
