//! The outcomes of an experiment: one row per unit.

use crate::statistics::Moments;

/// What was seen of the units of an experiment, one row each, in the order in which the outcomes came.
///
/// All columns have as many rows as `arms`. Analyses that look repeatedly take the order of the rows for the order of time.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The arm of each unit; 0 is the control.
    pub arms: &'a [u32],
    /// Number of arms, the control included; 2 or more.
    pub arm_count: usize,
    /// What is compared; finite.
    pub outcomes: &'a [f64],
    /// Known of the unit before the experiment began, such as last month's outcome; finite.
    pub covariates: Option<&'a [f64]>,
    /// What outcomes are counted per, such as visits; finite, 0 or more.
    pub denominators: Option<&'a [f64]>,
    /// Whom or what the unit belongs to; units of one cluster are not independent.
    pub clusters: Option<&'a [u64]>,
    /// The stratum of each unit, known before the experiment.
    pub strata: Option<&'a [u32]>,
    /// The period of each row, from 0 without gaps, never falling from row to row.
    pub periods: Option<&'a [u32]>,
    /// Whether each unit is exposed to its arm alone: those who touch it have the same one.
    pub exposures: Option<&'a [bool]>,
    /// The probability of that exposure by design; in (0, 1] wherever a unit is exposed.
    pub exposure_probabilities: Option<&'a [f64]>,
}

/// The columns that an analysis reads beside arms and outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// A covariate from before the experiment.
    pub covariate: bool,
    /// The denominator of a ratio.
    pub denominator: bool,
    /// The cluster of a unit.
    pub cluster: bool,
    /// The stratum of a unit.
    pub stratum: bool,
    /// The period of a unit.
    pub period: bool,
    /// The order of the rows.
    pub order: bool,
    /// Whether a unit is exposed, and how likely that was.
    pub exposure: bool,
}

impl Reads {
    /// Arms and outcomes, and no more.
    pub const OUTCOMES: Self = Self {
        covariate: false,
        denominator: false,
        cluster: false,
        stratum: false,
        period: false,
        order: false,
        exposure: false,
    };
    /// The covariate.
    pub const COVARIATE: Self = Self { covariate: true, ..Self::OUTCOMES };
    /// The denominator.
    pub const DENOMINATOR: Self = Self { denominator: true, ..Self::OUTCOMES };
    /// The cluster.
    pub const CLUSTER: Self = Self { cluster: true, ..Self::OUTCOMES };
    /// The stratum.
    pub const STRATUM: Self = Self { stratum: true, ..Self::OUTCOMES };
    /// The period.
    pub const PERIOD: Self = Self { period: true, ..Self::OUTCOMES };
    /// The order of the rows.
    pub const ORDER: Self = Self { order: true, ..Self::OUTCOMES };
    /// Exposures.
    pub const EXPOSURE: Self = Self { exposure: true, ..Self::OUTCOMES };

    /// Whether units are not taken for independent: ratios and exposures heed clusters where there are any, and a
    /// switchback has runs of periods in their place.
    #[must_use]
    pub const fn heeds_clusters(self) -> bool {
        self.cluster || self.denominator || self.exposure || self.period
    }
}

