//! A network of 32-128-128-24 with ReLU, in one thread: candle as it comes beside the layers, optimiser and plain form here.
//!
//! Elements are rows. `forward` is without a gradient; `update` is forward, backward and a step of Adam on the squared error
//! of all outputs; `decide` is the plain form on an observation.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on says so")]
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Module, Optimizer, ParamsAdamW};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mercato::agent::deep::inference::{Forward, Reading};
use mercato::agent::deep::network::{Actions, Architecture, Input, Network, Scheme};
use mercato::agent::deep::normaliser::Scaling;
use mercato::agent::deep::operation::Activation;
use mercato::agent::deep::optimizer::{Adam, Settings};
use mercato::agent::deep::parameters::Parameters;
use mercato::matrix::Matrix;
use mercato::protocol::{ActionBits, Observation};
use mercato::random::{Purpose, Seed};
use std::hint::black_box;

const INPUTS: usize = 32;
const OUTPUTS: usize = 24;

fn architecture() -> Architecture {
    Architecture {
        features: INPUTS,
        encoder: None,
        widths: vec![128, 128],
        activation: Activation::Relu,
        actions: Actions::flat(OUTPUTS),
        outputs: 1,
        dueling: false,
        scheme: Scheme::Kaiming,
    }
}

fn drawn(count: usize) -> Vec<f32> {
    let mut stream = Seed::new(1).stream(Purpose::Problem, 0, 0);
    (0..count).map(|_| 2.0 * stream.uniform() - 1.0).collect()
}

/// The same network of candle's own layers and optimiser.
struct AsItComes {
    layers: candle_nn::Sequential,
    variables: Vec<Var>,
}

impl AsItComes {
    fn new() -> Self {
        let parameters = Parameters::new(Seed::new(1));
        let builder = parameters.builder();
        let linear = |inputs, outputs, name: &str| candle_nn::linear(inputs, outputs, builder.pp(name)).unwrap();
        let layers = candle_nn::seq()
            .add(linear(INPUTS, 128, "a"))
            .add(candle_nn::Activation::Relu)
            .add(linear(128, 128, "b"))
            .add(candle_nn::Activation::Relu)
            .add(linear(128, OUTPUTS, "c"));
        Self { layers, variables: parameters.variables() }
    }
}

fn training(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deep");
    for rows in [256_usize, 8_192] {
        group.throughput(Throughput::Elements(rows as u64));
        let parameters = Parameters::new(Seed::new(1));
        let network = Network::new(&architecture(), &parameters, "").unwrap();
        let input = Input::new(INPUTS, rows, drawn(rows * INPUTS)).unwrap();
        let goal = Tensor::from_vec(drawn(rows * OUTPUTS), (rows, OUTPUTS), &Device::Cpu).unwrap();
        let theirs = AsItComes::new();
        let frozen_parameters = Parameters::frozen(Seed::new(1));
        let frozen = Network::new(&architecture(), &frozen_parameters, "").unwrap();
        group.bench_function(BenchmarkId::new("forward, candle", rows), |bencher| {
            bencher.iter(|| black_box(theirs.layers.forward(&input.features).unwrap()));
        });
        group.bench_function(BenchmarkId::new("forward, here", rows), |bencher| {
            bencher.iter(|| black_box(frozen.forward(&input).unwrap()));
        });
        let loss = |outputs: Tensor| (outputs - &goal).unwrap().sqr().unwrap().mean_all().unwrap();
        let settings = ParamsAdamW { lr: 1e-4, weight_decay: 0.0, ..ParamsAdamW::default() };
        let mut optimizer = AdamW::new(theirs.variables.clone(), settings).unwrap();
        group.bench_function(BenchmarkId::new("update, candle", rows), |bencher| {
            bencher.iter(|| optimizer.backward_step(&loss(theirs.layers.forward(&input.features).unwrap())).unwrap());
        });
        let mut adam = Adam::new(&parameters, Settings::default());
        group.bench_function(BenchmarkId::new("update, here", rows), |bencher| {
            bencher.iter(|| {
                let gradients = loss(network.forward(&input).unwrap()).backward().unwrap();
                black_box(adam.step(&parameters, &gradients, 1e-4))
            });
        });
    }
    group.finish();
}

fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deep");
    let parameters = Parameters::new(Seed::new(1));
    let network = Network::new(&architecture(), &parameters, "").unwrap();
    let plain = Forward::new(&architecture(), &parameters.weights(), "", Scaling::default(), Reading::All);
    for rows in [1_usize, 1_024] {
        group.throughput(Throughput::Elements(rows as u64));
        let values = drawn(rows * INPUTS);
        let dense: Vec<&[f32]> = values.chunks_exact(INPUTS).collect();
        let observation = Observation {
            consumer_ids: (0..rows as u32).collect(),
            features: Matrix::from_rows(&dense),
            allowed: ActionBits::all(rows, OUTPUTS),
            ..Observation::default()
        };
        let mut results = Matrix::default();
        group.bench_function(BenchmarkId::new("decide, here", rows), |bencher| {
            bencher.iter(|| {
                plain.evaluate(&observation, &mut results);
                black_box(results.get(0, 0))
            });
        });
        let x = Tensor::from_vec(values, (rows, INPUTS), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        let input = Input { features: x, tokens: None };
        group.bench_function(BenchmarkId::new("decide, by candle", rows), |bencher| {
            bencher.iter(|| black_box(network.forward(&input).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, training, deciding);
criterion_main!(benches);
