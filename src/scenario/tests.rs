//! The reader against registries of its own, so that a test says what it is about and nothing else.

use super::*;
use crate::agent::{AgentBuild, PolicyBuild};
use crate::market::channel::{Channel, ChannelBuild};
use crate::protocol::{ActionSpace, Environment, Kpi, Spec};
use crate::registry::{Entry, Kind, Parameter, Range, Values};
use crate::response::{ModuleBuild, Surroundings};
use proptest::prelude::*;
use std::sync::Arc;

/// A world that is never opened.
#[derive(Debug)]
pub(super) struct Nowhere(Spec);

impl World for Nowhere {
    fn spec(&self) -> &Spec {
        &self.0
    }

    fn open(&self, _seed: Seed) -> Box<dyn Environment> {
        unreachable!("tests of the reader never open a market")
    }
}

pub(super) fn spec(horizon: u32, tick_days: f64, kpis: &[Kpi]) -> Spec {
    Spec {
        consumers: 1,
        horizon,
        tick_days,
        discount: 1.0,
        features: Vec::new(),
        actions: ActionSpace::flat("arm", "none", &["email"]),
        kpis: kpis.to_vec(),
    }
}

impl Nowhere {
    pub(super) fn experiment(text: &str, files: &[(&str, &[u8])], overrides: &Overrides) -> Experiment {
        let parts = Parts {
            name: "x".to_owned(),
            question: String::new(),
            seed: 1,
            replications: 1,
            world: Box::new(Self(spec(1, 1.0, &[]))),
            contestants: Vec::new(),
            learners: Vec::new(),
            training: Training {
                episodes: 1,
                seeds: vec![1],
                reward: crate::episode::Reward::Tick,
                less_twin: false,
                expected_orders: false,
            },
            guardrails: Vec::new(),
        };
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), Arc::from(*bytes))).collect();
        parts.finish(text, "x.toml", files, overrides)
    }
}

fn no_policy(values: &Values, _: &Spec) -> Result<Box<dyn crate::protocol::Policy>, Refusal> {
    Err(Refusal::new(values, "", "is only read in this test", ""))
}

fn no_agent(values: &Values, _: &Spec) -> Result<Box<dyn crate::protocol::Agent>, Refusal> {
    Err(Refusal::new(values, "", "is only read in this test", ""))
}

fn no_module(values: &Values, _: &Surroundings<'_>) -> Result<Box<dyn crate::response::ResponseModule>, Refusal> {
    Err(Refusal::new(values, "", "is only read in this test", ""))
}

fn no_load(_: &mut dyn std::io::Read) -> std::io::Result<Box<dyn crate::protocol::Agent>> {
    Err(std::io::Error::other("is only read in this test"))
}

const POLICIES: &[Entry<PolicyBuild>] = &[Entry {
    name: "rule",
    summary: "every n days",
    source: "test",
    parameters: &[
        Parameter::integer("every_days", 7, 1, 365, "days between two messages"),
        Parameter::optional_text("channel", "channel"),
    ],
    build: no_policy,
}];

const AGENTS: &[Entry<AgentBuild>] = &[
    Entry {
        name: "lin_ucb",
        summary: "upper bounds",
        source: "test",
        parameters: &[
            Parameter::number("alpha", 1.0, Range::POSITIVE, "width of the bound"),
            Parameter::choice("model", "shared", &["shared", "disjoint"], "features"),
        ],
        build: AgentBuild { create: no_agent, load: no_load },
    },
    Entry {
        name: "epsilon_greedy",
        summary: "greedy but for epsilon",
        source: "test",
        parameters: &[Parameter::number("epsilon", 0.1, Range::PROBABILITY, "probability of a random action")],
        build: AgentBuild { create: no_agent, load: no_load },
    },
];

const MODULES: &[Entry<ModuleBuild>] = &[Entry {
    name: "fatigue",
    summary: "too many messages",
    source: "test",
    parameters: &[Parameter::number("half_life_days", 7.0, Range::POSITIVE, "half-life of fatigue in days")],
    build: ModuleBuild { create: no_module, neutral: Vec::new },
}];

