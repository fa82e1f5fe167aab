use super::*;
use crate::episode::judge_by_period;
use crate::episode::toy::{Constant, Toy, Uniform};
use crate::evaluation::experiment::{Better, Margin, Promise};
use crate::evaluation::market_seed;
use crate::matrix::Matrix;
use crate::protocol::{ActionBits, Decision, Observation, Policy, World};
use crate::random::Seed;

const NONE: Constant = Constant(0);
const PLAIN: Constant = Constant(1);
const LOUD: Constant = Constant(2);

fn protocol<'a>(world: &'a dyn World, policies: &'a [&'a dyn Policy], shares: &'a [f64]) -> Protocol<'a> {
    let span = Span { first_tick: 3, end_tick: world.spec().horizon };
    let randomised = Randomised::Consumer;
    Protocol {
        world,
        policies,
        before: &NONE,
        shares,
        randomised,
        span,
        feature: None,
        exposed: None,
        seed: Seed::new(5),
    }
}

#[test]
fn the_probabilities_are_those_of_the_arm() {
    let toy = Toy::new(64, 9);
    let policies: [&dyn Policy; 3] = [&NONE, &Uniform, &LOUD];
    let test = protocol(&toy, &policies, &[0.3, 0.4, 0.3]);
    let assignment = test.assignment(0).unwrap();
    let composed = Composed::new(&policies, &PLAIN, 3, &assignment);
    let mut observation = Observation {
        tick: 2,
        consumer_ids: (10..42).collect(),
        allowed: ActionBits::all(32, 3),
        ..Observation::default()
    };
    let (mut law, mut own, mut decision, mut alone) =
        (Matrix::default(), Matrix::default(), Decision::default(), Decision::default());
    // Before the test everybody meets the policy of that time.
    composed.probabilities(&observation, Seed::new(1), &mut law);
    assert!((0..32).all(|row| law.row(row) == [0.0, 1.0, 0.0]));
    observation.tick = 3;
    composed.probabilities(&observation, Seed::new(1), &mut law);
    composed.decide(&observation, Seed::new(1), &mut decision);
    let mut seen = [0; 3];
    for row in 0..32 {
        let arm = assignment.arm(10 + row as u32, 3);
        seen[arm] += 1;
        policies[arm].probabilities(&observation, Seed::new(1), &mut own);
        policies[arm].decide(&observation, Seed::new(1), &mut alone);
        assert_eq!(law.row(row), own.row(row));
        assert_eq!(decision.actions[row], alone.actions[row]);
        assert_eq!(decision.propensities[row], law.get(row, usize::from(decision.actions[row])));
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn where_nobody_touches_anybody_a_consumer_lives_as_if_all_had_their_arm() {
    // The identity behind the truth: without interference, the test picks of each whole market the consumers of the arm.
    let toy = Toy::new(3_000, 9);
    let policies: [&dyn Policy; 2] = [&NONE, &LOUD];
    let test = protocol(&toy, &policies, &[0.5, 0.5]);
    let assignment = test.assignment(4).unwrap();
    let everyone = [0, 1].map(Assignment::everyone);
    let lived = test.live(4, &[&assignment, &everyone[0], &everyone[1]]).unwrap();
    let (mixed, whole) = (&lived[0], &lived[1..]);
    let values = |lived: &Lived, measure| test.rows(lived, &assignment, &Outcome::of(measure)).unwrap();
    for measure in [Measure::Profit, Measure::Messages] {
        let rows = values(mixed, measure);
        let pure = [values(&whole[0], measure), values(&whole[1], measure)];
        for (row, arm) in rows.arms.iter().enumerate() {
            assert_eq!(rows.outcomes[row], pure[*arm as usize].outcomes[row]);
            // What was before the test is the same for all.
            assert_eq!(rows.covariates[row], pure[0].covariates[row]);
        }
    }
    assert!(whole[1].level(&Outcome::of(Measure::Messages)).unwrap() > 4.0);
    assert_eq!(values(mixed, Measure::Messages).covariates.iter().sum::<f64>(), 0.0);
}

#[test]
fn a_market_judged_in_parts_gives_the_same_rows() {
    let whole = Toy::new(5_000, 9);
    let parts = Toy { part_shards: Some(2), ..whole.clone() };
    let policies: [&dyn Policy; 2] = [&NONE, &Uniform];
    let rows = |toy: &Toy| {
        let test = protocol(toy, &policies, &[0.5, 0.5]);
        let test = Protocol { feature: Some(0), ..test };
        let assignment = test.assignment(1).unwrap();
        test.rows(&test.live(1, &[&assignment]).unwrap()[0], &assignment, &Outcome::of(Measure::Profit)).unwrap()
    };
    assert_eq!(rows(&whole), rows(&parts));
    assert_eq!(rows(&whole).covariates.len(), 5_000);
}

#[test]
fn threads_change_nothing() {
    let toy = Toy::new(5_000, 9);
    let policies: [&dyn Policy; 2] = [&NONE, &Uniform];
    let on = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let test = protocol(&toy, &policies, &[0.5, 0.5]);
            test.live(1, &[&test.assignment(1).unwrap()]).unwrap()
        })
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(7));
}

