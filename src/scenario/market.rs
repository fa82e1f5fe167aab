//! `[market]` and the sections that belong to it, up to the built world.

use super::customers::{self, Meaning};
use super::error::Code;
use super::registries::Registries;
use super::section::{check_name, table, tables, values};
use super::suggestion::{nearest, way_out};
use super::table::{Reader, Section};
use super::{memory, refuse};
use crate::environment::campaign::{Campaign, Sections};
use crate::environment::finite::FiniteWorld;
use crate::environment::logit::LogitWorld;
use crate::market::customers::CustomerTable;
use crate::oracle::Inside;
use crate::protocol::{Spec, World};
use crate::registry::{Entry, Kind, Parameter, Refusal, Value, Values, find};
use toml::Spanned;

/// `kind` of `[market]`.
pub(crate) const KIND: Parameter =
    Parameter::choice("kind", "market", &["market", "logit", "finite"], "which sort of market");

/// `preset` of `[market]` with `kind = "market"`.
pub(crate) const PRESET: Parameter =
    Parameter::choice("preset", "retail", &["retail"], "where every parameter that the file leaves out comes from");

/// Sections that only `kind = "market"` has.
pub(crate) const CAMPAIGN_SECTIONS: &[&str] =
    &["modules", "channel", "offer", "creative", "slots", "constraints", "budget"];

/// Name of a channel or policy.
pub(crate) const NAME: Parameter = Parameter::of("name", Kind::Text { default: None }, "unique name").required();

/// Kind of a channel or policy.
pub(crate) const KIND_OF_NAMED: Parameter = Parameter::optional_text("kind", "what it is; the name if not given");

/// `enabled` of `[modules.NAME]`.
pub(crate) const ENABLED: Parameter = Parameter::boolean("enabled", true, "false switches the module off");

/// A checked market, before it is built.
#[derive(Debug)]
pub(super) enum Plan {
    Campaign(Box<Sections>),
    Finite(Values),
    Logit(Values, Option<CustomerTable>),
}

/// A built market.
#[derive(Debug)]
pub(super) enum Built {
    Campaign(Campaign),
    Finite(FiniteWorld),
    Logit(Box<LogitWorld>),
}

impl Built {
    pub(super) fn spec(&self) -> &Spec {
        self.world().spec()
    }

    /// For oracles.
    pub(super) fn inside(&self) -> Inside<'_> {
        match self {
            Self::Campaign(world) => Inside::Campaign(world),
            Self::Finite(world) => Inside::Finite(world),
            Self::Logit(world) => Inside::Logit(world),
        }
    }

    pub(super) fn world(&self) -> &dyn World {
        match self {
            Self::Campaign(world) => world,
            Self::Finite(world) => world,
            Self::Logit(world) => world.as_ref(),
        }
    }

    pub(super) fn into_world(self) -> Box<dyn World> {
        match self {
            Self::Campaign(world) => Box::new(world),
            Self::Finite(world) => Box::new(world),
            Self::Logit(world) => world,
        }
    }
}

impl Plan {
    /// Builds the market, or notes why it cannot be.
    pub(super) fn build(&self, reader: &mut Reader<'_>) -> Option<Built> {
        let built = match self {
            Self::Campaign(sections) => Campaign::new(sections).map(Built::Campaign),
            Self::Finite(market) => FiniteWorld::new(market).map(Built::Finite),
            Self::Logit(market, customers) => {
                LogitWorld::new(market, customers.as_ref()).map(|world| Built::Logit(Box::new(world)))
            }
        };
        match built {
            Ok(built) => Some(built),
            Err(refusals) => {
                let none_given = refusals.is_empty();
                refusals.into_iter().for_each(|refusal| refuse(reader, "", refusal));
                if none_given {
                    reader.fault(Code::Refused, None, "market: cannot be built from these values", "");
                }
                None
            }
        }
    }

    /// Notes a market that the machine cannot hold.
    pub(super) fn check_memory(&self, reader: &mut Reader<'_>, built: &Built, training_copies: u64) {
        let need = memory::Need::new(built.world(), training_copies);
        let too_many = memory::available_bytes().and_then(|bytes| memory::refusal(self.values(), need, bytes));
        if let Some(refusal) = too_many {
            refuse(reader, "market", refusal);
        }
    }

    /// `[market]`.
    fn values(&self) -> &Values {
        match self {
            Self::Campaign(sections) => &sections.market,
            Self::Finite(market) | Self::Logit(market, _) => market,
        }
    }

    /// The budget of the campaign, if the file gives one.
    pub(super) fn budget(&self) -> Option<&Values> {
        match self {
            Self::Campaign(sections) => sections.budget.as_ref(),
            Self::Finite(_) | Self::Logit(..) => None,
        }
    }
}

