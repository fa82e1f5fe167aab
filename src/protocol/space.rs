//! What can be seen and what can be done: features, actions and their factors.

use super::Kpi;
use crate::units::Money;

/// The shape of an environment, fixed for a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Number of consumers.
    pub consumers: u32,
    /// Number of ticks.
    pub horizon: u32,
    /// Length of a tick in days.
    pub tick_days: f64,
    /// Discount factor per tick, in (0, 1].
    pub discount: f64,
    /// Columns of [`super::Observation::features`].
    pub features: Vec<Feature>,
    /// What can be done.
    pub actions: ActionSpace,
    /// What this environment counts; the rest is absent from results.
    pub kpis: Vec<Kpi>,
}

/// An observable column. The observation holds `(transform(raw) - mean) / scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Snake case, unit last.
    pub name: String,
    /// Unit of the raw value, or "indicator".
    pub unit: &'static str,
    /// The categorical variable it is one level of, for one-hot columns.
    pub group: Option<&'static str>,
    /// Whether ln(1 + raw) is taken before standardising.
    pub log: bool,
    /// Subtracted: a documented constant, the same in every run.
    pub mean: f32,
    /// Divided by: a documented constant above 0.
    pub scale: f32,
}

impl Feature {
    /// A feature that is observed as it is.
    #[must_use]
    pub fn raw(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, group: None, log: false, mean: 0.0, scale: 1.0 }
    }

    /// One level of a categorical variable, as 0 or 1.
    #[must_use]
    pub fn level(group: &'static str, level: &str) -> Self {
        Self { group: Some(group), ..Self::raw(format!("{group}_{level}"), "indicator") }
    }

    /// The same, standardised by constants.
    #[must_use]
    pub fn standardised(self, mean: f32, scale: f32) -> Self {
        Self { mean, scale, ..self }
    }

    /// The same, with ln(1 + raw) before standardising.
    #[must_use]
    pub fn logged(self, mean: f32, scale: f32) -> Self {
        Self { log: true, mean, scale, ..self }
    }

    /// From the observed value back to raw units.
    #[must_use]
    pub fn to_raw(&self, observed: f32) -> f64 {
        let value = f64::from(observed) * f64::from(self.scale) + f64::from(self.mean);
        if self.log { libm::expm1(value) } else { value }
    }

    /// From raw units to the observed value.
    #[inline]
    #[must_use]
    pub fn to_observed(&self, raw: f32) -> f32 {
        let value = if self.log { crate::math::ln(1.0 + raw) } else { raw };
        (value - self.mean) / self.scale
    }
}

/// All that can be done to a consumer in a tick; action 0 is no contact.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSpace {
    /// What actions are made of: for a market channel, hour, offer, creative.
    pub factors: Vec<Factor>,
    /// The actions.
    pub actions: Vec<Action>,
}

/// A part that actions differ in.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Such as "channel".
    pub name: &'static str,
    /// Such as "email", "push".
    pub levels: Vec<String>,
}

/// One action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Readable and unique, such as "email/19h/ten/a".
    pub name: String,
    /// A level of each factor, in factor order; `None` for no contact.
    pub levels: Option<Vec<u16>>,
    /// What sending costs.
    pub cost: Money,
}

impl ActionSpace {
    /// Actions without inner structure besides their one factor; the first is no contact.
    #[must_use]
    pub fn flat(factor: &'static str, none: &str, levels: &[&str]) -> Self {
        let mut actions = vec![Action { name: none.to_owned(), levels: None, cost: Money::ZERO }];
        actions.extend(levels.iter().enumerate().map(|(index, level)| Action {
            name: (*level).to_owned(),
            levels: Some(vec![index as u16]),
            cost: Money::ZERO,
        }));
        let levels = levels.iter().map(|level| (*level).to_owned()).collect();
        Self { factors: vec![Factor { name: factor, levels }], actions }
    }

    /// Number of actions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether there is no action (never, in a built environment).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Index of the action with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        self.actions.iter().position(|action| action.name == name).map(|index| index as u16)
    }

    /// Position of the factor with this name.
    #[must_use]
    pub fn factor(&self, name: &str) -> Option<usize> {
        self.factors.iter().position(|factor| factor.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_go_there_and_back() {
        let feature = Feature::raw("days_since_order", "days").logged(3.5, 1.25);
        let observed = feature.to_observed(90.0);
        assert!((feature.to_raw(observed) - 90.0).abs() < 1e-3);
    }

    #[test]
    fn flat_spaces_start_with_no_contact() {
        let space = ActionSpace::flat("arm", "none", &["mens", "womens"]);
        assert_eq!(space.len(), 3);
        assert_eq!(space.find("womens"), Some(2));
        assert_eq!(space.actions[0].levels, None);
    }
}