fn channel(_: &str, _: &Values) -> Channel {
    unreachable!("tests of the reader never build a channel")
}

const CHANNELS: &[Entry<ChannelBuild>] = &[Entry {
    name: "email",
    summary: "e-mail",
    source: "test",
    parameters: &[Parameter::number("cost", 0.001, Range::NON_NEGATIVE, "cost of a message")],
    build: channel,
}];

const NAMED: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "unique name").required(),
    Parameter::number("discount", 0.0, Range::half_open(0.0, 1.0), "share of the price taken off"),
];

/// Registries whose entries can be read but not built.
const LOCAL: Registries = Registries {
    policies: POLICIES,
    agents: AGENTS,
    oracles: &[],
    modules: MODULES,
    core_modules: &[],
    channels: CHANNELS,
    campaign: &[
        Parameter::integer("consumers", 1_000, 1, 1_000_000, "number of consumers"),
        Parameter::number("margin", 0.45, Range::PROBABILITY, "gross margin"),
    ],
    logit: &[
        Parameter::of("intercept", Kind::Number { default: None, range: Range::ANY }, "log-odds").required(),
        Parameter::of("open", Kind::Coefficients, "coefficients"),
    ],
    finite: &[
        Parameter::of("transitions", Kind::Csv, "table of probabilities").required(),
        Parameter::of(
            "start",
            Kind::Tables { parameters: &[Parameter::number("share", 1.0, Range::PROBABILITY, "share")] },
            "start states",
        ),
        Parameter::of("rewards", Kind::Numbers { default: None, range: Range::ANY }, "rewards"),
    ],
    offer: NAMED,
    creative: NAMED,
    slots: &[Parameter::of(
        "hours",
        Kind::Integers { default: Some(&[10]), minimum: 0, maximum: 23 },
        "hours at which messages go out",
    )],
    constraints: &[Parameter::of(
        "quiet_hours",
        Kind::Table { parameters: &[Parameter::integer("from", 21, 0, 23, "first hour")] },
        "no messages",
    )],
    budget: &[Parameter::optional_number("total", Range::NON_NEGATIVE, "money for messages")],
};

const GOOD: &str = r#"name = "good"
question = "Does it read?"
[market]
kind = "market"
preset = "retail"
consumers = 1_000
[modules.fatigue]
half_life_days = 7.0
[[channel]]
name = "email"
cost = 0.002
[[offer]]
name = "ten"
discount = 0.10
[[creative]]
name = "a"
[slots]
hours = [8, 12]
[constraints]
quiet_hours = { from = 21 }
[budget]
total = 500.0
[reward]
kind = "window"
window_days = 14
[training]
episodes = 2
seeds = [1, 2]
[[policy]]
name = "weekly"
kind = "rule"
every_days = 7
[[policy]]
name = "lin_ucb"
alpha = 2
[[guardrail]]
metric = "opt_out_rate"
max = 0.02
"#;

/// Everything that is wrong with a text, the market itself not built.
fn faults_in(text: &str, folder: &Path) -> ScenarioErrors {
    let overrides = Overrides::default();
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, files: Files::new(Source::Folder(folder.to_owned())), faults: Vec::new() };
    let is_broken = syntax.iter().fold(false, |is_broken, error| !note_syntax(&mut reader, error) | is_broken);
    if !is_broken {
        let root = Section { path: String::new(), place: 0..text.len(), table: document.get_ref() };
        let _plan = check_sections(&mut reader, &root, &overrides, &LOCAL);
    }
    ScenarioErrors::new("x.toml", text, reader.faults)
}

fn faults(text: &str) -> ScenarioErrors {
    faults_in(text, Path::new("."))
}

/// The only fault of the good file with one part replaced: message, text at its place, help.
fn fault_of(from: &str, to: &str) -> (String, String, String) {
    assert!(GOOD.contains(from), "{from:?} is not in the good file");
    let text = GOOD.replacen(from, to, 1);
    let errors = faults(&text);
    assert_eq!(errors.errors.len(), 1, "{errors}");
    let error = &errors.errors[0];
    let place = error.place.clone().map_or("", |place| &text[place]);
    (error.message.clone(), place.to_owned(), error.help.clone().unwrap_or_default())
}

