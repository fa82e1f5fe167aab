//! The scenarios that the program brings along.

use super::file::Source;
use super::registries::REGISTRIES;
use super::{Experiment, Overrides, ScenarioErrors, read};
use std::sync::Arc;

/// A scenario inside the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The name that `run` and `new --from` take.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
    /// The files that it names: path as written there, content.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// All embedded scenarios. A line here and the file in `scenarios/` add one.
pub const EMBEDDED: &[Embedded] = &[
    Embedded { name: "hello-market", text: include_str!("../../scenarios/hello-market.toml"), files: &[] },
    Embedded {
        name: "exact-24",
        text: include_str!("../../scenarios/exact-24.toml"),
        files: &[("exact-24.csv", include_bytes!("../../scenarios/exact-24.csv"))],
    },
    Embedded { name: "hillstrom", text: include_str!("../../scenarios/hillstrom.toml"), files: &[] },
    Embedded { name: "cdnow", text: include_str!("../../scenarios/cdnow.toml"), files: &[] },
    Embedded { name: "send-time", text: include_str!("../../scenarios/send-time.toml"), files: &[] },
    Embedded { name: "coupon-budget", text: include_str!("../../scenarios/coupon-budget.toml"), files: &[] },
    Embedded { name: "fatigue-long", text: include_str!("../../scenarios/fatigue-long.toml"), files: &[] },
    Embedded { name: "drift", text: include_str!("../../scenarios/drift.toml"), files: &[] },
    Embedded { name: "cold-start", text: include_str!("../../scenarios/cold-start.toml"), files: &[] },
    Embedded { name: "viral", text: include_str!("../../scenarios/viral.toml"), files: &[] },
    Embedded { name: "fair-offers", text: include_str!("../../scenarios/fair-offers.toml"), files: &[] },
    Embedded { name: "consent-safety", text: include_str!("../../scenarios/consent-safety.toml"), files: &[] },
    Embedded { name: "mega-10m", text: include_str!("../../scenarios/mega-10m.toml"), files: &[] },
    Embedded {
        name: "eq-sim",
        text: include_str!("../../scenarios/eq-sim.toml"),
        files: &[
            ("eq-sim-response.csv", include_bytes!("../../scenarios/eq-sim-response.csv")),
            ("eq-sim-policy.csv", include_bytes!("../../scenarios/eq-sim-policy.csv")),
        ],
    },
];

/// The embedded scenario of a name.
#[must_use]
pub fn embedded(name: &str) -> Option<&'static Embedded> {
    EMBEDDED.iter().find(|scenario| scenario.name == name)
}

impl Embedded {
    /// Checks and builds it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn experiment(&self, overrides: &Overrides) -> Result<Experiment, ScenarioErrors> {
        let files = self.files.iter().map(|(path, bytes)| ((*path).to_owned(), Arc::from(*bytes))).collect();
        read(self.text, Source::Copy(files), &format!("{}.toml", self.name), overrides, &REGISTRIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_scenario_is_without_fault_and_bears_its_name() {
        for scenario in EMBEDDED {
            match scenario.experiment(&Overrides::default()) {
                Ok(experiment) => assert_eq!(experiment.name, scenario.name),
                Err(errors) => panic!("{errors}"),
            }
        }
    }
}
