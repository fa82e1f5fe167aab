//! Who the consumers are: static traits, drawn once per consumer.
//!
//! A person is a pure function of (seed, consumer): correlated standard normal scores (a Gaussian copula) go through the
//! quantile function of each trait. Order rate, dropout and spend follow the "buy till you die" models of
//! [`crate::market::btyd`]; the psychological traits follow the sources named at each key. Defaults are the `retail`
//! preset.
//!
//! Skewed quantiles come from tables, so that millions of people are drawn in seconds. The
//! taste vector is independent of everything else, as are groups, device and the uniforms that decide which channels a
//! person owns.

mod correlation;
mod keys;
mod quantile;
mod special;

pub use keys::{AGE_BANDS, DEVICES, INCOME_BANDS, PARAMETERS, REGIONS, SEXES};

use crate::market::btyd::{BgNbd, GammaGamma, ParetoNbd};
use crate::math;
use crate::random::{LANES, Purpose, Seed};
use crate::registry::{Refusal, Values};
use correlation::Factor;
use keys::{CORRELATED, CORRELATED_TRAITS, Correlated};
use multiversion::multiversion;
use quantile::{QuantileTable, normal_score};

/// Most channels a market can have.
pub const MAX_CHANNELS: usize = 8;
/// Length of a taste vector.
pub const TASTES: usize = 4;

/// Largest mean basket over the population, in currency.
const MEAN_BASKET_MAX: f64 = 1e6;
/// Largest single basket, in currency.
const BASKET_MAX: f32 = 1e9;

const DAYS_PER_WEEK: f64 = 7.0;
const SCORE_BLOCKS: u32 = (CORRELATED / 4) as u32;

/// What a consumer is, latent traits and groups; none of it is seen by an agent unless a feature says so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Person {
    /// lambda: mean orders per day while alive, at the neutral state.
    pub order_rate_per_day: f32,
    /// p: probability that an order is the last; 0 unless the clock is `bg_nbd`.
    pub dropout_probability: f32,
    /// mu: hazard of dropping out, per day; 0 unless the clock is `pareto_nbd`.
    pub dropout_hazard_per_day: f32,
    /// nu: a basket is Gamma(spend shape, rate nu); its mean is [`Population::mean_basket`].
    pub spend_rate: f32,
    /// e > 0: order hazard falls by e percent per percent of price.
    pub price_elasticity: f32,
    /// d in (0, 1): pull of a deal beyond its price.
    pub deal_proneness: f32,
    /// beta: log-hazard per unit of activation; negative for those whom messages put off.
    pub persuadability: f32,
    /// iota > 0, mean 1: weight of fatigue.
    pub irritability: f32,
    /// Log-odds of opening, per channel; 0 beyond the market's channels.
    pub channel_affinity: [f32; MAX_CHANNELS],
    /// Local hour of mid-sleep.
    pub chronotype_hours: f32,
    /// w: independent standard normals.
    pub taste: [f32; TASTES],
    /// Member of the group that fairness is judged by; nobody unless a module says so.
    pub group: bool,
    /// An observable that tells about the group; 0 unless a module says so.
    pub proxy: f32,
    /// Too young to be contacted; nobody unless `minor_share` says so.
    pub minor: bool,
    /// Index into [`AGE_BANDS`].
    pub age_band: u8,
    /// Index into [`SEXES`].
    pub sex: u8,
    /// Index into [`REGIONS`].
    pub region: u8,
    /// Index into [`INCOME_BANDS`].
    pub income_band: u8,
    /// Index into [`DEVICES`].
    pub device: u8,
    /// Works on weekends, so that weekends do not shift the clock.
    pub works_weekends: bool,
    /// Uniforms in (0, 1), one per channel: what the market compares with the shares that own and accept a channel.
    pub channel_random: [f32; MAX_CHANNELS],
}

/// How people stop buying.
#[derive(Clone, Debug, PartialEq)]
enum Clock {
    /// After an order, with the person's probability (BG/NBD).
    BgNbd { model: BgNbd, dropout: QuantileTable },
    /// At the person's hazard, whether they order or not (Pareto/NBD).
    ParetoNbd { model: ParetoNbd, hazard: QuantileTable },
    /// Never (NBD).
    Nbd,
}