#[test]
fn counts_by_consumer_sum_to_those_of_the_market() {
    let toy = Toy::new(2_000, 9);
    let mut market = toy.open(market_seed(Seed::new(5), 0));
    let record = judge_by_period(market.as_mut(), &PLAIN, Seed::new(1), &[4, 7]).unwrap();
    let periods = record.by_period.as_ref().unwrap();
    let sum = |ticks: std::ops::Range<usize>| -> i64 {
        record.series[ticks].iter().map(|tally| tally.get(crate::protocol::Kpi::Profit)).sum()
    };
    assert_eq!(periods[0].profit_micros.iter().sum::<i64>(), sum(0..4));
    assert_eq!(periods[1].profit_micros.iter().sum::<i64>(), sum(4..7));
    // The toy does not know whom it counted.
    assert_eq!((&periods[0].orders, &periods[1].opt_outs), (&None, &None));
}

#[test]
fn periods_alternate_and_are_scaled_to_the_whole_test() {
    let toy = Toy::new(400, 15);
    let policies: [&dyn Policy; 2] = [&NONE, &PLAIN];
    let test = Protocol {
        randomised: Randomised::Period { ticks: 3, washout_ticks: 1 },
        ..protocol(&toy, &policies, &[0.5, 0.5])
    };
    let assignment = test.assignment(0).unwrap();
    let lived = &test.live(0, &[&assignment]).unwrap()[0];
    let messages = Outcome::of(Measure::Messages);
    let rows = test.rows(lived, &assignment, &messages).unwrap();
    assert_eq!((rows.arms.len(), &rows.clusters[..], &rows.periods[..]), (4, &[0, 0, 1, 1][..], &[0, 1, 2, 3][..]));
    for (arm, value) in rows.arms.iter().zip(&rows.outcomes) {
        // Twelve ticks of test, a message to whoever has not opted out by then.
        assert_eq!(*arm == 0, *value == 0.0);
        assert!(*value <= 12.0);
    }
    let share = lived.level(&messages).unwrap();
    assert!(share > 0.0 && share <= 6.0, "{share}");
}

fn questions(names: &[&str], consumers: u32) -> Vec<Question> {
    let offered = Offered { randomised: Randomised::Consumer, covariate: true, denominator: false, friendships: false };
    let outcome = Outcome::of(Measure::Profit);
    let usual = offered.usual_analyses(consumers).into_iter().filter(|(name, _)| names.contains(name));
    usual
        .map(|(name, values)| {
            let entry = crate::registry::find(crate::evaluation::experiment::ANALYSES, name).unwrap();
            Question { outcome, name: name.to_owned(), analysis: (entry.build)(&values).unwrap() }
        })
        .collect()
}

