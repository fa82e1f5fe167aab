//! Offer shown on the site or in the app.

use super::{ChannelBuild, Defaults, build, parameters};
use crate::registry::{Entry, Parameter};

const PARAMETERS: [Parameter; 15] = parameters(Defaults {
    cost: 0.0,
    opt_in_shares: [1.0, 1.0],
    bounce_rates: [0.0, 0.0],
    open_rate: 0.999,
    click_rate: 0.06,
    conversion_rate: 0.05,
    opt_out_rate: 0.0,
    complaint_rate: 0.0,
    view_through_rate: 0.0,
    intrusiveness: 0.2,
    read_window_hours: 0.5,
    requires_visit: true,
});

/// Offer shown during a visit to the site or app.
pub const ENTRY: Entry<ChannelBuild> = Entry {
    name: "onsite",
    summary: "offer shown during a visit to the site or app",
    source: "assumed: seen by all visitors, click 6 %, order .3 % (docs/market.md 5.2)",
    parameters: &PARAMETERS,
    build: |name, values| build("onsite", name, values),
};
