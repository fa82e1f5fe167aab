//! Arms that stand for many actions: all contacts of one channel and hour, say, whatever they offer.

use super::{contact, naming};
use crate::protocol::Spec;
use crate::registry::{Kind, Parameter, Refusal, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What arms are made of.
pub(super) const FACTORS: Parameter = Parameter::of(
    "factors",
    Kind::Texts { default: None },
    "factors whose combinations of levels are the arms; channel and hour if absent, or all where a market has neither",
);

/// Factors taken where the file names none.
const USUAL: [&str; 2] = ["channel", "hour"];

/// Which actions each arm stands for. Arm 0 is no contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ArmGroups {
    /// The arm of each action; `None` for one that the file leaves out.
    arm_of: Vec<Option<u16>>,
    /// The actions of each arm, in order.
    actions_of: Vec<Vec<u16>>,
}

impl ArmGroups {
    /// The arms that `factors` makes of the contacts that `channel`, `hour`, `offer` and `creative` leave.
    ///
    /// # Errors
    /// Where a factor or level does not exist.
    pub(super) fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let factors = chosen_factors(values, spec)?;
        let mut arm_of = vec![None; spec.actions.len()];
        let mut actions_of = vec![vec![0]];
        arm_of[0] = Some(0);
        let mut arms = BTreeMap::new();
        for action in contact::fitting_actions(values, spec)? {
            let levels = spec.actions.actions[usize::from(action)].levels.as_ref();
            let key: Option<Vec<u16>> = levels.map(|levels| factors.iter().map(|factor| levels[*factor]).collect());
            let arm = *arms.entry(key).or_insert(actions_of.len());
            if arm == actions_of.len() {
                actions_of.push(Vec::new());
            }
            actions_of[arm].push(action);
            arm_of[usize::from(action)] = Some(arm as u16);
        }
        Ok(Self { arm_of, actions_of })
    }

    /// Number of arms.
    pub(super) fn count(&self) -> usize {
        self.actions_of.len()
    }

    /// The arm of an action, if it has one.
    #[inline]
    pub(super) fn arm_of(&self, action: u16) -> Option<u16> {
        self.arm_of[usize::from(action)]
    }

    /// Writes the arms that a row may choose, and the first allowed action of each.
    pub(super) fn open(&self, allowed: &[u64], arms: &mut Vec<u16>, actions: &mut Vec<u16>) {
        let allows = |action: &&u16| allowed[usize::from(**action) / 64] >> (**action % 64) & 1 == 1;
        arms.clear();
        actions.clear();
        for (arm, candidates) in self.actions_of.iter().enumerate() {
            if let Some(action) = candidates.iter().find(allows) {
                arms.push(arm as u16);
                actions.push(*action);
            }
        }
    }
}

/// Places of the factors that arms are made of.
fn chosen_factors(values: &Values, spec: &Spec) -> Result<Vec<usize>, Refusal> {
    let place = |name: &String| {
        spec.actions.factor(name).ok_or_else(|| {
            let names = spec.actions.factors.iter().map(|factor| factor.name);
            let message = format!("actions of this market have no factor `{name}`");
            Refusal::new(values, FACTORS.name, message, naming::way_out(name, names))
        })
    };
    let named = values.texts(FACTORS.name).iter().map(place).collect::<Result<Vec<usize>, Refusal>>()?;
    if !named.is_empty() {
        return Ok(named);
    }
    let usual: Vec<usize> = USUAL.into_iter().filter_map(|name| spec.actions.factor(name)).collect();
    Ok(if usual.is_empty() { (0..spec.actions.factors.len()).collect() } else { usual })
}

#[cfg(test)]
mod tests {
    use super::super::contact::tests::market;
    use super::*;
    use crate::registry::Value;

    fn groups(values: Values) -> Result<ArmGroups, Refusal> {
        ArmGroups::new(&values, &market())
    }

    #[test]
    fn channel_and_hour_are_the_arms_and_the_first_allowed_offer_is_sent() {
        let groups = groups(Values::default()).unwrap();
        assert_eq!(groups.actions_of, vec![vec![0], vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!((groups.arm_of(0), groups.arm_of(4)), (Some(0), Some(2)));
        let (mut arms, mut actions) = (Vec::new(), Vec::new());
        groups.open(&[0b01_0101], &mut arms, &mut actions);
        assert_eq!((arms, actions), (vec![0, 1, 2], vec![0, 2, 4]));
    }

    #[test]
    fn factors_and_levels_can_be_chosen() {
        let hour = Values::default().with("factors", Value::Texts(vec!["hour".into()]));
        assert_eq!(groups(hour.clone()).unwrap().actions_of, vec![vec![0], vec![1, 2], vec![3, 4, 5]]);
        let ten = groups(hour.with("offer", Value::Text("ten".into()))).unwrap();
        assert_eq!(ten.actions_of, vec![vec![0], vec![2], vec![4]]);
        assert_eq!(ten.arm_of(1), None);
        let wrong = groups(Values::default().with("factors", Value::Texts(vec!["hours".into()]))).unwrap_err();
        assert!(wrong.help.starts_with("did you mean `hour`?"), "{}", wrong.help);
    }
}
