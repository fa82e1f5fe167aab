//! Paid social or display advertisement.

use super::{ChannelBuild, Defaults, build, parameters};
use crate::registry::{Entry, Parameter};

const PARAMETERS: [Parameter; 15] = parameters(Defaults {
    cost: 0.007,
    opt_in_shares: [0.70, 0.70],
    bounce_rates: [0.0, 0.0],
    open_rate: 0.60,
    click_rate: 0.008_3,
    conversion_rate: 0.02,
    opt_out_rate: 0.000_2,
    complaint_rate: 0.0,
    view_through_rate: 0.002,
    intrusiveness: 0.3,
    read_window_hours: 0.5,
    requires_visit: false,
});

/// Paid advertisement, bought per impression.
pub const ENTRY: Entry<ChannelBuild> = Entry {
    name: "paid_ad",
    summary: "paid advertisement, bought per impression",
    source: "benchmarks: CPM 2.80-7.19, click .05-.9 %; viewable 60 %, hidden .02 % are assumed (docs/market.md 5.2, 15)",
    parameters: &PARAMETERS,
    build: |name, values| build("paid_ad", name, values),
};
