//! Which additive parts make up the score of each action.

use crate::protocol::ActionSpace;
use serde::{Deserialize, Serialize};

/// Parts of every action; a part may stand in many actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record")]
pub struct Parts {
    count: usize,
    /// Part 0 stands in every action and is left out of the lists.
    has_base: bool,
    /// Action a's parts are `members[starts[a]..starts[a + 1]]`.
    starts: Vec<u32>,
    members: Vec<u16>,
}

/// [`Parts`] as read, before it is checked.
#[derive(Deserialize)]
struct Record {
    count: usize,
    has_base: bool,
    starts: Vec<u32>,
    members: Vec<u16>,
}

impl TryFrom<Record> for Parts {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, String> {
        let Record { count, has_base, starts, members } = record;
        let ordered = starts.first() == Some(&0) && starts.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ordered || starts.last().map(|end| *end as usize) != Some(members.len()) {
            return Err("the parts of actions do not follow each other".into());
        }
        if members.iter().any(|part| usize::from(*part) >= count) {
            return Err(format!("an action has a part beyond {count}"));
        }
        if !has_base
            && (members.len() != count || members.iter().enumerate().any(|(action, part)| action != usize::from(*part)))
        {
            return Err("without a base every action has one part of its own".into());
        }
        Ok(Self { count, has_base, starts, members })
    }
}

impl Parts {
    /// One part per action.
    pub fn one_each(actions: usize) -> Self {
        Self {
            count: actions,
            has_base: false,
            starts: (0..=actions as u32).collect(),
            members: (0..actions).map(|action| action as u16).collect(),
        }
    }

    /// The base, then `extra` parts that stand in every contact, then one part for each level of each factor. An action
    /// without levels (no contact) has the base alone.
    pub fn of_levels(space: &ActionSpace, extra: u16) -> Self {
        let mut first_of_factor = Vec::with_capacity(space.factors.len());
        let mut count = 1 + usize::from(extra);
        for factor in &space.factors {
            first_of_factor.push(count);
            count += factor.levels.len();
        }
        let mut starts = vec![0];
        let mut members = Vec::new();
        for action in &space.actions {
            if let Some(levels) = &action.levels {
                members.extend(1..=extra);
                members.extend(
                    levels.iter().zip(&first_of_factor).map(|(level, first)| (first + usize::from(*level)) as u16),
                );
            }
            starts.push(members.len() as u32);
        }
        Self { count, has_base: true, starts, members }
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of parts.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether part 0 stands in every action.
    pub fn has_base(&self) -> bool {
        self.has_base
    }

    /// The parts of an action, without the base.
    #[inline(always)]
    pub fn of(&self, action: usize) -> &[u16] {
        &self.members[self.starts[action] as usize..self.starts[action + 1] as usize]
    }

    /// Whether an action is the base alone, or part 1 (contact) and levels after it.
    pub fn is_contact_or_empty(&self, action: usize) -> bool {
        match self.of(action) {
            [] => true,
            [first, levels @ ..] => *first == 1 && levels.iter().all(|part| *part > 1),
        }
    }

    /// The parts of an action, the base first.
    pub fn with_base(&self, action: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        self.has_base.then_some(0).into_iter().chain(self.of(action).iter().map(|part| usize::from(*part)))
    }

    /// `sums[a]` = sum of the values of the parts of a.
    pub fn sum(&self, values: &[f32], sums: &mut [f32]) {
        let base = if self.has_base { values[0] } else { 0.0 };
        for (action, sum) in sums.iter_mut().enumerate().take(self.actions()) {
            *sum = self.of(action).iter().fold(base, |sum, part| sum + values[usize::from(*part)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Action, Factor};
    use crate::units::Money;

    #[test]
    fn levels_become_parts_and_no_contact_is_the_base() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let action = |levels: Option<Vec<u16>>| Action { name: format!("{levels:?}"), levels, cost: Money::ZERO };
        let space = ActionSpace {
            factors: vec![
                Factor { name: "channel", levels: names(&["email", "push"]) },
                Factor { name: "offer", levels: names(&["none", "ten", "twenty"]) },
            ],
            actions: vec![action(None), action(Some(vec![1, 0])), action(Some(vec![0, 2]))],
        };
        let parts = Parts::of_levels(&space, 1);
        assert_eq!(parts.count(), 1 + 1 + 2 + 3);
        assert_eq!(parts.of(0), &[] as &[u16]);
        assert_eq!(parts.of(1), &[1, 3, 4]);
        assert_eq!(parts.with_base(2).collect::<Vec<_>>(), vec![0, 1, 2, 6]);
        let mut sums = [0.0; 3];
        parts.sum(&[1.0, 10.0, 100.0, 200.0, 1000.0, 2000.0, 3000.0], &mut sums);
        assert_eq!(sums, [1.0, 1211.0, 3111.0]);
    }

    #[test]
    fn one_part_each_is_the_identity() {
        let parts = Parts::one_each(3);
        assert_eq!((parts.of(2), parts.has_base()), (&[2u16][..], false));
    }
}
