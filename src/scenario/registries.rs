//! Every registry that a scenario file can name, in one place.

use crate::agent::{AGENTS, AgentBuild, POLICIES, PolicyBuild};
use crate::environment::{campaign, finite, logit};
use crate::market::catalogue;
use crate::market::channel::{CHANNELS, ChannelBuild};
use crate::oracle::{ORACLES, OracleBuild};
use crate::registry::{Entry, Parameter};
use crate::response::{CORE, MODULES, ModuleBuild};

/// What a file can name, and the keys of each section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registries {
    pub(crate) policies: &'static [Entry<PolicyBuild>],
    pub(crate) agents: &'static [Entry<AgentBuild>],
    pub(crate) oracles: &'static [Entry<OracleBuild>],
    pub(crate) modules: &'static [Entry<ModuleBuild>],
    /// Modules that act unless the file switches them off.
    pub(crate) core_modules: &'static [&'static str],
    pub(crate) channels: &'static [Entry<ChannelBuild>],
    pub(crate) campaign: &'static [Parameter],
    pub(crate) logit: &'static [Parameter],
    pub(crate) finite: &'static [Parameter],
    pub(crate) offer: &'static [Parameter],
    pub(crate) creative: &'static [Parameter],
    pub(crate) slots: &'static [Parameter],
    pub(crate) constraints: &'static [Parameter],
    pub(crate) budget: &'static [Parameter],
}

/// All that there is.
pub(crate) const REGISTRIES: Registries = Registries {
    policies: POLICIES,
    agents: AGENTS,
    oracles: ORACLES,
    modules: MODULES,
    core_modules: CORE,
    channels: CHANNELS,
    campaign: campaign::PARAMETERS,
    logit: logit::PARAMETERS,
    finite: finite::PARAMETERS,
    offer: catalogue::OFFER,
    creative: catalogue::CREATIVE,
    slots: campaign::SLOTS,
    constraints: campaign::CONSTRAINTS,
    budget: campaign::BUDGET,
};
