//! `mercato schema`: the JSON Schema of a file.

use super::arguments::{Schema, SchemaOf};
use super::print;
use crate::logged;
use crate::outcomes;
use crate::scenario;
use std::process::ExitCode;

/// Prints the schema.
#[must_use]
pub fn execute(arguments: &Schema) -> ExitCode {
    let schema = match arguments.of {
        SchemaOf::Scenario => scenario::schema::scenario(),
        SchemaOf::Evaluation => logged::schema::evaluation(),
        SchemaOf::Experiment => outcomes::schema::experiment(),
    };
    print(&format!("{schema:#}\n"))
}