#[test]
fn the_good_file_has_no_fault() {
    let errors = faults(GOOD);
    assert!(errors.errors.is_empty(), "{errors}");
}

#[test]
fn unknown_keys_are_placed_and_mended() {
    let (message, place, help) = fault_of("half_life_days", "half_live_days");
    assert_eq!(message, "modules.fatigue.half_live_days: there is no such key");
    assert_eq!((place.as_str(), help.as_str()), ("half_live_days", "did you mean \"half_life_days\"?"));
    let (message, place, help) = fault_of("alpha = 2", "zzz = 2");
    assert_eq!((message.as_str(), place.as_str()), ("policy[1].zzz: there is no such key", "zzz"));
    assert_eq!(help, "known keys: name, kind, ignores_mask, alpha, model");
    let (message, _, help) = fault_of("[budget]", "[budgte]");
    assert_eq!((message.as_str(), help.as_str()), ("budgte: there is no such key", "did you mean \"budget\"?"));
}

#[test]
fn misspelt_names_are_placed_and_mended() {
    let (message, place, help) = fault_of("name = \"lin_ucb\"", "name = \"bandit\"\nkind = \"lin_ubc\"");
    assert_eq!(message, "policy[1].kind: there is no policy or agent \"lin_ubc\"");
    assert_eq!(place, "\"lin_ubc\"");
    assert_eq!(help, "did you mean \"lin_ucb\"?; `mercato list` describes all");
    let (message, place, help) = fault_of("name = \"lin_ucb\"", "name = \"bandit\"");
    assert_eq!(message, "policy[1]: kind is not given, and there is no policy or agent \"bandit\"");
    assert_eq!(place, "\"bandit\"");
    assert!(help.starts_with("add `kind = …`; kinds: rule, lin_ucb, epsilon_greedy"), "{help}");
    let (message, _, help) = fault_of("[modules.fatigue]\nhalf_life_days = 7.0", "[modules.fatige]");
    assert_eq!(message, "modules: there is no module \"fatige\"");
    assert!(help.starts_with("did you mean \"fatigue\"?"), "{help}");
    let (message, _, help) = fault_of("opt_out_rate", "optout_rate");
    assert_eq!(message, "guardrail[0].metric: \"optout_rate\" is none of the choices");
    assert_eq!(help, "did you mean \"opt_out_rate\"?");
}

#[test]
fn numbers_outside_their_range_are_shown_with_it() {
    let (message, place, help) =
        fault_of("kind = \"rule\"\nevery_days = 7", "kind = \"epsilon_greedy\"\nepsilon = 1.2");
    assert_eq!(message, "policy[0].epsilon: 1.2 is not a number from 0 to 1");
    assert_eq!(place, "1.2");
    assert_eq!(help, "probability of a random action; a number from 0 to 1 (default 0.1)");
    let (message, place, _) = fault_of("half_life_days = 7.0", "half_life_days = -7.0");
    assert_eq!(message, "modules.fatigue.half_life_days: -7.0 is not a number above 0");
    assert_eq!(place, "-7.0");
    let (message, ..) = fault_of("hours = [8, 12]", "hours = [8, 24]");
    assert_eq!(message, "slots.hours[1]: 24 is not a whole number from 0 to 23");
    let (message, ..) = fault_of("from = 21", "from = 99");
    assert_eq!(message, "constraints.quiet_hours.from: 99 is not a whole number from 0 to 23");
    let (message, ..) = fault_of("total = 500.0", "total = inf");
    assert_eq!(message, "budget.total: inf is not a number of 0 or more");
    let (message, ..) = fault_of("consumers = 1_000", "consumers = 99_999_999_999_999_999_999");
    assert!(message.ends_with("is not a whole number from 1 to 1000000"), "{message}");
}

