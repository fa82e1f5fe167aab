//! Text message.

use super::{ChannelBuild, Defaults, build, parameters};
use crate::registry::{Entry, Parameter};

const PARAMETERS: [Parameter; 15] = parameters(Defaults {
    cost: 0.015,
    opt_in_shares: [0.25, 0.25],
    bounce_rates: [0.03, 0.0],
    open_rate: 0.95,
    click_rate: 0.095,
    conversion_rate: 0.11,
    opt_out_rate: 0.006,
    complaint_rate: 0.000_15,
    view_through_rate: 0.0,
    intrusiveness: 2.5,
    read_window_hours: 2.0,
    requires_visit: false,
});

/// Text message to a phone number.
pub const ENTRY: Entry<ChannelBuild> = Entry {
    name: "sms",
    summary: "text message to a phone number",
    source: "benchmarks: click 8.9-14.5 %, order 1.0-2.0 %, STOP .5-1.2 %; seen 95 % is assumed (docs/market.md 5.2, 15)",
    parameters: &PARAMETERS,
    build: |name, values| build("sms", name, values),
};