/// Why a sample cannot be analysed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unanalysable {
    /// A column that the analysis reads is not there.
    #[error("it needs a {0}")]
    Missing(&'static str),
    /// Columns of different lengths.
    #[error("the {column} has {rows} rows where the arms have {expected}")]
    Length {
        /// Which.
        column: &'static str,
        /// How many rows it has.
        rows: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A value that is not a finite number.
    #[error("row {row}: the {column} is not a finite number")]
    NotFinite {
        /// Which.
        column: &'static str,
        /// From 1.
        row: usize,
    },
    /// An arm number that is not below the number of arms.
    #[error("row {row}: there is no arm {arm}")]
    UnknownArm {
        /// From 1.
        row: usize,
        /// Its number.
        arm: u32,
    },
    /// Nothing to compare.
    #[error("there is one arm: a comparison takes a control and at least one treated arm")]
    OneArm,
    /// An arm with too few independent units.
    #[error("arm {arm} has {count} {what}, {needed} are needed")]
    TooFew {
        /// The arm.
        arm: usize,
        /// How many it has.
        count: usize,
        /// Of what: units, clusters, runs of periods.
        what: &'static str,
        /// The fewest that give a spread.
        needed: usize,
    },
    /// A covariate that is the same for all units.
    #[error("the covariate does not vary within the arms, so it explains nothing")]
    ConstantCovariate,
    /// Denominators that sum to nothing.
    #[error("the denominators of arm {arm} sum to {sum}, and nothing can be counted per that")]
    Denominator {
        /// The arm.
        arm: usize,
        /// Their sum.
        sum: f64,
    },
    /// A pooled test of proportions on outcomes that are not 0 or 1.
    #[error("row {row}: the outcome is {value}, and a pooled test of proportions takes 0 and 1")]
    NotBinary {
        /// From 1.
        row: usize,
        /// The outcome.
        value: f64,
    },
    /// A stratum that an arm does not reach.
    #[error("stratum {stratum} has {count} units in arm {arm}, 2 are needed; merge it with another")]
    EmptyStratum {
        /// The stratum.
        stratum: u32,
        /// The arm.
        arm: usize,
        /// How many units.
        count: usize,
    },
    /// A period whose rows are of different arms.
    #[error("row {row}: the period before it in the same run is in another arm; a switchback has one arm a period")]
    MixedPeriod {
        /// From 1.
        row: usize,
    },
    /// An exposure that could not be.
    #[error("row {row}: it is exposed, with a probability of {probability}, which is not above 0 and up to 1")]
    Exposure {
        /// From 1.
        row: usize,
        /// Its probability.
        probability: f64,
    },
    /// A cluster with rows in several arms, where clusters were randomised.
    #[error("row {row}: its cluster has rows in another arm, and exposures are those of whole clusters in one arm")]
    DividedCluster {
        /// From 1.
        row: usize,
    },
}

impl Unanalysable {
    /// The reason, with arms called by their names.
    #[must_use]
    pub fn told(&self, arm_names: &[&str]) -> String {
        let name = |arm: usize| arm_names.get(arm).copied().unwrap_or_default();
        match self {
            Self::TooFew { arm, count, what, needed } => {
                format!("arm {:?} has {count} {what}, {needed} are needed", name(*arm))
            }
            Self::Denominator { arm, sum } => {
                format!("the denominators of arm {:?} sum to {sum}, and nothing can be counted per that", name(*arm))
            }
            Self::EmptyStratum { stratum, arm, count } => format!(
                "the {}. stratum of the file has {count} units in arm {:?}, 2 are needed; merge it with another",
                stratum + 1,
                name(*arm)
            ),
            other => other.to_string(),
        }
    }
}

impl<'a> Sample<'a> {
    /// Arms and outcomes, and no more.
    #[must_use]
    pub const fn new(arms: &'a [u32], arm_count: usize, outcomes: &'a [f64]) -> Self {
        Self {
            arms,
            arm_count,
            outcomes,
            covariates: None,
            denominators: None,
            clusters: None,
            strata: None,
            periods: None,
            exposures: None,
            exposure_probabilities: None,
        }
    }

    /// Checks what every analysis takes for granted: columns of one length, finite values, two units in each arm.
    ///
    /// # Errors
    /// At the first breach.
    pub fn check(&self) -> Result<(), Unanalysable> {
        if self.arm_count < 2 {
            return Err(Unanalysable::OneArm);
        }
        let expected = self.arms.len();
        let length = |column, rows: Option<usize>| match rows {
            Some(rows) if rows != expected => Err(Unanalysable::Length { column, rows, expected }),
            _ => Ok(()),
        };
        length("outcome", Some(self.outcomes.len()))?;
        length("covariate", self.covariates.map(<[f64]>::len))?;
        length("denominator", self.denominators.map(<[f64]>::len))?;
        length("cluster", self.clusters.map(<[u64]>::len))?;
        length("stratum", self.strata.map(<[u32]>::len))?;
        length("period", self.periods.map(<[u32]>::len))?;
        length("exposure", self.exposures.map(<[bool]>::len))?;
        length("exposure probability", self.exposure_probabilities.map(<[f64]>::len))?;
        for (column, values) in
            [("outcome", Some(self.outcomes)), ("covariate", self.covariates), ("denominator", self.denominators)]
        {
            if let Some(row) = values.and_then(|values| values.iter().position(|value| !value.is_finite())) {
                return Err(Unanalysable::NotFinite { column, row: row + 1 });
            }
        }
        if let Some(row) = self.arms.iter().position(|arm| *arm as usize >= self.arm_count) {
            return Err(Unanalysable::UnknownArm { row: row + 1, arm: self.arms[row] });
        }
        for (arm, count) in self.counts().into_iter().enumerate() {
            if count < 2 {
                return Err(Unanalysable::TooFew { arm, count, what: "units", needed: 2 });
            }
        }
        Ok(())
    }

    /// Number of units of each arm.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.arm_count];
        for arm in self.arms {
            counts[*arm as usize] += 1;
        }
        counts
    }

    /// The fewer outcomes other than 0 of the control and an arm, where they are rare: less than half in both.
    #[must_use]
    pub fn rare_events(&self, arm: usize) -> Option<usize> {
        let counts = [0, arm].map(|of| {
            let own = || self.arms.iter().zip(self.outcomes).filter(move |(arm, _)| **arm as usize == of);
            (own().count(), own().filter(|(_, outcome)| **outcome != 0.0).count())
        });
        let is_rare = counts.iter().all(|(units, events)| 2 * *events < *units);
        is_rare.then(|| counts[0].1.min(counts[1].1))
    }

    /// Units and events of the control and an arm, where every outcome is yes or no (1 or 0).
    #[must_use]
    pub fn event_counts(&self, arm: usize) -> Option<[(usize, usize); 2]> {
        let is_yes_or_no = self.outcomes.iter().all(|outcome| *outcome == 0.0 || *outcome == 1.0);
        is_yes_or_no.then(|| {
            [0, arm].map(|of| {
                let own = || self.arms.iter().zip(self.outcomes).filter(move |(arm, _)| **arm as usize == of);
                (own().count(), own().filter(|(_, outcome)| **outcome != 0.0).count())
            })
        })
    }

    /// Count, mean and squared deviations of a column in each arm.
    #[must_use]
    pub(super) fn moments(&self, values: &[f64]) -> Vec<Moments> {
        let mut moments = vec![Moments::default(); self.arm_count];
        for (arm, value) in self.arms.iter().zip(values) {
            let moments = &mut moments[*arm as usize];
            moments.count += 1.0;
            moments.mean += value;
        }
        for moments in &mut moments {
            moments.mean /= moments.count.max(1.0);
        }
        for (arm, value) in self.arms.iter().zip(values) {
            let moments = &mut moments[*arm as usize];
            moments.squares += (value - moments.mean) * (value - moments.mean);
        }
        moments
    }

    /// The same units with other outcomes.
    #[must_use]
    pub fn with_outcomes<'b>(&self, outcomes: &'b [f64]) -> Sample<'b>
    where
        'a: 'b,
    {
        Sample { outcomes, ..*self }
    }

    /// The covariate.
    pub(super) fn covariates(&self) -> Result<&'a [f64], Unanalysable> {
        self.covariates.ok_or(Unanalysable::Missing("covariate"))
    }

    /// The denominator.
    pub(super) fn denominators(&self) -> Result<&'a [f64], Unanalysable> {
        self.denominators.ok_or(Unanalysable::Missing("denominator"))
    }

    /// The cluster.
    pub(super) fn clusters(&self) -> Result<&'a [u64], Unanalysable> {
        self.clusters.ok_or(Unanalysable::Missing("cluster"))
    }

    /// The stratum.
    pub(super) fn strata(&self) -> Result<&'a [u32], Unanalysable> {
        self.strata.ok_or(Unanalysable::Missing("stratum"))
    }

    /// Whether each unit is exposed, and with which probability.
    pub(super) fn exposures(&self) -> Result<(&'a [bool], &'a [f64]), Unanalysable> {
        let exposures = self.exposures.ok_or(Unanalysable::Missing("column of exposures"))?;
        let probabilities = self.exposure_probabilities.ok_or(Unanalysable::Missing("probability of each exposure"))?;
        Ok((exposures, probabilities))
    }

    /// The period.
    pub(super) fn periods(&self) -> Result<&'a [u32], Unanalysable> {
        self.periods.ok_or(Unanalysable::Missing("time"))
    }
}