#[test]
fn wrong_types_and_shapes_are_named() {
    let (message, place, _) = fault_of("consumers = 1_000", "consumers = \"many\"");
    assert_eq!(message, "market.consumers: expected a whole number, found the text \"many\"");
    assert_eq!(place, "\"many\"");
    let (message, ..) = fault_of("consumers = 1_000", "consumers = 3.5");
    assert_eq!(message, "market.consumers: expected a whole number, found 3.5");
    let (message, _, help) = fault_of("[[offer]]", "[offer]");
    assert_eq!(message, "offer: expected an array of tables, found a table");
    assert_eq!(help, "write [[offer]] above each");
    let (message, _, help) = fault_of("[training]", "[[training]]");
    assert_eq!(message, "training: expected a table, found an array");
    assert_eq!(help, "write [training]");
    let (message, place, _) = fault_of("name = \"ten\"\n", "");
    assert_eq!(message, "offer[0].name is missing");
    assert!(place.starts_with("[[offer]]"), "{place}");
}

#[test]
fn names_must_be_usable_and_unique() {
    let (message, place, _) = fault_of("\"good\"", "\"../good\"");
    assert_eq!((message.as_str(), place.as_str()), ("name: \"../good\" cannot be a name", "\"../good\""));
    let (message, ..) = fault_of("name = \"weekly\"", "name = \"lin_ucb\"");
    assert_eq!(message, "policy[1].name: the name \"lin_ucb\" is taken");
    let (message, ..) = fault_of("consumers = 1_000", "consumers = 1_000\nconsumers = 2_000");
    assert_eq!(message, "\"consumers\" stands there twice");
}

#[test]
fn values_that_do_not_fit_together_are_refused() {
    let (message, place, help) = fault_of("total = 500.0", "total = 0.0");
    assert_eq!(message, "budget.total: must send, but the budget is 0: weekly");
    assert_eq!(place, "0.0");
    assert!(help.contains("raise budget.total"), "{help}");
    let (message, ..) = fault_of("kind = \"window\"", "kind = \"tick\"");
    assert!(message.starts_with("reward.window_days: only a window has a length"), "{message}");
    let (message, ..) = fault_of("max = 0.02", "max = 0.02\nmin = 0.5");
    assert_eq!(message, "guardrail[0]: min 0.5 is above max 0.02");
    let (message, ..) = fault_of("seeds = [1, 2]", "seeds = []");
    assert_eq!(message, "training.seeds: no seed is given");
}

#[test]
fn all_faults_of_a_file_come_at_once_in_its_order() {
    let text = GOOD
        .replace("half_life_days = 7.0", "half_life_days = -7.0")
        .replace("cost = 0.002", "cots = 0.002")
        .replace("name = \"lin_ucb\"", "name = \"b\"\nkind = \"lin_ubc\"")
        .replace("consumers = 1_000", "consumers = 0")
        .replace("max = 0.02", "");
    let errors = faults(&text);
    let keys: Vec<&str> = errors.errors.iter().map(|error| error.message.split(':').next().unwrap()).collect();
    assert_eq!(
        keys,
        ["market.consumers", "modules.fatigue.half_life_days", "channel[0].cots", "policy[1].kind", "guardrail[0]"]
    );
}

#[test]
fn policies_are_checked_without_a_market() {
    let text = "name = \"x\"\n[[policy]]\nname = \"lin_ucb\"\nalpha = -1\n";
    let messages: Vec<String> = faults(text).errors.into_iter().map(|error| error.message).collect();
    assert_eq!(messages, ["market: the section is missing", "policy[0].alpha: -1 is not a number above 0"]);
}

#[test]
fn broken_toml_is_placed_and_nothing_is_guessed() {
    let errors = faults("name = \"x\"\n[market\nkind = \"market\"\n");
    assert!(errors.errors.iter().all(|error| error.code == Code::Syntax), "{errors}");
    let place = errors.errors[0].place.clone().unwrap();
    assert_eq!(errors.position(place.start).0, 2, "{errors}");
}

