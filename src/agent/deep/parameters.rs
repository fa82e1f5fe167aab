//! The numbers of a network that learning changes: named, in the order of their creation, drawn by address.
//!
//! A store stands behind [`candle_nn::VarBuilder`] as well, so that layers of candle draw from it. Candle's own generator
//! cannot be seeded on the CPU, and its `VarMap` has no order.
//!
//! The draws of a parameter are those of the stream (seed, [`Purpose::Weights`], number of the parameter): the order of
//! creation is part of a network's definition, as its names are.

use super::checkpoint::Checkpoint;
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Shape, Tensor, Var, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::random::{Purpose, Seed, Stream};

/// How a parameter begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All the same.
    Constant(f32),
    /// Uniform on [-bound, bound].
    Uniform {
        /// Above 0.
        bound: f64,
    },
    /// Normal around 0.
    Normal {
        /// Standard deviation.
        deviation: f64,
    },
    /// Rows (or columns, whichever are fewer) that are orthogonal and of length `gain` (Saxe, McClelland & Ganguli 2014),
    /// for matrices.
    Orthogonal {
        /// Length of each.
        gain: f64,
    },
}

impl Initial {
    /// What PyTorch's `Linear` takes for weights and biases: Kaiming uniform (He et al. 2015) with slope √5, which is
    /// uniform within 1 / √inputs.
    #[must_use]
    pub fn kaiming(inputs: usize) -> Self {
        Self::Uniform { bound: 1.0 / (inputs.max(1) as f64).sqrt() }
    }

    fn draw(self, shape: &[usize], stream: &mut Stream) -> Vec<f32> {
        let count = shape.iter().product();
        match self {
            Self::Constant(value) => vec![value; count],
            Self::Uniform { bound } => {
                (0..count).map(|_| ((2.0 * f64::from(stream.uniform()) - 1.0) * bound) as f32).collect()
            }
            Self::Normal { deviation } => normals(count, stream).into_iter().map(|z| (z * deviation) as f32).collect(),
            Self::Orthogonal { gain } => {
                let rows = shape.first().copied().unwrap_or(1);
                orthogonal(rows, count / rows.max(1), stream).into_iter().map(|value| (value * gain) as f32).collect()
            }
        }
    }
}

/// Standard normals (Box & Muller 1958), through `libm`.
fn normals(count: usize, stream: &mut Stream) -> Vec<f64> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * libm::log(f64::from(stream.uniform()))).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * f64::from(stream.uniform()));
        values.extend([radius * cosine, radius * sine]);
    }
    values.truncate(count);
    values
}

/// The Q of a normal matrix whose R has a positive diagonal, row-major: Gram & Schmidt, twice over for orthogonality.
fn orthogonal(rows: usize, columns: usize, stream: &mut Stream) -> Vec<f64> {
    let (few, long) = (rows.min(columns), rows.max(columns));
    let drawn = normals(few * long, stream);
    let mut basis: Vec<Vec<f64>> = drawn.chunks_exact(long.max(1)).map(<[f64]>::to_vec).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for index in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(index);
        let vector = &mut rest[0];
        for other in before.iter().chain(before.iter()) {
            let along = dot(vector, other);
            vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
        }
        let length = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|value| *value /= length);
    }
    let at = |row: usize, column: usize| if rows <= columns { basis[row][column] } else { basis[column][row] };
    (0..rows * columns).map(|index| at(index / columns, index % columns)).collect()
}

/// Parameters by name, in the order of their creation. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Parameters {
    seed: Seed,
    learns: bool,
    store: Arc<Mutex<Vec<(String, Var)>>>,
}

