//! Laws of agents that learn from a log: one while they gather, one of what was fitted.

use super::super::law::{Categorical, EpsilonGreedy};
use crate::matrix::Matrix;
use crate::protocol::{Observation, Policy, Views};
use crate::random::Seed;

/// The law while it gathers.
#[derive(Clone, Debug)]
pub(in super::super) struct Gathering {
    pub contact_share: Option<f64>,
    pub views: Views,
}

impl Policy for Gathering {
    fn views(&self) -> Views {
        self.views
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        let actions = observation.allowed.actions();
        probabilities.reset(observation.rows(), actions);
        let mut row_law = vec![0.0; actions];
        for row in 0..observation.rows() {
            row_law.fill(0.0);
            let count = observation.allowed.count(row) as f32;
            // The first action is no contact, and always allowed.
            let contacts = count - f32::from(u8::from(observation.allowed.allows(row, 0)));
            for action in observation.allowed.iter(row) {
                row_law[action] = match self.contact_share {
                    None => 1.0 / count,
                    Some(_) if contacts == 0.0 => 1.0,
                    Some(share) if action == 0 => 1.0 - share as f32,
                    Some(share) => share as f32 / contacts,
                };
            }
            probabilities.set_row(row, &row_law);
        }
    }
}

/// The law as it stands.
#[derive(Clone, Debug)]
pub(in super::super) enum Law {
    Gathering(Gathering),
    Greedy(EpsilonGreedy),
    SoftMax(Categorical),
}

impl Law {
    pub fn policy(&self) -> &dyn Policy {
        match self {
            Self::Gathering(law) => law,
            Self::Greedy(law) => law,
            Self::SoftMax(law) => law,
        }
    }

    pub fn boxed(self) -> Box<dyn Policy> {
        match self {
            Self::Gathering(law) => Box::new(law),
            Self::Greedy(law) => Box::new(law),
            Self::SoftMax(law) => Box::new(law),
        }
    }
}
