//! `[[arm]]`: who is compared.

use crate::evaluation::trial::ARMS_MAX;
use crate::protocol::Look;
use crate::registry::{Kind, Parameter, Range, Values};
use crate::scenario::Experiment;
use crate::scenario::error::Code;
use crate::scenario::section::{check_name, tables};
use crate::scenario::suggestion::way_out;
use crate::scenario::table::{Reader, Section};

/// Keys of `[[arm]]`.
pub(crate) const ARM: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "unique name").required(),
    Parameter::choice(
        "kind",
        "policy",
        &["policy", "holdout", "random", "business_as_usual"],
        "a policy of the scenario, nobody contacted, any allowed action alike, or what is done already",
    ),
    Parameter::optional_text("policy", "the policy of the scenario; the name of the arm if not given"),
    Parameter::optional_number(
        "share",
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "share of what is assigned; equal shares if no arm gives one",
    ),
];

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    /// A policy of the scenario, by its index; agents are trained first.
    Policy(usize),
    /// Nobody is contacted.
    Nobody,
    /// Each allowed action alike.
    Random,
}

/// One arm of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Unique in the file.
    pub name: String,
    /// What the file calls its sort.
    pub kind: String,
    /// Who decides.
    pub decides: Decides,
    /// Share of what is assigned.
    pub share: f64,
}

/// The arms as they are written.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Values> {
    let sections = tables(reader, root, "arm");
    if (sections.len() < 2 || sections.len() > ARMS_MAX) && reader.faults.is_empty() {
        let message =
            format!("arm: a test takes a control and 1 to {} others, found {} in all", ARMS_MAX - 1, sections.len());
        reader.fault(Code::MissingKey, None, message, "add [[arm]] with a name; the first is the control");
    }
    let mut seen = Vec::new();
    let mut arms = Vec::new();
    for section in sections {
        let Some(values) = reader.values(&section, ARM, &[]) else { continue };
        check_name(reader, &section, values.text("name"), &mut seen);
        let is_policy = values.text("kind") == "policy";
        if !is_policy && values.is_given("policy") {
            let message =
                format!("{}: an arm of kind {:?} names no policy", section.key("policy"), values.text("kind"));
            reader.fault(Code::Refused, values.place("policy"), message, "drop it, or write kind = \"policy\"");
        }
        arms.push(values);
    }
    check_shares(reader, &arms);
    arms
}

/// Either no arm gives a share, or all do and they sum to 1.
fn check_shares(reader: &mut Reader<'_>, arms: &[Values]) {
    let given: Vec<f64> = arms.iter().filter_map(|arm| arm.optional_number("share")).collect();
    let Some(first) = arms.iter().find(|arm| arm.is_given("share")) else { return };
    let sum: f64 = given.iter().sum();
    if given.len() < arms.len() {
        let message = format!("arm.share: {} of {} arms give one", given.len(), arms.len());
        reader.fault(Code::MissingKey, first.place("share"), message, "give every arm a share, or none");
    } else if (sum - 1.0).abs() > 1e-6 {
        let message = format!("arm.share: the shares sum to {sum}, not to 1");
        reader.fault(Code::Refused, first.place("share"), message, "make them sum to 1, or drop all for equal ones");
    }
}

/// The arms with who decides in each.
pub(super) fn resolve(
    reader: &mut Reader<'_>,
    arms: Vec<Values>,
    design: &Values,
    scenario: &Experiment,
) -> Option<Vec<Arm>> {
    reader.if_clean(|reader| {
        let count = arms.len().max(1) as f64;
        let total: f64 = arms.iter().filter_map(|arm| arm.optional_number("share")).sum();
        let mut resolved = Vec::with_capacity(arms.len());
        for arm in &arms {
            let (name, kind) = (arm.text("name").to_owned(), arm.text("kind").to_owned());
            let decides = match kind.as_str() {
                "holdout" => Some(Decides::Nobody),
                "random" => Some(Decides::Random),
                "business_as_usual" => usual(reader, arm, design, scenario),
                _ => {
                    let (key, policy) = match arm.optional_text("policy") {
                        Some(policy) => ("policy", policy),
                        None => ("name", name.as_str()),
                    };
                    find(reader, scenario, policy, "arm", key, arm.place(key)).map(Decides::Policy)
                }
            };
            let share = arm.optional_number("share").map_or(1.0 / count, |share| share / total);
            resolved.extend(decides.map(|decides| Arm { name, kind, decides, share }));
        }
        check_looks(reader, &resolved, scenario);
        Some(resolved)
    })
}

fn usual(reader: &mut Reader<'_>, arm: &Values, design: &Values, scenario: &Experiment) -> Option<Decides> {
    match design.optional_text("business_as_usual") {
        // An unknown name is told where it stands.
        Some(name) => scenario.contestants.iter().position(|one| one.name == name).map(Decides::Policy),
        None => {
            let message = format!("arm {:?}: the file does not say what business as usual is", arm.text("name"));
            let help = "add `business_as_usual = \"…\"`, a policy of the scenario, to [design]";
            reader.fault(Code::MissingKey, arm.place("kind"), message, help);
            None
        }
    }
}

/// Who decides before the test.
pub(super) fn before(reader: &mut Reader<'_>, design: &Values, scenario: &Experiment) -> Option<Decides> {
    let Some(name) = design.optional_text("business_as_usual") else { return Some(Decides::Nobody) };
    let place = design.place("business_as_usual");
    find(reader, scenario, name, "design", "business_as_usual", place).map(Decides::Policy)
}

fn find(
    reader: &mut Reader<'_>,
    scenario: &Experiment,
    name: &str,
    section: &str,
    key: &str,
    place: Option<std::ops::Range<usize>>,
) -> Option<usize> {
    let found = scenario.contestants.iter().position(|contestant| contestant.name == name);
    if found.is_none() {
        let known: Vec<&str> = scenario.contestants.iter().map(|contestant| contestant.name.as_str()).collect();
        let message = format!("{section}.{key}: the scenario has no policy {name:?}");
        reader.fault(Code::UnknownName, place, message, way_out(name, &known, "its policies"));
    }
    found
}

/// Notes oracles that look in different ways: a market is opened to one look.
fn check_looks(reader: &mut Reader<'_>, arms: &[Arm], scenario: &Experiment) {
    use crate::evaluation::Contender;
    let mut looks: Vec<Look<'_>> = Vec::new();
    for arm in arms {
        if let Decides::Policy(index) = arm.decides
            && let Contender::Fixed(policy) = &scenario.contestants[index].contender
        {
            looks.extend(policy.looks_inside());
        }
    }
    if looks.windows(2).any(|pair| pair[0] != pair[1]) {
        let message = "arm: two oracles look into the market in different ways, and cannot share it";
        reader.fault(Code::Refused, None, message, "test one of them at a time");
    }
}
