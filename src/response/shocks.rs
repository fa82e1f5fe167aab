//! Shocks: from a stated day on, a rate of the market is another.
//!
//! Each shock multiplies a rate by `factor` from `day` on, growing evenly (in logarithms) over `ramp_days` and ending after
//! `days`: `ln(factor)` goes onto the log-hazard of orders or onto the logit of opening, clicking, ordering after a click or
//! withdrawing consent; for `price_elasticity`, `(factor - 1) * (-e ln P)` is added where a consumer would pay the share P
//! of the list price (docs/market.md 6.17). Shocks may hold for one device or one channel only. Structural breaks: Pesaran
//! & Timmermann (2007), for why they matter to who decides by the past.
//!
//! Assumptions: shocks on the same rate add up in logarithms; nobody sees them announced.
//!
//! Differences: (1) a factor on a logit multiplies the odds: of rates that are not rare it moves the probability by less;
//! (2) the shock on elasticities acts by the consumer's own e, also without the module `price_response`.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Surroundings, View};
use crate::market::population::DEVICES;
use crate::math::ln;
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};
use multiversion::multiversion;
use std::ops::Range as Span;

const VARIABLES: &[&str] = &["order_rate", "price_elasticity", "open", "click", "conversion", "opt_out"];

const SHOCK: &[Parameter] = &[
    Parameter::optional_number("day", Range::ANY, "day on which it begins; day 0 is the first").required(),
    Parameter::of("variable", Kind::Choice { default: None, options: VARIABLES }, "the rate that changes").required(),
    Parameter::optional_number("factor", Range::POSITIVE, "what the rate is multiplied by").required(),
    Parameter::number("ramp_days", 0.0, Range::NON_NEGATIVE, "days over which it grows to its full strength"),
    Parameter::optional_number("days", Range::POSITIVE, "how long it lasts; for good where absent"),
    Parameter::of("device", Kind::Choice { default: None, options: DEVICES }, "only users of this device"),
    Parameter::optional_text("channel", "only messages of this channel"),
];

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "shocks",
    summary: "from stated days on, rates of the market are others: for all, for a device, for a channel",
    source: "Mercato: dated breaks stated by the user, after Pesaran & Timmermann (2007); docs/market.md 6.17",
    parameters: &[Parameter::of("list", Kind::Tables { parameters: SHOCK }, "the shocks; none where absent")],
    build: ModuleBuild {
        create: |values, surroundings| {
            let shocks: Result<Vec<Shock>, Refusal> =
                values.tables("list").iter().map(|values| Shock::new(values, surroundings)).collect();
            Ok(Box::new(Shocks { shocks: shocks?, tick_days: surroundings.tick_days }))
        },
        neutral: || vec![("list", Value::Tables(Vec::new()))],
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    OrderRate,
    PriceElasticity,
    Open,
    Click,
    Conversion,
    OptOut,
}

impl Variable {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "order_rate" => Self::OrderRate,
            "price_elasticity" => Self::PriceElasticity,
            "open" => Self::Open,
            "click" => Self::Click,
            "conversion" => Self::Conversion,
            "opt_out" => Self::OptOut,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Shock {
    variable: Variable,
    day: f64,
    log_factor: f64,
    ramp_days: f64,
    days: f64,
    device: Option<u8>,
    channel: Option<u8>,
}

impl Shock {
    fn new(values: &Values, surroundings: &Surroundings<'_>) -> Result<Self, Refusal> {
        let word = |key| values.optional_text(key);
        let name = word("variable").unwrap_or("nothing");
        let variable = Variable::named(name).ok_or_else(|| unknown(values, "variable", name, VARIABLES))?;
        let device = match word("device") {
            Some(name) => Some(index_of(values, "device", name, DEVICES)?),
            None => None,
        };
        let channels: Vec<&str> = surroundings.catalogue.channels.iter().map(|channel| channel.name.as_str()).collect();
        let channel = match word("channel") {
            Some(name) => Some(index_of(values, "channel", name, &channels)?),
            None => None,
        };
        if channel.is_some() && variable == Variable::OrderRate {
            return Err(Refusal::new(
                values,
                "channel",
                "orders that come by themselves belong to no channel",
                "leave `channel` out, or take the variable `conversion`",
            ));
        }
        Ok(Self {
            variable,
            day: values.number("day"),
            log_factor: libm::log(values.number("factor")),
            ramp_days: values.number("ramp_days"),
            days: values.optional_number("days").unwrap_or(f64::INFINITY),
            device,
            channel,
        })
    }

