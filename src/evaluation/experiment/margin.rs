//! Guardrail metrics: a promise that a treatment does not harm by more than a margin.

use super::effect::Effect;
use serde::Serialize;

/// Which way a metric should move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

impl Better {
    /// The effect with a positive sign where it is good: the interval, worst end first.
    #[must_use]
    pub fn gain(self, effect: &Effect) -> (f64, f64) {
        match self {
            Self::Higher => (effect.low, effect.high),
            Self::Lower => (-effect.high, -effect.low),
        }
    }
}

/// What the data say about a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The whole interval is better than the margin: no such harm, at half the level one-sided.
    Held,
    /// The interval reaches beyond the margin: the harm is neither shown nor ruled out.
    Unproven,
    /// The whole interval is worse than the margin.
    Broken,
}

/// The greatest harm that is put up with, in units of the outcome; 0 or more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Margin {
    /// Which way is good.
    pub better: Better,
    /// How far the other way is put up with.
    pub margin: f64,
}

impl Margin {
    /// Non-inferiority by the interval of an effect (Piaggio et al. 2012): several promises need no correction when all of
    /// them must hold.
    #[must_use]
    pub fn judge(&self, effect: &Effect) -> Promise {
        let (worst, best) = self.better.gain(effect);
        if worst > -self.margin {
            Promise::Held
        } else if best < -self.margin {
            Promise::Broken
        } else {
            Promise::Unproven
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(low: f64, high: f64) -> Effect {
        Effect {
            arm: 1,
            units: [10, 10],
            control: 1.0,
            treated: 1.0,
            effect: 0.5 * (low + high),
            standard_error: 1.0,
            low,
            high,
            p_value: 1.0,
            is_rejected: false,
            sequential: None,
        }
    }

    #[test]
    fn promises_are_judged_by_the_far_end_of_the_interval() {
        let higher = Margin { better: Better::Higher, margin: 0.1 };
        assert_eq!(higher.judge(&effect(-0.05, 0.2)), Promise::Held);
        assert_eq!(higher.judge(&effect(-0.15, 0.2)), Promise::Unproven);
        assert_eq!(higher.judge(&effect(-0.4, -0.2)), Promise::Broken);
        let lower = Margin { better: Better::Lower, margin: 0.1 };
        assert_eq!(lower.judge(&effect(-0.4, 0.05)), Promise::Held);
        assert_eq!(lower.judge(&effect(0.2, 0.4)), Promise::Broken);
        // An interval without an end proves nothing.
        assert_eq!(higher.judge(&effect(f64::NEG_INFINITY, f64::INFINITY)), Promise::Unproven);
    }
}