#[test]
fn equal_arms_are_told_apart_as_often_as_the_level_says_and_more_often_by_peeking() {
    let toy = Toy::new(600, 6);
    let policies: [&dyn Policy; 2] = [&PLAIN, &LOUD];
    let questions = questions(&["welch", "cuped", "peeking", "msprt", "confidence_sequence"], 600);
    assert_eq!(questions.len(), 5);
    let repetition = Repetition { tests: 400, truths: 400, between_arms: true, between_equals: true };
    let lab = Lab { protocol: protocol(&toy, &policies, &[0.5, 0.5]), questions: &questions, alpha: 0.05, repetition };
    let findings = lab.run(&|| ()).unwrap();
    let of = |kind: Kind, name: &str| {
        findings.verdicts.iter().find(|verdict| verdict.kind == kind && verdict.analysis == name).unwrap()
    };
    // Standard error of a rate of .05 over 400 tests: .011.
    for name in ["welch", "cuped"] {
        let equal = of(Kind::Equals, name);
        assert!((equal.rejected.share - 0.05).abs() < 4.0 * 0.011, "{equal:?}");
        assert!(equal.bias.abs() < 4.0 * equal.bias_standard_error, "{equal:?}");
        let arms = of(Kind::Arms, name);
        assert!(arms.bias.abs() < 4.0 * arms.bias_standard_error, "{arms:?}");
        assert!((arms.covered.share - 0.95).abs() < 4.0 * 0.011, "{arms:?}");
        assert!(arms.truth.abs() > 3.0 * arms.truth_standard_error, "{arms:?}");
        assert!(arms.rejected.share > equal.rejected.share, "{arms:?}");
    }
    // Twenty looks reject about one time in four (Armitage, McPherson & Rowe 1969).
    let peeking = of(Kind::Equals, "peeking");
    assert!((0.15..0.35).contains(&peeking.rejected.share), "{peeking:?}");
    assert!(peeking.covered_always.share < 0.9, "{peeking:?}");
    for name in ["msprt", "confidence_sequence"] {
        let sequential = of(Kind::Equals, name);
        assert!(sequential.rejected.share < 0.05 + 2.0 * 0.011, "{sequential:?}");
        assert!(sequential.covered_always.share > 0.95 - 2.0 * 0.011, "{sequential:?}");
    }
    // A p value below .001 is rare: none or one or two of 400.
    assert!(findings.ratio_alarms.unwrap().share <= 3.0 / 400.0);
}

#[test]
fn one_test_reports_counts_effects_promises_and_the_truth() {
    let toy = Toy::new(2_000, 9);
    let policies: [&dyn Policy; 3] = [&NONE, &PLAIN, &LOUD];
    let test = protocol(&toy, &policies, &[0.5, 0.25, 0.25]);
    let messages = Outcome::of(Measure::Messages);
    let guard = |margin| {
        let analysis = crate::evaluation::experiment::default_analysis("welch").unwrap();
        let question = Question { outcome: messages, name: "welch".to_owned(), analysis };
        Guard { question, margin: Margin { better: Better::Lower, margin } }
    };
    let promises = [guard(6.5), guard(5.0)];
    let report = test_once(&test, &questions(&["welch", "ratio"], 2_000), &promises, 0.05, 3).unwrap();
    assert_eq!(report.counts.iter().sum::<usize>(), 2_000);
    assert!(!report.ratio.as_ref().unwrap().is_alarm);
    let effects = report.answers[0].effects.as_ref().unwrap();
    assert_eq!((effects.len(), report.truths.len(), report.truths[0].len()), (2, 2, 2));
    // The plain letter goes to everybody in every tick but after an opt-out, six times; the loud one rests every fifth tick.
    let promises: Vec<Promise> = report.guards.iter().map(|guarded| guarded.promise).collect();
    assert_eq!(promises, [Promise::Held, Promise::Held, Promise::Broken, Promise::Held], "{:?}", report.guards);
    assert!(!report.holds());
    let truth = report.truths[0][0].mean();
    assert!(effects[0].low < truth.mean && truth.mean < effects[0].high);
}

