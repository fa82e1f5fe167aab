//! Channel affinity: some open every e-mail and no push, others the reverse.
//!
//! The logit of opening gains `weight * kappa_ic`; kappa is drawn with the population, equicorrelated over channels and
//! only weakly related to the purchase rate (Zhang, Kumar & Cosguner 2017: being active by e-mail is not being active as
//! a buyer).

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, View};
use crate::market::people::People;
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "channel_affinity",
    summary: "personal liking of each channel, on the logit of opening",
    source: "Zhang, Kumar & Cosguner (2017); docs/market.md 6.1",
    parameters: &[Parameter::number("weight", 1.0, Range::NON_NEGATIVE, "how much of the drawn affinity counts")],
    build: ModuleBuild {
        create: |values, _| Ok(Box::new(ChannelAffinity { weight: values.number("weight") as f32 })),
        neutral: || vec![("weight", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct ChannelAffinity {
    weight: f32,
}

impl ResponseModule for ChannelAffinity {
    fn open_offset_at_rest(&self, people: &People, row: usize, channel: usize) -> f32 {
        self.weight * people.channel_affinity[channel][row]
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for ((open, &row), message) in predictors.open.iter_mut().zip(&contacts.rows).zip(&contacts.messages) {
            *open += self.weight * view.people.channel_affinity[usize::from(message.channel)][row as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::catalogue::Message;
    use crate::units::Money;

    #[test]
    fn the_liking_of_the_channel_of_the_message_counts_and_of_no_other() {
        let module = ChannelAffinity { weight: 0.5 };
        let mut people = People { order_rate: vec![0.1; 2], ..People::default() };
        people.channel_affinity[0] = vec![1.0, -2.0];
        people.channel_affinity[1] = vec![0.2, 0.6];
        let message = |channel| Message { channel, hour: 12, offer: 0, creative: 0, discount: 0.0, cost: Money::ZERO };
        let contacts = Contacts { rows: vec![0, 1], messages: vec![message(0), message(1)], local_hours: vec![12; 2] };
        let mut predictors = MessagePredictors::default();
        predictors.reset(2);
        module.contribute_to_messages(&View::bare(&people, &[]), &contacts, &mut predictors);
        assert_eq!(predictors.open, [0.5, 0.3]);
        assert_eq!(module.open_offset_at_rest(&people, 1, 0), -1.0);
    }
}
