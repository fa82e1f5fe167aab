//! The network of `fqe_neural`: judging knows what it must do, agents have it, and here both meet.

use crate::agent::deep::regression::ActionRegression;
use crate::evaluation::sequence::SequenceBuild;
use crate::evaluation::sequence::fqe_neural::{self, NetworkRows, NetworkShape, ValueNetwork, neural_values};
use crate::random::Seed;
use crate::registry::Entry;

/// The entry of `fqe_neural`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: fqe_neural::NAME,
    summary: fqe_neural::SUMMARY,
    source: fqe_neural::SOURCE,
    parameters: fqe_neural::PARAMETERS,
    build: |values| Ok(neural_values(values, network)),
};

/// A network of this shape.
pub(crate) fn network(shape: &NetworkShape, seed: Seed) -> Box<dyn ValueNetwork> {
    let NetworkShape { inputs, ref widths, actions, outputs } = *shape;
    Box::new(ActionRegression::new(inputs, widths.clone(), actions, outputs, seed))
}

impl ValueNetwork for ActionRegression {
    fn frozen(&self, inputs: Vec<f32>) -> Vec<f32> {
        self.frozen_outputs(inputs)
    }

    fn step(&mut self, rows: &NetworkRows, size: f64) -> f64 {
        self.descend(&rows.inputs, &rows.actions, &rows.targets, &rows.weights, size)
    }

    fn freeze(&mut self) {
        self.copy();
    }

    fn represent(&self, inputs: Vec<f32>) -> Vec<f32> {
        self.hidden(inputs)
    }
}
