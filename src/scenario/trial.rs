//! The file of a simulated test: a scenario, arms, how they are assigned, what is asked.
//!
//! An experiment file with the key `scenario` is a simulated test (`kind = "simulated"` may say so as well). All of its
//! faults are told at once, and those of the scenario it names with them.

mod arms;
mod asked;
mod changed;
mod lineup;
#[cfg(feature = "cli")]
pub(crate) mod schema;

use super::error::{Code, ScenarioError, ScenarioErrors};
use super::file::{Files, Source};
use super::section::{check_name, values};
use super::table::{Reader, Section};
use super::{Experiment, Overrides, SYNTAX_FAULTS, hash, note_syntax};
use crate::evaluation::trial::{Exposed, Guard, Offered, Question, Randomised, Repetition, Span};
use crate::random::Seed;
use crate::registry::{Kind, Parameter, Range, Values};
pub use arms::{Arm, Decides};
use changed::load_changed;
pub use lineup::Lineup;
use std::path::Path;
use toml::de::DeTable;

/// Keys of the file itself.
pub(crate) const TRIAL: &[Parameter] = &[
    Parameter::choice("kind", "simulated", &["simulated"], "a test inside a scenario"),
    Parameter::of("name", Kind::Text { default: None }, "name of the test and of its folder of results").required(),
    Parameter::of("question", Kind::Text { default: Some("") }, "the question it asks, in a sentence"),
    Parameter::of("scenario", Kind::Text { default: None }, "path of a scenario file, or the name of an embedded one")
        .required(),
    Parameter::optional_integer("seed", 0, i64::MAX, "seed of markets and assignments; the scenario's if not given"),
    Parameter::optional_integer("consumers", 2, 100_000_000, "instead of the scenario's number"),
    Parameter::optional_integer("ticks", 1, 100_000, "instead of the scenario's number"),
    Parameter::optional_integer("history_days", 0, 100_000, "instead of the scenario's number"),
    Parameter::of(
        "metrics",
        Kind::Texts { default: Some(&["profit"]) },
        "what is compared: profit, orders, opt_outs, messages per consumer, or a ratio such as \"opt_outs/messages\"",
    ),
    Parameter::number(
        "alpha",
        0.05,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: true },
        "two-sided level of every analysis",
    ),
    Parameter::integer("truth_markets", 20, 0, 1_000_000, "markets on which `run` measures the true effect"),
];

/// Keys of `[design]`.
pub(crate) const DESIGN: &[Parameter] = &[
    Parameter::choice(
        "randomise",
        "consumer",
        &["consumer", "community", "period"],
        "what gets an arm as one: a consumer, a community of the graph, or a stretch of time (switchback)",
    ),
    Parameter::number("pre_days", 0.0, Range::NON_NEGATIVE, "days before the test, lived under business as usual"),
    Parameter::optional_text("covariate", "a feature of each consumer at day 0 that explains outcomes (CUPED)"),
    Parameter::optional_text(
        "business_as_usual",
        "the policy that decides before the test and in arms of that kind; nobody is contacted if not given",
    ),
    Parameter::number(
        "exposed_share",
        1.0,
        Range::PROBABILITY,
        "of `exposure`: the share of a consumer's friends who must be in the consumer's own arm",
    ),
    Parameter::number(
        "exposed_least_probability",
        0.05,
        Range::PROBABILITY,
        "of `exposure`: consumers to whom that happens less often, in some arm, are read in none",
    ),
    Parameter::number("period_days", 7.0, Range::POSITIVE, "length of a period of a switchback"),
    Parameter::number("washout_days", 0.0, Range::NON_NEGATIVE, "first days of each period that are not counted"),
];

/// Keys of `[lab]`.
pub(crate) const LAB: &[Parameter] = &[
    Parameter::integer("tests", 200, 1, 1_000_000, "markets on which the test is repeated"),
    Parameter::optional_integer(
        "truths",
        0,
        1_000_000,
        "markets on which the true effect is measured; all if not given",
    ),
    Parameter::boolean("between_arms", true, "whether the arms are tested against each other"),
    Parameter::boolean("between_equals", true, "whether the control is tested against itself"),
];