/// Reads all sections of the market; every fault of every section is noted.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>, registries: &Registries) -> Option<Plan> {
    reader.if_clean(|reader| {
        let Some(market) = table(reader, root, "market") else {
            if root.get("market").is_none() {
                let help = "add [market] with kind = \"market\", \"logit\" or \"finite\"";
                reader.fault(Code::MissingKey, None, "market: the section is missing", help);
            }
            campaign_sections(reader, root, registries);
            return None;
        };
        let kind = match market.get("kind") {
            None => "market".to_owned(),
            Some(_) => match reader.one(&market, &KIND) {
                Some(Value::Text(kind)) => kind,
                _ => {
                    campaign_sections(reader, root, registries);
                    return None;
                }
            },
        };
        let population = table(reader, &market, "population");
        let customers = match (kind.as_str(), population) {
            (_, None) => None,
            ("finite", Some(section)) => {
                let message = "market.population: a finite market has states, not customers";
                let help = "drop [market.population], or use kind = \"market\" or \"logit\"";
                reader.fault(Code::Refused, Some(section.place), message, help);
                None
            }
            ("market", Some(section)) => customers::read(reader, &section, Meaning::Market),
            (_, Some(section)) => customers::read(reader, &section, Meaning::Declared),
        };
        if kind == "market" {
            return read_campaign(reader, root, &market, registries, customers);
        }
        misplaced(reader, root, &kind);
        let parameters = if kind == "finite" { registries.finite } else { registries.logit };
        let mut values = reader.values(&market, parameters, &["kind", "population"])?;
        place_population(&market, &mut values);
        Some(if kind == "finite" { Plan::Finite(values) } else { Plan::Logit(values, customers) })
    })
}

/// What a market refuses about its customers points at their file.
fn place_population(market: &Section<'_>, values: &mut Values) {
    if let Some(toml::de::DeValue::Table(population)) = market.get("population").map(Spanned::get_ref)
        && let Some(file) = population.get("file")
    {
        values.set("population", Value::Table(Values::default()), Some(file.span()));
    }
}

/// Notes sections that this kind of market does not have.
fn misplaced(reader: &mut Reader<'_>, root: &Section<'_>, kind: &str) {
    for &key in CAMPAIGN_SECTIONS {
        if let Some(given) = root.get(key) {
            let place = match given.get_ref() {
                toml::de::DeValue::Array(array) => array.iter().next().map_or_else(|| given.span(), Spanned::span),
                _ => given.span(),
            };
            let message = format!("{key}: a market of kind {kind:?} has no such section");
            let help =
                format!("drop it, or write kind = \"market\" in [market]; the actions of {kind:?} stand in [market]");
            reader.fault(Code::Refused, Some(place), message, help);
        }
    }
}

fn read_campaign(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    market: &Section<'_>,
    registries: &Registries,
    customers: Option<CustomerTable>,
) -> Option<Plan> {
    let declares_preset = registries.campaign.iter().any(|parameter| parameter.name == PRESET.name);
    if !declares_preset {
        reader.one(market, &PRESET);
    }
    let values = reader.values(market, registries.campaign, &["kind", "preset", "population"]);
    let sections = campaign_sections(reader, root, registries);
    let (mut values, mut sections) = (values?, sections?);
    place_population(market, &mut values);
    sections.market = values;
    sections.customers = customers;
    Some(Plan::Campaign(Box::new(sections)))
}

/// All sections beside `[market]`.
fn campaign_sections(reader: &mut Reader<'_>, root: &Section<'_>, registries: &Registries) -> Option<Sections> {
    reader.if_clean(|reader| {
        let budget = root.get("budget").is_some().then(|| values(reader, root, "budget", registries.budget));
        Some(Sections {
            modules: Some(modules(reader, root, registries)),
            channels: channels(reader, root, registries),
            offers: named(reader, root, "offer", registries.offer),
            creatives: named(reader, root, "creative", registries.creative),
            slots: values(reader, root, "slots", registries.slots).unwrap_or_default(),
            constraints: values(reader, root, "constraints", registries.constraints).unwrap_or_default(),
            budget: budget.flatten(),
            ..Sections::default()
        })
    })
}

/// The modules that act, in the order of the registry: the core and whatever the file adds, less what it switches off.
fn modules(reader: &mut Reader<'_>, root: &Section<'_>, registries: &Registries) -> Vec<(&'static str, Values)> {
    let names: Vec<&str> = registries.modules.iter().map(|entry| entry.name).collect();
    let section = table(reader, root, "modules");
    if let Some(section) = &section {
        for (name, place, _) in section.in_order() {
            if !names.contains(&name) {
                let help = format!("{}; `mercato list modules` describes them", way_out(name, &names, "modules"));
                reader.fault(Code::UnknownName, Some(place), format!("modules: there is no module {name:?}"), help);
            }
        }
    }
    let mut modules = Vec::new();
    for entry in registries.modules {
        let given = section.as_ref().and_then(|section| table(reader, section, entry.name));
        match given {
            Some(given) => {
                let enabled = reader.one(&given, &ENABLED);
                let values = reader.values(&given, entry.parameters, &[ENABLED.name]);
                if let Some(values) = &values {
                    check_magnitudes(reader, &given.path, entry.parameters, values);
                }
                if let Some(values) = values
                    && enabled != Some(Value::Boolean(false))
                {
                    modules.push((entry.name, values));
                }
            }
            None if registries.core_modules.contains(&entry.name) => {
                modules.push((entry.name, Values::defaults(entry.parameters)));
            }
            None => {}
        }
    }
    modules
}

