use super::*;
use crate::registry::Value;
use crate::statistics::mean_and_variance;

fn retail() -> Values {
    Values::defaults(PARAMETERS)
}

fn people(population: &Population, count: u32, channels: usize) -> Vec<Person> {
    (0..count).map(|consumer| population.draw(Seed::new(11), consumer, channels)).collect()
}

/// Whether the sample mean stands within four standard errors of the theory.
fn assert_mean(name: &str, values: impl Iterator<Item = f64>, expected: f64) {
    let values: Vec<f64> = values.collect();
    let (mean, variance) = mean_and_variance(&values);
    let error = (variance / values.len() as f64).sqrt();
    assert!((mean - expected).abs() < 4.0 * error, "{name}: mean {mean}, theory {expected}, standard error {error}");
}

#[test]
fn moments_of_every_trait_match_their_law() {
    let people = people(&Population::new(&retail()).unwrap(), 40_000, 3);
    let column = |read: fn(&Person) -> f32| people.iter().map(move |person| f64::from(read(person)));
    let rate = 0.55 / (10.6 * 7.0);
    assert_mean("order rate", column(|p| p.order_rate_per_day), rate);
    assert_mean("order rate²", column(|p| p.order_rate_per_day).map(|x| x * x), rate * rate * 1.55 / 0.55);
    assert_mean("dropout", column(|p| p.dropout_probability), 0.1);
    assert_mean("dropout²", column(|p| p.dropout_probability).map(|x| x * x), 1.0 * 2.0 / (10.0 * 11.0));
    assert_mean("spend rate", column(|p| p.spend_rate), 3.74 / 26.3);
    assert_mean("mean basket", column(|p| 6.25 / p.spend_rate), 6.25 * 26.3 / 2.74);
    assert_mean("ln elasticity", column(|p| p.price_elasticity).map(libm::log), libm::log(2.0));
    assert_mean("elasticity²", column(|p| p.price_elasticity).map(|x| x * x), 4.0 * libm::exp(2.0 * 0.45 * 0.45));
    assert_mean("deal proneness", column(|p| p.deal_proneness), 0.4);
    assert_mean("deal proneness²", column(|p| p.deal_proneness).map(|x| x * x), 0.2);
    assert_mean("persuadability", column(|p| p.persuadability), 1.0);
    assert_mean("put off", column(|p| p.persuadability).map(|x| f64::from(u8::from(x < 0.0))), 0.158_655);
    assert_mean("irritability", column(|p| p.irritability), 1.0);
    assert_mean("chronotype", column(|p| p.chronotype_hours), 4.25 + 0.12 * 0.68);
    assert_mean("affinity²", column(|p| p.channel_affinity[2]).map(|x| x * x), 1.0);
    assert_mean("taste²", column(|p| p.taste[3]).map(|x| x * x), 1.0);
    assert_mean("youngest", column(|p| f32::from(u8::from(p.age_band == 0))), 0.12);
    assert_mean("oldest", column(|p| f32::from(u8::from(p.age_band == 5))), 0.19);
    assert_mean("iOS", column(|p| f32::from(u8::from(p.device == 0))), 0.45);
    assert_mean("weekend", column(|p| f32::from(u8::from(p.works_weekends))), 0.2);
    assert!(people.iter().all(|person| person.channel_affinity[3..] == [0.0; 5]));
    assert!(people.iter().all(|person| person.channel_random[..3].iter().all(|u| *u > 0.0 && *u < 1.0)));
}

#[test]
fn scores_have_the_correlations_asked_for() {
    let values = retail().with(
        "correlations",
        Value::Coefficients(vec![("order_rate:spend".into(), 0.4), ("persuadability:channel_affinity".into(), -0.2)]),
    );
    let population = Population::new(&values).unwrap();
    let scores: Vec<_> = (0..40_000)
        .map(|consumer| {
            let uniforms = |purpose, block| Seed::new(3).uniforms(purpose, consumer, 0, block).map(|uniform| [uniform]);
            population.scores(&uniforms, 8).map(|[score]| score)
        })
        .collect();
    let correlation = |first: usize, second: usize| {
        scores.iter().map(|z| f64::from(z[first]) * f64::from(z[second])).sum::<f64>() / scores.len() as f64
    };
    let standard_error = (2.0 / 40_000.0f64).sqrt();
    let (rate, spend, persuadability) =
        (Correlated::OrderRate as usize, Correlated::Spend as usize, Correlated::Persuadability as usize);
    for (first, second, expected) in [
        (rate, rate, 1.0),
        (rate, spend, 0.4),
        (rate, 8, 0.1),
        (rate, 15, 0.1),
        (8, 9, 0.3),
        (12, 15, 0.3),
        (15, 15, 1.0),
        (persuadability, 11, -0.2),
        (spend, 3, 0.0),
    ] {
        let found = correlation(first, second);
        assert!((found - expected).abs() < 4.0 * standard_error, "({first}, {second}): {found}, not {expected}");
    }
    // The trait itself follows: people who order more spend more.
    let people = people(&population, 4_000, 1);
    let above = people.iter().filter(|person| person.order_rate_per_day > 0.0026).collect::<Vec<_>>();
    let share = above.iter().filter(|person| population.mean_basket(person.spend_rate) > 51.0).count() as f64;
    assert!(share / above.len() as f64 > 0.55);
}

