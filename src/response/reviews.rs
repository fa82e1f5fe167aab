//! Reviews and surveys: what customers say, which the sender may read.
//!
//! After an order, with probability `review_share`, a review appears after an exponential time with mean `delay_days`,
//! rounded up to ticks: a sentiment, `clip(S + review_noise_sd * normal, -1, 1)`, with S the satisfaction just after the
//! order, and a topic. Topics have fixed odds, but for `contact`, whose odds are `1 + contact_growth * F` times its share.
//! A panel of `panel_share` of the consumers is asked every `survey_every_days`, each on a day of their own; who is still
//! a customer answers `clip(S + survey_noise_sd * normal, -1, 1)` (docs/market.md 6.10). F and S are the signals of fatigue
//! and satisfaction; where their owners are off they are 0, and what is said is noise.
//!
//! It moves nothing: it is what can be seen of satisfaction. No text is made: a sentiment and a topic stand for what a
//! reader of reviews would take from them. All figures are assumptions.
//!
//! Limits: (1) the latest review and the latest answer are shown; (2) one review is on its way at a time, an order before it
//! has appeared gets none.

use super::{Contacts, ModuleBuild, Order, ResponseModule, Responses, Signal, Surroundings, View};
use crate::market::people::People;
use crate::math::{ln, normal_quantile};
use crate::protocol::Feature;
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Range, Refusal, Value, Values};

/// Topics of reviews and their shares where nobody is tired.
const TOPICS: [(&str, f32); 5] =
    [("price", 0.25), ("delivery", 0.25), ("product", 0.30), ("service", 0.15), ("contact", CONTACT_SHARE)];
const CONTACT_SHARE: f32 = 0.05;

/// Blocks of the purpose; block 1 is the quality of orders.
const REVIEW_BLOCK: u32 = 0;
const MEMBER_BLOCK: u32 = 2;
const SURVEY_BLOCK: u32 = 3;

/// Columns: the review that was shown last, the one that comes or has come since, the latest answer.
const SENTIMENT: usize = 0;
const TOPIC: usize = 1;
const TICK: usize = 2;
const NEXT_SENTIMENT: usize = 3;
const NEXT_TOPIC: usize = 4;
const NEXT_TICK: usize = 5;
const ANSWER: usize = 6;
const COLUMNS: [usize; 7] = [SENTIMENT, TOPIC, TICK, NEXT_SENTIMENT, NEXT_TOPIC, NEXT_TICK, ANSWER];

/// Tick of a review that never was.
const NEVER: f32 = -1e9;
/// Tick of a review that is not on its way.
const NOT_COMING: f32 = 1e9;
/// In place of an answer, which lies in [-1, 1].
const UNANSWERED: f32 = 2.0;
/// Days since a review that never was.
const LONGEST_DAYS: f32 = 999.0;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "reviews",
    summary: "what customers let be seen of their satisfaction: reviews after orders and a survey panel",
    source: "assumed; docs/market.md 6.10",
    parameters: &[
        Parameter::number("review_share", 0.1, Range::PROBABILITY, "probability that an order is reviewed"),
        Parameter::number("delay_days", 7.0, Range::POSITIVE, "mean time from an order to its review"),
        Parameter::number("review_noise_sd", 0.3, Range::closed(0.0, 10.0), "spread of sentiment about satisfaction"),
        Parameter::number(
            "contact_growth",
            0.2,
            Range::closed(0.0, 1e3),
            "by how much a unit of fatigue raises the odds of the topic `contact`, as a multiple",
        ),
        Parameter::number("panel_share", 0.05, Range::PROBABILITY, "share of consumers who are asked"),
        Parameter::number("survey_every_days", 30.0, Range::POSITIVE, "time from one question to the next"),
        Parameter::number("survey_noise_sd", 0.2, Range::closed(0.0, 10.0), "spread of answers about satisfaction"),
    ],
    build: ModuleBuild {
        create,
        neutral: || vec![("review_share", Value::Number(0.0)), ("panel_share", Value::Number(0.0))],
    },
};