#[test]
fn sections_of_another_kind_of_market_are_sent_away() {
    let text = "name = \"x\"\n[market]\nkind = \"logit\"\nintercept = -1\nopen = { recency = 0.5, b = \"x\" }\n[budget]\n\
                [[channel]]\nname = \"email\"\n[[policy]]\nname = \"rule\"\n";
    let messages: Vec<String> = faults(text).errors.into_iter().map(|error| error.message).collect();
    assert_eq!(
        messages,
        [
            "market.open.b: expected a number, found the text \"x\"",
            "budget: a market of kind \"logit\" has no such section",
            "channel: a market of kind \"logit\" has no such section",
        ]
    );
}

#[test]
fn tables_in_files_are_read_from_beside_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.csv"), "state,p\n0,0.5\n1,x\n").unwrap();
    let text = |file: &str| {
        format!(
            "name = \"x\"\n[market]\nkind = \"finite\"\ntransitions = {file:?}\nrewards = [1, 2.5]\n\
             start = [{{ share = 0.5 }}, {{ share = 2 }}]\n[[policy]]\nname = \"rule\"\n"
        )
    };
    let messages = |file| -> Vec<String> {
        faults_in(&text(file), folder.path()).errors.into_iter().map(|error| error.message).collect()
    };
    let share = "market.start[1].share: 2 is not a number from 0 to 1";
    assert_eq!(
        messages("p.csv"),
        ["market.transitions: p.csv, row 2 (line 3), column \"p\": \"x\" is not a finite number", share]
    );
    assert_eq!(messages("q.csv"), ["market.transitions: there is no file \"q.csv\"", share]);
}

#[test]
fn customers_are_checked_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("customers.csv"), "customer,days,spend\na,3,2.5\nb,x,1\n").unwrap();
    let messages = |population: &str| -> Vec<String> {
        let text = GOOD.replace("[modules.fatigue]", &format!("[market.population]\n{population}\n[modules.fatigue]"));
        faults_in(&text, folder.path()).errors.into_iter().map(|error| error.message).collect()
    };
    assert_eq!(
        messages("file = \"customers.csv\"\ncolumns = { id = \"customer\", recency_days = \"days\" }"),
        ["market.population.file: customers.csv, row 2 (line 3), column \"days\": \"x\" is not a finite number"]
    );
    assert_eq!(
        messages("file = \"customers.csv\"\ncolumns = { id = \"custmer\", spend = 3 }"),
        ["market.population.columns.spend: expected the name of a column, found 3"]
    );
    assert_eq!(
        messages("file = \"customers.csv\"\ncolumns = { id = \"custmer\" }"),
        ["market.population.columns.id: customers.csv has no column \"custmer\""]
    );
    assert!(messages("file = \"customers.csv\"\ncolumns = { spend = \"spend\" }").is_empty());
    assert_eq!(messages("file = \"nobody.csv\""), ["market.population.file: there is no file \"nobody.csv\""]);
    assert_eq!(messages(""), ["market.population.file is missing"]);
}

#[test]
fn a_policy_that_the_command_line_asks_for_must_exist() {
    let overrides = Overrides { policies: vec!["weekyl".to_owned()], replications: Some(0), seed: None };
    let mut reader = Reader { text: "", files: Files::new(Source::Copy(Default::default())), faults: Vec::new() };
    check_chosen(&mut reader, &["weekly", "lin_ucb"], &overrides);
    let errors = ScenarioErrors::new("x.toml", "", reader.faults).to_string();
    assert!(
        errors.contains("--policy: the file has no policy \"weekyl\"\n  help: did you mean \"weekly\"?"),
        "{errors}"
    );
    assert!(errors.contains("--replications: 0"), "{errors}");
}

