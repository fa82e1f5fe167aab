//! The laws of the arms, trained and frozen.

use super::{Decides, Trial};
use crate::agent::uniform::Uniform;
use crate::episode::TrainingError;
use crate::evaluation::NoContact;
use crate::evaluation::trial::{Frozen, Protocol, frozen};
use crate::protocol::Policy;

/// The laws of a test, each trained once, whichever arms have it.
#[derive(Debug)]
pub struct Lineup<'a> {
    laws: Vec<(Decides, Frozen<'a>)>,
    shares: Vec<f64>,
    arms: Vec<Decides>,
    before: Decides,
}

impl Trial {
    /// Trains the agents among the arms as for the first market of a comparison, and freezes them.
    ///
    /// # Errors
    /// Where training fails; with the name of the policy.
    pub fn train(&self) -> Result<Lineup<'_>, (String, TrainingError)> {
        let arms: Vec<Decides> = self.arms.iter().map(|arm| arm.decides).collect();
        let mut laws: Vec<(Decides, Frozen<'_>)> = Vec::new();
        for decides in arms.iter().copied().chain([self.before]) {
            if laws.iter().any(|(known, _)| *known == decides) {
                continue;
            }
            let law = match decides {
                Decides::Nobody => Frozen::Trained(Box::new(NoContact)),
                Decides::Random => Frozen::Trained(Box::new(Uniform)),
                Decides::Policy(index) => {
                    let contestant = &self.scenario.contestants[index];
                    frozen(&contestant.contender, self.scenario.world.as_ref(), &self.scenario.training)
                        .map_err(|error| (contestant.name.clone(), error))?
                }
            };
            laws.push((decides, law));
        }
        Ok(Lineup { laws, shares: self.arms.iter().map(|arm| arm.share).collect(), arms, before: self.before })
    }

    /// The test as it is carried out; `policies` are those of [`Lineup::policies`].
    #[must_use]
    pub fn protocol<'a>(&'a self, lineup: &'a Lineup<'_>, policies: &'a [&'a dyn Policy]) -> Protocol<'a> {
        Protocol {
            world: self.scenario.world.as_ref(),
            policies,
            before: lineup.law(lineup.before),
            shares: &lineup.shares,
            randomised: self.randomised,
            span: self.span,
            feature: self.feature,
            exposed: self.asks_exposure().then_some(self.exposed),
            seed: self.scenario.seed,
        }
    }
}

impl Lineup<'_> {
    /// One law for each arm.
    #[must_use]
    pub fn policies(&self) -> Vec<&dyn Policy> {
        self.arms.iter().map(|decides| self.law(*decides)).collect()
    }

    fn law(&self, decides: Decides) -> &dyn Policy {
        match self.laws.iter().find(|(known, _)| *known == decides) {
            Some((_, law)) => law.policy(),
            None => &NoContact,
        }
    }
}