/// The law that persons are drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    clock: Clock,
    order_rate: QuantileTable,
    spend_rate: QuantileTable,
    unit_basket: QuantileTable,
    deal_proneness: QuantileTable,
    spend: GammaGamma,
    order_rate_shape: f64,
    mean_order_rate_per_day: f64,
    factor: Factor<CORRELATED>,
    log_elasticity_median: f32,
    elasticity_log_sd: f32,
    persuadability_mean: f32,
    persuadability_sd: f32,
    irritability_log_sd: f32,
    channel_affinity_sd: f32,
    chronotype_mean_hours: f32,
    chronotype_sd_hours: f32,
    chronotype_young_delay_hours: f32,
    age_bounds: Vec<f32>,
    sex_bounds: Vec<f32>,
    region_bounds: Vec<f32>,
    income_bounds: Vec<f32>,
    ios_share: f32,
    weekend_worker_share: f32,
    minor_share: f32,
}

impl Population {
    /// Builds the law from the keys of [`PARAMETERS`], or says all that is wrong with them.
    ///
    /// # Errors
    /// One refusal per fault: shares that do not sum to 1, correlations that cannot be, a mean basket beyond 1e6.
    pub fn new(market: &Values) -> Result<Self, Vec<Refusal>> {
        let mut faults = Vec::new();
        let mut bounds = |key, levels| {
            keys::share_bounds(market, key, levels).unwrap_or_else(|fault| {
                faults.push(fault);
                Vec::new()
            })
        };
        let age_bounds = bounds("age_shares", AGE_BANDS);
        let sex_bounds = bounds("sex_shares", SEXES);
        let region_bounds = bounds("region_shares", REGIONS);
        let income_bounds = bounds("income_shares", INCOME_BANDS);
        let factor = match keys::correlations(market) {
            Ok(factor) if faults.is_empty() => factor,
            Ok(_) => return Err(faults),
            Err(more) => {
                faults.extend(more);
                return Err(faults);
            }
        };
        let number = |key| market.number(key);
        let scale_days = number("purchase_rate_scale_weeks") * DAYS_PER_WEEK;
        let spend = GammaGamma {
            shape: number("spend_shape"),
            rate_shape: number("spend_rate_shape"),
            rate_scale: number("spend_rate_scale"),
        };
        let mean_basket = spend.mean();
        if mean_basket.is_nan() || mean_basket > MEAN_BASKET_MAX {
            return Err(vec![Refusal::new(
                market,
                "spend_rate_scale",
                format!("the mean basket, spend_shape spend_rate_scale / (spend_rate_shape - 1), is {mean_basket:e}"),
                format!("it must not be above {MEAN_BASKET_MAX}: lower spend_rate_scale, or count in a larger unit"),
            )]);
        }
        Ok(Self {
            clock: Clock::new(market),
            order_rate: QuantileTable::gamma(number("purchase_rate_shape"), scale_days),
            spend_rate: QuantileTable::gamma(spend.rate_shape, spend.rate_scale),
            unit_basket: QuantileTable::gamma(spend.shape, 1.0),
            deal_proneness: QuantileTable::beta(number("deal_proneness_a"), number("deal_proneness_b")),
            spend,
            order_rate_shape: number("purchase_rate_shape"),
            mean_order_rate_per_day: number("purchase_rate_shape") / scale_days,
            factor,
            log_elasticity_median: libm::log(number("elasticity_median")) as f32,
            elasticity_log_sd: number("elasticity_log_sd") as f32,
            persuadability_mean: number("persuadability_mean") as f32,
            persuadability_sd: number("persuadability_sd") as f32,
            irritability_log_sd: number("irritability_log_sd") as f32,
            channel_affinity_sd: number("channel_affinity_sd") as f32,
            chronotype_mean_hours: number("chronotype_mean_hours") as f32,
            chronotype_sd_hours: number("chronotype_sd_hours") as f32,
            chronotype_young_delay_hours: number("chronotype_young_delay_hours") as f32,
            age_bounds,
            sex_bounds,
            region_bounds,
            income_bounds,
            ios_share: number("ios_share") as f32,
            weekend_worker_share: number("weekend_worker_share") as f32,
            minor_share: number("minor_share") as f32,
        })
    }

    /// The person with this number in a market of this seed. Affinities and uniforms beyond `channels` are 0; those
    /// before do not depend on it, so another channel leaves everyone as they were.
    ///
    /// Score blocks 0 and 1 hold the correlated traits in the order of their names in `correlations`, then come the
    /// channel affinities and, after those of [`MAX_CHANNELS`], the taste.
    #[must_use]
    pub fn draw(&self, seed: Seed, consumer: u32, channels: usize) -> Person {
        let one = |purpose, block| seed.uniforms(purpose, consumer, 0, block).map(|uniform| [uniform]);
        let [person] = self.people(one, channels);
        person
    }

