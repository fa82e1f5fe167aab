//! The consumers of one shard as columns: what is fixed about them.

use super::channel::CHANNELS_MAX;
use super::population::TASTES;

/// Static traits, one value per consumer in each column. Latent unless stated otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    /// Purchase rate while alive, orders per day (latent).
    pub order_rate: Vec<f32>,
    /// ln of the rate over the population's mean rate (latent).
    pub rate_log_ratio: Vec<f32>,
    /// Dropout probability after an order (BG/NBD) or hazard per day (Pareto/NBD) (latent).
    pub dropout: Vec<f32>,
    /// Rate of the Gamma law of baskets (latent).
    pub spend_rate: Vec<f32>,
    /// Price elasticity above 0 (latent).
    pub price_elasticity: Vec<f32>,
    /// Deal-proneness in [0, 1] (latent).
    pub deal_proneness: Vec<f32>,
    /// Response of the purchase log-hazard to activation; may be negative (latent).
    pub persuadability: Vec<f32>,
    /// Irritability, mean 1 (latent).
    pub irritability: Vec<f32>,
    /// Chronotype: mid-sleep on free days, in hours after midnight (latent).
    pub chronotype_hours: Vec<f32>,
    /// Affinity to each channel, on the logit of opening (latent).
    pub channel_affinity: [Vec<f32>; CHANNELS_MAX],
    /// Taste vector, independent standard normals (latent).
    pub taste: [Vec<f32>; TASTES],
    /// Day on which the consumer was acquired, relative to day 0 (observable).
    pub acquired_day: Vec<f32>,
    /// Works at weekends, so that weekends do not shift the clock (latent).
    pub works_weekends: Vec<bool>,
    /// Age band (observable).
    pub age_band: Vec<u8>,
    /// Sex (observable).
    pub sex: Vec<u8>,
    /// Region (observable).
    pub region: Vec<u8>,
    /// Income band (latent unless a scenario shows it).
    pub income_band: Vec<u8>,
    /// Device: 0 iOS, 1 Android (observable).
    pub device: Vec<u8>,
    /// Offset of the consumer's clock from the sender's, in hours (observable, from the region).
    pub clock_offset_hours: Vec<i8>,
    /// Member of the group that fairness is judged by (latent unless a scenario shows it).
    pub group: Vec<bool>,
    /// An observable that tells about the group (observable where the module that draws it is on).
    pub proxy: Vec<f32>,
    /// Too young to be contacted (observable through the mask).
    pub minor: Vec<bool>,
    /// On the suppression list: never to be contacted (observable through the mask).
    pub suppressed: Vec<bool>,
}

impl People {
    /// Number of consumers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order_rate.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order_rate.is_empty()
    }
}