#[test]
fn the_young_sleep_later() {
    let people = people(&Population::new(&retail()).unwrap(), 20_000, 1);
    let band = |young: bool| {
        let hours: Vec<f64> = people
            .iter()
            .filter(|person| (person.age_band == 0) == young)
            .map(|person| f64::from(person.chronotype_hours))
            .collect();
        mean_and_variance(&hours).0
    };
    // Standard error 1.25 sqrt(1/2400 + 1/17600) = .027.
    assert!((band(true) - band(false) - 0.68).abs() < 0.11);
}

#[test]
fn another_channel_leaves_everyone_as_they_were() {
    let population = Population::new(&retail()).unwrap();
    for consumer in [0, 1, 77, u32::MAX] {
        let few = population.draw(Seed::new(5), consumer, 2);
        let many = population.draw(Seed::new(5), consumer, 8);
        assert_eq!(few.channel_affinity[..2], many.channel_affinity[..2]);
        assert_eq!(few.channel_random[..2], many.channel_random[..2]);
        let bare = |person: Person| Person { channel_affinity: [0.0; 8], channel_random: [0.0; 8], ..person };
        assert_eq!(bare(few), bare(many));
    }
}

#[test]
fn each_clock_has_its_own_way_to_stop() {
    let draw = |clock: &str| {
        let values = retail().with("clock", Value::Text(clock.into()));
        Population::new(&values).unwrap().draw(Seed::new(1), 4, 1)
    };
    let (bg, pareto, never) = (draw("bg_nbd"), draw("pareto_nbd"), draw("nbd"));
    assert!(bg.dropout_probability > 0.0 && bg.dropout_hazard_per_day == 0.0);
    assert!(pareto.dropout_probability == 0.0 && pareto.dropout_hazard_per_day > 0.0);
    assert!(never.dropout_probability == 0.0 && never.dropout_hazard_per_day == 0.0);
    assert_eq!(bg.order_rate_per_day, pareto.order_rate_per_day);
}

#[test]
fn baskets_follow_gamma_gamma() {
    let population = Population::new(&retail()).unwrap();
    let baskets = (0..40_000u32).map(|consumer| {
        let person = population.draw(Seed::new(2), consumer, 1);
        f64::from(population.basket(Seed::new(2).uniforms(Purpose::Basket, consumer, 0, 0)[0], person.spend_rate))
    });
    assert_mean("basket", baskets, population.spend().mean());
    assert!(population.basket(0.3, 0.1) < population.basket(0.4, 0.1));
}

#[test]
fn people_in_lanes_are_the_same_people() {
    for clock in ["bg_nbd", "pareto_nbd", "nbd"] {
        let population = Population::new(&retail().with("clock", Value::Text(clock.into()))).unwrap();
        for (first, channels) in [(0, 0), (16, 1), (u32::MAX - 5, 5), (1_600, 8), (3, 20)] {
            let lanes = population.draw_lanes(Seed::new(9), first, channels);
            for (lane, person) in lanes.iter().enumerate() {
                assert_eq!(*person, population.draw(Seed::new(9), first.wrapping_add(lane as u32), channels));
            }
        }
    }
}

#[test]
fn values_are_stable() {
    let person = Population::new(&retail()).unwrap().draw(Seed::new(7), 3, 2);
    let bits = [
        person.order_rate_per_day,
        person.dropout_probability,
        person.spend_rate,
        person.deal_proneness,
        person.irritability,
        person.channel_affinity[1],
        person.taste[0],
    ]
    .map(f32::to_bits);
    assert_eq!(bits, STABLE_BITS);
}

/// What seed 7, consumer 3 draws; a change means that every result changes.
const STABLE_BITS: [u32; 7] = [1021468769, 1032547233, 1040684680, 1058646241, 1070079786, 1053438082, 3203074128];

#[test]
fn wrong_shares_and_correlations_are_all_named() {
    let values = retail()
        .with("age_shares", Value::Numbers(vec![0.5, 0.5]))
        .with("sex_shares", Value::Numbers(vec![0.5, 0.4, 0.2]))
        .with(
            "correlations",
            Value::Coefficients(vec![
                ("order_rate:height".into(), 0.1),
                ("order_rate".into(), 0.1),
                ("spend:spend".into(), 0.1),
                ("spend:dropout".into(), 1.5),
            ]),
        );
    let faults = Population::new(&values).unwrap_err();
    assert_eq!(faults.len(), 6);
    assert!(faults[0].message.contains("2 shares"));
    assert!(faults[1].message.contains("1.1"));
    assert!(faults[2].message.contains("`height`"));
}

#[test]
fn correlations_that_nobody_can_have_are_refused() {
    let faults = Population::new(&retail().with("channel_affinity_correlation", Value::Number(-0.5))).unwrap_err();
    assert_eq!(faults[0].key, "channel_affinity_correlation");
    assert!(faults[0].message.contains("channel_affinity"));
}
