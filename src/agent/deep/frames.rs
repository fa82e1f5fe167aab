//! What was seen, column by column: the store below replay and rollouts. Each observation is stored once.
//!
//! A frame is one consumer at one tick: features, what was allowed, the last events, and then action, reward and how it went
//! on. Frames of many consumers and shards interleave; each knows its consumer and tick and is linked with the frame of the
//! same consumer at the tick before and after it. Features are kept as they come, indicators (columns of one-hot groups) as
//! one bit each, masks as bits, so that nothing is lost.

use super::checkpoint::{Checkpoint, invalid};
use super::encoder::{EncoderShape, Tokens};
use super::network::Input;
use super::normaliser::Scaling;
use super::operation::Mask;
use crate::protocol::{Event, EventKind, Observation, Spec, Transitions};
use serde::{Deserialize, Serialize};
use std::io;

/// No frame.
pub const NOWHERE: u32 = u32::MAX;

/// How a frame goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Course {
    /// An action was taken, and the episode goes on.
    Open = 0,
    /// An action was taken, and the episode ended with it.
    Ended = 1,
    /// Only seen: the episode stopped here at the time limit, and what lies beyond is to be estimated.
    Cut = 2,
    /// As [`Self::Cut`], but records tell what lies beyond: the reward of the frame.
    Valued = 3,
}

impl Course {
    fn of(code: u8) -> Option<Self> {
        [Self::Open, Self::Ended, Self::Cut, Self::Valued].into_iter().find(|course| *course as u8 == code)
    }
}

/// The shape of what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameShape {
    /// Number of actions.
    pub actions: usize,
    /// Most events of a frame; 0 where they are not read.
    pub events: usize,
    /// Which features are indicators.
    pub indicators: Vec<bool>,
}

impl FrameShape {
    /// For the features and actions of an environment.
    #[must_use]
    pub fn of(spec: &Spec, events: usize) -> Self {
        let is_indicator = |feature: &crate::protocol::Feature| {
            feature.group.is_some() && !feature.log && feature.mean == 0.0 && feature.scale == 1.0
        };
        Self { actions: spec.actions.len(), events, indicators: spec.features.iter().map(is_indicator).collect() }
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.indicators.len()
    }

    fn numbers(&self) -> usize {
        self.indicators.iter().filter(|indicator| !**indicator).count()
    }

    fn bit_words(&self) -> usize {
        (self.features() - self.numbers()).div_ceil(64)
    }

    fn mask_words(&self) -> usize {
        self.actions.div_ceil(64)
    }
}

/// Frames by slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    shape: FrameShape,
    numbers: Vec<f32>,
    bits: Vec<u64>,
    masks: Vec<u64>,
    event_counts: Vec<u8>,
    /// Kind in the lower half, 255 or the channel in the upper.
    event_marks: Vec<u16>,
    event_ages: Vec<f32>,
    event_values: Vec<f32>,
    /// Whose frame it is.
    pub consumers: Vec<u32>,
    /// When.
    pub ticks: Vec<u32>,
    /// What was done.
    pub actions: Vec<u16>,
    /// With which probability.
    pub propensities: Vec<f32>,
    /// What it earned; for [`Course::Valued`] what lies beyond.
    pub rewards: Vec<f32>,
    courses: Vec<u8>,
    /// The frame of the same consumer a tick before.
    pub previous: Vec<u32>,
    /// The frame of the same consumer a tick later.
    pub next: Vec<u32>,
    /// The newest frame of each consumer whose episode goes on.
    trail: Vec<u32>,
}

impl Frames {
    /// None yet.
    #[must_use]
    pub fn new(shape: FrameShape) -> Self {
        Self {
            shape,
            numbers: Vec::new(),
            bits: Vec::new(),
            masks: Vec::new(),
            event_counts: Vec::new(),
            event_marks: Vec::new(),
            event_ages: Vec::new(),
            event_values: Vec::new(),
            consumers: Vec::new(),
            ticks: Vec::new(),
            actions: Vec::new(),
            propensities: Vec::new(),
            rewards: Vec::new(),
            courses: Vec::new(),
            previous: Vec::new(),
            next: Vec::new(),
            trail: Vec::new(),
        }
    }