    /// Logarithm of what the rate is multiplied by at a time in days.
    fn log_factor_at(&self, day: f64) -> f64 {
        let since = day - self.day;
        if !(0.0..self.days).contains(&since) {
            0.0
        } else if since < self.ramp_days {
            self.log_factor * since / self.ramp_days
        } else {
            self.log_factor
        }
    }

    /// What is added: on the log scale, or for elasticities the part by which they grow.
    fn strength_at(&self, day: f64) -> f32 {
        let log_factor = self.log_factor_at(day);
        (if self.variable == Variable::PriceElasticity { libm::expm1(log_factor) } else { log_factor }) as f32
    }

    fn holds_for_device(&self, device: u8) -> bool {
        self.device.is_none_or(|only| only == device)
    }
}

fn index_of(values: &Values, key: &str, name: &str, options: &[&str]) -> Result<u8, Refusal> {
    let index = options.iter().position(|option| *option == name);
    index.map(|index| index as u8).ok_or_else(|| unknown(values, key, name, options))
}

fn unknown(values: &Values, key: &str, name: &str, options: &[&str]) -> Refusal {
    Refusal::new(values, key, format!("no {key} is called `{name}`"), format!("one of: {}", options.join(", ")))
}

#[derive(Debug)]
struct Shocks {
    shocks: Vec<Shock>,
    tick_days: f64,
}

impl ResponseModule for Shocks {
    /// One series for each shock.
    fn series(&self, _seed: Seed, ticks: Span<i32>) -> Vec<Vec<f32>> {
        let of = |shock: &Shock| {
            let strength = |tick: i32| shock.strength_at(f64::from(tick) * self.tick_days);
            ticks.clone().map(strength).collect()
        };
        self.shocks.iter().map(of).collect()
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (shock, &strength) in self.shocks.iter().zip(view.series) {
            if strength == 0.0 || shock.variable == Variable::OrderRate {
                continue;
            }
            for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
                let row = row as usize;
                let is_meant = shock.channel.is_none_or(|channel| channel == message.channel);
                if !is_meant || !shock.holds_for_device(view.people.device[row]) {
                    continue;
                }
                match shock.variable {
                    Variable::OrderRate => {}
                    Variable::PriceElasticity => {
                        let elasticity = view.people.price_elasticity[row];
                        predictors.convert[index] -= strength * elasticity * ln(1.0 - message.discount);
                    }
                    Variable::Open => predictors.open[index] += strength,
                    Variable::Click => predictors.click[index] += strength,
                    Variable::Conversion => predictors.convert[index] += strength,
                    Variable::OptOut => predictors.opt_out[index] += strength,
                }
            }
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        for (shock, &strength) in self.shocks.iter().zip(view.series) {
            if strength == 0.0 {
                continue;
            }
            let devices = &view.people.device;
            match shock.variable {
                Variable::OrderRate => {
                    for (sum, device) in log_hazard.iter_mut().zip(devices) {
                        *sum += if shock.holds_for_device(*device) { strength } else { 0.0 };
                    }
                }
                // The channel of a coupon is not known when it is used: a shock of one channel stays with its messages.
                Variable::PriceElasticity if shock.channel.is_none() => {
                    let strengths = [0, 1].map(|device| if shock.holds_for_device(device) { strength } else { 0.0 });
                    add_price_utility(strengths, devices, &view.people.price_elasticity, view.prices, log_hazard);
                }
                _ => {}
            }
        }
    }
}

/// Adds `strength * (-e ln P)`, the strength being that of the device.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_price_utility(
    strengths: [f32; 2],
    devices: &[u8],
    elasticities: &[f32],
    prices: &[f32],
    log_hazard: &mut [f32],
) {
    let rows = log_hazard.iter_mut().zip(devices).zip(elasticities).zip(prices);
    for (((sum, device), elasticity), price) in rows {
        let strength = if *device == 0 { strengths[0] } else { strengths[1] };
        *sum -= strength * elasticity * ln(*price);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::catalogue::{Catalogue, SLOTS};
    use crate::market::channel::{CHANNELS, Channel};
    use crate::market::people::People;
    use crate::registry::find;

    fn catalogue() -> Catalogue {
        let channel = |name: &str| -> Channel {
            let entry = find(CHANNELS, name).unwrap();
            (entry.build)(name, &Values::defaults(entry.parameters))
        };
        let none = Values::default();
        let channels = vec![(channel("email"), &none), (channel("paid_ad"), &none)];
        Catalogue::new(channels, &[], &[], &Values::defaults(SLOTS)).unwrap()
    }

    fn shock(variable: &str, factor: f64) -> Values {
        Values::defaults(SHOCK)
            .with("variable", Value::Text(variable.into()))
            .with("factor", Value::Number(factor))
            .with("day", Value::Number(10.0))
    }

    fn build(list: Vec<Values>) -> Result<Box<dyn ResponseModule>, Refusal> {
        let catalogue = catalogue();
        let surroundings =
            Surroundings { catalogue: &catalogue, tick_days: 1.0, coupon_ticks: 7, history_ticks: 0, horizon: 30 };
        (ENTRY.build.create)(&Values::default().with("list", Value::Tables(list)), &surroundings)
    }

    #[test]
    fn a_shock_grows_holds_and_ends() {
        let values = shock("order_rate", 0.25).with("ramp_days", Value::Number(4.0)).with("days", Value::Number(8.0));
        let series = build(vec![values]).unwrap().series(Seed::new(1), 9..20);
        let quarter = 0.25_f32.ln() / 4.0;
        let expected = [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0, 0.0, 0.0].map(|share| share * quarter);
        for (seen, expected) in series[0].iter().zip(expected) {
            assert!((seen - expected).abs() < 1e-6, "{:?}", series[0]);
        }
    }

    #[test]
    fn orders_of_one_device_and_elasticities_move() {
        let people = People {
            order_rate: vec![0.1; 2],
            device: vec![0, 1],
            price_elasticity: vec![2.0, 3.0],
            ..People::default()
        };
        let prices = [1.0, 0.8];
        let module = build(vec![
            shock("order_rate", 0.8).with("device", Value::Text("ios".into())),
            shock("price_elasticity", 1.3),
        ])
        .unwrap();
        let series: Vec<f32> = module.series(Seed::new(1), 10..11).into_iter().map(|values| values[0]).collect();
        let mut log_hazard = [0.0; 2];
        let view = View { series: &series, prices: &prices, ..View::bare(&people, &[]) };
        module.contribute_to_orders(&view, &mut log_hazard);
        // ln 0.8 = -0.223144; 0.3 * 3 * 0.223144 = 0.200829.
        assert!((log_hazard[0] + 0.223_144).abs() < 1e-6, "{log_hazard:?}");
        assert!((log_hazard[1] - 0.200_829).abs() < 1e-6, "{log_hazard:?}");
    }

    #[test]
    fn privacy_day_hits_ad_clicks_on_one_device() {
        let people = People { order_rate: vec![0.1; 2], device: vec![0, 1], ..People::default() };
        let module = build(vec![
            shock("click", 0.6)
                .with("device", Value::Text("ios".into()))
                .with("channel", Value::Text("paid_ad".into())),
            shock("opt_out", 2.0),
        ])
        .unwrap();
        let messages = catalogue().messages;
        let (email, ad) = (messages[0], messages[messages.len() - 1]);
        let contacts = Contacts { rows: vec![0, 0, 1], messages: vec![email, ad, ad], local_hours: vec![9; 3] };
        let mut predictors = MessagePredictors::default();
        predictors.reset(3);
        let view = View { series: &[0.6_f32.ln(), 2.0_f32.ln()], ..View::bare(&people, &[]) };
        module.contribute_to_messages(&view, &contacts, &mut predictors);
        assert_eq!(predictors.click, [0.0, 0.6_f32.ln(), 0.0]);
        assert_eq!(predictors.opt_out, [2.0_f32.ln(); 3]);
        assert_eq!(predictors.open, [0.0; 3]);
    }

    #[test]
    fn unknown_names_are_refused_with_what_there_is() {
        for (key, name, known) in [
            ("channel", "fax", "email, paid_ad"),
            ("device", "vax", "ios, android"),
            ("variable", "luck", "order_rate"),
        ] {
            let refusal = build(vec![shock("open", 2.0).with(key, Value::Text(name.into()))]).unwrap_err();
            assert!(
                refusal.key == key && refusal.message.contains(name) && refusal.help.contains(known),
                "{refusal:?}"
            );
        }
        assert!(build(vec![shock("order_rate", 2.0).with("channel", Value::Text("email".into()))]).is_err());
    }
}
