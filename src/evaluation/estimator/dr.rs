//! The doubly robust estimator.

use super::{Build, Estimator, Family, Terms, doubly};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `dr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "dr",
    summary: "doubly robust: the direct method, corrected by weighted residuals",
    source: "Dudik, Langford and Li 2011",
    parameters: &[],
    build: |_| Ok(Family::of(DoublyRobust)),
};

/// `mean(q(x, pi) + w (r - q(x, a)))`: unbiased if the propensities *or* the model are right (the model fitted on other
/// rounds), and of less variance than IPS as far as the model explains the rewards. Large weights hurt it as they hurt
/// IPS. Where the model is fitted on the same rounds and can follow them closely, residuals are too small: take
/// `cross_fitted_dr`.
#[derive(Debug)]
struct DoublyRobust;

impl Estimator for DoublyRobust {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        doubly::plain_terms(evidence, Fit::Plain, |round| evidence.weight(round), terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::{EightRounds, Market};
    use crate::statistics::mean_and_variance;

    #[test]
    fn the_eight_rounds_corrected() {
        assert!((EightRounds::new().value(&DoublyRobust) - 0.4375).abs() < 1e-12);
    }

    /// Mean error over 400 logs of 200 rounds, in standard errors.
    fn error(change: impl Fn(&mut EightRounds)) -> f64 {
        let errors: Vec<f64> = (0..400)
            .map(|log| {
                let mut rounds = Market::TWO_CONTEXTS.log(200, log);
                change(&mut rounds);
                rounds.value(&DoublyRobust) - Market::TWO_CONTEXTS.value()
            })
            .collect();
        let (mean, variance) = mean_and_variance(&errors);
        mean / (variance / 400.0).sqrt()
    }

    #[test]
    fn it_is_unbiased_if_either_is_right() {
        let wrong_model = |rounds: &mut EightRounds| rounds.model.iter_mut().for_each(|reward| *reward = 0.9 - *reward);
        let wrong_propensity =
            |rounds: &mut EightRounds| rounds.propensities.iter_mut().for_each(|propensity| *propensity *= 0.6);
        assert!(error(|_| ()).abs() < 3.0);
        assert!(error(wrong_model).abs() < 3.0);
        assert!(error(wrong_propensity).abs() < 3.0);
        // And biased, by many standard errors, where both are wrong.
        assert!(
            error(|rounds| {
                wrong_model(rounds);
                wrong_propensity(rounds);
            })
            .abs()
                > 10.0
        );
    }
}
