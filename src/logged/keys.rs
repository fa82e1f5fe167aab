//! The keys of an evaluation file, and what its targets can be.

use crate::registry::{Entry, Kind, Parameter, Range};

/// Keys of the file itself.
pub(super) const FILE: &[Parameter] = &[
    Parameter::optional_text(
        "name",
        "of the evaluation and of its folder of results; the name of the file if not given",
    ),
    Parameter::optional_number(
        "margin",
        Range::POSITIVE,
        "smallest difference to the logging policy that matters, a row",
    ),
    Parameter::integer("seed", 1, 0, i64::MAX, "of the bootstrap and of the twin"),
];

/// Sections of the file.
pub(super) const SECTIONS: &[&str] =
    &["log", "target", "logger", "reward_model", "propensity_model", "estimator", "interval", "twin"];

/// Keys of `[log]`.
pub(super) const LOG: &[Parameter] = &[
    Parameter::of(
        "path",
        Kind::Text { default: None },
        "the log: .parquet, .csv or .csv.gz, relative to this file; several with * and ? in the last part",
    )
    .required(),
    Parameter::optional_text("action", "column of what was done; `action` in a log of ours"),
    Parameter::optional_text("reward", "column of what it brought; `reward` in a log of ours"),
    Parameter::optional_text(
        "propensity",
        "column of the probability with which it was chosen; estimated if there is none",
    ),
    Parameter::of(
        "context",
        Kind::Texts { default: None },
        "columns that target policies and models may see; all features in a log of ours",
    ),
    Parameter::optional_text("unit", "column that names the consumer, or \"row\": intervals are by unit"),
    Parameter::optional_text("time", "column of the time of a row within its unit: rows of a unit are a sequence"),
    Parameter::optional_text("terminated", "column that says whether the sequence ended with this row"),
    Parameter::number(
        "discount",
        1.0,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "of a reward one row of the sequence later",
    ),
    Parameter::choice(
        "horizon",
        "logged",
        &["logged", "endless"],
        "of a sequence: as far as it was logged, or for ever after the same fashion",
    ),
    Parameter::optional_text("decision_id", "column of identifiers that must not repeat"),
    Parameter::optional_text(
        "probabilities",
        "column of the logging policy's probability of every action, a list in the order of `actions`",
    ),
    Parameter::optional_text("allowed", "column of the mask: bits of actions, lowest first"),
    Parameter::of(
        "actions",
        Kind::Texts { default: None },
        "all actions, in the order of `probabilities` and `allowed`; those met if not given",
    ),
    Parameter::optional_text(
        "logging",
        "what the log's columns do not say about the logging policy: \"uniform\", or a table like that of a target",
    ),
    Parameter::optional_text(
        "logger",
        "column that names the policy that logged a row, one [[logger]] each; `policy` in a log of ours",
    ),
];

/// Keys of `[interval]`, besides `kind`, which names one of `IntervalKind::NAMED`.
pub(super) const INTERVAL: &[Parameter] = &[
    Parameter::optional_text("kind", "how intervals are made; `normal` if not given"),
    Parameter::number(
        "confidence",
        0.95,
        Range { low: 0.5, high: 1.0, low_open: false, high_open: true },
        "how often an interval holds the value",
    ),
    Parameter::integer("resamples", 1_000, 100, 1_000_000, "resamples of a bootstrap"),
];

/// Keys of `[twin]`.
pub(super) const TWIN: &[Parameter] = &[
    Parameter::integer("replications", 200, 20, 100_000, "synthetic logs"),
    Parameter::integer("rows", 10_000, 100, 1_000_000, "rows of each at most"),
];

/// `folds` of `[reward_model]`.
pub(super) const FOLDS: Parameter =
    Parameter::integer("folds", 5, 2, 255, "parts of the units; a cross-fitted model never saw the unit it judges");

/// `name` of a target.
pub(super) const NAME: Parameter = Parameter::of("name", Kind::Text { default: None }, "unique name").required();

/// `name` of a logger.
pub(super) const LOGGER_NAME: Parameter =
    Parameter::of("name", Kind::Text { default: None }, "what stands in the column `log.logger` of its rows")
        .required();

/// `kind` of a section.
pub(super) const KIND: Parameter = Parameter::of("kind", Kind::Text { default: None }, "what it is").required();

/// Sorts of laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LawKind {
    Table,
    Uniform,
    Constant,
    Logging,
    Policy,
    Bundle,
}

/// All kinds of `[[target]]`.
pub(super) const TARGETS: &[Entry<LawKind>] = &[TABLE, UNIFORM, CONSTANT, LOGGING, POLICY, BUNDLE];

/// All kinds of `[[logger]]`: what could have decided.
pub(super) const LOGGERS: &[Entry<LawKind>] = &[TABLE, UNIFORM, CONSTANT, POLICY];

const TABLE: Entry<LawKind> = Entry {
    name: "table",
    summary: "probabilities by keys: a file with the key columns, the action column and `probability`",
    source: "Mercato: any policy that is a table",
    parameters: &[
        Parameter::of("path", Kind::Text { default: None }, "the table: .csv, .csv.gz or .parquet").required()
    ],
    build: LawKind::Table,
};

const UNIFORM: Entry<LawKind> = Entry {
    name: "uniform",
    summary: "every action alike; where the log has the mask, every allowed one",
    source: "Mercato: the policy of a randomised test",
    parameters: &[],
    build: LawKind::Uniform,
};

const CONSTANT: Entry<LawKind> = Entry {
    name: "constant",
    summary: "always the same action",
    source: "Mercato: business as usual",
    parameters: &[Parameter::of("action", Kind::Text { default: None }, "which").required()],
    build: LawKind::Constant,
};

const LOGGING: Entry<LawKind> = Entry {
    name: "logging",
    summary: "the logging policy itself, where the log has its probability of every action",
    source: "Mercato: a check, since its value is the mean reward",
    parameters: &[],
    build: LawKind::Logging,
};

const POLICY: Entry<LawKind> = Entry {
    name: "policy",
    summary: "a policy of a run of ours, as it was judged: any rule, or an agent as it was saved",
    source: "Mercato: `mercato run`",
    parameters: &[
        Parameter::of("run", Kind::Text { default: None }, "folder of results of the run, relative to this file")
            .required(),
        Parameter::of("policy", Kind::Text { default: None }, "its name in the scenario").required(),
    ],
    build: LawKind::Policy,
};

const BUNDLE: Entry<LawKind> = Entry {
    name: "bundle",
    summary: "an exported policy bundle; not available in this version",
    source: "Mercato",
    parameters: &[Parameter::of("path", Kind::Text { default: None }, "the bundle").required()],
    build: LawKind::Bundle,
};