fn create(values: &Values, surroundings: &Surroundings<'_>) -> Result<Box<dyn ResponseModule>, Refusal> {
    let number = |key| values.number(key) as f32;
    let every_ticks = (values.number("survey_every_days") / surroundings.tick_days).round();
    Ok(Box::new(Reviews {
        review_share: number("review_share"),
        delay_ticks: (values.number("delay_days") / surroundings.tick_days).min(1e6) as f32,
        review_noise: number("review_noise_sd"),
        contact_growth: number("contact_growth"),
        panel_share: number("panel_share"),
        // The cast saturates.
        survey_ticks: (every_ticks as i64).max(1),
        survey_noise: number("survey_noise_sd"),
        tick_days: surroundings.tick_days as f32,
    }))
}

#[derive(Debug)]
struct Reviews {
    review_share: f32,
    delay_ticks: f32,
    review_noise: f32,
    contact_growth: f32,
    panel_share: f32,
    survey_ticks: i64,
    survey_noise: f32,
    tick_days: f32,
}

impl Reviews {
    /// The topic at a uniform: shares in order, the last one's odds multiplied.
    fn topic(&self, uniform: f32, fatigue: f32) -> usize {
        let contact = CONTACT_SHARE * (1.0 + self.contact_growth * fatigue);
        let mut left = uniform * (1.0 - CONTACT_SHARE + contact);
        for (topic, (_, share)) in TOPICS.iter().enumerate().take(TOPICS.len() - 1) {
            if left < *share {
                return topic;
            }
            left -= share;
        }
        TOPICS.len() - 1
    }

    /// Column of the sentiment, of the topic and of the tick of the review that can be read now, if any.
    fn latest(columns: &[Vec<f32>], row: usize, tick: i32) -> Option<[usize; 3]> {
        if columns[NEXT_TICK][row] <= tick as f32 {
            Some([NEXT_SENTIMENT, NEXT_TOPIC, NEXT_TICK])
        } else if columns[TICK][row] > NEVER {
            Some([SENTIMENT, TOPIC, TICK])
        } else {
            None
        }
    }
}

impl ResponseModule for Reviews {
    fn columns(&self) -> usize {
        COLUMNS.len()
    }

    fn observable_columns(&self) -> &[usize] {
        &COLUMNS
    }

    fn start(&self, _seed: Seed, _first: u32, _people: &People, columns: &mut [Vec<f32>]) {
        columns[TICK].fill(NEVER);
        columns[NEXT_TICK].fill(NOT_COMING);
        columns[ANSWER].fill(UNANSWERED);
    }

    fn advance(&self, view: &View<'_>, _contacts: &Contacts, _responses: &Responses, next: &mut [Vec<f32>]) {
        if self.panel_share <= 0.0 {
            return;
        }
        // Whose turn it is: consumers are asked on days of their own, so that answers come in at all times.
        let turn = (-(i64::from(view.tick) + i64::from(view.first))).rem_euclid(self.survey_ticks);
        let answers = &mut next[ANSWER];
        for row in (turn.min(answers.len() as i64) as usize..answers.len()).step_by(self.survey_ticks as usize) {
            let consumer = view.first + row as u32;
            if view.seed.uniforms(Purpose::Review, consumer, 0, MEMBER_BLOCK)[0] < self.panel_share {
                let uniform = view.seed.uniforms(Purpose::Review, consumer, view.tick as u32, SURVEY_BLOCK)[0];
                let felt = view.signals.value(Signal::Satisfaction, row) + self.survey_noise * normal_quantile(uniform);
                answers[row] = if view.alive[row] > 0.0 { felt.clamp(-1.0, 1.0) } else { UNANSWERED };
            }
        }
    }

