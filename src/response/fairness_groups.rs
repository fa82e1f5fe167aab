//! Groups: a trait that must not decide who gets what, and an observable that gives it away.
//!
//! A consumer is a member with probability `group_share`. The price elasticity of members is multiplied by
//! `elasticity_factor`, their order rate by `order_rate_factor`, their chance of consent to each channel by `reach_factor`
//! (capped at 1). The proxy is 1 or -1 and tells the group truly with probability `proxy_accuracy`; it is always
//! observed, the group itself only with `observe_group` (docs/market.md 6.26). Fairness is judged by the gaps between
//! members and others in contact rate, discount depth and opt-outs.
//!
//! Source: Mercato; that leaving out a protected attribute does not make a decision blind to it is from Dwork, Hardt,
//! Pitassi, Reingold & Zemel (2012).
//!
//! Assumptions: all figures; membership is independent of all other traits before the factors apply.

use super::{ModuleBuild, ResponseModule, View};
use crate::market::population::Person;
use crate::protocol::Feature;
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "fairness_groups",
    summary: "a hidden group that differs in prices, reach and orders, and a proxy that gives it away",
    source: "Mercato, after Dwork, Hardt, Pitassi, Reingold & Zemel (2012); docs/market.md 6.26",
    parameters: &[
        Parameter::number("group_share", 0.3, Range::PROBABILITY, "share of members"),
        Parameter::number("elasticity_factor", 0.6, Range::NON_NEGATIVE, "multiplies the price elasticity of members"),
        Parameter::number(
            "reach_factor",
            0.7,
            Range::POSITIVE,
            "multiplies the chance of members' consent to a channel",
        ),
        Parameter::number("order_rate_factor", 1.0, Range::POSITIVE, "multiplies the order rate of members"),
        Parameter::number(
            "proxy_accuracy",
            0.85,
            Range::PROBABILITY,
            "probability that the proxy tells the group truly",
        ),
        Parameter::boolean("observe_group", false, "whether policies see the group itself"),
    ],
    build: ModuleBuild {
        create: |values, _| {
            let number = |key| values.number(key) as f32;
            Ok(Box::new(FairnessGroups {
                share: number("group_share"),
                elasticity: number("elasticity_factor"),
                reach: number("reach_factor"),
                order_rate: number("order_rate_factor"),
                accuracy: number("proxy_accuracy"),
                observe_group: values.boolean("observe_group"),
            }))
        },
        neutral: || vec![("group_share", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct FairnessGroups {
    share: f32,
    elasticity: f32,
    reach: f32,
    order_rate: f32,
    accuracy: f32,
    observe_group: bool,
}

impl ResponseModule for FairnessGroups {
    fn forms_groups(&self) -> bool {
        self.share > 0.0
    }

    fn shape(&self, seed: Seed, consumer: u32, person: &mut Person) {
        let [group, proxy, ..] = seed.uniforms(Purpose::Group, consumer, 0, 0);
        person.group = group < self.share;
        let tells_truly = proxy < self.accuracy;
        person.proxy = if person.group == tells_truly { 1.0 } else { -1.0 };
        if person.group {
            person.price_elasticity *= self.elasticity;
            person.order_rate_per_day *= self.order_rate;
            // Consent where the uniform is below a share: below `reach` times the share.
            for uniform in &mut person.channel_random {
                *uniform /= self.reach;
            }
        }
    }

    fn features(&self) -> Vec<Feature> {
        let mut features = vec![Feature::raw("proxy", "1 or -1")];
        if self.observe_group {
            features.push(Feature::raw("group", "indicator"));
        }
        features
    }

    fn observe(&self, view: &View<'_>, feature: usize, first_row: usize, cells: &mut [f32]) {
        for (lane, cell) in cells.iter_mut().enumerate() {
            let row = first_row + lane;
            *cell = if feature == 0 { view.people.proxy[row] } else { f32::from(u8::from(view.people.group[row])) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> FairnessGroups {
        FairnessGroups {
            share: 0.3,
            elasticity: 0.5,
            reach: 0.7,
            order_rate: 2.0,
            accuracy: 0.85,
            observe_group: false,
        }
    }

    #[test]
    fn members_differ_by_the_stated_factors_and_the_proxy_by_its_accuracy() {
        let before = Person { price_elasticity: 2.0, order_rate_per_day: 0.01, ..Person::default() };
        let (mut members, mut truly, mut agreeing) = (0.0, 0.0, 0.0);
        for consumer in 0..20_000 {
            let mut person = before;
            person.channel_random.fill(0.35);
            module().shape(Seed::new(3), consumer, &mut person);
            let member = f64::from(u8::from(person.group));
            members += member / 20_000.0;
            truly += f64::from(u8::from(person.group == (person.proxy > 0.0))) / 20_000.0;
            agreeing += member * f64::from(u8::from(person.proxy > 0.0)) / 20_000.0;
            if person.group {
                assert_eq!((person.price_elasticity, person.order_rate_per_day), (1.0, 0.02));
                // A share of 0.5 would have reached them at 0.35; 0.7 times that share just does not.
                assert!((person.channel_random[0] - 0.5).abs() < 1e-6);
            } else {
                assert_eq!((person.price_elasticity, person.order_rate_per_day), (2.0, 0.01));
                assert_eq!(person.channel_random[0], 0.35);
            }
        }
        // Four standard errors of shares of 20,000.
        assert!((members - 0.3).abs() < 0.013, "{members}");
        assert!((truly - 0.85).abs() < 0.0101 && (agreeing - 0.3 * 0.85).abs() < 0.0124, "{truly} {agreeing}");
    }
}