impl Parameters {
    /// None yet.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { seed, learns: true, store: Arc::default() }
    }

    /// None yet, and none that gradients will be taken of: for a target network.
    #[must_use]
    pub fn frozen(seed: Seed) -> Self {
        Self { learns: false, ..Self::new(seed) }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(String, Var)>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parameter of this name and shape; drawn where it is new.
    ///
    /// # Errors
    /// Where it exists with another shape.
    pub fn get(&self, name: &str, shape: &[usize], initial: Initial) -> Result<Tensor> {
        let mut store = self.locked();
        let position = store.iter().position(|(known, _)| known == name);
        let index = match position {
            Some(index) if store[index].1.dims() != shape => {
                bail!("parameter `{name}` has shape {:?} where {shape:?} is asked for", store[index].1.dims())
            }
            Some(index) => index,
            None => {
                let mut stream = self.seed.stream(Purpose::Weights, store.len() as u32, 0);
                let values = initial.draw(shape, &mut stream);
                store.push((name.to_owned(), Var::from_vec(values, shape, &Device::Cpu)?));
                store.len() - 1
            }
        };
        let variable = &store[index].1;
        Ok(if self.learns { variable.as_tensor().clone() } else { variable.as_detached_tensor() })
    }

    /// For layers of candle: their hints become draws of ours.
    #[must_use]
    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, Device::Cpu)
    }

    /// All of them, in order.
    #[must_use]
    pub fn variables(&self) -> Vec<Var> {
        self.locked().iter().map(|(_, variable)| variable.clone()).collect()
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locked().iter().map(|(_, variable)| variable.elem_count()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of all values.
    #[must_use]
    pub fn weights(&self) -> Weights {
        let mut weights = Weights::default();
        for (name, variable) in self.locked().iter() {
            weights.entries.push((name.clone(), variable.dims().to_vec(), weights.values.len()));
            read(variable, |values| weights.values.extend_from_slice(values));
        }
        weights
    }

    /// Takes over all values of weights of the same names and shapes.
    ///
    /// # Errors
    /// Where names or shapes differ.
    pub fn set(&self, weights: &Weights) -> io::Result<()> {
        let store = self.locked();
        let same = store.len() == weights.entries.len()
            && store
                .iter()
                .zip(&weights.entries)
                .all(|((name, variable), entry)| *name == entry.0 && variable.dims() == entry.1);
        if !same {
            return Err(super::checkpoint::invalid("the weights are those of another network"));
        }
        for ((_, variable), entry) in store.iter().zip(&weights.entries) {
            alter(variable, |values| values.copy_from_slice(&weights.values[entry.2..entry.2 + values.len()]));
        }
        Ok(())
    }

    /// Moves all values towards those of another store by this share: 1 copies (Mnih et al. 2015), a little is Polyak
    /// averaging (Lillicrap et al. 2016).
    pub fn approach(&self, other: &Self, share: f32) {
        for ((_, own), (_, other)) in self.locked().iter().zip(other.locked().iter()) {
            read(other, |other| {
                alter(own, |own| {
                    for (own, other) in own.iter_mut().zip(other) {
                        *own = if share == 1.0 { *other } else { *own + share * (*other - *own) };
                    }
                });
            });
        }
    }

    /// Keeps all under `prefix.name`.
    pub fn save(&self, prefix: &str, to: &mut Checkpoint) {
        for (name, variable) in self.locked().iter() {
            read(variable, |values| to.put(format!("{prefix}.{name}"), variable.dims(), values));
        }
    }

    /// Takes over what was kept.
    ///
    /// # Errors
    /// Where a parameter is absent or of another size; nothing is changed then.
    pub fn load(&self, prefix: &str, from: &Checkpoint) -> io::Result<()> {
        let mut weights = self.weights();
        for (name, shape, first) in weights.entries.clone() {
            let count = shape.iter().product();
            let values: Vec<f32> = from.take(&format!("{prefix}.{name}"), count)?;
            weights.values[first..first + count].copy_from_slice(&values);
        }
        self.set(&weights)
    }
}

impl SimpleBackend for Parameters {
    fn get(&self, shape: Shape, name: &str, hint: Init, _: DType, _: &Device) -> Result<Tensor> {
        let initial = match hint {
            Init::Const(value) => Initial::Constant(value as f32),
            Init::Randn { mean: 0.0, stdev } => Initial::Normal { deviation: stdev },
            Init::Uniform { lo, up } if lo == -up => Initial::Uniform { bound: up },
            Init::Kaiming { dist, fan, non_linearity } => {
                let deviation = non_linearity.gain() / (fan.for_shape(&shape).max(1) as f64).sqrt();
                match dist {
                    candle_nn::init::NormalOrUniform::Normal => Initial::Normal { deviation },
                    candle_nn::init::NormalOrUniform::Uniform => Initial::Uniform { bound: 3f64.sqrt() * deviation },
                }
            }
            other => bail!("parameter `{name}` cannot begin as {other:?}"),
        };
        self.get(name, shape.dims(), initial)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match self.locked().iter().find(|(known, _)| known == name) {
            Some((_, variable)) => Ok(variable.as_tensor().clone()),
            None => bail!("there is no parameter `{name}`"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.locked().iter().any(|(known, _)| known == name)
    }
}

/// A copy of parameters: names, shapes, values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Name, shape, and where the values begin.
    entries: Vec<(String, Vec<usize>, usize)>,
    values: Vec<f32>,
}

impl Weights {
    /// The values of a parameter, row-major.
    ///
    /// # Panics
    /// Where there is none of this name: a mistake of the network that asks.
    #[must_use]
    pub fn get(&self, name: &str) -> &[f32] {
        &self.values[self.place(name)]
    }

    /// The same, to be changed.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn get_mut(&mut self, name: &str) -> &mut [f32] {
        let place = self.place(name);
        &mut self.values[place]
    }

    fn place(&self, name: &str) -> std::ops::Range<usize> {
        let entry = self.entries.iter().find(|(known, ..)| known == name);
        let (_, shape, first) = entry.unwrap_or_else(|| panic!("there is no parameter `{name}`"));
        *first..first + shape.iter().product::<usize>()
    }

    /// All values, in the order of the parameters.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Calls with the values of a tensor, row-major.
pub(super) fn read<R>(tensor: &Tensor, visit: impl FnOnce(&[f32]) -> R) -> R {
    let tensor = tensor.contiguous().expect("memory can be copied");
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(CpuStorage::F32(values)) => {
            let first = layout.start_offset();
            visit(&values[first..first + layout.shape().elem_count()])
        }
        _ => unreachable!("everything here is f32 on the CPU"),
    }
}

/// Changes the values of a parameter in place.
pub(super) fn alter(variable: &Var, change: impl FnMut(&mut [f32])) {
    struct Change<F>(RefCell<F>);
    impl<F: FnMut(&mut [f32])> InplaceOp1 for Change<F> {
        fn name(&self) -> &'static str {
            "change"
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            let (CpuStorage::F32(values), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
                bail!("a parameter is contiguous and f32")
            };
            self.0.borrow_mut()(&mut values[from..to]);
            Ok(())
        }
    }
    variable.inplace_op1(&Change(RefCell::new(change))).expect("a parameter is contiguous and f32");
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::Module;

    fn filled(seed: u64) -> Parameters {
        let parameters = Parameters::new(Seed::new(seed));
        parameters.get("b", &[4, 3], Initial::kaiming(3)).unwrap();
        parameters.get("a", &[5], Initial::Normal { deviation: 2.0 }).unwrap();
        parameters
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_in_the_order_of_creation() {
        assert_eq!(filled(3).weights(), filled(3).weights());
        assert_ne!(filled(3).weights(), filled(4).weights());
        let names: Vec<String> = filled(3).weights().entries.into_iter().map(|entry| entry.0).collect();
        assert_eq!(names, ["b", "a"]);
        assert!(filled(3).weights().get("b").iter().all(|value| value.abs() <= 1.0 / 3f32.sqrt()));
        assert!(filled(3).get("a", &[4], Initial::Constant(0.0)).is_err());
    }

    #[test]
    fn orthogonal_rows_have_the_gain_and_no_angle() {
        for (rows, columns) in [(3, 7), (7, 3), (4, 4)] {
            let mut stream = Seed::new(1).stream(Purpose::Weights, 0, 0);
            let values = Initial::Orthogonal { gain: 1.5 }.draw(&[rows, columns], &mut stream);
            let few = rows.min(columns);
            let at = |vector: usize, index: usize| {
                f64::from(if rows <= columns {
                    values[vector * columns + index]
                } else {
                    values[index * columns + vector]
                })
            };
            for a in 0..few {
                for b in 0..few {
                    let product: f64 = (0..rows.max(columns)).map(|index| at(a, index) * at(b, index)).sum();
                    let expected = if a == b { 2.25 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-6, "{rows} x {columns}: {product}");
                }
            }
        }
    }

    #[test]
    fn draws_have_their_moments() {
        let mut stream = Seed::new(5).stream(Purpose::Weights, 0, 0);
        let values: Vec<f64> =
            Initial::Normal { deviation: 2.0 }.draw(&[20_000], &mut stream).iter().map(|v| f64::from(*v)).collect();
        let (mean, variance) = crate::statistics::mean_and_variance(&values);
        // Standard errors: 2 / √20000 and 4 √(2 / 20000).
        assert!(mean.abs() < 4.0 * 0.0142 && (variance - 4.0).abs() < 4.0 * 0.04, "{mean} {variance}");
        let uniform = Initial::kaiming(4).draw(&[20_000], &mut stream);
        let values: Vec<f64> = uniform.iter().map(|value| f64::from(*value)).collect();
        let (mean, variance) = crate::statistics::mean_and_variance(&values);
        assert!(mean.abs() < 4.0 * 0.0021 && (variance - 1.0 / 12.0).abs() < 0.003, "{mean} {variance}");
    }

    #[test]
    fn layers_of_candle_draw_from_the_store() {
        let build = || {
            let parameters = Parameters::new(Seed::new(9));
            let layer = candle_nn::linear(3, 2, parameters.builder().pp("layer")).unwrap();
            let y = layer.forward(&Tensor::ones((1, 3), DType::F32, &Device::Cpu).unwrap()).unwrap();
            (parameters, y.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        let (parameters, y) = build();
        assert_eq!(y, build().1);
        let weights = parameters.weights();
        let expected: f32 = weights.get("layer.bias")[1] + weights.get("layer.weight")[3..].iter().sum::<f32>();
        assert!((y[1] - expected).abs() < 1e-6);
    }

    #[test]
    fn a_target_approaches_what_it_follows() {
        let (online, target) = (filled(3), Parameters::frozen(Seed::new(8)));
        target.get("b", &[4, 3], Initial::Constant(0.0)).unwrap();
        let seen = target.get("a", &[5], Initial::Constant(0.0)).unwrap();
        assert!(!seen.track_op());
        target.approach(&online, 0.25);
        let (of_online, of_target) = (online.weights(), target.weights());
        let quarter = of_online.values().iter().zip(of_target.values()).all(|(o, t)| o * 0.25 == *t);
        assert!(quarter, "tensors handed out before see the change too");
        target.approach(&online, 1.0);
        assert_eq!(target.weights(), of_online);
        assert_eq!(seen.to_vec1::<f32>().unwrap(), of_online.get("a"));
    }

    #[test]
    fn saved_parameters_come_back_and_others_are_refused() {
        let mut checkpoint = Checkpoint::default();
        filled(3).save("online", &mut checkpoint);
        let other = filled(4);
        other.load("online", &checkpoint).unwrap();
        assert_eq!(other.weights(), filled(3).weights());
        let more = filled(5);
        more.get("c", &[1], Initial::Constant(0.0)).unwrap();
        let before = more.weights();
        assert!(more.load("online", &checkpoint).unwrap_err().to_string().contains("online.c"));
        assert_eq!(more.weights(), before);
    }
}
