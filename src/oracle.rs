//! Policies that may look inside the market: where regret has a true zero.

mod best_in_class;
mod budget_dual;
mod calendar;
mod clairvoyant;
mod deferred;
mod dynamic_programming;
mod greatest;
mod myopic;
mod reduced_dynamic_programming;
mod solution;
mod state_actions;
mod uplift;

use crate::environment::campaign::Campaign;
use crate::environment::finite::FiniteWorld;
use crate::environment::logit::LogitWorld;
use crate::protocol::{Policy, Spec};
use crate::registry::{Entry, Refusal, Values};

/// The market that an oracle looks into.
#[derive(Clone, Copy, Debug)]
pub enum Inside<'a> {
    /// `kind = "market"`.
    Campaign(&'a Campaign),
    /// `kind = "finite"`.
    Finite(&'a FiniteWorld),
    /// `kind = "logit"`.
    Logit(&'a LogitWorld),
}

impl Inside<'_> {
    /// Whether rules are only audited.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        matches!(self, Self::Campaign(campaign) if campaign.is_audited())
    }
}

/// How an oracle is made; refused where the market has no such oracle.
pub type OracleBuild = fn(&Values, Inside<'_>) -> Result<Box<dyn Policy>, Refusal>;

/// All oracles.
pub const ORACLES: &[Entry<OracleBuild>] = &[
    dynamic_programming::ENTRY,
    myopic::ENTRY,
    uplift::ENTRY,
    reduced_dynamic_programming::ENTRY,
    budget_dual::ENTRY,
    best_in_class::ENTRY,
    clairvoyant::ENTRY,
];

/// The action that a file names, if it names one.
fn contact_of(values: &Values, spec: &Spec) -> Result<Option<usize>, Refusal> {
    let Some(name) = values.optional_text("action") else { return Ok(None) };
    let actions = &spec.actions.actions;
    actions.iter().position(|action| action.name == name).map(Some).ok_or_else(|| {
        let some: Vec<&str> = actions.iter().take(8).map(|action| action.name.as_str()).collect();
        Refusal::new(
            values,
            "action",
            format!("there is no action `{name}`"),
            format!("the actions are {}{}", some.join(", "), if actions.len() > 8 { ", …" } else { "" }),
        )
    })
}

/// Refuses an oracle that needs a market of kind "market".
fn require_campaign<'a>(values: &Values, oracle: &str, inside: Inside<'a>) -> Result<&'a Campaign, Refusal> {
    match inside {
        Inside::Campaign(campaign) => Ok(campaign),
        Inside::Finite(_) | Inside::Logit(_) => Err(Refusal::new(
            values,
            "kind",
            format!("`{oracle}` needs a market of kind \"market\""),
            "use `dynamic_programming` in a finite process, `myopic` in a logit market",
        )),
    }
}

/// Refuses an oracle that needs expectations where a module draws luck of its own within the tick.
fn require_closed_form(values: &Values, oracle: &str, campaign: &Campaign) -> Result<(), Refusal> {
    let drawing = campaign.modules_that_draw();
    if drawing.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        values,
        "kind",
        format!("`{oracle}` needs expectations in closed form, which {} does not have", drawing.join(", ")),
        "switch it off, or use `best_in_class` or `clairvoyant`",
    ))
}