/// Sections of the file.
const SECTIONS: &[&str] = &["design", "lab", "arm", "analysis", "guardrail"];

/// A simulated test, checked and built.
pub struct Trial {
    /// Name in the file.
    pub name: String,
    /// The question it asks, in a sentence.
    pub question: String,
    /// SHA-256 over the file and the scenario that it names, as changed, in hexadecimal.
    pub hash: String,
    /// The scenario, its seed that of the test.
    pub scenario: Experiment,
    /// Who is compared; the first is the control.
    pub arms: Vec<Arm>,
    /// Who decides before the test.
    pub before: Decides,
    /// What is assigned as one.
    pub randomised: Randomised,
    /// When the test takes place.
    pub span: Span,
    /// Who counts as exposed to their arm alone.
    pub exposed: Exposed,
    /// Index of the feature that explains outcomes.
    pub feature: Option<usize>,
    /// What is asked, outcome by outcome.
    pub questions: Vec<Question>,
    /// What no arm may harm.
    pub guards: Vec<Guard>,
    /// Two-sided level.
    pub alpha: f64,
    /// Markets on which `run` measures the truth.
    pub truth_markets: u32,
    /// What `lab` repeats.
    pub repetition: Repetition,
}

/// What the command line changes about a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialOverrides {
    /// Instead of `seed`.
    pub seed: Option<u64>,
    /// Instead of `tests` of `[lab]`; 1 or more.
    pub tests: Option<u32>,
}

/// Whether a text is a simulated test rather than a scenario or another experiment.
#[must_use]
pub fn is_trial(text: &str) -> bool {
    let (document, _) = DeTable::parse_recoverable(text);
    let root = document.get_ref();
    let is_simulated = root.get("kind").and_then(|kind| kind.get_ref().as_str()) == Some("simulated");
    is_simulated || root.get("scenario").is_some()
}

/// Reads the file of a simulated test. A scenario (a file, or the name of an embedded one) is one, too: its first two policies
/// against each other, consumer by consumer.
///
/// # Errors
/// All that is wrong with it.
pub fn load_trial(path: &Path, overrides: TrialOverrides) -> Result<Trial, ScenarioErrors> {
    let file_name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) if is_trial(&text) => text,
        // What cannot be read is told by the scenario's own loader.
        _ => return of_scenario(path, overrides),
    };
    parse_trial(&text, path.parent().unwrap_or(Path::new("")), &file_name, overrides)
}

/// The default test of a scenario.
fn of_scenario(path: &Path, overrides: TrialOverrides) -> Result<Trial, ScenarioErrors> {
    let scenario = super::load(path, &Overrides::default())?;
    let [control, treated, ..] = scenario.contestants.as_slice() else {
        let fault = ScenarioError {
            message: "policy: a test takes two, and the scenario has one".to_owned(),
            place: None,
            help: Some("add another [[policy]], or write an experiment file with [[arm]]s".to_owned()),
            code: Code::Refused,
        };
        return Err(ScenarioErrors::new(&scenario.file_name, &scenario.text, vec![fault]));
    };
    let name = &scenario.name;
    let named = path.file_name().map_or_else(|| path.display().to_string(), |file| file.to_string_lossy().into_owned());
    let text = format!(
        "name = {name:?}\nscenario = {named:?}\n[[arm]]\nname = {:?}\n[[arm]]\nname = {:?}\n",
        control.name, treated.name
    );
    parse_trial(&text, path.parent().unwrap_or(Path::new("")), &path.display().to_string(), overrides)
}

/// Reads the text of a simulated test; the path of its scenario is relative to `base_folder`.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_trial(
    text: &str,
    base_folder: &Path,
    file_name: &str,
    overrides: TrialOverrides,
) -> Result<Trial, ScenarioErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, files: Files::new(Source::Folder(base_folder.to_owned())), faults: Vec::new() };
    let mut is_broken = false;
    for error in syntax.iter().take(SYNTAX_FAULTS) {
        is_broken |= !note_syntax(&mut reader, error);
    }
    let root = Section { path: String::new(), place: 0..text.len(), table: document.get_ref() };
    let trial = if is_broken { None } else { check(&mut reader, &root, base_folder, overrides) };
    match trial {
        Some(mut trial) if reader.faults.is_empty() => {
            trial.hash = hash(text, &[("scenario".to_owned(), trial.scenario.hash.as_bytes().into())]);
            Ok(trial)
        }
        _ => Err(ScenarioErrors::new(file_name, text, reader.faults)),
    }
}

