//! What a shard can tell about one consumer: read from its state and from what the last tick left in its buffers.

use super::CampaignShard;
use crate::environment::campaign::budget::Gate;
use crate::environment::campaign::mask::{Asked, Today};
use crate::environment::campaign::model::Dropout;
use crate::environment::campaign::state::{ARRIVED, NOT_PENDING};
use crate::protocol::{Forbidden, Happening, Story};

impl Story for CampaignShard {
    fn traits(&self, row: usize) -> Vec<(String, f64)> {
        let people = &self.people;
        let leaves = match self.model.dropout {
            Dropout::AfterOrders => "dropout_probability_per_order",
            Dropout::AtAnyTime => "dropout_hazard_per_day",
        };
        let basket_mean = self.model.basket_shape / f64::from(people.spend_rate[row]);
        let column = |name: &str, values: &[f32]| (name.to_owned(), f64::from(values[row]));
        let mut traits = vec![
            column("order_rate_per_day", &people.order_rate),
            ("basket_mean".to_owned(), basket_mean),
            column(leaves, &people.dropout),
            column("persuadability", &people.persuadability),
            column("price_elasticity", &people.price_elasticity),
            column("irritability", &people.irritability),
            column("chronotype_hours", &people.chronotype_hours),
        ];
        for (affinities, channel) in people.channel_affinity.iter().zip(&self.model.catalogue.channels) {
            traits.push(column(&format!("{}_affinity", channel.name), affinities));
        }
        traits
    }

    fn state(&self, row: usize) -> Vec<(String, f64)> {
        let state = &self.state;
        let mut values = vec![("customer".to_owned(), f64::from(state.alive[row]))];
        for (index, module) in self.model.modules.iter().enumerate() {
            for &(column, name) in module.state() {
                values.push((name.to_owned(), f64::from(self.forces.column(index, column)[row])));
            }
        }
        if state.has_coupon(row, self.tick) {
            values.push(("coupon_discount".to_owned(), f64::from(state.coupon_discount[row])));
            values.push(("coupon_remembered".to_owned(), f64::from(u8::from(state.coupon_remembered[row]))));
        }
        if state.pending_tick[row] != NOT_PENDING {
            values.push(("pending_order_tick".to_owned(), f64::from(state.pending_tick[row])));
        }
        values
    }

    fn forbidden(&self, row: usize) -> Vec<Forbidden> {
        let consumer = self.first + row as u32;
        self.model.mask.reasons(&Asked {
            catalogue: &self.model.catalogue,
            people: &self.people,
            state: &self.state,
            today: Today { hour: self.model.clock.hour(self.tick), tick: self.tick },
            row,
            affords: self.gate == Gate::Open || self.gate.admits(self.seed, self.tick, consumer),
        })
    }

    fn is_audited(&self) -> bool {
        self.model.mask.audit
    }

    fn events(&self, row: usize) -> Vec<Happening> {
        let mut events = Vec::new();
        if self.arrived(row) {
            events.push(Happening::new("arrived", "became a customer by a first order, which counts for nobody"));
        }
        let contacts = &self.scratch.contacts.rows;
        if let Ok(contact) = contacts.binary_search(&(row as u32)) {
            self.tell_message(row, contact, &mut events);
        }
        if self.scratch.visiting.get(row) == Some(&true) {
            events.push(Happening::new("visited", "visited the site"));
        }
        self.tell_orders(row, &mut events);
        if self.scratch.alive.get(row).is_some_and(|before| *before > 0.0) && self.state.alive[row] <= 0.0 {
            let why = if self.scratch.leaving.contains(&(row as u32)) { ", because of the message" } else { "" };
            events.push(Happening::new("left", format!("left for good{why} (latent: nobody is told)")));
        }
        events
    }
}

impl CampaignShard {
    /// Whether the tick lived last was the one of arrival.
    fn arrived(&self, row: usize) -> bool {
        let lived = self.tick - 1;
        self.model.has_arrivals
            && self.state.arrival_tick[row] == ARRIVED
            && self.people.acquired_day[row] == self.model.clock.day(lived) as f32
            && self.model.modules.iter().find_map(|module| module.arrival_tick(self.seed, self.first + row as u32))
                == Some(lived)
    }

    /// What became of the message of the tick, from its delivery to what it did to the consent.
    fn tell_message(&self, row: usize, contact: usize, events: &mut Vec<Happening>) {
        let responses = &self.scratch.responses;
        let message = self.scratch.contacts.messages[contact];
        let hour = self.scratch.contacts.local_hours[contact];
        if !responses.delivered[contact] {
            events.push(self.undelivered(row, message.channel));
            return;
        }
        events.push(Happening::new("delivered", format!("delivered at {hour} h of the consumer's clock")));
        if responses.opened[contact] {
            let coupon = match (message.discount > 0.0, responses.redeeming[contact]) {
                (false, _) => "",
                (true, true) => ", the coupon remembered",
                (true, false) => ", the coupon soon forgotten",
            };
            events.push(Happening::new("opened", format!("opened or seen{coupon}")));
        }
        if responses.clicked[contact] {
            events.push(Happening::new("clicked", "clicked"));
        }
        if let Some(order) = self.scratch.aftermath.delayed.iter().find(|order| order.row as usize == row) {
            let profit = self.profit_when_due(*order).amount();
            let told = format!("order pending until tick {} (profit {profit:.2} then)", order.due_tick);
            events.push(Happening::new("order_pending", told));
        }
        if responses.complained[contact] {
            events.push(Happening::new("complained", "complained"));
        }
        if responses.opted_out[contact] {
            let channel = &self.model.catalogue.channels[usize::from(message.channel)].name;
            events.push(Happening::new("opted_out", format!("withdrew consent to {channel}")));
        }
    }

    /// Why the message of the tick did not arrive.
    fn undelivered(&self, row: usize, channel: u8) -> Happening {
        let figures = &self.model.catalogue.channels[usize::from(channel)];
        let name = &figures.name;
        if self.scratch.aftermath.lost_addresses.contains(&(row as u32, channel)) {
            return Happening::new("bounced", format!("bounced for good: the address for {name} is lost"));
        }
        if self.state.address[row] >> channel & 1 == 0 {
            return Happening::new("not_delivered", format!("not delivered: no address for {name}"));
        }
        if !self.model.mask.audit && self.state.consent[row] >> channel & 1 == 0 {
            return Happening::new("not_delivered", format!("not delivered: no consent to {name}"));
        }
        if figures.requires_visit && !self.scratch.organic.visits[row] {
            return Happening::new("not_delivered", format!("not shown: no visit in this tick, and {name} needs one"));
        }
        Happening::new("bounced", "bounced once")
    }

    fn tell_orders(&self, row: usize, events: &mut Vec<Happening>) {
        let aftermath = &self.scratch.aftermath;
        for order in self.scratch.orders.iter().filter(|order| order.row as usize == row) {
            let how = if aftermath.session_orders.iter().any(|(ordering, _)| *ordering as usize == row) {
                "at once after the click"
            } else if aftermath.fallen_due.contains(&(row as u32)) {
                "the pending order fell due"
            } else {
                "of their own accord"
            };
            let discount = match order.discount {
                none if none <= 0.0 => String::new(),
                share => format!(" with {:.0} % off", share * 100.0),
            };
            events.push(Happening::new("ordered", format!("ordered for {:.2}{discount}: {how}", order.revenue)));
        }
    }
}