#[test]
fn a_ratio_has_its_own_rows_and_truth() {
    let toy = Toy::new(800, 9);
    let policies: [&dyn Policy; 2] = [&PLAIN, &LOUD];
    let test = protocol(&toy, &policies, &[0.5, 0.5]);
    let outcome = Outcome::named("profit/messages").unwrap();
    assert_eq!(outcome.name(), "profit/messages");
    assert_eq!(Outcome::named("profit/letters"), None);
    let whole = test.live_whole(0).unwrap();
    let level = |outcome: &str| whole[1].level(&Outcome::named(outcome).unwrap()).unwrap();
    assert!((level("profit/messages") - level("profit") / level("messages")).abs() < 1e-12);
    let analysis = crate::evaluation::experiment::default_analysis("ratio").unwrap();
    let question = Question { outcome, name: "ratio".to_owned(), analysis };
    let report = test_once(&test, &[question], &[], 0.05, 1).unwrap();
    let effect = &report.answers[0].effects.as_ref().unwrap()[0];
    assert!((effect.treated - level("profit/messages")).abs() < 0.1, "{effect:?}");
}

#[test]
fn what_the_lab_finds_does_not_depend_on_threads() {
    let toy = Toy::new(300, 6);
    let policies: [&dyn Policy; 2] = [&PLAIN, &Uniform];
    let questions = questions(&["welch", "msprt"], 300);
    let repetition = Repetition { tests: 20, truths: 7, between_arms: true, between_equals: true };
    let lab = Lab { protocol: protocol(&toy, &policies, &[0.5, 0.5]), questions: &questions, alpha: 0.05, repetition };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| lab.run(&|| ()).unwrap())
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(7));
    assert_eq!(one.truths[0][0].by_market.len(), 7);
}

#[test]
fn what_too_few_tests_show_is_not_known() {
    let toy = Toy::new(300, 6);
    let policies: [&dyn Policy; 2] = [&PLAIN, &LOUD];
    let protocol = protocol(&toy, &policies, &[0.5, 0.5]);
    let of = |questions: &[Question], tests: u32| {
        let repetition = Repetition { tests, truths: 0, between_arms: false, between_equals: true };
        Lab { protocol, questions, alpha: 0.05, repetition }.run(&|| ()).unwrap().verdicts.remove(0)
    };
    let one = of(&questions(&["welch"], 300), 1);
    assert_eq!((one.tests, one.refused), (1, 0));
    assert!(one.rejected.share.is_finite() && one.mean_effect.is_finite(), "{one:?}");
    assert!(one.rejected.standard_error.is_nan() && one.bias_standard_error.is_nan(), "{one:?}");
    // Without strata, which a simulated test has not, every test is refused.
    let analysis = crate::evaluation::experiment::default_analysis("stratified").unwrap();
    let none = of(&[Question { outcome: Outcome::of(Measure::Profit), name: "stratified".to_owned(), analysis }], 2);
    assert_eq!((none.tests, none.refused), (0, 2));
    let unknown = [none.rejected.share, none.covered.standard_error, none.mean_effect, none.bias, none.width];
    assert!(unknown.iter().all(|value| value.is_nan()), "{none:?}");
}

#[test]
fn a_promise_about_what_does_not_vary_is_not_kept() {
    let toy = Toy::new(300, 6);
    let policies: [&dyn Policy; 2] = [&NONE, &NONE];
    let analysis = crate::evaluation::experiment::default_analysis("welch").unwrap();
    let question = Question { outcome: Outcome::of(Measure::Messages), name: "welch".to_owned(), analysis };
    let guard = Guard { question, margin: Margin { better: Better::Lower, margin: 0.01 } };
    let report = test_once(&protocol(&toy, &policies, &[0.5, 0.5]), &[], &[guard], 0.05, 0).unwrap();
    assert_eq!((report.guards[0].interval, report.guards[0].promise), (Some((0.0, 0.0)), Promise::Unproven));
    assert!(!report.holds());
}