/// Checks every section for itself, then against the scenario.
fn check(reader: &mut Reader<'_>, root: &Section<'_>, folder: &Path, overrides: TrialOverrides) -> Option<Trial> {
    let header = reader.values(root, TRIAL, SECTIONS);
    if let Some(name) = header.as_ref().map(|header| header.text("name").to_owned()) {
        check_name(reader, root, &name, &mut Vec::new());
    }
    let design = values(reader, root, "design", DESIGN);
    let lab = values(reader, root, "lab", LAB);
    let requests = arms::read(reader, root);
    let analyses = asked::read_analyses(reader, root);
    let guardrails = asked::read_guardrails(reader, root);
    let header = header?;
    let seed = overrides.seed.or(header.optional_integer("seed").map(i64::unsigned_abs));
    let scenario = load_changed(reader, &header, folder, &Overrides { seed, ..Overrides::default() })?;
    let outcomes = asked::outcomes(reader, &header, scenario.world.spec());
    let design = design?;
    let arms = arms::resolve(reader, requests, &design, &scenario);
    let timing = timing(reader, &design, &scenario, arms.as_ref().map_or(2, Vec::len));
    let feature = feature(reader, &design, &scenario);
    let before = arms::before(reader, &design, &scenario);
    let randomised = randomised(reader, &design, &scenario, &arms, timing?)?;
    let span = timing?.span;
    let offered = Offered {
        randomised,
        covariate: feature.is_some_and(|one| one.is_some()) || span.first_tick > 0,
        denominator: false,
        friendships: scenario.world.is_coupled()
            && scenario.world.friendships(crate::evaluation::market_seed(scenario.seed, 0)).is_some(),
    };
    let questions = asked::questions(reader, &header, &outcomes, analyses, offered, scenario.world.spec());
    let guards = asked::guards(reader, guardrails, offered, scenario.world.spec());
    let repetition = repetition(reader, &lab?, overrides);
    Some(Trial {
        name: header.text("name").to_owned(),
        question: header.text("question").to_owned(),
        hash: String::new(),
        arms: arms?,
        before: before?,
        randomised,
        span,
        exposed: Exposed {
            share: design.number("exposed_share"),
            least_probability: design.number("exposed_least_probability"),
        },
        feature: feature?,
        questions,
        guards,
        alpha: header.number("alpha"),
        truth_markets: whole(header.integer("truth_markets")),
        repetition: repetition?,
        scenario,
    })
}