    fn after_orders(&self, view: &View<'_>, orders: &[Order], next: &mut [Vec<f32>]) {
        for order in orders {
            let (row, consumer) = (order.row as usize, view.first + order.row);
            let uniforms = view.seed.uniforms(Purpose::Review, consumer, view.tick as u32, REVIEW_BLOCK);
            let [review, sentiment, topic, delay] = uniforms;
            let is_coming = next[NEXT_TICK][row] < NOT_COMING && next[NEXT_TICK][row] > view.tick as f32;
            if review >= self.review_share || is_coming {
                continue;
            }
            if next[NEXT_TICK][row] < NOT_COMING {
                for (shown, coming) in [(SENTIMENT, NEXT_SENTIMENT), (TOPIC, NEXT_TOPIC), (TICK, NEXT_TICK)] {
                    next[shown][row] = next[coming][row];
                }
            }
            let felt = view.signals.value(Signal::Satisfaction, row) + self.review_noise * normal_quantile(sentiment);
            let delay_ticks = (-ln(delay) * self.delay_ticks).ceil().max(1.0);
            next[NEXT_SENTIMENT][row] = felt.clamp(-1.0, 1.0);
            next[NEXT_TOPIC][row] = self.topic(topic, view.signals.value(Signal::Fatigue, row)) as f32;
            next[NEXT_TICK][row] = view.tick as f32 + delay_ticks;
        }
    }

    fn features(&self) -> Vec<Feature> {
        let mut features = vec![
            Feature::raw("review_sentiment", "-1 to 1").standardised(0.0, 0.3),
            Feature::raw("days_since_review", "days").logged(3.5, 1.9),
        ];
        features.extend(TOPICS.iter().map(|(topic, _)| Feature::level("review_topic", topic)));
        features.push(Feature::raw("survey_satisfaction", "-1 to 1").standardised(0.0, 0.3));
        features.push(Feature::raw("survey_answered", "indicator"));
        features
    }