#[test]
fn rewards_and_guardrails_must_suit_the_market() {
    let resolve = |text: &'static str, spec: &Spec| {
        let (document, _) = DeTable::parse_recoverable(text);
        let mut reader = Reader { text, files: Files::new(Source::Copy(Default::default())), faults: Vec::new() };
        let root = Section { path: String::new(), place: 0..text.len(), table: document.get_ref() };
        let reward = section::reward(&mut reader, &root).and_then(|reward| reward.resolve(&mut reader, spec));
        let guardrails = section::guardrails(&mut reader, &root);
        let guardrails = section::resolve_guardrails(&mut reader, spec, guardrails);
        (reward, guardrails, reader.faults)
    };
    let daily = spec(30, 1.0, &[Kpi::OptOuts]);
    let text = "[reward]\nkind = \"window\"\n[[guardrail]]\nmetric = \"opt_out_rate\"\nmax = 0.02\nmin = 0\n";
    let (reward, guardrails, faults) = resolve(text, &daily);
    assert_eq!(reward, Some(crate::episode::Reward::Window { ticks: 14 }));
    assert_eq!((guardrails.len(), faults.len()), (2, 0));
    let (reward, ..) = resolve(text, &spec(30, 7.0, &[Kpi::OptOuts]));
    assert_eq!(reward, Some(crate::episode::Reward::Window { ticks: 2 }));
    let (reward, ..) = resolve(text, &spec(8 * 24, 1.0 / 24.0, &[Kpi::OptOuts]));
    assert_eq!(reward, None);
    let (.., faults) = resolve(text, &spec(10, 1.0, &[]));
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "reward.window_days: a window of 14 days is 14 ticks and never closes within the 10 of the market",
            "guardrail[0].metric: this market has no \"opt_out_rate\"",
            "guardrail[0].metric: this market has no \"opt_out_rate\"",
        ]
    );
}

#[test]
fn refusals_name_the_key_once() {
    let mut reader = Reader { text: "", files: Files::new(Source::Copy(Default::default())), faults: Vec::new() };
    let refusal = |message| Refusal::new(&Values::default(), "hour", message, "take another");
    refuse(&mut reader, "policy[0]", refusal("21 is no slot"));
    refuse(&mut reader, "", refusal("hour 21 is no slot"));
    let messages: Vec<&str> = reader.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages, ["policy[0].hour: 21 is no slot", "hour 21 is no slot"]);
}

#[test]
fn a_scenario_can_be_renamed() {
    let text = "# x\nname = \"x\" # the name\n[[policy]]\nname = \"x\"\n";
    assert_eq!(renamed(text, "y"), "# x\nname = \"y\" # the name\n[[policy]]\nname = \"x\"\n");
    assert_eq!(renamed("seed = 1\n", "y"), "name = \"y\"\nseed = 1\n");
}

#[test]
fn the_hash_covers_the_text_and_every_file() {
    let file = |path: &str, bytes: &[u8]| (path.to_owned(), Arc::from(bytes));
    let known = hash("", &[]);
    // SHA-256 of eight zero bytes: the length of the empty text.
    assert_eq!(known, "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    let all = [
        known,
        hash("a", &[]),
        hash("", &[file("a", b"")]),
        hash("", &[file("a", b"b")]),
        hash("", &[file("ab", b"")]),
        hash("", &[file("a", b""), file("b", b"")]),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(all[..index].iter().all(|other| other != one));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_of_a_good_file_never_panic(
        edits in prop::collection::vec((0usize..10_000, 0usize..12, any::<char>()), 1..8),
    ) {
        let mut letters: Vec<char> = GOOD.chars().collect();
        for (place, length, letter) in edits {
            let start = place % letters.len();
            let end = (start + length).min(letters.len());
            match length % 3 {
                0 => letters.insert(start, letter),
                1 => { letters.drain(start..end); }
                _ => { let part: Vec<char> = letters[start..end].to_vec(); letters.splice(start / 2..start / 2, part); }
            }
            if letters.is_empty() { letters.push(letter); }
        }
        let text: String = letters.into_iter().collect();
        let errors = faults(&text);
        for error in &errors.errors {
            if let Some(place) = &error.place {
                prop_assert!(place.start <= place.end && place.end <= text.len());
                prop_assert!(errors.position(place.start).0 >= 1);
            }
        }
    }

    #[test]
    fn any_text_is_refused_without_panic(text in "\\PC{0,80}") {
        prop_assert!(!faults(&text).errors.is_empty());
    }
}

mod schema_and_reader;