/// A checked whole number of 0 or more.
fn whole(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// When the test takes place, in ticks.
#[derive(Clone, Copy, Debug)]
struct Timing {
    span: Span,
    period_ticks: u32,
    washout_ticks: u32,
}

/// Turns days into ticks, and notes what does not fit into the horizon.
fn timing(reader: &mut Reader<'_>, design: &Values, scenario: &Experiment, arms: usize) -> Option<Timing> {
    let spec = scenario.world.spec();
    let ticks = |days: f64| (days / spec.tick_days - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32;
    let timing = Timing {
        span: Span { first_tick: ticks(design.number("pre_days")), end_tick: spec.horizon },
        period_ticks: ticks(design.number("period_days")).max(1),
        washout_ticks: ticks(design.number("washout_days")),
    };
    let place = |key: &str| design.place(key);
    if timing.span.ticks() == 0 {
        let message = format!("design.pre_days: nothing is left of the {} ticks of the market", spec.horizon);
        reader.fault(Code::Refused, place("pre_days"), message, "shorten it, or give the file more `ticks`");
        return None;
    }
    let is_switchback = design.text("randomise") == "period";
    for key in ["period_days", "washout_days"] {
        if !is_switchback && design.is_given(key) {
            let message = format!("design.{key}: only a switchback has periods");
            reader.fault(Code::Refused, place(key), message, "write randomise = \"period\", or drop it");
            return None;
        }
    }
    if is_switchback && timing.washout_ticks >= timing.period_ticks {
        let message = "design.washout_days: nothing is left of a period";
        reader.fault(Code::Refused, place("washout_days"), message, "make it shorter than period_days");
        return None;
    }
    let periods = timing.span.periods(timing.period_ticks, arms) as usize;
    if is_switchback && periods < 2 * arms.max(2) {
        let message =
            format!("design.period_days: the test has room for {periods} periods of whole blocks of {arms} arms");
        let help = format!("at least {} are needed: shorten the periods, or give the file more `ticks`", 2 * arms);
        reader.fault(Code::Refused, place("period_days"), message, help);
        return None;
    }
    Some(timing)
}

/// What is assigned as one, if the market has it.
fn randomised(
    reader: &mut Reader<'_>,
    design: &Values,
    scenario: &Experiment,
    arms: &Option<Vec<Arm>>,
    timing: Timing,
) -> Option<Randomised> {
    let place = design.place("randomise");
    match design.text("randomise") {
        "community" => {
            let seed = crate::evaluation::market_seed(scenario.seed, 0);
            if scenario.world.communities(seed).is_none() {
                let message = "design.randomise: the market of this scenario has no graph, and so no communities";
                reader.fault(
                    Code::Refused,
                    place,
                    message,
                    "add [modules.word_of_mouth] to it, or randomise consumers",
                );
                return None;
            }
            Some(Randomised::Community)
        }
        "period" => {
            let shares: Vec<f64> = arms.iter().flatten().map(|arm| arm.share).collect();
            if shares.iter().any(|share| (share - shares[0]).abs() > 1e-9) {
                let message = "design.randomise: the arms of a switchback take turns, so that their shares are equal";
                reader.fault(Code::Refused, place, message, "drop `share` from every [[arm]]");
                return None;
            }
            Some(Randomised::Period { ticks: timing.period_ticks, washout_ticks: timing.washout_ticks })
        }
        _ => Some(Randomised::Consumer),
    }
}

/// The index of the feature that explains outcomes; `None` where a name is given that no feature has.
fn feature(reader: &mut Reader<'_>, design: &Values, scenario: &Experiment) -> Option<Option<usize>> {
    let Some(name) = design.optional_text("covariate") else { return Some(None) };
    let features = &scenario.world.spec().features;
    let found = features.iter().position(|feature| feature.name == name);
    if found.is_none() {
        let known: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
        let message = format!("design.covariate: consumers of this market have no feature {name:?}");
        let help = super::suggestion::way_out(name, &known, "their features");
        reader.fault(Code::UnknownName, design.place("covariate"), message, help);
        return None;
    }
    Some(found)
}

/// How often what is repeated.
fn repetition(reader: &mut Reader<'_>, lab: &Values, overrides: TrialOverrides) -> Option<Repetition> {
    let tests = overrides.tests.unwrap_or_else(|| whole(lab.integer("tests")));
    let (between_arms, between_equals) = (lab.boolean("between_arms"), lab.boolean("between_equals"));
    if !between_arms && !between_equals {
        let message = "lab: neither the arms nor equals are tested";
        let help = "leave between_arms or between_equals at true";
        reader.fault(Code::Refused, lab.place("between_arms"), message, help);
        return None;
    }
    let truths = match lab.optional_integer("truths") {
        Some(truths) => whole(truths),
        None if between_arms => tests,
        None => 0,
    };
    if between_arms && truths == 0 {
        let message = "lab.truths: without a truth nothing can be said about the arms";
        reader.fault(Code::Refused, lab.place("truths"), message, "give 1 or more, or between_arms = false");
        return None;
    }
    Some(Repetition { tests, truths, between_arms, between_equals })
}

impl Trial {
    /// Whether a question reads whose friends share their arm.
    #[must_use]
    pub fn asks_exposure(&self) -> bool {
        let asked = self.questions.iter().chain(self.guards.iter().map(|guard| &guard.question));
        asked.map(|question| question.analysis.reads()).any(|reads| reads.exposure)
    }

    /// The seed of markets and assignments.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.scenario.seed
    }
}