    /// Number of slots in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ticks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ticks.is_empty()
    }

    /// What is stored.
    #[must_use]
    pub fn shape(&self) -> &FrameShape {
        &self.shape
    }

    /// How a frame goes on.
    #[must_use]
    pub fn course(&self, slot: usize) -> Course {
        Course::of(self.courses[slot]).unwrap_or(Course::Ended)
    }

    /// Stores a row of what was seen in a slot, a new one or one that is overwritten, and links it with the frame of the same
    /// consumer a tick before, if that is there. The action is 0 and the course [`Course::Cut`] until told.
    pub fn write(&mut self, slot: usize, observation: &Observation, row: usize) {
        if slot == self.len() {
            self.grow();
        } else {
            self.forget(slot);
        }
        let consumer = observation.consumer_ids[row];
        self.write_view(slot, observation, row);
        (self.consumers[slot], self.ticks[slot]) = (consumer, observation.tick);
        (self.actions[slot], self.propensities[slot], self.rewards[slot]) = (0, 1.0, 0.0);
        (self.courses[slot], self.previous[slot], self.next[slot]) = (Course::Cut as u8, NOWHERE, NOWHERE);
        let before = self.trail.get(consumer as usize).copied().unwrap_or(NOWHERE);
        if before != NOWHERE && self.ticks[before as usize].checked_add(1) == Some(observation.tick) {
            self.next[before as usize] = slot as u32;
            self.previous[slot] = before;
        }
        self.leave(consumer);
    }

    /// Tells what was done in a frame and what it earned; where the episode goes on, the next frame will be linked to it.
    pub fn act(&mut self, slot: usize, batch: &Transitions<'_>, row: usize) {
        let ended = batch.is_terminated(row);
        (self.actions[slot], self.propensities[slot]) = (batch.actions[row], batch.propensities[row]);
        self.rewards[slot] = batch.rewards[row];
        self.courses[slot] = if ended { Course::Ended } else { Course::Open } as u8;
        if !ended {
            self.follow(slot);
        }
    }

    /// The next frame of this consumer will be linked to this one.
    fn follow(&mut self, slot: usize) {
        let consumer = self.consumers[slot] as usize;
        if self.trail.len() <= consumer {
            self.trail.resize(consumer + 1, NOWHERE);
        }
        self.trail[consumer] = slot as u32;
    }

    /// Tells what lies beyond a frame at which the episode stopped.
    pub fn value(&mut self, slot: usize, value: f32) {
        (self.rewards[slot], self.courses[slot]) = (value, Course::Valued as u8);
    }

    /// No frame of this consumer will be followed by another.
    pub fn leave(&mut self, consumer: u32) {
        if let Some(last) = self.trail.get_mut(consumer as usize) {
            *last = NOWHERE;
        }
    }

    /// Unlinks a frame that is about to be overwritten.
    fn forget(&mut self, slot: usize) {
        let consumer = self.consumers[slot];
        if self.trail.get(consumer as usize) == Some(&(slot as u32)) {
            self.leave(consumer);
        }
        let (before, after) = (self.previous[slot], self.next[slot]);
        if before != NOWHERE {
            self.next[before as usize] = NOWHERE;
        }
        if after != NOWHERE {
            self.previous[after as usize] = NOWHERE;
        }
    }

    fn grow(&mut self) {
        let slots = self.len() + 1;
        let FrameShape { events, .. } = self.shape;
        self.numbers.resize(slots * self.shape.numbers(), 0.0);
        self.bits.resize(slots * self.shape.bit_words(), 0);
        self.masks.resize(slots * self.shape.mask_words(), 0);
        if events > 0 {
            self.event_counts.resize(slots, 0);
        }
        self.event_marks.resize(slots * events, 0);
        self.event_ages.resize(slots * events, 0.0);
        self.event_values.resize(slots * events, 0.0);
        for column in [&mut self.consumers, &mut self.ticks, &mut self.previous, &mut self.next] {
            column.resize(slots, NOWHERE);
        }
        self.actions.resize(slots, 0);
        self.propensities.resize(slots, 1.0);
        self.rewards.resize(slots, 0.0);
        self.courses.resize(slots, Course::Cut as u8);
    }

    fn write_view(&mut self, slot: usize, observation: &Observation, row: usize) {
        let (numbers, words) = (self.shape.numbers(), self.shape.bit_words());
        let (mut number, mut bit) = (slot * numbers, 0);
        let bits = &mut self.bits[slot * words..(slot + 1) * words];
        bits.fill(0);
        for (column, indicator) in self.shape.indicators.iter().enumerate() {
            let value = observation.features.get(row, column);
            if *indicator {
                bits[bit / 64] |= u64::from(value > 0.5) << (bit % 64);
                bit += 1;
            } else {
                self.numbers[number] = value;
                number += 1;
            }
        }
        let words = self.shape.mask_words();
        self.masks[slot * words..(slot + 1) * words].copy_from_slice(observation.allowed.row(row));
        let Some(events) = observation.events.as_ref().filter(|_| self.shape.events > 0) else { return };
        let first = slot * self.shape.events;
        let seen = events.row(row);
        let seen = &seen[..seen.len().min(self.shape.events)];
        self.event_counts[slot] = seen.len() as u8;
        for (place, event) in (first..).zip(seen) {
            self.event_marks[place] = event.kind as u16 | u16::from(event.channel.unwrap_or(u8::MAX)) << 8;
            (self.event_ages[place], self.event_values[place]) = (event.age_days, event.value);
        }
    }

    /// Writes the features of a frame.
    pub fn features(&self, slot: usize, row: &mut [f32]) {
        let (numbers, words) = (self.shape.numbers(), self.shape.bit_words());
        let (mut number, mut bit) = (slot * numbers, 0);
        for (value, indicator) in row.iter_mut().zip(&self.shape.indicators) {
            if *indicator {
                *value = (self.bits[slot * words + bit / 64] >> (bit % 64) & 1) as f32;
                bit += 1;
            } else {
                *value = self.numbers[number];
                number += 1;
            }
        }
    }

    /// These frames alone, in this order, each without the one before and after it.
    #[must_use]
    pub fn only(&self, slots: &[usize]) -> Self {
        let mut kept = Self::new(self.shape.clone());
        for (to, &from) in slots.iter().enumerate() {
            kept.grow();
            let copy = |width: usize| from * width..(from + 1) * width;
            let (numbers, bits, masks) = (self.shape.numbers(), self.shape.bit_words(), self.shape.mask_words());
            let events = self.shape.events;
            kept.numbers[to * numbers..].copy_from_slice(&self.numbers[copy(numbers)]);
            kept.bits[to * bits..].copy_from_slice(&self.bits[copy(bits)]);
            kept.masks[to * masks..].copy_from_slice(&self.masks[copy(masks)]);
            if events > 0 {
                kept.event_counts[to] = self.event_counts[from];
            }
            kept.event_marks[to * events..].copy_from_slice(&self.event_marks[copy(events)]);
            kept.event_ages[to * events..].copy_from_slice(&self.event_ages[copy(events)]);
            kept.event_values[to * events..].copy_from_slice(&self.event_values[copy(events)]);
            (kept.consumers[to], kept.ticks[to]) = (self.consumers[from], self.ticks[from]);
            (kept.actions[to], kept.propensities[to]) = (self.actions[from], self.propensities[from]);
            (kept.rewards[to], kept.courses[to]) = (self.rewards[from], self.courses[from]);
            if self.course(from) == Course::Open {
                kept.follow(to);
            }
        }
        kept
    }

    /// What a frame allowed.
    #[must_use]
    pub fn allowed(&self, slot: usize) -> &[u64] {
        let words = self.shape.mask_words();
        &self.masks[slot * words..(slot + 1) * words]
    }

    /// The events of a frame, newest first.
    #[must_use]
    pub fn events(&self, slot: usize) -> Vec<Event> {
        let count = self.event_counts.get(slot).copied().unwrap_or(0);
        let first = slot * self.shape.events;
        let event = |place: usize| {
            let [kind, channel] = self.event_marks[place].to_le_bytes();
            Event {
                kind: EventKind::ALL.get(usize::from(kind)).copied().unwrap_or_default(),
                age_days: self.event_ages[place],
                channel: (channel != u8::MAX).then_some(channel),
                value: self.event_values[place],
            }
        };
        (first..first + usize::from(count)).map(event).collect()
    }

    /// What a network is given of these frames.
    #[must_use]
    pub fn input(&self, slots: &[u32], scaling: &Scaling, encoder: Option<&EncoderShape>) -> Input {
        let features = self.shape.features();
        let mut values = vec![0.0; slots.len() * features];
        for (row, slot) in values.chunks_exact_mut(features.max(1)).zip(slots) {
            self.features(*slot as usize, row);
            scaling.apply(row);
        }
        let tokens = encoder.map(|shape| {
            let events: Vec<Vec<Event>> = slots.iter().map(|slot| self.events(*slot as usize)).collect();
            Tokens::new(shape, events.iter().map(Vec::as_slice))
        });
        let input = Input::new(features, slots.len(), values).expect("a row has all features");
        Input { tokens, ..input }
    }

    /// What these frames allowed.
    #[must_use]
    pub fn mask(&self, slots: &[u32]) -> Mask {
        let words = slots.iter().flat_map(|slot| self.allowed(*slot as usize).iter().copied());
        Mask::new(self.shape.actions, words.collect())
    }

    /// Keeps all frames.
    ///
    /// # Errors
    /// Where the shape cannot be written.
    pub fn save(&self, name: &str, to: &mut Checkpoint) -> io::Result<()> {
        to.note(name, &self.shape)?;
        let columns = [
            ("consumers", &self.consumers),
            ("ticks", &self.ticks),
            ("previous", &self.previous),
            ("next", &self.next),
            ("trail", &self.trail),
        ];
        columns.into_iter().for_each(|(part, values)| to.put(format!("{name}.{part}"), &[values.len()], values));
        let floats = [
            ("numbers", &self.numbers),
            ("event_ages", &self.event_ages),
            ("event_values", &self.event_values),
            ("propensities", &self.propensities),
            ("rewards", &self.rewards),
        ];
        floats.into_iter().for_each(|(part, values)| to.put(format!("{name}.{part}"), &[values.len()], values));
        to.put(format!("{name}.bits"), &[self.bits.len()], &self.bits);
        to.put(format!("{name}.masks"), &[self.masks.len()], &self.masks);
        to.put(format!("{name}.event_counts"), &[self.event_counts.len()], &self.event_counts);
        to.put(format!("{name}.event_marks"), &[self.event_marks.len()], &self.event_marks);
        to.put(format!("{name}.actions"), &[self.actions.len()], &self.actions);
        to.put(format!("{name}.courses"), &[self.courses.len()], &self.courses);
        Ok(())
    }

    /// What was kept.
    ///
    /// # Errors
    /// Where columns are absent, differ in length, or point beyond each other.
    pub fn load(name: &str, from: &Checkpoint) -> io::Result<Self> {
        let shape: FrameShape = from.noted(name)?;
        let ticks: Vec<u32> = from.take_any(&format!("{name}.ticks"))?;
        let (slots, events) = (ticks.len(), shape.events);
        let part = |part: &str| format!("{name}.{part}");
        let frames = Self {
            numbers: from.take(&part("numbers"), slots * shape.numbers())?,
            bits: from.take(&part("bits"), slots * shape.bit_words())?,
            masks: from.take(&part("masks"), slots * shape.mask_words())?,
            event_counts: from.take(&part("event_counts"), if events > 0 { slots } else { 0 })?,
            event_marks: from.take(&part("event_marks"), slots * events)?,
            event_ages: from.take(&part("event_ages"), slots * events)?,
            event_values: from.take(&part("event_values"), slots * events)?,
            consumers: from.take(&part("consumers"), slots)?,
            actions: from.take(&part("actions"), slots)?,
            propensities: from.take(&part("propensities"), slots)?,
            rewards: from.take(&part("rewards"), slots)?,
            courses: from.take(&part("courses"), slots)?,
            previous: from.take(&part("previous"), slots)?,
            next: from.take(&part("next"), slots)?,
            trail: from.take_any(&part("trail"))?,
            ticks,
            shape,
        };
        let links = frames.previous.iter().chain(&frames.next).chain(&frames.trail);
        let sound = links.into_iter().all(|slot| *slot == NOWHERE || (*slot as usize) < slots)
            && frames.courses.iter().all(|code| Course::of(*code).is_some())
            && frames.actions.iter().all(|action| usize::from(*action) < frames.shape.actions)
            && frames.event_counts.iter().all(|count| usize::from(*count) <= events);
        if sound { Ok(frames) } else { Err(invalid(format!("the frames `{name}` point beyond themselves"))) }
    }
}