    /// The 16 people from `first` on, the same bits as [`Population::draw`], several times faster: what fills a market.
    /// Numbers wrap at 2^32.
    #[must_use]
    pub fn draw_lanes(&self, seed: Seed, first: u32, channels: usize) -> [Person; LANES] {
        let mut people = [Person::default(); LANES];
        draw_lanes(self, seed, first, channels, &mut people);
        people
    }

    /// `L` people from `uniforms(purpose, block)`: four uniforms for each of them.
    #[inline(always)]
    fn people<const L: usize>(&self, uniforms: impl Fn(Purpose, u32) -> [[f32; L]; 4], channels: usize) -> [Person; L] {
        let channels = channels.min(MAX_CHANNELS);
        let mut people = [Person::default(); L];
        let scores = self.scores(&uniforms, channels);
        self.set_traits(&scores, &mut people);
        for (channel, lanes) in scores[CORRELATED_TRAITS..].iter().enumerate().take(channels) {
            for (person, score) in people.iter_mut().zip(lanes) {
                person.channel_affinity[channel] = self.channel_affinity_sd * score;
            }
        }
        for (index, lanes) in uniforms(Purpose::Traits, SCORE_BLOCKS).iter().enumerate() {
            for (person, uniform) in people.iter_mut().zip(lanes) {
                person.taste[index] = normal_score(*uniform);
            }
        }
        self.set_profile(&uniforms, channels, &mut people);
        people
    }

    #[inline(always)]
    fn scores<const L: usize>(
        &self,
        uniforms: &impl Fn(Purpose, u32) -> [[f32; L]; 4],
        channels: usize,
    ) -> [[f32; L]; CORRELATED] {
        let mut scores = [[0.0; L]; CORRELATED];
        let count = CORRELATED_TRAITS + channels;
        for (block, four) in scores.chunks_mut(4).enumerate().take(count.div_ceil(4)) {
            let drawn = uniforms(Purpose::Traits, block as u32);
            for (lanes, uniforms) in four.iter_mut().zip(&drawn) {
                for (score, uniform) in lanes.iter_mut().zip(uniforms) {
                    *score = normal_score(*uniform);
                }
            }
        }
        self.factor.apply(&mut scores, count);
        scores
    }

    /// From scores to traits, each by its quantile function.
    #[inline(always)]
    fn set_traits<const L: usize>(&self, scores: &[[f32; L]; CORRELATED], people: &mut [Person; L]) {
        let z = |correlated: Correlated| &scores[correlated as usize];
        let order_rate = self.order_rate.values(z(Correlated::OrderRate)).map(math::exp);
        // A low rate is a high basket: the sign makes `spend` the trait that correlations speak of.
        let spend_rate = self.spend_rate.values(&z(Correlated::Spend).map(|z| -z)).map(math::exp);
        let elasticity =
            z(Correlated::PriceElasticity).map(|z| math::exp(self.log_elasticity_median + self.elasticity_log_sd * z));
        let deal_proneness = self.deal_proneness.values(z(Correlated::DealProneness)).map(math::sigmoid);
        let irritability = z(Correlated::Irritability)
            .map(|z| math::exp(self.irritability_log_sd * (z - 0.5 * self.irritability_log_sd)));
        let (mut probability, mut hazard) = ([0.0; L], [0.0; L]);
        match &self.clock {
            Clock::BgNbd { dropout, .. } => probability = dropout.values(z(Correlated::Dropout)).map(math::sigmoid),
            Clock::ParetoNbd { hazard: law, .. } => hazard = law.values(z(Correlated::Dropout)).map(math::exp),
            Clock::Nbd => {}
        }
        for (lane, person) in people.iter_mut().enumerate() {
            person.order_rate_per_day = order_rate[lane];
            person.dropout_probability = probability[lane];
            person.dropout_hazard_per_day = hazard[lane];
            person.spend_rate = spend_rate[lane];
            person.price_elasticity = elasticity[lane];
            person.deal_proneness = deal_proneness[lane];
            person.irritability = irritability[lane];
            person.persuadability =
                self.persuadability_mean + self.persuadability_sd * z(Correlated::Persuadability)[lane];
            person.chronotype_hours =
                self.chronotype_mean_hours + self.chronotype_sd_hours * z(Correlated::Chronotype)[lane];
        }
    }