    fn observe(&self, view: &View<'_>, feature: usize, first_row: usize, cells: &mut [f32]) {
        const TOPICS_FROM: usize = 2;
        const ANSWERS_FROM: usize = TOPICS_FROM + TOPICS.len();
        let columns = view.columns;
        for (lane, cell) in cells.iter_mut().enumerate() {
            let row = first_row + lane;
            let latest = Self::latest(columns, row, view.tick);
            let answer = columns[ANSWER][row];
            *cell = match (feature, latest) {
                (0, Some([sentiment, ..])) => columns[sentiment][row],
                (1, Some([.., tick])) => ((view.tick as f32 - columns[tick][row]) * self.tick_days).min(LONGEST_DAYS),
                (1, None) => LONGEST_DAYS,
                (ANSWERS_FROM, _) if answer < UNANSWERED => answer,
                (ANSWERS_FROM.., _) => f32::from(u8::from(feature > ANSWERS_FROM && answer < UNANSWERED)),
                (_, Some([_, topic, _])) => f32::from(u8::from(columns[topic][row] == (feature - TOPICS_FROM) as f32)),
                (_, None) => 0.0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Signals, testing};
    use super::*;

    fn people(count: usize) -> People {
        People { order_rate: vec![0.1; count], ..People::default() }
    }

    fn with(changes: &[(&'static str, f64)]) -> Box<dyn ResponseModule> {
        let mut values = Values::defaults(ENTRY.parameters);
        for (key, value) in changes {
            values.set(key, Value::Number(*value), None);
        }
        testing::build(&ENTRY, &values, &testing::catalogue(&[("email", "email")], &[])).unwrap()
    }

    fn started(module: &dyn ResponseModule, people: &People) -> Vec<Vec<f32>> {
        let mut columns = vec![vec![0.0; people.len()]; module.columns()];
        module.start(Seed::new(1), 0, people, &mut columns);
        columns
    }

    /// All features of a row.
    fn seen(module: &dyn ResponseModule, view: &View<'_>, row: usize) -> Vec<f32> {
        (0..module.features().len())
            .map(|feature| {
                let mut cell = [f32::NAN];
                module.observe(view, feature, row, &mut cell);
                cell[0]
            })
            .collect()
    }

    #[test]
    fn a_review_appears_after_its_delay_and_says_what_was_felt() {
        let module = with(&[("review_share", 1.0), ("review_noise_sd", 0.0)]);
        let people = people(2);
        let mut columns = started(module.as_ref(), &people);
        let felt = [0.0, -0.4];
        let signals = Signals::only(Signal::Satisfaction, &felt);
        let order = Order { row: 1, ..Order::default() };
        let nothing = [0.0, 999.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        module.after_orders(&View { tick: 5, signals, ..View::bare(&people, &[]) }, &[order], &mut columns);
        let due = columns[NEXT_TICK][1] as i32;
        assert!(due >= 6);
        for tick in [5, due - 1] {
            assert_eq!(seen(module.as_ref(), &View { tick, ..View::bare(&people, &columns) }, 1), nothing);
        }
        let shown = seen(module.as_ref(), &View { tick: due + 3, ..View::bare(&people, &columns) }, 1);
        assert_eq!((shown[0], shown[1], shown[2..7].iter().sum::<f32>()), (-0.4, 3.0, 1.0));
        assert_eq!(seen(module.as_ref(), &View { tick: due + 3, ..View::bare(&people, &columns) }, 0), nothing);
        // An order while a review can be read starts another; until that appears, the first one stays.
        let later = View { tick: due + 4, ..View::bare(&people, &[]) };
        module.after_orders(&later, &[order], &mut columns);
        let shown = seen(module.as_ref(), &View { tick: due + 4, ..View::bare(&people, &columns) }, 1);
        assert_eq!((shown[0], shown[1]), (-0.4, 4.0));
    }

    #[test]
    fn fatigue_makes_people_write_about_contact() {
        let module = Reviews {
            review_share: 1.0,
            delay_ticks: 7.0,
            review_noise: 0.0,
            contact_growth: 0.2,
            panel_share: 0.0,
            survey_ticks: 30,
            survey_noise: 0.0,
            tick_days: 1.0,
        };
        let shares = |fatigue: f32| {
            let mut shares = [0.0; TOPICS.len()];
            for step in 0..100_000 {
                shares[module.topic((step as f32 + 0.5) / 1e5, fatigue)] += 1e-5;
            }
            shares
        };
        for (share, (_, expected)) in shares(0.0).iter().zip(TOPICS) {
            assert!((share - expected).abs() < 1e-3);
        }
        // At F = 5 the odds of .05 double: .1 / 1.05; the others keep their proportions.
        let tired = shares(5.0);
        assert!((tired[4] - 0.1 / 1.05).abs() < 1e-3 && (tired[0] - 0.25 / 1.05).abs() < 1e-3, "{tired:?}");
    }

    #[test]
    fn a_panel_of_a_twentieth_answers_once_a_month_while_alive() {
        let module = with(&[]);
        let count = 20_000;
        let people = people(count);
        let satisfied = vec![0.5; count];
        let alive: Vec<f32> = (0..count).map(|row| (row % 2) as f32).collect();
        let mut columns = started(module.as_ref(), &people);
        let mut changes = 0;
        for tick in 0..60 {
            let view = View {
                seed: Seed::new(4),
                first: 0,
                tick,
                weekend: false,
                people: &people,
                alive: &alive,
                visiting: &[],
                prices: &[],
                signals: Signals::only(Signal::Satisfaction, &satisfied),
                columns: &[],
                series: &[],
                common: &[],
                common_rows: &[],
                common_fixed_rows: &[],
            };
            let before = columns[ANSWER].clone();
            module.advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
            changes += before.iter().zip(&columns[ANSWER]).filter(|(before, after)| before != after).count();
        }
        let answers: Vec<f32> = columns[ANSWER].iter().copied().filter(|answer| *answer < UNANSWERED).collect();
        // 10,000 alive: 500 in the panel, standard error 22; each asked twice in 60 days.
        assert!((answers.len() as f64 - 500.0).abs() < 4.0 * 22.0, "{}", answers.len());
        assert_eq!(changes, 2 * answers.len());
        assert!(columns[ANSWER].iter().step_by(2).all(|answer| *answer == UNANSWERED));
        // The mean of .5 + .2 * normal, cut at 1, is .4996; standard error .009.
        let mean = answers.iter().sum::<f32>() / answers.len() as f32;
        assert!((mean - 0.5).abs() < 0.04, "{mean}");
    }
}
