//! `learning.csv`: how agents learned, tick by tick.
//!
//! A file of its own beside `series.csv`, whose ticks are those of the judged markets: training has several markets, one
//! after the other, and each agent tells figures of its own.

use super::table::{optional, quoted};
use crate::episode::{Learning, LearningPoint};
use crate::evaluation::{Metric, mean_of};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A line per policy, market, tick and metric. Means over replications, with their 95 % interval where there are several;
/// `return_per_consumer` is that of the whole market, at its last tick; everything else only of agents that look ahead. Of
/// a long training, a line stands for some ticks from its own on. `None` where no policy learns.
pub(super) fn learning_csv<'a>(
    policies: impl Iterator<Item = (&'a str, Vec<&'a Learning>)>,
    ticks: u32,
) -> Option<String> {
    let mut text = String::from("policy,market,tick,metric,replications,mean,low,high\n");
    let mut has_rows = false;
    for (policy, learnings) in policies {
        for ((market, tick, metric), values) in points(&learnings, ticks) {
            let Metric { mean, low, high, .. } = mean_of(&values, None);
            let (policy, count) = (quoted(policy), values.len());
            // Writing to a string cannot fail.
            let _ =
                writeln!(text, "{policy},{market},{tick},{metric},{count},{mean},{},{}", optional(low), optional(high));
            has_rows = true;
        }
    }
    has_rows.then_some(text)
}

/// The values of all replications by (market, tick, metric).
fn points<'a>(learnings: &[&'a Learning], ticks: u32) -> BTreeMap<(u32, u32, &'a str), Vec<f64>> {
    let mut points: BTreeMap<(u32, u32, &str), Vec<f64>> = BTreeMap::new();
    for learning in learnings {
        for (market, value) in (0..).zip(&learning.returns_per_consumer) {
            points.entry((market, ticks.saturating_sub(1), "return_per_consumer")).or_default().push(*value);
        }
        for series in learning.series.iter() {
            for name in series.names() {
                for LearningPoint { market, tick, mean } in series.points(name) {
                    points.entry((market, tick, name)).or_default().push(mean);
                }
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_means_over_replications() {
        let learning = |loss: f64, worth: f64| {
            let mut learning = Learning::new(true, 2);
            learning.note(0, 1, &vec![("loss", loss)]);
            learning.returns_per_consumer.push(worth);
            learning
        };
        let (first, second) = (learning(1.0, 4.0), learning(3.0, 8.0));
        let text = learning_csv([("a,b", vec![&first, &second]), ("rule", Vec::new())].into_iter(), 2).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].starts_with("\"a,b\",0,1,loss,2,2,"), "{text}");
        assert!(lines[2].starts_with("\"a,b\",0,1,return_per_consumer,2,6,"), "{text}");
        assert_eq!(learning_csv([("rule", Vec::new())].into_iter(), 2), None);
    }
}
