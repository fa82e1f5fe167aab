//! Letter.

use super::{ChannelBuild, Defaults, build, parameters};
use crate::registry::{Entry, Parameter};

const PARAMETERS: [Parameter; 15] = parameters(Defaults {
    cost: 0.60,
    opt_in_shares: [0.9, 0.9],
    bounce_rates: [0.02, 0.0],
    open_rate: 0.60,
    click_rate: 0.033_3,
    conversion_rate: 0.40,
    opt_out_rate: 0.001,
    complaint_rate: 0.000_01,
    view_through_rate: 0.0,
    intrusiveness: 1.5,
    read_window_hours: 48.0,
    requires_visit: false,
});

/// Letter or card to a postal address; a click is a visit by the code that is printed on it.
pub const ENTRY: Entry<ChannelBuild> = Entry {
    name: "direct_mail",
    summary: "letter or card to a postal address; a click is a visit by its printed code",
    source: "assumptions: seen 60 %, visits 2 % and orders .8 % of delivered, dear (docs/market.md 5.2, 15)",
    parameters: &PARAMETERS,
    build: |name, values| build("direct_mail", name, values),
};
