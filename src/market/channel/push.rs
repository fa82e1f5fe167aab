//! App push notification.

use super::{ChannelBuild, Defaults, build, parameters};
use crate::registry::{Entry, Parameter};

const PARAMETERS: [Parameter; 15] = parameters(Defaults {
    cost: 0.000_2,
    opt_in_shares: [0.45, 0.65],
    bounce_rates: [0.02, 0.0],
    open_rate: 0.05,
    click_rate: 0.5,
    conversion_rate: 0.02,
    opt_out_rate: 0.000_7,
    complaint_rate: 0.0,
    view_through_rate: 0.0,
    intrusiveness: 1.2,
    read_window_hours: 1.0,
    requires_visit: false,
});

/// Push notification to an installed app.
pub const ENTRY: Entry<ChannelBuild> = Entry {
    name: "push",
    summary: "push notification to an installed app",
    source: "benchmarks: direct open 1.8 % (iOS) to 3.5 % (Android) and reaction 7.8 %; order .05 %, opt-in .45 and .65 are \
             assumed (docs/market.md 5.2, 15)",
    parameters: &PARAMETERS,
    build: |name, values| build("push", name, values),
};