    /// Groups (block 0), device and working week (block 1), uniforms of the channels (blocks 2 and 3).
    #[inline(always)]
    fn set_profile<const L: usize>(
        &self,
        uniforms: &impl Fn(Purpose, u32) -> [[f32; L]; 4],
        channels: usize,
        people: &mut [Person; L],
    ) {
        let [age, sex, region, income] = uniforms(Purpose::Profile, 0);
        let [device, weekend, young, _] = uniforms(Purpose::Profile, 1);
        for (lane, person) in people.iter_mut().enumerate() {
            person.age_band = level(age[lane], &self.age_bounds);
            person.sex = level(sex[lane], &self.sex_bounds);
            person.region = level(region[lane], &self.region_bounds);
            person.income_band = level(income[lane], &self.income_bounds);
            person.device = u8::from(device[lane] >= self.ios_share);
            person.works_weekends = weekend[lane] < self.weekend_worker_share;
            person.minor = young[lane] < self.minor_share;
            if person.age_band == 0 {
                person.chronotype_hours += self.chronotype_young_delay_hours;
            }
        }
        for block in 0..channels.div_ceil(4) {
            let drawn = uniforms(Purpose::Profile, 2 + block as u32);
            for (channel, lanes) in (4 * block..channels).zip(&drawn) {
                for (person, uniform) in people.iter_mut().zip(lanes) {
                    person.channel_random[channel] = *uniform;
                }
            }
        }
    }

    /// Mean order rate over the population, per day.
    #[must_use]
    pub fn mean_order_rate_per_day(&self) -> f64 {
        self.mean_order_rate_per_day
    }

    /// r: shape of the gamma law of order rates.
    #[must_use]
    pub fn order_rate_shape(&self) -> f64 {
        self.order_rate_shape
    }

    /// Mean basket of a person, in currency.
    #[inline]
    #[must_use]
    pub fn mean_basket(&self, spend_rate: f32) -> f32 {
        self.spend.shape as f32 / spend_rate
    }

    /// The basket of one order, in currency, by inversion: the same uniform gives the same rank under every policy. At
    /// most 1e9, so that sums of money stay exact.
    #[inline]
    #[must_use]
    pub fn basket(&self, uniform: f32, spend_rate: f32) -> f32 {
        (math::exp(self.unit_basket.value(normal_score(uniform))) / spend_rate).min(BASKET_MAX)
    }

    /// The law of baskets.
    #[must_use]
    pub fn spend(&self) -> &GammaGamma {
        &self.spend
    }

    /// The law of orders with time in days, where the clock is `bg_nbd`.
    #[must_use]
    pub fn bg_nbd(&self) -> Option<&BgNbd> {
        match &self.clock {
            Clock::BgNbd { model, .. } => Some(model),
            _ => None,
        }
    }

    /// The law of orders with time in days, where the clock is `pareto_nbd`.
    #[must_use]
    pub fn pareto_nbd(&self) -> Option<&ParetoNbd> {
        match &self.clock {
            Clock::ParetoNbd { model, .. } => Some(model),
            _ => None,
        }
    }
}

impl Clock {
    fn new(market: &Values) -> Self {
        let number = |key| market.number(key);
        let (shape, scale) = (number("purchase_rate_shape"), number("purchase_rate_scale_weeks") * DAYS_PER_WEEK);
        match market.text("clock") {
            "pareto_nbd" => {
                let dropout_shape = number("dropout_shape");
                let dropout_scale = number("dropout_scale_weeks") * DAYS_PER_WEEK;
                Self::ParetoNbd {
                    model: ParetoNbd { shape, scale, dropout_shape, dropout_scale },
                    hazard: QuantileTable::gamma(dropout_shape, dropout_scale),
                }
            }
            "nbd" => Self::Nbd,
            _ => {
                let (a, b) = (number("dropout_a"), number("dropout_b"));
                Self::BgNbd { model: BgNbd { shape, scale, a, b }, dropout: QuantileTable::beta(a, b) }
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_lanes(population: &Population, seed: Seed, first: u32, channels: usize, people: &mut [Person; LANES]) {
    *people = population.people(|purpose, block| seed.uniforms_in_lanes(purpose, first, 0, block), channels);
}

/// The level whose cumulative share first exceeds the uniform.
#[inline(always)]
fn level(uniform: f32, bounds: &[f32]) -> u8 {
    bounds.iter().map(|bound| u8::from(uniform >= *bound)).sum()
}

#[cfg(test)]
mod tests;
