//! E-mail.

use super::{ChannelBuild, Defaults, build, parameters};
use crate::registry::{Entry, Parameter};

const PARAMETERS: [Parameter; 15] = parameters(Defaults {
    cost: 0.001,
    opt_in_shares: [0.85, 0.85],
    bounce_rates: [0.004, 0.006],
    open_rate: 0.27,
    click_rate: 0.063,
    conversion_rate: 0.047,
    opt_out_rate: 0.00117,
    complaint_rate: 0.000_068,
    view_through_rate: 0.0,
    intrusiveness: 1.0,
    read_window_hours: 8.0,
    requires_visit: false,
});

/// E-mail to an address that gave consent.
pub const ENTRY: Entry<ChannelBuild> = Entry {
    name: "email",
    summary: "e-mail to an address that gave consent",
    source: "Mailchimp 2018-19: open 21-23 %, e-commerce click 2.0 %; Klaviyo: campaigns order .08 %; opt-outs and \
             complaints at rest are assumptions (docs/market.md 5.2, 15)",
    parameters: &PARAMETERS,
    build: |name, values| build("email", name, values),
};
