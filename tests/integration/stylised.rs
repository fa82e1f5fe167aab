//! Twenty stylised facts of markets that the market must show, each with its band (docs/market.md 16).
//!
//! Every fact is judged on the mean over three seeds. The quick size runs with every test; the full size, under seeds that
//! no default was tuned on, in the full check.

// A market that does not build is a failed test.
#![allow(clippy::unwrap_used)]

mod buying;
mod contact;
mod delay;
mod effect;
mod lived;
mod price;
mod social;

/// How many consumers, and under which seeds.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Divides the number of consumers that a fact asks for at full size.
    divisor: i64,
    seeds: [u64; 3],
}

/// With every test; the seeds are those that defaults were tuned on.
const QUICK: Size = Size { divisor: 10, seeds: [1, 2, 3] };
/// In the full check: other seeds, and enough people for the bands; a third of what the facts name, so that it ends within
/// minutes on two cores.
const FULL: Size = Size { divisor: 3, seeds: [11, 12, 13] };

impl Size {
    fn consumers(self, full: i64) -> i64 {
        (full / self.divisor).max(1)
    }

    /// The mean of a figure over the seeds.
    fn mean(self, figure: impl Fn(u64) -> f64) -> f64 {
        self.seeds.iter().map(|seed| figure(*seed)).sum::<f64>() / self.seeds.len() as f64
    }

    /// The mean of several figures over the seeds.
    fn means<const N: usize>(self, figures: impl Fn(u64) -> [f64; N]) -> [f64; N] {
        let mut total = [0.0; N];
        for seed in self.seeds {
            for (total, figure) in total.iter_mut().zip(figures(seed)) {
                *total += figure / self.seeds.len() as f64;
            }
        }
        total
    }
}

/// Says what was seen, and fails outside the band.
fn within(fact: &str, value: f64, band: std::ops::RangeInclusive<f64>) {
    println!("fact {fact}: {value:.4}, band {band:?}");
    assert!(band.contains(&value), "fact {fact}: {value} is outside {band:?}");
}

/// Both sizes of one fact.
macro_rules! fact {
    ($check:path, $quick:ident, $full:ident) => {
        #[test]
        fn $quick() {
            $check(crate::stylised::QUICK);
        }

        #[test]
        #[ignore = "full size; the full check runs it"]
        fn $full() {
            $check(crate::stylised::FULL);
        }
    };
}
use fact;