/// Greatest magnitude of a number of a module: products of a few of them stay finite in single precision.
const MAGNITUDE_MAX: f64 = 1e6;

/// Notes numbers beyond what the arithmetic of the market holds.
fn check_magnitudes(reader: &mut Reader<'_>, path: &str, parameters: &[Parameter], values: &Values) {
    for parameter in parameters {
        let numbers: Vec<f64> = match values.get(parameter.name) {
            Some(Value::Number(number)) => vec![*number],
            Some(Value::Numbers(numbers)) => numbers.clone(),
            Some(Value::Coefficients(named)) => named.iter().map(|(_, number)| *number).collect(),
            Some(Value::Table(table)) => {
                if let Kind::Table { parameters } = parameter.kind {
                    check_magnitudes(reader, &format!("{path}.{}", parameter.name), parameters, table);
                }
                continue;
            }
            Some(Value::Tables(tables)) => {
                if let Kind::Tables { parameters } = parameter.kind {
                    for (index, table) in tables.iter().enumerate() {
                        check_magnitudes(reader, &format!("{path}.{}[{index}]", parameter.name), parameters, table);
                    }
                }
                continue;
            }
            _ => continue,
        };
        for number in numbers.into_iter().filter(|number| number.abs() > MAGNITUDE_MAX) {
            let message = format!("{path}.{}: {number:e} is beyond what the market's arithmetic holds", parameter.name);
            let help = format!("numbers of modules lie within {MAGNITUDE_MAX:e} of 0");
            reader.fault(Code::OutOfRange, values.place(parameter.name), message, help);
        }
    }
}

fn channels(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    registries: &Registries,
) -> Vec<(String, &'static str, Values)> {
    let mut seen = Vec::new();
    let mut channels = Vec::new();
    for section in tables(reader, root, "channel") {
        let Some((name, kind)) = name_and_kind(reader, &section, &mut seen) else { continue };
        let Some(entry) = kind_of(reader, &section, registries.channels, &kind) else { continue };
        if let Some(values) = reader.values(&section, entry.parameters, &[NAME.name, KIND_OF_NAMED.name]) {
            channels.push((name, entry.name, values));
        }
    }
    channels
}

fn kind_of<B>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entries: &'static [Entry<B>],
    kind: &str,
) -> Option<&'static Entry<B>> {
    let found = find(entries, kind);
    if found.is_none() {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        unknown_kind(reader, section, "channel", kind, &names, "`mercato list channels` describes them");
    }
    found
}

/// Notes a kind that names nothing, whether it was written or taken from the name.
pub(super) fn unknown_kind(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    what: &str,
    kind: &str,
    names: &[&str],
    more: &str,
) {
    let help = way_out(kind, names, "kinds");
    let (place, message, help) = match section.get("kind") {
        Some(given) => (given.span(), format!("{}: there is no {what} {kind:?}", section.key("kind")), help),
        None => {
            let help = match nearest(kind, names.iter().copied()) {
                Some(_) => help,
                None => format!("add `kind = …`; {help}"),
            };
            let place = section.get("name").map_or_else(|| section.place.clone(), Spanned::span);
            (place, format!("{}: kind is not given, and there is no {what} {kind:?}", section.path), help)
        }
    };
    reader.fault(Code::UnknownName, Some(place), message, format!("{help}; {more}"));
}

/// The name of a channel or policy, and its kind, which is the name unless given.
pub(super) fn name_and_kind(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    seen: &mut Vec<String>,
) -> Option<(String, String)> {
    let name = reader.one(section, &NAME);
    let kind = reader.one(section, &KIND_OF_NAMED);
    if let Some(Value::Text(name)) = &name {
        check_name(reader, section, name, seen);
    }
    match (name, kind) {
        (Some(Value::Text(name)), Some(Value::Text(kind))) => Some((name, kind)),
        (Some(Value::Text(name)), None) if section.get("kind").is_none() => Some((name.clone(), name)),
        (None, Some(Value::Text(kind))) => Some((String::new(), kind)),
        _ => None,
    }
}

/// Offers or creatives: the keys of each, names unique.
fn named(reader: &mut Reader<'_>, root: &Section<'_>, key: &str, parameters: &'static [Parameter]) -> Vec<Values> {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for section in tables(reader, root, key) {
        if let Some(values) = reader.values(&section, parameters, &[]) {
            if let Some(name) = values.optional_text(NAME.name) {
                check_name(reader, &section, name, &mut seen);
            }
            all.push(values);
        }
    }
    all
}

/// Notes a budget of 0 beside a policy that sends whatever happens.
pub(super) fn check_budget(reader: &mut Reader<'_>, budget: Option<&Values>, senders: &[&str]) {
    let Some(budget) = budget else { return };
    if budget.optional_number("total") == Some(0.0) && !senders.is_empty() {
        let message = format!("must send, but the budget is 0: {}", senders.join(", "));
        let help = "raise budget.total, drop [budget], or drop these policies";
        refuse(reader, "budget", Refusal::new(budget, "total", message, help));
    }
}
